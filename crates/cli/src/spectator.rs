//! Showing a run: its recording, its film strips and its report.

use crate::command::eval::{self, Arena};
use crate::config::RunConfig;
use crate::displays::Displays;
use crate::imagination::Imagined;
use crate::metrics;
use crate::quality;
use crate::run_dir::RunDir;
use crate::session::Session;
use anyhow::Context as _;
use housecat_agent::{Arm, Control, EvalReport, Evaluation, Evaluator, Pair, PairOutcome};
use housecat_core::{Env, Episode, Image, ImageSpec, PlanTrace, Protocol, Recorder};
use housecat_model::WorldModel;
use housecat_sim::{Coordinate, Sim, ViewOptions};
use housecat_view::{
    ArmRow, Curve, DifficultyRow, Moment, PlanTiming, Report, RerunRecorder, ReturnRow, Sink,
    Stage, Strip,
};
use std::collections::BTreeMap;

/// Episodes shown of each kind (successes, failures).
const SHOWN: usize = 3;

/// Side of the pictures in film strips of a model that sees none itself.
const STRIP_SIZE: usize = 128;

/// Records and reports a fresh evaluation.
///
/// # Errors
/// If a file cannot be written or an episode cannot be repeated.
pub fn show_run(
    session: &Session,
    loaded: &eval::Loaded,
    reports: &[EvalReport],
    evaluation: &Evaluation,
) -> anyhow::Result<()> {
    let eval::Loaded { run, sim, config, model, displays, .. } = loaded;
    let chosen = choose(evaluation);
    let view = &spectator_view(sim, model);
    let strips = Arena::of_run(session, loaded, view).with_evaluator(|evaluator| {
        let mut recorder = recorder(Sink::File(run.recording()), sim, view, displays)?;
        let mut strips = Vec::new();
        for outcome in &chosen {
            strips.push(replay(loaded, evaluator, evaluation, outcome, &mut recorder)?);
        }
        recorder.finish()?;
        Ok(strips)
    })?;
    report(config, run, reports, evaluation, strips)?.save(&run.report())?;
    Ok(())
}

/// Shows episodes of a run's model, planned anew, in a recording or a viewer.
///
/// # Errors
/// If the viewer cannot be reached, the file not be written, or acting fails.
pub fn show_episodes(
    session: &Session,
    loaded: &eval::Loaded,
    sink: Sink,
    episodes: usize,
) -> anyhow::Result<()> {
    let eval::Loaded { sim, config, model, displays, .. } = loaded;
    let view = &spectator_view(sim, model);
    Arena::of_run(session, loaded, view).with_evaluator(|evaluator| {
        let mut env = (evaluator.new_env)()?;
        let seed = config.eval.seeds.first().copied().unwrap_or(0);
        let pairs = housecat_agent::held_out_pairs(
            &mut *env,
            evaluator.collector,
            housecat_core::Seed::new(seed),
            episodes,
            config.eval.goal_offset,
            config.collect.steps,
        )?;
        let mut recorder = recorder(sink, sim, view, displays)?;
        for (index, pair) in pairs.iter().enumerate() {
            evaluator.run(
                &mut *env,
                Arm::Model,
                (seed, index),
                pair,
                config.eval.budget_steps,
                &mut recorder,
            )?;
            if session.interrupt.is_raised() {
                break;
            }
        }
        Ok(recorder.finish()?)
    })
}

/// What spectators see: what the model sees, or the default camera if it sees no picture.
pub fn spectator_view(sim: &Sim, model: &WorldModel) -> ViewOptions {
    let mut view = eval::model_view(model);
    if view.images.is_empty() {
        let cameras = sim.default_view().images.into_iter();
        view.images = cameras
            .map(|image| ImageSpec { width: STRIP_SIZE, height: STRIP_SIZE, ..image })
            .collect();
    }
    view
}

/// A recorder for a sim, with what a run has to show what its model thinks.
pub fn recorder(
    sink: Sink,
    sim: &Sim,
    view: &ViewOptions,
    displays: &Displays,
) -> anyhow::Result<RerunRecorder> {
    let env = sim.env(view)?;
    let stage = Stage { sim: sim.name(), scene: sim.scene(), spaces: env.spaces() };
    let mut recorder = RerunRecorder::new(sink, &stage)?;
    let Displays { probe, decoder } = displays.clone();
    if let Some(decoder) = decoder {
        recorder = recorder.with_painter(Box::new(move |latents| decoder.paint(latents)));
    }
    let Some(track) = sim.track() else { return Ok(recorder) };
    recorder = recorder.with_tracked(Box::new(move |_, state| {
        track.map(|coordinate| match coordinate {
            Coordinate::Fixed(metres) => metres,
            Coordinate::State(index) => state.0.get(index).map_or(0.0, |&value| value as f32),
        })
    }));
    if let Some(probe) = probe {
        recorder = recorder.with_probe(Box::new(move |latent| {
            let guess = probe.predict(latent);
            track.map(|coordinate| match coordinate {
                Coordinate::Fixed(metres) => metres,
                Coordinate::State(index) => guess.get(index).copied().unwrap_or(0.0),
            })
        }));
    }
    Ok(recorder)
}

