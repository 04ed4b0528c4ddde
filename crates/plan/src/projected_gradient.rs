//! Projected gradient descent (Goldstein 1964; Levitin and Polyak 1966) with steps shortened by backtracking
//! (Bertsekas 1976, "On the Goldstein-Levitin-Polyak gradient projection method"), from many starts.

use crate::PlanError;
use crate::config::in_range;
use crate::gradient::{MultiStart, Rule, Starts, inward};
use serde::{Deserialize, Serialize};

/// Hyper-parameters of the planner `projected_gradient`: descents that never become dearer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectedGradientConfig {
    /// What the steepest action moves in a round, in action units; the others in proportion. Slopes are divided
    /// by the steepest, so that this needs no tuning to the scale of the costs.
    pub step: f32,
    /// Factor on a descent's step after it became dearer, which is taken back (Bertsekas' 0.5).
    pub shrink: f32,
    /// Factor on a descent's step, up to `step`, after it became cheaper.
    pub grow: f32,
    /// Descents, but no more than `planner.samples`.
    pub starts: usize,
    /// Share of the descents, the dearest, that start anew with every plan.
    pub restarts: f32,
    /// Spread of the random starts around the warm start, in action units.
    pub std: f32,
    /// Correlation of a random start from one control step to the next.
    pub rho: f32,
}

impl Default for ProjectedGradientConfig {
    fn default() -> Self {
        let (step, shrink, grow) = (0.3, 0.5, 1.5);
        Self { step, shrink, grow, starts: 16, restarts: 0.5, std: 0.5, rho: 0.9 }
    }
}

impl ProjectedGradientConfig {
    /// A planner over `[samples, horizon, action_dim]`.
    pub(crate) fn build(
        &self,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<MultiStart<Backtracking>, PlanError> {
        let Self { step, shrink, grow, starts, restarts, std, rho } = *self;
        in_range("step", step, 1e-5, 2.0, "choose between 0.00001 and 2")?;
        in_range("shrink", shrink, 0.01, 0.99, "choose a factor in [0.01, 0.99]")?;
        in_range("grow", grow, 1.0, 10.0, "choose a factor in [1, 10]")?;
        let starts = Starts { starts, restarts, std, rho };
        MultiStart::new(starts, samples, horizon, action_dim, |descents| Backtracking {
            step,
            shrink,
            grow,
            places: vec![Place { step, ..Place::default() }; descents],
        })
    }
}

/// The rule, with the last good place of every descent.
pub(crate) struct Backtracking {
    step: f32,
    shrink: f32,
    grow: f32,
    places: Vec<Place>,
}

/// Where a descent was cheapest; empty before it was priced.
#[derive(Clone, Default)]
struct Place {
    position: Vec<f32>,
    cost: f32,
    /// The slopes there, divided by the steepest.
    direction: Vec<f32>,
    step: f32,
}

impl Rule for Backtracking {
    fn step(&mut self, index: usize, position: &mut [f32], cost: f32, gradient: &[f32]) -> bool {
        let place = &mut self.places[index];
        let first = place.position.is_empty();
        if first && cost == f32::MAX {
            return false;
        }
        if first || cost < place.cost {
            if !first {
                place.step = (place.step * self.grow).min(self.step);
            }
            place.position = position.to_vec();
            place.cost = cost;
            place.direction = position.iter().zip(gradient).map(|(&a, &g)| inward(a, g)).collect();
            let steepest =
                place.direction.iter().fold(0.0_f32, |most, slope| most.max(slope.abs()));
            let scale = steepest.max(f32::MIN_POSITIVE);
            place.direction.iter_mut().for_each(|slope| *slope /= scale);
        } else {
            place.step *= self.shrink;
        }
        for ((value, from), slope) in position.iter_mut().zip(&place.position).zip(&place.direction)
        {
            *value = (from - place.step * slope).clamp(-1.0, 1.0);
        }
        true
    }

    fn restart(&mut self, index: usize) {
        self.places[index] = Place { step: self.step, ..Place::default() };
    }
}
