//! What plans cost: in a latent world model, and on the ground truth. One shape of cost for both.

use housecat_core::{Env, Snapshot};
use housecat_model::LatentRollout;
use housecat_plan::{ActionSequences, Objective};
use serde::{Deserialize, Serialize};

/// How the distances to the goal along a plan become its cost: a weighted sum of the distance at the
/// last step, the least along the way, and the mean. Distances are squared latent distances per
/// component in a model and the sim's squared goal distances on the ground truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostShape {
    /// Weight of the distance at the last step.
    pub last: f32,
    /// Weight of the least distance.
    pub min: f32,
    /// Weight of the mean distance.
    pub mean: f32,
}

impl CostShape {
    /// Folds distances in time order.
    fn cost(self, distances: impl Iterator<Item = f32>) -> f32 {
        let (mut last, mut min, mut sum, mut count) = (0.0, f32::INFINITY, 0.0, 0.0_f32);
        for distance in distances {
            last = distance;
            min = distance.min(min);
            sum += distance;
            count += 1.0;
        }
        self.last * last + self.min * min + self.mean * sum / count.max(1.0)
    }
}

/// Prices plans by rolling a latent model from the present latent.
pub struct LatentObjective<'a> {
    /// The model.
    pub rollout: &'a mut LatentRollout,
    /// The present latent `[D]`.
    pub start: &'a [f32],
    /// The latent one block ago and the block executed since, if known.
    pub before: Option<(&'a [f32], &'a [f32])>,
    /// The goal's latent `[D]`; without one, plans are priced by predicted reward.
    pub goal: Option<&'a [f32]>,
    /// How distances become a cost.
    pub shape: CostShape,
}

impl LatentObjective<'_> {
    /// The latents along one plan `[H, A]`, the present one first.
    pub(crate) fn imagine(&mut self, plan: &[f32]) -> Vec<Vec<f32>> {
        let blocks = plan.len() / self.rollout.block_dim();
        let d = self.rollout.latent_dim();
        let path = self.rollout.roll(self.start, self.before, plan, 1, blocks);
        std::iter::once(self.start.to_vec()).chain(path.chunks(d).map(<[f32]>::to_vec)).collect()
    }
}

impl Objective for LatentObjective<'_> {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        let samples = candidates.samples;
        let blocks = candidates.len_one() / self.rollout.block_dim();
        let d = self.rollout.latent_dim();
        let latents =
            self.rollout.roll(self.start, self.before, &candidates.values, samples, blocks);
        if let Some(goal) = self.goal {
            let distance = |block: usize, sample: usize| {
                let at = (block * samples + sample) * d;
                latents[at..at + d].iter().zip(goal).map(|(z, g)| (z - g) * (z - g)).sum::<f32>()
                    / d as f32
            };
            return (0..samples)
                .map(|sample| self.shape.cost((0..blocks).map(|block| distance(block, sample))))
                .collect();
        }
        match self.rollout.rewards(self.start, &candidates.values, samples, blocks) {
            Some(rewards) => (0..samples)
                .map(|sample| {
                    -(0..blocks).map(|block| rewards[block * samples + sample]).sum::<f32>()
                })
                .collect(),
            None => vec![0.0; samples],
        }
    }
}

/// Prices plans on the ground truth: restores the world, acts, and looks at the privileged distance.
pub struct SimObjective<'a> {
    /// A fork of the world.
    pub world: &'a mut dyn Env,
    /// Where every plan starts.
    pub start: &'a Snapshot,
    /// Control steps in an action block: distances are taken at the end of each.
    pub block: usize,
    /// How distances become a cost.
    pub shape: CostShape,
}

impl SimObjective<'_> {
    fn cost(&mut self, plan: &[f32], action_dim: usize) -> Option<f32> {
        self.world.restore(self.start).ok()?;
        let mut reward = 0.0;
        let mut distances = Vec::with_capacity(plan.len() / (action_dim * self.block).max(1));
        for (step, action) in plan.chunks_exact(action_dim).enumerate() {
            let outcome = self.world.advance(action).ok()?;
            reward += outcome.reward;
            if (step + 1) % self.block == 0
                && let Some(distance) = outcome.goal_distance
            {
                distances.push(distance * distance);
            }
        }
        match self.world.task() {
            housecat_core::TaskKind::Goal => Some(self.shape.cost(distances.into_iter())),
            housecat_core::TaskKind::Reward => Some(-reward),
        }
    }
}

impl Objective for SimObjective<'_> {
    /// A plan that breaks the world costs NaN, which planners rank last.
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        (0..candidates.samples)
            .map(|sample| {
                self.cost(candidates.sequence(sample), candidates.action_dim).unwrap_or(f32::NAN)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_weighs_last_least_and_mean() {
        let distances = [4.0, 1.0, 4.0];
        let cost = |last, min, mean| CostShape { last, min, mean }.cost(distances.into_iter());
        assert_eq!(cost(1.0, 0.0, 0.0), 4.0);
        assert_eq!(cost(0.0, 1.0, 0.0), 1.0);
        assert_eq!(cost(0.0, 0.0, 1.0), 3.0);
    }
}
