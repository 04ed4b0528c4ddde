//! Recorders: what follows an episode as it happens. The episode writer and the viewer are two.

use crate::{GoalError, Image, Observation, PlanTrace, Pose, State, Success, Transition};

/// What is known when an episode begins.
#[derive(Clone, Debug, Default)]
pub struct EpisodeHeader {
    /// Name of the sim.
    pub sim: String,
    /// Number of the episode within its collection or evaluation.
    pub index: u64,
    /// What is asked, in words.
    pub task: String,
    /// The goal as an image, when it is one.
    pub goal_image: Option<Image>,
}

/// One control step: what was seen before acting, what was done, and what came of it.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Control step since the start, from 0.
    pub step: u64,
    /// Simulated seconds at the observation.
    pub time_secs: f64,
    /// Seen before acting.
    pub observation: Observation,
    /// Body poses at the observation, in the order of the scene's bodies.
    pub poses: Vec<Pose>,
    /// Privileged state at the observation, for displays.
    pub state: State,
    /// The action taken `[A]`.
    pub action: Vec<f32>,
    /// The outcome of the action.
    pub transition: Transition,
    /// Errors against the goal after the action, for displays; empty without a goal.
    pub goal_errors: Vec<GoalError>,
    /// The plan, on the steps where one was made.
    pub plan: Option<PlanTrace>,
}

/// What is known when an episode has ended.
#[derive(Clone, Debug, Default)]
pub struct EpisodeSummary {
    /// Control steps taken.
    pub steps: u64,
    /// Sum of rewards.
    pub total_reward: f64,
    /// Step (counted from 1) at which each protocol's criterion was first met.
    pub first_success: [Option<u64>; 2],
    /// Errors against the goal at the end.
    pub final_errors: Vec<GoalError>,
    /// The last observation.
    pub last_observation: Observation,
    /// Body poses at the end.
    pub last_poses: Vec<Pose>,
    /// Privileged state at the end.
    pub last_state: State,
}

impl EpisodeSummary {
    /// Whether each protocol's criterion was met at some step.
    pub fn success(&self) -> Success {
        Success {
            moderate: self.first_success[0].is_some(),
            strict: self.first_success[1].is_some(),
        }
    }
}

/// Follows episodes.
pub trait Recorder {
    /// An episode begins.
    fn begin(&mut self, header: &EpisodeHeader);
    /// A step was taken.
    fn record(&mut self, step: StepRecord);
    /// The episode ended.
    fn end(&mut self, summary: &EpisodeSummary);
}

/// Follows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    fn begin(&mut self, _: &EpisodeHeader) {}
    fn record(&mut self, _: StepRecord) {}
    fn end(&mut self, _: &EpisodeSummary) {}
}
