//! Several planners on the same problems: how each fared, and which differences are more than luck.

use crate::evaluate::{PairOutcome, Search};
use crate::report::{ArmSuccess, Difficulty, Milliseconds, Returns};
use crate::stats::{holm, mcnemar, mean_interval, median, percentile, sign_flip};
use housecat_core::{GoalError, Protocol, TaskKind};
use serde::{Deserialize, Serialize};

/// How one contender fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// What it is called, unique in a comparison.
    pub name: String,
    /// The run whose model it plans in, or `oracle`.
    pub model: String,
    /// How it plans.
    pub planner: Search,
    /// Success by the looser criterion.
    pub moderate: ArmSuccess,
    /// Success by the tighter criterion.
    pub strict: ArmSuccess,
    /// Return, for reward tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<Returns>,
    /// Wall-clock time of its plans.
    pub plan_ms: Milliseconds,
    /// Share of the candidates that deadlines left unpriced.
    pub cut: f64,
    /// Plans that were not there when they were due.
    pub fallbacks: usize,
    /// Mean steps until both criteria were met, or the budget.
    pub env_steps_mean: f64,
    /// Nothing else in the comparison is both better (by the first measure) and faster.
    pub on_front: bool,
}

/// By what contenders are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// The share of problems solved by the looser criterion.
    Moderate,
    /// The share of problems solved by the tighter criterion.
    Strict,
    /// The sum of rewards.
    Return,
}

/// A difference between two contenders on the same problems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// By this measure.
    pub by: Judged,
    /// The better one.
    pub better: String,
    /// The worse one.
    pub worse: String,
    /// Mean of the better one's less the worse one's.
    pub difference: f64,
    /// Two-sided p, corrected after Holm for all pairs compared by this measure: McNemar's exact test for
    /// success, random flips of sign for returns.
    pub p: f64,
    /// p < 0.05.
    pub significant: bool,
}

/// A comparison, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the sim.
    pub sim: String,
    /// Goal or reward.
    pub task: TaskKind,
    /// Problems per seed.
    pub pairs: usize,
    /// Evaluation seeds.
    pub seeds: Vec<u64>,
    /// Control steps from start to goal in the held-out episode.
    pub goal_offset: usize,
    /// Control steps a contender may use.
    pub budget_steps: usize,
    /// Medians over the problems.
    pub pair_difficulty: Vec<Difficulty>,
    /// Best first.
    pub standings: Vec<Standing>,
    /// Between any two.
    pub differences: Vec<Difference>,
}

/// What is compared first: success for goal tasks, returns for reward tasks.
fn measures(task: TaskKind) -> &'static [Judged] {
    match task {
        TaskKind::Goal => &[Judged::Moderate, Judged::Strict],
        TaskKind::Reward => &[Judged::Return, Judged::Moderate, Judged::Strict],
    }
}

fn value(outcome: &PairOutcome, by: Judged) -> f64 {
    match by {
        Judged::Moderate => f64::from(u8::from(outcome.success.of(Protocol::Moderate))),
        Judged::Strict => f64::from(u8::from(outcome.success.of(Protocol::Strict))),
        Judged::Return => outcome.total_reward,
    }
}

fn mean(outcomes: &[PairOutcome], by: Judged) -> f64 {
    let sum: f64 = outcomes.iter().map(|outcome| value(outcome, by)).sum();
    sum / outcomes.len().max(1) as f64
}

impl Standing {
    /// From a contender's outcomes on all problems.
    pub fn new(
        name: &str,
        model: &str,
        planner: &Search,
        task: TaskKind,
        outcomes: &[PairOutcome],
    ) -> Self {
        let success = |protocol| {
            let count = outcomes.iter().filter(|outcome| outcome.success.of(protocol)).count();
            ArmSuccess::of(count, outcomes.len())
        };
        let returns: Vec<f64> = outcomes.iter().map(|outcome| outcome.total_reward).collect();
        let (return_mean, interval) = mean_interval(&returns);
        let millis: Vec<f64> =
            outcomes.iter().flat_map(|outcome| &outcome.plan_secs).map(|s| s * 1e3).collect();
        let count = outcomes.len().max(1) as f64;
        Self {
            name: name.to_owned(),
            model: model.to_owned(),
            planner: planner.clone(),
            moderate: success(Protocol::Moderate),
            strict: success(Protocol::Strict),
            returns: (task == TaskKind::Reward).then_some(Returns {
                mean: return_mean,
                low: interval.low,
                high: interval.high,
                n: returns.len(),
            }),
            plan_ms: Milliseconds {
                median: median(&millis),
                p95: percentile(&millis, 0.95),
                max: percentile(&millis, 1.0),
            },
            cut: outcomes.iter().map(|outcome| outcome.cut).sum::<f64>() / count,
            fallbacks: outcomes.iter().map(|outcome| outcome.fallbacks).sum(),
            env_steps_mean: outcomes.iter().map(|outcome| outcome.steps as f64).sum::<f64>()
                / count,
            on_front: false,
        }
    }
}

impl Comparison {
    /// Fills in the standings of contenders, ranked, and tests every pair of them. Each comes with its
    /// outcomes in the order of the problems, which is the same for all.
    #[must_use]
    pub fn of(
        self,
        mut contenders: Vec<(Standing, Vec<PairOutcome>)>,
        displacements: &[Vec<GoalError>],
    ) -> Self {
        let measures = measures(self.task);
        let first = measures[0];
        let score = |outcomes: &[PairOutcome]| mean(outcomes, first);
        contenders.sort_by(|(a, left), (b, right)| {
            let by_time = a.plan_ms.median.total_cmp(&b.plan_ms.median);
            score(right).total_cmp(&score(left)).then(by_time).then(a.name.cmp(&b.name))
        });
        let mut fastest = f64::INFINITY;
        for (standing, _) in &mut contenders {
            standing.on_front = standing.plan_ms.median < fastest;
            fastest = fastest.min(standing.plan_ms.median);
        }
        let differences = measures.iter().flat_map(|&by| differences(&contenders, by)).collect();
        let standings = contenders.into_iter().map(|(standing, _)| standing).collect();
        let pair_difficulty = Difficulty::medians(displacements);
        Self { pair_difficulty, standings, differences, ..self }
    }
}

fn differences(contenders: &[(Standing, Vec<PairOutcome>)], by: Judged) -> Vec<Difference> {
    let mut found = Vec::new();
    for (index, (a, left)) in contenders.iter().enumerate() {
        for (b, right) in &contenders[index + 1..] {
            let each: Vec<f64> =
                left.iter().zip(right).map(|(l, r)| value(l, by) - value(r, by)).collect();
            let difference = each.iter().sum::<f64>() / each.len().max(1) as f64;
            let alone = |sign: f64| each.iter().filter(|&&d| d * sign > 0.0).count();
            let p = match by {
                Judged::Return => sign_flip(&each),
                Judged::Moderate | Judged::Strict => mcnemar(alone(1.0), alone(-1.0)),
            };
            let (better, worse) = if difference < 0.0 { (b, a) } else { (a, b) };
            found.push(Difference {
                by,
                better: better.name.clone(),
                worse: worse.name.clone(),
                difference: difference.abs(),
                p,
                significant: false,
            });
        }
    }
    let corrected = holm(&found.iter().map(|difference| difference.p).collect::<Vec<_>>());
    for (difference, p) in found.iter_mut().zip(corrected) {
        (difference.p, difference.significant) = (p, p < 0.05);
    }
    found
}
