//! The evaluation as a file: the fields of `eval/<protocol>.json`.

use crate::by_factor::{FactorSuccess, success_by_factor};
use crate::evaluate::{Arm, Evaluation, PairOutcome, Search};
use crate::stats::{Interval, mean_interval, median, median_interval, percentile, wilson};
use housecat_core::{GoalError, Level, Levels, Protocol, TaskKind};
use housecat_model::Quality;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Success of one arm with its Wilson 95 % interval; rates in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmSuccess {
    /// Share of problems solved.
    pub rate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Problems.
    pub n: usize,
    /// Problems solved.
    pub successes: usize,
}

impl ArmSuccess {
    /// With its interval.
    pub(crate) fn of(successes: usize, n: usize) -> Self {
        let interval = wilson(successes, n);
        let rate = successes as f64 / n.max(1) as f64;
        Self { rate, low: interval.low, high: interval.high, n, successes }
    }
}

/// Mean return of one arm with its normal 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Returns {
    /// Mean sum of rewards.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Episodes.
    pub n: usize,
}

/// Planning times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Milliseconds {
    /// Median.
    pub median: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Largest.
    pub max: f64,
}

/// How far the pairs ask the world to move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difficulty {
    /// Goal term.
    pub name: String,
    /// `"m"` or `"rad"`.
    pub unit: String,
    /// Median over the pairs.
    pub median: f64,
}

impl Difficulty {
    /// Of the problems' displacements, each with the same terms.
    pub(crate) fn medians(displacements: &[Vec<GoalError>]) -> Vec<Self> {
        let Some(first) = displacements.first() else { return Vec::new() };
        let of_term = |(term, named): (usize, &GoalError)| {
            let values: Vec<f64> = displacements.iter().map(|terms| terms[term].value).collect();
            Self { name: named.name.clone(), unit: named.unit.clone(), median: median(&values) }
        };
        first.iter().enumerate().map(of_term).collect()
    }
}

/// A median with its 95 % interval by order statistics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Median {
    /// The median.
    pub median: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Values.
    pub n: usize,
}

/// One episode of the model arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRow {
    /// Evaluation seed.
    pub seed: u64,
    /// Problem within the seed.
    pub pair: usize,
    /// Met the protocol.
    pub success: bool,
    /// Steps until success, or taken.
    pub steps: u64,
    /// Sum of rewards.
    pub total_reward: f64,
    /// Errors at the end.
    pub final_error: Vec<GoalError>,
    /// The factors that varied, as they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variation: BTreeMap<String, Level>,
}

/// `eval/<protocol>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// Name of the sim.
    pub sim: String,
    /// Which criterion.
    pub protocol: Protocol,
    /// What the task asks for.
    pub task: TaskKind,
    /// Problems per seed.
    pub pairs: usize,
    /// Evaluation seeds.
    pub seeds: Vec<u64>,
    /// The model arm's planner.
    pub planner: Search,
    /// The oracle arm's planner.
    pub oracle_planner: Search,
    /// Control steps an arm may use.
    pub budget_steps: usize,
    /// Control steps from start to goal in the held-out episode.
    pub goal_offset: usize,
    /// Control steps in an action block.
    pub action_repeat: usize,
    /// By arm.
    pub success: BTreeMap<String, ArmSuccess>,
    /// By arm, for reward tasks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub returns: BTreeMap<String, Returns>,
    /// Of the model arm.
    pub plan_ms: Option<Milliseconds>,
    /// Share of the model arm's candidates that deadlines left unpriced.
    #[serde(default)]
    pub cut: f64,
    /// Plans of the model arm that were not there when they were due: what is safe was done instead.
    #[serde(default)]
    pub fallbacks: usize,
    /// Mean steps until success (or the budget) of the model arm.
    pub env_steps_mean: f64,
    /// The same of every arm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_steps_mean_by_arm: BTreeMap<String, f64>,
    /// Medians over the pairs.
    pub pair_difficulty: Vec<Difficulty>,
    /// Mean Spearman correlation of predicted and simulated cost among the final elites of first plans; both fold
    /// distances to the goal (in the latent, and in the world where the plan has been executed) as `planner.cost`
    /// says.
    pub elite_rank_correlation: Option<f64>,
    /// Its median over the problems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elite_rank_correlation_median: Option<Median>,
    /// Figures of the model's quality beside success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// The factors that varied, and over what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub varied: BTreeMap<String, Levels>,
    /// Success of the model arm by the level of each factor that varied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub success_by_factor: BTreeMap<String, Vec<FactorSuccess>>,
    /// The model arm's episodes.
    pub episodes: Vec<EpisodeRow>,
}

