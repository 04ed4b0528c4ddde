//! Minds that plan: in a learned world model, and on the ground truth.

use crate::AgentError;
use crate::acting::Control;
use crate::constraints::{Constraints, Limits, Zones};
use crate::cost::CostShape;
use crate::evaluate::{Proposals, Search};
use crate::latent_objective::LatentObjective;
use crate::searching::Searching;
use crate::sim_objective::SimObjective;
use housecat_core::{Env, EnvError, Observation, PlanTrace, Rng, Snapshot};
use housecat_model::{Distance, LatentRollout, Memory, Routes, WorldModel};
use std::time::Instant;

/// Makes plans.
pub(crate) trait Thinking: Send {
    /// What a decision is made from.
    type Seen: Send;

    /// Plans from the place where the world will be once the actions `during` `[n, A]`, whole blocks of them,
    /// are executed from where it is `seen` now. A deadline counts from `started`.
    fn think(
        &mut self,
        seen: Self::Seen,
        during: &[f32],
        started: Instant,
        rng: &mut Rng,
    ) -> Result<PlanTrace, EnvError>;

    /// Forgets the episode.
    fn reset(&mut self);

    /// Forgets what was executed since the last look, because not all of it is known.
    fn lose_history(&mut self) {}

    /// Control steps of a plan that are executed before planning anew.
    fn steps(&self) -> usize;
}

/// What the policy is after.
#[derive(Clone, Debug)]
pub enum Goal {
    /// To see this.
    Observation(Box<Observation>),
    /// To be rewarded, as the model predicts it.
    Reward,
}

/// A latent and what came before, oldest first: latents `[K, D]` a block apart, and the blocks after each.
#[derive(Clone, Debug, Default)]
struct Place {
    latent: Vec<f32>,
    before: (Vec<f32>, Vec<f32>),
}

/// Noise on the actions of the prior's further plans, in action units.
const PRIOR_STD: f32 = 0.3;

/// Blocks of history that are remembered; predictors use what they have a memory for.
const HISTORY: usize = 8;

impl Place {
    /// As a rollout takes it.
    fn before(&self) -> Option<(&[f32], &[f32])> {
        let (latents, blocks) = &self.before;
        (!blocks.is_empty()).then_some((latents, blocks))
    }

    /// One block on.
    fn then(self, block: &[f32], latent: Vec<f32>) -> Self {
        Self { latent, before: self.after(block) }
    }

    /// What came before the end of a block executed from here.
    fn after(self, block: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (mut latents, mut blocks) = self.before;
        latents.extend(&self.latent);
        blocks.extend(block);
        let old = (blocks.len() / block.len()).saturating_sub(HISTORY);
        latents.drain(..old * self.latent.len());
        blocks.drain(..old * block.len());
        (latents, blocks)
    }
}

/// Plans in a learned model. It sees observations and nothing else.
pub(crate) struct LatentThinker<'a> {
    model: &'a WorldModel,
    proposals: Proposals,
    subgoals: usize,
    memory: Option<&'a Memory>,
    /// In units of change, if that counts.
    distance: Option<&'a Distance>,
    /// To the goal; found when first needed.
    routes: Option<Routes<'a>>,
    rollout: LatentRollout,
    shape: CostShape,
    goal: Option<Vec<f32>>,
    constraints: Constraints,
    searching: Searching,
    /// The action before what is seen next.
    previous: Option<Vec<f32>>,
    /// What came before what is seen next, if known.
    before: (Vec<f32>, Vec<f32>),
    /// The latent that the model expects of what is seen next, if it knows all that is done until then.
    expected: Option<Vec<f32>>,
}

