//! Showing a run: its recording, its film strips and, with them, its report.

use crate::command::eval::{self, Arena};
use crate::displays::position;
use crate::imagination::Imagined;
use crate::page;
use crate::session::Session;
use anyhow::Context as _;
use housecat_agent::{Arm, EpisodeRow, EvalReport, Evaluator, Pair, PairOutcome};
use housecat_core::{Env, Episode, Image, ImageSpec, NoRecorder, PlanTrace, Recorder};
use housecat_model::WorldModel;
use housecat_sim::{Sim, ViewOptions};
use housecat_view::{Moment, Purpose, RerunRecorder, Sink, Stage, Strip};

/// Episodes shown of each kind (successes, failures).
const SHOWN: usize = 3;

/// Side of the pictures in film strips of a model that sees none itself.
const STRIP_SIZE: usize = 128;

/// Records and reports a fresh evaluation; `pairs` are its problems, by seed.
///
/// # Errors
/// If a file cannot be written or an episode cannot be repeated.
pub fn show_run(
    session: &Session,
    loaded: &eval::Loaded,
    reports: &[EvalReport],
    pairs: &[(u64, Vec<Pair>)],
) -> anyhow::Result<()> {
    let eval::Loaded { run, sim, config, model, .. } = loaded;
    let view = &spectator_view(sim, model);
    let strips = Arena::of_run(session, loaded, view).with_evaluator(|evaluator| {
        let mut recorder =
            run_recorder(session, loaded, Sink::File(run.recording()), view, Purpose::Evaluate)?;
        let strips = strips(loaded, evaluator, reports, pairs, &mut recorder)?;
        recorder.finish()?;
        Ok(strips)
    })?;
    page::report(config, run, reports, strips)?.save(&run.report())?;
    Ok(())
}

/// The film strips of an evaluation whose problems are found again and whose episodes are planned again.
///
/// # Errors
/// If the problems cannot be found or an episode cannot be repeated.
pub fn strips_again(
    session: &Session,
    loaded: &eval::Loaded,
    reports: &[EvalReport],
) -> anyhow::Result<Vec<Strip>> {
    let view = &spectator_view(&loaded.sim, &loaded.model);
    Arena::of_run(session, loaded, view).with_evaluator(|evaluator| {
        let pairs = evaluator.problems(&mut *(evaluator.new_env)()?, &loaded.config.eval)?;
        strips(loaded, evaluator, reports, &pairs, &mut NoRecorder)
    })
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
    let eval::Loaded { sim, config, model, .. } = loaded;
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
        let mut recorder = run_recorder(session, loaded, sink, view, Purpose::Evaluate)?;
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

/// A recorder for a sim.
///
/// # Errors
/// If the viewer cannot be started or reached, or the file not be written.
pub fn recorder(
    session: &Session,
    sink: Sink,
    sim: &Sim,
    view: &ViewOptions,
    purpose: Purpose,
) -> anyhow::Result<RerunRecorder> {
    let env = sim.env(view)?;
    let stage = Stage { sim: sim.name(), scene: sim.scene(), spaces: env.spaces() };
    let recorder = RerunRecorder::new(sink, &stage, purpose)?;
    if let Some(page) = recorder.page() {
        session.say(format!("look at {page}"));
    }
    let Some(track) = sim.track() else { return Ok(recorder) };
    Ok(recorder.with_tracked(Box::new(move |_, state| {
        position(track, |index| state.0.get(index).map(|&value| value as f32))
    })))
}

/// A recorder for a run, with what its model imagines.
///
/// # Errors
/// As those of [`recorder`].
pub fn run_recorder(
    session: &Session,
    loaded: &eval::Loaded,
    sink: Sink,
    view: &ViewOptions,
    purpose: Purpose,
) -> anyhow::Result<RerunRecorder> {
    let eval::Loaded { sim, model, displays, .. } = loaded;
    let mut recorder = recorder(session, sink, sim, view, purpose)?;
    recorder.set_imagination(displays.imagination(sim, model)?);
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

/// Repeats the model arm's first successes and failures (by the first of the reports) before a recorder, and cuts a
/// film strip from each.
fn strips(
    loaded: &eval::Loaded,
    evaluator: &Evaluator<'_>,
    reports: &[EvalReport],
    pairs: &[(u64, Vec<Pair>)],
    recorder: &mut dyn Recorder,
) -> anyhow::Result<Vec<Strip>> {
    let report = reports.first().context("there are no results to show")?;
    let of = |success| report.episodes.iter().filter(move |row| row.success == success).take(SHOWN);
    let chosen = of(true).chain(of(false));
    chosen.map(|row| replay(loaded, evaluator, report.budget_steps, row, pairs, recorder)).collect()
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
    budget: usize,
    row: &EpisodeRow,
    pairs: &[(u64, Vec<Pair>)],
    recorder: &mut dyn Recorder,
) -> anyhow::Result<Strip> {
    let of_seed = pairs.iter().find(|(seed, _)| *seed == row.seed);
    let pair = of_seed.and_then(|(_, pairs)| pairs.get(row.pair));
    let pair = pair.context("the results hold a problem that was not evaluated")?;
    let mut env = (evaluator.new_env)()?;
    let mut film = Film::default();
    let id = (row.seed, row.pair);
    let both = &mut Both(recorder, &mut film);
    let outcome = evaluator.run(&mut *env, Arm::Model, id, pair, budget, both)?;
    let goal = pair.goal.as_ref().and_then(|(goal, _)| goal.images.first());
    let plan = imagined(loaded, &mut *env, pair, &film)?;
    Ok(Strip { plan, ..strip(&film.episode, goal, &outcome) })
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
    let begins = step + plan.lead;
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
