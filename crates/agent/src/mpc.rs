//! The policy that plans in a learned world model. It sees observations and nothing else.

use crate::AgentError;
use crate::acting::Acting;
use crate::evaluate::Search;
use crate::thinker::{Goal, LatentThinker};
use housecat_core::{Decision, EnvError, Observation, Policy, Rng};
use housecat_model::{Memory, WorldModel};

/// Model-predictive control in latent space.
pub struct MpcPolicy<'a>(Acting<LatentThinker<'a>>);

impl<'a> MpcPolicy<'a> {
    /// A policy that plans in `model` towards `goal`, with proposals from the `memory` of the model's experience if
    /// the search asks for them.
    ///
    /// # Errors
    /// If the goal does not fit the model, reward is asked of a model without a reward head, proposals are asked
    /// for without a memory, or the planner's configuration makes no sense.
    pub fn new(
        model: &'a WorldModel,
        memory: Option<&'a Memory>,
        goal: &Goal,
        search: &Search,
    ) -> Result<Self, AgentError> {
        let mind = LatentThinker::new(model, memory, goal, search)?;
        Ok(Self(Acting::new(mind, search.control, model.spec().actions.len())))
    }
}

impl Policy for MpcPolicy<'_> {
    fn reset(&mut self) {
        self.0.reset();
    }

    fn act(&mut self, observation: &Observation, rng: &mut Rng) -> Result<Decision, EnvError> {
        self.0.act(|| observation.clone(), rng)
    }
}
