//! Reading a sealed dataset.

use crate::column::{self, Column};
use crate::decode::{self, DataFile, Rows};
use crate::frames::{Frames, Watch};
use crate::meta::{self, EpisodeRow, Info};
use crate::seal::{self, Source};
use crate::writer::STAGING;
use crate::{DataError, Features, Stats, disk};
use housecat_core::{Episode, Experience, Images};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What to load.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// With the images of the first camera; otherwise only vectors are read.
    pub images: bool,
    /// Threads to read and decode on, at least 1. The result does not depend on it.
    pub threads: usize,
}

/// One episode of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpisodeInfo {
    /// Rows: steps plus one.
    pub frames: usize,
    /// What was asked.
    pub task: String,
}

/// A sealed dataset, its metadata and footers checked; rows are read when asked for.
pub struct Dataset {
    path: PathBuf,
    features: Features,
    columns: Vec<Column>,
    tasks: Vec<String>,
    episodes: Vec<EpisodeInfo>,
    pub(crate) rows: Vec<EpisodeRow>,
    stats: Vec<Stats>,
    /// The data files in order.
    files: Vec<DataFile>,
    /// File and row group of each episode.
    places: Vec<Place>,
}

impl Dataset {
    /// Opens a dataset and checks all of its metadata and the footer of every data file.
    ///
    /// # Errors
    /// [`DataError::Missing`], [`DataError::Unsealed`], [`DataError::Version`],
    /// [`DataError::Damaged`], [`DataError::Column`] or [`DataError::Inconsistent`], naming the file.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let info_path = path.join(meta::INFO);
        if !info_path.is_file() {
            let path = path.to_owned();
            return Err(if path.join(STAGING).is_dir() || seal::has_begun(&path) {
                DataError::Unsealed { path }
            } else if data_files(&path)?.is_empty() {
                DataError::Missing { path, missing: meta::INFO }
            } else {
                DataError::inconsistent(&info_path, "is missing although there are data files")
            });
        }
        let info: Value = meta::read_json(&info_path)?;
        match info.get("codebase_version").and_then(Value::as_str) {
            Some(meta::VERSION) => {}
            other => {
                let found = other.unwrap_or("none").to_owned();
                return Err(DataError::Version { path: info_path, found });
            }
        }
        let info: Info =
            serde_json::from_value(info).map_err(|error| DataError::damaged(&info_path, error))?;
        let housecat = path.join(meta::HOUSECAT);
        if !housecat.is_file() {
            let missing = meta::HOUSECAT;
            return Err(DataError::inconsistent(&housecat, format!("`{missing}` does not exist")));
        }
        let features: Features = meta::read_json(&housecat)?;
        features.check().map_err(|error| DataError::inconsistent(&housecat, error.to_string()))?;
        let columns = column::all(&features);
        let tasks = meta::read_tasks(&path.join(meta::TASKS))?;
        let rows = meta::read_episodes(&path.join(meta::EPISODES), &columns, &tasks)?;
        let expected = Info {
            fps: features.fps(),
            total_episodes: rows.len(),
            total_frames: rows.iter().map(|row| row.frames).sum(),
            total_tasks: tasks.len(),
            features: meta::described(&columns).into_iter().collect(),
            data_path: meta::DATA_PATH.into(),
        };
        if info != expected {
            return Err(DataError::inconsistent(&info_path, disagreement(&info, &expected)));
        }
        let stats = meta::read_stats(&path.join(meta::STATS), &columns)?;
        let (files, places) = open_files(path, &columns, &rows)?;
        let episodes = rows
            .iter()
            .map(|row| EpisodeInfo { frames: row.frames, task: tasks[row.task].clone() })
            .collect();
        let path = path.to_owned();
        Ok(Self { path, features, columns, tasks, episodes, rows, stats, files, places })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is about.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The episodes in order.
    pub fn episodes(&self) -> &[EpisodeInfo] {
        &self.episodes
    }

    /// Rows in all.
    pub fn frames(&self) -> usize {
        self.rows.last().map_or(0, |row| row.from + row.frames)
    }

    /// The distinct tasks, by `task_index`.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// Statistics over the dataset, by column name.
    pub fn stats(&self) -> BTreeMap<&str, &Stats> {
        self.columns.iter().map(|column| column.name.as_str()).zip(&self.stats).collect()
    }

