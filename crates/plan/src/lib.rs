//! Planners: they search action sequences for the least cost under an [`Objective`].
//!
//! A planner is a distribution over sequences with three small methods ([`Planner`]); the loop that
//! draws, prices and updates exists once ([`optimise`]). What a sequence costs is the objective's
//! business: a latent world model and the ground-truth simulator both implement it, and a planner
//! cannot tell them apart.
//!
//! Shapes: S candidates, H control steps, A action components; row-major `[S, H, A]`.
//!
#![doc = include_str!("../README.md")]

mod adam;
mod categorical;
mod cem;
mod config;
mod constraint;
mod error;
mod gradient;
mod hybrid;
mod icem;
mod lagrangian;
mod mppi;
mod noise;
mod objective;
mod optimise;
mod planner;
mod predictive_sampling;
mod projected_gradient;
mod sequences;
mod time;

pub use adam::AdamConfig;
pub use categorical::{CategoricalCem, CategoricalCemConfig};
pub use cem::{Cem, CemConfig};
pub use config::{PlannerConfig, SearchConfig};
pub use constraint::ActionConstraint;
pub use error::PlanError;
pub use hybrid::{Hybrid, HybridConfig};
pub use icem::{Icem, IcemConfig};
pub use lagrangian::{Lagrangian, LagrangianConfig};
pub use mppi::{Mppi, MppiConfig};
pub use objective::{Objective, finite_differences};
pub use optimise::{Effort, optimise};
pub use planner::{Planner, Prices};
pub use predictive_sampling::{PredictiveSampling, PredictiveSamplingConfig};
pub use projected_gradient::ProjectedGradientConfig;
pub use sequences::ActionSequences;
pub use time::{ActionTime, TimeBasis};
