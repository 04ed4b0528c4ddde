//! Decoded frames, kept beside the dataset and mapped into memory: each PNG is decoded once.
//!
//! The cache is one file, `.cache/frames.u8`, in no way part of the dataset:
//!
//! ```text
//! N * h * w * 3 bytes   the frames of the first camera, episode after episode
//! JSON                  Footer: the data files that they were decoded from, a checksum an episode
//! u64, little endian    length of the JSON in bytes
//! 8 bytes               MAGIC
//! ```
//!
//! It appears under its name when it is complete, and is used only if the data files are those of its
//! footer and every checksum is right; otherwise it is made anew. Where it cannot be kept (the folder
//! is read-only, its disk full), the frames go to a nameless temporary file that ends with the process.

use crate::column::Column;
use crate::dataset::{Dataset, in_parallel};
use crate::decode::{self, Rows};
use crate::map::map;
use crate::{DataError, disk};
use housecat_core::{ImageSpec, Images};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Beside `meta/` and `data/`; LeRobot does not look there.
const FOLDER: &str = ".cache";
const FILE: &str = "frames.u8";
const LOCK: &str = "lock";

/// Ends a complete file; another layout gets another number.
const MAGIC: [u8; 8] = *b"frames01";

/// Between two looks at a cache that another process is making.
const PAUSE: Duration = Duration::from_millis(50);

/// Told how many episodes are ready; [`ControlFlow::Break`] stops the work.
pub type Watch<'a> = dyn Fn(usize) -> ControlFlow<()> + Sync + 'a;

/// What frames were decoded from.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    image: ImageSpec,
    files: Vec<FileState>,
    /// File, row group and number of frames of each episode.
    episodes: Vec<(usize, usize, usize)>,
}

/// A data file as it was. The system sets the time of change whenever content, name or attributes
/// change, and lets no one turn it back.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FileState {
    path: PathBuf,
    bytes: u64,
    /// Seconds and nanoseconds since 1970.
    changed: (i64, i64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    origin: Origin,
    /// CRC-32 of the frames of each episode.
    checksums: Vec<u32>,
}

/// The decoded frames of a dataset's camera, in work.
pub(crate) struct Frames<'a> {
    dataset: &'a Dataset,
    column: &'a Column,
    image: &'a ImageSpec,
    threads: usize,
    watch: &'a Watch<'a>,
}

impl<'a> Frames<'a> {
    /// Those of the camera `image`, which is in `column`.
    pub fn new(
        dataset: &'a Dataset,
        column: &'a Column,
        image: &'a ImageSpec,
        threads: usize,
        watch: &'a Watch<'a>,
    ) -> Self {
        Self { dataset, column, image, threads, watch }
    }

    /// All frames, from the cache if it is good; else decoded, and kept if that can be.
    pub fn load(&self) -> Result<Images, DataError> {
        let folder = self.dataset.path().join(FOLDER);
        let path = folder.join(FILE);
        let origin = self.origin()?;
        if let Some(images) = self.open(&path, &origin)? {
            return Ok(images);
        }
        match self.keep(&folder, &path, origin) {
            Err(error) if error.is_in(&folder) => {
                tracing::warn!(
                    "decoded frames cannot be kept for the next time: {error}. They go to a temporary file \
                     in {} until this command ends",
                    std::env::temp_dir().display()
                );
                let (file, path) = nameless()?;
                self.decode(&file, &path)?;
                self.map(&file, &path)
            }
            other => other,
        }
    }

    fn origin(&self) -> Result<Origin, DataError> {
        let root = self.dataset.path();
        let state = |file: &decode::DataFile| {
            let data = file.file().metadata();
            let data = data.map_err(|error| DataError::io("look at", &file.path, error))?;
            Ok(FileState {
                path: file.path.strip_prefix(root).unwrap_or(&file.path).to_owned(),
                bytes: data.len(),
                changed: (data.ctime(), data.ctime_nsec()),
            })
        };
        let files = self.dataset.data_files().iter().map(state).collect::<Result<_, _>>()?;
        let places = self.dataset.rows.iter().zip(self.dataset.places());
        let episodes = places.map(|(row, &(file, group))| (file, group, row.frames)).collect();
        Ok(Origin { image: self.image.clone(), files, episodes })
    }

    /// The frames in a file, if they are those of `origin` and undamaged.
    fn open(&self, path: &Path, origin: &Origin) -> Result<Option<Images>, DataError> {
        let Ok(file) = File::open(path) else { return Ok(None) };
        let Some(footer) = self.footer(&file) else {
            tracing::warn!("{} is not whole: decoding the frames anew", path.display());
            return Ok(None);
        };
        if footer.origin != *origin {
            tracing::info!("the dataset has changed: decoding the frames anew");
            return Ok(None);
        }
        // By reading, because a mapping answers a bad sector with a signal. It also brings into memory
        // what fits there, in the order of the disk.
        let found = self.each_episode(|pixels, _, offset| {
            file.read_exact_at(pixels, offset).map_err(|error| DataError::io("read", path, error))
        });
        match found {
            Ok(checksums) if checksums == footer.checksums => self.map(&file, path).map(Some),
            Err(DataError::Interrupted) => Err(DataError::Interrupted),
            _ => {
                tracing::warn!("{} is damaged: decoding the frames anew", path.display());
                Ok(None)
            }
        }
    }

