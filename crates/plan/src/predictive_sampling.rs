//! Predictive sampling (Howell et al. 2022, "Predictive sampling: real-time behaviour synthesis with MuJoCo",
//! arXiv 2212.00541): the best of a few noisy copies of the plan becomes the plan.

use crate::config::in_range;
use crate::{ActionSequences, PlanError, Planner, Prices};
use housecat_core::Rng;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of [`PredictiveSampling`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PredictiveSamplingConfig {
    /// Spread of the noise, in action units. The authors' 0.1 is in units of half an actuator's range, which is
    /// the same; that little suits their splines of a few knots (`planner.time`) and a new plan at every step.
    pub std: f32,
}

impl Default for PredictiveSamplingConfig {
    fn default() -> Self {
        Self { std: 0.1 }
    }
}

/// A nominal sequence, replaced by the best of white-noise copies of itself.
pub struct PredictiveSampling {
    std: f32,
    nominal: Vec<f32>,
    candidates: ActionSequences,
}

impl PredictiveSampling {
    /// A planner over `[samples, horizon, action_dim]`.
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense.
    pub fn new(
        config: &PredictiveSamplingConfig,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        in_range("std", config.std, 1e-3, 10.0, "choose a spread between 0.001 and 10")?;
        Ok(Self {
            std: config.std,
            nominal: vec![0.0; horizon * action_dim],
            candidates: ActionSequences::zeros(samples, horizon, action_dim),
        })
    }
}

impl Planner for PredictiveSampling {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        let Self { std, nominal, candidates } = self;
        // The nominal plan itself is a candidate, so that it never becomes worse.
        candidates.sequence_mut(0).copy_from_slice(nominal);
        for sample in 1..candidates.samples {
            for (value, nominal) in candidates.sequence_mut(sample).iter_mut().zip(&*nominal) {
                *value = (nominal + *std * rng.normal()).clamp(-1.0, 1.0);
            }
        }
        candidates
    }

    fn update(&mut self, prices: &Prices<'_>) {
        if let [best] = prices.elites(1) {
            self.nominal.copy_from_slice(self.candidates.sequence(*best));
        }
    }

    fn elites(&self) -> usize {
        (self.candidates.samples / 10).max(1)
    }

    fn std(&self) -> f32 {
        self.std
    }

    fn shift(&mut self, shift: &dyn Fn(&mut [f32])) {
        shift(&mut self.nominal);
    }

    fn reset(&mut self) {
        self.nominal.fill(0.0);
    }

    fn mean(&self) -> &[f32] {
        &self.nominal
    }
}
