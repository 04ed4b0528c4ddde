//! What can go wrong with a dataset.

use parquet::errors::ParquetError;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that this crate reports. Each message names the file, column or value and the way out.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The disk, quota or file size limit is exhausted.
    #[error(
        "no space left to write {}: free space and run the same command again; every acknowledged episode is intact",
        path.display()
    )]
    DiskFull {
        /// The file that could not be written.
        path: PathBuf,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no dataset.
    #[error("no dataset at {}: `{missing}` does not exist; check the path, or collect one", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        missing: &'static str,
    },
    /// The collection was cut off before sealing.
    #[error(
        "the dataset at {path} is not sealed (its collection was interrupted): run the same `collect` again, \
         or seal what it holds with `housecat repair {path}`",
        path = path.display()
    )]
    Unsealed {
        /// The folder.
        path: PathBuf,
    },
    /// Writing was asked for where a finished dataset is.
    #[error(
        "{} already holds a finished dataset: choose another --out, or remove it first",
        path.display()
    )]
    Sealed {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes there.
    #[error("another process is writing the dataset at {}: wait for it or stop it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Writing was asked for in a folder with other things in it.
    #[error("{} holds files but no dataset (`{found}`): choose an empty or new folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One thing found there.
        found: String,
    },
    /// Not LeRobotDataset v3.0.
    #[error(
        "{} says codebase_version {found:?}; only v3.0 is read: convert older datasets with LeRobot's \
         `convert_dataset_v21_to_v30`",
        path.display()
    )]
    Version {
        /// `meta/info.json`.
        path: PathBuf,
        /// The version it names.
        found: String,
    },
    /// A file is truncated or malformed.
    #[error("{} is damaged: {detail}; salvage the rest with `housecat repair`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it shows.
        detail: String,
    },
    /// A column is missing or of the wrong type.
    #[error("{}: column `{column}` {detail}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Files contradict each other.
    #[error(
        "{}: {detail}; `housecat verify` lists everything, `housecat repair` rebuilds the metadata",
        path.display()
    )]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        detail: String,
    },
    /// The dataset was recorded with other features.
    #[error(
        "the dataset at {} was recorded with another {field} ({have}) than now asked for ({want}): use the same \
         settings, or another folder",
        path.display()
    )]
    FeaturesDiffer {
        /// The folder.
        path: PathBuf,
        /// Which feature.
        field: &'static str,
        /// Its value on disk.
        have: String,
        /// Its value now.
        want: String,
    },
    /// Features that no dataset can have.
    #[error("these features cannot be stored: {0}")]
    BadFeatures(String),
    /// An episode that does not fit the features.
    #[error("episode {index}, frame {frame}: {detail}")]
    BadEpisode {
        /// The episode.
        index: u64,
        /// The frame within it.
        frame: usize,
        /// What does not fit.
        detail: String,
    },
    /// An episode was appended twice.
    #[error("episode {0} is already stored: every episode index can be appended once")]
    Duplicate(u64),
    /// Finishing with holes.
    #[error(
        "episodes {missing} are missing: append them, or close the gap with `housecat repair {}`",
        path.display()
    )]
    Gap {
        /// The folder.
        path: PathBuf,
        /// The missing indices, abbreviated.
        missing: String,
    },
    /// Finishing, merging or repairing nothing.
    #[error("{} holds no usable episode: collect at least one", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// An episode index beyond the end.
    #[error("there is no episode {index}: the dataset at {} has {count}", path.display())]
    NoSuchEpisode {
        /// The folder.
        path: PathBuf,
        /// Asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The watcher of a load stopped it.
    #[error("interrupted while reading the dataset")]
    Interrupted,
    /// Images were asked of a dataset without cameras.
    #[error("the dataset at {} has no images: train from state, or collect with pixels", path.display())]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
}

impl DataError {
    /// Wraps an error of the file system.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull { path },
            _ => Self::Io { action, path, source },
        }
    }

    /// Wraps an error of the parquet library, which may hide one of the file system.
    pub(crate) fn parquet(path: &Path, error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(source) => Self::io("access", path, *source),
                Err(other) => Self::damaged(path, other),
            },
            other => Self::damaged(path, other),
        }
    }

    /// Whether it is about the file system within this folder.
    pub(crate) fn is_in(&self, folder: &Path) -> bool {
        match self {
            Self::DiskFull { path } | Self::Io { path, .. } => path.starts_with(folder),
            _ => false,
        }
    }

    pub(crate) fn damaged(path: &Path, detail: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), detail: detail.to_string() }
    }

    pub(crate) fn inconsistent(path: &Path, detail: impl Into<String>) -> Self {
        Self::Inconsistent { path: path.to_owned(), detail: detail.into() }
    }

    pub(crate) fn column(path: &Path, column: &str, detail: impl Into<String>) -> Self {
        Self::Column { path: path.to_owned(), column: column.to_owned(), detail: detail.into() }
    }
}
