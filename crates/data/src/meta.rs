//! The metadata files: `info.json`, `housecat.json`, `stats.json`, `tasks.parquet` and the episodes.

use crate::column::{self, Column};
use crate::decode::DataFile;
use crate::seal::{CHUNK_FILES, FILE_LIMIT};
use crate::{DataError, Features, Stats, disk};
use arrow_array::builder::{Float64Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Present exactly when a dataset is sealed.
pub(crate) const INFO: &str = "meta/info.json";
/// Relative to the dataset.
pub(crate) const HOUSECAT: &str = "meta/housecat.json";
/// Relative to the dataset.
pub(crate) const STATS: &str = "meta/stats.json";
/// Relative to the dataset.
pub(crate) const TASKS: &str = "meta/tasks.parquet";
/// Relative to the dataset.
pub(crate) const EPISODES: &str = "meta/episodes/chunk-000/file-000.parquet";

/// The version of the format.
pub(crate) const VERSION: &str = "v3.0";

/// Episodes in one row group of the episodes' file.
const EPISODES_A_GROUP: usize = 1000;

/// One episode in the metadata.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EpisodeRow {
    pub frames: usize,
    pub task: usize,
    /// Global index of its first frame.
    pub from: usize,
    /// Chunk and file of its data.
    pub place: (usize, usize),
    /// One entry per column.
    pub stats: Vec<Stats>,
}

/// `info.json` as far as it is checked.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Info {
    pub fps: u32,
    pub total_episodes: usize,
    pub total_frames: usize,
    pub total_tasks: usize,
    pub features: BTreeMap<String, Value>,
    pub data_path: String,
}

/// A JSON object whose keys keep their order: LeRobot shows features in that of the file.
struct Ordered(Vec<(String, Value)>);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

/// Writes all metadata into `folder`, `info.json` last.
pub(crate) fn write(
    folder: &Path,
    features: &Features,
    tasks: &[String],
    rows: &[EpisodeRow],
) -> Result<(), DataError> {
    let columns = column::all(features);
    // The constants name files relative to the dataset.
    let at = |file: &str| folder.join(file.strip_prefix("meta/").unwrap_or(file));
    if let Some(parent) = at(EPISODES).parent() {
        disk::create_folder(parent)?;
    }
    write_table(&at(EPISODES), &episodes_table(&columns, tasks, rows)?, None)?;
    write_tasks(&at(TASKS), tasks)?;
    write_json(&at(STATS), &stats_json(&columns, rows))?;
    write_json(&at(HOUSECAT), features)?;
    write_json(&at(INFO), &info_json(features, &columns, tasks, rows))
}

/// Dataset statistics per column, merged from the episodes in order.
pub(crate) fn merged_stats(columns: &[Column], rows: &[EpisodeRow]) -> Vec<Stats> {
    (0..columns.len()).map(|which| Stats::merge(rows.iter().map(|row| &row.stats[which]))).collect()
}

fn stats_json(columns: &[Column], rows: &[EpisodeRow]) -> impl Serialize {
    let merged = merged_stats(columns, rows);
    let entries = columns.iter().zip(merged);
    Ordered(entries.map(|(column, stats)| (column.name.clone(), stats.json(column))).collect())
}

/// The description of each column in `info.json`.
pub(crate) fn described(columns: &[Column]) -> Vec<(String, Value)> {
    columns.iter().map(|column| (column.name.clone(), column.info())).collect()
}

fn info_json(
    features: &Features,
    columns: &[Column],
    tasks: &[String],
    rows: &[EpisodeRow],
) -> impl Serialize {
    #[derive(Serialize)]
    struct File {
        codebase_version: &'static str,
        fps: u32,
        features: Ordered,
        total_episodes: usize,
        total_frames: usize,
        total_tasks: usize,
        chunks_size: usize,
        data_files_size_in_mb: u64,
        video_files_size_in_mb: u64,
        data_path: &'static str,
        video_path: Option<String>,
        robot_type: String,
        splits: BTreeMap<&'static str, String>,
    }
    File {
        codebase_version: VERSION,
        fps: features.fps(),
        features: Ordered(described(columns)),
        total_episodes: rows.len(),
        total_frames: rows.iter().map(|row| row.frames).sum(),
        total_tasks: tasks.len(),
        chunks_size: CHUNK_FILES,
        data_files_size_in_mb: FILE_LIMIT >> 20,
        video_files_size_in_mb: 200,
        data_path: DATA_PATH,
        video_path: None,
        robot_type: features.sim.clone(),
        splits: [("train", format!("0:{}", rows.len()))].into(),
    }
}

