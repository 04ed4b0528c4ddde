//! The cross-entropy method over discrete actions: a categorical distribution for every component of every
//! action (Rubinstein 1999; smoothed as in de Boer et al. 2005, "A tutorial on the cross-entropy method").

use crate::config::in_range;
use crate::{ActionSequences, PlanError, Planner, Prices};
use housecat_core::Rng;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of [`CategoricalCem`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CategoricalCemConfig {
    /// Values a component chooses from, evenly spaced over `[-1, 1]` with both ends. An odd number has 0.
    pub levels: usize,
    /// Candidates from which the distribution is refitted.
    pub elites: usize,
    /// Share of the old probabilities kept in an update; the tutorial's smoothing is 1 minus this, 0.7.
    pub momentum: f32,
    /// No level's probability falls below this share of an even choice, so that none is lost for good.
    pub floor: f32,
    /// Share of an even choice mixed in when a plan is continued, as what was best moves with time.
    pub reopen: f32,
}

impl Default for CategoricalCemConfig {
    fn default() -> Self {
        Self { levels: 3, elites: 12, momentum: 0.3, floor: 0.05, reopen: 0.5 }
    }
}

/// A probability for each level of each component, refitted to the best candidates. Only levels are
/// proposed; with an [`ActionTime`](crate::ActionTime) that interpolates, that holds for the knots.
pub struct CategoricalCem {
    config: CategoricalCemConfig,
    /// `[H, A, levels]`.
    probabilities: Vec<f32>,
    /// The most probable levels, `[H, A]`.
    mode: Vec<f32>,
    candidates: ActionSequences,
}

impl CategoricalCem {
    /// A planner over `[samples, horizon, action_dim]`.
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense.
    pub fn new(
        config: &CategoricalCemConfig,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        in_range("levels", config.levels, 2, 1000, "choose between 2 and 1000 values")?;
        in_range("elites", config.elites, 1, samples, "choose between 1 and `planner.samples`")?;
        in_range("momentum", config.momentum, 0.0, 0.99, "choose a share in [0, 0.99]")?;
        in_range("floor", config.floor, 0.0, 0.99, "choose a share in [0, 0.99]")?;
        in_range("reopen", config.reopen, 0.0, 1.0, "choose a share in [0, 1]")?;
        let len = horizon * action_dim;
        let mut planner = Self {
            config: config.clone(),
            probabilities: vec![0.0; len * config.levels],
            mode: vec![0.0; len],
            candidates: ActionSequences::zeros(samples, horizon, action_dim),
        };
        planner.reset();
        Ok(planner)
    }

    /// Brings every choice to a sum of 1 with at least `even` of an even choice in it, and finds the mode.
    fn settle(&mut self, even: f32) {
        let levels = self.config.levels;
        for (mode, choice) in self.mode.iter_mut().zip(self.probabilities.chunks_exact_mut(levels))
        {
            // A spline may shift a probability below zero, and past a plan's end there is none.
            let total: f32 = choice.iter().map(|p| p.max(0.0)).sum();
            for p in choice.iter_mut() {
                let own = if total > 1e-6 { p.max(0.0) / total } else { 1.0 / levels as f32 };
                *p = (1.0 - even) * own + even / levels as f32;
            }
            // Of equally probable levels the one nearest to doing nothing.
            let better = |a: usize, b: usize| {
                let (small_a, small_b) = (-value(a, levels).abs(), -value(b, levels).abs());
                choice[a].total_cmp(&choice[b]).then(small_a.total_cmp(&small_b)).is_gt()
            };
            let best =
                (1..levels).fold(0, |best, level| if better(level, best) { level } else { best });
            *mode = value(best, levels);
        }
    }
}

/// The action of a level.
fn value(level: usize, levels: usize) -> f32 {
    2.0 * level as f32 / (levels - 1) as f32 - 1.0
}

/// The level nearest to an action.
fn nearest(action: f32, levels: usize) -> usize {
    (((action + 1.0) / 2.0 * (levels - 1) as f32).round() as usize).min(levels - 1)
}

/// A level drawn with its probability.
fn draw(choice: &[f32], rng: &mut Rng) -> usize {
    let mut left = rng.uniform(0.0, 1.0);
    let chosen = choice.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    chosen.unwrap_or(choice.len() - 1)
}

impl Planner for CategoricalCem {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        let Self { config, probabilities, mode, candidates } = self;
        candidates.sequence_mut(0).copy_from_slice(mode);
        for sample in 1..candidates.samples {
            let choices = probabilities.chunks_exact(config.levels);
            for (action, choice) in candidates.sequence_mut(sample).iter_mut().zip(choices) {
                *action = value(draw(choice, rng), config.levels);
            }
        }
        candidates
    }

    fn update(&mut self, prices: &Prices<'_>) {
        let Self { config, probabilities, candidates, .. } = self;
        let elites = prices.elites(config.elites);
        if elites.is_empty() {
            return;
        }
        let vote = (1.0 - config.momentum) / elites.len() as f32;
        for (index, choice) in probabilities.chunks_exact_mut(config.levels).enumerate() {
            choice.iter_mut().for_each(|p| *p *= config.momentum);
            for &elite in elites {
                // A proposal that became an elite need not lie on a level.
                choice[nearest(candidates.sequence(elite)[index], config.levels)] += vote;
            }
        }
        self.settle(self.config.floor);
    }

    fn elites(&self) -> usize {
        self.config.elites
    }

    fn std(&self) -> f32 {
        let levels = self.config.levels;
        let spread = |choice: &[f32]| {
            let moment = |power: i32| -> f32 {
                choice.iter().enumerate().map(|(l, p)| p * value(l, levels).powi(power)).sum()
            };
            (moment(2) - moment(1) * moment(1)).max(0.0).sqrt()
        };
        let total: f32 = self.probabilities.chunks_exact(levels).map(spread).sum();
        total / self.mode.len() as f32
    }

    fn shift(&mut self, shift: &dyn Fn(&mut [f32])) {
        // The probabilities of one level are a sequence like any other.
        let levels = self.config.levels;
        for level in 0..levels {
            let mut one: Vec<f32> =
                self.probabilities.iter().skip(level).step_by(levels).copied().collect();
            shift(&mut one);
            for (choice, p) in self.probabilities.chunks_exact_mut(levels).zip(one) {
                choice[level] = p;
            }
        }
        self.settle(self.config.reopen);
    }

    fn reset(&mut self) {
        self.probabilities.fill(1.0);
        self.settle(1.0);
    }

    fn mean(&self) -> &[f32] {
        &self.mode
    }
}
