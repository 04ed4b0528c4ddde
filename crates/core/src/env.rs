//! Environments: worlds that accept actions and show observations, with Gymnasium's semantics, plus
//! what planning on the ground truth and honest evaluation need.

use crate::{Observation, Pose, Scene, Seed, Spaces, Variation};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::sync::Arc;

/// The privileged physical state of a world, for evaluators, displays and the ground-truth planner;
/// never for a learned policy. Components as named by [`Env::state_names`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State(pub Vec<f64>);

/// What a component of the privileged state measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A place or a length, in metres.
    Length,
    /// An angle, in radians; whole turns make no difference.
    Angle,
    /// A velocity, in metres a second.
    Velocity,
    /// An angular velocity, in radians a second.
    AngularVelocity,
    /// A number without a unit.
    Number,
}

/// A world frozen in time, restorable bit for bit by the environment (or a fork of it) that made it.
#[derive(Clone)]
pub struct Snapshot(Arc<dyn Any + Send + Sync>);

impl Snapshot {
    /// Wraps an environment's own representation.
    pub fn new<T: Any + Send + Sync>(content: T) -> Self {
        Self(Arc::new(content))
    }

    /// The representation, if it is of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// How strictly success is judged; the criteria themselves belong to the sim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The first step that meets the looser criterion counts.
    Moderate,
    /// The tighter criterion, held as long as the sim demands.
    Strict,
}

impl Protocol {
    /// Both protocols, looser first.
    pub const ALL: [Protocol; 2] = [Protocol::Moderate, Protocol::Strict];

    /// The name used in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Moderate => "moderate",
            Self::Strict => "strict",
        }
    }
}

/// Whether the world meets each protocol's criterion at this step (holding times included).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Success {
    /// The moderate criterion.
    pub moderate: bool,
    /// The strict criterion.
    pub strict: bool,
}

impl Success {
    /// The verdict of one protocol.
    pub fn of(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Moderate => self.moderate,
            Protocol::Strict => self.strict,
        }
    }
}

/// What a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// Reach a goal that is given as an observation.
    Goal,
    /// Collect reward.
    Reward,
}

/// One named error between a world and its goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoalError {
    /// Which part of the goal, as the sim names it.
    pub name: String,
    /// `"m"` or `"rad"`.
    pub unit: String,
    /// The magnitude of the error, not negative.
    pub value: f64,
}

/// The outcome of advancing a world by one control step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transition {
    /// Reward of this step; 0 for a task without rewards.
    pub reward: f32,
    /// The task ended in a terminal state.
    pub terminated: bool,
    /// The time limit was reached.
    pub truncated: bool,
    /// Simulated seconds since the reset.
    pub time_secs: f64,
    /// Distance to the goal, scaled by the sim so that its terms are comparable; `None` without a goal.
    pub goal_distance: Option<f32>,
    /// The verdicts, for a task with success criteria.
    pub success: Option<Success>,
}

/// A [`Transition`] with what is seen after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The next observation.
    pub observation: Observation,
    /// Everything else.
    pub transition: Transition,
}

/// What a reset may fix instead of drawing it.
#[derive(Clone, Debug, Default)]
pub struct ResetOptions {
    /// Start from the sim's evaluation start (for example hanging down) instead of the wide spread
    /// that collection uses.
    pub evaluation: bool,
    /// Draw the world's [variation](Env::variation) from this seed instead of the episode's own, so that
    /// several resets find the same world.
    pub variation: Option<Seed>,
}

