//! `housecat view`: a run, a dataset or a sim in the rerun viewer, or as a recording.

use crate::args::{HowArg, VaryArg, ViewArgs};
use crate::command::eval;
use crate::displays::Displays;
use crate::run_dir::RunDir;
use crate::session::Session;
use crate::{sims, spectator};
use anyhow::bail;
use housecat_agent::RandomPolicy;
use housecat_core::{
    Actor as _, Env as _, EpisodeHeader, EpisodeSummary, Recorder as _, ResetOptions,
    RolloutOptions, Seed, State, StepRecord, Transition, rollout,
};
use housecat_data::Dataset;
use housecat_sim::Sim;
use housecat_view::{RerunRecorder, Sink, Stage};
use serde_json::json;
use std::path::Path;

/// The command.
pub fn run(session: &Session, args: &ViewArgs) -> anyhow::Result<()> {
    let sink = match (&args.save, &args.connect) {
        (Some(path), _) => Sink::File(path.clone()),
        (None, Some(url)) => Sink::Connect(url.clone()),
        (None, None) => Sink::Spawn,
    };
    if args.episodes == 0 {
        bail!("--episodes 0: show at least one");
    }
    let path = Path::new(&args.thing);
    if RunDir::find(path).is_ok() {
        let mut loaded = eval::load(session, path, &HowArg::default())?;
        loaded.sim = loaded.sim.varied(&args.vary.vary)?;
        spectator::show_episodes(session, &loaded, sink, args.episodes)?;
    } else if path.join("meta/info.json").is_file() {
        as_recorded(&args.vary)?;
        dataset(session, path, sink, args.episodes)?;
    } else if path.join("dataset/meta/info.json").is_file() {
        as_recorded(&args.vary)?;
        dataset(session, &path.join("dataset"), sink, args.episodes)?;
    } else if path.is_dir() && !path.join("sim.toml").is_file() {
        bail!("{} is neither a run with a trained model, nor a dataset, nor a sim", path.display());
    } else {
        let world = sims::load(&args.thing)?.varied(&args.vary.vary)?;
        sim(session, &world, sink, args.episodes)?;
    }
    let text = match &args.save {
        Some(path) => format!("recorded {}; open it with: rerun {0}", path.display()),
        None => "sent to the viewer".to_owned(),
    };
    session.result(&json!({ "thing": args.thing, "recording": args.save }), &text)
}

/// Refuses to vary what is recorded.
fn as_recorded(vary: &VaryArg) -> anyhow::Result<()> {
    if !vary.vary.is_empty() {
        bail!("--vary: the episodes of a dataset are as they were recorded; view its sim instead");
    }
    Ok(())
}

/// Episodes of random action in a sim.
fn sim(session: &Session, sim: &Sim, sink: Sink, episodes: usize) -> anyhow::Result<()> {
    let view = sim.default_view();
    let mut env = sim.env(&view)?;
    let mut recorder = spectator::recorder(sink, sim, &view, &Displays::default())?;
    let seed = Seed::new(session.common.seed.unwrap_or(0));
    let mut random = RandomPolicy::new(env.spaces().action.dim());
    for index in 0..episodes as u64 {
        let seed = seed.child("episode", index);
        let mut rng = seed.child("actor", 0).rng();
        let first = env.reset(seed, &ResetOptions::default())?;
        let header = EpisodeHeader {
            sim: sim.name().to_owned(),
            index,
            task: match sim.scripted() {
                Some(_) => "the scripted policy collects".to_owned(),
                None => "random action".to_owned(),
            },
            goal_image: None,
        };
        let options = RolloutOptions { max_steps: env.max_steps(), stop_on_success: false };
        match sim.scripted() {
            Some(mut scripted) => {
                scripted.reset();
                rollout(&mut env, first, &mut scripted, &mut rng, options, &header, &mut recorder)?
            }
            None => {
                rollout(&mut env, first, &mut random, &mut rng, options, &header, &mut recorder)?
            }
        };
        if session.interrupt.is_raised() {
            break;
        }
    }
    Ok(recorder.finish()?)
}

/// Recorded episodes: images, actions and states; a dataset does not hold the bodies' poses.
fn dataset(session: &Session, path: &Path, sink: Sink, episodes: usize) -> anyhow::Result<()> {
    let dataset = Dataset::open(path)?;
    let features = dataset.features();
    let sim = sims::load(&features.sim)?;
    let stage = Stage { sim: sim.name(), scene: sim.scene(), spaces: &features.spaces };
    let mut recorder = RerunRecorder::new(sink, &stage)?;
    for index in 0..episodes.min(dataset.episodes().len()) {
        let episode = dataset.episode(index)?;
        recorder.begin(&EpisodeHeader {
            sim: features.sim.clone(),
            index: index as u64,
            task: episode.task.clone(),
            goal_image: None,
        });
        let (mut summary, mut frames) = (EpisodeSummary::default(), episode.frames);
        let state = |values: &[f32]| State(values.iter().map(|&value| f64::from(value)).collect());
        if let Some(last) = frames.pop() {
            summary.last_state = state(&last.privileged);
            summary.last_observation = last.observation;
        }
        for (step, frame) in frames.into_iter().enumerate() {
            summary.steps = step as u64 + 1;
            summary.total_reward += f64::from(frame.reward);
            recorder.record(StepRecord {
                step: step as u64,
                time_secs: step as f64 / features.spaces.control_hz,
                observation: frame.observation,
                poses: Vec::new(),
                state: state(&frame.privileged),
                action: frame.action,
                transition: Transition {
                    reward: frame.reward,
                    terminated: frame.terminated,
                    truncated: frame.truncated,
                    time_secs: (step + 1) as f64 / features.spaces.control_hz,
                    ..Transition::default()
                },
                plan: None,
            });
        }
        recorder.end(&summary);
        if session.interrupt.is_raised() {
            break;
        }
    }
    Ok(recorder.finish()?)
}
