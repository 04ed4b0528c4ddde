//! How long the stages of a run took, by the clock on the wall: `seconds.json`.

use crate::run_dir::{RunDir, write_whole};
use std::collections::BTreeMap;
use std::time::Instant;

/// The stages, in their order.
const STAGES: [&str; 3] = ["collect", "train", "evaluate"];

/// Times a stage of a run until it is dropped, whether it was finished or interrupted: what comes later is added. Of a
/// process that was killed nothing is known.
pub struct StageClock {
    run: RunDir,
    stage: &'static str,
    started: Instant,
}

impl StageClock {
    /// Of a stage that began at `started` (`collect`, `train` or `evaluate`).
    pub fn since(started: Instant, run: &RunDir, stage: &'static str) -> Self {
        Self { run: run.clone(), stage, started }
    }
}

impl Drop for StageClock {
    fn drop(&mut self) {
        let mut seconds = read(&self.run);
        *seconds.entry(self.stage.to_owned()).or_default() += self.started.elapsed().as_secs_f64();
        // No work is worth losing for its duration.
        let written = serde_json::to_vec_pretty(&seconds).map_err(anyhow::Error::from);
        if let Err(error) = written.and_then(|text| write_whole(&self.run.seconds(), &text)) {
            tracing::warn!("how long it took is not kept: {error:#}");
        }
    }
}

fn read(run: &RunDir) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(run.seconds()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Seconds by stage, with those of the rounds before the last; empty if none are known.
pub fn seconds(run: &RunDir) -> Vec<(String, f64)> {
    let rounds = (0..).map(|round| run.round(round)).take_while(|round| round.path().is_dir());
    let all: Vec<_> = std::iter::once(run.clone()).chain(rounds).map(|run| read(&run)).collect();
    let stage = |stage: &&str| {
        let known: Vec<f64> =
            all.iter().filter_map(|seconds| seconds.get(*stage)).copied().collect();
        (!known.is_empty()).then(|| ((*stage).to_owned(), known.iter().sum()))
    };
    STAGES.iter().filter_map(stage).collect()
}
