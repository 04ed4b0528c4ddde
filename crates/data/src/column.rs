//! The columns of a data file, derived from the features: names, types, and LeRobot's descriptions.

use crate::Features;
use arrow_schema::{DataType, Field, Schema};
use housecat_core::ImageSpec;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const STATE: &str = "observation.state";
pub(crate) const ACTION: &str = "action";
pub(crate) const REWARD: &str = "next.reward";
pub(crate) const DONE: &str = "next.done";
pub(crate) const TERMINATED: &str = "next.terminated";
pub(crate) const TRUNCATED: &str = "next.truncated";
pub(crate) const PRIVILEGED: &str = "privileged";
pub(crate) const TIMESTAMP: &str = "timestamp";
pub(crate) const FRAME_INDEX: &str = "frame_index";
pub(crate) const EPISODE_INDEX: &str = "episode_index";
pub(crate) const INDEX: &str = "index";
pub(crate) const TASK_INDEX: &str = "task_index";

/// Columns whose values depend on an episode's place in the dataset. They are written at sealing, all
/// others are copied byte for byte from where they were encoded.
pub(crate) const PLACED: [&str; 3] = [EPISODE_INDEX, INDEX, TASK_INDEX];

/// Name of an image's column.
pub(crate) fn image_column(camera: &str) -> String {
    format!("observation.images.{camera}")
}

/// What a column holds.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Named float32 components. One component alone is stored as a plain number, as LeRobot does.
    Vector(Vec<String>),
    /// A PNG: `struct<bytes: binary, path: string>`, as the `datasets` library's `Image`.
    Image(ImageSpec),
    /// float32.
    Float,
    /// bool.
    Bool,
    /// int64.
    Int,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: String,
    pub kind: Kind,
}

impl Column {
    fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }

    /// Numbers a row holds, as the statistics see it: components, or colour channels.
    pub fn dim(&self) -> usize {
        match &self.kind {
            Kind::Vector(names) => names.len(),
            Kind::Image(_) => 3,
            _ => 1,
        }
    }

    /// Whether it holds images.
    pub fn is_image(&self) -> bool {
        matches!(self.kind, Kind::Image(_))
    }

    /// The arrow type.
    pub fn data_type(&self) -> DataType {
        match &self.kind {
            Kind::Vector(names) if names.len() > 1 => {
                DataType::FixedSizeList(element(DataType::Float32), names.len() as i32)
            }
            Kind::Vector(_) | Kind::Float => DataType::Float32,
            Kind::Image(_) => DataType::Struct(image_fields()),
            Kind::Bool => DataType::Boolean,
            Kind::Int => DataType::Int64,
        }
    }

    /// The entry in `meta/info.json`.
    pub fn info(&self) -> Value {
        match &self.kind {
            Kind::Vector(names) => {
                json!({"dtype": "float32", "shape": [names.len()], "names": names})
            }
            Kind::Image(spec) => json!({
                "dtype": "image",
                "shape": [spec.height, spec.width, 3],
                "names": ["height", "width", "channels"],
            }),
            scalar => json!({"dtype": dtype(scalar), "shape": [1], "names": null}),
        }
    }

    /// The entry in the `huggingface` schema metadata, by which the `datasets` library decodes.
    fn hugging_face(&self) -> Value {
        match &self.kind {
            Kind::Image(_) => json!({"_type": "Image"}),
            Kind::Vector(names) if names.len() > 1 => json!({
                "feature": {"dtype": "float32", "_type": "Value"},
                "length": names.len(),
                "_type": "List",
            }),
            scalar => json!({"dtype": dtype(scalar), "_type": "Value"}),
        }
    }
}

fn dtype(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int => "int64",
        _ => "float32",
    }
}

/// The child of a list, named as the parquet specification wants it.
pub(crate) fn element(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", data_type, true))
}

/// The children of an image.
pub(crate) fn image_fields() -> arrow_schema::Fields {
    [Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)]
        .into_iter()
        .collect()
}

/// The columns that are encoded with the episode, in file order.
pub(crate) fn payload(features: &Features) -> Vec<Column> {
    let observation = &features.spaces.observation;
    let mut columns = Vec::new();
    if !observation.state.is_empty() {
        columns.push(Column::new(STATE, Kind::Vector(observation.state.clone())));
    }
    for image in &observation.images {
        columns.push(Column::new(image_column(&image.camera), Kind::Image(image.clone())));
    }
    columns.push(Column::new(ACTION, Kind::Vector(features.spaces.action.names.clone())));
    columns.push(Column::new(REWARD, Kind::Float));
    for name in [DONE, TERMINATED, TRUNCATED] {
        columns.push(Column::new(name, Kind::Bool));
    }
    if !features.privileged.is_empty() {
        columns.push(Column::new(PRIVILEGED, Kind::Vector(features.privileged.clone())));
    }
    columns.push(Column::new(TIMESTAMP, Kind::Float));
    columns.push(Column::new(FRAME_INDEX, Kind::Int));
    columns
}

/// All columns of a data file, in file order: the payload, then the placed ones.
pub(crate) fn all(features: &Features) -> Vec<Column> {
    let mut columns = payload(features);
    columns.extend(PLACED.map(|name| Column::new(name, Kind::Int)));
    columns
}

/// The arrow schema of these columns.
pub(crate) fn schema(columns: &[Column]) -> Schema {
    Schema::new(
        columns
            .iter()
            .map(|column| Field::new(&column.name, column.data_type(), true))
            .collect::<Vec<_>>(),
    )
}

/// The value of the `huggingface` schema metadata.
pub(crate) fn hugging_face(columns: &[Column]) -> String {
    let features: serde_json::Map<_, _> =
        columns.iter().map(|column| (column.name.clone(), column.hugging_face())).collect();
    json!({"info": {"features": features}}).to_string()
}
