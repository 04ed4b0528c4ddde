//! Configuration: what a model is made of and how it is trained. The same types are the `train.toml`
//! of a sim and the `config.json` of a checkpoint.

mod encoder;
mod loss;

pub use encoder::EncoderConfig;
pub(crate) use encoder::whole_patches;
pub use loss::{LossConfig, Schedule};

use crate::ModelError;
use housecat_core::ImageSpec;
use serde::{Deserialize, Serialize};

/// What the encoder sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelInput {
    /// A camera image.
    Pixels {
        /// The camera and its size.
        image: ImageSpec,
    },
    /// The state vector.
    State {
        /// Names of its components.
        names: Vec<String>,
    },
    /// A camera image, and what the robot feels.
    Both {
        /// The camera and its size.
        image: ImageSpec,
        /// Names of the components of the observed state vector, all of them.
        names: Vec<String>,
        /// Those that the model is given: what the robot's own sensors tell, not where things are.
        proprioception: Vec<String>,
    },
}

impl ModelInput {
    /// The camera image that is seen, if any.
    pub fn image(&self) -> Option<&ImageSpec> {
        match self {
            Self::Pixels { image } | Self::Both { image, .. } => Some(image),
            Self::State { .. } => None,
        }
    }

    /// Names of the components of the state vector that an observation must hold; none if it is not looked at.
    pub fn state(&self) -> &[String] {
        match self {
            Self::State { names } | Self::Both { names, .. } => names,
            Self::Pixels { .. } => &[],
        }
    }

    /// Indices, into the state vector, of the components that the encoder is given.
    pub(crate) fn felt(&self) -> Result<Vec<usize>, ModelError> {
        let Self::Both { names, proprioception, .. } = self else {
            return Ok((0..self.state().len()).collect());
        };
        if proprioception.is_empty() {
            return reject(
                "proprioception",
                "[]",
                &format!("name components of the state; it has {}", names.join(", ")),
            );
        }
        let place = |name: &String| match names.iter().position(|own| own == name) {
            Some(index) => Ok(index),
            None => reject(
                "proprioception",
                name,
                &format!("the state has no such component; it has {}", names.join(", ")),
            ),
        };
        proprioception.iter().map(place).collect()
    }
}

/// A predictor of the next latent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PredictorConfig {
    /// A residual perceptron on the latent, the action block and both of one block before.
    Residual {
        /// Width of its hidden layers.
        hidden: usize,
        /// Hidden layers.
        #[serde(default = "two", skip_serializing_if = "is_two")]
        depth: usize,
        /// Size of an encoded action block.
        action_dim: usize,
    },
    /// LeWorldModel's causal transformer over the last latents, conditioned on the action blocks by
    /// AdaLN-zero (arXiv 2603.19312). An encoded action block is as wide as the latent.
    Transformer {
        /// Blocks of attention and perceptron.
        depth: usize,
        /// Attention heads.
        heads: usize,
        /// Width of each head.
        head_dim: usize,
        /// Hidden width of the perceptrons, the last projection's too.
        mlp: usize,
        /// Latents it sees at most, the present one included.
        history: usize,
        /// Share of activations dropped in training.
        dropout: f32,
    },
}

impl PredictorConfig {
    /// Size of an encoded action block.
    pub(crate) fn action_dim(&self, latent_dim: usize) -> usize {
        match *self {
            Self::Residual { action_dim, .. } => action_dim,
            Self::Transformer { .. } => latent_dim,
        }
    }

    /// Refuses sizes that no network can have.
    fn validate(&self) -> Result<(), ModelError> {
        let (sizes, dropout): (&[_], _) = match self {
            Self::Residual { hidden, depth, action_dim } => (
                &[
                    ("model.predictor.hidden", hidden),
                    ("model.predictor.depth", depth),
                    ("model.predictor.action_dim", action_dim),
                ],
                0.0,
            ),
            Self::Transformer { depth, heads, head_dim, mlp, history, dropout } => (
                &[
                    ("model.predictor.depth", depth),
                    ("model.predictor.heads", heads),
                    ("model.predictor.head_dim", head_dim),
                    ("model.predictor.mlp", mlp),
                    ("model.predictor.history", history),
                ],
                *dropout,
            ),
        };
        if let Some((key, _)) = sizes.iter().find(|(_, size)| **size == 0) {
            return reject(key, 0, "give it at least 1");
        }
        if !(0.0..1.0).contains(&dropout) {
            let fix = "give a share of at least 0 and below 1";
            return reject("model.predictor.dropout", dropout, fix);
        }
        Ok(())
    }
}