/// Puts the world at the start of a problem.
///
/// # Errors
/// If the start is another world's.
pub fn to_start(env: &mut dyn Env, pair: &Pair) -> anyhow::Result<()> {
    env.restore(&pair.start)?;
    if let Some((_, goal)) = &pair.goal {
        env.set_goal(Some(goal))?;
    }
    Ok(())
}

/// The model arm's first successes and failures (by the moderate criterion).
fn choose(evaluation: &Evaluation) -> Vec<&PairOutcome> {
    let of = |success: bool| {
        evaluation
            .of(Arm::Model)
            .filter(move |outcome| outcome.success.moderate == success)
            .take(SHOWN)
    };
    of(true).chain(of(false)).collect()
}

/// Shows one recorder's episodes to two.
struct Both<'a>(&'a mut dyn Recorder, &'a mut dyn Recorder);

impl Recorder for Both<'_> {
    fn begin(&mut self, header: &housecat_core::EpisodeHeader) {
        self.0.begin(header);
        self.1.begin(header);
    }

    fn record(&mut self, step: housecat_core::StepRecord) {
        self.0.record(step.clone());
        self.1.record(step);
    }

    fn end(&mut self, summary: &housecat_core::EpisodeSummary) {
        self.0.end(summary);
        self.1.end(summary);
    }
}

/// An episode, and the first plan in it.
#[derive(Default)]
struct Film {
    episode: Episode,
    /// The step at which it was made, and the plan.
    plan: Option<(usize, PlanTrace)>,
}

impl Recorder for Film {
    fn begin(&mut self, header: &housecat_core::EpisodeHeader) {
        self.episode.begin(header);
    }

    fn record(&mut self, step: housecat_core::StepRecord) {
        if let (None, Some(plan)) =
            (&self.plan, step.plan.as_ref().filter(|it| !it.best.is_empty()))
        {
            self.plan = Some((step.step as usize, plan.clone()));
        }
        self.episode.record(step);
    }

    fn end(&mut self, summary: &housecat_core::EpisodeSummary) {
        self.episode.end(summary);
    }
}

/// Repeats an episode before the recorder, and cuts a film strip from it.
fn replay(
    loaded: &eval::Loaded,
    evaluator: &Evaluator<'_>,
    evaluation: &Evaluation,
    outcome: &PairOutcome,
    recorder: &mut RerunRecorder,
) -> anyhow::Result<Strip> {
    let (_, pairs) = evaluation
        .pairs
        .iter()
        .find(|(seed, _)| *seed == outcome.seed)
        .context("an outcome of a seed that was not evaluated")?;
    let pair = &pairs[outcome.pair];
    let mut env = (evaluator.new_env)()?;
    let mut film = Film::default();
    let budget = evaluation.config.budget_steps;
    let id = (outcome.seed, outcome.pair);
    evaluator.run(&mut *env, Arm::Model, id, pair, budget, &mut Both(recorder, &mut film))?;
    let goal = pair.goal.as_ref().and_then(|(goal, _)| goal.images.first());
    let plan = imagined(loaded, &mut *env, pair, &film)?;
    Ok(Strip { plan, ..strip(&film.episode, goal, outcome) })
}

/// The first plan of an episode, as imagined and as simulated.
fn imagined(
    loaded: &eval::Loaded,
    env: &mut dyn Env,
    pair: &Pair,
    film: &Film,
) -> anyhow::Result<Vec<Moment>> {
    let (Some(decoder), Some((step, plan))) = (&loaded.displays.decoder, &film.plan) else {
        return Ok(Vec::new());
    };
    let block = loaded.config.model.action_repeat;
    let planner = &loaded.config.planner;
    // A plan that is made while the robot acts is for the time after what is queued.
    let begins = match planner.control {
        Control::Wait => *step,
        Control::Overlap => step + planner.steps(block),
    };
    let frames = film.episode.frames.iter().take(begins);
    let before: Vec<Vec<f32>> = frames.map(|frame| frame.action.clone()).collect();
    // The last frame has no action, and the episode may have ended before the plan's turn came.
    if begins >= film.episode.frames.len() {
        return Ok(Vec::new());
    }
    let imagined = Imagined { plan, before: &before, block };
    imagined.moments(env, pair, &loaded.model, decoder)
}

fn strip(episode: &Episode, goal: Option<&Image>, outcome: &PairOutcome) -> Strip {
    let pictures: Vec<&Image> =
        episode.frames.iter().filter_map(|frame| frame.observation.images.last()).collect();
    let last = pictures.len().saturating_sub(1);
    let mut frames = Vec::new();
    if let Some(first) = pictures.first() {
        frames.push(("start".to_owned(), (*first).clone()));
    }
    if let Some(goal) = goal {
        frames.push(("goal".to_owned(), goal.clone()));
    }
    for quarter in 1..4 {
        let at = last * quarter / 4;
        if at > 0 && at < last {
            frames.push((format!("step {at}"), pictures[at].clone()));
        }
    }
    if last > 0 {
        frames.push(("achieved".to_owned(), pictures[last].clone()));
    }
    let errors: Vec<String> = outcome
        .final_errors
        .iter()
        .map(|error| format!("{} {:.3} {}", error.name, error.value, error.unit))
        .collect();
    Strip {
        caption: format!(
            "seed {}, problem {}: {} steps; at the end {}",
            outcome.seed,
            outcome.pair,
            outcome.steps,
            errors.join(", ")
        ),
        success: outcome.success.moderate,
        frames,
        plan: Vec::new(),
    }
}

