//! The one loop in which an actor acts in an environment.

use crate::{
    Actor, Env, EnvError, EpisodeHeader, EpisodeSummary, Observation, Protocol, Recorder, Rng,
    StepRecord,
};

/// How long an episode runs.
#[derive(Clone, Copy, Debug)]
pub struct RolloutOptions {
    /// Control steps at most.
    pub max_steps: usize,
    /// End as soon as both protocols' criteria have been met. Their first hits are what the protocols
    /// count, so nothing that follows could change a verdict.
    pub stop_on_success: bool,
}

/// Lets `actor` act in `env` from `first` (what the environment shows now) until the episode
/// terminates, is truncated, or reaches the limit.
///
/// # Errors
/// Whatever the environment reports; the recorder's episode is then left without an end.
pub fn rollout(
    env: &mut dyn Env,
    first: Observation,
    actor: &mut dyn Actor,
    rng: &mut Rng,
    options: RolloutOptions,
    header: &EpisodeHeader,
    recorder: &mut dyn Recorder,
) -> Result<EpisodeSummary, EnvError> {
    let mut summary = EpisodeSummary::default();
    let mut observation = first;
    let mut time_secs = 0.0;
    recorder.begin(header);
    actor.reset();
    for step in 0..options.max_steps as u64 {
        let decision = actor.decide(env, &observation, rng)?;
        let (poses, state) = (env.poses(), env.state());
        let outcome = env.step(&decision.action)?;
        let transition = outcome.transition;
        summary.steps = step + 1;
        summary.total_reward += f64::from(transition.reward);
        if let Some(success) = transition.success {
            for (slot, protocol) in summary.first_success.iter_mut().zip(Protocol::ALL) {
                if success.of(protocol) {
                    slot.get_or_insert(step + 1);
                }
            }
        }
        recorder.record(StepRecord {
            step,
            time_secs,
            observation: std::mem::replace(&mut observation, outcome.observation),
            poses,
            state,
            action: decision.action,
            transition,
            goal_errors: env.goal_errors(),
            plan: decision.plan,
        });
        time_secs = transition.time_secs;
        let done = options.stop_on_success && summary.first_success.iter().all(Option::is_some);
        if done || transition.terminated || transition.truncated {
            break;
        }
    }
    summary.final_errors = env.goal_errors();
    summary.last_observation = observation;
    summary.last_poses = env.poses();
    summary.last_state = env.state();
    recorder.end(&summary);
    Ok(summary)
}
