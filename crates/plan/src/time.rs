//! How a plan's actions depend on time: free at every control step, or fewer parameters than steps.

use crate::{ActionSequences, Objective, PlanError};
use serde::{Deserialize, Serialize};

/// The parameters of a plan in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionTime {
    /// An action for every control step.
    #[default]
    Steps,
    /// The same action for this many control steps.
    Blocks {
        /// Control steps.
        steps: usize,
    },
    /// Actions at evenly spaced knots, the first and last step among them, and straight lines between.
    Lines {
        /// Knots.
        knots: usize,
    },
    /// The same with Catmull and Rom's cubic spline (1974) between, kept in bounds.
    Splines {
        /// Knots.
        knots: usize,
    },
}

/// [`ActionTime`] for a horizon: the linear map from knots to control steps.
#[derive(Clone, Debug)]
pub struct TimeBasis {
    horizon: usize,
    knots: usize,
    /// The step at which each knot's action is taken itself.
    times: Vec<usize>,
    /// For each control step, its knots with their weights.
    weights: Vec<Vec<(usize, f32)>>,
}

impl ActionTime {
    /// For plans of `horizon` control steps.
    ///
    /// # Errors
    /// Where there are no knots, or more than steps.
    pub fn basis(self, horizon: usize) -> Result<TimeBasis, PlanError> {
        let refuse =
            |key, value: usize, fix| Err(PlanError::Config { key, value: value.to_string(), fix });
        let (knots, weights): (usize, Vec<Vec<(usize, f32)>>) = match self {
            Self::Steps => (horizon, (0..horizon).map(|step| vec![(step, 1.0)]).collect()),
            Self::Blocks { steps: 0 } => {
                return refuse("time.steps", 0, "hold an action for at least one control step");
            }
            Self::Blocks { steps } => (
                horizon.div_ceil(steps),
                (0..horizon).map(|step| vec![(step / steps, 1.0)]).collect(),
            ),
            Self::Lines { knots } | Self::Splines { knots } if knots < 2 || knots > horizon => {
                let fix = "choose between 2 and the control steps of a plan";
                return refuse("time.knots", knots, fix);
            }
            Self::Lines { knots } => {
                let at = |step: usize| {
                    let (before, share) = place(step, knots, horizon);
                    vec![(before, 1.0 - share), (before + 1, share)]
                };
                (knots, (0..horizon).map(at).collect())
            }
            Self::Splines { knots } => {
                let at = |step: usize| {
                    let (before, t) = place(step, knots, horizon);
                    let (t2, t3) = (t * t, t * t * t);
                    let shares = [
                        -0.5 * t + t2 - 0.5 * t3,
                        1.0 - 2.5 * t2 + 1.5 * t3,
                        0.5 * t + 2.0 * t2 - 1.5 * t3,
                        -0.5 * t2 + 0.5 * t3,
                    ];
                    // Past the ends the end knots repeat.
                    let knot = |offset: usize| (before + offset).saturating_sub(1).min(knots - 1);
                    shares.iter().enumerate().map(|(i, &share)| (knot(i), share)).collect()
                };
                (knots, (0..horizon).map(at).collect())
            }
        };
        let times = match self {
            Self::Steps => (0..knots).collect(),
            Self::Blocks { steps } => (0..knots).map(|knot| knot * steps).collect(),
            Self::Lines { .. } | Self::Splines { .. } => {
                (0..knots).map(|knot| knot * (horizon - 1) / (knots - 1)).collect()
            }
        };
        Ok(TimeBasis { horizon, knots, times, weights })
    }
}

/// The knot before a control step and how far the step is on the way to the next, in [0, 1].
fn place(step: usize, knots: usize, horizon: usize) -> (usize, f32) {
    let position = step as f32 * (knots - 1) as f32 / (horizon - 1) as f32;
    let before = (position as usize).min(knots - 2);
    (before, position - before as f32)
}

impl TimeBasis {
    /// Knots: the horizon as a planner sees it.
    pub fn knots(&self) -> usize {
        self.knots
    }

    fn is_identity(&self) -> bool {
        self.knots == self.horizon
    }

