//! Several runs on one page, if their success can be compared.

use super::results;
use crate::clock;
use crate::command::eval;
use crate::config::RunConfig;
use crate::console::table;
use crate::page;
use crate::quality;
use crate::run_dir::RunDir;
use crate::session::Session;
use anyhow::{Context as _, bail};
use housecat_agent::{Difficulty, EvalReport, median};
use housecat_model::{Probe, Quality, Reading};
use housecat_view::{RunColumn, RunsPage};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A run with what is compared.
struct Compared {
    name: String,
    run: RunDir,
    reports: Vec<EvalReport>,
    /// Its configuration, by dotted key.
    config: BTreeMap<String, String>,
    seconds: Vec<(String, f64)>,
}

impl Compared {
    fn read(path: &Path, name: String) -> anyhow::Result<Self> {
        let run = RunDir::find(path)?.0;
        let reports = results(&run)?;
        let mut config = RunConfig::read(&run.config(), &[])?;
        if let Some(report) = reports.first() {
            // As it was evaluated, which need not be as the run's configuration has it.
            let RunConfig { planner, oracle, eval, .. } = &mut config;
            (*planner, *oracle) = (report.planner.clone(), report.oracle_planner.clone());
            (eval.pairs, eval.seeds) = (report.pairs, report.seeds.clone());
            (eval.goal_offset, eval.budget_steps) = (report.goal_offset, report.budget_steps);
        }
        let config = toml::Value::try_from(config)?;
        let mut flat = BTreeMap::new();
        flatten("", &config, &mut flat);
        let seconds = clock::seconds(&run);
        Ok(Self { name, run, reports, config: flat, seconds })
    }

    /// The results of the looser protocol; what is not success is the same in those of the other.
    fn lead(&self) -> &EvalReport {
        &self.reports[0]
    }

    fn quality(&self) -> Option<&Quality> {
        self.lead().quality.as_ref()
    }

    fn minutes(&self) -> Option<f64> {
        let total: f64 = self.seconds.iter().map(|(_, seconds)| seconds).sum();
        (total > 0.0).then_some(total / 60.0)
    }
}

/// Writes the values of a configuration by their dotted keys; lists of plain values are values.
fn flatten(prefix: &str, value: &toml::Value, flat: &mut BTreeMap<String, String>) {
    let join = |key: &str| if prefix.is_empty() { key.into() } else { format!("{prefix}.{key}") };
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(key, inner)| flatten(&join(key), inner, flat));
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            let numbered = items.iter().zip(0..);
            numbered.for_each(|(inner, at)| flatten(&join(&format!("{at}")), inner, flat));
        }
        other => {
            flat.insert(prefix.to_owned(), other.to_string());
        }
    }
}

/// Writes the page of several runs.
///
/// # Errors
/// If a run has no results, runs cannot be compared, or the page cannot be written.
pub fn side_by_side(
    session: &Session,
    paths: &[PathBuf],
    out: Option<&Path>,
) -> anyhow::Result<()> {
    let runs = (paths.iter().zip(names(paths)))
        .map(|(path, name)| Compared::read(path, name))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (first, rest) = runs.split_first().context("there are runs")?;
    for other in rest {
        comparable(first, other)?;
    }
    let out = match out {
        Some(path) => path.to_owned(),
        None => paths[0].parent().unwrap_or(Path::new("")).join("comparison.html"),
    };
    let keys = differing(&runs);
    let page = page_of(&runs, &keys);
    page.save(&out)?;
    let text = format!("{}\nwritten to {}\n", summary(&page), out.display());
    let differences: Map<String, Value> = (keys.iter().zip(0..))
        .map(|(key, index)| {
            let values: Vec<_> = page.runs.iter().map(|run| &run.config[index]).collect();
            (key.clone(), json!(values))
        })
        .collect();
    let document = json!({
        "sim": first.lead().sim, "report": out, "pair_difficulty": first.lead().pair_difficulty,
        "runs": runs.iter().map(document).collect::<anyhow::Result<Vec<_>>>()?,
        "differences": differences,
    });
    session.result(&document, &text)
}

