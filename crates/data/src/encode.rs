//! An episode becomes the bytes of a parquet file of its own, on whichever thread computed it.

use crate::column::{self, Column, Kind};
use crate::stats::Histogram;
use crate::{DataError, Features, Stats, image};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeListArray, Float32Array, Int64Array, RecordBatch,
    StringArray, StructArray,
};
use arrow_schema::DataType;
use housecat_core::{Episode, Frame, Image};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Key of our entry in the footers of parquet files.
pub(crate) const FOOTER_KEY: &str = "housecat";

/// What the footer of a staged episode tells beside its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StagedFooter {
    /// What was asked.
    pub task: String,
    /// One entry per payload column.
    pub stats: Vec<Stats>,
}

/// An episode ready to be appended: a parquet file of one row group, in memory.
#[derive(Clone, Debug)]
pub struct EncodedEpisode {
    pub(crate) index: u64,
    pub(crate) frames: usize,
    pub(crate) bytes: Vec<u8>,
}

impl EncodedEpisode {
    /// Its place in the dataset.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Rows, one more than steps.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Size on disk in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Encodes an episode, deterministically.
    ///
    /// # Errors
    /// [`DataError::BadEpisode`] if it does not fit the features or holds a number that is not finite.
    pub(crate) fn new(
        features: &Features,
        index: u64,
        episode: &Episode,
    ) -> Result<Self, DataError> {
        let columns = column::payload(features);
        let (batch, stats) = tabulate(features, &columns, index, episode)?;
        let footer = StagedFooter { task: episode.task.clone(), stats };
        let bad = |detail: String| DataError::BadEpisode { index, frame: 0, detail };
        let footer = serde_json::to_string(&footer).map_err(|error| bad(error.to_string()))?;
        let properties = properties(&columns)
            .set_key_value_metadata(Some(vec![KeyValue::new(FOOTER_KEY.into(), footer)]))
            .build();
        let frames = batch.num_rows();
        let mut bytes = Vec::new();
        let write = |bytes: &mut Vec<u8>| {
            let mut writer = ArrowWriter::try_new(bytes, batch.schema(), Some(properties))?;
            writer.write(&batch)?;
            writer.close()
        };
        write(&mut bytes).map_err(|error| DataError::parquet(Path::new("(memory)"), error))?;
        Ok(Self { index, frames, bytes })
    }
}

/// How column chunks are written, everywhere: PNG as it is, the rest with Snappy (which every reader
/// has); statistics per chunk, by which readers skip row groups.
pub(crate) fn properties(columns: &[Column]) -> WriterPropertiesBuilder {
    let base = WriterProperties::builder()
        .set_created_by("housecat".into())
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None);
    columns.iter().filter(|column| column.is_image()).fold(base, |base, column| {
        let path = ColumnPath::new(vec![column.name.clone(), "bytes".into()]);
        base.set_column_compression(path.clone(), Compression::UNCOMPRESSED)
            .set_column_statistics_enabled(path, EnabledStatistics::None)
    })
}

/// The validated values of one column over an episode.
pub(crate) enum Values<'a> {
    /// `[rows, dim]`, finite.
    Floats(Vec<f32>),
    /// `[rows]`.
    Bools(Vec<bool>),
    /// `[rows]`.
    Ints(Vec<i64>),
    /// One image a row, of the size that the features name.
    Images(Vec<&'a Image>),
}

impl<'a> Values<'a> {
    /// Takes a payload column out of an episode.
    ///
    /// # Errors
    /// [`DataError::BadEpisode`] with the first frame that does not fit the features.
    pub fn of(
        features: &Features,
        column: &Column,
        index: u64,
        episode: &'a Episode,
    ) -> Result<Self, DataError> {
        let frames = &episode.frames;
        let bad = |frame, detail| DataError::BadEpisode { index, frame, detail };
        if frames.is_empty() {
            return Err(bad(0, "there are no frames: record at least one observation".into()));
        }
        let name = column.name.as_str();
        Ok(match &column.kind {
            Kind::Image(spec) => {
                let mut specs = features.spaces.observation.images.iter();
                let which = specs.position(|other| other == spec).unwrap_or_default();
                let images = frames.iter().enumerate().map(|(at, frame)| {
                    let missing = || bad(at, format!("no image of camera `{}`", spec.camera));
                    let image = frame.observation.images.get(which).ok_or_else(missing)?;
                    let have = (image.width, image.height, image.pixels.len());
                    if have == (spec.width, spec.height, spec.bytes()) {
                        return Ok(image);
                    }
                    let (w, h) = (spec.width, spec.height);
                    let detail = format!(
                        "the image of camera `{}` is {} x {} in {} bytes, not {w} x {h} RGB",
                        spec.camera, have.0, have.1, have.2
                    );
                    Err(bad(at, detail))
                });
                Self::Images(images.collect::<Result<_, _>>()?)
            }
            Kind::Vector(_) | Kind::Float => {
                let dim = column.dim();
                let mut values = Vec::with_capacity(frames.len() * dim);
                for (at, frame) in frames.iter().enumerate() {
                    let row = floats(features, name, at, frame);
                    if row.len() != dim {
                        let detail = format!("`{name}` has {} components, not {dim}", row.len());
                        return Err(bad(at, detail));
                    }
                    if let Some(wrong) = row.iter().find(|value| !value.is_finite()) {
                        return Err(bad(
                            at,
                            format!("`{name}` holds {wrong}, which is not finite"),
                        ));
                    }
                    values.extend_from_slice(&row);
                }
                Self::Floats(values)
            }
            Kind::Bool => Self::Bools(frames.iter().map(|frame| flag(name, frame)).collect()),
            Kind::Int => Self::Ints((0..frames.len() as i64).collect()),
        })
    }

