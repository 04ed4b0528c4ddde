//! Sealing: episodes from wherever they are encoded become one dataset, all at once.

use crate::column::{self, Column};
use crate::decode::DataFile;
use crate::encode::{FOOTER_KEY, properties};
use crate::meta::{self, EpisodeRow};
use crate::{DataError, Features, Stats, disk};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::writer::SerializedFileWriter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Size at which a data file gives way to the next: LeRobot's default.
pub(crate) const FILE_LIMIT: u64 = 100 * 1024 * 1024;
/// Files in one `chunk-NNN` folder: LeRobot's default.
pub(crate) const CHUNK_FILES: usize = 1000;

const SEALING: &str = ".sealing";

/// A finished dataset in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Episodes.
    pub episodes: usize,
    /// Rows: steps plus one per episode.
    pub frames: usize,
    /// Data files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

/// One encoded episode: a row group with at least the payload columns.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub path: PathBuf,
    pub row_group: usize,
    pub frames: usize,
    /// Size of its row group on disk.
    pub bytes: u64,
    pub task: String,
    /// One entry per payload column.
    pub stats: Vec<Stats>,
}

/// What the footer of a data file tells beside its rows, enough to rebuild all metadata from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataFooter {
    pub features: Features,
    /// The tasks of the file's episodes, by `task_index`.
    pub tasks: BTreeMap<usize, String>,
}

/// An episode with its place in the dataset.
struct Placed<'a> {
    source: &'a Source,
    index: usize,
    from: usize,
    task: usize,
}

impl Placed<'_> {
    /// The values of a placed column; `None` for the payload.
    fn values(&self, column: &str) -> Option<Vec<i64>> {
        let rows = self.source.frames;
        match column {
            column::EPISODE_INDEX => Some(vec![self.index as i64; rows]),
            column::INDEX => Some((self.from as i64..(self.from + rows) as i64).collect()),
            column::TASK_INDEX => Some(vec![self.task as i64; rows]),
            _ => None,
        }
    }
}

/// Writes a complete dataset of these episodes, in this order, and moves it into `root`, replacing a
/// dataset that is there. A crash leaves what was there, or an installation that [`install`] completes.
pub(crate) fn seal(
    root: &Path,
    features: &Features,
    sources: &[Source],
    file_limit: u64,
) -> Result<Summary, DataError> {
    if sources.is_empty() {
        return Err(DataError::Empty { path: root.to_owned() });
    }
    let work = root.join(SEALING);
    discard(root)?;
    disk::create_folder(&work)?;

    let mut tasks: Vec<String> = Vec::new();
    let (mut from, mut placed) = (0, Vec::with_capacity(sources.len()));
    for (index, source) in sources.iter().enumerate() {
        let task = tasks.iter().position(|task| *task == source.task).unwrap_or_else(|| {
            tasks.push(source.task.clone());
            tasks.len() - 1
        });
        placed.push(Placed { source, index, from, task });
        from += source.frames;
    }

    let (mut summary, mut rows) = (Summary::default(), Vec::with_capacity(placed.len()));
    let mut rest = &placed[..];
    while !rest.is_empty() {
        let mut size = 0;
        let fits = rest.iter().take_while(|episode| {
            let first = size == 0;
            size += episode.source.bytes.max(1);
            first || size <= file_limit
        });
        let (group, later) = rest.split_at(fits.count());
        rest = later;
        let place = (summary.files / CHUNK_FILES, summary.files % CHUNK_FILES);
        let path = work.join(data_path(place));
        if let Some(folder) = path.parent() {
            disk::create_folder(folder)?;
        }
        write_data_file(&path, features, &tasks, group)?;
        summary.files += 1;
        summary.bytes +=
            fs::metadata(&path).map_err(|error| DataError::io("read", &path, error))?.len();
        rows.extend(group.iter().map(|episode| row(episode, place)));
    }
    summary.episodes = placed.len();
    summary.frames = from;
    meta::write(&work.join("meta"), features, &tasks, &rows)?;
    install(root)?;
    Ok(summary)
}

/// Where a data file is, relative to the dataset.
pub(crate) fn data_path((chunk, file): (usize, usize)) -> String {
    format!("data/chunk-{chunk:03}/file-{file:03}.parquet")
}

/// Whether a complete dataset waits to be moved into place.
pub(crate) fn is_pending(root: &Path) -> bool {
    root.join(SEALING).join(meta::INFO).is_file()
}

/// Whether sealing has begun.
pub(crate) fn has_begun(root: &Path) -> bool {
    root.join(SEALING).is_dir()
}

/// Forgets a sealing that did not come to its end.
pub(crate) fn discard(root: &Path) -> Result<(), DataError> {
    let work = root.join(SEALING);
    if is_pending(root) {
        // First what makes it look complete, so that no half of it is ever installed.
        let info = work.join(meta::INFO);
        fs::remove_file(&info).map_err(|error| DataError::io("remove", &info, error))?;
    }
    disk::remove_folder(&work)
}

