//! What is seen and what is felt, as one latent.

use super::PixelEncoder;
use crate::layers::{BatchNorm, Builder, Linear, Pass};
use crate::ops::Activation;
use candle_core::{Result, Tensor};

/// `norm(W [z, silu(V s)])`: z the latent of the image, s the state.
pub(crate) struct Fused {
    pixels: PixelEncoder,
    state: Linear,
    out: Linear,
    norm: BatchNorm,
}

impl Fused {
    pub(super) fn new(
        builder: &mut Builder,
        pixels: PixelEncoder,
        [states, hidden, latent_dim]: [usize; 3],
    ) -> Result<Self> {
        let mut linear =
            |name, sizes, activation| Linear::new(builder, name, sizes, 1.0, activation);
        Ok(Self {
            pixels,
            state: linear("encoder.state", [states, hidden], Activation::Silu)?,
            out: linear("encoder.fused", [latent_dim + hidden, latent_dim], Activation::None)?,
            norm: BatchNorm::plain(builder, "encoder.fused.norm", latent_dim)?,
        })
    }

    pub(super) fn forward(&self, pixels: &Tensor, state: &Tensor, pass: &Pass) -> Result<Tensor> {
        let seen = self.pixels.forward(pixels, pass)?;
        let felt = self.state.forward(state, pass)?;
        let both = Tensor::cat(&[seen, felt], 1)?;
        self.norm.forward(&self.out.forward(&both, pass)?, pass)
    }
}
