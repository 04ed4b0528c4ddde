//! What can go wrong with a world model.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A value in the configuration makes no sense.
    #[error("`{key}` = {value} in the training configuration: {fix}")]
    Config {
        /// The key, as in `train.toml`.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What it should be.
        fix: String,
    },
    /// The experience cannot train this model.
    #[error("the dataset cannot train this model: {0}")]
    Data(String),
    /// A checkpoint file could not be read or written.
    #[error("cannot read or write {path}; check permissions and free space")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint file holds something else.
    #[error("{path} is not a usable checkpoint: {detail}; train again or name another checkpoint")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        detail: String,
    },
    /// A file of pretrained weights holds something else.
    #[error("{path} does not hold usable weights: {detail}")]
    Pretrained {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and what to do.
        detail: String,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} at step {step} and stayed so for {repeats} steps; lower \
         `optimizer.learning_rate` or raise the weight of `sigreg`, and resume from the last checkpoint"
    )]
    Diverged {
        /// Training step.
        step: u64,
        /// The loss.
        loss: f32,
        /// Consecutive steps skipped.
        repeats: u32,
    },
    /// The tensor library failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Attaches a path to an I/O error.
pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> ModelError {
    let path = path.into();
    move |source| ModelError::Io { path, source }
}
