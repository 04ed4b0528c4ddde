//! What can go wrong while acting and evaluating.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The environment failed.
    #[error(transparent)]
    Env(#[from] housecat_core::EnvError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] housecat_model::ModelError),
    /// The planner's configuration makes no sense.
    #[error(transparent)]
    Plan(#[from] housecat_plan::PlanError),
    /// Held-out episodes did not give enough pairs.
    #[error(
        "only {found} of {wanted} evaluation pairs of `{sim}` were found in {tried} held-out episodes; \
         lower `eval.goal_offset`, or collect with a policy that moves more"
    )]
    Pairs {
        /// Name of the sim.
        sim: String,
        /// Pairs found.
        found: usize,
        /// Pairs wanted.
        wanted: usize,
        /// Episodes tried.
        tried: usize,
    },
    /// A setting of the evaluation makes no sense.
    #[error("`eval.{key}` = {value}: {fix}")]
    Config {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        fix: String,
    },
    /// A constraint makes no sense, or nothing would keep it.
    #[error("`planner.{key}` = {value}: {fix}")]
    Constraint {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        fix: String,
    },
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}
