//! The ceiling: the planner on the ground-truth simulator.

use crate::AgentError;
use crate::acting::Acting;
use crate::evaluate::Search;
use crate::thinker::SimThinker;
use housecat_core::{Actor, Decision, Env, EnvError, Observation, Rng};

/// Plans by trying sequences in a fork of the world. It sees everything, so it is an upper bound and a
/// collector of experience, never a learned policy.
pub struct Oracle(Acting<SimThinker>);

impl Oracle {
    /// An oracle for the sim of `env`, planning in blocks of `block` control steps
    /// unless the search has its own.
    ///
    /// # Errors
    /// If the planner's configuration makes no sense.
    pub fn new(env: &dyn Env, search: &Search, block: usize) -> Result<Self, AgentError> {
        let mind = SimThinker::new(env, search, block)?;
        Ok(Self(Acting::new(mind, search.control, env.spaces().action.dim())))
    }
}

impl Actor for Oracle {
    fn reset(&mut self) {
        self.0.reset();
    }

    fn decide(
        &mut self,
        env: &dyn Env,
        _: &Observation,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError> {
        self.0.act(|| env.snapshot(), rng)
    }
}