/// What can go wrong in an environment, or between it and a policy.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// The action has the wrong length or a component that is not finite.
    #[error("action {got:?} does not fit: the sim takes {want} finite numbers in [-1, 1]")]
    BadAction {
        /// What was given.
        got: Vec<f32>,
        /// Components expected.
        want: usize,
    },
    /// The physics produced a value that is not finite, or too large for a world.
    #[error(
        "the world of `{sim}` exploded at step {step}: {what} is not finite or beyond 1e10; lower the physics time step \
         or the actuator gains in sim.toml"
    )]
    NotFinite {
        /// Name of the sim.
        sim: String,
        /// Control step since the reset.
        step: u64,
        /// Which body or joint.
        what: String,
    },
    /// The world cannot be built as its factors of variation were drawn.
    #[error("the world of `{sim}` cannot be varied: {problem}; narrow the range of the factor")]
    Variation {
        /// Name of the sim.
        sim: String,
        /// What is wrong, and the factors drawn.
        problem: String,
    },
    /// A snapshot or state of another sim was given.
    #[error("{what} does not belong to the sim `{sim}`: {detail}")]
    Foreign {
        /// Name of the sim.
        sim: String,
        /// "snapshot" or "goal state".
        what: &'static str,
        /// How it differs.
        detail: String,
    },
    /// The policy cannot choose an action from what it is shown.
    #[error("the policy cannot act: {0}")]
    Policy(String),
    /// A camera that the scene lacks was asked for.
    #[error("the sim `{sim}` has no camera `{camera}`; it has: {have}")]
    NoCamera {
        /// Name of the sim.
        sim: String,
        /// The name asked for.
        camera: String,
        /// The names it has.
        have: String,
    },
}

/// A world. One control step at a time, deterministic: the same seed and actions give the same bits.
pub trait Env: Send {
    /// Name of the sim.
    fn name(&self) -> &str;

    /// What it accepts and shows.
    fn spaces(&self) -> &Spaces;

    /// The shapes, cameras and lights, for renderers and viewers.
    fn scene(&self) -> &Scene;

    /// The pose of every body of [`Env::scene`] in world coordinates, in its order.
    fn poses(&self) -> Vec<Pose>;

    /// Whether the task is a goal or a reward.
    fn task(&self) -> TaskKind;

    /// Control steps after which an episode is truncated.
    fn max_steps(&self) -> usize;

    /// Starts a new episode; clears the goal.
    fn reset(&mut self, seed: Seed, options: &ResetOptions) -> Result<Observation, EnvError>;

    /// Advances one control step without looking.
    fn advance(&mut self, action: &[f32]) -> Result<Transition, EnvError>;

    /// Looks at the world as it is.
    fn observe(&mut self) -> Observation;

    /// Advances one control step and looks.
    fn step(&mut self, action: &[f32]) -> Result<Step, EnvError> {
        let transition = self.advance(action)?;
        Ok(Step { observation: self.observe(), transition })
    }

    /// Freezes the world, goal and verdicts included.
    fn snapshot(&self) -> Snapshot;

    /// Returns to a frozen world; it continues with the same bits.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EnvError>;

    /// An independent world of the same sim that sees nothing (no images), for planners' threads.
    fn fork(&self) -> Box<dyn Env>;

    /// The privileged state.
    fn state(&self) -> State;

    /// Names of the privileged state's components.
    fn state_names(&self) -> Vec<String>;

    /// What the privileged state's components measure; numbers where it is not known.
    fn state_quantities(&self) -> Vec<Quantity> {
        vec![Quantity::Number; self.state_names().len()]
    }

    /// Sets the goal as a privileged state (evaluators only). A new episode begins: judging, time and
    /// the step limit start from here.
    fn set_goal(&mut self, goal: Option<&State>) -> Result<(), EnvError>;

    /// Errors between the world and its goal; empty without one.
    fn goal_errors(&self) -> Vec<GoalError>;

    /// How far the task asks the world to move from `start` to `goal`, one entry per goal term.
    fn displacement(&self, start: &State, goal: &State) -> Vec<GoalError>;

    /// The factors that vary, as they are in this episode. They are drawn anew at each reset, from its
    /// seed; a snapshot and a fork have those of their world. Empty where nothing varies.
    fn variation(&self) -> Variation {
        Variation::new()
    }

    /// Factor on the control steps from a start to its goal, where goals are drawn from episodes.
    fn goal_spread(&self) -> f64 {
        1.0
    }

    /// Whether the protocol admits this pair: the sim's own rule (for example opposite rooms), and
    /// not already solved at the start under the moderate criterion.
    fn admits(&self, start: &State, goal: &State) -> bool;
}
