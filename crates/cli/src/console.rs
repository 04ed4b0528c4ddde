//! Progress for people and plain lines for logs.

use crate::session::Session;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Instant;

/// Progress of one stage: a bar with rate and ETA on a terminal, a line every tenth elsewhere.
pub struct Progress {
    bar: ProgressBar,
    plain: Option<Mutex<Plain>>,
    stage: String,
    started: Instant,
}

struct Plain {
    total: u64,
    next: u64,
}

impl Progress {
    /// A stage of `total` units, some of which may be done already.
    pub fn new(session: &Session, stage: &str, total: u64, done: u64, unit: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(total),
            if terminal && !session.common.quiet {
                ProgressDrawTarget::stderr()
            } else {
                ProgressDrawTarget::hidden()
            },
        );
        let template = format!(
            "{{prefix:>9}} {{bar:32}} {{pos}}/{{len}} {unit}  {{per_sec}}  ETA {{eta}}  {{msg}}"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(stage.to_owned());
        bar.set_position(done);
        bar.reset_eta();
        let plain = (!terminal && !session.common.quiet)
            .then(|| Mutex::new(Plain { total, next: done + total.div_ceil(10) }));
        Self { bar, plain, stage: stage.to_owned(), started: Instant::now() }
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
            let secs = self.started.elapsed().as_secs_f64();
            eprintln!("{:>9} {done}/{} in {secs:.0} s  {}", self.stage, plain.total, note());
            plain.next = done + plain.total.div_ceil(10);
        }
    }

    /// The stage is over.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A plain table: the first row is the heading, columns are padded, numbers are up to the caller.
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
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
