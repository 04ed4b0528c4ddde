//! Writing a dataset: episodes are staged one by one, each durable once appended, then sealed.

use crate::column;
use crate::decode::DataFile;
use crate::encode::{EncodedEpisode, StagedFooter};
use crate::seal::{self, FILE_LIMIT, Source, Summary};
use crate::{DataError, Features, disk, meta};
use housecat_core::Episode;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Where episodes wait for sealing.
pub(crate) const STAGING: &str = ".staging";
/// Where damaged files are kept, out of LeRobot's sight, for whoever wants to look at them.
pub(crate) const DAMAGED: &str = "damaged";

const FEATURES: &str = "features.json";
const LOCK: &str = "lock";

/// Writes a dataset, or goes on with one whose collection was cut off.
///
/// Holds a lock on the folder while it lives; one writer at a time.
#[derive(Debug)]
pub struct DatasetWriter {
    root: PathBuf,
    features: Features,
    staged: BTreeMap<u64, PathBuf>,
    damaged: Vec<String>,
    _lock: File,
}

impl DatasetWriter {
    /// Opens `path` for writing: creates it, or takes up what an interrupted collection left there.
    /// [`acknowledged`](Self::acknowledged) and [`damaged`](Self::damaged) tell what was found.
    ///
    /// # Errors
    /// [`DataError::Sealed`] if it holds a finished dataset, [`DataError::FeaturesDiffer`] if it was
    /// begun with other features, [`DataError::NotEmpty`] if it holds something else,
    /// [`DataError::Busy`] if another process writes there.
    pub fn create_or_resume(path: &Path, features: &Features) -> Result<Self, DataError> {
        features.check()?;
        if path.join(meta::INFO).exists() {
            return Err(DataError::Sealed { path: path.to_owned() });
        }
        let staging = path.join(STAGING);
        if !staging.is_dir()
            && let Some(found) = disk::list(path)?.first()
        {
            let found = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(DataError::NotEmpty { path: path.to_owned(), found });
        }
        disk::create_folder(&staging)?;
        let lock = lock(path)?;
        let known = staging.join(FEATURES);
        if !known.is_file() {
            let text = serde_json::to_string_pretty(features)
                .map_err(|error| DataError::damaged(&known, error))?;
            disk::write_bytes(&known, text.as_bytes())?;
        }
        let writer = Self::take_up(path, lock)?;
        writer.features.must_match(features, path, true)?;
        Ok(writer)
    }

    /// Takes up an interrupted collection, whatever its features.
    pub(crate) fn resume(path: &Path) -> Result<Self, DataError> {
        let lock = lock(path)?;
        Self::take_up(path, lock)
    }

    fn take_up(path: &Path, lock: File) -> Result<Self, DataError> {
        // The staging is the truth; a sealing that did not end is begun anew.
        seal::discard(path)?;
        let staging = path.join(STAGING);
        let features: Features = meta::read_json(&staging.join(FEATURES))?;
        let (mut staged, mut damaged) = (BTreeMap::new(), Vec::new());
        for file in disk::list(&staging)? {
            if file.extension().is_some_and(|ending| ending == disk::TEMPORARY) {
                fs::remove_file(&file).map_err(|error| DataError::io("remove", &file, error))?;
            } else if let Some(index) = staged_index(&file) {
                match source(&features, &file) {
                    Ok(_) => {
                        staged.insert(index, file);
                    }
                    Err(error) => {
                        let kept = set_aside(path, &file)?;
                        damaged.push(format!(
                            "episode {index} is lost: {error} (its file is kept as {})",
                            kept.display()
                        ));
                    }
                }
            }
        }
        Ok(Self { root: path.to_owned(), features, staged, damaged, _lock: lock })
    }

    /// What the dataset is about.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Indices of the episodes that are already durable, ascending.
    pub fn acknowledged(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.staged.keys().copied()
    }

    /// What was found damaged when an interrupted collection was taken up, one sentence a file. The
    /// episodes named there are not among the acknowledged ones and can be appended again.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// Encodes an episode on the calling thread, deterministically.
    ///
    /// # Errors
    /// [`DataError::BadEpisode`] if it does not fit the features or holds a number that is not finite.
    pub fn encode(
        features: &Features,
        index: u64,
        episode: &Episode,
    ) -> Result<EncodedEpisode, DataError> {
        EncodedEpisode::new(features, index, episode)
    }

