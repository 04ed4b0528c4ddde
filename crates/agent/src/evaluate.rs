//! The evaluation: four arms on the same held-out problems, spread over threads.

use crate::AgentError;
use crate::acting::Control;
use crate::actors::{RandomPolicy, Still};
use crate::constraints::Constraints;
use crate::cost::CostShape;
use crate::mpc::MpcPolicy;
use crate::oracle::Oracle;
use crate::pairs::{Collector, Pair, held_out_pairs};
use crate::real_time::{RealTime, at_observation, at_world};
use crate::sim_objective::SimObjective;
use crate::stats::spearman;
use crate::thinker::{Goal, LatentThinker, SimThinker};
use housecat_core::{
    Actor, Env, EpisodeHeader, EpisodeSummary, GoalError, Interrupt, PlanTrace, Protocol, Recorder,
    RolloutOptions, Seed, StepRecord, Success, TaskKind, Variation, rollout,
};
use housecat_model::{Memory, Precision, Quality, WorldModel};
use housecat_plan::{ActionSequences, Objective as _, PlannerConfig, SearchConfig};
use serde::{Deserialize, Serialize};
use std::thread::Scope;
use std::time::Duration;

/// How many problems, and how hard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// Problems per seed.
    pub pairs: usize,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Control steps from start to goal in the held-out episode.
    pub goal_offset: usize,
    /// Control steps that an arm may use.
    pub budget_steps: usize,
}

impl EvalConfig {
    /// Refuses numbers that evaluate nothing.
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn validate(&self) -> Result<(), AgentError> {
        let reject = |key, value: String, fix: &str| {
            Err(AgentError::Config { key, value, fix: fix.to_owned() })
        };
        if self.pairs == 0 {
            return reject("pairs", "0".into(), "ask for at least one pair");
        }
        if self.seeds.is_empty() {
            return reject("seeds", "[]".into(), "name at least one seed, for example 0,1,42");
        }
        if self.goal_offset == 0 || self.budget_steps == 0 {
            let value = format!("{} with budget {}", self.goal_offset, self.budget_steps);
            return reject("goal_offset", value, "both must be at least one control step");
        }
        Ok(())
    }
}

/// An arm of the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// The planner in the learned model.
    Model,
    /// Smooth random action.
    Random,
    /// No action.
    Still,
    /// The planner on the ground-truth simulator.
    Oracle,
}

impl Arm {
    /// All arms.
    pub const ALL: [Arm; 4] = [Arm::Model, Arm::Random, Arm::Still, Arm::Oracle];

    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Random => "random",
            Self::Still => "still",
            Self::Oracle => "oracle",
        }
    }
}

/// Plans that a planner is shown before it searches, in a learned model; at most half of its candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proposals {
    /// Plans recalled from similar situations in the experience that the model was trained on.
    pub recalled: usize,
    /// Plans of the policy that was learned from that experience by hindsight; all but the first with noise.
    pub prior: usize,
}

/// A planner with everything it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Sizes of the search.
    #[serde(flatten)]
    pub search: SearchConfig,
    /// The solver.
    pub solver: PlannerConfig,
    /// What plans cost.
    pub cost: CostShape,
    /// Control steps in an action block on the ground truth; a model has its own, which is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<usize>,
    /// Control steps after which to plan anew, where that is not `execute` whole blocks. A model's history is whole blocks:
    /// it does without one if this is no multiple of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replan: Option<usize>,
    /// Whether the world waits for a plan.
    #[serde(default)]
    pub control: Control,
    /// What it is shown before it searches.
    #[serde(default)]
    pub proposals: Proposals,
    /// Two levels, in a learned model: plans head for a subgoal so many blocks ahead on the shortest way through
    /// what was experienced ([`housecat_model::Routes`]) until the goal itself is as near. 0 heads for the goal.
    #[serde(default)]
    pub subgoals: usize,
    /// `"bf16"` rolls a learned model faster where the processor has such products, and as `"f32"` elsewhere.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// What plans should keep to.
    #[serde(default, skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
}

impl Search {
    /// Control steps of a plan that are executed, with blocks of so many.
    pub fn steps(&self, block: usize) -> usize {
        self.replan.unwrap_or(self.search.execute * block)
    }

    /// Refuses to execute more of a plan than there is, with blocks of so many control steps.
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn fits(&self, block: usize) -> Result<(), AgentError> {
        let whole = self.search.horizon * block;
        match self.replan.filter(|&steps| steps > whole) {
            None => Ok(()),
            Some(steps) => Err(AgentError::Constraint {
                key: "replan",
                value: steps.to_string(),
                fix: format!(
                    "a plan is {whole} control steps long; execute no more, or plan further with `horizon`"
                ),
            }),
        }
    }

