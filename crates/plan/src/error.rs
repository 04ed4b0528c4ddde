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
}
