//! The layout of the viewer: what is shown where, and from which eye.
//!
//! Rerun's blueprint API for Rust (0.36) builds containers, views and panels but has no setters for
//! the properties of a 3-D view. The eye and the grid are therefore logged into the same blueprint
//! by hand, under the path at which the viewer looks for a view's properties.

use super::stream::{Stream, application};
use crate::ViewError;
use rerun::blueprint::{
    Blueprint, BlueprintActivation, BlueprintPanel, ContainerLike, Horizontal, SelectionPanel,
    Spatial2DView, Spatial3DView, Tabs, TextLogView, TimePanel, TimeSeriesView, Vertical,
    components::{LoopMode, PanelState},
};
use rerun::external::re_sdk_types::blueprint::archetypes::{EyeControls3D, LineGrid3D};
use rerun::log::LogMsg;
use rerun::{EntityPath, RecordingStreamBuilder, RecordingStreamError, StoreKind};

/// What there is to show beyond the scene and the actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// A goal image.
    pub goal_image: bool,
    /// A distance to the goal.
    pub goal_distance: bool,
    /// Rewards that are not all zero.
    pub reward: bool,
    /// Plans.
    pub plan: bool,
    /// Films of what they expect to see.
    pub film: bool,
}

impl Contents {
    /// What either shows.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            goal_image: self.goal_image || other.goal_image,
            goal_distance: self.goal_distance || other.goal_distance,
            reward: self.reward || other.reward,
            plan: self.plan || other.plan,
            film: self.film || other.film,
        }
    }
}

/// What never changes about the layout of one recording.
pub(super) struct Layout {
    /// Name of the sim.
    pub sim: String,
    /// Where the eye stands and what it looks at.
    pub eye: ([f32; 3], [f32; 3]),
    /// The scene has a floor of its own.
    pub floor: bool,
    /// Names of the observed cameras.
    pub cameras: Vec<String>,
    /// The observation has a state vector.
    pub state: bool,
    /// Control steps per second.
    pub control_hz: f64,
}

impl Layout {
    /// Sends the layout for these contents; the viewer then uses it instead of any earlier one.
    pub(super) fn send(&self, stream: &Stream, contents: Contents) -> Result<(), ViewError> {
        let failed = |error: RecordingStreamError| ViewError::Record {
            entity: "the layout".into(),
            detail: error.to_string(),
        };
        let scene: ContainerLike = Spatial3DView::new("scene")
            .with_origin("world")
            .with_contents(["world/**", "path/**"])
            .into();
        let ContainerLike::View(view) = &scene else { return Ok(()) };
        let properties = view.blueprint_path();
        let blueprint = self.blueprint(scene, contents);

        // The API sends a finished blueprint only; catch it, add the properties, then pass it on.
        let (scratch, caught) =
            RecordingStreamBuilder::new(application(&self.sim)).memory().map_err(failed)?;
        if !scratch.is_enabled() {
            return Ok(()); // RERUN=0 silences the blueprint API altogether.
        }
        blueprint.send(&scratch, BlueprintActivation::default()).map_err(failed)?;
        let messages = caught.take();
        // A stream and the memory it writes to hold each other; parting them ends their threads.
        scratch.disconnect();
        let of_blueprint = |message: &LogMsg| message.store_id().kind() == StoreKind::Blueprint;
        let Some(store) =
            messages.iter().find(|message| of_blueprint(message)).map(LogMsg::store_id)
        else {
            return Ok(());
        };
        let (extra, added) = RecordingStreamBuilder::from_store_id(store)
            .send_properties(false)
            .memory()
            .map_err(failed)?;
        extra.set_time_sequence("blueprint", 0);
        let path = |name: &str| properties.join(&EntityPath::from(name));
        let (position, target) = self.eye;
        let eye = EyeControls3D::new().with_position(position).with_look_target(target);
        extra.log(path("EyeControls3D"), &eye).map_err(failed)?;
        let grid = LineGrid3D::new().with_visible(!self.floor);
        extra.log(path("LineGrid3D"), &grid).map_err(failed)?;

        // The activation comes last: it says that the blueprint is complete.
        let (activation, body): (Vec<_>, Vec<_>) = messages
            .into_iter()
            .filter(of_blueprint)
            .partition(|message| matches!(message, LogMsg::BlueprintActivationCommand(_)));
        let added = added.take();
        extra.disconnect();
        let additions = added.into_iter().filter(|message| matches!(message, LogMsg::ArrowMsg(..)));
        body.into_iter()
            .chain(additions)
            .chain(activation)
            .for_each(|message| stream.pass(message));
        Ok(())
    }

    fn blueprint(&self, scene: ContainerLike, contents: Contents) -> Blueprint {
        let log = TextLogView::new("log").with_contents(["log"]).into();
        let left = Vertical::new([scene, log]).with_row_shares(vec![4.0, 1.0]);

        let mut rows: Vec<(f32, ContainerLike)> = Vec::new();
        let mut pictures: Vec<ContainerLike> = Vec::new();
        for camera in &self.cameras {
            let origin = super::camera_entity(camera);
            pictures.push(Spatial2DView::new(camera.clone()).with_origin(origin).into());
        }
        if contents.goal_image {
            pictures.push(Spatial2DView::new("goal").with_origin("goal/image").into());
        }
        if !pictures.is_empty() {
            rows.push((1.4, Horizontal::new(pictures).into()));
        }
        if contents.film {
            let film = Spatial2DView::new("imagined").with_origin("imagination/film");
            rows.push((0.6, film.into()));
        }
        let plot = |name: &str, queries: &[&str]| -> ContainerLike {
            TimeSeriesView::new(name).with_contents(queries.iter().copied()).into()
        };
        rows.push((1.0, plot("action", &["action"])));
        if contents.plan {
            let tabs = [
                plot("plan: cost", &["plan/cost/**"]),
                plot("plan: milliseconds", &["plan/milliseconds"]),
            ];
            rows.push((1.0, Tabs::new(tabs).with_name("plan").into()));
        }
        let mut outcome = Vec::new();
        if contents.goal_distance {
            outcome.push(plot("goal: distance", &["goal/distance"]));
        }
        if contents.reward {
            outcome.push(plot("reward", &["reward"]));
        }
        if self.state {
            outcome.push(plot("state", &["state"]));
        }
        if outcome.len() == 1 {
            rows.extend(outcome.pop().map(|view| (1.0, view)));
        } else if !outcome.is_empty() {
            rows.push((1.0, Tabs::new(outcome).with_name("outcome").into()));
        }
        let (shares, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let right = Vertical::new(rows).with_row_shares(shares);

        Blueprint::new(
            Horizontal::new([left.into(), right.into()]).with_column_shares(vec![3.0, 2.0]),
        )
        .with_auto_views(false)
        .with_auto_layout(false)
        .with_blueprint_panel(BlueprintPanel::from_state(PanelState::Collapsed))
        .with_selection_panel(SelectionPanel::from_state(PanelState::Collapsed))
        .with_time_panel(
            TimePanel::new()
                .with_state(PanelState::Collapsed)
                .with_timeline("step")
                .with_fps(self.control_hz)
                .with_loop_mode(LoopMode::All),
        )
    }
}
