//! `housecat plan`: one decision, timed and explained.

use crate::args::PlanArgs;
use crate::command::eval::{self, Arena};
use crate::console::table;
use crate::session::Session;
use crate::spectator::{self, to_start};
use anyhow::{Context as _, bail};
use housecat_agent::{
    Arm, Control, Evaluator, Pair, Playback, SimObjective, held_out_pairs, spearman,
};
use housecat_core::{
    Env, EpisodeHeader, EpisodeSummary, GoalError, Observation, PlanTrace, Recorder,
    RolloutOptions, Seed, StepRecord, rollout,
};
use housecat_model::WorldModel;
use housecat_plan::{ActionSequences, Objective as _};
use housecat_view::{Purpose, Sink};
use serde_json::{Value, json};

/// The command.
pub fn run(session: &Session, args: &PlanArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let mut loaded = eval::load(session, &args.run, &args.how)?;
    // One decision from a standing start: nothing overlaps yet.
    loaded.config.planner.control = Control::Wait;
    let eval::Loaded { sim, config, model, .. } = &loaded;
    let view = &spectator::spectator_view(sim, model);
    Arena::of_run(session, &loaded, view).with_evaluator(|evaluator| {
        let mut env = (evaluator.new_env)()?;
        let seed = session.common.seed.unwrap_or(0);
        let pairs = held_out_pairs(
            &mut *env,
            evaluator.collector,
            Seed::new(seed),
            args.pair + 1,
            config.eval.goal_offset,
            config.collect.steps,
        )?;
        let pair = pairs.last().context("no problem was found")?;
        let plan = decide(evaluator, &mut *env, (seed, args.pair), pair)?;
        let simulated = price_elites(evaluator, &mut *env, pair, &plan)?;
        let block = config.model.action_repeat;
        let sink = args.save.clone().map(Sink::File).or_else(|| args.view.clone());
        let blocks = match sink {
            Some(sink) => {
                let purpose = Purpose::Plan;
                let mut recorder = spectator::run_recorder(session, &loaded, sink, view, purpose)?;
                let blocks = play(&mut *env, pair, &plan, model, block, &mut recorder)?;
                recorder.finish()?;
                blocks
            }
            None => play(&mut *env, pair, &plan, model, block, &mut housecat_core::NoRecorder)?,
        };

        let correlation = spearman(&plan.elite_costs, &simulated);
        let said = correlation.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.2}"));
        let solver = config.planner.solver.name();
        let mut text = format!(
            "{solver} planned {} control steps in {:.1} ms, predicted cost {:.4}{}\n\n",
            plan.horizon,
            plan.plan_secs * 1e3,
            plan.best_cost,
            if plan.cut > 0.0 {
                format!("; the deadline left {:.0} % of the candidates unpriced", plan.cut * 100.0)
            } else {
                String::new()
            }
        );
        text.push_str(&format!("The search, {} candidates a round\n", config.planner.search.samples));
        text.push_str(&rounds(&plan));
        text.push_str("\nThe elites: what the model says that they cost, and what the simulator says\n");
        text.push_str(&ranks(&plan, &simulated));
        text.push_str(&format!("rank correlation {said}\n"));
        text.push_str("\nThe plan, block by block: what the model imagines, and what the simulator says would happen\n");
        text.push_str(&path(&blocks));
        for (name, violation) in &plan.violations {
            let verdict = if *violation > 0.0 { "broken by" } else { "kept, with room of" };
            text.push_str(&format!("constraint {name}: {verdict} {:.4}\n", violation.abs()));
        }
        if let Some(path) = &args.save {
            text.push_str(&format!("\nrecorded {0}; open it with: rerun {0}\n", path.display()));
        }
        let document = json!({
            "sim": sim.name(), "pair": args.pair, "planner": config.planner, "plan_ms": plan.plan_secs * 1e3,
            "cut": plan.cut, "horizon": plan.horizon, "best": plan.best, "best_cost": plan.best_cost,
            "violations": plan.violations, "iterations": plan.iterations, "elite_costs": plan.elite_costs,
            "simulated_costs": simulated, "rank_correlation": correlation,
            "path": blocks.iter().map(Block::document).collect::<Vec<_>>(),
        });
        session.result(&document, &text)
    })
}

