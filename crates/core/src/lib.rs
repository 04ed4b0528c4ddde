//! The vocabulary of housecat: what an environment, a policy, an episode, a scene and a seed are,
//! and the one loop that lets a policy act in an environment.
//!
//! Every other crate speaks in these types and none of them knows more about its neighbours than
//! what stands here. The crate holds no tensors, no physics, no file formats and no viewer.
//!
//! Conventions used everywhere: images are `[h, w, c]` in `u8`; lengths are metres, angles radians,
//! times seconds; actions cross the [`Env`] border in `[-1, 1]`; a spread is a standard deviation.
//!
//! # Example
//!
//! A policy sees observations and draws from the stream that it is handed, and from nothing else:
//!
//! ```
//! use housecat_core::{Decision, EnvError, Observation, Policy, Rng, Seed};
//!
//! /// Heads for zero in every component of the state, with an unsteady hand.
//! struct Home;
//!
//! impl Policy for Home {
//!     fn reset(&mut self) {}
//!
//!     fn act(&mut self, seen: &Observation, rng: &mut Rng) -> Result<Decision, EnvError> {
//!         let push = |x: &f32| (0.1 * rng.normal() - x).clamp(-1.0, 1.0);
//!         Ok(Decision { action: seen.state.iter().map(push).collect(), plan: None })
//!     }
//! }
//!
//! let seen = Observation { state: vec![0.5, -3.0], ..Observation::default() };
//! let act = |seed: Seed| Home.act(&seen, &mut seed.rng());
//! let episode = |index| Seed::new(0).child("episode", index);
//! assert_eq!(act(episode(3))?, act(episode(3))?);
//! assert_ne!(act(episode(3))?, act(episode(4))?);
//! # Ok::<(), EnvError>(())
//! ```

mod control;
mod env;
mod episode;
mod images;
mod observation;
mod policy;
mod recorder;
mod rollout;
mod scene;
mod seed;
mod space;
mod texture;
mod variation;

pub use control::Interrupt;
pub use env::{
    Env, EnvError, GoalError, Protocol, Quantity, ResetOptions, Snapshot, State, Step, Success,
    TaskKind, Transition,
};
pub use episode::{Episode, Experience, Frame};
pub use images::{ImageBytes, Images};
pub use observation::{DepthImage, Image, Observation, SegmentationImage};
pub use policy::{Actor, Decision, IterationTrace, PlanTrace, Policy};
pub use recorder::{EpisodeHeader, EpisodeSummary, NoRecorder, Recorder, StepRecord};
pub use rollout::{RolloutOptions, rollout};
pub use scene::{Camera, Geometry, Light, Pose, Scene, Shape};
pub use seed::{Rng, Seed};
pub use space::{ActionSpace, ImageSpec, ObservationSpace, Spaces};
pub use texture::{Mark, Texture, TextureKind, TextureMap};
pub use variation::{Level, Levels, Variation, Varied};
