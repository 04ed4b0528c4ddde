//! The agent: policies that plan in a world model or on the ground truth, and honest evaluation.
//!
//! [`MpcPolicy`] sees observations only: it encodes them, searches action blocks in latent space
//! towards an encoded goal (or for predicted reward), and replans as it goes. [`Oracle`] is the same
//! search on the simulator itself. [`evaluate`] runs both, and two floors, on the same held-out pairs.

mod acting;
mod actors;
mod by_factor;
mod compare;
mod constraints;
mod cost;
mod error;
mod evaluate;
mod held_out;
mod latent_objective;
mod mpc;
mod oracle;
mod pairs;
mod real_time;
mod report;
mod searching;
mod sim_objective;
mod spread;
mod stats;
mod thinker;

pub use acting::Control;
pub use actors::{Playback, RandomPolicy, Still};
pub use by_factor::FactorSuccess;
pub use compare::{Comparison, Difference, Judged, Standing};
pub use constraints::{Constraints, KeepOut, Limits};
pub use cost::CostShape;
pub use error::AgentError;
pub use evaluate::{
    Arm, EvalConfig, Evaluation, Evaluator, Job, PairOutcome, Proposals, Search, displacements,
    evaluate,
};
pub use latent_objective::LatentObjective;
pub use mpc::MpcPolicy;
pub use oracle::Oracle;
pub use pairs::{Collector, Pair, held_out_pairs};
pub use report::{ArmSuccess, Difficulty, EpisodeRow, EvalReport, Median, Milliseconds, Returns};
pub use sim_objective::SimObjective;
pub use stats::{
    Interval, holm, mcnemar, mean_interval, median, median_interval, percentile, sign_flip,
    spearman, wilson,
};
pub use thinker::Goal;