/// The first plan of an episode.
fn decide(
    evaluator: &Evaluator<'_>,
    env: &mut dyn Env,
    id: (u64, usize),
    pair: &Pair,
) -> anyhow::Result<PlanTrace> {
    #[derive(Default)]
    struct First(Option<PlanTrace>);

    impl Recorder for First {
        fn begin(&mut self, _: &EpisodeHeader) {}
        fn record(&mut self, step: StepRecord) {
            self.0 = self.0.take().or(step.plan);
        }
        fn end(&mut self, _: &EpisodeSummary) {}
    }

    let mut first = First::default();
    // One step is enough: the plan is made on the first.
    evaluator.run(env, Arm::Model, id, pair, 1, &mut first)?;
    let plan = first.0.context("the policy did not plan")?;
    if plan.best.is_empty() {
        bail!(
            "the deadline passed before a single candidate was priced; give --deadline-ms more time"
        );
    }
    Ok(plan)
}

/// What the elites cost on the simulator.
fn price_elites(
    evaluator: &Evaluator<'_>,
    env: &mut dyn Env,
    pair: &Pair,
    plan: &PlanTrace,
) -> anyhow::Result<Vec<f32>> {
    to_start(env, pair)?;
    let start = env.snapshot();
    let mut world = env.fork();
    let elites = ActionSequences {
        samples: plan.elite_costs.len(),
        horizon: plan.horizon,
        action_dim: plan.action_dim,
        values: plan.elites.clone(),
    };
    let shape = evaluator.planner.cost;
    Ok(SimObjective::new(&mut *world, &start, evaluator.block, shape).costs(&elites))
}

/// The plan after one action block.
struct Block {
    step: usize,
    /// Squared latent distance per component from the imagined latent to that of what the simulator shows; and
    /// of the latter to the latent at the start, as a measure of it.
    error: f32,
    moved: f32,
    /// Squared latent distance to the goal, imagined and shown; absent without a goal.
    to_goal: Option<(f32, f32)>,
    /// The sum of rewards so far.
    reward: f32,
    /// What the judge sees.
    errors: Vec<GoalError>,
}

impl Block {
    fn document(&self) -> Value {
        json!({
            "step": self.step, "latent_error": self.error, "latent_moved": self.moved,
            "imagined_goal_distance": self.to_goal.map(|pair| pair.0),
            "simulated_goal_distance": self.to_goal.map(|pair| pair.1),
            "reward": self.reward, "goal_errors": self.errors,
        })
    }
}

