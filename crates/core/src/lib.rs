//! The vocabulary of housecat: what an environment, a policy, an episode, a scene and a seed are,
//! and the one loop that lets a policy act in an environment.
//!
//! Every other crate speaks in these types and none of them knows more about its neighbours than
//! what stands here. The crate holds no tensors, no physics, no file formats and no viewer.
//!
//! Conventions used everywhere: images are `[h, w, c]` in `u8`; lengths are metres, angles radians,
//! times seconds; actions cross the [`Env`] border in `[-1, 1]`; a spread is a standard deviation.

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
