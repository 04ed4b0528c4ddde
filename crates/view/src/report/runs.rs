//! Several runs of one sim, side by side.

use super::chart::bar;
use super::html::{escape, number, table};
use super::{ArmRow, DifficultyRow, ReturnRow, page, percent, section};
use crate::ViewError;
use std::fmt::Write as _;
use std::path::Path;

/// One of the runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunColumn {
    /// What it is called.
    pub name: String,
    /// Success by protocol and arm.
    pub outcome: Vec<ArmRow>,
    /// Returns by arm, for reward tasks.
    pub returns: Vec<ReturnRow>,
    /// Further figures, in the order of [`RunsPage::figures`].
    pub figures: Vec<String>,
    /// Its values of what differs in configuration, in the order of [`RunsPage::keys`].
    pub config: Vec<String>,
}

/// Everything that the page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunsPage {
    /// Heading.
    pub title: String,
    /// Which problems, in words.
    pub problems: String,
    /// The runs, in the order in which they were named.
    pub runs: Vec<RunColumn>,
    /// How hard the problems are.
    pub pair_difficulty: Vec<DifficultyRow>,
    /// Names of further figures.
    pub figures: Vec<String>,
    /// Keys of the configuration in which the runs differ.
    pub keys: Vec<String>,
    /// The command that compares them again.
    pub command: String,
}

impl RunsPage {
    /// The page.
    pub fn render(&self) -> String {
        let again = format!("<pre><code>{}</code></pre>\n", escape(&self.command));
        let sections = [
            self.outcome_section(),
            self.columns_section("Figures", &self.figures, |run| &run.figures),
            self.columns_section("What differs in configuration", &self.keys, |run| &run.config),
            section("Do it again", if self.command.is_empty() { "" } else { &again }),
        ]
        .concat();
        page(&self.title, &self.problems, &sections)
    }

    /// Renders the page into a file, which appears under its name only when it is whole.
    ///
    /// # Errors
    /// [`ViewError::Write`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ViewError> {
        crate::file::write(path, self.render().as_bytes())
    }

    fn outcome_section(&self) -> String {
        let mut protocols: Vec<&str> = Vec::new();
        for row in self.runs.iter().flat_map(|run| &run.outcome) {
            if !protocols.contains(&row.protocol.as_str()) {
                protocols.push(&row.protocol);
            }
        }
        let mut cards: String =
            protocols.iter().map(|protocol| self.success_card(protocol)).collect();
        if self.runs.iter().any(|run| !run.returns.is_empty()) {
            cards += &self.returns_card();
        }
        if cards.is_empty() {
            return String::new();
        }
        let mut body = format!(
            "<div class=\"grid wide\">{cards}</div>\n<p class=\"soft\">Bars and whiskers: the model and its 95 % \
             interval.</p>\n"
        );
        if !self.pair_difficulty.is_empty() {
            let rows: Vec<_> = (self.pair_difficulty.iter())
                .map(|row| vec![row.name.clone(), format!("{} {}", number(row.median), row.unit)])
                .collect();
            let _ = writeln!(
                body,
                "<div class=\"card\"><h3>How hard the pairs are</h3>{}<p class=\"soft\">Of the first run; those of the \
                 others are as hard.</p></div>",
                table(&["from start to goal", "median"], &rows)
            );
        }
        section("Outcome", &body)
    }

    fn success_card(&self, protocol: &str) -> String {
        let (mut bars, mut cells) = (String::new(), Vec::new());
        for run in &self.runs {
            let of = |arm: &str| {
                run.outcome.iter().find(|row| row.protocol == protocol && row.arm == arm)
            };
            let rate = |arm: &str| of(arm).map_or("–".into(), |row| percent(row.rate));
            let Some(row) = of("model") else { continue };
            let interval =
                format!("{} – {}", percent(row.low).trim_end_matches(" %"), percent(row.high));
            let label = format!("{}: {}, interval {interval}", run.name, percent(row.rate));
            let drawn = bar(row.rate, row.low, row.high, true, &label);
            bars += &bar_row(&run.name, &drawn, &percent(row.rate));
            let successes = format!("{} / {}", row.successes, row.n);
            let others = [rate("random"), rate("still"), rate("oracle")];
            cells.push([vec![run.name.clone(), interval, successes], others.into()].concat());
        }
        let headings = ["run", "95 % interval", "successes", "random", "still", "oracle"];
        card(protocol, &bars, &headings, &cells)
    }

    fn returns_card(&self) -> String {
        let rows = || self.runs.iter().flat_map(|run| &run.returns);
        // Returns have no natural scale: bars run from the lowest end of all, or zero, to the highest.
        let low = rows().map(|row| row.low).fold(0.0, f64::min);
        let high = rows().map(|row| row.high).fold(low, f64::max);
        let share = |value: f64| if high > low { (value - low) / (high - low) } else { 0.0 };
        let (mut bars, mut cells) = (String::new(), Vec::new());
        for run in &self.runs {
            let of = |arm: &str| run.returns.iter().find(|row| row.arm == arm);
            let mean = |arm: &str| of(arm).map_or("–".into(), |row| number(row.mean));
            let Some(row) = of("model") else { continue };
            let interval = format!("{} – {}", number(row.low), number(row.high));
            let label = format!("{}: {}, interval {interval}", run.name, number(row.mean));
            let drawn = bar(share(row.mean), share(row.low), share(row.high), true, &label);
            bars += &bar_row(&run.name, &drawn, &number(row.mean));
            let others = [mean("random"), mean("still"), mean("oracle")];
            let own = vec![run.name.clone(), interval, row.n.to_string()];
            cells.push([own, others.into()].concat());
        }
        let headings = ["run", "95 % interval", "n", "random", "still", "oracle"];
        card("return", &bars, &headings, &cells)
    }

    /// A table with a row a name and a column a run; empty without names.
    fn columns_section(
        &self,
        heading: &str,
        names: &[String],
        values: impl Fn(&RunColumn) -> &Vec<String>,
    ) -> String {
        if names.is_empty() {
            return String::new();
        }
        let headings: Vec<&str> =
            std::iter::once("").chain(self.runs.iter().map(|run| run.name.as_str())).collect();
        let row = |(index, name): (usize, &String)| {
            let value = |run: &RunColumn| values(run).get(index).cloned().unwrap_or_default();
            std::iter::once(name.clone()).chain(self.runs.iter().map(value)).collect()
        };
        let rows: Vec<Vec<String>> = names.iter().enumerate().map(row).collect();
        section(heading, &format!("<div class=\"card\">{}</div>\n", table(&headings, &rows)))
    }
}

