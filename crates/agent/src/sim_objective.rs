//! What plans cost on the ground truth.

use crate::constraints::{Limits, Zones};
use crate::cost::CostShape;
use housecat_core::{Env, Snapshot};
use housecat_plan::{ActionSequences, Objective};

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
