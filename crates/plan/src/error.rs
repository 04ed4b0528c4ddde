//! What can be wrong with a planner's configuration.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A value in the planner's configuration makes no sense.
    #[error("`planner.{key}` = {value}: {fix}")]
    Config {
        /// The key, as in `train.toml`.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What it should be.
        fix: &'static str,
    },
    /// A solver inside of another cannot be built.
    #[error("in `planner.{key}`: {source}")]
    Within {
        /// Where the inner solver stands.
        key: &'static str,
        /// What is wrong with it.
        source: Box<PlanError>,
    },
}

impl PlanError {
    /// The same error, of a solver that stands under `key` of another.
    pub(crate) fn within(self, key: &'static str) -> Self {
        Self::Within { key, source: Box::new(self) }
    }
}
