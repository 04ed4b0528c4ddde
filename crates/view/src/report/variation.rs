//! How success depends on what varied.

use super::html::table;
use super::{percent, section};

/// Success of the model where a factor was within a part of its range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FactorRow {
    /// `moderate` or `strict`.
    pub protocol: String,
    /// The factor that varied.
    pub factor: String,
    /// The part of its range, or the alternative.
    pub levels: String,
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
}

/// The section; empty where nothing varied.
pub(super) fn variation_section(rows: &[FactorRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cells = |row: &FactorRow| {
        vec![
            row.factor.clone(),
            row.levels.clone(),
            row.protocol.clone(),
            percent(row.rate),
            format!("{} – {}", percent(row.low).trim_end_matches(" %"), percent(row.high)),
            format!("{} / {}", row.successes, row.n),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    let headings = ["factor", "where", "protocol", "success", "95 % interval", "successes"];
    let body = format!(
        "<div class=\"card\">{}<p class=\"soft\">Success of the model by what the world was like: thirds of each \
         factor's range, or its alternatives.</p></div>\n",
        table(&headings, &rows)
    );
    section("Variation", &body)
}
