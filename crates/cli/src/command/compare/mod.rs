//! `housecat compare`: planners and models on the same held-out problems.

mod grid;
mod outcomes;
mod show;

use crate::args::{CompareArgs, HowArg};
use crate::command::eval::{self, Arena, Loaded};
use crate::config::RunConfig;
use crate::console::Progress;
use crate::run_dir::write_whole;
use crate::session::Session;
use crate::sims;
use anyhow::bail;
use grid::combinations;
use housecat_agent::{
    AgentError, Arm, Comparison, Job, PairOutcome, Search, Standing, displacements,
};
use housecat_core::{Env as _, GoalError, TaskKind};
use housecat_sim::{Sim, ViewOptions};
use outcomes::{Outcomes, fingerprint};
use show::{page, summary};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What plans: the simulator itself, or a run's model.
struct Planning {
    /// `oracle`, or the run: its last name where that says which, else its path.
    name: String,
    run: Option<Loaded>,
    /// Tells this model and this sim from every other.
    fingerprint: u64,
    real_time: bool,
    combinations: Vec<grid::Combination>,
}

impl Planning {
    fn contender(&self, combination: &grid::Combination) -> String {
        format!("{} {}", self.name, combination.label).trim_end().to_owned()
    }
}

/// The command.
pub fn run(session: &Session, args: &CompareArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let sim = sims::load(&args.sim.sim)?;
    let mut recipe =
        RunConfig::load(&sim, &args.sim.sim, None, session.common.seed, &session.common.set)?;
    recipe.eval.pairs = args.pairs.unwrap_or(recipe.eval.pairs);
    recipe.eval.seeds = args.seeds.clone().unwrap_or(recipe.eval.seeds);
    recipe.eval.goal_offset = args.goal_offset.unwrap_or(recipe.eval.goal_offset);
    recipe.eval.budget_steps = args.budget_steps.unwrap_or(recipe.eval.budget_steps);
    recipe.eval.validate()?;
    let out =
        args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(sim.name()).join("compare"));

    let plannings = (args.model.iter())
        .map(|model| planning(session, args, &sim, &recipe, model))
        .collect::<anyhow::Result<Vec<_>>>()?;
    session.say(format!("outcomes land in {}; the same command resumes", out.display()));
    let each = recipe.eval.pairs * recipe.eval.seeds.len();
    let contenders: usize = plannings.iter().map(|planning| planning.combinations.len()).sum();
    let progress = Progress::new(session, "compare", (contenders * each) as u64, 0, "episodes");
    let done = AtomicUsize::new(0);
    let mut fared = Vec::new();
    let mut moved = Vec::new();
    for planning in &plannings {
        let (standings, displaced) =
            fare(session, &sim, &recipe, planning, &out.join("outcomes"), &|| {
                progress.set(done.fetch_add(1, Ordering::Relaxed) as u64 + 1, String::new);
            })?;
        fared.extend(standings);
        moved = displaced;
    }
    progress.finish();
    let task = sim.env(&blind())?.task();
    let comparison = Comparison {
        sim: sim.name().to_owned(),
        task,
        pairs: recipe.eval.pairs,
        seeds: recipe.eval.seeds.clone(),
        goal_offset: recipe.eval.goal_offset,
        budget_steps: recipe.eval.budget_steps,
        pair_difficulty: Vec::new(),
        standings: Vec::new(),
        differences: Vec::new(),
    }
    .of(fared, &moved);
    let document = serde_json::to_string_pretty(&comparison)?;
    write_whole(&out.join("compare.json"), document.as_bytes())?;
    page(&comparison).save(&out.join("compare.html"))?;
    let text = format!("{}\nwritten to {}", summary(&comparison), out.display());
    session.result(&serde_json::from_str(&document)?, &text)
}

/// No camera: planning on the ground truth needs none.
fn blind() -> ViewOptions {
    ViewOptions { images: Vec::new(), state: true }
}

fn planning(
    session: &Session,
    args: &CompareArgs,
    sim: &Sim,
    recipe: &RunConfig,
    model: &str,
) -> anyhow::Result<Planning> {
    let mut bytes = Vec::new();
    for file in ["scene.xml", "sim.toml"] {
        bytes.extend(std::fs::read(sim.folder().join(file)).unwrap_or_default());
    }
    let run = match model {
        "oracle" => None,
        path => {
            let path = Path::new(path);
            let loaded = eval::load(session, path, &HowArg::default())?;
            if loaded.sim.name() != sim.name() {
                let theirs = loaded.sim.name();
                bail!("{} was trained on `{theirs}`, not on `{}`", path.display(), sim.name());
            }
            let (_, checkpoint) = crate::run_dir::RunDir::find(path)?;
            bytes.extend(std::fs::read(checkpoint.join("model.safetensors"))?);
            Some(loaded)
        }
    };
    let base = run.as_ref().map_or(&recipe.oracle, |loaded| &loaded.config.planner);
    let combinations = combinations(args, base)?;
    Ok(Planning {
        name: short_name(model, &args.model),
        run,
        fingerprint: fingerprint(&bytes),
        real_time: args.real_time,
        combinations,
    })
}

