//! `housecat eval`: four arms on held-out problems.

use crate::args::{EvalArgs, HowArg, ProtocolArg};
use crate::config::RunConfig;
use crate::console::{Progress, table};
use crate::displays::Displays;
use crate::experience::{Beginner, Collectors};
use crate::quality;
use crate::run_dir::{RunDir, write_whole};
use crate::session::Session;
use crate::sims;
use crate::watch;
use anyhow::{Context as _, bail};
use housecat_agent::{AgentError, Arm, EvalReport, Evaluation, Evaluator, evaluate};
use housecat_core::{Env, Levels, NoRecorder, Protocol, Recorder, TaskKind};
use housecat_model::{Memory, WorldModel, load_model};
use housecat_plan::PlannerConfig;
use housecat_sim::{Sim, ViewOptions};
use housecat_view::Purpose;
use std::path::Path;

/// The command.
pub fn run(session: &Session, args: &EvalArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let mut loaded = load(session, &args.run, &args.how)?;
    loaded.sim = loaded.sim.varied(&args.vary.vary)?;
    if let Some(other) = &args.sim {
        let (other, own) = (sims::load(other)?, &loaded.model.spec().sim);
        if other.name() != own {
            bail!(
                "{} was trained on `{own}` and cannot act in `{}`; train a model on that sim",
                args.run.display(),
                other.name()
            );
        }
    }
    let eval = &mut loaded.config.eval;
    eval.pairs = args.pairs.unwrap_or(eval.pairs);
    eval.seeds = args.seeds.clone().unwrap_or_else(|| eval.seeds.clone());
    eval.goal_offset = args.goal_offset.unwrap_or(eval.goal_offset);
    let protocols: &[Protocol] = match args.protocol {
        ProtocolArg::Moderate => &[Protocol::Moderate],
        ProtocolArg::Strict => &[Protocol::Strict],
        ProtocolArg::Both => &Protocol::ALL,
    };
    let folder = args.out.clone().unwrap_or_else(|| loaded.run.eval());
    session.say(format!(
        "results land in {} at the end; an interrupted evaluation starts over with the same command",
        folder.display()
    ));
    let view = model_view(&loaded.model);
    watch::open(session, &args.watch, &loaded.sim, &view, Purpose::Evaluate)?;
    let (reports, _) = evaluate_run(session, &loaded, args.real_time, protocols)?;
    save(&reports, &folder)?;
    let mut text = format!("{}\nwritten to {}\n", summary(&reports), folder.display());
    if args.out.is_none() {
        let run = loaded.run.path().display();
        text.push_str(&format!("bring its report up to date: housecat report {run}\n"));
    }
    let json = match reports.as_slice() {
        [one] => document(one)?,
        many => many
            .iter()
            .map(|report| Ok((report.protocol.name().to_owned(), document(report)?)))
            .collect::<anyhow::Result<serde_json::Map<_, _>>>()?
            .into(),
    };
    session.result(&json, &text)
}

/// A trained run, ready to act.
pub struct Loaded {
    /// Its folder.
    pub run: RunDir,
    /// Its sim.
    pub sim: Sim,
    /// Its configuration, with overrides.
    pub config: RunConfig,
    /// Its model.
    pub model: WorldModel,
    /// What the model's experience was, if the run has kept it.
    pub memory: Option<Memory>,
    /// What shows what the model thinks.
    pub displays: Displays,
}

/// Loads a run or checkpoint.
///
/// # Errors
/// If there is none, or it does not fit its sim.
pub fn load(session: &Session, path: &Path, how: &HowArg) -> anyhow::Result<Loaded> {
    let (run, checkpoint) = RunDir::find(path)?;
    let model = load_model(&checkpoint)?;
    let mut config = RunConfig::read(&run.config(), &session.common.set)?;
    let sim = sims::load(&config.sim)?;
    if sim.name() != model.spec().sim {
        bail!(
            "{} holds a model of `{}`, but its config.toml names `{}`",
            path.display(),
            model.spec().sim,
            sim.name()
        );
    }
    if let Some(name) = &how.planner {
        let Some(solver) = PlannerConfig::named(name) else {
            let known: Vec<&str> = PlannerConfig::all().iter().map(PlannerConfig::name).collect();
            bail!("--planner {name}: known planners are {}", known.join(", "));
        };
        config.planner.solver = solver.clone();
        config.oracle.solver = solver;
    }
    for search in [&mut config.planner, &mut config.oracle] {
        search.search.deadline_ms = how.deadline_ms.or(search.search.deadline_ms);
        search.validate()?;
    }
    check_fit(&model, &sim)?;
    let memory = memory(&run)?;
    let displays = Displays::read(&run, &model)?;
    Ok(Loaded { run, sim, config, model, memory, displays })
}

/// What a run has kept of its model's experience.
///
/// # Errors
/// If the file is damaged.
pub fn memory(run: &RunDir) -> anyhow::Result<Option<Memory>> {
    let path = run.memory();
    Ok(if path.is_file() { Some(Memory::load(&path)?) } else { None })
}

