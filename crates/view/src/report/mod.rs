//! A run as one HTML page: what came of it, why, what it looked like, and how to do it again.
//!
//! The page needs no network: style, plots (SVG) and pictures (PNG) are inside. It follows the
//! reader's choice of light or dark and fits a phone.

mod chart;
mod comparison;
mod html;
mod runs;
mod scatter;
mod strips;
mod variation;

pub use comparison::{ComparisonPage, Contender};
pub use runs::{RunColumn, RunsPage};
pub use strips::{Moment, Strip};
pub use variation::FactorRow;

use crate::ViewError;
use chart::COLORS;
use html::{escape, facts, number, table};
use std::fmt::Write as _;
use std::path::Path;

/// The success of one arm under one protocol.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmRow {
    /// `moderate` or `strict`.
    pub protocol: String,
    /// `model`, `random`, `still` or `oracle`.
    pub arm: String,
    /// Successes by n, in [0, 1].
    pub rate: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Episodes that succeeded.
    pub successes: usize,
    /// Episodes.
    pub n: usize,
    /// Mean control steps of its episodes, where known.
    pub steps_mean: Option<f64>,
}

/// The returns of one arm on a reward task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReturnRow {
    /// `model`, `random`, `still` or `oracle`.
    pub arm: String,
    /// Mean return.
    pub mean: f64,
    /// Lower end of the mean's 95 % interval.
    pub low: f64,
    /// Upper end of the mean's 95 % interval.
    pub high: f64,
    /// Episodes.
    pub n: usize,
    /// Mean return by the oracle's, where there is an oracle.
    pub of_oracle: Option<f64>,
}

/// How far the pairs ask the world to move.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DifficultyRow {
    /// What has to move, as the sim names it.
    pub name: String,
    /// Median distance between start and goal.
    pub median: f64,
    /// `m` or `rad`.
    pub unit: String,
}

/// Wall-clock time of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlanTiming {
    /// Median, milliseconds.
    pub median_ms: f64,
    /// 95th percentile, milliseconds.
    pub p95_ms: f64,
    /// Slowest, milliseconds.
    pub max_ms: f64,
}

/// How well one quantity is read from latents of episodes that the readers were not fitted on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeRow {
    /// The quantity.
    pub name: String,
    /// Root mean square deviation from its mean, in `unit`: the error of one who knows nothing.
    pub spread: f64,
    /// Of a linear probe: the correlation of the read and the true value, in [-1, 1], and the root mean square error
    /// in `unit`.
    pub linear: [f64; 2],
    /// The same of a small perceptron.
    pub mlp: [f64; 2],
    /// Unit of the quantity; empty for a plain number.
    pub unit: String,
}

/// One line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The chart it belongs to; curves with the same chart share its axes.
    pub chart: String,
    /// Its name in the legend.
    pub name: String,
    /// x (usually the training step) and y. What is not finite is left out.
    pub points: Vec<(f64, f64)>,
    /// Draw the chart on a logarithmic scale; what is not positive is left out.
    pub log_scale: bool,
}

/// Everything a report shows. Empty parts are left out of the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Heading.
    pub title: String,
    /// Name of the sim.
    pub sim: String,
    /// Success by protocol and arm; protocols appear in the order of their first row, and the arm
    /// `model` leads.
    pub outcome: Vec<ArmRow>,
    /// Returns by arm, for reward tasks.
    pub returns: Vec<ReturnRow>,
    /// How hard the evaluated pairs are.
    pub pair_difficulty: Vec<DifficultyRow>,
    /// The planner's settings.
    pub planner: Vec<(String, String)>,
    /// How long plans took.
    pub timing: Option<PlanTiming>,
    /// Spearman correlation of predicted and simulated cost among the final elites, in [-1, 1]: its mean over the
    /// problems.
    pub elite_rank_correlation: Option<f64>,
    /// Its median, and the ends of the median's 95 % interval.
    pub elite_rank_median: Option<[f64; 3]>,
    /// What the latents hold.
    pub probes: Vec<ProbeRow>,
    /// How the latents lie, by name.
    pub latents: Vec<(String, String)>,
    /// Curves of the training, and others that explain the outcome.
    pub curves: Vec<Curve>,
    /// Episodes in pictures, successes and failures.
    pub strips: Vec<Strip>,
    /// Success by what varied, where something did.
    pub variation: Vec<FactorRow>,
    /// Wall-clock seconds by stage.
    pub seconds: Vec<(String, f64)>,
    /// The resolved configuration.
    pub config_toml: String,
    /// Versions, git, seed, machine.
    pub provenance: Vec<(String, String)>,
    /// The command that does it again.
    pub command: String,
}