fn report(
    config: &RunConfig,
    run: &RunDir,
    reports: &[EvalReport],
    evaluation: &Evaluation,
    strips: Vec<Strip>,
) -> anyhow::Result<Report> {
    let first = reports.first().context("a report needs results")?;
    let steps_mean = |arm: Arm| {
        let steps: Vec<f64> = evaluation.of(arm).map(|outcome| outcome.steps as f64).collect();
        (!steps.is_empty()).then(|| steps.iter().sum::<f64>() / steps.len() as f64)
    };
    let outcome = reports.iter().flat_map(|report| {
        Arm::ALL.into_iter().filter_map(move |arm| {
            let success = report.success.get(arm.name())?;
            Some(ArmRow {
                protocol: report.protocol.name().to_owned(),
                arm: arm.name().to_owned(),
                rate: success.rate,
                low: success.low,
                high: success.high,
                successes: success.successes,
                n: success.n,
                steps_mean: if report.protocol == Protocol::Moderate {
                    steps_mean(arm)
                } else {
                    None
                },
            })
        })
    });
    let oracle = first.returns.get(Arm::Oracle.name()).map(|returns| returns.mean);
    let returns = Arm::ALL.iter().filter_map(|arm| {
        let returns = first.returns.get(arm.name())?;
        Some(ReturnRow {
            arm: arm.name().to_owned(),
            mean: returns.mean,
            low: returns.low,
            high: returns.high,
            n: returns.n,
            of_oracle: oracle.filter(|oracle| *oracle > 0.0).map(|oracle| returns.mean / oracle),
        })
    });
    let quality = first.quality.as_ref();
    let mut curves = curves(run);
    curves.extend(quality.into_iter().flat_map(|it| quality::curves(it, first.action_repeat)));
    let search = &config.planner.search;
    let provenance = std::fs::read_to_string(run.provenance()).unwrap_or_default();
    let provenance: BTreeMap<String, String> = toml::from_str(&provenance).unwrap_or_default();
    let command = provenance.get("command").cloned().unwrap_or_default();
    Ok(Report {
        title: format!(
            "{} · {}",
            first.sim,
            run.path().file_name().unwrap_or_default().to_string_lossy()
        ),
        sim: first.sim.clone(),
        outcome: outcome.collect(),
        returns: returns.collect(),
        pair_difficulty: first
            .pair_difficulty
            .iter()
            .map(|row| DifficultyRow {
                name: row.name.clone(),
                median: row.median,
                unit: row.unit.clone(),
            })
            .collect(),
        planner: vec![
            ("solver".into(), config.planner.solver.name().into()),
            ("candidates a round".into(), search.samples.to_string()),
            (
                "rounds, then warm".into(),
                format!("{}, {}", search.iterations, search.warm_iterations),
            ),
            (
                "horizon".into(),
                format!(
                    "{} blocks of {} control steps",
                    search.horizon, config.model.action_repeat
                ),
            ),
            (
                "executed before replanning".into(),
                format!("{} control steps", config.planner.steps(config.model.action_repeat)),
            ),
        ],
        timing: first.plan_ms.map(|ms| PlanTiming {
            median_ms: ms.median,
            p95_ms: ms.p95,
            max_ms: ms.max,
        }),
        elite_rank_correlation: first.elite_rank_correlation,
        elite_rank_median: quality::elite_rank(first),
        probes: quality.map(quality::probes).unwrap_or_default(),
        latents: quality.map(quality::latents).unwrap_or_default(),
        curves,
        strips,
        config_toml: config.to_toml()?,
        provenance: provenance.into_iter().collect(),
        command,
    })
}

/// The run's metrics as curves: one chart for the terms of the loss, one for held-out prediction.
fn curves(run: &RunDir) -> Vec<Curve> {
    let mut curves: BTreeMap<String, Curve> = BTreeMap::new();
    for line in metrics::read(run) {
        let Some(step) = line.get("step").and_then(serde_json::Value::as_f64) else { continue };
        for (key, value) in &line {
            let Some((side, name)) = key.split_once('/') else { continue };
            let chart = match (side, name) {
                ("train", "learning_rate" | "grad_norm") => continue,
                ("train", _) => "training loss",
                _ => "held-out prediction error",
            };
            if let Some(value) = value.as_f64() {
                let curve = curves.entry(key.clone()).or_insert_with(|| Curve {
                    chart: chart.to_owned(),
                    name: name.replace('_', " "),
                    points: Vec::new(),
                    log_scale: true,
                });
                curve.points.push((step, value));
            }
        }
    }
    curves.into_values().collect()
}
