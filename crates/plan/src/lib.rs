//! Planners: they search action sequences for the least cost under an [`Objective`].
//!
//! A planner is a distribution over sequences with three small methods ([`Planner`]); the loop that
//! draws, prices and updates exists once ([`optimise`]). What a sequence costs is the objective's
//! business: a latent world model and the ground-truth simulator both implement it, and a planner
//! cannot tell them apart.
//!
//! Shapes: S candidates, H control steps, A action components; row-major `[S, H, A]`.

mod cem;
mod config;
mod error;
mod mppi;
mod noise;
mod objective;
mod optimise;
mod planner;
mod sequences;
mod time;

pub use cem::{Cem, CemConfig};
pub use config::{PlannerConfig, SearchConfig};
pub use error::PlanError;
pub use mppi::{Mppi, MppiConfig};
pub use objective::Objective;
pub use optimise::{Effort, optimise};
pub use planner::{Planner, Prices};
pub use sequences::ActionSequences;
pub use time::{ActionTime, TimeBasis};