/// LeRobot's template of data paths.
pub(crate) const DATA_PATH: &str = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";

fn write_json(path: &Path, content: &impl Serialize) -> Result<(), DataError> {
    let text =
        serde_json::to_string_pretty(content).map_err(|error| DataError::damaged(path, error))?;
    disk::write_bytes(path, format!("{text}\n").as_bytes())
}

/// Reads a JSON file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, DataError> {
    let text = fs::read_to_string(path).map_err(|error| DataError::io("read", path, error))?;
    serde_json::from_str(&text).map_err(|error| DataError::damaged(path, error))
}

fn write_table(
    path: &Path,
    table: &RecordBatch,
    metadata: Option<Vec<KeyValue>>,
) -> Result<(), DataError> {
    let properties = crate::encode::properties(&[])
        .set_key_value_metadata(metadata)
        .set_max_row_group_row_count(Some(EPISODES_A_GROUP))
        .build();
    disk::write_file(path, |file| {
        let write = || {
            let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties))?;
            writer.write(table)?;
            writer.close().map(drop)
        };
        write().map_err(|error| DataError::parquet(path, error))
    })
}

/// The tasks, as pandas writes a frame whose index is `task`; LeRobot looks them up by that index.
fn write_tasks(path: &Path, tasks: &[String]) -> Result<(), DataError> {
    let describe = |name: &str, pandas: &str, numpy: &str| {
        json!({"name": name, "field_name": name, "pandas_type": pandas, "numpy_type": numpy,
               "metadata": null})
    };
    let pandas = json!({
        "index_columns": ["task"],
        "column_indexes": [describe_columns_index()],
        "columns": [describe("task_index", "int64", "int64"), describe("task", "unicode", "object")],
        "creator": {"library": "pyarrow", "version": "20.0.0"},
        "pandas_version": "2.2.3",
    });
    // Readers with the arrow schema take the metadata from there, others from the footer: both have it.
    let (key, value) = ("pandas".to_owned(), pandas.to_string());
    let fields = vec![
        Field::new("task_index", DataType::Int64, true),
        Field::new("task", DataType::Utf8, true),
    ];
    let schema = Schema::new(fields).with_metadata([(key.clone(), value.clone())].into());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..tasks.len() as i64)),
        Arc::new(StringArray::from_iter_values(tasks)),
    ];
    let table = RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(|error| DataError::damaged(path, error))?;
    write_table(path, &table, Some(vec![KeyValue::new(key, value)]))
}

/// What pandas says about the labels of its columns: nameless strings.
fn describe_columns_index() -> Value {
    json!({"name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "object",
           "metadata": {"encoding": "UTF-8"}})
}

/// Reads the tasks, ordered by index.
pub(crate) fn read_tasks(path: &Path) -> Result<Vec<String>, DataError> {
    let batch = DataFile::open(path)?.read(None, None)?;
    let tasks = array(path, &batch, "task")?;
    let tasks = tasks.as_string_opt::<i32>();
    let tasks = tasks.ok_or_else(|| DataError::column(path, "task", "has the wrong type"))?;
    let indices = ints(path, &batch, "task_index")?;
    if indices.iter().enumerate().any(|(at, &index)| at as i64 != index) {
        return Err(DataError::column(path, "task_index", "does not count up from 0"));
    }
    Ok(tasks.iter().map(|task| task.unwrap_or_default().to_owned()).collect())
}

fn stat_column(column: &Column, stat: &str) -> String {
    format!("stats/{}/{stat}", column.name)
}

