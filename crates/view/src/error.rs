//! What can go wrong while showing things.

use std::path::PathBuf;

/// What can go wrong while recording or reporting.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A file could not be written.
    #[error(
        "cannot write {}: {detail}; check that its folder exists and is writable and that the disk \
         has room",
        path.display()
    )]
    Write {
        /// The file under its final name.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// No live viewer could be started or reached.
    #[error("cannot show anything in a rerun viewer: {detail}; or save a recording to a file")]
    Viewer {
        /// What rerun says, or what would help.
        detail: String,
    },
    /// A live viewer did not take everything.
    #[error(
        "the rerun viewer did not take everything: {detail}; if it was closed, start again, or save a recording to a \
         file"
    )]
    Lost {
        /// What rerun says.
        detail: String,
    },
    /// Words that name no place for records.
    #[error(
        "`{words}` is no place to show things: say spawn, serve, connect:HOST:PORT, or the name of a file that ends in \
         .rrd"
    )]
    Place {
        /// What was said.
        words: String,
    },
    /// An image whose bytes do not fit its size.
    #[error(
        "the image `{name}` of {width}x{height} pixels has {got} bytes instead of {}",
        width * height * 3
    )]
    Image {
        /// Camera or label.
        name: String,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Bytes given.
        got: usize,
    },
    /// A shape on a body that the scene lacks.
    #[error("the shape `{shape}` sits on body {body}, but the scene has only {bodies} bodies")]
    Scene {
        /// Name of the shape.
        shape: String,
        /// The body index it names.
        body: usize,
        /// Bodies in the scene.
        bodies: usize,
    },
    /// Rerun could not take a record.
    #[error("rerun cannot record `{entity}`: {detail}")]
    Record {
        /// Path of the entity.
        entity: String,
        /// What rerun says.
        detail: String,
    },
}