impl<'a> LatentThinker<'a> {
    /// # Errors
    /// If the goal does not fit the model, reward is asked of a model without a reward head, or the
    /// planner's configuration makes no sense.
    pub fn new(
        model: &'a WorldModel,
        memory: Option<&'a Memory>,
        goal: &Goal,
        search: &Search,
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
        if let Some(own) = search.block.filter(|&own| own != block) {
            return Err(AgentError::Constraint {
                key: "block",
                value: own.to_string(),
                fix: format!(
                    "the model's blocks are of {block} control steps; only the oracle has a choice"
                ),
            });
        }
        if search.control == Control::Overlap {
            search.foreseeable(block)?;
        }
        if search.cost.uncertainty != 0.0 && model.spec().model.ensemble < 2 {
            return Err(AgentError::Constraint {
                key: "cost.uncertainty",
                value: search.cost.uncertainty.to_string(),
                fix: "one predictor cannot disagree with itself; train with model.ensemble = 3, or set it to 0"
                    .into(),
            });
        }
        if let Some(zone) = search.constraints.keep_out.first() {
            return Err(AgentError::Constraint {
                key: "keep_out",
                value: zone.features.join(", "),
                fix: "a learned model is not told where things are; limit its actions, or use the oracle".into(),
            });
        }
        let asked = search.proposals.recalled + search.proposals.prior;
        if asked + search.subgoals > 0 && !memory.is_some_and(|memory| memory.fits(model)) {
            return Err(AgentError::Constraint {
                key: "proposals and planner.subgoals",
                value: format!("{:?} and {}", search.proposals, search.subgoals),
                fix: "the run has no memory.safetensors of this model; `housecat run` or `train --resume` makes it"
                    .into(),
            });
        }
        if let (Some(memory), 1..) = (memory, search.subgoals) {
            // Not while the first plan is waited for.
            memory.neighbours();
        }
        let counts = goal.is_some() && search.cost.change != 0.0;
        let distance = model.distance().filter(|_| counts);
        if counts && distance.is_none() {
            return Err(AgentError::Constraint {
                key: "cost.change",
                value: search.cost.change.to_string(),
                fix: "the checkpoint has no distance.safetensors; `housecat run` or `train --resume` makes it"
                    .into(),
            });
        }
        Ok(Self {
            model,
            proposals: search.proposals,
            subgoals: search.subgoals,
            memory: memory.filter(|_| asked + search.subgoals > 0),
            distance,
            routes: None,
            rollout: model.latent_rollout_in(search.precision)?,
            shape: search.cost,
            goal,
            constraints: search.constraints.clone(),
            previous: None,
            searching: Searching::new(search, block, model.spec().actions.len())?,
            before: Default::default(),
            expected: None,
        })
    }

    /// Where the world will be once a block is executed, as far as the model knows.
    fn foresee(&mut self, place: Place, block: &[f32]) -> Place {
        let latent = self.rollout.roll(&place.latent, place.before(), block, 1, 1).to_vec();
        place.then(block, latent)
    }

    /// What to head for from `place`: the goal, or a subgoal on the way.
    fn target(&mut self, place: &Place) -> Option<Vec<f32>> {
        let goal = self.goal.clone()?;
        let (Some(memory), 1..) = (self.memory, self.subgoals) else { return Some(goal) };
        let routes = self.routes.get_or_insert_with(|| Routes::new(memory, &goal));
        let subgoal = routes.subgoal(&place.latent, self.subgoals as f32);
        Some(subgoal.map_or(goal, <[f32]>::to_vec))
    }

    /// Plans from `place` to look at before the search.
    fn propose(&mut self, place: &Place, goal: Option<&[f32]>, rng: &mut Rng) -> Vec<Vec<f32>> {
        let Some(memory) = self.memory else { return Vec::new() };
        let blocks = self.searching.blocks();
        let mut plans = match self.proposals.recalled {
            0 => Vec::new(),
            count => memory.recall(&place.latent, goal, blocks, count),
        };
        // Without a goal there is nothing to head for.
        let Some(goal) = goal else { return plans };
        for index in 0..self.proposals.prior {
            let mut plan = Vec::new();
            let mut at = place.clone();
            for _ in 0..blocks {
                let mut block = memory.prior.act(&at.latent, goal);
                if index > 0 {
                    block.iter_mut().for_each(|value| {
                        *value = (*value + PRIOR_STD * rng.normal()).clamp(-1.0, 1.0);
                    });
                }
                plan.extend_from_slice(&block);
                at = self.foresee(at, &block);
            }
            plans.push(plan);
        }
        plans
    }

    /// Moves the history on by blocks executed from `place`, of which only the start was seen.
    fn remember(&mut self, place: Place, executed: &[f32]) {
        let mut blocks = executed.chunks_exact(self.rollout.block_dim());
        // Where the last block ends will be seen.
        let Some(last) = blocks.next_back() else { return };
        self.before = blocks.fold(place, |place, block| self.foresee(place, block)).after(last);
    }
}

