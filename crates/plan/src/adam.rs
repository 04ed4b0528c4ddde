//! Adam (Kingma and Ba 2015, "Adam: a method for stochastic optimization", arXiv 1412.6980) on actions,
//! clipped to their bounds, from many starts.

use crate::PlanError;
use crate::config::in_range;
use crate::gradient::{MultiStart, Rule, Starts, inward};
use serde::{Deserialize, Serialize};

/// Hyper-parameters of the planner `adam`: gradient descent from many starts, each a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// What an action moves in a round, in action units, while its slope keeps its sign. The paper's 0.001 is
    /// for weights over thousands of steps; with this default a plan crosses half the range in 10 rounds.
    pub learning_rate: f32,
    /// Decay of the mean slope.
    pub beta1: f32,
    /// Decay of the mean squared slope.
    pub beta2: f32,
    /// Added to the root of the mean squared slope, in units of slopes.
    pub epsilon: f32,
    /// Descents, but no more than `planner.samples`.
    pub starts: usize,
    /// Share of the descents, the dearest, that start anew with every plan.
    pub restarts: f32,
    /// Spread of the random starts around the warm start, in action units.
    pub std: f32,
    /// Correlation of a random start from one control step to the next.
    pub rho: f32,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            starts: 16,
            restarts: 0.5,
            std: 0.5,
            rho: 0.9,
        }
    }
}

impl AdamConfig {
    /// A planner over `[samples, horizon, action_dim]`.
    pub(crate) fn build(
        &self,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<MultiStart<Adam>, PlanError> {
        let Self { learning_rate, beta1, beta2, epsilon, starts, restarts, std, rho } = *self;
        let adam = Adam::new([learning_rate, beta1, beta2, epsilon])?;
        let starts = Starts { starts, restarts, std, rho };
        MultiStart::new(starts, samples, horizon, action_dim, |descents| {
            adam.sized(descents, horizon * action_dim)
        })
    }
}

/// The rule, with the moments of every descent.
#[derive(Clone)]
pub(crate) struct Adam {
    learning_rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    len: usize,
    /// Mean slope and mean squared slope, `[descents, H, A]`.
    moments: Vec<(f32, f32)>,
    /// beta1^t and beta2^t of every descent.
    powers: Vec<(f32, f32)>,
}

impl Adam {
    /// From learning rate, beta1, beta2 and epsilon; no descents yet.
    pub(crate) fn new([learning_rate, beta1, beta2, epsilon]: [f32; 4]) -> Result<Self, PlanError> {
        in_range("learning_rate", learning_rate, 1e-5, 2.0, "choose between 0.00001 and 2")?;
        in_range("beta1", beta1, 0.0, 0.9999, "choose a decay in [0, 0.9999]")?;
        in_range("beta2", beta2, 0.0, 0.99999, "choose a decay in [0, 0.99999]")?;
        in_range("epsilon", epsilon, 1e-30, 1.0, "choose between 1e-30 and 1")?;
        let (moments, powers) = (Vec::new(), Vec::new());
        Ok(Self { learning_rate, beta1, beta2, epsilon, len: 0, moments, powers })
    }

    /// For so many descents of `len` values, all at their beginning.
    pub(crate) fn sized(self, descents: usize, len: usize) -> Self {
        let moments = vec![(0.0, 0.0); descents * len];
        Self { len, moments, powers: vec![(1.0, 1.0); descents], ..self }
    }
}

impl Rule for Adam {
    fn step(&mut self, index: usize, position: &mut [f32], cost: f32, gradient: &[f32]) -> bool {
        let Self { learning_rate, beta1, beta2, epsilon, len, .. } = *self;
        let (power1, power2) = &mut self.powers[index];
        *power1 *= beta1;
        *power2 *= beta2;
        // Moments start at zero; dividing by this takes the bias out.
        let (whole1, whole2) = (1.0 - *power1, 1.0 - *power2);
        let moments = &mut self.moments[index * len..(index + 1) * len];
        for ((value, slope), (first, second)) in position.iter_mut().zip(gradient).zip(moments) {
            let slope = inward(*value, *slope);
            *first = beta1 * *first + (1.0 - beta1) * slope;
            *second = beta2 * *second + (1.0 - beta2) * slope * slope;
            let step = (*first / whole1) / ((*second / whole2).sqrt() + epsilon);
            // A slope too large to be squared has no direction left.
            let step = if step.is_finite() { step } else { 0.0 };
            *value = (*value - learning_rate * step).clamp(-1.0, 1.0);
        }
        cost < f32::MAX
    }

    fn restart(&mut self, index: usize) {
        self.moments[index * self.len..(index + 1) * self.len].fill((0.0, 0.0));
        self.powers[index] = (1.0, 1.0);
    }
}
