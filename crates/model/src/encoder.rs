//! Encoders: an observation becomes a latent of D standard components.

use crate::config::{EncoderConfig, ModelInput};
use crate::layers::{BatchNorm, Builder, ConvBlock, Linear, Pass, scalar};
use crate::ops::{Activation, ConvShape};
use candle_core::{Result, Tensor, Var};

/// An encoder of one of the configured kinds.
pub(crate) enum Encoder {
    Keypoint(Box<Keypoint>),
    Mlp(Mlp),
}

impl Encoder {
    pub(crate) fn new(
        builder: &mut Builder,
        config: &EncoderConfig,
        input: &ModelInput,
        latent_dim: usize,
    ) -> Result<Self> {
        match (config, input) {
            (&EncoderConfig::Keypoint { keypoints, hidden }, _) => {
                Ok(Self::Keypoint(Box::new(Keypoint::new(builder, keypoints, hidden, latent_dim)?)))
            }
            (&EncoderConfig::Mlp { hidden }, ModelInput::State { names }) => {
                Ok(Self::Mlp(Mlp::new(builder, [names.len(), hidden, latent_dim])?))
            }
            (EncoderConfig::Mlp { .. }, ModelInput::Pixels { .. }) => {
                candle_core::bail!("an `mlp` encoder cannot see pixels")
            }
        }
    }

    /// x `[n, h, w, 3]` in [-1, 1] (pixels) or `[n, state]` (states) gives `[n, D]`.
    pub(crate) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        match self {
            Self::Keypoint(encoder) => encoder.forward(x, pass),
            Self::Mlp(encoder) => encoder.forward(x, pass),
        }
    }
}

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
    fn new(
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

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let positions = ConvBlock::stack(&self.blocks, x, Some(&self.log_temperature), pass)?;
        let positions = self.positions.forward(&positions, pass)?;
        let latent = (self.direct.forward(&positions)?
            + self.out.forward(&self.hidden.forward(&positions)?)?)?;
        self.norm.forward(&latent, pass)
    }
}

/// A perceptron of two hidden layers.
pub(crate) struct Mlp {
    layers: [Linear; 3],
    norm: BatchNorm,
}

impl Mlp {
    fn new(builder: &mut Builder, [inputs, hidden, latent_dim]: [usize; 3]) -> Result<Self> {
        Ok(Self {
            layers: [
                Linear::new(builder, "encoder.0", [inputs, hidden], 1.0, Activation::Silu)?,
                Linear::new(builder, "encoder.1", [hidden, hidden], 1.0, Activation::Silu)?,
                Linear::new(builder, "encoder.2", [hidden, latent_dim], 1.0, Activation::None)?,
            ],
            norm: BatchNorm::plain(builder, "encoder.norm", latent_dim)?,
        })
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        self.norm.forward(&x, pass)
    }
}
