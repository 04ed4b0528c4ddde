//! `housecat collect`: episodes over worker threads into a LeRobot dataset.

use crate::args::CollectArgs;
use crate::command::eval::memory;
use crate::config::RunConfig;
use crate::console::Progress;
use crate::displays::Displays;
use crate::experience::{Beginner, Collectors, named};
use crate::run_dir::{RunDir, write_whole};
use crate::session::Session;
use crate::sims;
use crate::watch;
use anyhow::{Context as _, bail};
use crossbeam::channel;
use housecat_core::{
    Env as _, Episode, EpisodeHeader, EpisodeSummary, Recorder, RolloutOptions, Seed, StepRecord,
    rollout,
};
use housecat_data::{DatasetWriter, EncodedEpisode, Features};
use housecat_model::{Memory, WorldModel, load_model};
use housecat_sim::Sim;
use housecat_view::{Follower, Live, Purpose};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The command.
pub fn run(session: &Session, args: &CollectArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let sim = sims::load(&args.sim.sim)?.varied(&args.vary.vary)?;
    let recipe = args.recipe.recipe.as_deref();
    let (seed, set) = (session.common.seed, &session.common.set);
    let mut config = RunConfig::load(&sim, sim.name(), recipe, seed, set)?;
    config.collect.episodes = args.episodes.unwrap_or(config.collect.episodes);
    config.collect.steps = args.steps.unwrap_or(config.collect.steps);
    if config.collect.episodes == 0 || config.collect.steps == 0 {
        bail!("--episodes and --steps must be at least 1");
    }
    let mut actor = None;
    if let Some(policy) = &args.policy {
        match named(policy) {
            Some(mix) => config.collect.mix = mix,
            None => actor = Some(acting_model(policy, &sim)?),
        }
    }
    let images = !args.no_images;
    let view = config.view(&sim, images);
    watch::open(session, &args.watch, &sim, &view, Purpose::Collect)?;
    if let (Some(policy), Some((model, _))) = (&args.policy, &actor) {
        let (run, _) = RunDir::find(Path::new(policy))?;
        watch::imagine(session, &sim, model, &Displays::read(&run, model)?)?;
    }
    let collector = Collector { actor: actor.as_ref(), round: 0 };
    let summary = collect(session, &sim, &config, collector, images, &args.out)?;
    let text = format!(
        "{} episodes, {} frames, {:.1} MB in {out}\nlook at them: housecat view {out}\n",
        summary.episodes,
        summary.frames,
        summary.bytes as f64 / 1e6,
        out = args.out.display(),
    );
    let document = json!({
        "sim": sim.name(), "dataset": args.out, "episodes": summary.episodes, "frames": summary.frames,
        "bytes": summary.bytes, "seconds": summary.seconds,
    });
    session.result(&document, &text)
}

fn acting_model(policy: &str, sim: &Sim) -> anyhow::Result<(WorldModel, Option<Memory>)> {
    let (run, checkpoint) = RunDir::find(Path::new(policy)).with_context(|| {
        format!("--policy {policy} is neither random, scripted, oracle nor the folder of a run")
    })?;
    let model = load_model(&checkpoint)?;
    if model.spec().sim != sim.name() {
        bail!(
            "--policy {policy}: its model was trained on `{}`, not on `{}`",
            model.spec().sim,
            sim.name()
        );
    }
    Ok((model, memory(&run)?))
}

/// What a collection gave.
pub struct Collected {
    /// Episodes in the dataset.
    pub episodes: usize,
    /// Frames in the dataset.
    pub frames: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Wall-clock seconds of this call.
    pub seconds: f64,
}

/// Who acts, and in which round of learning: each has seeds of its own.
#[derive(Clone, Copy, Default)]
pub struct Collector<'a> {
    /// A trained model's planner; the configured mix if there is none.
    pub actor: Option<&'a (WorldModel, Option<Memory>)>,
    /// 0 before the first training.
    pub round: u64,
}