/// Moves a complete dataset from `.sealing/` into place; repeatable after a crash at any point,
/// because `meta/` goes last and is what makes the work complete.
pub(crate) fn install(root: &Path) -> Result<(), DataError> {
    let work = root.join(SEALING);
    for part in ["data", "meta"] {
        let (from, to) = (work.join(part), root.join(part));
        if from.is_dir() {
            if part == "data" {
                // From here until `meta/` is in place, there is no sealed dataset.
                let old = root.join(meta::INFO);
                if old.is_file() {
                    fs::remove_file(&old).map_err(|error| DataError::io("remove", &old, error))?;
                }
            }
            disk::remove_folder(&to)?;
            disk::rename(&from, &to)?;
        }
    }
    disk::remove_folder(&work)
}

/// The row of an episode in the metadata.
fn row(episode: &Placed, place: (usize, usize)) -> EpisodeRow {
    let mut stats = episode.source.stats.clone();
    for column in column::PLACED {
        let values = episode.values(column).unwrap_or_default();
        stats.push(Stats::of_values(values.iter().map(|&value| value as f64), 1));
    }
    EpisodeRow {
        frames: episode.source.frames,
        task: episode.task,
        from: episode.from,
        place,
        stats,
    }
}

fn write_data_file(
    path: &Path,
    features: &Features,
    tasks: &[String],
    group: &[Placed],
) -> Result<(), DataError> {
    let columns = column::all(features);
    let used = group.iter().map(|episode| (episode.task, tasks[episode.task].clone()));
    let footer = DataFooter { features: features.clone(), tasks: used.collect() };
    let footer = serde_json::to_string(&footer).map_err(|error| DataError::damaged(path, error))?;
    disk::write_file(path, |file| {
        let mut opened: Option<DataFile> = None;
        let mut writer =
            open_writer(file, &columns, footer).map_err(|error| DataError::parquet(path, error))?;
        for episode in group {
            let source = match opened.take() {
                Some(source) if source.path == episode.source.path => source,
                _ => DataFile::open(&episode.source.path)?,
            };
            copy_row_group(&mut writer, &source, episode)
                .map_err(|error| DataError::parquet(path, error))?;
            opened = Some(source);
        }
        writer.close().map(drop).map_err(|error| DataError::parquet(path, error))
    })
}

fn open_writer<'a>(
    file: &'a mut File,
    columns: &[Column],
    footer: String,
) -> Result<SerializedFileWriter<&'a mut File>, ParquetError> {
    // Readers with the arrow schema take the metadata from there, others from the footer: both have it.
    let (key, value) = ("huggingface".to_owned(), column::hugging_face(columns));
    let schema = column::schema(columns).with_metadata([(key.clone(), value.clone())].into());
    let descriptor = ArrowSchemaConverter::new().convert(&schema)?;
    let mut properties = properties(columns)
        .set_key_value_metadata(Some(vec![
            KeyValue::new(key, value),
            KeyValue::new(FOOTER_KEY.into(), footer),
        ]))
        .build();
    add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
    SerializedFileWriter::new(file, descriptor.root_schema_ptr(), Arc::new(properties))
}

/// Copies an episode's payload byte for byte and writes the placed columns.
fn copy_row_group(
    writer: &mut SerializedFileWriter<&mut File>,
    source: &DataFile,
    episode: &Placed,
) -> Result<(), ParquetError> {
    let leaves = writer.schema_descr().columns().to_vec();
    let rows = episode.source.frames;
    let chunks = source.row_groups().get(episode.source.row_group);
    let chunks = chunks.map_or(&[][..], |group| group.columns());
    let mut out = writer.next_row_group()?;
    for leaf in leaves {
        let root = leaf.path().parts().first().map_or("", String::as_str);
        if let Some(values) = episode.values(root) {
            let mut column = out
                .next_column()?
                .ok_or_else(|| ParquetError::General(format!("no place for column {root}")))?;
            // The column is nullable: definition level 1 says that a value is there.
            column.typed::<Int64Type>().write_batch(&values, Some(&vec![1; rows]), None)?;
            column.close()?;
        } else {
            let same = |chunk: &&ColumnChunkMetaData| chunk.column_path() == leaf.path();
            let chunk = chunks.iter().find(same).ok_or_else(|| {
                ParquetError::General(format!(
                    "column {} is missing in {}",
                    leaf.path(),
                    source.path.display()
                ))
            })?;
            let close = ColumnCloseResult {
                bytes_written: chunk.compressed_size().max(0) as u64,
                rows_written: rows as u64,
                metadata: chunk.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            out.append_column(source.file(), close)?;
        }
    }
    out.close().map(drop)
}
