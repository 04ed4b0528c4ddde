//! Keypoints: where in the image each feature is.

use crate::layers::{BatchNorm, Builder, ConvBlock, Linear, Pass, scalar};
use crate::ops::{Activation, ConvShape, soft_argmax};
use candle_core::{Result, Tensor, Var};

/// Three convolutions, a map per keypoint, soft-argmax, and a linear map beside a perceptron from the
/// positions to the latent.
pub(crate) struct Keypoint {
    blocks: [ConvBlock; 3],
    maps: Maps,
    log_temperature: Var,
    positions: BatchNorm,
    direct: Linear,
    hidden: Linear,
    out: Linear,
    norm: BatchNorm,
}

/// The 1x1 convolution to maps: a linear layer over pixels and a batch normalisation.
struct Maps {
    linear: Linear,
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
                ConvBlock::new(builder, "encoder.conv1", wide, [3, WIDTHS[0]], true)?,
                ConvBlock::new(builder, "encoder.conv2", narrow, [WIDTHS[0], WIDTHS[1]], false)?,
                ConvBlock::new(builder, "encoder.conv3", narrow, [WIDTHS[1], WIDTHS[2]], false)?,
            ],
            maps: Maps {
                linear: Linear::new(
                    builder,
                    "encoder.maps",
                    [WIDTHS[2], keypoints],
                    1.0,
                    Activation::None,
                )?,
                norm: BatchNorm::new(builder, "encoder.maps.norm", keypoints, false)?,
            },
            log_temperature: scalar(builder, "encoder.log_temperature", 0.0)?,
            positions: BatchNorm::new(builder, "encoder.positions", positions, false)?,
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
        let mut x = x.clone();
        for block in &self.blocks {
            x = block.forward(&x, pass)?;
        }
        let (n, h, w, c) = x.dims4()?;
        let maps = self.maps.linear.forward(&x.reshape((n * h * w, c))?)?;
        let maps = self.maps.norm.forward(&maps, pass)?;
        let k = maps.dim(1)?;
        let positions = soft_argmax(&maps.reshape((n, h, w, k))?, &self.log_temperature)?;
        let positions = self.positions.forward(&positions, pass)?;
        let latent = (self.direct.forward(&positions)?
            + self.out.forward(&self.hidden.forward(&positions)?)?)?;
        self.norm.forward(&latent, pass)
    }
}