fn short_name(model: &str, all: &[String]) -> String {
    let last =
        |path: &str| Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
    match last(model) {
        Some(name)
            if all.iter().filter(|other| last(other).as_ref() == Some(&name)).count() == 1 =>
        {
            name
        }
        _ => model.to_owned(),
    }
}

/// Runs the contenders of one model, and says how far the problems ask the world to move.
#[allow(clippy::type_complexity)]
fn fare(
    session: &Session,
    sim: &Sim,
    recipe: &RunConfig,
    planning: &Planning,
    folder: &Path,
    advance: &(dyn Fn() + Sync),
) -> anyhow::Result<(Vec<(Standing, Vec<PairOutcome>)>, Vec<Vec<GoalError>>)> {
    let model = planning.run.as_ref().map(|run| &run.model);
    let view = model.map_or_else(blind, eval::model_view);
    // The problems are the recipe's, whichever run the model comes from; blocks are the model's own.
    let mut config = recipe.clone();
    if let Some(run) = &planning.run {
        config.model = run.config.model.clone();
    }
    let mut fared = Vec::new();
    let mut moved = Vec::new();
    let mut problems = None;
    for combination in &planning.combinations {
        (config.planner, config.oracle) = (combination.search.clone(), combination.search.clone());
        let name = planning.contender(combination);
        let arm = if model.is_some() { Arm::Model } else { Arm::Oracle };
        let definition = definition(sim, planning, &config, &combination.search)?;
        let store = Outcomes::open(folder, &definition)?;
        let arena = Arena {
            session,
            sim,
            config: &config,
            model,
            memory: planning.run.as_ref().and_then(|run| run.memory.as_ref()),
            view: &view,
            real_time: planning.real_time,
            progress: &|_, _| (),
        };
        let outcomes = arena.with_evaluator(|evaluator| {
            let mut env = (evaluator.new_env)()?;
            let pairs = match &problems {
                Some(pairs) => pairs,
                None => {
                    let found = evaluator.problems(&mut *env, &config.eval)?;
                    moved = displacements(&*env, &found);
                    &*problems.insert(found)
                }
            };
            let jobs: Vec<Job<'_>> = (pairs.iter())
                .flat_map(|(seed, pairs)| {
                    pairs.iter().enumerate().map(move |(index, pair)| (arm, *seed, index, pair))
                })
                .collect();
            run_missing(session, evaluator, &jobs, &store, config.eval.budget_steps, advance)
        })?;
        let task = if moved.is_empty() { TaskKind::Reward } else { TaskKind::Goal };
        let standing = Standing::new(&name, &planning.name, &combination.search, task, &outcomes);
        fared.push((standing, outcomes));
    }
    Ok((fared, moved))
}

/// Everything that the outcomes of a contender depend on, as one line.
fn definition(
    sim: &Sim,
    planning: &Planning,
    config: &RunConfig,
    search: &Search,
) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"), "sim": sim.name(), "model": planning.name,
        "fingerprint": format!("{:016x}", planning.fingerprint), "planner": search, "eval": config.eval,
        "block": config.model.action_repeat, "collect": config.collect, "real_time": planning.real_time,
    }))?)
}

fn run_missing(
    session: &Session,
    evaluator: &housecat_agent::Evaluator<'_>,
    jobs: &[Job<'_>],
    store: &Outcomes,
    budget: usize,
    advance: &(dyn Fn() + Sync),
) -> anyhow::Result<Vec<PairOutcome>> {
    let is = |outcome: &PairOutcome, job: &Job<'_>| (outcome.seed, outcome.pair) == (job.1, job.2);
    let known = |job: &&Job<'_>| store.known.iter().any(|outcome| is(outcome, job));
    jobs.iter().filter(known).for_each(|_| advance());
    let missing: Vec<Job<'_>> = jobs.iter().filter(|job| !known(job)).copied().collect();
    let failure = Mutex::new(None);
    let done = |outcome: &PairOutcome| {
        if let Err(error) = store.add(outcome)
            && let Ok(mut failure) = failure.lock()
        {
            failure.get_or_insert(error);
        }
        advance();
    };
    let fresh = evaluator.run_all(&missing, budget, &done).map_err(|error| match error {
        AgentError::Interrupted => session.interrupted(),
        other => other.into(),
    })?;
    if let Some(error) = failure.into_inner().unwrap_or_default() {
        return Err(error);
    }
    let all = || store.known.iter().chain(&fresh);
    Ok(jobs.iter().filter_map(|job| all().find(|outcome| is(outcome, job)).cloned()).collect())
}
