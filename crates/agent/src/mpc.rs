//! The policy that plans in a learned world model. It sees observations and nothing else.

use crate::AgentError;
use crate::objective::{CostShape, LatentObjective};
use crate::receding::Receding;
use housecat_core::{Decision, EnvError, Observation, Policy, Rng};
use housecat_model::{LatentRollout, WorldModel};
use housecat_plan::{PlannerConfig, SearchConfig};
use std::time::Instant;

/// What the policy is after.
#[derive(Clone, Debug)]
pub enum Goal {
    /// To see this.
    Observation(Box<Observation>),
    /// To be rewarded, as the model predicts it.
    Reward,
}

/// Model-predictive control in latent space.
pub struct MpcPolicy<'a> {
    model: &'a WorldModel,
    rollout: LatentRollout,
    receding: Receding,
    shape: CostShape,
    block: usize,
    goal: Option<Vec<f32>>,
    /// The latent at the last block boundary, and the actions executed since.
    boundary: Option<Vec<f32>>,
    executed: Vec<f32>,
}

impl<'a> MpcPolicy<'a> {
    /// A policy that plans in `model` towards `goal`.
    ///
    /// # Errors
    /// If the goal does not fit the model, reward is asked of a model without a reward head, or the
    /// planner's configuration makes no sense.
    pub fn new(
        model: &'a WorldModel,
        goal: &Goal,
        search: &SearchConfig,
        solver: &PlannerConfig,
        shape: CostShape,
    ) -> Result<Self, AgentError> {
        let block = model.spec().model.action_repeat;
        let goal = match goal {
            Goal::Observation(observation) => Some(model.encode(&[observation])?),
            Goal::Reward if model.spec().model.reward.is_some() => None,
            Goal::Reward => {
                let message = "a reward task needs a model with a reward head; add [model.reward] and train again";
                return Err(housecat_model::ModelError::Data(message.into()).into());
            }
        };
        Ok(Self {
            model,
            rollout: model.latent_rollout()?,
            receding: Receding::new(search, solver, block, model.spec().actions.len())?,
            shape,
            block,
            goal,
            boundary: None,
            executed: Vec::new(),
        })
    }

    fn see(&self, observation: &Observation) -> Result<Vec<f32>, EnvError> {
        self.model.encode(&[observation]).map_err(|error| EnvError::Policy(error.to_string()))
    }

    fn plan(&mut self, observation: &Observation, rng: &mut Rng) -> Result<Decision, EnvError> {
        let started = Instant::now();
        let latent = self.see(observation)?;
        let before = self.boundary.as_deref().map(|latent| (latent, &*self.executed));
        let mut objective = LatentObjective {
            rollout: &mut self.rollout,
            start: &latent,
            before,
            goal: self.goal.as_deref(),
            shape: self.shape,
        };
        let mut trace = self.receding.plan(&mut objective, &[], started, rng);
        trace.latents = objective.imagine(&trace.best);
        trace.plan_secs = started.elapsed().as_secs_f64();
        self.boundary = Some(latent);
        self.executed.clear();
        let action = self.receding.next().unwrap_or_default();
        self.executed.extend_from_slice(&action);
        Ok(Decision { action, plan: Some(trace) })
    }
}

impl Policy for MpcPolicy<'_> {
    fn reset(&mut self) {
        self.receding.reset();
        self.boundary = None;
        self.executed.clear();
    }

    fn act(&mut self, observation: &Observation, rng: &mut Rng) -> Result<Decision, EnvError> {
        let Some(action) = self.receding.next() else {
            return self.plan(observation, rng);
        };
        // At a block boundary inside a longer execution, the history moves on.
        if self.executed.len() == self.block * action.len() {
            self.boundary = Some(self.see(observation)?);
            self.executed.clear();
        }
        self.executed.extend_from_slice(&action);
        Ok(Decision { action, plan: None })
    }
}
