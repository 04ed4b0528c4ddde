//! Rounds of learning: train, let the planner act in what was learned, add what it did, train on.
//!
//! A round before the last is a run of its own in `rounds/<n>/` (dataset, checkpoints, memory), so that each resumes as a
//! run does; the last one trains in the run's own folder.

use crate::clock::StageClock;
use crate::command::{
    collect::{self, Collector},
    eval, maintain,
    train::{self, Trained},
};
use crate::config::RunConfig;
use crate::displays::Displays;
use crate::run_dir::RunDir;
use crate::session::Session;
use crate::watch;
use housecat_data::{DataError, Dataset};
use housecat_model::load_model;
use housecat_sim::Sim;
use std::time::Instant;

/// Trains on the dataset of the run, and then as many rounds as it asks for. What was complete is left as it is.
///
/// # Errors
/// As those of [`collect::collect`] and [`train::train`].
pub fn learn(
    session: &Session,
    sim: &Sim,
    config: &RunConfig,
    dataset: Dataset,
    run: &RunDir,
) -> anyhow::Result<()> {
    let rounds = config.rounds.count;
    let folder = |round: usize| if round == rounds { run.clone() } else { run.round(round) };
    let say = |what: &str, trained: &Trained| {
        let Trained { steps, seconds, curve, .. } = trained;
        session.say(format!("{what}{steps} steps in {seconds:.0} s, loss {curve}"));
    };
    let mut learned = folder(0);
    if rounds > 0 {
        train::prepare(session, &learned, config)?;
    }
    let trained = train::train(session, config, &dataset, &learned, None)?;
    say("trained ", &trained);
    let mut dataset = dataset;
    for round in 1..=rounds {
        let config = config.rounds.of(config);
        dataset = joined(session, sim, &config, &dataset, [&learned, &run.round(round)], round)?;
        let here = folder(round);
        if round < rounds {
            train::prepare(session, &here, &config)?;
        }
        let checkpoint = learned.checkpoints().join("last");
        let trained = train::train(session, &config, &dataset, &here, Some(&checkpoint))?;
        say(&format!("round {round} of {rounds}: trained "), &trained);
        learned = here;
    }
    Ok(())
}

/// The dataset with what the planner does in the model learned so far.
fn joined(
    session: &Session,
    sim: &Sim,
    config: &RunConfig,
    before: &Dataset,
    [learned, here]: [&RunDir; 2],
    round: usize,
) -> anyhow::Result<Dataset> {
    let absent =
        |error: &DataError| matches!(error, DataError::Missing { .. } | DataError::Unsealed { .. });
    match Dataset::open(&here.dataset()) {
        Err(error) if absent(&error) => {}
        found => return Ok(found?),
    }
    match Dataset::open(&here.collected()) {
        Err(error) if absent(&error) => {
            let _clock = StageClock::since(Instant::now(), here, "collect");
            let model = load_model(&learned.checkpoints().join("last"))?;
            watch::imagine(session, sim, &model, &Displays::read(learned, &model)?)?;
            let actor = (model, eval::memory(learned)?);
            let collector = Collector { actor: Some(&actor), round: round as u64 };
            let images = collect::wants_images(config);
            let collected =
                collect::collect(session, sim, config, collector, images, &here.collected())?;
            session.say(format!(
                "round {round}: the planner recorded {} episodes in {:.0} s",
                collected.episodes, collected.seconds
            ));
        }
        found => drop(found?),
    }
    maintain::join(&[before.path(), &here.collected()], &here.dataset())?;
    Ok(Dataset::open(&here.dataset())?)
}
