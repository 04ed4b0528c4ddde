//! Model-predictive path integral control (Williams et al. 2017, "Information theoretic MPC"), with the
//! temperature relative to the spread of the costs so that it needs no tuning per task.

use crate::config::in_range;
use crate::noise::autoregressive;
use crate::{ActionSequences, PlanError, Planner, Prices};
use housecat_core::Rng;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of [`Mppi`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MppiConfig {
    /// Temperature, in standard deviations of the costs: small follows the best, large averages.
    pub temperature: f32,
    /// Spread of the noise, in action units.
    pub std: f32,
    /// Factor on the spread from one round to the next within a plan.
    pub decay: f32,
    /// Correlation of the noise from one control step to the next.
    pub rho: f32,
}

impl Default for MppiConfig {
    fn default() -> Self {
        Self { temperature: 0.1, std: 0.5, decay: 0.85, rho: 0.9 }
    }
}

/// A mean sequence, moved to the softmax-weighted average of noisy copies of itself.
pub struct Mppi {
    config: MppiConfig,
    mean: Vec<f32>,
    std: f32,
    candidates: ActionSequences,
}

impl Mppi {
    /// A planner over `[samples, horizon, action_dim]`.
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense.
    pub fn new(
        config: &MppiConfig,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        in_range("temperature", config.temperature, 1e-4, 100.0, "choose between 0.0001 and 100")?;
        in_range("std", config.std, 1e-3, 10.0, "choose a spread between 0.001 and 10")?;
        in_range("decay", config.decay, 0.01, 1.0, "choose a factor in [0.01, 1]")?;
        in_range("rho", config.rho, 0.0, 0.999, "choose a correlation in [0, 0.999]")?;
        Ok(Self {
            config: config.clone(),
            mean: vec![0.0; horizon * action_dim],
            std: config.std,
            candidates: ActionSequences::zeros(samples, horizon, action_dim),
        })
    }
}

impl Planner for Mppi {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        let Self { config, mean, std, candidates } = self;
        let action_dim = candidates.action_dim;
        candidates.sequence_mut(0).copy_from_slice(mean);
        for sample in 1..candidates.samples {
            let sequence = candidates.sequence_mut(sample);
            autoregressive(sequence, action_dim, config.rho, rng);
            for (value, mean) in sequence.iter_mut().zip(&*mean) {
                *value = (mean + *std * *value).clamp(-1.0, 1.0);
            }
        }
        candidates
    }

    fn update(&mut self, prices: &Prices<'_>) {
        let (costs, order) = (prices.costs, prices.order);
        // Broken plans cost f32::MAX: they get no weight and must not set the scale.
        let finite: Vec<f32> = costs.iter().copied().filter(|&cost| cost < f32::MAX).collect();
        let count = finite.len().max(1) as f32;
        let centre = finite.iter().sum::<f32>() / count;
        let spread =
            (finite.iter().map(|cost| (cost - centre).powi(2)).sum::<f32>() / count).sqrt();
        let scale = 1.0 / (self.config.temperature * spread).max(1e-12);
        let best = costs[order[0]];
        let mut total = 0.0;
        let mut sum = vec![0.0; self.mean.len()];
        for (sample, &cost) in costs.iter().enumerate() {
            let weight = (-(cost - best) * scale).exp();
            total += weight;
            for (sum, value) in sum.iter_mut().zip(self.candidates.sequence(sample)) {
                *sum += weight * value;
            }
        }
        for (mean, sum) in self.mean.iter_mut().zip(sum) {
            *mean = sum / total;
        }
        self.std *= self.config.decay;
    }

    fn elites(&self) -> usize {
        (self.candidates.samples / 10).max(1)
    }

    fn std(&self) -> f32 {
        self.std
    }

    fn shift(&mut self, shift: &dyn Fn(&mut [f32])) {
        shift(&mut self.mean);
        self.std = self.config.std;
    }

    fn reset(&mut self) {
        self.mean.fill(0.0);
        self.std = self.config.std;
    }

    fn mean(&self) -> &[f32] {
        &self.mean
    }
}
