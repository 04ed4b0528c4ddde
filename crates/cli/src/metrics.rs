//! Training metrics: `metrics.jsonl`, one object a line, and TensorBoard events beside it.

use crate::run_dir::RunDir;
use crate::tensorboard::EventWriter;
use anyhow::Context as _;
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions};
use std::io::Write as _;

/// Appends metrics of a run.
pub struct Metrics {
    lines: File,
    events: EventWriter,
}

impl Metrics {
    /// Opens the run's files. A resumed run drops the lines after `step`, which will be written again.
    pub fn open(run: &RunDir, step: u64) -> anyhow::Result<Self> {
        let path = run.metrics();
        let kept: String = read(run)
            .into_iter()
            .filter(|line| line.get("step").and_then(Value::as_u64).is_some_and(|at| at <= step))
            .map(|line| format!("{}\n", Value::Object(line)))
            .collect();
        crate::run_dir::write_whole(&path, kept.as_bytes())?;
        let lines = OpenOptions::new()
            .append(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        let events =
            EventWriter::create(run.path()).with_context(|| run.path().display().to_string())?;
        Ok(Self { lines, events })
    }

    /// Adds one step's values, which are the same for the same seed, and its timings, which are not
    /// and go to TensorBoard only: equal runs have equal lines.
    pub fn add(
        &mut self,
        step: u64,
        values: Vec<(String, f32)>,
        timings: &[(&str, f32)],
    ) -> anyhow::Result<()> {
        let mut line = Map::new();
        line.insert("step".into(), step.into());
        for (name, value) in &values {
            line.insert(name.clone(), (*value).into());
        }
        writeln!(self.lines, "{}", Value::Object(line))
            .context("cannot write metrics.jsonl; check free space")?;
        let timings = timings.iter().map(|(name, value)| (name.to_string(), *value));
        let scalars: Vec<_> = values.into_iter().chain(timings).collect();
        self.events
            .scalars(step, &scalars)
            .context("cannot write TensorBoard events; check free space")
    }
}

/// The lines of a run's metrics; malformed ones (a torn last line) are passed over.
pub fn read(run: &RunDir) -> Vec<Map<String, Value>> {
    let text = std::fs::read_to_string(run.metrics()).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The loss at each line of a run's metrics; not a number where it was not one.
pub fn losses(run: &RunDir) -> Vec<f32> {
    let loss =
        |line: &Map<String, Value>| Some(line.get("train/loss")?.as_f64().unwrap_or(f64::NAN));
    read(run).iter().filter_map(loss).map(|loss| loss as f32).collect()
}
