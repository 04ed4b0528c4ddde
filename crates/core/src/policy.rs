//! Policies: what chooses actions, and what a planning policy tells of its choice.

use crate::{Env, EnvError, Observation, Rng};
use serde::{Deserialize, Serialize};

/// One round of a planner's search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IterationTrace {
    /// Lowest cost among the candidates.
    pub best: f32,
    /// Mean cost of the elites.
    pub elite_mean: f32,
    /// Mean cost of all candidates.
    pub mean: f32,
    /// Mean spread of the sampling distribution after the update, in action units.
    pub std: f32,
}

/// What a planner expected when it chose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanTrace {
    /// H: control steps in the plan.
    pub horizon: usize,
    /// A: components of an action.
    pub action_dim: usize,
    /// The chosen sequence `[H, A]`; empty if a deadline passed before any was priced.
    pub best: Vec<f32>,
    /// Its predicted cost.
    pub best_cost: f32,
    /// The search, round by round.
    pub iterations: Vec<IterationTrace>,
    /// The last round's elites `[E, H, A]`.
    pub elites: Vec<f32>,
    /// Their predicted costs `[E]`, ascending.
    pub elite_costs: Vec<f32>,
    /// Some of the last round's candidates `[C, H, A]`, spread evenly over their order by cost, for displays; at most
    /// [`PlanTrace::CANDIDATES`].
    pub candidates: Vec<f32>,
    /// Their predicted costs `[C]`, ascending.
    pub candidate_costs: Vec<f32>,
    /// By how much the chosen sequence breaks each constraint, by name; not above 0 where it is kept.
    pub violations: Vec<(String, f32)>,
    /// Share of the candidates that a deadline left unpriced, in [0, 1].
    pub cut: f64,
    /// Wall-clock seconds spent planning.
    pub plan_secs: f64,
    /// Control steps from when it was made to its first action: 0, unless it was made while an earlier plan went on.
    pub lead: usize,
    /// The latent path the plan is expected to take, one latent per action block, the present first;
    /// empty when the objective is not a latent model.
    pub latents: Vec<Vec<f32>>,
    /// What came before the first of them, oldest first, as far as it is known: latents `[K, D]`, an action block
    /// apart, and the blocks after each of them.
    pub before: (Vec<f32>, Vec<f32>),
    /// By how much an ensemble of predictors disagrees after each action block of the plan, a variance per component of
    /// the latent; empty without an ensemble.
    pub spread: Vec<f32>,
    /// Squared distance per component between the latent of what was seen now and that which the model had expected
    /// here when it planned last; `None` if it had planned nothing or does not know all that was done since.
    pub surprise: Option<f32>,
}

impl PlanTrace {
    /// Candidates kept of a search, at most.
    pub const CANDIDATES: usize = 32;
}

/// An action with, from a planning policy, the plan behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The action `[A]` in `[-1, 1]`.
    pub action: Vec<f32>,
    /// Present on the steps where the policy planned anew.
    pub plan: Option<PlanTrace>,
}

/// Chooses actions from observations alone.
pub trait Policy {
    /// Forgets the previous episode.
    fn reset(&mut self);

    /// The next action.
    ///
    /// # Errors
    /// [`EnvError::Policy`] if the policy cannot use this observation.
    fn act(&mut self, observation: &Observation, rng: &mut Rng) -> Result<Decision, EnvError>;
}

/// Whatever drives a rollout. A [`Policy`] is an actor that never looks at the environment; the
/// privileged actors (the planner on the ground truth, scripted collection) may.
pub trait Actor {
    /// Forgets the previous episode.
    fn reset(&mut self);

    /// The next action, from what is seen and, for the privileged, from the world itself.
    ///
    /// # Errors
    /// What looking ahead in the world reports, or why the policy cannot act.
    fn decide(
        &mut self,
        env: &dyn Env,
        observation: &Observation,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError>;
}

impl<P: Policy + ?Sized> Actor for P {
    fn reset(&mut self) {
        Policy::reset(self);
    }

    fn decide(
        &mut self,
        _: &dyn Env,
        observation: &Observation,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError> {
        self.act(observation, rng)
    }
}
