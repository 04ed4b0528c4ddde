//! `housecat verify`, `repair` and `merge`: keeping datasets sound.

use crate::args::{MergeArgs, PathArg};
use crate::session::Session;
use anyhow::bail;
use serde_json::json;
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
    let summary = housecat_data::merge(&inputs, &args.out)?;
    let text =
        format!("{}: {} episodes, {} frames", args.out.display(), summary.episodes, summary.frames);
    session.result(
        &json!({ "dataset": args.out, "episodes": summary.episodes, "frames": summary.frames }),
        &text,
    )
}