/// Collects what is missing of a dataset and seals it.
///
/// # Errors
/// If the folder holds something else, an episode cannot be written, or the user interrupts; episodes
/// acknowledged so far are kept then.
pub fn collect(
    session: &Session,
    sim: &Sim,
    config: &RunConfig,
    Collector { actor, round }: Collector<'_>,
    images: bool,
    out: &Path,
) -> anyhow::Result<Collected> {
    let started = Instant::now();
    let threads = session.threads()?;
    let mut view = config.view(sim, images);
    if let Some(seen) = actor.filter(|_| images).and_then(|(model, _)| model.spec().input.image()) {
        if let Some(side) = config.image
            && [seen.width, seen.height] != [side; 2]
        {
            bail!(
                "`image` is {side}, but the model that acts sees images of {}x{}; leave `image` out",
                seen.width,
                seen.height
            );
        }
        view.images = vec![seen.clone()];
    }
    let probe = sim.env(&view)?;
    let mut provenance = BTreeMap::from([
        ("seed".to_owned(), config.seed.to_string()),
        ("steps".to_owned(), config.collect.steps.to_string()),
        ("policy".to_owned(), describe(config, actor.is_some())),
    ]);
    provenance.extend(varying(sim).map(|text| (VARY.to_owned(), text)));
    let features = Features {
        sim: sim.name().to_owned(),
        spaces: probe.spaces().clone(),
        privileged: probe.state_names(),
        provenance,
    };
    let collectors = match actor {
        Some((model, memory)) => Collectors::Model(model, memory.as_ref()),
        None => Collectors::Mix(config.collect.mix.clone()),
    };
    let beginner = Beginner::new(sim, config, collectors)?;
    let mut writer = DatasetWriter::create_or_resume(out, &features)?;
    for file in writer.damaged() {
        session.say(format!("dropped a damaged episode left by an interrupted collection: {file}"));
    }
    let total = config.collect.episodes as u64;
    let acknowledged: BTreeSet<u64> = writer.acknowledged().collect();
    if let Some(beyond) = acknowledged.range(total..).next() {
        bail!(
            "{} already holds episode {beyond}, more than the {total} asked for; ask for at least {} \
             with --episodes, or seal what is there with `housecat repair {0}`",
            out.display(),
            beyond + 1
        );
    }
    let kept = acknowledged.len() as u64;
    if kept > 0 {
        session.say(format!(
            "continuing: {kept} of {total} episodes are already in {}",
            out.display()
        ));
    }
    session.say(format!("episodes land in {}; the same command resumes", out.display()));
    let progress = Progress::new(session, "collect", total, kept, "episodes");
    let seed = Seed::new(config.seed).child("collect", round);
    let next = AtomicU64::new(0);
    let quarantined = Mutex::new(Vec::new());
    let max_steps = config.collect.steps;
    watch::about(session, Purpose::Collect);
    let live = session.live();

    let record = |index: u64| -> anyhow::Result<EncodedEpisode> {
        let mut env = sim.env(&view)?;
        let variation = seed.child("episode", index);
        // A world that explodes is given up with a report, and its number gets another seed.
        for attempt in 0..20 {
            let seed = variation.child("attempt", attempt);
            let mut episode =
                Watched { episode: Episode::default(), follower: live.as_ref().map(Live::follow) };
            let outcome = (|| {
                let (mut actor, mut rng) = beginner.begin(&mut env, seed, variation)?;
                let header = EpisodeHeader {
                    sim: sim.name().to_owned(),
                    index,
                    task: sim.description().to_owned(),
                    goal_image: None,
                };
                let options = RolloutOptions { max_steps, stop_on_success: false };
                let first = env.observe();
                rollout(&mut env, first, &mut *actor, &mut rng, options, &header, &mut episode)
                    .map_err(housecat_agent::AgentError::from)
            })();
            match outcome {
                Ok(_) => return Ok(DatasetWriter::encode(&features, index, &episode.episode)?),
                Err(housecat_agent::AgentError::Env(
                    error @ housecat_core::EnvError::NotFinite { .. },
                )) => {
                    if let Ok(mut list) = quarantined.lock() {
                        list.push(format!("episode {index}: {error}"));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        bail!("episode {index} exploded 20 times in a row; see the warnings above")
    };

    let (sender, receiver) = channel::bounded::<anyhow::Result<EncodedEpisode>>(2 * threads);
    let outcome = std::thread::scope(|scope| -> anyhow::Result<()> {
        for _ in 0..threads {
            let sender = sender.clone();
            let (next, acknowledged, record) = (&next, &acknowledged, &record);
            scope.spawn(move || {
                while !session.interrupt.is_raised() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= total {
                        break;
                    }
                    // The receiver hangs up when writing fails: there is no one to work for then.
                    if !acknowledged.contains(&index) && sender.send(record(index)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut done = kept;
        for episode in receiver {
            writer.append(episode?)?;
            done += 1;
            progress.set(done, String::new);
        }
        Ok(())
    });
    for report in quarantined.into_inner().unwrap_or_default() {
        tracing::warn!("quarantined {report}");
    }
    outcome.with_context(|| format!("collecting into {}", out.display()))?;
    progress.finish();
    if session.interrupt.is_raised() {
        return Err(session.interrupted());
    }
    let summary = writer.finish()?;
    if let Some(varied) = varying(sim) {
        // A function of the seed: the same for episodes of this call and of interrupted ones before it.
        let levels = |index| sim.levels(seed.child("episode", index));
        let document = json!({
            "vary": varied, "factors": sim.varying(), "episodes": (0..total).map(levels).collect::<Vec<_>>(),
        });
        let text = serde_json::to_string_pretty(&document)?;
        write_whole(&out.join(VARIATIONS), text.as_bytes())?;
    }
    Ok(Collected {
        episodes: summary.episodes,
        frames: summary.frames,
        bytes: housecat_data::Dataset::open(out)?.bytes(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// An episode that is kept, and perhaps watched.
struct Watched {
    episode: Episode,
    follower: Option<Follower>,
}

impl Recorder for Watched {
    fn begin(&mut self, header: &EpisodeHeader) {
        self.follower.iter_mut().for_each(|follower| follower.begin(header));
        self.episode.begin(header);
    }

    fn record(&mut self, step: StepRecord) {
        self.follower.iter().for_each(|follower| follower.see(&step));
        self.episode.record(step);
    }

    fn end(&mut self, summary: &EpisodeSummary) {
        self.follower.iter_mut().for_each(|follower| follower.end(summary));
        self.episode.end(summary);
    }
}

/// The file of a dataset that says what was varied, and the levels of each episode.
pub const VARIATIONS: &str = "meta/variations.json";

/// The entry of a dataset's provenance that says what was varied.
pub const VARY: &str = "vary";

/// What varies in a sim, as it was asked for; `None` if nothing does.
pub fn varying(sim: &Sim) -> Option<String> {
    let texts: Vec<String> =
        sim.varying().iter().map(|(name, levels)| format!("{name}={levels}")).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn describe(config: &RunConfig, planned: bool) -> String {
    match planned {
        true => "a trained model's planner".to_owned(),
        false => {
            let shares: Vec<String> = config
                .collect
                .mix
                .iter()
                .map(|share| {
                    format!("{} {}", format!("{:?}", share.policy).to_lowercase(), share.share)
                })
                .collect();
            shares.join(", ")
        }
    }
}

/// Whether a run's dataset needs images.
pub fn wants_images(config: &RunConfig) -> bool {
    config.input.sees()
}