/// Refuses a model whose actions or senses the sim does not have.
fn check_fit(model: &WorldModel, sim: &Sim) -> anyhow::Result<()> {
    let env = sim.env(&model_view(model))?;
    let spec = model.spec();
    if env.spaces().action.names != spec.actions {
        bail!(
            "the model acts on [{}], the sim `{}` on [{}]; the sim has changed since, train again",
            spec.actions.join(", "),
            sim.name(),
            env.spaces().action.names.join(", ")
        );
    }
    let names = spec.input.state();
    if !names.is_empty() && env.spaces().observation.state != names {
        bail!(
            "the model sees the state [{}], the sim `{}` shows [{}]; the sim has changed since, train again",
            names.join(", "),
            sim.name(),
            env.spaces().observation.state.join(", ")
        );
    }
    Ok(())
}

/// The view of a sim that a model needs, and nothing more.
pub fn model_view(model: &WorldModel) -> ViewOptions {
    let input = &model.spec().input;
    ViewOptions {
        images: input.image().into_iter().cloned().collect(),
        state: !input.state().is_empty(),
    }
}

/// Where planners act: everything an evaluator is made of.
pub struct Arena<'a> {
    /// Flags and signals.
    pub session: &'a Session,
    /// The world.
    pub sim: &'a Sim,
    /// The planners and where problems come from.
    pub config: &'a RunConfig,
    /// The model to plan in, if any.
    pub model: Option<&'a WorldModel>,
    /// What the model's experience was, for planners that are shown proposals.
    pub memory: Option<&'a Memory>,
    /// What is seen.
    pub view: &'a ViewOptions,
    /// Whether the world goes on by the clock on the wall.
    pub real_time: bool,
    /// Told (episodes done, episodes in all).
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl<'a> Arena<'a> {
    /// Of a run, without hurry.
    pub fn of_run(session: &'a Session, loaded: &'a Loaded, view: &'a ViewOptions) -> Self {
        Self {
            session,
            sim: &loaded.sim,
            config: &loaded.config,
            model: Some(&loaded.model),
            memory: loaded.memory.as_ref(),
            view,
            real_time: false,
            progress: &|_, _| (),
        }
    }

    /// Hands an evaluator to `use_it`.
    ///
    /// # Errors
    /// If the sim lacks a policy that the configuration names, or `use_it` fails.
    pub fn with_evaluator<T>(
        &self,
        use_it: impl FnOnce(&Evaluator<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Self { session, sim, config, model, memory, view, real_time, progress } = *self;
        let beginner = Beginner::new(sim, config, Collectors::Mix(config.collect.mix.clone()))?;
        let new_env = || -> Result<Box<dyn Env>, AgentError> {
            let env = sim.env(view);
            let env = env.map_err(|error| housecat_core::EnvError::Policy(error.to_string()))?;
            Ok(Box::new(env))
        };
        let collector = |env: &mut dyn Env, seed| beginner.begin(env, seed, seed);
        let live = session.live();
        let watch = |arm| -> Box<dyn Recorder> {
            match (&live, arm) {
                (Some(live), Arm::Model) => Box::new(live.follow()),
                _ => Box::new(NoRecorder),
            }
        };
        use_it(&Evaluator {
            new_env: &new_env,
            collector: &collector,
            episode_steps: config.collect.steps,
            model,
            memory,
            planner: &config.planner,
            oracle: &config.oracle,
            block: config.model.action_repeat,
            real_time,
            threads: session.threads()?,
            interrupt: &session.interrupt,
            progress,
            watch: &watch,
        })
    }
}

/// Evaluates under the given protocols, from the same episodes.
///
/// # Errors
/// If pairs cannot be found, acting fails, or the user interrupts.
pub fn evaluate_run(
    session: &Session,
    loaded: &Loaded,
    real_time: bool,
    protocols: &[Protocol],
) -> anyhow::Result<(Vec<EvalReport>, Evaluation)> {
    let (sim, config) = (&loaded.sim, &loaded.config);
    let total = config.eval.pairs * config.eval.seeds.len() * Arm::ALL.len();
    let progress = Progress::new(session, "evaluate", total as u64, 0, "episodes");
    let advance = |done: usize, _: usize| progress.set(done as u64, String::new);
    let view = model_view(&loaded.model);
    let arena = Arena { real_time, progress: &advance, ..Arena::of_run(session, loaded, &view) };
    watch::about(session, Purpose::Evaluate);
    watch::imagine(session, sim, &loaded.model, &loaded.displays)?;
    let mut evaluation = arena.with_evaluator(|evaluator| {
        evaluate(evaluator, &config.eval, &evaluator.arms(), &|_| ()).map_err(|error| match error {
            AgentError::Interrupted => session.interrupted(),
            other => other.into(),
        })
    })?;
    progress.finish();
    let seed = config.eval.seeds.first().copied().unwrap_or(0);
    let arena = Arena::of_run(session, loaded, &view);
    evaluation.quality = quality::measure(session, &arena, loaded.displays.decoder.as_ref(), seed)?;
    let arms = (&config.planner, &config.oracle);
    let block = config.model.action_repeat;
    let reports = protocols
        .iter()
        .map(|&protocol| EvalReport::new(sim.name(), protocol, &evaluation, arms, block));
    Ok((reports.collect(), evaluation))
}

/// Writes `<protocol>.json` for each report.
///
/// # Errors
/// If a file cannot be written.
pub fn save(reports: &[EvalReport], folder: &Path) -> anyhow::Result<()> {
    for report in reports {
        let text = serde_json::to_string_pretty(report)
            .context("the results cannot be written as JSON")?;
        write_whole(&folder.join(format!("{}.json", report.protocol.name())), text.as_bytes())?;
    }
    Ok(())
}

/// A report as JSON, with the same digits as its file: numbers of single precision keep their short form.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn document(report: &EvalReport) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::from_str(&serde_json::to_string(report)?)?)
}