    /// Refuses plans for a time at which no block ends: a model only knows what follows whole blocks.
    pub(crate) fn foreseeable(&self, block: usize) -> Result<(), AgentError> {
        match self.replan.filter(|steps| steps % block != 0) {
            None => Ok(()),
            Some(steps) => Err(AgentError::Constraint {
                key: "replan",
                value: steps.to_string(),
                fix: format!(
                    "who plans while the world goes on must foresee it in blocks of {block} control steps; give a \
                     multiple, or let the world wait"
                ),
            }),
        }
    }

    /// Refuses sizes and hyper-parameters that cannot plan.
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn validate(&self) -> Result<(), AgentError> {
        self.search.validate()?;
        if self.block == Some(0) {
            let fix = "an action block is at least one control step".to_owned();
            return Err(AgentError::Constraint { key: "block", value: "0".into(), fix });
        }
        if self.replan == Some(0) {
            let fix = "a plan is executed for at least one control step".to_owned();
            return Err(AgentError::Constraint { key: "replan", value: "0".into(), fix });
        }
        self.solver.build(self.search.samples, self.search.horizon, 1)?;
        self.constraints.validate(&self.solver)
    }
}

/// What an evaluation needs.
pub struct Evaluator<'a> {
    /// Makes an environment that shows what the model sees.
    pub new_env: &'a (dyn Fn() -> Result<Box<dyn Env>, AgentError> + Sync),
    /// Makes the actors that record held-out episodes.
    pub collector: &'a Collector<'a>,
    /// Control steps of a held-out episode.
    pub episode_steps: usize,
    /// The model under test; without one, only the other arms run.
    pub model: Option<&'a WorldModel>,
    /// What the model's experience was, for planners that are shown proposals.
    pub memory: Option<&'a Memory>,
    /// How the model arm plans.
    pub planner: &'a Search,
    /// How the oracle plans.
    pub oracle: &'a Search,
    /// Control steps in the oracle's action blocks.
    pub block: usize,
    /// Whether planners think in a thread of their own while the world goes on by the clock on the wall.
    pub real_time: bool,
    /// Worker threads.
    pub threads: usize,
    /// Stops the evaluation between episodes.
    pub interrupt: &'a Interrupt,
    /// Told (episodes done, episodes in all).
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Gives each episode of an arm that is run among all a recorder that may watch it.
    pub watch: &'a (dyn Fn(Arm) -> Box<dyn Recorder> + Sync),
}

/// One arm on one problem: the arm, the evaluation seed, the number of the problem within it, the problem.
pub type Job<'p> = (Arm, u64, usize, &'p Pair);

/// How one arm fared on one problem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PairOutcome {
    /// The arm.
    pub arm: Arm,
    /// The evaluation seed.
    pub seed: u64,
    /// Number of the problem within the seed.
    pub pair: usize,
    /// Whether each protocol's criterion was met.
    pub success: Success,
    /// Steps until each protocol's criterion was first met.
    pub first_success: [Option<u64>; 2],
    /// Steps taken.
    pub steps: u64,
    /// Sum of rewards.
    pub total_reward: f64,
    /// Errors against the goal at the end.
    pub final_errors: Vec<GoalError>,
    /// Seconds of each plan made.
    pub plan_secs: Vec<f64>,
    /// Share of the candidates that deadlines left unpriced.
    pub cut: f64,
    /// Plans that were not there when they were due: what is safe was done instead.
    pub fallbacks: usize,
    /// Rank correlation of predicted and simulated cost among the elites of the first plan.
    pub elite_correlation: Option<f64>,
    /// The world's factors of variation.
    pub variation: Variation,
}

/// All outcomes, with what was asked.
pub struct Evaluation {
    /// Goal or reward.
    pub task: TaskKind,
    /// The configuration.
    pub config: EvalConfig,
    /// How far each pair asks the world to move, per goal term.
    pub displacements: Vec<Vec<GoalError>>,
    /// By seed, pair and arm.
    pub outcomes: Vec<PairOutcome>,
    /// The problems, by seed, for whoever wants to watch some again.
    pub pairs: Vec<(u64, Vec<Pair>)>,
    /// Figures of the model's quality, once [`Evaluator::quality`] has measured them.
    pub quality: Option<Quality>,
}

/// Passes an episode on and keeps the plans' times, what deadlines cut, and the first plan.
struct PlanWatch<'a> {
    inner: &'a mut dyn Recorder,
    secs: Vec<f64>,
    cut: Vec<f64>,
    fallbacks: usize,
    first: Option<PlanTrace>,
}

