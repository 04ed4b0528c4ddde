//! What every command shares: flags, interruption, output, and how the process ends.

use crate::args::Common;
use crate::console::Stream;
use anyhow::{Context as _, bail};
use housecat_agent::AgentError;
use housecat_core::Interrupt;
use housecat_view::Live;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// The user interrupted; `resume` is the command that continues.
#[derive(Debug)]
pub struct Interrupted {
    /// What to type.
    pub resume: String,
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "interrupted; everything completed so far is kept. Resume with:\n  {}",
            self.resume
        )
    }
}

impl std::error::Error for Interrupted {}

/// Flags and signals of this process.
pub struct Session {
    /// The common flags.
    pub common: Common,
    /// Raised by Ctrl-C and SIGTERM.
    pub interrupt: Interrupt,
    /// Who watches the work.
    live: Mutex<Option<Live>>,
}

impl Session {
    /// Sets up logging and signals.
    pub fn new(common: &Common) -> Self {
        let level = match (common.quiet, common.verbose) {
            (true, _) => "error",
            (_, 0) => "warn",
            (_, 1) => "info",
            _ => "debug",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("HOUSECAT_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(Stream::Err.is_coloured())
            .without_time()
            .init();
        let interrupt = Interrupt::new();
        watch_signals(interrupt.clone());
        Self { common: common.clone(), interrupt, live: Mutex::new(None) }
    }

    /// Lets this watch what is done from now on.
    pub fn watch(&self, live: Live) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(live);
    }

    /// Who watches, if anybody does.
    pub fn live(&self) -> Option<Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets nobody watch from now on; who did, may again.
    pub fn unwatch(&self) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Ends the watching, and says what was not seen. The work is done: no viewer can make it fail.
    pub fn end_watch(&self) {
        let Some(live) = self.live.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let (shown, outcome) = live.finish();
        let mut seen = Vec::new();
        if shown.metrics > 0 {
            seen.push(format!("{} lines of metrics", shown.metrics));
        }
        let episodes = shown.episodes + shown.passed_over;
        if episodes > 0 || seen.is_empty() {
            let (some, steps) = (shown.episodes, shown.steps);
            let secs = shown.cost.as_secs_f64();
            seen.push(format!(
                "{some} of {episodes} episodes shown, {steps} steps, in {secs:.2} s of processor time"
            ));
        }
        if shown.too_dear > 0 {
            seen.push(format!(
                "{} episodes were passed over because displaying may take {:.0} % of the processor time",
                shown.too_dear,
                100.0 * Live::SHARE
            ));
        }
        if shown.missing > 0 {
            seen.push(format!(
                "{} steps or lines are missing, because the viewer was slower than the work",
                shown.missing
            ));
        }
        self.say(format!("--view: {}", seen.join("; ")));
        if let Err(error) = outcome {
            tracing::warn!("--view: {error}");
        }
    }

    /// Worker threads to use.
    pub fn threads(&self) -> anyhow::Result<usize> {
        match self.common.threads {
            Some(0) => bail!("--threads 0: give at least one"),
            Some(threads) => Ok(threads),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// Refuses common flags that cannot be met, before anything is done.
    pub fn check_flags(&self) -> anyhow::Result<()> {
        self.threads()?;
        match self.common.device.as_str() {
            "cpu" => Ok(()),
            other => {
                bail!("--device {other}: this build computes on the CPU only; use --device cpu")
            }
        }
    }

    /// Says something to the person at the terminal.
    pub fn say(&self, text: impl std::fmt::Display) {
        if !self.common.quiet {
            eprintln!("{text}");
        }
    }

    /// The result of a command: a JSON document with `--json`, else text, on stdout.
    pub fn result(&self, json: &Value, text: &str) -> anyhow::Result<()> {
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        let written = match self.common.json {
            true => writeln!(out, "{json:#}"),
            false => writeln!(out, "{}", text.trim_end()),
        };
        match written {
            // The reader has seen enough (`| head`).
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("cannot write the result to stdout"),
        }
    }

    /// The command as typed, for messages that say how to resume.
    pub fn command_line() -> String {
        let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
        let quote = |word: String| match word.chars().all(plain) && !word.is_empty() {
            true => word,
            false => format!("'{}'", word.replace('\'', "'\\''")),
        };
        let words: Vec<String> = std::env::args().skip(1).map(quote).collect();
        format!("housecat {}", words.join(" "))
    }

    /// The error of an interruption.
    pub fn interrupted(&self) -> anyhow::Error {
        Interrupted { resume: Self::command_line() }.into()
    }

    /// Prints the error, if any, and gives the exit code.
    pub fn finish(&self, outcome: anyhow::Result<()>) -> i32 {
        self.end_watch();
        let Err(error) = outcome else { return 0 };
        let from_signal = error.downcast_ref::<Interrupted>().is_some()
            || matches!(error.downcast_ref::<AgentError>(), Some(AgentError::Interrupted));
        if from_signal && let Some(code) = self.interrupt.code() {
            let message = match error.downcast_ref::<Interrupted>() {
                Some(interrupted) => interrupted.to_string(),
                None => Interrupted { resume: Self::command_line() }.to_string(),
            };
            eprintln!("{message}");
            return code;
        }
        // Some errors tell their cause themselves: nothing is said twice.
        let mut text = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        eprintln!("{} {text}", Stream::Err.styled("1;31", "error:"));
        1
    }
}

/// The first signal asks the work to stop at the next safe point; the second ends the process.
fn watch_signals(interrupt: Interrupt) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else {
        tracing::warn!("signals cannot be caught: Ctrl-C will end the process at once");
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if interrupt.is_raised() {
                std::process::exit(128 + signal);
            }
            interrupt.raise(128 + signal);
            eprintln!("\nstopping at the next safe point (again to stop at once) ...");
        }
    });
}