fn returns(outcomes: &[&PairOutcome]) -> Returns {
    let values: Vec<f64> = outcomes.iter().map(|outcome| outcome.total_reward).collect();
    let (mean, interval) = mean_interval(&values);
    Returns { mean, low: interval.low, high: interval.high, n: values.len() }
}

impl EvalReport {
    /// Sums an evaluation up under one protocol.
    pub fn new(
        sim: &str,
        protocol: Protocol,
        evaluation: &Evaluation,
        (planner, oracle): (&Search, &Search),
        action_repeat: usize,
    ) -> Self {
        let arms: Vec<Arm> =
            Arm::ALL.into_iter().filter(|&arm| evaluation.of(arm).next().is_some()).collect();
        let success = arms.iter().map(|&arm| {
            let (successes, n) = evaluation.successes(arm, protocol);
            (arm.name().to_owned(), ArmSuccess::of(successes, n))
        });
        let varied = evaluation.outcomes.first().into_iter().flat_map(|first| &first.variation);
        let judged: Vec<_> = (evaluation.of(Arm::Model))
            .map(|outcome| (&outcome.variation, outcome.success.of(protocol)))
            .collect();
        let slot = Protocol::ALL.iter().position(|&other| other == protocol).unwrap_or(0);
        let model: Vec<&PairOutcome> = evaluation.of(Arm::Model).collect();
        let steps = |outcome: &PairOutcome| outcome.first_success[slot].unwrap_or(outcome.steps);
        let steps_mean = |arm: Arm| {
            let count = evaluation.of(arm).count().max(1);
            evaluation.of(arm).map(|outcome| steps(outcome) as f64).sum::<f64>() / count as f64
        };
        let millis: Vec<f64> =
            model.iter().flat_map(|outcome| &outcome.plan_secs).map(|secs| secs * 1e3).collect();
        let correlations: Vec<f64> =
            model.iter().filter_map(|outcome| outcome.elite_correlation).collect();
        Self {
            sim: sim.to_owned(),
            protocol,
            task: evaluation.task,
            pairs: evaluation.config.pairs,
            seeds: evaluation.config.seeds.clone(),
            planner: planner.clone(),
            oracle_planner: oracle.clone(),
            budget_steps: evaluation.config.budget_steps,
            goal_offset: evaluation.config.goal_offset,
            action_repeat,
            success: success.collect(),
            returns: match evaluation.task {
                TaskKind::Goal => BTreeMap::new(),
                TaskKind::Reward => arms
                    .iter()
                    .map(|&arm| {
                        (arm.name().to_owned(), returns(&evaluation.of(arm).collect::<Vec<_>>()))
                    })
                    .collect(),
            },
            plan_ms: (!millis.is_empty()).then(|| Milliseconds {
                median: median(&millis),
                p95: percentile(&millis, 0.95),
                max: percentile(&millis, 1.0),
            }),
            cut: model.iter().map(|outcome| outcome.cut).sum::<f64>() / model.len().max(1) as f64,
            fallbacks: model.iter().map(|outcome| outcome.fallbacks).sum(),
            env_steps_mean: steps_mean(Arm::Model),
            env_steps_mean_by_arm: (arms.iter())
                .map(|&arm| (arm.name().to_owned(), steps_mean(arm)))
                .collect(),
            pair_difficulty: Difficulty::medians(&evaluation.displacements),
            elite_rank_correlation: (!correlations.is_empty())
                .then(|| correlations.iter().sum::<f64>() / correlations.len() as f64),
            elite_rank_correlation_median: median_interval(&correlations).map(
                |(median, Interval { low, high })| {
                    let n = correlations.len();
                    Median { median, low, high, n }
                },
            ),
            quality: evaluation.quality.clone(),
            varied: varied.map(|(name, varied)| (name.clone(), varied.among.clone())).collect(),
            success_by_factor: success_by_factor(&judged),
            episodes: model
                .iter()
                .map(|outcome| EpisodeRow {
                    seed: outcome.seed,
                    pair: outcome.pair,
                    success: outcome.success.of(protocol),
                    steps: steps(outcome),
                    total_reward: outcome.total_reward,
                    final_error: outcome.final_errors.clone(),
                    variation: (outcome.variation.iter())
                        .map(|(name, varied)| (name.clone(), varied.level.clone()))
                        .collect(),
                })
                .collect(),
        }
    }
}
