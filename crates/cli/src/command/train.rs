//! `housecat train`: a world model from a dataset, with checkpoints, metrics and resumption.

use crate::args::TrainArgs;
use crate::clock::StageClock;
use crate::config::RunConfig;
use crate::console::{Progress, sparkline};
use crate::displays::Displays;
use crate::metrics::{self, Metrics};
use crate::provenance::Provenance;
use crate::run_dir::{RunDir, write_whole};
use crate::session::Session;
use crate::sims;
use crate::watch;
use anyhow::{Context as _, bail};
use housecat_core::{Env as _, Experience, Seed};
use housecat_data::{DataError, Dataset, Selection};
use housecat_model::{
    Distance, Memory, ModelSpec, Trainer, Validation, WorldModel, load_checkpoint, save_checkpoint,
};
use housecat_sim::{Sim, ViewOptions};
use housecat_view::Purpose;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The command.
pub fn run(session: &Session, args: &TrainArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let dataset = Dataset::open(&args.dataset)?;
    let sim = sims::load(&dataset.features().sim)
        .with_context(|| format!("{} was recorded on this sim", args.dataset.display()))?;
    let recipe = args.recipe.recipe.as_deref();
    let (seed, set) = (session.common.seed, &session.common.set);
    let config = RunConfig::load(&sim, sim.name(), recipe, seed, set)?;
    let run = RunDir::new(&args.out);
    check_dataset(&dataset, &sim, &config)?;
    check_model(spec(&config, &dataset)?)?;
    prepare(session, &run, &config)?;
    if run.checkpoints().join("last").exists() && !args.resume {
        bail!(
            "{} already holds a trained model; continue it with --resume or choose another --out",
            args.out.display()
        );
    }
    let unseen = ViewOptions { images: Vec::new(), state: false };
    watch::open(session, &args.watch, &sim, &unseen, Purpose::Train)?;
    session.say(format!(
        "checkpoints and metrics land in {}; --resume continues from the newest checkpoint",
        run.path().display()
    ));
    let trained = train(session, &config, &dataset, &run, args.init.as_deref())?;
    let document = json!({
        "run": args.out, "steps": trained.steps, "seconds": trained.seconds, "loss": trained.loss,
        "skipped": trained.skipped, "parameters": trained.parameters, "validation": trained.validation,
    });
    let text = format!(
        "trained {} steps ({} parameters) in {:.0} s, loss {:.4} {}\nevaluate it: housecat eval {}\n",
        trained.steps,
        trained.parameters,
        trained.seconds,
        trained.loss,
        trained.curve,
        args.out.display()
    );
    session.result(&document, &text)
}

/// Refuses a dataset of another sim, of this one as it used to be, or with images of another size.
pub fn check_dataset(dataset: &Dataset, sim: &Sim, config: &RunConfig) -> anyhow::Result<()> {
    let features = dataset.features();
    let path = dataset.path().display();
    if features.sim != sim.name() {
        bail!(
            "the dataset {path} was recorded on `{}`, not on `{}`; move it away and collect anew",
            features.sim,
            sim.name()
        );
    }
    let env = sim.env(&ViewOptions { images: Vec::new(), state: true })?;
    let (then, now) = (&features.spaces, env.spaces());
    for (what, then, now) in [
        ("actions", &then.action.names, &now.action.names),
        ("state", &then.observation.state, &now.observation.state),
    ] {
        if then != now {
            bail!(
                "the dataset {path} has the {what} [{}], the sim `{}` has [{}]; the sim has changed since, collect anew",
                then.join(", "),
                sim.name(),
                now.join(", ")
            );
        }
    }
    if let (true, Some(side)) = (config.input.sees(), config.image)
        && let Some(image) = then.observation.images.first()
        && [image.width, image.height] != [side; 2]
    {
        bail!(
            "the dataset {path} has images of {}x{}, and {side}x{side} are asked for (`image`, which a recipe may set); \
             collect anew with the same --recipe or `--set image={side}`, or set `image` to the size there is",
            image.width,
            image.height
        );
    }
    Ok(())
}

