//! What watching costs the work.

use super::Rate;
use crate::args::VIEW_HZ;
use crate::command::collect::{self, Collector};
use crate::config::RunConfig;
use crate::session::Session;
use crate::spectator;
use housecat_sim::Sim;
use housecat_view::{Live, Purpose, Sink};
use std::path::Path;
use std::time::{Duration, Instant};

/// Episodes of one round, at most.
const EPISODES: usize = 100;

/// Frames a second of a whole collection (all threads, dataset included), unwatched and watched at the default rate by a
/// recorder that writes a file, in turns; and by how much the time of a pair of neighbours differs.
pub fn watching(session: &Session, sim: &Sim, budget: Duration) -> anyhow::Result<Vec<Rate>> {
    let mut config =
        RunConfig::load(sim, sim.name(), None, session.common.seed, &session.common.set)?;
    config.collect.episodes = config.collect.episodes.min(EPISODES);
    let folder = std::env::temp_dir().join(format!("housecat-bench-{}", std::process::id()));
    let measured = pairs(session, sim, &config, &folder, budget);
    session.end_watch();
    // Best effort: it is a temporary folder.
    let _ = std::fs::remove_dir_all(&folder);
    let (unwatched, watched): (Vec<f64>, Vec<f64>) = measured?.into_iter().unzip();
    let added =
        unwatched.iter().zip(&watched).map(|(without, with)| 100.0 * (without / with - 1.0));
    let added = added.collect();
    let frames = "frames/s, all threads";
    Ok(vec![
        Rate {
            name: format!("{} collect, unwatched", sim.name()),
            unit: frames,
            rounds: unwatched,
        },
        Rate { name: format!("{} collect, watched", sim.name()), unit: frames, rounds: watched },
        Rate {
            name: format!("{} watching adds", sim.name()),
            unit: "% of the time",
            rounds: added,
        },
    ])
}

/// Frames a second without and with, round by round.
fn pairs(
    session: &Session,
    sim: &Sim,
    config: &RunConfig,
    folder: &Path,
    budget: Duration,
) -> anyhow::Result<Vec<(f64, f64)>> {
    std::fs::create_dir_all(folder)?;
    let images = config.input.sees();
    let view = config.view(sim, images);
    let round = |watched: bool| -> anyhow::Result<f64> {
        let out = folder.join("dataset");
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        if watched {
            let sink = Sink::File(folder.join("watched.rrd"));
            let recorder = spectator::recorder(session, sink, sim, &view, Purpose::Collect)?;
            session.watch(Live::new(recorder, VIEW_HZ));
        }
        let clock = Instant::now();
        let done = collect::collect(session, sim, config, Collector::default(), images, &out)?;
        session.end_watch();
        Ok(done.frames as f64 / clock.elapsed().as_secs_f64())
    };
    round(false)?;
    let started = Instant::now();
    let mut rates = Vec::new();
    while rates.len() < 3 || started.elapsed() < budget {
        // Who goes first changes, so that a machine that gets slower is no advantage.
        rates.push(match rates.len() % 2 {
            0 => {
                let without = round(false)?;
                (without, round(true)?)
            }
            _ => {
                let with = round(true)?;
                (round(false)?, with)
            }
        });
    }
    Ok(rates)
}