/// Part of what a factor varied over, for people.
pub fn levels(levels: &Levels) -> String {
    match levels {
        Levels::Range([low, high]) if low != high => format!("{low:.3}..{high:.3}"),
        other => other.to_string(),
    }
}

/// Success by factor of variation, as a table; empty where nothing varied.
fn by_factor(reports: &[EvalReport]) -> String {
    let head = ["protocol", "factor", "levels", "success of the model", "95 % interval", "n"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for report in reports {
        for (factor, parts) in &report.success_by_factor {
            for part in parts {
                let success = part.success;
                rows.push(vec![
                    report.protocol.name().to_owned(),
                    factor.clone(),
                    levels(&part.levels),
                    format!("{:.3}", success.rate),
                    format!("[{:.3}, {:.3}]", success.low, success.high),
                    format!("{}/{}", success.successes, success.n),
                ]);
            }
        }
    }
    if rows.len() == 1 { String::new() } else { format!("\n{}", table(&rows)) }
}

/// The results as a table for people.
pub fn summary(reports: &[EvalReport]) -> String {
    let mut rows =
        vec![["protocol", "arm", "success", "95 % interval", "n"].map(str::to_owned).to_vec()];
    for report in reports {
        for arm in Arm::ALL {
            let Some(success) = report.success.get(arm.name()) else { continue };
            rows.push(vec![
                report.protocol.name().to_owned(),
                arm.name().to_owned(),
                format!("{:.3}", success.rate),
                format!("[{:.3}, {:.3}]", success.low, success.high),
                format!("{}/{}", success.successes, success.n),
            ]);
        }
    }
    let mut text = table(&rows);
    text.push_str(&by_factor(reports));
    let Some(report) = reports.first() else { return text };
    if report.task == TaskKind::Reward {
        let mut rows = vec![
            ["arm", "mean return", "95 % interval", "of the oracle's"].map(str::to_owned).to_vec(),
        ];
        let oracle = report.returns.get(Arm::Oracle.name()).map(|returns| returns.mean);
        for arm in Arm::ALL {
            let Some(returns) = report.returns.get(arm.name()) else { continue };
            rows.push(vec![
                arm.name().to_owned(),
                format!("{:.1}", returns.mean),
                format!("[{:.1}, {:.1}]", returns.low, returns.high),
                oracle
                    .filter(|oracle| *oracle > 0.0)
                    .map_or_else(String::new, |oracle| format!("{:.2}", returns.mean / oracle)),
            ]);
        }
        text.push('\n');
        text.push_str(&table(&rows));
    }
    if !report.pair_difficulty.is_empty() {
        let terms: Vec<String> = report
            .pair_difficulty
            .iter()
            .map(|term| format!("{} {:.3} {}", term.name, term.median, term.unit))
            .collect();
        text.push_str(&format!("\npair difficulty (median displacement): {}\n", terms.join(", ")));
    }
    if let Some(ms) = report.plan_ms {
        text.push_str(&format!(
            "planning: median {:.1} ms, p95 {:.1} ms, max {:.1} ms",
            ms.median, ms.p95, ms.max
        ));
        if let Some(correlation) = report.elite_rank_correlation {
            text.push_str(&format!(
                "; rank correlation of predicted and simulated cost among elites {correlation:.2}"
            ));
        }
        if let Some(one) = report.elite_rank_correlation_median {
            text.push_str(&format!(
                " (median {:.2} [{:.2}, {:.2}])",
                one.median, one.low, one.high
            ));
        }
        text.push('\n');
        if report.cut > 0.0 || report.fallbacks > 0 {
            text.push_str(&format!(
                "deadlines left {:.0} % of the candidates unpriced; {} plans were not there in time, and what is safe was done\n",
                report.cut * 100.0,
                report.fallbacks
            ));
        }
    }
    if let Some(quality) = &report.quality {
        text.push_str(&quality::summary(quality));
    }
    text
}