    /// The statistics of the column.
    pub fn stats(&self, column: &Column) -> Stats {
        match self {
            Self::Floats(values) => {
                Stats::of_values(values.iter().map(|&value| f64::from(value)), column.dim())
            }
            Self::Bools(values) => {
                Stats::of_values(values.iter().map(|&set| f64::from(u8::from(set))), 1)
            }
            Self::Ints(values) => Stats::of_values(values.iter().map(|&value| value as f64), 1),
            Self::Images(images) => {
                let mut histogram = Histogram::new();
                images.iter().for_each(|image| histogram.add(&image.pixels));
                histogram.stats()
            }
        }
    }

    /// The column as arrow; the message says what cannot be stored.
    fn array(self, column: &Column) -> Result<ArrayRef, String> {
        Ok(match self {
            Self::Floats(values) => {
                let flat = Arc::new(Float32Array::from(values));
                match column.data_type() {
                    DataType::FixedSizeList(child, size) => {
                        Arc::new(FixedSizeListArray::new(child, size, flat, None))
                    }
                    _ => flat,
                }
            }
            Self::Bools(values) => Arc::new(BooleanArray::from(values)),
            Self::Ints(values) => Arc::new(Int64Array::from(values)),
            Self::Images(images) => {
                let mut pngs = Vec::with_capacity(images.len());
                for image in images {
                    let mut png = Vec::with_capacity(1024);
                    image::encode(&image.pixels, image.width, image.height, &mut png)
                        .map_err(|error| error.to_string())?;
                    pngs.push(png);
                }
                if i32::try_from(pngs.iter().map(Vec::len).sum::<usize>()).is_err() {
                    return Err("the images exceed 2 GiB: use shorter episodes".into());
                }
                let children: Vec<ArrayRef> = vec![
                    Arc::new(BinaryArray::from_iter_values(&pngs)),
                    Arc::new(StringArray::new_null(pngs.len())),
                ];
                Arc::new(StructArray::new(column::image_fields(), children, None))
            }
        })
    }
}

/// The payload columns of an episode, with their statistics.
fn tabulate(
    features: &Features,
    columns: &[Column],
    index: u64,
    episode: &Episode,
) -> Result<(RecordBatch, Vec<Stats>), DataError> {
    let bad = |detail| DataError::BadEpisode { index, frame: 0, detail };
    let (mut arrays, mut stats) = (Vec::new(), Vec::new());
    for column in columns {
        let values = Values::of(features, column, index, episode)?;
        stats.push(values.stats(column));
        arrays.push(values.array(column).map_err(bad)?);
    }
    let batch = RecordBatch::try_new(Arc::new(column::schema(columns)), arrays)
        .map_err(|error| bad(error.to_string()))?;
    Ok((batch, stats))
}

/// The time of a frame, seconds since the start of its episode.
pub(crate) fn timestamp(features: &Features, frame: usize) -> f32 {
    (frame as f64 / features.spaces.control_hz) as f32
}

/// A float column's values in one frame.
fn floats<'a>(
    features: &Features,
    name: &str,
    at: usize,
    frame: &'a Frame,
) -> std::borrow::Cow<'a, [f32]> {
    match name {
        column::STATE => (&frame.observation.state).into(),
        column::ACTION => (&frame.action).into(),
        column::PRIVILEGED => (&frame.privileged).into(),
        column::REWARD => vec![frame.reward].into(),
        _ => vec![timestamp(features, at)].into(),
    }
}

/// A boolean column's value in one frame.
fn flag(name: &str, frame: &Frame) -> bool {
    match name {
        column::TERMINATED => frame.terminated,
        column::TRUNCATED => frame.truncated,
        _ => frame.terminated || frame.truncated,
    }
}