/// Refuses a model that cannot be built, by building it: sizes that do not fit the image, weights that are not there.
pub fn check_model(spec: ModelSpec) -> anyhow::Result<()> {
    WorldModel::new(spec, Seed::new(0))?;
    Ok(())
}

/// Writes a run's configuration and provenance, or checks that they are those of the run that is there.
pub fn prepare(session: &Session, run: &RunDir, config: &RunConfig) -> anyhow::Result<()> {
    let path = run.config();
    if path.is_file() {
        let found = RunConfig::read(&path, &[])?;
        if found != *config {
            bail!(
                "{} holds a run with another configuration; give this one another name, or delete that folder",
                run.path().display()
            );
        }
    } else {
        write_whole(&path, config.to_toml()?.as_bytes())?;
    }
    // A run may have been killed between the two files.
    if run.provenance().is_file() {
        return Ok(());
    }
    let provenance =
        toml::to_string(&Provenance::now(session, config.seed)).context("provenance")?;
    write_whole(&run.provenance(), provenance.as_bytes())
}

/// What training gave.
pub struct Trained {
    /// Optimiser steps in all.
    pub steps: u64,
    /// Wall-clock seconds of this call.
    pub seconds: f64,
    /// Mean loss of the last steps.
    pub loss: f32,
    /// The loss over all of training, as far as the run's metrics go back; a line of text.
    pub curve: String,
    /// Steps skipped.
    pub skipped: u64,
    /// Trained values.
    pub parameters: usize,
    /// On held-out windows.
    pub validation: Option<Validation>,
}

/// The specification of a run's model, for what a dataset holds.
pub fn spec(config: &RunConfig, dataset: &Dataset) -> anyhow::Result<ModelSpec> {
    let features = dataset.features();
    config.spec(&features.sim, &features.spaces).with_context(|| {
        format!(
            "{}: collect without --no-images or train with --set input=state and a state encoder",
            dataset.path().display()
        )
    })
}

/// Steps between metrics.
const METRICS_EVERY: u64 = 10;

/// Letters in the curve of the loss.
const SPARKS: usize = 24;

