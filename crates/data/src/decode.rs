//! Reading row groups: parquet files to typed columns and episodes, with every mismatch named.

use crate::column::{self, Column, Kind};
use crate::encode::FOOTER_KEY;
use crate::{DataError, Features, image};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{Array, BinaryArray, RecordBatch};
use housecat_core::{Episode, Frame, Image};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// An open parquet file.
pub(crate) struct DataFile {
    pub path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
}

impl DataFile {
    /// Opens a file and reads its footer.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|error| DataError::io("open", path, error))?;
        let metadata = guarded(path, || {
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
                .map_err(|error| DataError::parquet(path, error))
        })?;
        Ok(Self { path: path.to_owned(), file, metadata })
    }

    /// Our entry in the footer, if there is one.
    pub fn footer(&self) -> Option<&str> {
        let entries = self.metadata.metadata().file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == FOOTER_KEY)?.value.as_deref()
    }

    /// The row groups.
    pub fn row_groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// The underlying file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Fails unless exactly these columns are there, in this order and of these types.
    pub fn check_columns(&self, columns: &[Column]) -> Result<(), DataError> {
        let schema = self.metadata.schema();
        for column in columns {
            let Ok(field) = schema.field_with_name(&column.name) else {
                return Err(DataError::column(&self.path, &column.name, "is missing"));
            };
            if *field.data_type() != column.data_type() {
                let detail = format!("is {}, not {}", field.data_type(), column.data_type());
                return Err(DataError::column(&self.path, &column.name, detail));
            }
        }
        match schema.fields().iter().zip(columns).find(|(have, want)| *have.name() != want.name) {
            Some((field, _)) => {
                Err(DataError::column(&self.path, field.name(), "is not where it belongs"))
            }
            None if schema.fields().len() != columns.len() => {
                let extra = schema.field(columns.len()).name();
                Err(DataError::column(&self.path, extra, "is not among the dataset's features"))
            }
            None => Ok(()),
        }
    }

    /// Reads one row group, or all for `None`; `columns` limits it to these.
    pub fn read(
        &self,
        row_group: Option<usize>,
        columns: Option<&[&str]>,
    ) -> Result<RecordBatch, DataError> {
        let groups = self.row_groups();
        let rows: i64 = match row_group {
            Some(which) => groups.get(which).map_or(0, RowGroupMetaData::num_rows),
            None => groups.iter().map(RowGroupMetaData::num_rows).sum(),
        };
        let rows = usize::try_from(rows).unwrap_or_default();
        let batch = guarded(&self.path, || {
            let fail = |error| DataError::parquet(&self.path, error);
            let file =
                File::open(&self.path).map_err(|error| DataError::io("open", &self.path, error))?;
            let mut builder =
                ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                    .with_batch_size(rows.max(1));
            if let Some(columns) = columns {
                let fields = self.metadata.schema().fields();
                let roots = fields
                    .iter()
                    .enumerate()
                    .filter(|(_, field)| columns.contains(&field.name().as_str()))
                    .map(|(at, _)| at);
                let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
                builder = builder.with_projection(mask);
            }
            if let Some(which) = row_group {
                builder = builder.with_row_groups(vec![which]);
            }
            let mut reader = builder.build().map_err(fail)?;
            let batch = reader.next().transpose();
            batch.map_err(|error| DataError::damaged(&self.path, error))
        })?;
        match batch {
            Some(batch) if batch.num_rows() == rows => Ok(batch),
            Some(batch) => Err(DataError::damaged(
                &self.path,
                format!("{} of {rows} rows can be read", batch.num_rows()),
            )),
            None => Err(DataError::damaged(&self.path, "it has no rows")),
        }
    }
}

/// The parquet library can panic on bytes that are not what they claim to be; to us that is damage.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(DataError::damaged(path, "its contents cannot be decoded")))
}

/// Columns of one batch by name, checked.
pub(crate) struct Rows<'a> {
    pub path: &'a Path,
    pub batch: &'a RecordBatch,
}

