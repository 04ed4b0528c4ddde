//! Several planners on the same problems, as one HTML page.

use super::html::{escape, number, table};
use super::scatter::scatter;
use super::{DifficultyRow, page, percent, section};
use crate::ViewError;
use std::path::Path;

/// A point of the plot and a row of the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contender {
    /// What it is called.
    pub name: String,
    /// What contenders are ranked by: a share in [0, 1], or a return.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Median milliseconds of a plan.
    pub plan_ms: f64,
    /// Nothing is both better and faster.
    pub on_front: bool,
    /// Further columns, in the order of [`ComparisonPage::columns`].
    pub cells: Vec<String>,
}

/// Everything that the page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComparisonPage {
    /// Heading.
    pub title: String,
    /// Which problems, in words.
    pub problems: String,
    /// What contenders are ranked by, with its unit.
    pub measure: String,
    /// Whether the measure is a share, shown in percent.
    pub is_share: bool,
    /// Headings of the further columns.
    pub columns: Vec<String>,
    /// Best first.
    pub contenders: Vec<Contender>,
    /// Measure, better, worse, difference and p of the differences that are significant.
    pub significant: Vec<[String; 5]>,
    /// Differences tested.
    pub tested: usize,
    /// How hard the problems are.
    pub pair_difficulty: Vec<DifficultyRow>,
    /// The command that repeats it.
    pub command: String,
}

impl ComparisonPage {
    /// The page.
    pub fn render(&self) -> String {
        let figure = |value: f64| if self.is_share { percent(value) } else { number(value) };
        let label = format!("{} against the median time of a plan in ms", self.measure);
        let plot = scatter(&label, &self.contenders);
        let plot = match plot.is_empty() {
            true => String::new(),
            false => format!(
                "<figure class=\"card chart single\"><h3>{}</h3>{plot}<p class=\"soft\">Numbers as in the table; \
                 whiskers: 95 % intervals; dashed: nothing is both better and faster.</p></figure>\n",
                escape(&label)
            ),
        };
        let headings: Vec<&str> = ["contender", self.measure.as_str(), "95 % interval", "plan ms"]
            .into_iter()
            .chain(self.columns.iter().map(String::as_str))
            .collect();
        let row = |(index, c): (usize, &Contender)| {
            let front = if c.on_front { " ◆" } else { "" };
            let mut row = vec![
                format!("{}  {}{front}", index + 1, c.name),
                figure(c.value),
                format!("{} – {}", figure(c.low), figure(c.high)),
                number(c.plan_ms),
            ];
            row.extend(c.cells.iter().cloned());
            row
        };
        let rows: Vec<Vec<String>> = self.contenders.iter().enumerate().map(row).collect();
        let standings = format!("{plot}<div class=\"card\">{}</div>\n", table(&headings, &rows));

        let intro = format!(
            "<p class=\"soft\">{} differences tested on the same problems: McNemar's exact test for success, random \
             flips of sign for returns; p after Holm.</p>\n",
            self.tested
        );
        let differences = match (self.tested, self.significant.is_empty()) {
            (0, _) => String::new(),
            (_, true) => format!("<p>No difference is significant.</p>\n{intro}"),
            (_, false) => {
                let rows: Vec<Vec<String>> =
                    self.significant.iter().map(|row| row.to_vec()).collect();
                let headings = ["by", "better", "worse", "difference", "p"];
                format!("<div class=\"card\">{}</div>\n{intro}", table(&headings, &rows))
            }
        };
        let difficulty: Vec<Vec<String>> = (self.pair_difficulty.iter())
            .map(|row| vec![row.name.clone(), format!("{} {}", number(row.median), row.unit)])
            .collect();
        let difficulty = match difficulty.is_empty() {
            true => String::new(),
            false => {
                let body = table(&["from start to goal", "median"], &difficulty);
                format!("<div class=\"card\">{body}</div>\n")
            }
        };
        let again = match self.command.is_empty() {
            true => String::new(),
            false => format!("<pre>{}</pre>\n", escape(&self.command)),
        };
        let sections = [
            section("Standings", &standings),
            section("Differences that are more than luck", &differences),
            section("How hard the problems are", &difficulty),
            section("Do it again", &again),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, value: f64, plan_ms: f64) -> Contender {
        let (low, high) = (value - 0.1, value + 0.1);
        Contender {
            name: name.into(),
            value,
            low,
            high,
            plan_ms,
            on_front: true,
            cells: vec!["7".into()],
        }
    }

    #[test]
    fn every_contender_is_a_row_and_a_point() {
        let page = ComparisonPage {
            title: "two-room: <planners>".into(),
            measure: "moderate success".into(),
            is_share: true,
            columns: vec!["steps".into()],
            contenders: vec![contender("a & b", 0.9, 20.0), contender("c", 0.5, 2.0)],
            significant: vec![["moderate", "a & b", "c", "0.4", "0.01"].map(str::to_owned)],
            tested: 1,
            command: "housecat compare two-room".into(),
            ..ComparisonPage::default()
        }
        .render();
        assert!(page.contains("&lt;planners&gt;") && page.contains("a &amp; b ◆"), "{page}");
        assert_eq!(page.matches("<circle").count(), 2);
        assert!(page.contains("90.0 %") && page.contains("McNemar"));
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let contenders = [
            contender("nan", f64::NAN, 1.0),
            contender("never planned", 0.5, 0.0),
            contender("alone", 0.5, 3.0),
        ];
        let page = ComparisonPage { contenders: contenders.into(), ..ComparisonPage::default() };
        let html = page.render();
        assert_eq!(html.matches("<circle").count(), 1);
        assert!(!ComparisonPage::default().render().contains("<svg"));
    }
}