impl Report {
    /// The page.
    ///
    /// # Errors
    /// [`ViewError::Image`] if a frame's bytes do not fit its size.
    pub fn render(&self) -> Result<String, ViewError> {
        let sections = [
            self.outcome_section(),
            self.why_section(),
            section("What it looked like", &strips::figures(&self.strips)?),
            self.planner_section(),
            variation::variation_section(&self.variation),
            self.again_section(),
        ]
        .concat();
        Ok(page(&self.title, &self.sim, &sections))
    }

    /// Renders the page into a file, which appears under its name only when it is whole.
    ///
    /// # Errors
    /// As [`render`](Self::render), and [`ViewError::Write`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ViewError> {
        crate::file::write(path, self.render()?.as_bytes())
    }

    fn outcome_section(&self) -> String {
        let mut body = String::new();
        let mut protocols: Vec<&str> = Vec::new();
        for row in &self.outcome {
            if !protocols.contains(&row.protocol.as_str()) {
                protocols.push(&row.protocol);
            }
        }
        let mut cards = String::new();
        for protocol in protocols {
            let rows: Vec<_> = self.outcome.iter().filter(|row| row.protocol == protocol).collect();
            cards += &success_card(protocol, &rows);
        }
        if !self.returns.is_empty() {
            cards += &returns_card(&self.returns);
        }
        if !cards.is_empty() {
            let _ = writeln!(body, "<div class=\"grid wide\">{cards}</div>");
        }
        if !self.outcome.is_empty() {
            body += "<p class=\"soft\">Whiskers: Wilson 95 % intervals.</p>\n";
        }
        if !self.pair_difficulty.is_empty() {
            let rows: Vec<_> = self
                .pair_difficulty
                .iter()
                .map(|row| vec![row.name.clone(), format!("{} {}", number(row.median), row.unit)])
                .collect();
            let _ = writeln!(
                body,
                "<div class=\"card\"><h3>How hard the pairs are</h3>{}\
                 <p class=\"soft\">Success is comparable only between pairs that are equally hard.</p>\
                 </div>",
                table(&["from start to goal", "median"], &rows)
            );
        }
        section("Outcome", &body)
    }

    fn why_section(&self) -> String {
        let mut cards = String::new();
        let mut charts: Vec<&str> = Vec::new();
        for curve in &self.curves {
            if !charts.contains(&curve.chart.as_str()) {
                charts.push(&curve.chart);
            }
        }
        for chart in charts {
            let curves: Vec<_> = self.curves.iter().filter(|curve| curve.chart == chart).collect();
            cards += &chart_card(chart, &curves);
        }
        if !self.latents.is_empty() {
            let _ = write!(
                cards,
                "<div class=\"card\"><h3>How the latents lie</h3>{}</div>",
                facts(&self.latents)
            );
        }
        if let Some(correlation) = self.elite_rank_correlation {
            let median = self.elite_rank_median.map_or(String::new(), |[median, low, high]| {
                let [median, low, high] = [median, low, high].map(signed);
                format!(" The median is {median}, its 95 % interval {low} – {high}.")
            });
            let _ = write!(
                cards,
                "<div class=\"card\"><h3>Does the model rank plans as the world does?</h3>\
                 <p class=\"number\">{}</p><p class=\"soft\">Mean Spearman correlation of predicted and \
                 simulated cost among the final elites: 1 is perfect, 0 is chance.{median}</p></div>",
                signed(correlation)
            );
        }
        let mut body =
            if cards.is_empty() { cards } else { format!("<div class=\"grid\">{cards}</div>\n") };
        body += &self.probes_card();
        section("Why", &body)
    }

    fn probes_card(&self) -> String {
        if self.probes.is_empty() {
            return String::new();
        }
        let row = |row: &ProbeRow| {
            let size = |value: f64| format!("{} {}", number(value), row.unit);
            let ([r, error], [mlp_r, mlp_error]) = (row.linear, row.mlp);
            vec![
                row.name.clone(),
                size(row.spread),
                signed(r),
                size(error),
                signed(mlp_r),
                size(mlp_error),
            ]
        };
        let rows: Vec<_> = self.probes.iter().map(row).collect();
        format!(
            "<div class=\"card\"><h3>What the latents hold</h3>{}<p class=\"soft\">Read from single latents by \
             linear probes and small perceptrons, on episodes that these were not fitted on. r: correlation with \
             the truth; errors are root mean squares, and the spread is that of one who knows nothing.</p></div>\n",
            table(&["quantity", "spread", "linear r", "error", "perceptron r", "error"], &rows)
        )
    }

    fn planner_section(&self) -> String {
        let mut cards = String::new();
        if let Some(timing) = self.timing {
            let rows = [[timing.median_ms, timing.p95_ms, timing.max_ms].map(number).to_vec()];
            let _ = write!(
                cards,
                "<div class=\"card\"><h3>Milliseconds per plan</h3>{}</div>",
                table(&["median", "95th percentile", "slowest"], &rows)
            );
        }
        if !self.planner.is_empty() {
            let _ = write!(
                cards,
                "<div class=\"card\"><h3>Settings</h3>{}</div>",
                facts(&self.planner)
            );
        }
        let body =
            if cards.is_empty() { cards } else { format!("<div class=\"grid\">{cards}</div>\n") };
        section("Planner", &body)
    }

    fn again_section(&self) -> String {
        let mut body = String::new();
        if !self.command.is_empty() {
            let _ = writeln!(body, "<pre><code>{}</code></pre>", escape(&self.command));
        }
        if !self.seconds.is_empty() {
            let total = self.seconds.iter().map(|(_, seconds)| seconds).sum();
            let all = self.seconds.iter().cloned().chain([("in all".to_owned(), total)]);
            let rows: Vec<_> =
                all.map(|(stage, seconds)| vec![stage, format!("{:.1}", seconds / 60.0)]).collect();
            let _ = writeln!(
                body,
                "<div class=\"card\"><h3>How long it took</h3>{}</div>",
                table(&["stage", "minutes"], &rows)
            );
        }
        if !self.provenance.is_empty() {
            let _ = writeln!(
                body,
                "<div class=\"card\"><h3>Provenance</h3>{}</div>",
                facts(&self.provenance)
            );
        }
        if !self.config_toml.is_empty() {
            let _ = writeln!(
                body,
                "<details class=\"card\"><summary>Configuration</summary><pre><code>{}</code></pre>\
                 </details>",
                escape(&self.config_toml)
            );
        }
        section("Do it again", &body)
    }
}

