//! What is shown where: one arrangement of views for each purpose.
//!
//! A view is only made of what there is: none stays empty.

use rerun::blueprint::{
    BarChartView, Blueprint, BlueprintPanel, ContainerLike, Horizontal, SelectionPanel,
    Spatial2DView, Tabs, TextLogView, TimePanel, TimeSeriesView, Vertical,
    components::{LoopMode, PanelState},
};
use std::collections::BTreeSet;

/// What a recording is about. Each purpose has an arrangement of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Someone acts in a world: the scene, what is seen, actions and rewards.
    Collect,
    /// A model learns: curves over the timeline `train_step`.
    Train,
    /// A planner acts: the scene with what is imagined, camera beside goal, cost, doubt and errors.
    Evaluate,
    /// One plan is made and followed to its end: as [`Purpose::Evaluate`], with the search round by round.
    Plan,
    /// What a dataset holds, which knows no poses: pictures and numbers without the scene.
    Dataset,
}

impl Purpose {
    /// In a word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Plan => "plan",
            Self::Dataset => "dataset",
        }
    }
}

/// Something that there is to show beyond the scene and the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// What a camera shows.
    Camera(String),
    /// What a plan expects to see.
    Film,
    /// A goal image.
    GoalImage,
    /// Actions.
    Action,
    /// An observed state.
    State,
    /// A distance to the goal.
    GoalDistance,
    /// Errors against the goal by its terms.
    GoalError,
    /// Rewards that are not all zero.
    Reward,
    /// Plans.
    Plan,
    /// The rounds of a search.
    Search,
    /// An ensemble's disagreement.
    Spread,
    /// Expectations that were compared with what came.
    Surprise,
    /// The loss of training.
    Loss,
    /// The terms of that loss.
    Terms,
    /// Figures on held-out data.
    Validation,
    /// How the optimiser goes.
    Optimiser,
}

/// What there is to show.
pub(super) type Parts = BTreeSet<Part>;

/// The arrangement of `parts`, with the scene if the purpose has one. Steps are played back at `control_hz`.
pub(super) fn blueprint(
    purpose: Purpose,
    scene: ContainerLike,
    parts: &Parts,
    control_hz: f64,
) -> Blueprint {
    let log: ContainerLike = TextLogView::new("log").with_contents(["log"]).into();
    let root = match purpose {
        Purpose::Train => training(parts),
        Purpose::Dataset => {
            let left = Vertical::new([pictures(parts), Some(log)].into_iter().flatten());
            columns(left.with_row_shares(vec![4.0, 1.0]), [1.0, 1.0], numbers(purpose, parts))
        }
        Purpose::Collect | Purpose::Evaluate | Purpose::Plan => {
            let left = Vertical::new([scene, log]).with_row_shares(vec![4.0, 1.0]);
            let mut rows = numbers(purpose, parts);
            if parts.contains(&Part::Film) {
                let film = Spatial2DView::new("imagined ahead").with_origin("imagination/film");
                rows.insert(0, (0.6, film.into()));
            }
            if let Some(pictures) = pictures(parts) {
                rows.insert(0, (1.4, pictures));
            }
            columns(left, [3.0, 2.0], rows)
        }
    };
    let time = TimePanel::new().with_state(PanelState::Collapsed);
    let time = match purpose {
        Purpose::Train => time.with_timeline("train_step"),
        _ => time.with_timeline("step").with_fps(control_hz).with_loop_mode(LoopMode::All),
    };
    Blueprint::new(root)
        .with_auto_views(false)
        .with_auto_layout(false)
        .with_blueprint_panel(BlueprintPanel::from_state(PanelState::Collapsed))
        .with_selection_panel(SelectionPanel::from_state(PanelState::Collapsed))
        .with_time_panel(time)
}

