//! Keypoints: where in the image each feature is.

use crate::layers::{BatchNorm, Builder, ConvBlock, Linear, Pass, scalar};
use crate::ops::{Activation, ConvShape};
use candle_core::{Result, Tensor, Var};

/// Three convolutions, a map per keypoint, soft-argmax, and a linear map beside a perceptron from the
/// positions to the latent.
pub(crate) struct Keypoint {
    /// The last makes the maps.
    blocks: [ConvBlock; 4],
    log_temperature: Var,
    positions: BatchNorm,
    direct: Linear,
    hidden: Linear,
    out: Linear,
    norm: BatchNorm,
}

const WIDTHS: [usize; 3] = [16, 32, 32];

impl Keypoint {
    pub(super) fn new(
        builder: &mut Builder,
        keypoints: usize,
        hidden: usize,
        latent_dim: usize,
    ) -> Result<Self> {
        let wide = ConvShape { kernel: 8, stride: 4, padding: 2 };
        let narrow = ConvShape { kernel: 3, stride: 1, padding: 1 };
        let positions = 2 * keypoints;
        Ok(Self {
            blocks: [
                ConvBlock::new(builder, "encoder.conv1", wide, [3, WIDTHS[0]])?,
                ConvBlock::new(builder, "encoder.conv2", narrow, [WIDTHS[0], WIDTHS[1]])?,
                ConvBlock::new(builder, "encoder.conv3", narrow, [WIDTHS[1], WIDTHS[2]])?,
                ConvBlock::pointwise(builder, "encoder.maps", [WIDTHS[2], keypoints])?,
            ],
            log_temperature: scalar(builder, "encoder.log_temperature", 0.0)?,
            positions: BatchNorm::new(builder, "encoder.positions", positions)?,
            direct: Linear::new(
                builder,
                "encoder.direct",
                [positions, latent_dim],
                1.0,
                Activation::None,
            )?,
            hidden: Linear::new(
                builder,
                "encoder.hidden",
                [positions, hidden],
                1.0,
                Activation::Silu,
            )?,
            out: Linear::new(builder, "encoder.out", [hidden, latent_dim], 1.0, Activation::None)?,
            norm: BatchNorm::plain(builder, "encoder.norm", latent_dim)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let positions = ConvBlock::stack(&self.blocks, x, Some(&self.log_temperature), pass)?;
        let positions = self.positions.forward(&positions, pass)?;
        let hidden = self.hidden.forward(&positions, pass)?;
        let latent = (self.direct.forward(&positions, pass)? + self.out.forward(&hidden, pass)?)?;
        self.norm.forward(&latent, pass)
    }
}