/// A whole page, with its style sheet inside.
fn page(title: &str, subtitle: &str, sections: &str) -> String {
    let (title, style) = (escape(title), include_str!("report.css"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"soft\">{}</p>\n{sections}</main>\n</body>\n</html>\n",
        escape(subtitle)
    )
}

fn section(heading: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!("<section>\n<h2>{heading}</h2>\n{body}</section>\n")
}

/// The arm that the report is about: the model, else the first.
fn lead<T>(rows: &[T], arm: impl Fn(&T) -> &str) -> usize {
    rows.iter().position(|row| arm(row) == "model").unwrap_or(0)
}

fn success_card(protocol: &str, rows: &[&ArmRow]) -> String {
    let lead = lead(rows, |row| &row.arm);
    let mut bars = String::new();
    let mut cells = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let interval =
            format!("{} – {}", percent(row.low).trim_end_matches(" %"), percent(row.high));
        let label = format!("{}: {}, interval {interval}", row.arm, percent(row.rate));
        let _ = write!(
            bars,
            "<span class=\"name\">{}</span>{}<span class=\"value\">{}</span>",
            escape(&row.arm),
            chart::bar(row.rate, row.low, row.high, index == lead, &label),
            percent(row.rate)
        );
        cells.push(vec![
            row.arm.clone(),
            interval,
            format!("{} / {}", row.successes, row.n),
            row.steps_mean.map_or("–".into(), |steps| format!("{steps:.1}")),
        ]);
    }
    let headline = rows.get(lead).map_or(String::new(), |row| {
        format!(
            "<p class=\"number\">{}</p><p class=\"soft\">{} succeeded in {} of {}</p>",
            percent(row.rate),
            escape(&row.arm),
            row.successes,
            row.n
        )
    });
    format!(
        "<div class=\"card\"><h3>{}</h3>{headline}<div class=\"arms\">{bars}</div>{}</div>\n",
        escape(protocol),
        table(&["arm", "95 % interval", "successes", "steps"], &cells)
    )
}