    /// Stores an episode, in any order. Once this returns `Ok`, it survives SIGKILL and power loss.
    ///
    /// # Errors
    /// [`DataError::Duplicate`]; [`DataError::DiskFull`] and other failures of the file system, after
    /// which everything appended before is intact and the writer can go on.
    pub fn append(&mut self, episode: EncodedEpisode) -> Result<(), DataError> {
        if self.staged.contains_key(&episode.index) {
            return Err(DataError::Duplicate(episode.index));
        }
        let file = self.root.join(STAGING).join(format!("episode-{:06}.parquet", episode.index));
        disk::write_bytes(&file, &episode.bytes)?;
        self.staged.insert(episode.index, file);
        Ok(())
    }

    /// Seals the dataset. Repeatable: after a crash or an error anywhere within, doing it again gives
    /// the same bytes.
    ///
    /// # Errors
    /// [`DataError::Gap`] if the indices do not run from 0 without holes; [`DataError::Empty`].
    pub fn finish(self) -> Result<Summary, DataError> {
        self.finish_with(FILE_LIMIT)
    }

    /// [`finish`](Self::finish) with another size at which data files give way to the next.
    pub(crate) fn finish_with(self, file_limit: u64) -> Result<Summary, DataError> {
        let last = self.staged.keys().next_back().copied().unwrap_or_default();
        let gaps: Vec<u64> = (0..last).filter(|index| !self.staged.contains_key(index)).collect();
        if !gaps.is_empty() {
            let mut missing =
                gaps.iter().take(10).map(u64::to_string).collect::<Vec<_>>().join(", ");
            if gaps.len() > 10 {
                missing += &format!(" and {} more", gaps.len() - 10);
            }
            return Err(DataError::Gap { path: self.root, missing });
        }
        self.seal_with(file_limit)
    }

    /// Seals the episodes there are, closing gaps.
    pub(crate) fn seal_with(self, file_limit: u64) -> Result<Summary, DataError> {
        let sources = self.staged.values().map(|file| source(&self.features, file));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let summary = seal::seal(&self.root, &self.features, &sources, file_limit)?;
        disk::remove_folder(&self.root.join(STAGING))?;
        Ok(summary)
    }
}

/// Locks the staging of a dataset against other processes; the system unlocks it when we end, however.
fn lock(root: &Path) -> Result<File, DataError> {
    let path = root.join(STAGING).join(LOCK);
    let file = File::create(&path).map_err(|error| DataError::io("create", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataError::Busy { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(DataError::io("lock", &path, error)),
    }
}

/// Moves a damaged file out of the way and returns where to.
pub(crate) fn set_aside(root: &Path, file: &Path) -> Result<PathBuf, DataError> {
    let kept = place_aside(root, file)?;
    disk::rename(file, &kept)?;
    Ok(kept)
}

/// A free name for a damaged file.
pub(crate) fn place_aside(root: &Path, file: &Path) -> Result<PathBuf, DataError> {
    let folder = root.join(DAMAGED);
    disk::create_folder(&folder)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut kept = folder.join(&name);
    let mut number = 1;
    while kept.exists() {
        number += 1;
        kept = folder.join(format!("{name}.{number}"));
    }
    Ok(kept)
}

fn staged_index(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?;
    name.strip_prefix("episode-")?.strip_suffix(".parquet")?.parse().ok()
}

/// Looks at a staged episode.
fn source(features: &Features, path: &Path) -> Result<Source, DataError> {
    let file = DataFile::open(path)?;
    let columns = column::payload(features);
    file.check_columns(&columns)?;
    let footer = file.footer().ok_or_else(|| DataError::damaged(path, "its footer has no task"))?;
    let footer: StagedFooter =
        serde_json::from_str(footer).map_err(|error| DataError::damaged(path, error))?;
    match file.row_groups() {
        [group] if group.num_rows() > 0 && footer.stats.len() == columns.len() => Ok(Source {
            path: path.to_owned(),
            row_group: 0,
            frames: group.num_rows() as usize,
            bytes: group.compressed_size().max(0) as u64,
            task: footer.task,
            stats: footer.stats,
        }),
        _ => Err(DataError::damaged(path, "it does not hold exactly one episode")),
    }
}