/// A head that predicts the reward of an action block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardConfig {
    /// Width of its hidden layer.
    pub hidden: usize,
}

/// A head that tells the action block from the latents before and after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InverseDynamicsConfig {
    /// Width of its hidden layer.
    pub hidden: usize,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// D: components of a latent.
    pub latent_dim: usize,
    /// Control steps in an action block.
    pub action_repeat: usize,
    /// Observation to latent.
    pub encoder: EncoderConfig,
    /// Latent to next latent.
    pub predictor: PredictorConfig,
    /// Predictors of this kind, from different starting weights, trained on the same windows; their mean predicts,
    /// and their spread says where it is not to be trusted.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub ensemble: usize,
    /// Latent and action block to reward, for reward tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<RewardConfig>,
    /// Latents to the action block between them, which the `inverse_dynamics` loss trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse_dynamics: Option<InverseDynamicsConfig>,
}

fn one() -> usize {
    1
}

// Checkpoints of one predictor look as they did before there were ensembles.
fn is_one(count: &usize) -> bool {
    *count == 1
}

fn two() -> usize {
    2
}

fn is_two(count: &usize) -> bool {
    *count == 2
}

/// AdamW (Loshchilov & Hutter 2019), for matrices Muon if asked for, with warm-up and cosine decay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Peak learning rate of AdamW.
    pub learning_rate: f32,
    /// Peak learning rate of Muon (Jordan et al. 2024), which then moves the matrices; it rises and falls as the other
    /// does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<f32>,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f32,
    /// Fraction of training over which the rate rises from zero.
    pub warmup: f32,
    /// Largest norm of the gradient over all variables.
    pub clip_norm: f32,
}

/// What the factors of large products are rounded to, in training or in a planner's rollouts. They are added up in f32 whatever
/// they are, and weights, gradients, moments, normalisations and losses are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To bfloat16, of which a processor with AVX-512 BF16 multiplies twice as many at once and one with AMX sixteen times as
    /// many; on any other this is `F32`. Convolutions, linear layers, attention over many tokens and Muon's iteration do.
    Bf16,
}

impl Precision {
    /// Whether nothing is rounded.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Optimiser steps.
    pub steps: u64,
    /// Windows in a batch.
    pub batch: usize,
    /// Observations in a window.
    pub window: usize,
    /// Action blocks between them. An encoder learns from what moves, a predictor of contact from short blocks: a
    /// stride gives each what it needs. The second part of training looks at every block.
    #[serde(default = "one")]
    pub stride: usize,
    /// Share of steps on which a sample's history is hidden from the predictor.
    pub history_dropout: f32,
    /// Share of episodes kept for validation.
    pub validation: f32,
    /// Steps between checkpoints (and validations).
    pub checkpoint_every: u64,
    /// `"f32"`, or `"bf16"` for products of half the width: faster where the processor has them.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The terms of the loss.
    pub loss: Vec<LossConfig>,
    /// What follows once the encoder has learned; nothing if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictor: Option<PredictorTraining>,
}

/// Training of the predictors (and the reward head) alone, on latents that the finished encoder gave: a step costs a
/// fraction of one that encodes, and the latents no longer move. The terms of the loss that concern predictions apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictorTraining {
    /// Optimiser steps, as a multiple of the `train.steps` that they follow.
    pub multiple: f64,
    /// Windows in a batch.
    pub batch: usize,
    /// Observations in a window, an action block apart.
    pub window: usize,
    /// Peak learning rate; it rises and falls anew, as the optimiser's `warmup` has it.
    pub learning_rate: f32,
}

impl TrainConfig {
    /// Optimiser steps in all.
    pub fn total_steps(&self) -> u64 {
        self.steps + self.predictor_steps()
    }

    /// Those that train the predictors alone.
    pub(crate) fn predictor_steps(&self) -> u64 {
        let steps = |later: &PredictorTraining| (self.steps as f64 * later.multiple).round() as u64;
        self.predictor.as_ref().map_or(0, |later| steps(later).max(1))
    }
}

/// Everything needed to rebuild a model and to know what it may be used on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Version of this layout; 1.
    pub format: u32,
    /// Name of the sim it was trained on.
    pub sim: String,
    /// What it sees.
    pub input: ModelInput,
    /// Names of the action's components.
    pub actions: Vec<String>,
    /// The network.
    pub model: ModelConfig,
}

impl ModelSpec {
    /// The version this crate writes.
    pub const FORMAT: u32 = 1;