    /// Size of the data files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.file().metadata().ok()).map(|it| it.len()).sum()
    }

    /// Number of data files.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn column_stats(&self) -> &[Stats] {
        &self.stats
    }

    /// The data files in order.
    pub(crate) fn data_files(&self) -> &[DataFile] {
        &self.files
    }

    /// Which file and row group each episode is in.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The file and row group of an episode.
    pub(crate) fn place(&self, index: usize) -> (&DataFile, usize) {
        let (file, group) = self.places[index];
        (&self.files[file], group)
    }

    /// Where each episode is encoded, for copying.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        let payload = self.columns.len() - column::PLACED.len();
        self.rows.iter().zip(&self.places).map(move |(row, &(file, row_group))| Source {
            path: self.files[file].path.clone(),
            row_group,
            frames: row.frames,
            bytes: self.files[file].row_groups()[row_group].compressed_size().max(0) as u64,
            task: self.tasks[row.task].clone(),
            stats: row.stats[..payload].to_vec(),
        })
    }

    /// One episode with all of its frames.
    ///
    /// # Errors
    /// [`DataError::NoSuchEpisode`]; damage in its row group.
    pub fn episode(&self, index: usize) -> Result<Episode, DataError> {
        let Some(info) = self.episodes.get(index) else {
            let (path, count) = (self.path.clone(), self.episodes.len());
            return Err(DataError::NoSuchEpisode { path, index, count });
        };
        let (file, group) = self.place(index);
        let batch = file.read(Some(group), None)?;
        decode::episode(&self.features, &file.path, &batch, &info.task)
    }

    /// Reads all frames into the flat layout that training reads. Images are decoded once: they are kept
    /// in `.cache/frames.u8` of the dataset, from where they are mapped into memory (see
    /// [`load_watched`](Self::load_watched)).
    ///
    /// # Errors
    /// [`DataError::NoImages`] if images are wanted and there are none; damage in any row group;
    /// [`DataError::DiskFull`] if neither the dataset's folder nor that of temporary files has room for
    /// the decoded images.
    pub fn load(&self, selection: &Selection) -> Result<Experience, DataError> {
        self.load_watched(selection, &|_| ControlFlow::Continue(()))
    }

    /// [`load`](Self::load), which tells `watch` how many episodes have their images. A cache that belongs
    /// to another state of the dataset or is damaged is made anew; where none can be kept, a warning
    /// says so and the images go to a temporary file. They need not fit into memory.
    ///
    /// # Errors
    /// Those of `load`, and [`DataError::Interrupted`] when `watch` says so.
    pub fn load_watched(
        &self,
        selection: &Selection,
        watch: &Watch<'_>,
    ) -> Result<Experience, DataError> {
        let spaces = &self.features.spaces;
        let image = match (selection.images, spaces.observation.images.first()) {
            (true, None) => return Err(DataError::NoImages { path: self.path.clone() }),
            (true, Some(spec)) => Some(spec),
            (false, _) => None,
        };
        let mut experience = self.load_vectors(selection.threads)?;
        let name = image.map(|spec| column::image_column(&spec.camera));
        let column = self.columns.iter().find(|column| Some(&column.name) == name.as_ref());
        if let (Some(image), Some(column)) = (image, column) {
            let frames = Frames::new(self, column, image, selection.threads, watch);
            experience.images = frames.load()?;
            experience.image = Some(image.clone());
        }
        Ok(experience)
    }

    /// Everything but the images.
    fn load_vectors(&self, threads: usize) -> Result<Experience, DataError> {
        let spaces = &self.features.spaces;
        let frames = self.frames();
        let (state_names, privileged_names) =
            (spaces.observation.state.clone(), self.features.privileged.clone());
        let action_dim = spaces.action.dim();
        let mut experience = Experience {
            image: None,
            images: Images::default(),
            state: vec![0.0; frames * state_names.len()],
            privileged: vec![0.0; frames * privileged_names.len()],
            actions: vec![0.0; frames * action_dim],
            rewards: vec![0.0; frames],
            episodes: self.rows.iter().map(|row| row.from..row.from + row.frames).collect(),
            state_names,
            privileged_names,
            action_dim,
        };
        let mut wanted = vec![column::ACTION, column::REWARD];
        let vectors = [
            (column::STATE, experience.state_names.len()),
            (column::PRIVILEGED, experience.privileged_names.len()),
        ];
        wanted.extend(vectors.iter().filter(|(_, dim)| *dim > 0).map(|(name, _)| *name));

        // Every episode gets its own slices of the arrays, so that threads never meet.
        let mut floats = [
            (column::STATE, vectors[0].1, experience.state.as_mut_slice()),
            (column::PRIVILEGED, vectors[1].1, experience.privileged.as_mut_slice()),
            (column::ACTION, action_dim, experience.actions.as_mut_slice()),
            (column::REWARD, 1, experience.rewards.as_mut_slice()),
        ];
        let mut jobs = Vec::with_capacity(self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            let parts = floats.each_mut().map(|(name, dim, rest)| {
                let part = rest.split_off_mut(..row.frames * *dim).unwrap_or_default();
                (*name, part)
            });
            jobs.push((index, parts));
        }
        in_parallel(threads, jobs, |(index, parts)| {
            let (file, group) = self.place(index);
            let batch = file.read(Some(group), Some(&wanted))?;
            let rows = Rows { path: &file.path, batch: &batch };
            for (name, part) in parts {
                if !part.is_empty() {
                    part.copy_from_slice(rows.floats(name)?);
                }
            }
            Ok(())
        })?;
        Ok(experience)
    }
}

