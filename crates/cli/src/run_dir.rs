//! The layout of a run directory, and writing into it without ever showing half a file.

use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `runs/<sim>/<name>/`
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// At this path, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The run that a path names: itself, or the one that holds the checkpoint it is.
    ///
    /// # Errors
    /// If no model is there.
    pub fn find(path: &Path) -> anyhow::Result<(Self, PathBuf)> {
        if path.join("config.json").is_file() && path.join("model.safetensors").is_file() {
            let path = path.canonicalize().with_context(|| path.display().to_string())?;
            let run = path
                .parent()
                .and_then(Path::parent)
                .map_or_else(|| path.clone(), Path::to_path_buf);
            return Ok((Self(run), path));
        }
        let run = Self(path.to_owned());
        let last = run.checkpoints().join("last");
        if !last.join("config.json").is_file() {
            bail!(
                "{} holds no trained model (no checkpoints/last); train one with \
                 `housecat train DATASET --out {0}` or `housecat run SIM`",
                path.display()
            );
        }
        Ok((run, last))
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// Versions, seed and machine.
    pub fn provenance(&self) -> PathBuf {
        self.0.join("provenance.toml")
    }

    /// A round of learning before the last: a run of its own.
    pub fn round(&self, round: usize) -> Self {
        Self(self.0.join("rounds").join(round.to_string()))
    }

    /// What a round's planner did.
    pub fn collected(&self) -> PathBuf {
        self.0.join("collected")
    }

    /// The dataset.
    pub fn dataset(&self) -> PathBuf {
        self.0.join("dataset")
    }

    /// One JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// The checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The linear probe, for display.
    pub fn probe(&self) -> PathBuf {
        self.0.join("probe.json")
    }

    /// The decoder from latents to pictures, for display.
    pub fn decoder(&self) -> PathBuf {
        self.0.join("decoder.safetensors")
    }

    /// The latents of the dataset, from which a planner takes proposals.
    pub fn memory(&self) -> PathBuf {
        self.0.join("memory.safetensors")
    }

    /// How long its stages took.
    pub fn seconds(&self) -> PathBuf {
        self.0.join("seconds.json")
    }

    /// Results by protocol.
    pub fn eval(&self) -> PathBuf {
        self.0.join("eval")
    }

    /// The recording.
    pub fn recording(&self) -> PathBuf {
        self.0.join("recording.rrd")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }
}

/// Writes a file whole or not at all: under a temporary name, synced, then renamed.
///
/// # Errors
/// Names the file; a full disk says so.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a file needs a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let name = path.file_name().context("a file needs a name")?.to_string_lossy();
    let partial = folder.join(format!(".{name}.partial"));
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // Best effort: the message about the failure matters more than one about the clean-up.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| {
        format!("cannot write {}; check permissions and free space", path.display())
    })
}