impl Thinking for LatentThinker<'_> {
    type Seen = Observation;

    fn think(
        &mut self,
        seen: Observation,
        during: &[f32],
        started: Instant,
        rng: &mut Rng,
    ) -> Result<PlanTrace, EnvError> {
        let latent = self.model.encode(&[&seen]);
        let latent = latent.map_err(|error| EnvError::Policy(error.to_string()))?;
        let expected = self.expected.take();
        let surprise = expected.map(|expected| squared_distance(&expected, &latent));
        let here = Place { latent, before: std::mem::take(&mut self.before) };
        let blocks = during.chunks_exact(self.rollout.block_dim());
        let place = blocks.fold(here.clone(), |place, block| self.foresee(place, block));
        let a = self.model.spec().actions.len();
        let target = self.target(&place);
        let proposals = self.propose(&place, target.as_deref(), rng);
        let mut objective = LatentObjective {
            rollout: &mut self.rollout,
            start: &place.latent,
            before: place.before(),
            goal: target.as_deref(),
            distance: self.distance,
            shape: self.shape,
            limits: Limits::new(&self.constraints, last(during, a).or(self.previous.as_deref())),
        };
        let mut trace = self.searching.plan(&mut objective, &proposals, started, rng);
        (trace.latents, trace.spread) = objective.imagine(&trace.best);
        trace.surprise = surprise;
        trace.lead = during.len() / a.max(1);
        let next = until_next_look(during, &trace, self.steps());
        let (done, rest) =
            (next.len() / self.rollout.block_dim(), next.len() % self.rollout.block_dim());
        self.expected = match (done, rest) {
            (1.., 0) if during.is_empty() => trace.latents.get(done).cloned(),
            (1.., 0) => Some(place.latent),
            _ => None,
        };
        trace.before = place.before;
        self.remember(here, &next);
        self.previous = last(&next, a).map(<[f32]>::to_vec);
        trace.plan_secs = started.elapsed().as_secs_f64();
        Ok(trace)
    }

    fn reset(&mut self) {
        self.searching.reset();
        self.lose_history();
    }

    fn lose_history(&mut self) {
        self.before = Default::default();
        self.previous = None;
        self.expected = None;
    }

    fn steps(&self) -> usize {
        self.searching.steps()
    }
}

/// Per component.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / a.len().max(1) as f32
}

/// What is executed before the next look: what was decided already or, without that, the plan.
fn until_next_look(during: &[f32], plan: &PlanTrace, steps: usize) -> Vec<f32> {
    match during {
        [] => plan.best.iter().take(steps * plan.action_dim).copied().collect(),
        decided => decided.to_vec(),
    }
}

/// The last of some actions.
fn last(actions: &[f32], action_dim: usize) -> Option<&[f32]> {
    actions.rchunks_exact(action_dim.max(1)).next()
}

/// Plans by trying sequences in a fork of the world.
pub(crate) struct SimThinker {
    world: Box<dyn Env>,
    searching: Searching,
    block: usize,
    shape: CostShape,
    constraints: Constraints,
    zones: Zones,
    /// The action before what is seen next.
    previous: Option<Vec<f32>>,
}

impl SimThinker {
    /// # Errors
    /// If the planner's configuration makes no sense.
    pub fn new(env: &dyn Env, search: &Search, block: usize) -> Result<Self, AgentError> {
        let block = search.block.unwrap_or(block);
        let searching = Searching::new(search, block, env.spaces().action.dim())?;
        Ok(Self {
            world: env.fork(),
            searching,
            block,
            shape: search.cost,
            constraints: search.constraints.clone(),
            zones: Zones::new(&search.constraints.keep_out, env)?,
            previous: None,
        })
    }
}

impl Thinking for SimThinker {
    type Seen = Snapshot;

    fn think(
        &mut self,
        seen: Snapshot,
        during: &[f32],
        started: Instant,
        rng: &mut Rng,
    ) -> Result<PlanTrace, EnvError> {
        // Refuses a foreign world here, where there is someone to tell.
        self.world.restore(&seen)?;
        let a = self.world.spaces().action.dim();
        for action in during.chunks_exact(a.max(1)) {
            self.world.advance(action)?;
        }
        let start = if during.is_empty() { seen } else { self.world.snapshot() };
        let previous = last(during, a).or(self.previous.as_deref());
        let limits = Limits::new(&self.constraints, previous);
        let mut objective = SimObjective::new(&mut *self.world, &start, self.block, self.shape)
            .keeping(limits, &self.zones);
        let mut trace = self.searching.plan(&mut objective, &[], started, rng);
        trace.lead = during.len() / a.max(1);
        let next = until_next_look(during, &trace, self.steps());
        self.previous = last(&next, a).map(<[f32]>::to_vec);
        trace.plan_secs = started.elapsed().as_secs_f64();
        Ok(trace)
    }