/// The last names of the folders; their paths where these are not all different.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let last: Vec<String> = (paths.iter())
        .map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
        .collect();
    let twice = (1..last.len()).any(|at| last[..at].contains(&last[at]));
    match twice {
        true => paths.iter().map(|path| path.display().to_string()).collect(),
        false => last,
    }
}

/// By how much medians of displacements may differ, as a share of the larger, between problems that are as hard.
const AS_HARD: f64 = 0.1;

/// Refuses two runs whose success cannot be compared.
fn comparable(one: &Compared, other: &Compared) -> anyhow::Result<()> {
    let (a, b) = (one.lead(), other.lead());
    let (left, right) = (&one.name, &other.name);
    if a.sim != b.sim {
        bail!(
            "`{left}` is a run on `{}`, `{right}` on `{}`; compare runs on the same sim",
            a.sim,
            b.sim
        );
    }
    let same = "evaluate both alike, with the same --goal-offset, --vary and `--set eval.budget_steps=N` of `housecat eval`";
    for (what, left_has, right_has) in [
        ("goal_offset", a.goal_offset.to_string(), b.goal_offset.to_string()),
        ("budget_steps", a.budget_steps.to_string(), b.budget_steps.to_string()),
        ("varied", format!("{:?}", a.varied), format!("{:?}", b.varied)),
    ] {
        if left_has != right_has {
            bail!(
                "the problems of `{left}` and `{right}` differ in `{what}` ({left_has} and {right_has}); {same}"
            );
        }
    }
    let terms = |terms: &[Difficulty]| -> Vec<String> {
        terms.iter().map(|term| format!("{} {:.3} {}", term.name, term.median, term.unit)).collect()
    };
    let as_hard = |(a, b): (&Difficulty, &Difficulty)| {
        a.name == b.name && (a.median - b.median).abs() <= AS_HARD * a.median.max(b.median)
    };
    let (hard_a, hard_b) = (&a.pair_difficulty, &b.pair_difficulty);
    if hard_a.len() != hard_b.len() || !hard_a.iter().zip(hard_b).all(as_hard) {
        bail!(
            "the problems of `{left}` and `{right}` are not as hard: pair_difficulty is {} and {}; evaluate both on the \
             same --pairs and --seeds, from experience collected alike (`[collect]`)",
            terms(hard_a).join(", "),
            terms(hard_b).join(", ")
        );
    }
    Ok(())
}

/// Keys of the configuration in which runs differ.
fn differing(runs: &[Compared]) -> Vec<String> {
    let keys: BTreeSet<&String> = runs.iter().flat_map(|run| run.config.keys()).collect();
    let differs =
        |key: &&String| runs.iter().any(|run| run.config.get(*key) != runs[0].config.get(*key));
    keys.into_iter().filter(differs).cloned().collect()
}

fn page_of(runs: &[Compared], keys: &[String]) -> RunsPage {
    let first = runs[0].lead();
    let figures: Vec<(&str, Vec<String>)> = figures(runs);
    let column = |(index, run): (usize, &Compared)| RunColumn {
        name: run.name.clone(),
        outcome: page::outcome(&run.reports),
        returns: page::returns(run.lead()),
        figures: figures.iter().map(|(_, values)| values[index].clone()).collect(),
        config: (keys.iter())
            .map(|key| run.config.get(key).cloned().unwrap_or_else(|| "–".to_owned()))
            .collect(),
    };
    RunsPage {
        title: format!("{}: {} runs", first.sim, runs.len()),
        problems: format!(
            "goals {} control steps away, budget {}; {}",
            first.goal_offset,
            first.budget_steps,
            runs.iter()
                .map(|run| {
                    let report = run.lead();
                    format!(
                        "{}: {} problems a seed, seeds {:?}",
                        run.name, report.pairs, report.seeds
                    )
                })
                .collect::<Vec<_>>()
                .join("; ")
        ),
        pair_difficulty: page::difficulty(&first.pair_difficulty),
        figures: figures.iter().map(|(name, _)| (*name).to_owned()).collect(),
        keys: keys.to_vec(),
        command: Session::command_line(),
        runs: runs.iter().enumerate().map(column).collect(),
    }
}

