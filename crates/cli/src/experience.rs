//! How episodes of experience begin, for collection and for held-out pairs alike.

use crate::config::{CollectPolicy, MixShare, RunConfig};
use anyhow::bail;
use housecat_agent::{AgentError, Goal, MpcPolicy, Oracle, RandomPolicy, Search};
use housecat_core::{Actor, Env, Observation, ResetOptions, Rng, Seed, State, TaskKind};
use housecat_model::{Memory, WorldModel};
use housecat_sim::Sim;

/// Who records the episodes.
pub enum Collectors<'a> {
    /// Drawn per episode from shares.
    Mix(Vec<MixShare>),
    /// A trained model's planner, with what it remembers.
    Model(&'a WorldModel, Option<&'a Memory>),
}

/// Everything that beginning an episode needs.
pub struct Beginner<'a> {
    sim: &'a Sim,
    collectors: Collectors<'a>,
    planner: Search,
    oracle: Search,
    block: usize,
    /// Control steps of a goal's own episode.
    steps: usize,
}

impl<'a> Beginner<'a> {
    /// For a run's configuration.
    ///
    /// # Errors
    /// If a policy is named that the sim lacks.
    pub fn new(
        sim: &'a Sim,
        config: &RunConfig,
        collectors: Collectors<'a>,
    ) -> anyhow::Result<Self> {
        if let Collectors::Mix(mix) = &collectors
            && mix.iter().any(|share| share.policy == CollectPolicy::Scripted && share.share > 0.0)
            && sim.scripted().is_none()
        {
            bail!(
                "the sim `{}` has no [scripted] policy in its sim.toml; use `random` or `oracle`",
                sim.name()
            );
        }
        Ok(Self {
            sim,
            collectors,
            planner: config.planner.clone(),
            oracle: config.oracle.clone(),
            block: config.model.action_repeat,
            steps: config.collect.steps,
        })
    }

    /// Resets `env` and hands over the actor of a new episode; see [`housecat_agent::Collector`]. The
    /// world, that in which its goal is found included, varies as the seed `variation` has it.
    pub fn begin(
        &self,
        env: &mut dyn Env,
        seed: Seed,
        variation: Seed,
    ) -> Result<(Box<dyn Actor + 'a>, Rng), AgentError> {
        let reset = ResetOptions { variation: Some(variation), ..ResetOptions::default() };
        let mut rng = seed.child("actor", 0).rng();
        let action_dim = env.spaces().action.dim();
        let policy = match &self.collectors {
            Collectors::Model(model, memory) => {
                let goal = self.draw_goal(env, seed, &reset)?;
                env.reset(seed.child("reset", 0), &reset)?;
                let aim = match &goal {
                    Some((observation, state)) => {
                        env.set_goal(Some(state))?;
                        Goal::Observation(Box::new(observation.clone()))
                    }
                    None => Goal::Reward,
                };
                return Ok((Box::new(MpcPolicy::new(model, *memory, &aim, &self.planner)?), rng));
            }
            Collectors::Mix(mix) => draw_share(mix, &mut rng),
        };
        let goal = match policy {
            CollectPolicy::Oracle => self.draw_goal(env, seed, &reset)?,
            _ => None,
        };
        env.reset(seed.child("reset", 0), &reset)?;
        if let Some((_, state)) = &goal {
            env.set_goal(Some(state))?;
        }
        let scripted = self.sim.scripted().filter(|_| policy == CollectPolicy::Scripted);
        let mut actor: Box<dyn Actor + 'a> = match (policy, scripted) {
            (CollectPolicy::Oracle, _) => Box::new(Oracle::new(env, &self.oracle, self.block)?),
            (_, Some(scripted)) => Box::new(scripted),
            (_, None) => Box::new(RandomPolicy::new(action_dim)),
        };
        actor.reset();
        Ok((actor, rng))
    }

    /// A goal for an actor that needs one: where an episode of random action from an unrelated start
    /// arrives. `None` for reward tasks.
    fn draw_goal(
        &self,
        env: &mut dyn Env,
        seed: Seed,
        reset: &ResetOptions,
    ) -> Result<Option<(Observation, State)>, AgentError> {
        if env.task() == TaskKind::Reward {
            return Ok(None);
        }
        let seed = seed.child("goal", 0);
        env.reset(seed, reset)?;
        let mut random = RandomPolicy::new(env.spaces().action.dim());
        let mut rng = seed.child("actor", 0).rng();
        let steps = (self.steps as f64 / 2.0 * env.goal_spread()) as usize;
        for _ in 0..steps {
            let decision = random.decide(env, &Observation::default(), &mut rng)?;
            env.advance(&decision.action)?;
        }
        Ok(Some((env.observe(), env.state())))
    }
}

fn draw_share(mix: &[MixShare], rng: &mut Rng) -> CollectPolicy {
    let total: f32 = mix.iter().map(|share| share.share).sum();
    let mut draw = rng.uniform(0.0, total);
    for share in mix {
        draw -= share.share;
        if draw < 0.0 {
            return share.policy;
        }
    }
    mix.last().map_or(CollectPolicy::Random, |share| share.policy)
}

/// The shares that a policy's name on the command line means; `None` if it is the path of a run.
pub fn named(policy: &str) -> Option<Vec<MixShare>> {
    let policy = match policy {
        "random" => CollectPolicy::Random,
        "scripted" => CollectPolicy::Scripted,
        "oracle" => CollectPolicy::Oracle,
        _ => return None,
    };
    Some(vec![MixShare { policy, share: 1.0 }])
}