impl<'a> Rows<'a> {
    fn array(&self, name: &str) -> Result<&'a dyn Array, DataError> {
        let array = self
            .batch
            .column_by_name(name)
            .ok_or_else(|| DataError::column(self.path, name, "is missing"))?;
        match array.null_count() {
            0 => Ok(array.as_ref()),
            nulls => Err(DataError::column(self.path, name, format!("has {nulls} empty values"))),
        }
    }

    fn wrong<T>(&self, name: &str, value: Option<T>) -> Result<T, DataError> {
        value.ok_or_else(|| DataError::column(self.path, name, "has the wrong type"))
    }

    /// Values of a float column, `[rows, dim]`.
    pub fn floats(&self, name: &str) -> Result<&'a [f32], DataError> {
        let array = self.array(name)?;
        let flat = match array.as_fixed_size_list_opt() {
            Some(list) => list.values().as_ref(),
            None => array,
        };
        let values = self.wrong(name, flat.as_primitive_opt::<Float32Type>())?;
        match values.null_count() {
            0 => Ok(values.values()),
            nulls => Err(DataError::column(self.path, name, format!("has {nulls} empty values"))),
        }
    }

    /// Values of an integer column.
    pub fn ints(&self, name: &str) -> Result<&'a [i64], DataError> {
        let array = self.array(name)?;
        Ok(self.wrong(name, array.as_primitive_opt::<Int64Type>())?.values())
    }

    /// Values of a boolean column.
    pub fn bools(&self, name: &str) -> Result<Vec<bool>, DataError> {
        let array = self.array(name)?;
        Ok(self.wrong(name, array.as_boolean_opt())?.values().iter().collect())
    }

    /// The PNGs of an image column.
    pub fn pngs(&self, name: &str) -> Result<&'a BinaryArray, DataError> {
        let array = self.wrong(name, self.array(name)?.as_struct_opt())?;
        let bytes = array.column_by_name("bytes").and_then(|bytes| bytes.as_binary_opt::<i32>());
        let bytes = self.wrong(name, bytes)?;
        match bytes.null_count() {
            0 => Ok(bytes),
            nulls => Err(DataError::column(self.path, name, format!("lacks {nulls} images"))),
        }
    }
}

/// Decodes one PNG of a column into `out`, `[h, w, 3]`.
pub(crate) fn decode_image(
    path: &Path,
    column: &Column,
    row: usize,
    png: &[u8],
    out: &mut [u8],
) -> Result<(), DataError> {
    let Kind::Image(spec) = &column.kind else { return Ok(()) };
    image::decode(png, spec.width, spec.height, out).map_err(|detail| {
        DataError::column(path, &column.name, format!("has a bad image in row {row}: {detail}"))
    })
}

/// The frames of one row group that holds at least the payload columns.
pub(crate) fn episode(
    features: &Features,
    path: &Path,
    batch: &RecordBatch,
    task: &str,
) -> Result<Episode, DataError> {
    let rows = Rows { path, batch };
    let mut frames = vec![Frame::default(); batch.num_rows()];
    for column in column::payload(features) {
        let (name, dim) = (column.name.as_str(), column.dim());
        match (&column.kind, name) {
            (Kind::Image(spec), _) => {
                for ((row, frame), png) in frames.iter_mut().enumerate().zip(rows.pngs(name)?) {
                    let mut image = Image::new(spec.width, spec.height);
                    let png = png.unwrap_or_default();
                    decode_image(path, &column, row, png, &mut image.pixels)?;
                    frame.observation.images.push(image);
                }
            }
            (Kind::Vector(_), _) => {
                for (frame, row) in frames.iter_mut().zip(rows.floats(name)?.chunks_exact(dim)) {
                    let values = match name {
                        column::STATE => &mut frame.observation.state,
                        column::ACTION => &mut frame.action,
                        _ => &mut frame.privileged,
                    };
                    *values = row.to_vec();
                }
            }
            (_, column::REWARD) => {
                for (frame, &reward) in frames.iter_mut().zip(rows.floats(name)?) {
                    frame.reward = reward;
                }
            }
            (_, column::TERMINATED) => {
                for (frame, set) in frames.iter_mut().zip(rows.bools(name)?) {
                    frame.terminated = set;
                }
            }
            (_, column::TRUNCATED) => {
                for (frame, set) in frames.iter_mut().zip(rows.bools(name)?) {
                    frame.truncated = set;
                }
            }
            // Derived columns; `verify` checks them.
            _ => {}
        }
    }
    Ok(Episode { task: task.to_owned(), frames })
}
