//! Evaluation problems: (start, goal) pairs from held-out episodes, or starts for reward tasks.

use crate::AgentError;
use housecat_core::{
    Actor, Env, Observation, ResetOptions, Rng, Seed, Snapshot, State, TaskKind, Variation,
};

/// One evaluation problem.
#[derive(Clone)]
pub struct Pair {
    /// The world at the start.
    pub start: Snapshot,
    /// Its privileged state.
    pub start_state: State,
    /// The goal as the policy is shown it and as the judge knows it; `None` for reward tasks.
    pub goal: Option<(Observation, State)>,
    /// The world's factors of variation, which the snapshot restores.
    pub variation: Variation,
}

/// Begins an episode of experience: resets the environment from the seed, sets a goal if the actor
/// needs one, and returns the actor with its stream of randomness. Training and held-out episodes
/// begin alike.
pub type Collector<'a> =
    dyn Fn(&mut dyn Env, Seed) -> Result<(Box<dyn Actor + 'a>, Rng), AgentError> + Sync + 'a;

/// Episodes tried for each pair wanted before giving up.
const TRIES: usize = 40;

/// Draws `count` problems of one seed.
///
/// For a goal task, each is from an episode of its own that is recorded here and now on a stream of
/// seeds that training never draws from; the goal lies `offset` control steps (times the world's
/// [goal spread](Env::goal_spread)) after the start, which is uniform over the episode of `steps` steps. Pairs that the sim's protocol does not admit are
/// dropped. For a reward task, each is one of the sim's evaluation starts.
///
/// # Errors
/// If the held-out episodes do not give enough pairs, or the environment fails.
pub fn held_out_pairs(
    env: &mut dyn Env,
    collector: &Collector<'_>,
    seed: Seed,
    count: usize,
    offset: usize,
    steps: usize,
) -> Result<Vec<Pair>, AgentError> {
    let seed = seed.child("held-out", 0);
    let mut pairs = Vec::with_capacity(count);
    let tries = count * TRIES;
    for episode in 0..tries as u64 {
        if pairs.len() == count {
            return Ok(pairs);
        }
        let seed = seed.child("episode", episode);
        if env.task() == TaskKind::Reward {
            env.reset(
                seed.child("reset", 0),
                &ResetOptions { evaluation: true, ..ResetOptions::default() },
            )?;
            pairs.push(Pair {
                start: env.snapshot(),
                start_state: env.state(),
                goal: None,
                variation: env.variation(),
            });
            continue;
        }
        let (mut actor, mut rng) = collector(env, seed)?;
        let offset = ((offset as f64 * env.goal_spread()).round() as usize).max(1);
        let first = rng.index(steps.saturating_sub(offset).max(1));
        act(env, &mut *actor, &mut rng, first)?;
        let (start, start_state) = (env.snapshot(), env.state());
        act(env, &mut *actor, &mut rng, offset)?;
        let goal_state = env.state();
        if env.admits(&start_state, &goal_state) {
            let goal = Some((env.observe(), goal_state));
            pairs.push(Pair { start, start_state, goal, variation: env.variation() });
        }
    }
    if pairs.len() == count {
        return Ok(pairs);
    }
    Err(AgentError::Pairs {
        sim: env.name().to_owned(),
        found: pairs.len(),
        wanted: count,
        tried: tries,
    })
}

/// Acts without looking: the actors that collect do not need pictures.
fn act(
    env: &mut dyn Env,
    actor: &mut dyn Actor,
    rng: &mut Rng,
    steps: usize,
) -> Result<(), AgentError> {
    for _ in 0..steps {
        let decision = actor.decide(env, &Observation::default(), rng)?;
        env.advance(&decision.action)?;
    }
    Ok(())
}