    fn reset(&mut self) {
        self.searching.reset();
        self.lose_history();
    }

    fn lose_history(&mut self) {
        self.previous = None;
    }

    fn steps(&self) -> usize {
        self.searching.steps()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;
    use housecat_model::{
        EncoderConfig, ModelConfig, ModelInput, ModelSpec, PredictorConfig, WorldModel,
    };
    use housecat_plan::SearchConfig;

    const BLOCK: usize = 2;

    fn model() -> WorldModel {
        let spec = ModelSpec {
            format: ModelSpec::FORMAT,
            sim: "test".into(),
            input: ModelInput::State { names: vec!["x".into()] },
            actions: vec!["push".into()],
            model: ModelConfig {
                latent_dim: 3,
                action_repeat: BLOCK,
                encoder: EncoderConfig::Mlp { hidden: 16 },
                predictor: PredictorConfig::Residual { hidden: 8, depth: 2, action_dim: 2 },
                ensemble: 2,
                reward: None,
                inverse_dynamics: None,
            },
        };
        WorldModel::new(spec, Seed::new(3)).unwrap()
    }

    /// Three blocks ahead, of which one is executed; or as many control steps as `replan`.
    fn search(replan: Option<usize>) -> Search {
        let small = crate::held_out::tests::search();
        let search = SearchConfig { samples: 40, iterations: 2, ..small.search };
        Search { search, replan, ..small }
    }

    fn seen(x: f32) -> Observation {
        Observation { state: vec![x], images: Vec::new() }
    }

    /// Two plans of one episode, each after `during`.
    fn plans(replan: Option<usize>, during: &[f32]) -> [PlanTrace; 2] {
        let model = model();
        let goal = Goal::Observation(Box::new(seen(1.0)));
        let mut thinker = LatentThinker::new(&model, None, &goal, &search(replan)).unwrap();
        let mut rng = Seed::new(1).rng();
        [0.0, 0.5].map(|x| thinker.think(seen(x), during, Instant::now(), &mut rng).unwrap())
    }

    #[test]
    fn surprise_is_how_far_off_the_model_was_a_block_later() {
        let [first, second] = plans(None, &[]);
        assert_eq!((first.surprise, first.lead), (None, 0));
        let surprise = squared_distance(&first.latents[1], &second.latents[0]);
        assert_eq!(second.surprise, Some(surprise));
        // While the world goes on, a plan begins where the decided actions end: there the next look is expected.
        let [first, second] = plans(None, &[0.3, -0.2]);
        let here = model().encode(&[&seen(0.5)]).unwrap();
        assert_eq!(second.surprise, Some(squared_distance(&first.latents[0], &here)));
        assert_eq!((first.lead, second.lead), (2, 2));
        // Half a block on, the model expects nothing.
        assert_eq!(plans(Some(1), &[])[1].surprise, None);
    }

    #[test]
    fn a_trace_suffices_to_imagine_its_candidates() {
        let [_, plan] = plans(None, &[]);
        let mut rollout = model().latent_rollout().unwrap();
        let before = Some((&*plan.before.0, &*plan.before.1));
        assert!(!plan.before.0.is_empty());
        let path = rollout.roll(&plan.latents[0], before, &plan.best, 1, 3).to_vec();
        assert_eq!(path, plan.latents[1..].concat());
        let (count, blocks) = (plan.candidate_costs.len(), 3);
        assert_eq!((count, plan.candidates.len()), (PlanTrace::CANDIDATES, count * blocks * BLOCK));
        let goal = model().encode(&[&seen(1.0)]).unwrap();
        let ends = rollout.roll(&plan.latents[0], before, &plan.candidates, count, blocks).to_vec();
        let ends = ends[(blocks - 1) * count * goal.len()..].chunks_exact(goal.len());
        for (end, cost) in ends.zip(&plan.candidate_costs) {
            assert!((squared_distance(end, &goal) - cost).abs() < 1e-5);
        }
    }

    #[test]
    fn doubt_is_told_by_block() {
        let [plan, _] = plans(None, &[]);
        assert_eq!(plan.spread.len(), 3);
        assert!(plan.spread.iter().all(|spread| *spread > 0.0));
    }
}