fn returns_card(rows: &[ReturnRow]) -> String {
    let lead = lead(rows, |row| &row.arm);
    let headline = rows.get(lead).map_or(String::new(), |row| {
        let share = row
            .of_oracle
            .map_or(String::new(), |share| format!(", {} of the oracle's", percent(share)));
        format!(
            "<p class=\"number\">{}</p><p class=\"soft\">mean return of {}{share}</p>",
            number(row.mean),
            escape(&row.arm)
        )
    });
    // Returns have no natural scale: bars run from the lowest end of all, or zero, to the highest.
    let low = rows.iter().map(|row| row.low).fold(0.0, f64::min);
    let high = rows.iter().map(|row| row.high).fold(low, f64::max);
    let share = |value: f64| if high > low { (value - low) / (high - low) } else { 0.0 };
    let mut bars = String::new();
    let mut cells = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let interval = format!("{} – {}", number(row.low), number(row.high));
        let label = format!("{}: {}, interval {interval}", row.arm, number(row.mean));
        let _ = write!(
            bars,
            "<span class=\"name\">{}</span>{}<span class=\"value\">{}</span>",
            escape(&row.arm),
            chart::bar(share(row.mean), share(row.low), share(row.high), index == lead, &label),
            number(row.mean)
        );
        cells.push(vec![
            row.arm.clone(),
            interval,
            row.n.to_string(),
            row.of_oracle.map_or("–".into(), percent),
        ]);
    }
    format!(
        "<div class=\"card\"><h3>return</h3>{headline}<div class=\"arms\">{bars}</div>{}</div>\n",
        table(&["arm", "95 % interval", "n", "of oracle"], &cells)
    )
}

fn chart_card(title: &str, curves: &[&Curve]) -> String {
    let svg = chart::lines(title, curves);
    if svg.is_empty() {
        return String::new();
    }
    let mut legend = String::new();
    for (index, curve) in curves.iter().enumerate() {
        let last = curve.points.last().map_or(f64::NAN, |point| point.1);
        let _ = write!(
            legend,
            "<li><i class=\"k{}\"></i>{} <span class=\"soft\">last {}</span></li>",
            index % COLORS,
            escape(&curve.name),
            number(last)
        );
    }
    format!(
        "<figure class=\"card chart\"><h3>{}</h3>{svg}<ul class=\"legend\">{legend}</ul></figure>\n",
        escape(title)
    )
}

fn percent(rate: f64) -> String {
    if rate.is_finite() { format!("{:.1} %", rate * 100.0) } else { "–".into() }
}

fn signed(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}").replace('-', "−") } else { "–".into() }
}

#[cfg(test)]
mod tests;
