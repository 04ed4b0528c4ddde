//! What plans cost: in a latent world model, and on the ground truth. One shape of cost for both.

use crate::constraints::{Constraints, Zones};
use housecat_core::{Env, Snapshot};
use housecat_model::LatentRollout;
use housecat_plan::{ActionConstraint, ActionSequences, Objective};
use serde::{Deserialize, Serialize};

/// The terms of a plan's cost and their weights. Distances to the goal are squared latent distances per component in
/// a model and the sim's squared goal distances on the ground truth, at the end of every action block.
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
}

fn one() -> f32 {
    1.0
}

impl CostShape {
    /// Folds distances in time order; 0 for none.
    fn distance(self, distances: impl Iterator<Item = f32>) -> f32 {
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

    /// What the actions `[H, A]` themselves cost.
    fn actions(self, plan: &[f32], action_dim: usize) -> f32 {
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
    /// What plans should keep to, with the action before the plan.
    pub limits: Limits<'a>,
}

/// Limits on the actions, and by how much the plans last priced break them.
#[derive(Default)]
pub struct Limits<'a> {
    /// The limits.
    pub limits: &'a [ActionConstraint],
    /// The action before the plan, if there was one.
    pub previous: Option<&'a [f32]>,
    /// `[S, C]`
    violations: Vec<f32>,
}

impl<'a> Limits<'a> {
    /// From a search's constraints.
    pub fn new(constraints: &'a Constraints, previous: Option<&'a [f32]>) -> Self {
        Self { limits: &constraints.limits, previous, violations: Vec::new() }
    }

    fn names(&self) -> Vec<String> {
        self.limits.iter().map(|limit| limit.name().to_owned()).collect()
    }

    fn price(&mut self, plan: &[f32], action_dim: usize) {
        let each = self.limits.iter().map(|l| l.violation(plan, action_dim, self.previous));
        self.violations.extend(each);
    }
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
        let mut costs: Vec<f32> = match self.goal {
            Some(goal) => {
                let distance = |block: usize, sample: usize| {
                    let at = (block * samples + sample) * d;
                    let apart =
                        latents[at..at + d].iter().zip(goal).map(|(z, g)| (z - g) * (z - g));
                    apart.sum::<f32>() / d as f32
                };
                let along = |sample| (0..blocks).map(move |block| distance(block, sample));
                (0..samples).map(|sample| self.shape.distance(along(sample))).collect()
            }
            None => vec![0.0; samples],
        };
        let rewards = self.rollout.rewards(self.start, &candidates.values, samples, blocks);
        for (sample, cost) in costs.iter_mut().enumerate() {
            if let Some(rewards) = &rewards {
                let sum: f32 = (0..blocks).map(|block| rewards[block * samples + sample]).sum();
                *cost -= self.shape.reward * sum;
            }
            *cost += self.shape.actions(candidates.sequence(sample), candidates.action_dim);
        }
        self.limits.violations.clear();
        for sample in 0..samples {
            self.limits.price(candidates.sequence(sample), candidates.action_dim);
        }
        costs
    }

    fn constraints(&self) -> Vec<String> {
        self.limits.names()
    }

    fn violations(&self) -> &[f32] {
        &self.limits.violations
    }
}

/// Prices plans on the ground truth: restores the world, acts, and looks at the privileged distance.
pub struct SimObjective<'a> {
    world: &'a mut dyn Env,
    start: &'a Snapshot,
    block: usize,
    shape: CostShape,
    limits: Limits<'a>,
    zones: Option<&'a Zones>,
}

impl<'a> SimObjective<'a> {
    /// In a fork of the world, for plans from `start`; distances are taken at the end of every `block` control
    /// steps.
    pub fn new(
        world: &'a mut dyn Env,
        start: &'a Snapshot,
        block: usize,
        shape: CostShape,
    ) -> Self {
        Self { world, start, block, shape, limits: Limits::default(), zones: None }
    }

    /// The same, with constraints to keep.
    pub(crate) fn keeping(self, limits: Limits<'a>, zones: &'a Zones) -> Self {
        Self { limits, zones: Some(zones).filter(|zones| !zones.is_empty()), ..self }
    }

    /// The cost of a plan and how deep it goes into each zone; `None` if it breaks the world.
    fn cost(&mut self, plan: &[f32], action_dim: usize) -> Option<(f32, Vec<f32>)> {
        self.world.restore(self.start).ok()?;
        let mut reward = 0.0;
        let mut distances = Vec::with_capacity(plan.len() / (action_dim * self.block).max(1));
        let mut depths = vec![f32::NEG_INFINITY; self.zones.map_or(0, Zones::len)];
        for (step, action) in plan.chunks_exact(action_dim).enumerate() {
            let outcome = self.world.advance(action).ok()?;
            reward += outcome.reward;
            if (step + 1) % self.block == 0
                && let Some(distance) = outcome.goal_distance
            {
                distances.push(distance * distance);
            }
            if let Some(zones) = self.zones {
                let state = self.world.state();
                for (deepest, depth) in depths.iter_mut().zip(zones.depths(&state)) {
                    *deepest = deepest.max(depth);
                }
            }
        }
        let shape = self.shape;
        let goal = shape.distance(distances.into_iter());
        Some((goal - shape.reward * reward + shape.actions(plan, action_dim), depths))
    }
}

impl Objective for SimObjective<'_> {
    /// A plan that breaks the world costs NaN, which planners rank last.
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        self.limits.violations.clear();
        let zones = self.zones.map_or(0, Zones::len);
        (0..candidates.samples)
            .map(|sample| {
                let plan = candidates.sequence(sample);
                let (cost, depths) = self
                    .cost(plan, candidates.action_dim)
                    .unwrap_or_else(|| (f32::NAN, vec![f32::NAN; zones]));
                self.limits.price(plan, candidates.action_dim);
                self.limits.violations.extend(depths);
                cost
            })
            .collect()
    }

    fn constraints(&self) -> Vec<String> {
        let mut names = self.limits.names();
        names.extend(self.zones.into_iter().flat_map(Zones::names));
        names
    }

    fn violations(&self) -> &[f32] {
        &self.limits.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_weighs_last_least_and_mean() {
        let distances = [4.0, 1.0, 4.0];
        let none =
            CostShape { last: 0.0, min: 0.0, mean: 0.0, reward: 1.0, effort: 0.0, smoothness: 0.0 };
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
