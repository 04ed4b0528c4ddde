//! The terms of a plan's cost, the same in a model and on the ground truth.

use serde::{Deserialize, Serialize};

/// The terms of a plan's cost and their weights. Distances to the goal are squared latent distances per component in
/// a model, with what `change` adds to them, and the sim's squared goal distances on the ground truth, at the end of
/// every action block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostShape {
    /// Weight of the distance at the last step.
    pub last: f32,
    /// Weight of the least distance.
    pub min: f32,
    /// Weight of the mean distance.
    pub mean: f32,
    /// Weight of minus the sum of rewards, where there are rewards.
    #[serde(default = "one")]
    pub reward: f32,
    /// Weight of the mean squared action.
    #[serde(default)]
    pub effort: f32,
    /// Weight of the mean squared change of the action from one control step to the next.
    #[serde(default)]
    pub smoothness: f32,
    /// Weight of an ensemble's spread, averaged over the plan: where its predictors disagree, none is to be
    /// trusted. The ground truth is certain.
    #[serde(default)]
    pub uncertainty: f32,
    /// Weight, within a distance, of the squared one in units of change ([`housecat_model::Distance`]): what a block
    /// hardly changes counts more. The ground truth has a distance of its own.
    #[serde(default)]
    pub change: f32,
}

fn one() -> f32 {
    1.0
}

impl CostShape {
    /// Folds distances in time order; 0 for none.
    pub(crate) fn distance(self, distances: impl Iterator<Item = f32>) -> f32 {
        let (mut last, mut min, mut sum, mut count) = (0.0, f32::INFINITY, 0.0, 0.0_f32);
        for distance in distances {
            last = distance;
            min = distance.min(min);
            sum += distance;
            count += 1.0;
        }
        if count == 0.0 {
            return 0.0;
        }
        self.last * last + self.min * min + self.mean * sum / count
    }

    /// The slopes of [`CostShape::distance`] by each distance.
    pub(crate) fn slopes(self, distances: &[f32]) -> Vec<f32> {
        let mut slopes = vec![self.mean / distances.len() as f32; distances.len()];
        if let Some(last) = slopes.last_mut() {
            *last += self.last;
        }
        let least = (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        if let Some(least) = least {
            slopes[least] += self.min;
        }
        slopes
    }

    /// Adds the slopes of [`CostShape::actions`] by the actions.
    pub(crate) fn add_action_slopes(self, plan: &[f32], action_dim: usize, slopes: &mut [f32]) {
        let effort = 2.0 * self.effort / plan.len().max(1) as f32;
        for (slope, value) in slopes.iter_mut().zip(plan) {
            *slope += effort * value;
        }
        let count = plan.len().saturating_sub(action_dim);
        let rough = 2.0 * self.smoothness / count.max(1) as f32;
        for before in 0..count {
            let change = rough * (plan[before + action_dim] - plan[before]);
            slopes[before + action_dim] += change;
            slopes[before] -= change;
        }
    }

    /// What the actions `[H, A]` themselves cost.
    pub(crate) fn actions(self, plan: &[f32], action_dim: usize) -> f32 {
        let mut cost = 0.0;
        if self.effort != 0.0 {
            cost += self.effort * mean_square(plan.iter().copied());
        }
        if self.smoothness != 0.0 {
            let changes = plan.iter().zip(plan.get(action_dim..).unwrap_or_default());
            cost += self.smoothness * mean_square(changes.map(|(before, after)| after - before));
        }
        cost
    }
}

fn mean_square(values: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0_f32);
    for value in values {
        sum += value * value;
        count += 1.0;
    }
    sum / count.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_weighs_last_least_and_mean() {
        let distances = [4.0, 1.0, 4.0];
        let none = CostShape {
            last: 0.0,
            min: 0.0,
            mean: 0.0,
            reward: 1.0,
            effort: 0.0,
            smoothness: 0.0,
            uncertainty: 0.0,
            change: 0.0,
        };
        let cost =
            |last, min, mean| CostShape { last, min, mean, ..none }.distance(distances.into_iter());
        assert_eq!(cost(1.0, 0.0, 0.0), 4.0);
        assert_eq!(cost(0.0, 1.0, 0.0), 1.0);
        assert_eq!(cost(0.0, 0.0, 1.0), 3.0);
        assert_eq!(CostShape { last: 1.0, min: 1.0, ..none }.distance(std::iter::empty()), 0.0);
        let plan = [1.0, 0.0, 1.0, 0.5];
        let actions =
            |effort, smoothness| CostShape { effort, smoothness, ..none }.actions(&plan, 2);
        assert_eq!(actions(1.0, 0.0), 2.25 / 4.0);
        assert_eq!(actions(0.0, 1.0), 0.25 / 2.0);
    }
}