fn episodes_table(
    columns: &[Column],
    tasks: &[String],
    rows: &[EpisodeRow],
) -> Result<RecordBatch, DataError> {
    let mut table: Vec<(String, ArrayRef)> = Vec::new();
    let ints = |value: &dyn Fn(usize, &EpisodeRow) -> usize| -> ArrayRef {
        let values = rows.iter().enumerate().map(|(at, row)| value(at, row) as i64);
        Arc::new(Int64Array::from_iter_values(values))
    };
    let mut names =
        ListBuilder::new(StringBuilder::new()).with_field(column::element(DataType::Utf8));
    for row in rows {
        names.values().append_value(&tasks[row.task]);
        names.append(true);
    }
    table.push(("episode_index".into(), ints(&|at, _| at)));
    table.push(("tasks".into(), Arc::new(names.finish())));
    table.push(("length".into(), ints(&|_, row| row.frames)));
    table.push(("data/chunk_index".into(), ints(&|_, row| row.place.0)));
    table.push(("data/file_index".into(), ints(&|_, row| row.place.1)));
    table.push(("dataset_from_index".into(), ints(&|_, row| row.from)));
    table.push(("dataset_to_index".into(), ints(&|_, row| row.from + row.frames)));
    for (which, column) in columns.iter().enumerate() {
        for (at, name) in Stats::default().named().map(|(name, _)| name).enumerate() {
            let values = rows.iter().filter_map(|row| row.stats[which].named().nth(at));
            let array = stat_array(column, values.map(|(_, values)| values.as_slice()));
            table.push((stat_column(column, name), array));
        }
        let mut counts =
            ListBuilder::new(Int64Builder::new()).with_field(column::element(DataType::Int64));
        for row in rows {
            counts.values().append_value(row.stats[which].count as i64);
            counts.append(true);
        }
        table.push((stat_column(column, "count"), Arc::new(counts.finish())));
    }
    table.push(("meta/episodes/chunk_index".into(), ints(&|_, _| 0)));
    table.push(("meta/episodes/file_index".into(), ints(&|_, _| 0)));
    RecordBatch::try_from_iter_with_nullable(
        table.into_iter().map(|(name, array)| (name, array, true)),
    )
    .map_err(|error| DataError::damaged(Path::new(EPISODES), error))
}

/// One statistic over the episodes: `list<double>`, or for images three lists deep, (3, 1, 1).
fn stat_array<'a>(column: &Column, values: impl Iterator<Item = &'a [f64]>) -> ArrayRef {
    let flat =
        || ListBuilder::new(Float64Builder::new()).with_field(column::element(DataType::Float64));
    if !column.is_image() {
        let mut builder = flat();
        values.for_each(|row| {
            builder.values().append_slice(row);
            builder.append(true);
        });
        return Arc::new(builder.finish());
    }
    let inner = DataType::List(column::element(DataType::Float64));
    let middle = DataType::List(column::element(inner.clone()));
    let mut builder = ListBuilder::new(ListBuilder::new(flat()).with_field(column::element(inner)))
        .with_field(column::element(middle));
    values.for_each(|row| {
        for &value in row {
            builder.values().values().values().append_value(value);
            builder.values().values().append(true);
            builder.values().append(true);
        }
        builder.append(true);
    });
    Arc::new(builder.finish())
}