    fn footer(&self, file: &File) -> Option<Footer> {
        let mut end = [0; 16];
        let end_at = file.metadata().ok()?.len().checked_sub(end.len() as u64)?;
        file.read_exact_at(&mut end, end_at).ok()?;
        let (length, magic) = end.split_first_chunk::<8>()?;
        let start = end_at.checked_sub(u64::from_le_bytes(*length))?;
        if *magic != MAGIC || start < self.bytes() as u64 {
            return None;
        }
        let mut json = vec![0; (end_at - start) as usize];
        file.read_exact_at(&mut json, start).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Makes the cache, one process at a time.
    fn keep(&self, folder: &Path, path: &Path, origin: Origin) -> Result<Images, DataError> {
        disk::create_folder(folder)?;
        let (_lock, waited) = self.lock(&folder.join(LOCK))?;
        if waited && let Some(images) = self.open(path, &origin)? {
            return Ok(images);
        }
        disk::write_file(path, |file| {
            let checksums = self.decode(file, path)?;
            let footer = serde_json::to_vec(&Footer { origin, checksums })
                .map_err(|error| DataError::damaged(path, error))?;
            let end = [&footer[..], &(footer.len() as u64).to_le_bytes(), &MAGIC].concat();
            file.write_all_at(&end, self.bytes() as u64)
                .map_err(|error| DataError::io("write", path, error))
        })?;
        let file = File::open(path).map_err(|error| DataError::io("open", path, error))?;
        self.map(&file, path)
    }

    /// Locks out other processes that would make the cache, and says whether one had to be waited for.
    /// The system unlocks it when the file is dropped or the process ends, however.
    fn lock(&self, path: &Path) -> Result<(File, bool), DataError> {
        let file = File::create(path).map_err(|error| DataError::io("create", path, error))?;
        let mut waited = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok((file, waited)),
                Err(TryLockError::Error(error)) => return Err(DataError::io("lock", path, error)),
                Err(TryLockError::WouldBlock) => {
                    waited = true;
                    if (self.watch)(0).is_break() {
                        return Err(DataError::Interrupted);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Decodes all frames to the beginning of a file and returns their checksums.
    fn decode(&self, out: &File, path: &Path) -> Result<Vec<u32>, DataError> {
        self.each_episode(|pixels, index, offset| {
            let (file, group) = self.dataset.place(index);
            let batch = file.read(Some(group), Some(&[&self.column.name]))?;
            let pngs = Rows { path: &file.path, batch: &batch }.pngs(&self.column.name)?;
            for (row, frame) in pixels.chunks_exact_mut(self.image.bytes()).enumerate() {
                decode::decode_image(&file.path, self.column, row, pngs.value(row), frame)?;
            }
            out.write_all_at(pixels, offset).map_err(|error| DataError::io("write", path, error))
        })
    }

    /// Fills the pixels of every episode, given its index and the offset in the file in bytes, on all
    /// threads and with one episode a thread in memory. Returns their checksums; of several errors, that
    /// of the earliest episode.
    fn each_episode(
        &self,
        fill: impl Fn(&mut [u8], usize, u64) -> Result<(), DataError> + Sync,
    ) -> Result<Vec<u32>, DataError> {
        let rows = &self.dataset.rows;
        let (done, failed) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        let work = |index: usize| {
            let row = &rows[index];
            let mut pixels = vec![0; row.frames * self.image.bytes()];
            fill(&mut pixels, index, (row.from * self.image.bytes()) as u64)?;
            match (self.watch)(done.fetch_add(1, Ordering::Relaxed) + 1) {
                ControlFlow::Continue(()) => Ok(crc32fast::hash(&pixels)),
                ControlFlow::Break(()) => Err(DataError::Interrupted),
            }
        };
        let mut checksums = vec![0; rows.len()];
        let jobs = checksums.iter_mut().enumerate().collect();
        in_parallel(self.threads, jobs, |(index, checksum)| {
            // Episodes before the one that failed are not passed over, so that the earliest is named.
            if index < failed.load(Ordering::Relaxed) {
                *checksum = work(index).inspect_err(|_| {
                    failed.fetch_min(index, Ordering::Relaxed);
                })?;
            }
            Ok(())
        })?;
        Ok(checksums)
    }

    fn map(&self, file: &File, path: &Path) -> Result<Images, DataError> {
        let mapped = map(file, self.bytes());
        mapped.map(Images::new).map_err(|error| DataError::io("map", path, error))
    }

    /// Of all frames.
    fn bytes(&self) -> usize {
        self.dataset.frames() * self.image.bytes()
    }
}

/// A new temporary file that has lost its name, and the name.
fn nameless() -> Result<(File, PathBuf), DataError> {
    let folder = std::env::temp_dir();
    let mut number = 0;
    loop {
        let path = folder.join(format!("housecat-frames-{}-{number}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                fs::remove_file(&path).map_err(|error| DataError::io("remove", &path, error))?;
                return Ok((file, path));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(DataError::io("create", &path, error)),
        }
    }
}