impl Recorder for PlanWatch<'_> {
    fn begin(&mut self, header: &EpisodeHeader) {
        self.inner.begin(header);
    }

    fn record(&mut self, step: StepRecord) {
        if let Some(plan) = &step.plan {
            if plan.best.is_empty() {
                self.fallbacks += 1;
            } else {
                self.secs.push(plan.plan_secs);
                self.cut.push(plan.cut);
            }
            if self.first.is_none() {
                self.first = Some(plan.clone());
            }
        }
        self.inner.record(step);
    }

    fn end(&mut self, summary: &EpisodeSummary) {
        self.inner.end(summary);
    }
}

impl Evaluator<'_> {
    /// The arms that can run.
    pub fn arms(&self) -> Vec<Arm> {
        Arm::ALL.into_iter().filter(|arm| *arm != Arm::Model || self.model.is_some()).collect()
    }

    fn actor<'s>(
        &'s self,
        arm: Arm,
        env: &dyn Env,
        pair: &Pair,
        scope: &'s Scope<'s, '_>,
    ) -> Result<Box<dyn Actor + 's>, AgentError> {
        let action_dim = env.spaces().action.dim();
        let tick = Duration::from_secs_f64(1.0 / env.spaces().control_hz);
        let in_time = |search: &Search| in_time(search, self.block, tick);
        Ok(match (arm, self.model) {
            (Arm::Model, Some(model)) => {
                let goal = match &pair.goal {
                    Some((observation, _)) => Goal::Observation(Box::new(observation.clone())),
                    None => Goal::Reward,
                };
                if self.real_time {
                    let search = in_time(self.planner);
                    search.foreseeable(model.spec().model.action_repeat)?;
                    let mind = LatentThinker::new(model, self.memory, &goal, &search)?;
                    Box::new(RealTime::new(scope, mind, at_observation, action_dim, tick))
                } else {
                    Box::new(MpcPolicy::new(model, self.memory, &goal, self.planner)?)
                }
            }
            (Arm::Oracle, _) if self.real_time => {
                let mind = SimThinker::new(env, &in_time(self.oracle), self.block)?;
                Box::new(RealTime::new(scope, mind, at_world, action_dim, tick))
            }
            (Arm::Oracle, _) => Box::new(Oracle::new(env, self.oracle, self.block)?),
            (Arm::Random, _) => Box::new(RandomPolicy::new(action_dim)),
            (Arm::Still, _) | (Arm::Model, None) => Box::new(Still(action_dim)),
        })
    }

    /// Runs one arm on one problem. The outcome depends on the arguments only, so an episode seen in
    /// an evaluation can be watched again with a recorder.
    ///
    /// # Errors
    /// If the environment or the model fails.
    pub fn run(
        &self,
        env: &mut dyn Env,
        arm: Arm,
        (seed, index): (u64, usize),
        pair: &Pair,
        budget: usize,
        recorder: &mut dyn Recorder,
    ) -> Result<PairOutcome, AgentError> {
        env.restore(&pair.start)?;
        if let Some((_, goal)) = &pair.goal {
            env.set_goal(Some(goal))?;
        }
        let start = env.snapshot();
        let mut rng = Seed::new(seed).child(arm.name(), index as u64).rng();
        let header = EpisodeHeader {
            sim: env.name().to_owned(),
            index: index as u64,
            task: match pair.goal {
                Some(_) => {
                    format!("reach the goal shown ({} arm, seed {seed}, pair {index})", arm.name())
                }
                None => format!("collect reward ({} arm, seed {seed}, start {index})", arm.name()),
            },
            goal_image: pair.goal.as_ref().and_then(|(goal, _)| goal.images.first().cloned()),
        };
        let options = RolloutOptions { max_steps: budget, stop_on_success: pair.goal.is_some() };
        let mut watch = PlanWatch {
            inner: recorder,
            secs: Vec::new(),
            cut: Vec::new(),
            fallbacks: 0,
            first: None,
        };
        let first = env.observe();
        let summary = std::thread::scope(|scope| {
            let mut actor = self.actor(arm, env, pair, scope)?;
            let actor = &mut *actor;
            Ok::<_, AgentError>(rollout(env, first, actor, &mut rng, options, &header, &mut watch)?)
        })?;
        // A plan for later cannot be priced from where the world starts.
        let at_once = self.planner.control == Control::Wait && !self.real_time;
        let elite_correlation = match (arm, watch.first) {
            (Arm::Model, Some(plan)) if at_once => {
                let mut world = env.fork();
                let elites = ActionSequences {
                    samples: plan.elite_costs.len(),
                    horizon: plan.horizon,
                    action_dim: plan.action_dim,
                    values: plan.elites,
                };
                let shape = self.planner.cost;
                let truth =
                    SimObjective::new(&mut *world, &start, self.block, shape).costs(&elites);
                spearman(&plan.elite_costs, &truth)
            }
            _ => None,
        };
        Ok(PairOutcome {
            arm,
            seed,
            pair: index,
            success: summary.success(),
            first_success: summary.first_success,
            steps: summary.steps,
            total_reward: summary.total_reward,
            final_errors: summary.final_errors,
            plan_secs: watch.secs,
            fallbacks: watch.fallbacks,
            cut: watch.cut.iter().sum::<f64>() / watch.cut.len().max(1) as f64,
            elite_correlation,
            variation: pair.variation.clone(),
        })
    }
}

