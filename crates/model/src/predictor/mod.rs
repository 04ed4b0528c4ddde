//! Predictors: latents and action blocks up to now give the next latent.

mod residual;
pub(crate) mod transformer;

use crate::config::PredictorConfig;
use crate::layers::{Builder, LayerNorm, Linear, Pass};
use crate::ops::{Activation, activate};
use candle_core::{Result, Tensor};
use residual::Residual;
use transformer::{EPSILON, Sizes, Transformer};

/// What the names of an ensemble member's variables begin with. The first has the name that a single predictor
/// has; the name decides the starting weights, so that members differ.
pub(crate) fn member_name(index: usize) -> String {
    match index {
        0 => "predictor".to_owned(),
        _ => format!("predictor{index}"),
    }
}

/// The next latent by the mean of the members: see [`Predictor::step`]; the encoded blocks are each member's own.
pub(crate) fn mean_step(
    members: &[Predictor],
    path: &[Tensor],
    e: &[Vec<Tensor>],
    pass: &Pass,
) -> Result<Tensor> {
    let steps = members.iter().zip(e).map(|(member, e)| member.step(path, e, pass));
    mean(&steps.collect::<Result<Vec<_>>>()?)
}

/// The mean of tensors of one shape.
pub(crate) fn mean(tensors: &[Tensor]) -> Result<Tensor> {
    let [first, rest @ ..] = tensors else {
        candle_core::bail!("a mean needs at least one tensor")
    };
    if rest.is_empty() {
        return Ok(first.clone());
    }
    let sum = rest.iter().try_fold(first.clone(), |sum, tensor| sum + tensor)?;
    sum * (1.0 / tensors.len() as f64)
}

/// A predictor of one of the configured kinds.
pub(crate) enum Predictor {
    Residual(Residual),
    Transformer(Box<Transformer>),
}

impl Predictor {
    /// `name` is what the names of its variables begin with.
    pub(crate) fn new(
        builder: &mut Builder,
        name: &str,
        config: &PredictorConfig,
        latent_dim: usize,
        block_dim: usize,
    ) -> Result<Self> {
        match *config {
            PredictorConfig::Residual { hidden, depth, action_dim } => {
                let sizes = [latent_dim, block_dim, hidden, depth, action_dim];
                Ok(Self::Residual(Residual::new(builder, name, sizes)?))
            }
            PredictorConfig::Transformer { depth, heads, head_dim, mlp, history, dropout } => {
                let sizes =
                    Sizes { latent_dim, block_dim, depth, heads, head_dim, mlp, history, dropout };
                Ok(Self::Transformer(Box::new(Transformer::new(builder, name, sizes)?)))
            }
        }
    }

    /// Encodes action blocks `[n, block]` to `[n, E]`.
    pub(crate) fn encode_action(&self, blocks: &Tensor, pass: &Pass) -> Result<Tensor> {
        match self {
            Self::Residual(predictor) => predictor.encode_action(blocks, pass),
            Self::Transformer(predictor) => predictor.encode_action(blocks, pass),
        }
    }

    /// The latents one block ahead of all but the last of `latents` `[T * B, D]` (time major), with the
    /// encoded blocks e `[(T - 1) * B, E]`: `[(T - 1) * B, D]`. Each sees only what came before it.
    /// `history` `[(T - 1) * B, 1]` is 0 where the residual predictor must do without.
    pub(crate) fn forced(
        &self,
        latents: &Tensor,
        e: &Tensor,
        history: &Tensor,
        size: usize,
        pass: &Pass,
    ) -> Result<Tensor> {
        match self {
            Self::Residual(predictor) => predictor.forced(latents, e, history, size, pass),
            Self::Transformer(predictor) => predictor.forced(latents, e, size, pass),
        }
    }

    /// The latent `[n, D]` after a path of latents z_0..z_t, each `[n, D]`, under the encoded blocks e_0..e_t
    /// chosen at each of them, `[n, E]`.
    pub(crate) fn step(&self, path: &[Tensor], e: &[Tensor], pass: &Pass) -> Result<Tensor> {
        match self {
            Self::Residual(predictor) => predictor.step(path, e, pass),
            Self::Transformer(predictor) => predictor.step(path, e, pass),
        }
    }
}

/// Predicts the reward of a block, in standard deviations about the mean, from z `[n, D]` and e `[n, E]`.
pub(crate) struct RewardHead {
    layers: [Linear; 2],
}

impl RewardHead {
    pub(crate) fn new(
        builder: &mut Builder,
        hidden: usize,
        latent_dim: usize,
        action_dim: usize,
    ) -> Result<Self> {
        Ok(Self {
            layers: [
                Linear::new(
                    builder,
                    "reward.0",
                    [2 * latent_dim + action_dim, hidden],
                    1.0,
                    Activation::Silu,
                )?,
                Linear::new(builder, "reward.1", [hidden, 1], 0.1, Activation::None)?,
            ],
        })
    }

    /// `[n, 1]` from z, the encoded block and the latent after it.
    pub(crate) fn forward(
        &self,
        z: &Tensor,
        e: &Tensor,
        next: &Tensor,
        pass: &Pass,
    ) -> Result<Tensor> {
        let hidden = self.layers[0].forward(&Tensor::cat(&[z, e, next], 1)?, pass)?;
        self.layers[1].forward(&hidden, pass)
    }
}

/// Tells the action block between two latents (PLDM's head in stable-worldmodel 0.1.1).
pub(crate) struct InverseDynamics {
    first: Linear,
    norm: LayerNorm,
    second: Linear,
}

impl InverseDynamics {
    pub(crate) fn new(
        builder: &mut Builder,
        hidden: usize,
        (latent_dim, block_dim): (usize, usize),
    ) -> Result<Self> {
        let none = Activation::None;
        Ok(Self {
            first: Linear::new(builder, "inverse.0", [2 * latent_dim, hidden], 1.0, none)?,
            norm: LayerNorm::new(builder, "inverse.norm", hidden, EPSILON)?,
            second: Linear::new(builder, "inverse.1", [hidden, block_dim], 1.0, none)?,
        })
    }

    /// The block `[n, block]` that leads from z `[n, D]` to `next`.
    pub(crate) fn forward(&self, z: &Tensor, next: &Tensor, pass: &Pass) -> Result<Tensor> {
        let both = Tensor::cat(&[next, z], 1)?;
        let hidden = self.norm.forward(&self.first.forward(&both, pass)?)?;
        self.second.forward(&activate(&hidden, Activation::Gelu)?, pass)
    }
}
