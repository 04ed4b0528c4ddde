//! The agent: policies that plan in a world model or on the ground truth, and honest evaluation.
//!
//! [`MpcPolicy`] sees observations only: it encodes them, searches action blocks in latent space
//! towards an encoded goal (or for predicted reward), and replans as it goes. [`Oracle`] is the same
//! search on the simulator itself. [`evaluate`] runs both, and two floors, on the same held-out pairs.
//!
//! # Example
//!
//! The planner on the ground truth takes a disc through a doorway, to where a held-out episode was 25 steps later:
//!
//! ```
//! use housecat_agent::{Oracle, Search, held_out_pairs};
//! use housecat_core::{
//!     Actor, Env, EpisodeHeader, NoRecorder, ResetOptions, RolloutOptions, Seed, rollout,
//! };
//! use housecat_sim::{Sim, ViewOptions};
//!
//! let sim = Sim::load("../../sims/two-room".as_ref())?;
//! let mut env = sim.env(&ViewOptions { images: Vec::new(), state: true })?;
//! let collector = |env: &mut dyn Env, seed: Seed| {
//!     env.reset(seed, &ResetOptions::default())?;
//!     let actor: Box<dyn Actor> = Box::new(sim.scripted().expect("two-room has a script"));
//!     Ok((actor, seed.child("actor", 0).rng()))
//! };
//! let problem = held_out_pairs(&mut env, &collector, Seed::new(0), 1, 25, 100)?.remove(0);
//! env.restore(&problem.start)?;
//! env.set_goal(problem.goal.as_ref().map(|(_, state)| state))?;
//!
//! // As in a sim's train.toml; a model's planner has the same keys.
//! let search: Search = toml::from_str(
//!     r#"
//!     horizon = 5
//!     samples = 64
//!     iterations = 6
//!     warm_iterations = 3
//!     execute = 1
//!     solver = { kind = "cem", std = 0.8 }
//!     cost = { last = 0.0, min = 1.0, mean = 0.25 }
//!     "#,
//! )?;
//! let mut oracle = Oracle::new(&env, &search, 5)?;
//! let (first, mut rng) = (env.observe(), Seed::new(1).rng());
//! let options = RolloutOptions { max_steps: 50, stop_on_success: true };
//! let header = EpisodeHeader::default();
//! let summary =
//!     rollout(&mut env, first, &mut oracle, &mut rng, options, &header, &mut NoRecorder)?;
//! assert!(summary.success().moderate);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With a model it is [`MpcPolicy`] in place of [`Oracle`], and a [`Goal`] in place of the world's state; collecting, training and
//! planning in one program: `crates/cli/examples/loop.rs`.

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