/// Reads the episodes, with their statistics.
pub(crate) fn read_episodes(
    path: &Path,
    columns: &[Column],
    tasks: &[String],
) -> Result<Vec<EpisodeRow>, DataError> {
    let batch = DataFile::open(path)?.read(None, None)?;
    let ints = |name: &str| -> Result<Vec<usize>, DataError> {
        let values = ints(path, &batch, name)?.iter().map(|&value| usize::try_from(value));
        values.collect::<Result<_, _>>().map_err(|_| DataError::column(path, name, "is negative"))
    };
    let indices = ints("episode_index")?;
    if indices.iter().enumerate().any(|(at, &index)| at != index) {
        return Err(DataError::column(path, "episode_index", "does not count up from 0"));
    }
    let (lengths, from, to) =
        (ints("length")?, ints("dataset_from_index")?, ints("dataset_to_index")?);
    let (chunks, files) = (ints("data/chunk_index")?, ints("data/file_index")?);
    let names = lists(path, &batch, "tasks")?;
    let mut next = 0;
    let mut rows = Vec::with_capacity(indices.len());
    for at in 0..indices.len() {
        let named = names.value(at);
        let named = named.as_string_opt::<i32>().filter(|named| named.len() == 1);
        let name = named.map(|named| named.value(0).to_owned()).unwrap_or_default();
        let task = tasks.iter().position(|task| *task == name).ok_or_else(|| {
            DataError::inconsistent(
                path,
                format!("task {name:?} of episode {at} is not in {TASKS}"),
            )
        })?;
        if from[at] != next || to[at] != next + lengths[at] || lengths[at] == 0 {
            let detail = format!("the frames of episode {at} do not follow the one before");
            return Err(DataError::inconsistent(path, detail));
        }
        next = to[at];
        rows.push(EpisodeRow {
            frames: lengths[at],
            task,
            from: from[at],
            place: (chunks[at], files[at]),
            stats: Vec::with_capacity(columns.len()),
        });
    }
    for column in columns {
        let mut stats = vec![Stats::default(); rows.len()];
        for name in Stats::default().named().map(|(name, _)| name) {
            let name = (stat_column(column, name), name);
            let lists = lists(path, &batch, &name.0)?;
            for (at, stats) in stats.iter_mut().enumerate() {
                let values = numbers(lists.value(at)).filter(|values| values.len() == column.dim());
                let values = values.ok_or_else(|| {
                    DataError::column(path, &name.0, format!("is wrong for episode {at}"))
                })?;
                if let Some(slot) = stats.named_mut(name.1) {
                    *slot = values;
                }
            }
        }
        let name = stat_column(column, "count");
        let counts = lists(path, &batch, &name)?;
        for (at, (mut stats, row)) in stats.into_iter().zip(&mut rows).enumerate() {
            let count = counts.value(at);
            let count = count.as_primitive_opt::<Int64Type>().filter(|count| count.len() == 1);
            stats.count = count.map_or(0, |count| count.value(0)) as u64;
            row.stats.push(stats);
        }
    }
    Ok(rows)
}

fn array<'a>(path: &Path, batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, DataError> {
    batch.column_by_name(name).ok_or_else(|| DataError::column(path, name, "is missing"))
}

fn ints<'a>(path: &Path, batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], DataError> {
    let values = array(path, batch, name)?.as_primitive_opt::<Int64Type>();
    let values = values.ok_or_else(|| DataError::column(path, name, "has the wrong type"))?;
    Ok(values.values())
}

fn lists<'a>(
    path: &Path,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a arrow_array::ListArray, DataError> {
    let lists = array(path, batch, name)?.as_list_opt::<i32>();
    lists.ok_or_else(|| DataError::column(path, name, "has the wrong type"))
}

/// The numbers in however deeply nested lists.
fn numbers(array: ArrayRef) -> Option<Vec<f64>> {
    match array.as_list_opt::<i32>() {
        Some(list) if list.is_empty() => Some(Vec::new()),
        Some(list) => {
            let parts = (0..list.len()).map(|at| numbers(list.value(at)));
            parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat())
        }
        None => Some(array.as_primitive_opt::<Float64Type>()?.values().to_vec()),
    }
}

/// Reads `stats.json`, one entry per column.
pub(crate) fn read_stats(path: &Path, columns: &[Column]) -> Result<Vec<Stats>, DataError> {
    fn flatten(value: &Value, out: &mut Vec<f64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| flatten(item, out)),
            value => out.extend(value.as_f64()),
        }
    }
    let file: BTreeMap<String, BTreeMap<String, Value>> = read_json(path)?;
    let mut stats = Vec::new();
    for column in columns {
        let missing =
            |what: &str| DataError::inconsistent(path, format!("`{}` lacks {what}", column.name));
        let entry = file.get(&column.name).ok_or_else(|| missing("all statistics"))?;
        let read = |name: &str, size: usize| {
            let mut values = Vec::new();
            flatten(entry.get(name).unwrap_or(&Value::Null), &mut values);
            if values.len() == size { Ok(values) } else { Err(missing(name)) }
        };
        let mut one = Stats { count: read("count", 1)?[0] as u64, ..Stats::default() };
        for name in Stats::default().named().map(|(name, _)| name) {
            let values = read(name, column.dim())?;
            if let Some(slot) = one.named_mut(name) {
                *slot = values;
            }
        }
        stats.push(one);
    }
    Ok(stats)
}