    /// Components of an action block.
    pub fn block_dim(&self) -> usize {
        self.actions.len() * self.model.action_repeat
    }

    /// Refuses a model that does not fit what it sees.
    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        self.model.validate(&self.input)?;
        self.input.felt()?;
        match self.input.image() {
            Some(image) => self.model.encoder.validate_image(image),
            None => Ok(()),
        }
    }
}

fn reject<T>(key: &'static str, value: impl ToString, fix: &str) -> Result<T, ModelError> {
    Err(ModelError::Config { key, value: value.to_string(), fix: fix.to_owned() })
}

impl ModelConfig {
    /// Refuses sizes that no network can have, and an encoder that does not fit the kind of input.
    pub fn validate(&self, input: &ModelInput) -> Result<(), ModelError> {
        if self.latent_dim == 0 {
            return reject("model.latent_dim", 0, "give the latent at least one component");
        }
        if self.action_repeat == 0 {
            return reject(
                "model.action_repeat",
                0,
                "an action block has at least one control step",
            );
        }
        if self.ensemble == 0 {
            return reject("model.ensemble", 0, "give a number of predictors, 1 for no ensemble");
        }
        self.predictor.validate()?;
        if self.inverse_dynamics == Some(InverseDynamicsConfig { hidden: 0 }) {
            return reject("model.inverse_dynamics.hidden", 0, "give it at least 1");
        }
        self.encoder.validate(input)
    }
}

impl TrainConfig {
    /// Refuses values that cannot train.
    pub fn validate(&self, model: &ModelConfig) -> Result<(), ModelError> {
        if self.steps == 0 {
            return reject("train.steps", 0, "train for at least one step");
        }
        let sizes = [("train.batch", self.batch, "train.window", self.window)];
        let later = self.predictor.iter().map(|later| {
            ("train.predictor.batch", later.batch, "train.predictor.window", later.window)
        });
        for (batch_key, batch, window_key, window) in sizes.into_iter().chain(later) {
            if batch < 4 {
                return reject(batch_key, batch, "batch statistics need at least 4 windows");
            }
            if window < 2 {
                return reject(window_key, window, "a prediction needs at least 2 observations");
            }
        }
        if self.stride == 0 {
            return reject("train.stride", 0, "1 looks at every action block");
        }
        if self.stride > 1 && model.inverse_dynamics.is_some() {
            let fix =
                "model.inverse_dynamics tells one block from the latents around it; set it to 1";
            return reject("train.stride", self.stride, fix);
        }
        if let Some(later) = &self.predictor {
            if !(later.multiple > 0.0 && later.multiple <= 1e6) {
                let fix = "give a positive multiple of train.steps, or leave [train.predictor] out";
                return reject("train.predictor.multiple", later.multiple, fix);
            }
            if later.learning_rate.is_nan() || later.learning_rate <= 0.0 {
                let key = "train.predictor.learning_rate";
                return reject(key, later.learning_rate, "it must be positive");
            }
            if !self.loss.iter().any(LossConfig::judges_predictions) {
                let fix = "add a loss of predictions (`next_latent`, `rollout`), or leave [train.predictor] out";
                return reject("train.predictor.multiple", later.multiple, fix);
            }
        }
        if matches!(model.predictor, PredictorConfig::Transformer { .. })
            && self.history_dropout != 0.0
        {
            return reject(
                "train.history_dropout",
                self.history_dropout,
                "a `transformer` learns every shorter history from its causal passes; set it to 0",
            );
        }
        if !(0.0..=0.5).contains(&self.validation) {
            return reject(
                "train.validation",
                self.validation,
                "keep between 0 and half of the episodes",
            );
        }
        if self.checkpoint_every == 0 {
            return reject("train.checkpoint_every", 0, "give a number of steps");
        }
        if self.optimizer.learning_rate.is_nan() || self.optimizer.learning_rate <= 0.0 {
            return reject(
                "optimizer.learning_rate",
                self.optimizer.learning_rate,
                "it must be positive",
            );
        }
        if let Some(rate) = self.optimizer.muon.filter(|rate| rate.is_nan() || *rate <= 0.0) {
            return reject(
                "optimizer.muon",
                rate,
                "it must be positive; leave it out for AdamW alone",
            );
        }
        if self.loss.is_empty() {
            return reject("loss", "[]", "name at least one [[loss]]");
        }
        for loss in &self.loss {
            loss.validate(model, self.window)?;
        }
        Ok(())
    }
}
