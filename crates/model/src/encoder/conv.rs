//! Convolutions of stride 2, flattened: what is where, with a weight for each place.

use crate::layers::{BatchNorm, Builder, ConvBlock, Linear, Pass};
use crate::ops::{Activation, ConvShape};
use candle_core::{Result, Tensor};
use housecat_core::ImageSpec;

/// Halves the image.
const HALVING: ConvShape = ConvShape { kernel: 4, stride: 2, padding: 1 };

pub(crate) struct Conv {
    blocks: Vec<ConvBlock>,
    out: Linear,
    norm: BatchNorm,
}

impl Conv {
    pub(super) fn new(
        builder: &mut Builder,
        channels: &[usize],
        image: &ImageSpec,
        latent_dim: usize,
    ) -> Result<Self> {
        let mut blocks = Vec::with_capacity(channels.len());
        let (mut inputs, mut height, mut width) = (3, image.height, image.width);
        for (index, &outputs) in channels.iter().enumerate() {
            let name = format!("encoder.conv{index}");
            blocks.push(ConvBlock::new(builder, &name, HALVING, [inputs, outputs])?);
            (inputs, height, width) = (outputs, HALVING.output(height), HALVING.output(width));
        }
        let sizes = [height * width * inputs, latent_dim];
        Ok(Self {
            blocks,
            out: Linear::new(builder, "encoder.out", sizes, 1.0, Activation::None)?,
            norm: BatchNorm::plain(builder, "encoder.norm", latent_dim)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let x = ConvBlock::stack(&self.blocks, x, None, pass)?;
        self.norm.forward(&self.out.forward(&x.flatten_from(1)?, pass)?, pass)
    }
}