/// Runs jobs on so many threads. Of several errors, that of the earliest job is returned.
pub(crate) fn in_parallel<T: Send>(
    threads: usize,
    jobs: Vec<T>,
    work: impl Fn(T) -> Result<(), DataError> + Sync,
) -> Result<(), DataError> {
    let (queue, failure) = (Mutex::new(jobs.into_iter().enumerate()), Mutex::new(None));
    let lock = |mutex: &Mutex<Option<(usize, DataError)>>, at: usize, error| {
        let mut first = mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if first.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
            *first = Some((at, error));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let job = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
                    let Some((at, job)) = job else { break };
                    if let Err(error) = work(job) {
                        lock(&failure, at, error);
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// The data files of a dataset, as LeRobot finds them: every parquet file in a folder of `data/`.
pub(crate) fn data_files(root: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for folder in disk::list(&root.join("data"))? {
        if folder.is_dir() {
            files.extend(disk::list(&folder)?);
        }
    }
    files.retain(|file| file.extension().is_some_and(|ending| ending == "parquet"));
    Ok(files)
}

/// Opens the data files and finds each episode's row group.
fn open_files(
    root: &Path,
    columns: &[Column],
    rows: &[EpisodeRow],
) -> Result<(Vec<DataFile>, Vec<Place>), DataError> {
    let (mut files, mut places): (Vec<DataFile>, Vec<Place>) = (Vec::new(), Vec::new());
    let mut open_place = None;
    for (index, row) in rows.iter().enumerate() {
        if open_place != Some(row.place) {
            let file = DataFile::open(&root.join(seal::data_path(row.place)))?;
            file.check_columns(columns)?;
            files.push(file);
            open_place = Some(row.place);
        }
        let file = files.len() - 1;
        let group = places.iter().rev().take_while(|(other, _)| *other == file).count();
        let have = files[file].row_groups().get(group).map(|group| group.num_rows());
        if have != Some(row.frames as i64) {
            let detail = format!(
                "episode {index} should be its row group {group} with {} rows, which has {}",
                row.frames,
                have.map_or("does not exist".into(), |have| format!("{have}")),
            );
            return Err(DataError::inconsistent(&files[file].path, detail));
        }
        places.push((file, group));
    }
    for (at, file) in files.iter().enumerate() {
        let used = places.iter().filter(|(other, _)| *other == at).count();
        if file.row_groups().len() != used {
            let detail = format!("has {} row groups for {used} episodes", file.row_groups().len());
            return Err(DataError::inconsistent(&file.path, detail));
        }
    }
    let known = |path: &PathBuf| files.iter().any(|file| file.path == *path);
    match data_files(root)?.iter().find(|path| !known(path)) {
        Some(path) => Err(DataError::inconsistent(path, "belongs to no episode")),
        None => Ok((files, places)),
    }
}

/// File and row group.
pub(crate) type Place = (usize, usize);

/// The first field in which `info.json` disagrees with the other files.
fn disagreement(info: &Info, expected: &Info) -> String {
    let numbers = [
        ("fps", u64::from(info.fps), u64::from(expected.fps)),
        ("total_episodes", info.total_episodes as u64, expected.total_episodes as u64),
        ("total_frames", info.total_frames as u64, expected.total_frames as u64),
        ("total_tasks", info.total_tasks as u64, expected.total_tasks as u64),
    ];
    if let Some((name, have, want)) = numbers.iter().find(|(_, have, want)| have != want) {
        return format!("{name} is {have}, but the other files say {want}");
    }
    let names = expected.features.keys().chain(info.features.keys());
    let differing = |name: &&String| info.features.get(*name) != expected.features.get(*name);
    match names.into_iter().find(differing) {
        Some(name) => format!("the feature `{name}` is not as {} has it", meta::HOUSECAT),
        None => format!("data_path is {:?}, not {:?}", info.data_path, expected.data_path),
    }
}
