//! The ceiling: the planner on the ground-truth simulator.

use crate::objective::{CostShape, SimObjective};
use crate::receding::Receding;
use housecat_core::{Actor, Decision, Env, EnvError, Observation, Rng};
use housecat_plan::{PlanError, PlannerConfig, SearchConfig};
use std::time::Instant;

/// Plans by trying sequences in a fork of the world. It sees everything, so it is an upper bound and a
/// collector of experience, never a learned policy.
pub struct Oracle {
    world: Box<dyn Env>,
    receding: Receding,
    block: usize,
    shape: CostShape,
}

impl Oracle {
    /// An oracle for the sim of `env`, planning in blocks of `block` control steps.
    ///
    /// # Errors
    /// If the planner's configuration makes no sense.
    pub fn new(
        env: &dyn Env,
        search: &SearchConfig,
        solver: &PlannerConfig,
        shape: CostShape,
        block: usize,
    ) -> Result<Self, PlanError> {
        let receding = Receding::new(search, solver, block, env.spaces().action.dim())?;
        Ok(Self { world: env.fork(), receding, block, shape })
    }
}

impl Actor for Oracle {
    fn reset(&mut self) {
        self.receding.reset();
    }

    fn decide(
        &mut self,
        env: &dyn Env,
        _: &Observation,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError> {
        if let Some(action) = self.receding.next() {
            return Ok(Decision { action, plan: None });
        }
        let start = env.snapshot();
        // Refuses a foreign world here, where there is someone to tell.
        self.world.restore(&start)?;
        let mut objective = SimObjective {
            world: &mut *self.world,
            start: &start,
            block: self.block,
            shape: self.shape,
        };
        let trace = self.receding.plan(&mut objective, &[], Instant::now(), rng);
        let action = self.receding.next().unwrap_or_default();
        Ok(Decision { action, plan: Some(trace) })
    }
}