/// A column beside another, which is made of rows with their shares.
fn columns(left: Vertical, shares: [f32; 2], rows: Vec<(f32, ContainerLike)>) -> ContainerLike {
    if rows.is_empty() {
        return left.into();
    }
    let (heights, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let right = Vertical::new(rows).with_row_shares(heights);
    Horizontal::new([left.into(), right.into()]).with_column_shares(shares.to_vec()).into()
}

/// What is seen, beside what is to be seen.
fn pictures(parts: &Parts) -> Option<ContainerLike> {
    let views: Vec<ContainerLike> = (parts.iter())
        .filter_map(|part| match part {
            Part::Camera(name) => {
                let origin = super::camera_entity(name);
                Some(Spatial2DView::new(name.clone()).with_origin(origin).into())
            }
            Part::Film => {
                Some(Spatial2DView::new("expected").with_origin("imagination/now").into())
            }
            Part::GoalImage => Some(Spatial2DView::new("goal").with_origin("goal/image").into()),
            _ => None,
        })
        .collect();
    (!views.is_empty()).then(|| Horizontal::new(views).into())
}

/// The plots of episodes, from what a planner thinks to what comes of it.
fn numbers(purpose: Purpose, parts: &Parts) -> Vec<(f32, ContainerLike)> {
    let when = |part: Part, name: &str, content: &str| -> Option<ContainerLike> {
        parts.contains(&part).then(|| plot(name, &[content]))
    };
    let of_plans = |part: Part, name: &str, content: &str| {
        // Of one plan it would be a curve of one point.
        when(part, name, content).filter(|_| purpose != Purpose::Plan)
    };
    let searched = (purpose == Purpose::Plan && parts.contains(&Part::Search)).then(|| {
        BarChartView::new("lowest cost by round of the search").with_origin("plan/search").into()
    });
    let doubt = [
        of_plans(Part::Surprise, "surprise", "plan/surprise"),
        of_plans(Part::Spread, "uncertainty", "plan/uncertainty"),
    ];
    let outcome = [
        when(Part::GoalError, "error by goal term", "goal/error/**"),
        when(Part::GoalDistance, "goal distance", "goal/distance"),
        when(Part::Reward, "reward", "reward"),
    ];
    let deeds = [
        when(Part::Action, "action", "action"),
        when(Part::State, "state", "state"),
        of_plans(Part::Plan, "milliseconds a plan", "plan/milliseconds"),
    ];
    let rows = [
        tabs("search", [searched]),
        tabs("cost", [of_plans(Part::Plan, "cost", "plan/cost/**")]),
        beside(doubt),
        tabs("outcome", outcome),
        tabs("action", deeds),
    ];
    rows.into_iter().flatten().map(|row| (1.0, row)).collect()
}

/// The curves of training.
fn training(parts: &Parts) -> ContainerLike {
    let when = |part: Part, name: &str, contents: &[&str]| -> Option<ContainerLike> {
        parts.contains(&part).then(|| plot(name, contents))
    };
    let rest = ["train/**", "- train/loss", "- train/grad_norm", "- train/learning_rate"];
    let upper = [
        when(Part::Loss, "loss", &["train/loss"]),
        when(Part::Validation, "on held-out episodes", &["validation/**"]),
    ];
    let lower = [
        when(Part::Terms, "terms of the loss", &rest),
        tabs(
            "optimiser",
            [
                when(Part::Optimiser, "norm of the gradient", &["train/grad_norm"]),
                when(Part::Optimiser, "learning rate", &["train/learning_rate"]),
            ],
        ),
    ];
    let rows: Vec<_> = [beside(upper), beside(lower)].into_iter().flatten().collect();
    Vertical::new(rows).into()
}

fn plot(name: &str, contents: &[&str]) -> ContainerLike {
    TimeSeriesView::new(name).with_contents(contents.iter().copied()).into()
}

/// Those that there are, side by side.
fn beside<const N: usize>(views: [Option<ContainerLike>; N]) -> Option<ContainerLike> {
    let mut views: Vec<_> = views.into_iter().flatten().collect();
    match views.len() {
        0 | 1 => views.pop(),
        _ => Some(Horizontal::new(views).into()),
    }
}

/// Those that there are, one above the other.
fn tabs<const N: usize>(name: &str, views: [Option<ContainerLike>; N]) -> Option<ContainerLike> {
    let mut views: Vec<_> = views.into_iter().flatten().collect();
    match views.len() {
        0 | 1 => views.pop(),
        _ => Some(Tabs::new(views).with_name(name).into()),
    }
}
