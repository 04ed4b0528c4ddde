//! Sampling, then gradients: the cross-entropy method finds the basin, Adam goes down it (after Bharadhwaj,
//! Xie and Shkurti 2020, "Model-predictive control via cross-entropy and gradient-based optimization", L4DC).
//! The paper interleaves the two in every round; here they follow each other, so that the sampling rounds need
//! no gradients, which some objectives have to probe for.

use crate::adam::Adam;
use crate::config::in_range;
use crate::gradient::Rule as _;
use crate::{ActionSequences, Cem, CemConfig, PlanError, Planner, Prices};
use housecat_core::Rng;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of [`Hybrid`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HybridConfig {
    /// Rounds of sampling at the beginning of every plan; all rounds after them refine by gradients.
    pub sample_rounds: usize,
    /// The sampling; its elites are what is refined.
    pub cem: CemConfig,
    /// What an action moves in a round of refining, in action units, while its slope keeps its sign. Smaller
    /// than Adam's by itself, as elites are near.
    pub learning_rate: f32,
    /// Decay of the mean slope (Kingma and Ba 2015).
    pub beta1: f32,
    /// Decay of the mean squared slope.
    pub beta2: f32,
    /// Added to the root of the mean squared slope, in units of slopes.
    pub epsilon: f32,
}

impl Default for HybridConfig {
    fn default() -> Self {
        Self {
            sample_rounds: 3,
            cem: CemConfig::default(),
            learning_rate: 0.05,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}

/// The cross-entropy method whose elites become descents.
pub struct Hybrid {
    sample_rounds: usize,
    cem: Cem,
    adam: Adam,
    /// Rounds sampled of this plan.
    sampled: usize,
    /// The elites on their way down; none while sampling.
    descents: ActionSequences,
}

impl Hybrid {
    /// A planner over `[samples, horizon, action_dim]`.
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense.
    pub fn new(
        config: &HybridConfig,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        let HybridConfig { sample_rounds, learning_rate, beta1, beta2, epsilon, .. } = *config;
        in_range("sample_rounds", sample_rounds, 1, 100_000, "sample for at least one round")?;
        let cem = Cem::new(&config.cem, samples, horizon, action_dim);
        let cem = cem.map_err(|error| error.within("cem"))?;
        let adam = Adam::new([learning_rate, beta1, beta2, epsilon])?;
        let adam = adam.sized(config.cem.elites, horizon * action_dim);
        let descents = ActionSequences::zeros(0, horizon, action_dim);
        Ok(Self { sample_rounds, cem, adam, sampled: 0, descents })
    }

    fn refining(&self) -> bool {
        self.descents.samples > 0
    }

    /// Makes descents of the elites.
    fn descend_from(&mut self, elites: &[usize]) {
        self.descents.samples = elites.len();
        self.descents.values.clear();
        for (descent, &elite) in elites.iter().enumerate() {
            self.descents.values.extend_from_slice(self.cem.candidates().sequence(elite));
            self.adam.restart(descent);
        }
    }

    /// Goes back to sampling, as a new plan does.
    fn begin(&mut self) {
        self.sampled = 0;
        self.descents.samples = 0;
        self.descents.values.clear();
    }
}

impl Planner for Hybrid {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        if self.refining() { &mut self.descents } else { self.cem.propose(rng) }
    }

    fn wants_grads(&self) -> bool {
        self.refining()
    }

    fn update(&mut self, prices: &Prices<'_>) {
        if !self.refining() {
            self.cem.update(prices);
            self.sampled += 1;
            if self.sampled >= self.sample_rounds {
                self.descend_from(prices.elites(self.cem.elites()));
            }
            return;
        }
        // What the cross-entropy method believes is what the next plan samples around.
        let Self { cem, adam, descents, .. } = self;
        cem.adopt(prices.elites(descents.samples).iter().map(|&index| descents.sequence(index)));
        let gradients = prices.grads.chunks_exact(descents.len_one());
        for (descent, (&cost, gradient)) in prices.costs.iter().zip(gradients).enumerate() {
            let position = descents.sequence_mut(descent);
            if !adam.step(descent, position, cost, gradient) {
                position.copy_from_slice(cem.mean());
                adam.restart(descent);
            }
        }
    }

    fn elites(&self) -> usize {
        self.cem.elites()
    }

    fn std(&self) -> f32 {
        if self.refining() { self.descents.spread() } else { self.cem.std() }
    }

    /// Begins a new plan, with sampling.
    fn shift(&mut self, shift: &dyn Fn(&mut [f32])) {
        self.cem.shift(shift);
        self.begin();
    }

    fn reset(&mut self) {
        self.cem.reset();
        self.begin();
    }

    fn mean(&self) -> &[f32] {
        self.cem.mean()
    }
}
