//! Progress for people and plain lines for logs; tables, sparklines and colours.

use crate::session::Session;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Instant;

/// Where words appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Results.
    Out,
    /// Everything else.
    Err,
}

impl Stream {
    /// Whether a person looks at it: a terminal, and no machine that builds (`CI` is set there).
    fn is_watched(self) -> bool {
        let terminal = match self {
            Self::Out => std::io::stdout().is_terminal(),
            Self::Err => std::io::stderr().is_terminal(),
        };
        terminal && !in_ci()
    }

    /// Whether colours may be used: watched, and not declined (<https://no-color.org>).
    pub fn is_coloured(self) -> bool {
        let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        self.is_watched() && !declined && !dumb
    }

    /// The text in an ANSI style (`1` is bold, `31` red) where colours may be used.
    pub fn styled(self, style: &str, text: &str) -> String {
        match self.is_coloured() {
            true => format!("\x1b[{style}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Whether this is a machine that builds: nobody watches progress there, and a log keeps every line.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Progress of one stage: a bar with rate and ETA on a terminal, a line every tenth elsewhere, nothing in CI.
pub struct Progress {
    bar: ProgressBar,
    plain: Option<Mutex<Plain>>,
}

/// Lines for a log.
struct Plain {
    stage: String,
    unit: String,
    total: u64,
    /// Units that were done before.
    first: u64,
    next: u64,
    started: Instant,
}

impl Plain {
    /// How far it is, how fast it goes, and how long it will take.
    fn line(&self, done: u64, seconds: f64) -> String {
        let rate = done.saturating_sub(self.first) as f64 / seconds.max(1e-9);
        let left = self.total.saturating_sub(done) as f64 / rate;
        let rate = if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.0}") };
        format!(
            "{:>9} {done}/{} {} in {seconds:.0} s ({rate}/s, {left:.0} s to go)",
            self.stage, self.total, self.unit
        )
    }
}

impl Progress {
    /// A stage of `total` units, some of which may be done already.
    pub fn new(session: &Session, stage: &str, total: u64, done: u64, unit: &str) -> Self {
        let quiet = session.common.quiet || in_ci();
        let watched = Stream::Err.is_watched();
        let target = match watched && !quiet {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let colour = if Stream::Err.is_coloured() { ".cyan" } else { "" };
        let template = format!(
            "{{prefix:>9}} {{bar:32{colour}}} {{pos}}/{{len}} {unit}  {{per_sec}}  ETA {{eta}}  {{msg}}"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(stage.to_owned());
        bar.set_position(done);
        bar.reset_eta();
        let plain = Plain {
            stage: stage.to_owned(),
            unit: unit.to_owned(),
            total,
            first: done,
            next: done + total.div_ceil(10),
            started: Instant::now(),
        };
        Self { bar, plain: (!watched && !quiet).then(|| Mutex::new(plain)) }
    }

    /// So many units are done; `note` says how it goes.
    pub fn set(&self, done: u64, note: impl Fn() -> String) {
        self.bar.set_position(done);
        if !self.bar.is_hidden() {
            self.bar.set_message(note());
        }
        if let Some(plain) = &self.plain
            && let Ok(mut plain) = plain.lock()
            && done >= plain.next
        {
            let line = plain.line(done, plain.started.elapsed().as_secs_f64());
            eprintln!("{}", format!("{line}  {}", note()).trim_end());
            plain.next = done + plain.total.div_ceil(10);
        }
    }

    /// The stage is over.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A plain table: the first row is the heading (bold on a terminal), columns are padded, numbers are up to the caller.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        let line = cells.join("  ");
        match index {
            0 => text.push_str(&Stream::Out.styled("1", line.trim_end())),
            _ => text.push_str(line.trim_end()),
        }
        text.push('\n');
    }
    text
}

/// A curve in one line: the means of `width` equal parts of the values, their logarithms if all are positive, from the
/// lowest to the highest. Values that are not finite are left out; empty without any.
pub fn sparkline(values: &[f32], width: usize) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let log = values.iter().all(|&value| value > 0.0);
    let parts = width.min(values.len());
    let mean = |part: usize| {
        let part = &values[part * values.len() / parts..(part + 1) * values.len() / parts];
        let mean = part.iter().sum::<f32>() / part.len() as f32;
        if log { mean.ln() } else { mean }
    };
    let means: Vec<f32> = (0..parts).map(mean).collect();
    let low = means.iter().copied().fold(f32::INFINITY, f32::min);
    let high = means.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let height = |value: &f32| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        HEIGHTS[(share * (HEIGHTS.len() - 1) as f32).round() as usize]
    };
    means.iter().map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_follow_their_values() {
        assert_eq!(sparkline(&[8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625], 8), "█▇▆▅▄▃▂▁");
        assert_eq!(sparkline(&[-1.0, 0.0, 1.0, f32::NAN], 8), "▁▅█");
        assert_eq!(sparkline(&[1.0; 100], 10), "▁".repeat(10));
        assert_eq!(sparkline(&[], 10), "");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["arm", "rate"], ["oracle", "1"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "arm     rate\noracle  1\n");
    }

    #[test]
    fn lines_tell_rate_and_time_left_of_what_was_not_there_before() {
        let plain = Plain {
            stage: "train".into(),
            unit: "steps".into(),
            total: 100,
            first: 20,
            next: 30,
            started: Instant::now(),
        };
        let line = "    train 40/100 steps in 10 s (2.00/s, 30 s to go)";
        assert_eq!(plain.line(40, 10.0), line);
    }
}
