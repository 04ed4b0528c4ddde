//! Encoders: an observation becomes a latent of D components.

mod conv;
mod frozen;
mod fused;
mod keypoint;
mod mlp;
mod vit;

use crate::ModelError;
use crate::config::{EncoderConfig, ModelInput};
use crate::layers::{Builder, Pass};
use crate::ops::brightness;
use candle_core::{DType, Device, Result, Tensor};
use conv::Conv;
use frozen::Frozen;
use fused::Fused;
use housecat_core::ImageSpec;
use keypoint::Keypoint;
use mlp::Mlp;
use vit::Vit;

/// What an encoder is given of n observations.
#[derive(Clone)]
pub(crate) struct Senses {
    /// `[n, h, w, 3]`: bytes, which stand for [-1, 1], or such numbers.
    pub pixels: Option<Tensor>,
    /// `[n, state]`, standardised.
    pub state: Option<Tensor>,
}

impl Senses {
    fn pixels(&self) -> Result<&Tensor> {
        match &self.pixels {
            Some(pixels) => Ok(pixels),
            None => candle_core::bail!("this encoder sees pixels, and there are none"),
        }
    }

    fn state(&self) -> Result<&Tensor> {
        match &self.state {
            Some(state) => Ok(state),
            None => candle_core::bail!("this encoder sees the state, and there is none"),
        }
    }
}

/// An encoder of one of the configured kinds.
pub(crate) enum Encoder {
    Pixels(PixelEncoder),
    Mlp(Mlp),
    Fused(Box<Fused>),
}

/// An encoder of images.
pub(crate) enum PixelEncoder {
    Keypoint(Box<Keypoint>),
    Conv(Box<Conv>),
    Vit(Box<Vit>),
    Frozen(Box<Frozen>),
}

impl Encoder {
    pub(crate) fn new(
        builder: &mut Builder,
        config: &EncoderConfig,
        input: &ModelInput,
        latent_dim: usize,
    ) -> std::result::Result<Self, ModelError> {
        let states = input.felt()?.len();
        match (config, input) {
            (&EncoderConfig::Mlp { hidden }, ModelInput::State { .. }) => {
                Ok(Self::Mlp(Mlp::new(builder, [states, hidden, latent_dim])?))
            }
            (EncoderConfig::Fused { pixels, hidden }, ModelInput::Both { image, .. }) => {
                let pixels = PixelEncoder::new(builder, pixels, image, latent_dim)?;
                let sizes = [states, *hidden, latent_dim];
                Ok(Self::Fused(Box::new(Fused::new(builder, pixels, sizes)?)))
            }
            (_, ModelInput::Pixels { image }) => {
                Ok(Self::Pixels(PixelEncoder::new(builder, config, image, latent_dim)?))
            }
            _ => misfit(config),
        }
    }

    /// The latents `[n, D]`.
    pub(crate) fn forward(&self, senses: &Senses, pass: &Pass) -> Result<Tensor> {
        match self {
            Self::Pixels(encoder) => encoder.forward(senses.pixels()?, pass),
            Self::Mlp(encoder) => encoder.forward(senses.state()?, pass),
            Self::Fused(encoder) => encoder.forward(senses.pixels()?, senses.state()?, pass),
        }
    }
}

impl PixelEncoder {
    fn new(
        builder: &mut Builder,
        config: &EncoderConfig,
        image: &ImageSpec,
        latent_dim: usize,
    ) -> std::result::Result<Self, ModelError> {
        match config {
            &EncoderConfig::Keypoint { keypoints, hidden } => {
                Ok(Self::Keypoint(Box::new(Keypoint::new(builder, keypoints, hidden, latent_dim)?)))
            }
            EncoderConfig::Conv { channels } => {
                Ok(Self::Conv(Box::new(Conv::new(builder, channels, image, latent_dim)?)))
            }
            &EncoderConfig::Vit { patch, depth, heads, width, mlp, projector } => {
                let sizes = vit::Sizes { patch, depth, heads, width, mlp };
                Ok(Self::Vit(Box::new(Vit::new(builder, sizes, image, projector, latent_dim)?)))
            }
            EncoderConfig::Frozen { path, heads, channels, projector } => {
                let sizes = [*channels, *projector, latent_dim];
                Ok(Self::Frozen(Box::new(Frozen::new(builder, path, *heads, image, sizes)?)))
            }
            EncoderConfig::Mlp { .. } | EncoderConfig::Fused { .. } => misfit(config),
        }
    }

    /// x `[n, h, w, 3]`, bytes or numbers, gives `[n, D]`.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        match self {
            Self::Keypoint(encoder) => encoder.forward(x, pass),
            Self::Conv(encoder) => encoder.forward(x, pass),
            Self::Vit(encoder) => encoder.forward(&numbers(x)?, pass),
            Self::Frozen(encoder) => encoder.forward(&numbers(x)?, pass),
        }
    }
}

/// Images as numbers in [-1, 1].
fn numbers(x: &Tensor) -> Result<Tensor> {
    if x.dtype() != DType::U8 {
        return Ok(x.clone());
    }
    let bytes = x.flatten_all()?.to_vec1::<u8>()?;
    let values: Vec<f32> = bytes.into_iter().map(brightness).collect();
    Tensor::from_vec(values, x.dims(), &Device::Cpu)
}

/// A validated specification does not come here.
fn misfit<T>(config: &EncoderConfig) -> std::result::Result<T, ModelError> {
    Err(ModelError::Data(format!("the encoder {config:?} does not fit what the model sees")))
}

#[cfg(test)]
pub(crate) mod tests;
