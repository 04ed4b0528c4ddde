//! `housecat verify`, `repair` and `merge`: keeping datasets sound.

use crate::args::{MergeArgs, PathArg};
use crate::command::collect::VARIATIONS;
use crate::run_dir::write_whole;
use crate::session::Session;
use anyhow::{Context as _, bail};
use housecat_data::{Dataset, Summary};
use serde_json::{Value, json};
use std::path::Path;

/// `housecat verify`
pub fn verify(session: &Session, args: &PathArg) -> anyhow::Result<()> {
    let report = housecat_data::verify(&args.path, session.threads()?);
    let text = match report.is_sound() {
        true => format!(
            "{}: sound ({} episodes, {} frames)",
            args.path.display(),
            report.episodes,
            report.frames
        ),
        false => report.problems.join("\n"),
    };
    session.result(
        &json!({ "dataset": args.path, "sound": report.is_sound(), "report": report }),
        &text,
    )?;
    match report.is_sound() {
        true => Ok(()),
        false => bail!(
            "{}: {} problems; try `housecat repair {0}`",
            args.path.display(),
            report.problems.len()
        ),
    }
}

/// `housecat repair`
pub fn repair(session: &Session, args: &PathArg) -> anyhow::Result<()> {
    let report = housecat_data::repair(&args.path, session.threads()?)?;
    let mut text = match report.actions.is_empty() {
        true => "nothing to repair\n".to_owned(),
        false => format!("{}\n", report.actions.join("\n")),
    };
    text.push_str(&format!(
        "{}: {} episodes, {} frames\n",
        args.path.display(),
        report.episodes,
        report.frames
    ));
    session.result(&json!({ "dataset": args.path, "report": report }), &text)
}

/// `housecat merge`
pub fn merge(session: &Session, args: &MergeArgs) -> anyhow::Result<()> {
    let inputs: Vec<&Path> = args.datasets.iter().map(AsRef::as_ref).collect();
    let summary = join(&inputs, &args.out)?;
    let text =
        format!("{}: {} episodes, {} frames", args.out.display(), summary.episodes, summary.frames);
    session.result(
        &json!({ "dataset": args.out, "episodes": summary.episodes, "frames": summary.frames }),
        &text,
    )
}

/// Datasets one after the other, with what was varied in them.
///
/// # Errors
/// If they do not fit each other or something stands in the way of the output.
pub fn join(datasets: &[&Path], out: &Path) -> anyhow::Result<Summary> {
    let variations = join_variations(datasets)?;
    let summary = housecat_data::merge(datasets, out)?;
    if let Some(variations) = variations {
        let text = serde_json::to_string_pretty(&variations)?;
        write_whole(&out.join(VARIATIONS), text.as_bytes())?;
    }
    Ok(summary)
}

/// What was varied in each episode of the datasets, one after the other; `None` if nothing was in any.
fn join_variations(datasets: &[&Path]) -> anyhow::Result<Option<Value>> {
    let (mut episodes, mut varied) = (Vec::new(), Vec::new());
    for dataset in datasets {
        let path = dataset.join(VARIATIONS);
        let start = episodes.len();
        let count = Dataset::open(dataset)?.episodes().len();
        if path.is_file() {
            let text =
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let document: Value = serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged", path.display()))?;
            let own = document["episodes"].as_array();
            episodes.extend(own.into_iter().flatten().take(count).cloned());
            varied.extend(document["vary"].as_str().map(str::to_owned));
        }
        // What was not varied has no levels.
        episodes.resize(start + count, json!({}));
    }
    varied.dedup();
    let any = !varied.is_empty();
    Ok(any.then(|| json!({ "vary": varied.join("; "), "episodes": episodes })))
}
