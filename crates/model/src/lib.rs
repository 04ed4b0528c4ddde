//! World models of the joint-embedding predictive kind: encode an observation to a latent, predict the
//! next latent under an action block, and never generate pixels.
//!
//! [`WorldModel`] is the network, [`Trainer`] fits it to a [`housecat_core::Experience`], checkpoints
//! are safetensors beside JSON, and [`LatentRollout`] is the fast path that planners call thousands
//! of times a second. A [`Decoder`] paints latents, for display only. The crate knows nothing of sims, planners or run directories.

mod batch;
mod checkpoint;
mod config;
mod convert;
mod decoder;
mod encoder;
mod error;
mod layers;
mod loss;
mod memory;
mod muon;
mod ops;
mod optimizer;
mod predictor;
mod pretrained;
mod prior;
mod probe;
mod projector;
mod quality;
mod regression;
mod rollout;
mod route;
mod trainer;
mod world_model;

pub use checkpoint::{load_checkpoint, load_model, point_last, save_checkpoint, save_model};
pub use config::{
    EncoderConfig, InverseDynamicsConfig, LossConfig, ModelConfig, ModelInput, ModelSpec,
    OptimizerConfig, PredictorConfig, PredictorTraining, RewardConfig, Schedule, TrainConfig,
};
pub use convert::{LewmSource, convert_lewm};
pub use decoder::{Decoder, Reconstruction};
pub use error::ModelError;
pub use memory::Memory;
pub use prior::Prior;
pub use probe::LinearProbe;
pub use quality::{HeldOut, Probe, Quality, Reading, Spread};
pub use rollout::LatentRollout;
pub use route::Routes;
pub use trainer::{StepMetrics, Trainer, Validation};
pub use world_model::WorldModel;
