//! The report of a run, from what its folder holds.

use crate::clock;
use crate::command::eval;
use crate::config::RunConfig;
use crate::metrics;
use crate::quality;
use crate::run_dir::RunDir;
use anyhow::Context as _;
use housecat_agent::{Arm, Difficulty, EvalReport};
use housecat_core::Protocol;
use housecat_view::{
    ArmRow, Curve, DifficultyRow, FactorRow, PlanTiming, Report, ReturnRow, Strip,
};
use std::collections::BTreeMap;

/// The results of a run's last evaluation, the moderate ones first; only those that are there.
///
/// # Errors
/// If a file of results cannot be read.
pub fn results(run: &RunDir) -> anyhow::Result<Vec<EvalReport>> {
    let mut reports = Vec::new();
    for protocol in Protocol::ALL {
        let path = run.eval().join(format!("{}.json", protocol.name()));
        if path.is_file() {
            let text =
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let report = serde_json::from_str(&text).with_context(|| {
                format!("{} holds no results; evaluate the run again", path.display())
            })?;
            reports.push(report);
        }
    }
    Ok(reports)
}

/// The report, with film strips made elsewhere.
///
/// # Errors
/// If there are no results, or the configuration cannot be written as TOML.
pub fn report(
    config: &RunConfig,
    run: &RunDir,
    reports: &[EvalReport],
    strips: Vec<Strip>,
) -> anyhow::Result<Report> {
    let first = reports.first().context("a report needs results")?;
    let quality = first.quality.as_ref();
    let mut curves = curves(run);
    curves.extend(quality.into_iter().flat_map(|it| quality::curves(it, first.action_repeat)));
    let provenance = std::fs::read_to_string(run.provenance()).unwrap_or_default();
    let provenance: BTreeMap<String, String> = toml::from_str(&provenance).unwrap_or_default();
    let command = provenance.get("command").cloned().unwrap_or_default();
    let name = run.path().file_name().unwrap_or_default().to_string_lossy();
    Ok(Report {
        title: format!("{} · {name}", first.sim),
        sim: first.sim.clone(),
        outcome: outcome(reports),
        returns: returns(first),
        pair_difficulty: difficulty(&first.pair_difficulty),
        planner: planner(first),
        timing: first.plan_ms.map(|ms| PlanTiming {
            median_ms: ms.median,
            p95_ms: ms.p95,
            max_ms: ms.max,
        }),
        elite_rank_correlation: first.elite_rank_correlation,
        elite_rank_median: quality::elite_rank(first),
        probes: quality.map(quality::probes).unwrap_or_default(),
        latents: quality.map(quality::latents).unwrap_or_default(),
        curves,
        strips,
        variation: reports.iter().flat_map(variation).collect(),
        seconds: clock::seconds(run),
        config_toml: config.to_toml()?,
        provenance: provenance.into_iter().collect(),
        command,
    })
}

/// Success by protocol and arm.
pub fn outcome(reports: &[EvalReport]) -> Vec<ArmRow> {
    let rows = reports.iter().flat_map(|report| {
        Arm::ALL.into_iter().filter_map(move |arm| {
            let success = report.success.get(arm.name())?;
            Some(ArmRow {
                protocol: report.protocol.name().to_owned(),
                arm: arm.name().to_owned(),
                rate: success.rate,
                low: success.low,
                high: success.high,
                successes: success.successes,
                n: success.n,
                steps_mean: report.env_steps_mean_by_arm.get(arm.name()).copied(),
            })
        })
    });
    rows.collect()
}

/// Returns by arm; none for goal tasks.
pub fn returns(report: &EvalReport) -> Vec<ReturnRow> {
    let oracle = report.returns.get(Arm::Oracle.name()).map(|returns| returns.mean);
    let rows = Arm::ALL.iter().filter_map(|arm| {
        let returns = report.returns.get(arm.name())?;
        Some(ReturnRow {
            arm: arm.name().to_owned(),
            mean: returns.mean,
            low: returns.low,
            high: returns.high,
            n: returns.n,
            of_oracle: oracle.filter(|oracle| *oracle > 0.0).map(|oracle| returns.mean / oracle),
        })
    });
    rows.collect()
}

/// How hard pairs are, as pages show it.
pub fn difficulty(terms: &[Difficulty]) -> Vec<DifficultyRow> {
    let row = |term: &Difficulty| DifficultyRow {
        name: term.name.clone(),
        median: term.median,
        unit: term.unit.clone(),
    };
    terms.iter().map(row).collect()
}

fn planner(report: &EvalReport) -> Vec<(String, String)> {
    let (planner, search) = (&report.planner, &report.planner.search);
    let (block, steps) = (report.action_repeat, planner.steps(report.action_repeat));
    let mut rows = vec![
        ("solver", planner.solver.name().to_owned()),
        ("candidates a round", search.samples.to_string()),
        ("rounds, then warm", format!("{}, {}", search.iterations, search.warm_iterations)),
        ("horizon", format!("{} blocks of {block} control steps", search.horizon)),
        ("executed before replanning", format!("{steps} control steps")),
    ];
    if let Some(ms) = search.deadline_ms {
        rows.push(("deadline", format!("{ms} ms")));
    }
    if report.cut > 0.0 {
        rows.push(("left unpriced by deadlines", format!("{:.1} %", 100.0 * report.cut)));
    }
    if report.fallbacks > 0 {
        rows.push(("plans that came too late", report.fallbacks.to_string()));
    }
    rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Success by the levels of what varied.
fn variation(report: &EvalReport) -> Vec<FactorRow> {
    let rows = report.success_by_factor.iter().flat_map(|(factor, parts)| {
        parts.iter().map(move |part| FactorRow {
            protocol: report.protocol.name().to_owned(),
            factor: factor.clone(),
            levels: eval::levels(&part.levels),
            rate: part.success.rate,
            low: part.success.low,
            high: part.success.high,
            successes: part.success.successes,
            n: part.success.n,
        })
    });
    rows.collect()
}

/// The run's metrics as curves: one chart for the terms of the loss, one for held-out prediction.
fn curves(run: &RunDir) -> Vec<Curve> {
    let mut curves: BTreeMap<String, Curve> = BTreeMap::new();
    for line in metrics::read(run) {
        let Some(step) = line.get("step").and_then(serde_json::Value::as_f64) else { continue };
        for (key, value) in &line {
            let Some((side, name)) = key.split_once('/') else { continue };
            let chart = match (side, name) {
                ("train", "learning_rate" | "grad_norm") => continue,
                ("train", _) => "training loss",
                _ => "held-out prediction error",
            };
            if let Some(value) = value.as_f64() {
                let curve = curves.entry(key.clone()).or_insert_with(|| Curve {
                    chart: chart.to_owned(),
                    name: name.replace('_', " "),
                    points: Vec::new(),
                    log_scale: true,
                });
                curve.points.push((step, value));
            }
        }
    }
    curves.into_values().collect()
}