/// Follows the plan on the simulator, without looking, and compares with what was imagined.
fn play(
    env: &mut dyn Env,
    pair: &Pair,
    plan: &PlanTrace,
    model: &WorldModel,
    block: usize,
    sink: &mut dyn Recorder,
) -> anyhow::Result<Vec<Block>> {
    struct Watch<'a> {
        sink: &'a mut dyn Recorder,
        seen: Vec<Observation>,
        rewards: Vec<f32>,
    }

    impl Recorder for Watch<'_> {
        fn begin(&mut self, header: &EpisodeHeader) {
            self.sink.begin(header);
        }
        fn record(&mut self, step: StepRecord) {
            self.seen.push(step.observation.clone());
            self.rewards.push(step.transition.reward);
            self.sink.record(step);
        }
        fn end(&mut self, summary: &EpisodeSummary) {
            self.seen.push(summary.last_observation.clone());
            self.sink.end(summary);
        }
    }

    to_start(env, pair)?;
    let header = EpisodeHeader {
        sim: env.name().to_owned(),
        index: 0,
        task: "follow one plan to its end".to_owned(),
        goal_image: pair.goal.as_ref().and_then(|(goal, _)| goal.images.first().cloned()),
    };
    let mut watch = Watch { sink, seen: Vec::new(), rewards: Vec::new() };
    let options = RolloutOptions { max_steps: plan.horizon, stop_on_success: false };
    let first = env.observe();
    let mut playback = Playback::new(plan.clone());
    let mut rng = Seed::new(0).rng();
    rollout(env, first, &mut playback, &mut rng, options, &header, &mut watch)?;
    let Watch { seen, rewards, .. } = watch;

    let goal = match &pair.goal {
        Some((goal, _)) => Some(model.encode(&[goal])?),
        None => None,
    };
    let errors = goal_errors(env, pair, plan, block)?;
    let start = model.encode(&[&seen[0]])?;
    let apart = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / a.len().max(1) as f32
    };
    let mut blocks = Vec::new();
    for (index, errors) in errors.into_iter().enumerate() {
        let step = index * block;
        let (Some(observation), Some(imagined)) = (seen.get(step), plan.latents.get(index)) else {
            break;
        };
        let shown = model.encode(&[observation])?;
        blocks.push(Block {
            step,
            error: apart(imagined, &shown),
            moved: apart(&start, &shown),
            to_goal: goal.as_ref().map(|goal| (apart(imagined, goal), apart(&shown, goal))),
            reward: rewards.iter().take(step).sum(),
            errors,
        });
    }
    Ok(blocks)
}

/// The judge's errors at the start and after each block of the plan.
fn goal_errors(
    env: &mut dyn Env,
    pair: &Pair,
    plan: &PlanTrace,
    block: usize,
) -> anyhow::Result<Vec<Vec<GoalError>>> {
    to_start(env, pair)?;
    let mut errors = vec![env.goal_errors()];
    for actions in plan.best.chunks(plan.action_dim * block) {
        for action in actions.chunks_exact(plan.action_dim) {
            env.advance(action)?;
        }
        errors.push(env.goal_errors());
    }
    Ok(errors)
}

fn rounds(plan: &PlanTrace) -> String {
    let mut rows =
        vec![["round", "best", "elite mean", "mean", "spread"].map(str::to_owned).to_vec()];
    for (round, it) in plan.iterations.iter().enumerate() {
        let numbers = [it.best, it.elite_mean, it.mean, it.std].map(|value| format!("{value:.4}"));
        rows.push(std::iter::once((round + 1).to_string()).chain(numbers).collect());
    }
    table(&rows)
}

fn ranks(plan: &PlanTrace, simulated: &[f32]) -> String {
    let mut rows = vec![["elite", "predicted", "simulated"].map(str::to_owned).to_vec()];
    for (elite, (predicted, simulated)) in plan.elite_costs.iter().zip(simulated).enumerate() {
        let numbers = [predicted, simulated].map(|value| format!("{value:.4}"));
        rows.push(std::iter::once((elite + 1).to_string()).chain(numbers).collect());
    }
    table(&rows)
}

/// Latent distances as the cost has them; then the judge's errors.
fn path(blocks: &[Block]) -> String {
    let Some(first) = blocks.first() else { return String::new() };
    let mut head = vec!["step".to_owned()];
    if first.to_goal.is_some() {
        head.extend(["to goal, imagined", "to goal, simulated"].map(str::to_owned));
    } else {
        head.push("reward so far".to_owned());
    }
    head.extend(["error of the latent", "it moved"].map(str::to_owned));
    head.extend(first.errors.iter().map(|error| format!("{} ({})", error.name, error.unit)));
    let mut rows = vec![head];
    for block in blocks {
        let mut row = vec![block.step.to_string()];
        match block.to_goal {
            Some((imagined, simulated)) => {
                row.extend([imagined, simulated].map(|value| format!("{value:.4}")));
            }
            None => row.push(format!("{:.2}", block.reward)),
        }
        row.extend([block.error, block.moved].map(|value| format!("{value:.4}")));
        row.extend(block.errors.iter().map(|error| format!("{:.3}", error.value)));
        rows.push(row);
    }
    table(&rows)
}