impl Evaluator<'_> {
    /// The problems of an evaluation, by seed.
    ///
    /// # Errors
    /// If held-out episodes do not give enough of them, or the environment fails.
    pub fn problems(
        &self,
        env: &mut dyn Env,
        config: &EvalConfig,
    ) -> Result<Vec<(u64, Vec<Pair>)>, AgentError> {
        config.validate()?;
        let of_seed = |&seed: &u64| {
            let (count, offset) = (config.pairs, config.goal_offset);
            let found = held_out_pairs(
                env,
                self.collector,
                Seed::new(seed),
                count,
                offset,
                self.episode_steps,
            )?;
            Ok((seed, found))
        };
        config.seeds.iter().map(of_seed).collect()
    }

    /// Runs jobs, spread over threads, and hands each outcome to `done` as it comes. The outcomes, in the
    /// order of the jobs, do not depend on the number of threads.
    ///
    /// # Errors
    /// If the environment or the model fails, or the user interrupts.
    pub fn run_all(
        &self,
        jobs: &[Job<'_>],
        budget: usize,
        done: &(dyn Fn(&PairOutcome) + Sync),
    ) -> Result<Vec<PairOutcome>, AgentError> {
        self.spread(jobs.len(), &|env, index| {
            let (arm, seed, pair, problem) = jobs[index];
            let mut recorder = (self.watch)(arm);
            let outcome = self.run(env, arm, (seed, pair), problem, budget, &mut *recorder)?;
            done(&outcome);
            Ok(outcome)
        })
    }
}

/// A search for control by the clock on the wall: a plan that has no deadline of its own gets nine tenths of the
/// time in which the one before is executed.
fn in_time(search: &Search, block: usize, tick: Duration) -> Search {
    let mut search = search.clone();
    let block = search.block.unwrap_or(block);
    let period = tick.as_secs_f64() * 1e3 * search.steps(block) as f64;
    search.search.deadline_ms.get_or_insert(0.9 * period);
    search
}

/// How far each problem asks the world to move, per goal term.
pub fn displacements(env: &dyn Env, pairs: &[(u64, Vec<Pair>)]) -> Vec<Vec<GoalError>> {
    let all = pairs.iter().flat_map(|(_, pairs)| pairs);
    let goals = all.filter_map(|pair| Some((pair, pair.goal.as_ref()?)));
    goals.map(|(pair, (_, goal))| env.displacement(&pair.start_state, goal)).collect()
}

/// Runs these arms on every problem, and hands each outcome to `done` as it comes. The outcomes do not depend on the
/// number of threads.
///
/// # Errors
/// If pairs cannot be found, the environment or the model fails, or the user interrupts.
pub fn evaluate(
    evaluator: &Evaluator<'_>,
    config: &EvalConfig,
    arms: &[Arm],
    done: &(dyn Fn(&PairOutcome) + Sync),
) -> Result<Evaluation, AgentError> {
    let mut env = (evaluator.new_env)()?;
    let task = env.task();
    let pairs = evaluator.problems(&mut *env, config)?;
    let displacements = displacements(&*env, &pairs);
    let jobs: Vec<Job<'_>> = (pairs.iter())
        .flat_map(|(seed, pairs)| {
            pairs.iter().enumerate().map(move |(index, pair)| (*seed, index, pair))
        })
        .flat_map(|(seed, index, pair)| arms.iter().map(move |&arm| (arm, seed, index, pair)))
        .collect();
    let outcomes = evaluator.run_all(&jobs, config.budget_steps, done)?;
    Ok(Evaluation { task, config: config.clone(), displacements, outcomes, pairs, quality: None })
}

impl Evaluation {
    /// The outcomes of one arm.
    pub fn of(&self, arm: Arm) -> impl Iterator<Item = &PairOutcome> {
        self.outcomes.iter().filter(move |outcome| outcome.arm == arm)
    }

    /// Successes and problems of one arm under one protocol.
    pub fn successes(&self, arm: Arm, protocol: Protocol) -> (usize, usize) {
        let (mut successes, mut n) = (0, 0);
        for outcome in self.of(arm) {
            n += 1;
            successes += usize::from(outcome.success.of(protocol));
        }
        (successes, n)
    }
}
