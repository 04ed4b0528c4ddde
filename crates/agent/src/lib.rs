//! The agent: policies that plan in a world model or on the ground truth, and honest evaluation.
//!
//! [`MpcPolicy`] sees observations only: it encodes them, searches action blocks in latent space
//! towards an encoded goal (or for predicted reward), and replans as it goes. [`Oracle`] is the same
//! search on the simulator itself. [`evaluate`] runs both, and two floors, on the same held-out pairs.

mod actors;
mod by_factor;
mod error;
mod evaluate;
mod mpc;
mod objective;
mod oracle;
mod pairs;
mod receding;
mod report;
mod stats;

pub use actors::{RandomPolicy, Still};
pub use by_factor::FactorSuccess;
pub use error::AgentError;
pub use evaluate::{Arm, EvalConfig, Evaluation, Evaluator, PairOutcome, Search, evaluate};
pub use mpc::{Goal, MpcPolicy};
pub use objective::{CostShape, LatentObjective, SimObjective};
pub use oracle::Oracle;
pub use pairs::{Collector, Pair, held_out_pairs};
pub use report::{ArmSuccess, Difficulty, EpisodeRow, EvalReport, Milliseconds, Returns};
pub use stats::{Interval, mean_interval, median, percentile, spearman, wilson};
