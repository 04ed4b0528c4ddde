//! World models of the joint-embedding predictive kind: encode an observation to a latent, predict the
//! next latent under an action block, and never generate pixels.
//!
//! [`WorldModel`] is the network, [`Trainer`] fits it to a [`housecat_core::Experience`], checkpoints
//! are safetensors beside JSON, and [`LatentRollout`] is the fast path that planners call thousands
//! of times a second. A [`Decoder`] paints latents, for display only. The crate knows nothing of sims, planners or run
//! directories.
//!
//! # Example
//!
//! A model of a point that goes where it is pushed, trained on twenty episodes, and what it imagines:
//!
//! ```
//! use housecat_core::{Experience, Observation, Seed};
//! use housecat_model::{ModelInput, ModelSpec, Trainer};
//!
//! let mut rng = Seed::new(0).rng();
//! let mut experience =
//!     Experience { state_names: vec!["x".into()], action_dim: 1, ..Experience::default() };
//! for _ in 0..20 {
//!     let (first, mut x) = (experience.frames(), rng.uniform(-1.0, 1.0));
//!     for _ in 0..20 {
//!         let push = rng.uniform(-1.0, 1.0);
//!         experience.state.push(x);
//!         experience.actions.push(push);
//!         experience.rewards.push(0.0);
//!         x += 0.3 * push;
//!     }
//!     experience.episodes.push(first..experience.frames());
//! }
//! let spec = ModelSpec {
//!     format: ModelSpec::FORMAT,
//!     sim: "point".into(),
//!     input: ModelInput::State { names: vec!["x".into()] },
//!     actions: vec!["push".into()],
//!     // As in a sim's train.toml.
//!     model: toml::from_str(
//!         r#"
//!         latent_dim = 4
//!         action_repeat = 1
//!         encoder = { kind = "mlp", hidden = 32 }
//!         predictor = { kind = "residual", hidden = 32, action_dim = 4 }
//!         "#,
//!     )?,
//! };
//! let config = toml::from_str(
//!     r#"
//!     steps = 150
//!     batch = 32
//!     window = 3
//!     history_dropout = 0.2
//!     validation = 0.2
//!     checkpoint_every = 150
//!     optimizer = { learning_rate = 3e-3, weight_decay = 0.0, warmup = 0.05, clip_norm = 1.0 }
//!     loss = [
//!         { kind = "next_latent", weight = 1.0 },
//!         { kind = "sigreg", weight = { start = 0.2, end = 0.1, from = 0.0, to = 1.0 }, projections = 16, knots = 9 },
//!     ]
//!     "#,
//! )?;
//! let mut trainer = Trainer::new(spec, config, &experience, Seed::new(0), 1)?;
//! while trainer.steps_done() < trainer.config().steps {
//!     trainer.step()?;
//! }
//! let held_out = trainer.validate()?.ok_or("no episodes were held out")?;
//! assert!(held_out.open_loop[0] < 0.5 * held_out.copy[0], "{held_out:?}");
//!
//! let model = trainer.into_model();
//! let now = model.encode(&[&Observation { state: vec![0.2], ..Observation::default() }])?;
//! let imagined = model.latent_rollout()?.roll(&now, None, &[1.0, -0.5], 1, 2).to_vec();
//! assert_eq!(imagined.len(), 2 * model.latent_dim());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod checkpoint;
mod config;
mod convert;
mod decoder;
mod distance;
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
    OptimizerConfig, Precision, PredictorConfig, PredictorTraining, RewardConfig, Schedule,
    TrainConfig,
};
pub use convert::{LewmSource, convert_lewm};
pub use decoder::{Decoder, Reconstruction};
pub use distance::{Apart, Distance};
pub use error::ModelError;
pub use memory::Memory;
pub use prior::Prior;
pub use probe::LinearProbe;
pub use quality::{HeldOut, Probe, Quality, Reading, Spread};
pub use rollout::LatentRollout;
pub use route::Routes;
pub use trainer::{StepMetrics, Trainer, Validation};
pub use world_model::WorldModel;
