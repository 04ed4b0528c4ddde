//! `housecat report`: the page of a run, or of several side by side.

mod several;

use crate::args::{HowArg, ReportArgs};
use crate::command::eval;
use crate::config::RunConfig;
use crate::page;
use crate::run_dir::RunDir;
use crate::session::Session;
use crate::spectator;
use anyhow::{Context as _, bail};
use housecat_agent::EvalReport;
use serde_json::json;
use std::path::Path;

/// The command.
pub fn run(session: &Session, args: &ReportArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    match args.runs.as_slice() {
        [one] => rebuild(session, one, args.out.as_deref()),
        several => several::side_by_side(session, several, args.out.as_deref()),
    }
}

/// The results of a run, of which there must be some.
fn results(run: &RunDir) -> anyhow::Result<Vec<EvalReport>> {
    let reports = page::results(run)?;
    if reports.is_empty() {
        let path = run.path().display();
        bail!("{path} has not been evaluated; do so with `housecat eval {path}`");
    }
    Ok(reports)
}

/// The page of one run.
fn rebuild(session: &Session, path: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    let mut loaded = eval::load(session, path, &HowArg::default())?;
    let reports = results(&loaded.run)?;
    let shown = loaded.config.clone();
    // As it was evaluated, which need not be as the run's configuration has it.
    let first = reports.first().context("there are results")?;
    let asked = first.varied.iter().map(|(name, levels)| format!("{name}={levels}"));
    loaded.sim = loaded.sim.varied(&asked.collect::<Vec<_>>())?;
    let RunConfig { planner, oracle, eval, .. } = &mut loaded.config;
    (*planner, *oracle) = (first.planner.clone(), first.oracle_planner.clone());
    (eval.pairs, eval.seeds) = (first.pairs, first.seeds.clone());
    (eval.goal_offset, eval.budget_steps) = (first.goal_offset, first.budget_steps);
    let strips = spectator::strips_again(session, &loaded, &reports)?;
    let out = out.map_or_else(|| loaded.run.report(), Path::to_path_buf);
    page::report(&shown, &loaded.run, &reports, strips)?.save(&out)?;
    let text = format!("{}\nwritten to {}\n", eval::summary(&reports), out.display());
    let document = json!({ "run": loaded.run.path(), "report": out });
    session.result(&document, &text)
}
