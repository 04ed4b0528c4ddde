//! What watching costs the work.

use super::Rate;
use crate::command::collect::{self, Collector};
use crate::config::RunConfig;
use crate::session::Session;
use crate::spectator;
use housecat_sim::Sim;
use housecat_view::{Live, Purpose, Sink, processor_time};
use std::path::Path;
use std::time::{Duration, Instant};

/// The most that watching may add, in percent.
const BAR: f64 = 3.0;

/// Steps of an episode, at most: episodes are shown whole, and every round shall have its share of those that are.
const STEPS: usize = 25;

/// Seconds of a round, about: in less, not even one such episode would be shown at the default rate.
const ROUND: f64 = 1.0;

/// Episodes of the first round, which tells how many make up a round.
const TRIAL: usize = 40;

/// Pairs of rounds, at least: with fewer, there is no 95 % interval.
const PAIRS: usize = 6;

/// What a collection takes a frame.
#[derive(Clone, Copy)]
struct Taken {
    wall: f64,
    processor: f64,
    /// Of the processor time, what displaying took.
    display: f64,
}

/// Collections (all threads, dataset included), unwatched and watched at the default rate by a recorder that writes a
/// file, in turns: frames a second, and by how much processor and wall-clock time a frame of neighbours differ. The
/// recording stays open from round to round, so that it is the watching that is measured; what it takes to open and
/// close it stands by itself.
pub fn watching(session: &Session, sim: &Sim, budget: Duration) -> anyhow::Result<Vec<Rate>> {
    let folder = std::env::temp_dir().join(format!("housecat-bench-{}", std::process::id()));
    let measured = measure(session, sim, &folder, budget);
    // After an error, too.
    session.end_watch();
    // Best effort: it is a temporary folder.
    let _ = std::fs::remove_dir_all(&folder);
    let Measured { pairs, ends } = measured?;
    let rates = |of: fn(&(Taken, Taken)) -> f64| pairs.iter().map(of).collect();
    let added = |with: f64, without: f64| 100.0 * (with / without - 1.0);
    let rate = |what: &str, unit, bar, rounds| Rate {
        name: format!("{} {what}", sim.name()),
        unit,
        rounds,
        bar,
    };
    let frames = "frames/s, all threads";
    let processor = pairs.iter().map(|(a, b)| added(b.processor, a.processor)).collect();
    let wall = pairs.iter().map(|(a, b)| added(b.wall, a.wall)).collect();
    Ok(vec![
        rate("collect, unwatched", frames, None, rates(|(without, _)| 1.0 / without.wall)),
        rate("collect, watched", frames, None, rates(|(_, with)| 1.0 / with.wall)),
        rate("watching adds", "% of the processor time", Some(BAR), processor),
        rate("watching adds, by the clock", "% of the time", Some(BAR), wall),
        rate(
            "displaying",
            "% of the processor time, as counted",
            None,
            rates(|(_, with)| 100.0 * with.display / with.processor),
        ),
        rate("opening and closing a recording", "ms of processor time, once", None, vec![ends]),
    ])
}

struct Measured {
    /// Without and with.
    pairs: Vec<(Taken, Taken)>,
    /// Milliseconds that it took to open and close the recording.
    ends: f64,
}

fn measure(
    session: &Session,
    sim: &Sim,
    folder: &Path,
    budget: Duration,
) -> anyhow::Result<Measured> {
    let mut config =
        RunConfig::load(sim, sim.name(), None, session.common.seed, &session.common.set)?;
    config.collect.steps = config.collect.steps.min(STEPS);
    config.collect.episodes = TRIAL;
    std::fs::create_dir_all(folder)?;
    let images = config.input.sees();

    let before = processor_time();
    let sink = Sink::File(folder.join("watched.rrd"));
    let view = config.view(sim, images);
    let recorder = spectator::recorder(session, sink, sim, &view, Purpose::Collect)?;
    let live = Live::new(recorder, Live::HZ);
    let opening = processor_time() - before;

    let round = |config: &RunConfig, watched: bool| -> anyhow::Result<Taken> {
        let out = folder.join("dataset");
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        if watched {
            session.watch(live.clone());
            live.resume();
        }
        let (wall, processor, shown) = (Instant::now(), processor_time(), live.count().cost);
        let done = collect::collect(session, sim, config, Collector::default(), images, &out);
        let wall = wall.elapsed().as_secs_f64();
        if watched {
            // The display may be a little behind: that is part of what it takes.
            live.rest();
            session.unwatch();
        }
        let frames = done?.frames as f64;
        let display = live.count().cost.saturating_sub(shown).as_secs_f64();
        let processor = (processor_time() - processor).as_secs_f64();
        Ok(Taken { wall: wall / frames, processor: processor / frames, display: display / frames })
    };
    live.rest();
    // Nothing is warm in the first round; the second says how long one takes.
    round(&config, false)?;
    let clock = Instant::now();
    round(&config, false)?;
    let episodes = TRIAL as f64 * ROUND / clock.elapsed().as_secs_f64();
    config.collect.episodes = (episodes.ceil() as usize).max(session.threads()?);
    // The first episode is shown whatever it takes, and brings the layout: once a recording, not once a round.
    round(&config, true)?;
    let started = Instant::now();
    let mut pairs = Vec::new();
    while pairs.len() < PAIRS || started.elapsed() < budget {
        // Who goes first changes, so that a machine that gets slower is no advantage.
        pairs.push(match pairs.len() % 2 {
            0 => (round(&config, false)?, round(&config, true)?),
            _ => {
                let with = round(&config, true)?;
                (round(&config, false)?, with)
            }
        });
    }
    let before = processor_time();
    session.watch(live.clone());
    session.end_watch();
    let ends = opening + (processor_time() - before);
    Ok(Measured { pairs, ends: 1e3 * ends.as_secs_f64() })
}
