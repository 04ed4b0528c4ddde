//! A perceptron on the state.

use crate::layers::{BatchNorm, Builder, Linear, Pass};
use crate::ops::Activation;
use candle_core::{Result, Tensor};

/// A perceptron of two hidden layers.
pub(crate) struct Mlp {
    layers: [Linear; 3],
    norm: BatchNorm,
}

impl Mlp {
    pub(super) fn new(
        builder: &mut Builder,
        [inputs, hidden, latent_dim]: [usize; 3],
    ) -> Result<Self> {
        Ok(Self {
            layers: [
                Linear::new(builder, "encoder.0", [inputs, hidden], 1.0, Activation::Silu)?,
                Linear::new(builder, "encoder.1", [hidden, hidden], 1.0, Activation::Silu)?,
                Linear::new(builder, "encoder.2", [hidden, latent_dim], 1.0, Activation::None)?,
            ],
            norm: BatchNorm::plain(builder, "encoder.norm", latent_dim)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward(&x, pass)?;
        }
        self.norm.forward(&x, pass)
    }
}