/// Figures by name, a value a run; those that no run has are left out.
fn figures(runs: &[Compared]) -> Vec<(&'static str, Vec<String>)> {
    type Figure<'a> = (&'static str, &'a dyn Fn(&Compared) -> Option<String>);
    let probe = |run: &Compared, of: fn(&Probe) -> Reading| {
        let r: Vec<f64> = run.quality()?.probes.iter().map(|probe| of(probe).r).collect();
        (!r.is_empty()).then(|| format!("{:.3}", median(&r)))
    };
    let all: [Figure<'_>; 11] = [
        ("minutes, from nothing to the results", &|run| Some(format!("{:.1}", run.minutes()?))),
        ("control steps to success or end", &|run| {
            Some(format!("{:.1}", run.lead().env_steps_mean))
        }),
        ("plan, median ms", &|run| Some(format!("{:.1}", run.lead().plan_ms?.median))),
        ("plan, p95 ms", &|run| Some(format!("{:.1}", run.lead().plan_ms?.p95))),
        ("rank correlation among elites, median", &|run| {
            let [median, low, high] = quality::elite_rank(run.lead())?;
            Some(format!("{median:.2} [{low:.2}, {high:.2}]"))
        }),
        ("open-loop error at the horizon, latent variances", &|run| {
            Some(format!("{:.3}", run.quality()?.open_loop.last()?))
        }),
        ("of no change", &|run| Some(format!("{:.3}", run.quality()?.copy.last()?))),
        ("linear probes, median r", &|run| probe(run, |probe| probe.linear)),
        ("perceptron probes, median r", &|run| probe(run, |probe| probe.mlp)),
        ("straightness", &|run| Some(format!("{:.3}", run.quality()?.straightness))),
        ("effective rank", &|run| {
            let quality = run.quality()?;
            Some(format!("{:.1} of {}", quality.effective_rank, quality.latent_dim))
        }),
    ];
    let values = |(name, figure): &Figure<'_>| {
        let values: Vec<Option<String>> = runs.iter().map(figure).collect();
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let known = values.iter().any(Option::is_some);
        known.then(|| (*name, values.into_iter().map(or_none).collect()))
    };
    all.iter().filter_map(values).collect()
}

/// The page as tables for people.
fn summary(page: &RunsPage) -> String {
    let mut rows =
        vec![["run", "protocol", "success", "95 % interval", "n"].map(str::to_owned).to_vec()];
    for run in &page.runs {
        for row in run.outcome.iter().filter(|row| row.arm == "model") {
            rows.push(vec![
                run.name.clone(),
                row.protocol.clone(),
                format!("{:.3}", row.rate),
                format!("[{:.3}, {:.3}]", row.low, row.high),
                format!("{}/{}", row.successes, row.n),
            ]);
        }
        for row in run.returns.iter().filter(|row| row.arm == "model") {
            rows.push(vec![
                run.name.clone(),
                "return".to_owned(),
                format!("{:.1}", row.mean),
                format!("[{:.1}, {:.1}]", row.low, row.high),
                row.n.to_string(),
            ]);
        }
    }
    let mut text = table(&rows);
    let columns = |names: &[String], values: &dyn Fn(&RunColumn, usize) -> String, head: &str| {
        let head = std::iter::once(head.to_owned());
        let mut rows: Vec<Vec<String>> =
            vec![head.chain(page.runs.iter().map(|run| run.name.clone())).collect()];
        for (index, name) in names.iter().enumerate() {
            let values = page.runs.iter().map(|run| values(run, index));
            rows.push(std::iter::once(name.clone()).chain(values).collect());
        }
        format!("\n{}", table(&rows))
    };
    if !page.figures.is_empty() {
        text += &columns(&page.figures, &|run, index| run.figures[index].clone(), "figure");
    }
    if !page.keys.is_empty() {
        text += &columns(&page.keys, &|run, index| run.config[index].clone(), "configuration");
    }
    text
}

fn document(run: &Compared) -> anyhow::Result<Value> {
    let reports: Map<String, Value> = (run.reports.iter())
        .map(|report| Ok((report.protocol.name().to_owned(), eval::document(report)?)))
        .collect::<anyhow::Result<_>>()?;
    let seconds: BTreeMap<_, _> = run.seconds.iter().cloned().collect();
    Ok(json!({ "name": run.name, "run": run.run.path(), "seconds": seconds, "eval": reports }))
}
