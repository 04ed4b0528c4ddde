//! The predictor: latent, action block and one block of history give the next latent.

use crate::config::PredictorConfig;
use crate::layers::{Builder, Linear};
use crate::ops::Activation;
use candle_core::{Result, Tensor};

/// `z' = z + f(z, e, z - z_prev, e_prev)`, e an encoded action block.
///
/// Without history the last two inputs are zero.
pub(crate) struct Predictor {
    action: Linear,
    layers: [Linear; 3],
}

impl Predictor {
    pub(crate) fn new(
        builder: &mut Builder,
        config: &PredictorConfig,
        latent_dim: usize,
        block_dim: usize,
    ) -> Result<Self> {
        let &PredictorConfig::Residual { hidden, action_dim } = config;
        let inputs = 2 * (latent_dim + action_dim);
        Ok(Self {
            action: Linear::new(
                builder,
                "predictor.action",
                [block_dim, action_dim],
                1.0,
                Activation::None,
            )?,
            layers: [
                Linear::new(builder, "predictor.0", [inputs, hidden], 1.0, Activation::Silu)?,
                Linear::new(builder, "predictor.1", [hidden, hidden], 1.0, Activation::Silu)?,
                // Small at first: the untrained prediction is that nothing changes.
                Linear::new(builder, "predictor.2", [hidden, latent_dim], 0.1, Activation::None)?,
            ],
        })
    }

    /// Encodes action blocks `[n, block]` to `[n, E]`.
    pub(crate) fn encode_action(&self, blocks: &Tensor) -> Result<Tensor> {
        self.action.forward(blocks)
    }

    /// The next latents `[n, D]` from z `[n, D]`, e `[n, E]`, the last change of the latent `[n, D]`
    /// and the last encoded block `[n, E]`.
    pub(crate) fn forward(
        &self,
        z: &Tensor,
        e: &Tensor,
        change: &Tensor,
        e_prev: &Tensor,
    ) -> Result<Tensor> {
        let mut x = Tensor::cat(&[z, e, change, e_prev], 1)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        z + x
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
    pub(crate) fn forward(&self, z: &Tensor, e: &Tensor, next: &Tensor) -> Result<Tensor> {
        self.layers[1].forward(&self.layers[0].forward(&Tensor::cat(&[z, e, next], 1)?)?)
    }
}