fn bar_row(name: &str, bar: &str, value: &str) -> String {
    format!("<span class=\"name\">{}</span>{bar}<span class=\"value\">{value}</span>", escape(name))
}

fn card(title: &str, bars: &str, headings: &[&str], cells: &[Vec<String>]) -> String {
    format!(
        "<div class=\"card\"><h3>{}</h3><div class=\"arms\">{bars}</div>{}</div>\n",
        escape(title),
        table(headings, cells)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, rate: f64) -> RunColumn {
        let arm = |arm: &str, rate: f64| ArmRow {
            protocol: "moderate".into(),
            arm: arm.into(),
            rate,
            low: rate - 0.1,
            high: rate + 0.1,
            successes: 9,
            n: 10,
            steps_mean: None,
        };
        let outcome = vec![arm("model", rate), arm("random", 0.125)];
        let (figures, config) = (vec!["0.5".into()], vec![format!("{rate}")]);
        RunColumn { name: name.into(), outcome, figures, config, ..RunColumn::default() }
    }

    #[test]
    fn every_run_is_a_bar_and_a_column() {
        let page = RunsPage {
            title: "two-room: <runs>".into(),
            runs: vec![run("a & b", 0.875), run("c", 0.5)],
            figures: vec!["straightness".into()],
            keys: vec!["train.steps".into()],
            command: "housecat report a c".into(),
            ..RunsPage::default()
        }
        .render();
        assert_eq!(page.matches("<svg").count(), 2);
        for part in ["&lt;runs&gt;", "a &amp; b", "87.5 %", "12.5 %", "straightness", "train.steps"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.contains(">0.875<") && page.contains("housecat report a c"));
        // No oracle was run.
        assert!(page.contains("<td>–</td>"));
    }

    #[test]
    fn an_empty_page_has_no_sections_and_odd_numbers_do_no_harm() {
        assert!(!RunsPage::default().render().contains("<section"));
        let odd = RunsPage { runs: vec![run("odd", f64::NAN)], ..RunsPage::default() }.render();
        assert!(!odd.contains("NaN") && odd.contains("<svg"));
    }
}
