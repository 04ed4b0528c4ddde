//! A `sims/<name>/` folder becomes an environment: MJCF scene, actuators, goals, tasks, snapshots.
//!
//! A sim is data: `scene.xml` holds bodies, joints, shapes, actuators, cameras and lights in MJCF, and
//! `sim.toml` holds rates, observations, starts, goals, protocols and rewards. [`Sim::load`] checks both
//! to the last attribute, and [`Sim::env`] makes [`Env`](housecat_core::Env)s of them. Nothing in the
//! two files is dropped in silence: it takes effect, or it is a notice, or the sim does not load.
//!
//! The physics is rapier's, with the joints as multibody joints, in `f32`. The same seed and actions
//! give the same bits, and so does a restored snapshot.

mod action;
mod assembly;
mod bare;
mod env;
mod error;
mod feature;
mod resolver;
mod scene_file;
mod scripted;
mod sim;
mod spec;
mod start;
mod task;
mod world;

pub use env::{Look, SimEnv};
pub use error::SimError;
pub use scripted::Scripted;
pub use sim::{Coordinate, Sim, ViewOptions, find_sims, load_model};
