//! A `sims/<name>/` folder becomes an environment: MJCF scene, actuators, goals, tasks, snapshots.
//!
//! A sim is data: `scene.xml` holds bodies, joints, shapes, actuators, cameras and lights in MJCF, and
//! `sim.toml` holds rates, observations, starts, goals, protocols and rewards. [`Sim::load`] checks both
//! to the last attribute, and [`Sim::env`] makes [`Env`](housecat_core::Env)s of them. Nothing in the
//! two files is dropped in silence: it takes effect, or it is a notice, or the sim does not load.
//!
//! What may differ between episodes (light, colours, friction, shapes ...) is declared in `sim.toml` as
//! [`Factor`]s; [`Sim::varied`] gives a sim whose worlds draw some of them anew at each reset.
//!
//! The physics is that of `housecat-physics`. The same seed and actions give the same bits, and so does a
//! restored snapshot.
//!
//! # Example
//!
//! Ten steps to the right, back to a snapshot, and the same ten steps again:
//!
//! ```
//! use housecat_core::{Env as _, ResetOptions, Seed};
//! use housecat_sim::{Sim, ViewOptions};
//!
//! let sim = Sim::load("../../sims/two-room".as_ref())?;
//! let mut env = sim.env(&ViewOptions { images: Vec::new(), state: true })?;
//! let start = env.reset(Seed::new(7), &ResetOptions::default())?;
//! let (snapshot, mut ends) = (env.snapshot(), Vec::new());
//! for _ in 0..2 {
//!     env.restore(&snapshot)?;
//!     for _ in 0..10 {
//!         env.advance(&[0.5, 0.0])?; // the components are named by `env.spaces().action`
//!     }
//!     ends.push(env.observe());
//! }
//! assert!(ends[0].state[0] > start.state[0]);
//! assert_eq!(ends[0], ends[1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
mod vary;
mod world;

pub use env::{Look, SimEnv};
pub use error::SimError;
pub use scripted::Scripted;
pub use sim::{Coordinate, Sim, ViewOptions, find_sims, load_model};
pub use vary::Factor;
