//! `housecat inspect`: what a run, a checkpoint or a dataset holds.

use crate::args::PathArg;
use crate::command::eval;
use crate::run_dir::RunDir;
use crate::session::Session;
use anyhow::bail;
use housecat_agent::EvalReport;
use housecat_core::Protocol;
use housecat_data::Dataset;
use housecat_model::load_model;
use serde_json::{Value, json};
use std::path::Path;

/// The command.
pub fn run(session: &Session, args: &PathArg) -> anyhow::Result<()> {
    let path = &args.path;
    if path.join("meta").is_dir() || path.join(".staging").is_dir() {
        return dataset(session, path);
    }
    if let Ok((run, checkpoint)) = RunDir::find(path) {
        return model(session, &run, &checkpoint);
    }
    if path.join("dataset").is_dir() {
        return dataset(session, &path.join("dataset"));
    }
    bail!("{} is neither a run, nor a checkpoint, nor a dataset", path.display())
}

fn dataset(session: &Session, path: &Path) -> anyhow::Result<()> {
    let dataset = Dataset::open(path)?;
    let features = dataset.features();
    let (episodes, frames) = (dataset.episodes().len(), dataset.frames());
    let mut text = format!(
        "dataset {}: sim {}, {episodes} episodes, {frames} frames, {:.1} MB in {} files\n",
        path.display(),
        features.sim,
        dataset.bytes() as f64 / 1e6,
        dataset.files()
    );
    text.push_str(&format!("  actions     {}\n", features.spaces.action.names.join(", ")));
    text.push_str(&format!("  state       {}\n", features.spaces.observation.state.join(", ")));
    for image in &features.spaces.observation.images {
        text.push_str(&format!(
            "  image       {} {}x{}\n",
            image.camera, image.width, image.height
        ));
    }
    for (key, value) in &features.provenance {
        text.push_str(&format!("  {key:<11} {value}\n"));
    }
    let document = json!({
        "dataset": path, "features": features, "episodes": episodes, "frames": frames, "bytes": dataset.bytes(),
        "tasks": dataset.tasks(),
    });
    session.result(&document, &text)
}

fn model(session: &Session, run: &RunDir, checkpoint: &Path) -> anyhow::Result<()> {
    let model = load_model(checkpoint)?;
    let spec = model.spec();
    let mut text = format!(
        "run {}: a model of `{}` with {} parameters, latents of {}, blocks of {} control steps\n",
        run.path().display(),
        spec.sim,
        model.parameters(),
        spec.model.latent_dim,
        spec.model.action_repeat
    );
    let reports: Vec<EvalReport> = Protocol::ALL
        .iter()
        .filter_map(|protocol| {
            std::fs::read_to_string(run.eval().join(format!("{}.json", protocol.name()))).ok()
        })
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect();
    if reports.is_empty() {
        text.push_str("not evaluated yet: housecat eval RUN\n");
    } else {
        text.push_str(&eval::summary(&reports));
    }
    let evaluations: Vec<Value> =
        reports.iter().map(eval::document).collect::<anyhow::Result<_>>()?;
    let document = json!({
        "run": run.path(), "checkpoint": checkpoint, "spec": spec, "parameters": model.parameters(), "eval": evaluations,
    });
    session.result(&document, &text)
}