/// Trains up to the configured steps, from the newest checkpoint if there is one.
///
/// # Errors
/// If data, configuration or files are unusable, the loss diverges, or the user interrupts; a
/// checkpoint of the last completed step is kept then.
pub fn train(
    session: &Session,
    config: &RunConfig,
    dataset: &Dataset,
    run: &RunDir,
    init: Option<&Path>,
) -> anyhow::Result<Trained> {
    let started = Instant::now();
    let threads = session.threads()?;
    let experience = load(session, dataset, config.input.sees())?;
    let seed = Seed::new(config.seed).child("train", 0);
    let mut trainer =
        Trainer::new(spec(config, dataset)?, config.train.clone(), &experience, seed, threads)?;
    let checkpoints = run.checkpoints();
    let last = checkpoints.join("last");
    if last.exists() {
        load_checkpoint(&mut trainer, &last, seed)?;
        session.say(format!(
            "continuing from step {} of {}",
            trainer.steps_done(),
            config.train.total_steps()
        ));
    } else if let Some(init) = init {
        trainer.start_from(init)?;
    }
    let steps = config.train.total_steps();
    let trained_on = trainer.steps_done() < steps;
    let _clock = trained_on.then(|| StageClock::since(started, run, "train"));
    // A run that is complete is left as it is.
    let mut metrics = match trained_on {
        true => Some(Metrics::open(run, trainer.steps_done())?),
        false => None,
    };
    if trained_on {
        watch::about(session, Purpose::Train);
    }
    let live = session.live();
    let progress = Progress::new(session, "train", steps, trainer.steps_done(), "steps");
    let mut losses = metrics::losses(run);
    let (mut smoothed, mut data_wait) = (losses.last().copied().unwrap_or(f32::NAN), f32::NAN);
    let smooth = |mean: f32, new: f32| if mean.is_nan() { new } else { 0.95 * mean + 0.05 * new };
    while trainer.steps_done() < steps {
        if session.interrupt.is_raised() {
            save_checkpoint(&trainer, &checkpoints, seed)?;
            progress.finish();
            return Err(session.interrupted());
        }
        let step = trainer.step()?;
        if step.skipped {
            tracing::warn!("step {} skipped: its loss or gradient was not finite", step.step);
        } else {
            smoothed = smooth(smoothed, step.loss);
        }
        data_wait = smooth(data_wait, step.data_wait);
        if step.step % METRICS_EVERY == 0 || step.step == steps {
            let mut values = vec![
                ("train/loss".to_owned(), step.loss),
                ("train/grad_norm".to_owned(), step.grad_norm),
                ("train/learning_rate".to_owned(), step.learning_rate),
            ];
            values.extend(step.terms.iter().map(|(name, value)| (format!("train/{name}"), *value)));
            if step.step % config.train.checkpoint_every == 0 || step.step == steps {
                values.extend(validation_values(trainer.validate()?));
            }
            if let Some(live) = &live {
                live.metrics(step.step, &values);
            }
            losses.push(step.loss);
            if let Some(metrics) = &mut metrics {
                metrics.add(step.step, values, &[("train/data_wait", data_wait)])?;
            }
        }
        if step.step % config.train.checkpoint_every == 0 || step.step == steps {
            save_checkpoint(&trainer, &checkpoints, seed)?;
        }
        progress.set(step.step, || {
            let (curve, wait) = (sparkline(&losses, SPARKS), 100.0 * data_wait);
            format!("loss {smoothed:.4}, {wait:.1} % of the time waiting for data  {curve}")
        });
    }
    progress.finish();
    // Of an earlier step's weights they would be of no use.
    let derived = [run.memory(), run.probe(), run.decoder()];
    for path in derived.iter().filter(|path| trained_on && path.is_file()) {
        std::fs::remove_file(path).with_context(|| path.display().to_string())?;
    }
    if !Displays::complete(run, trainer.model()) {
        Displays::fit(session, trainer.model(), &experience, run, seed)?;
    }
    let last = checkpoints.join("last");
    if !(run.memory().is_file() && Distance::is_in(&last)) {
        let (model, latents) = (trainer.model(), trainer.latents());
        let memory = Memory::new(model, &experience, latents, seed, threads)?;
        memory.save(&run.memory())?;
        memory.distance().save(&last)?;
    }
    Ok(Trained {
        steps: trainer.steps_done(),
        seconds: started.elapsed().as_secs_f64(),
        loss: smoothed,
        curve: sparkline(&losses, SPARKS),
        skipped: trainer.steps_skipped(),
        parameters: trainer.model().parameters(),
        validation: trainer.validate()?,
    })
}

/// Seconds after which reading a dataset shows its progress.
const SHOW_READING_AFTER: Duration = Duration::from_secs(1);

/// Reads a dataset, decoding its images if that has not been done before.
///
/// # Errors
/// If the dataset is damaged, there is no room for the decoded images, or the user interrupts.
pub fn load(session: &Session, dataset: &Dataset, images: bool) -> anyhow::Result<Experience> {
    let started = Instant::now();
    let total = dataset.episodes().len() as u64;
    let progress = OnceLock::new();
    let watch = |done: usize| {
        if started.elapsed() > SHOW_READING_AFTER {
            let progress =
                progress.get_or_init(|| Progress::new(session, "read", total, 0, "episodes"));
            progress.set(done as u64, String::new);
        }
        match session.interrupt.is_raised() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let loaded = dataset.load_watched(&Selection { images, threads: session.threads()? }, &watch);
    if let Some(progress) = progress.into_inner() {
        progress.finish();
    }
    match loaded {
        Err(DataError::Interrupted) => Err(session.interrupted()),
        other => Ok(other?),
    }
}

fn validation_values(validation: Option<Validation>) -> Vec<(String, f32)> {
    let Some(validation) = validation else { return Vec::new() };
    let mut values = vec![("validation/next_latent".to_owned(), validation.next_latent)];
    for (name, errors) in [("open_loop", &validation.open_loop), ("copy", &validation.copy)] {
        values.extend(
            errors
                .iter()
                .enumerate()
                .map(|(t, error)| (format!("validation/{name}_{}", t + 1), *error)),
        );
    }
    values.extend(validation.reward.map(|reward| ("validation/reward".to_owned(), reward)));
    values
}
