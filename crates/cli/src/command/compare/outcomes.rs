//! The outcomes of one contender on disk: a line each, so that what is done is done.

use anyhow::Context as _;
use housecat_agent::PairOutcome;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::run_dir::write_whole;

/// A file of outcomes, open for more.
pub struct Outcomes {
    path: PathBuf,
    file: Mutex<File>,
    /// What was there already.
    pub known: Vec<PairOutcome>,
}

impl Outcomes {
    /// Opens the file for a contender that `definition` describes, under a name that belongs to it alone. A
    /// line that was cut off by a crash is dropped.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(folder: &Path, definition: &str) -> anyhow::Result<Self> {
        let path = folder.join(format!("{:016x}.jsonl", fingerprint(definition.as_bytes())));
        let text = match path.is_file() {
            true => std::fs::read_to_string(&path).with_context(|| path.display().to_string())?,
            false => String::new(),
        };
        let sound: Vec<&str> =
            text.lines().skip(1).take_while(|line| parse(line).is_some()).collect();
        let known = sound.iter().filter_map(|line| parse(line)).collect();
        let whole: String =
            std::iter::once(definition).chain(sound).map(|line| format!("{line}\n")).collect();
        write_whole(&path, whole.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = Mutex::new(file.with_context(|| path.display().to_string())?);
        Ok(Self { path, file, known })
    }

    /// Adds an outcome.
    ///
    /// # Errors
    /// If the disk is full, for example.
    pub fn add(&self, outcome: &PairOutcome) -> anyhow::Result<()> {
        let line = serde_json::to_string(outcome)?;
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        writeln!(file, "{line}").with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn parse(line: &str) -> Option<PairOutcome> {
    serde_json::from_str(line).ok()
}

/// FNV-1a (Fowler, Noll, Vo 1991), 64 bits: enough to tell contenders of one comparison apart.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