    /// The control steps `[H, A]` of knots `[K, A]`.
    pub fn expand(&self, knots: &[f32], action_dim: usize) -> Vec<f32> {
        let mut steps = Vec::with_capacity(self.horizon * action_dim);
        for weights in &self.weights {
            steps.extend((0..action_dim).map(|component| {
                let terms =
                    weights.iter().map(|&(knot, w)| w * knots[knot * action_dim + component]);
                terms.sum::<f32>().clamp(-1.0, 1.0)
            }));
        }
        steps
    }

    /// The knots `[K, A]` of control steps `[H, A]`: the actions at the knots' times.
    pub fn sample(&self, steps: &[f32], action_dim: usize) -> Vec<f32> {
        let at = |&time: &usize| steps[time * action_dim..(time + 1) * action_dim].iter().copied();
        self.times.iter().flat_map(at).collect()
    }

    /// Moves knots `[K, A]` on by `steps` control steps; past the end, the last action repeats.
    pub fn shift(&self, knots: &mut [f32], action_dim: usize, steps: usize) {
        let mut all = self.expand(knots, action_dim);
        let offset = steps * action_dim;
        if offset >= all.len() {
            knots.fill(0.0);
            return;
        }
        all.copy_within(offset.., 0);
        for index in all.len() - offset..all.len() {
            all[index] = all[index - action_dim];
        }
        knots.copy_from_slice(&self.sample(&all, action_dim));
    }
}

/// An objective as a planner over knots sees it.
pub(crate) struct OverKnots<'a> {
    pub inner: &'a mut dyn Objective,
    pub basis: &'a TimeBasis,
}

impl OverKnots<'_> {
    fn expand(&self, knots: &ActionSequences) -> ActionSequences {
        let values = (0..knots.samples)
            .flat_map(|sample| self.basis.expand(knots.sequence(sample), knots.action_dim))
            .collect();
        ActionSequences { horizon: self.basis.horizon, values, ..*knots }
    }
}

impl Objective for OverKnots<'_> {
    fn costs(&mut self, knots: &ActionSequences) -> Vec<f32> {
        if self.basis.is_identity() {
            return self.inner.costs(knots);
        }
        let steps = self.expand(knots);
        self.inner.costs(&steps)
    }

    fn costs_and_grads(&mut self, knots: &ActionSequences) -> (Vec<f32>, Vec<f32>) {
        if self.basis.is_identity() {
            return self.inner.costs_and_grads(knots);
        }
        let steps = self.expand(knots);
        let (costs, by_step) = self.inner.costs_and_grads(&steps);
        let (a, mut grads) = (knots.action_dim, vec![0.0; knots.values.len()]);
        let samples = grads.chunks_exact_mut(knots.len_one()).zip(by_step.chunks(steps.len_one()));
        for (grad, by_step) in samples {
            for (weights, row) in self.basis.weights.iter().zip(by_step.chunks_exact(a)) {
                for &(knot, w) in weights {
                    for (sum, value) in grad[knot * a..(knot + 1) * a].iter_mut().zip(row) {
                        *sum += w * value;
                    }
                }
            }
        }
        (costs, grads)
    }

    fn constraints(&self) -> Vec<String> {
        self.inner.constraints()
    }

    fn violations(&self) -> &[f32] {
        self.inner.violations()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knots_take_their_own_actions_and_shifting_repeats_the_last() {
        for (time, knots) in [
            (ActionTime::Steps, 7),
            (ActionTime::Blocks { steps: 3 }, 3),
            (ActionTime::Lines { knots: 3 }, 3),
            (ActionTime::Splines { knots: 4 }, 4),
        ] {
            let basis = time.basis(7).unwrap();
            assert_eq!(basis.knots(), knots);
            let own: Vec<f32> = (0..2 * knots).map(|i| 0.1 * i as f32 - 0.5).collect();
            let steps = basis.expand(&own, 2);
            let again = basis.sample(&steps, 2);
            assert!(
                own.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-6),
                "{time:?} {again:?}"
            );
            let mut moved = own.clone();
            basis.shift(&mut moved, 2, 3);
            assert_eq!(moved[..2], steps[6..8], "{time:?}");
            assert_eq!(moved[2 * knots - 2..], steps[12..], "{time:?}");
            basis.shift(&mut moved, 2, 7);
            assert!(moved.iter().all(|&value| value == 0.0));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for time in [
            ActionTime::Blocks { steps: 0 },
            ActionTime::Lines { knots: 1 },
            ActionTime::Splines { knots: 9 },
        ] {
            assert!(time.basis(8).is_err(), "{time:?}");
        }
    }
}
