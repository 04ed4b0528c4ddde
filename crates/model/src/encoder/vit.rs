//! LeWorldModel's encoder: a vision transformer (Dosovitskiy et al. 2021) as Hugging Face's `ViTModel` has it, whose
//! class token, normalised, goes through a projection to the latent (Maes et al. 2026, arXiv 2603.19312).

use crate::layers::{Builder, LayerNorm, Linear, Pass};
use crate::ops::{Activation, AttentionShape, Step, residual};
use crate::projector::Projector;
use candle_core::{Result, Tensor};
use housecat_core::ImageSpec;

/// Added to a variance by every layer normalisation.
const EPSILON: f32 = 1e-12;

/// Standard deviation of the starting weights.
const INIT_STD: f32 = 0.02;

/// Sizes of the trunk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    pub patch: usize,
    pub depth: usize,
    pub heads: usize,
    pub width: usize,
    pub mlp: usize,
}

/// Patches to normalised tokens; its parts may be variables or fixed.
pub(super) struct Trunk {
    /// Rows and columns of a patch.
    pub patch: usize,
    pub heads: usize,
    /// `[patch * patch * 3, W]`; a patch's values go by row, column and colour.
    pub embedding: Linear,
    /// The class token, `[1, W]`.
    pub class: Tensor,
    /// Of the class token and of every patch, `[1 + P, W]`.
    pub positions: Tensor,
    pub blocks: Vec<Block>,
    pub norm: LayerNorm,
}

/// Pre-norm attention and perceptron, each added to what it read.
pub(super) struct Block {
    pub attention_norm: LayerNorm,
    pub qkv: Linear,
    pub out: Linear,
    pub mlp_norm: LayerNorm,
    pub mlp: [Linear; 2],
}

impl Trunk {
    fn new(builder: &mut Builder, sizes: Sizes, image: &ImageSpec) -> Result<Self> {
        let Sizes { patch, depth, heads, width, mlp } = sizes;
        let patches = (image.height / patch) * (image.width / patch);
        let normal = |builder: &mut Builder, name: &str, rows| {
            builder.normal(name.into(), &[rows, width], INIT_STD).map(|var| var.as_tensor().clone())
        };
        Ok(Self {
            patch,
            heads,
            embedding: linear(builder, "encoder.patch", [patch * patch * 3, width])?,
            class: normal(builder, "encoder.class", 1)?,
            positions: normal(builder, "encoder.positions", 1 + patches)?,
            blocks: (0..depth)
                .map(|index| Block::new(builder, &format!("encoder.block{index}"), width, mlp))
                .collect::<Result<_>>()?,
            norm: LayerNorm::new(builder, "encoder.norm", width, EPSILON)?,
        })
    }

    /// x `[n, h, w, 3]` gives tokens `[(1 + P) * n, W]`: the class tokens of all images, then their first patches.
    pub(super) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (n, height, width, colours) = x.dims4()?;
        let p = self.patch;
        let (rows, columns) = (height / p, width / p);
        let patches = x
            .reshape(vec![n, rows, p, columns, p, colours])?
            .permute(vec![1, 3, 0, 2, 4, 5])?
            .reshape((rows * columns * n, p * p * colours))?;
        let seen = self.embedding.forward(&patches, pass)?;
        let class = self.class.broadcast_as((n, self.class.dim(1)?))?;
        let tokens = 1 + rows * columns;
        let mut x = Tensor::cat(&[&class, &seen], 0)?
            .reshape((tokens, n, ()))?
            .broadcast_add(&self.positions.unsqueeze(1)?)?
            .reshape((tokens * n, ()))?;
        let head_dim = x.dim(1)? / self.heads;
        let shape = AttentionShape { tokens, heads: self.heads, head_dim, causal: false };
        for block in &self.blocks {
            x = block.forward(&x, shape, pass)?;
        }
        self.norm.forward(&x)
    }
}

impl Block {
    fn new(builder: &mut Builder, name: &str, width: usize, mlp: usize) -> Result<Self> {
        let at = |part: &str| format!("{name}.{part}");
        Ok(Self {
            attention_norm: LayerNorm::new(builder, &at("attention.norm"), width, EPSILON)?,
            qkv: linear(builder, &at("attention.qkv"), [width, 3 * width])?,
            out: linear(builder, &at("attention.out"), [width, width])?,
            mlp_norm: LayerNorm::new(builder, &at("mlp.norm"), width, EPSILON)?,
            mlp: [
                Linear::new(builder, &at("mlp.0"), [width, mlp], gain(width), Activation::Gelu)?,
                linear(builder, &at("mlp.1"), [mlp, width])?,
            ],
        })
    }

    fn forward(&self, x: &Tensor, shape: AttentionShape, pass: &Pass) -> Result<Tensor> {
        let Self { attention_norm, qkv, out, mlp_norm, mlp: [first, second] } = self;
        let attention = Step::Attention { shape };
        let steps = vec![attention_norm.step(), qkv.step(), attention, out.step()];
        let x = residual(x, steps, pass.products())?;
        let steps = vec![mlp_norm.step(), first.step(), second.step()];
        residual(&x, steps, pass.products())
    }
}

/// A linear layer that starts with weights of the transformer's standard deviation.
fn linear(builder: &mut Builder, name: &str, sizes: [usize; 2]) -> Result<Linear> {
    Linear::new(builder, name, sizes, gain(sizes[0]), Activation::None)
}

/// What makes uniform weights in +-gain/sqrt(inputs) have that standard deviation.
fn gain(inputs: usize) -> f32 {
    INIT_STD * (3.0 * inputs as f32).sqrt()
}

pub(crate) struct Vit {
    trunk: Trunk,
    projection: Projector,
}

impl Vit {
    pub(super) fn new(
        builder: &mut Builder,
        sizes: Sizes,
        image: &ImageSpec,
        projector: usize,
        latent_dim: usize,
    ) -> Result<Self> {
        let projection = [sizes.width, projector, latent_dim];
        Ok(Self {
            trunk: Trunk::new(builder, sizes, image)?,
            projection: Projector::new(builder, "encoder.projection", projection)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let n = x.dim(0)?;
        self.projection.forward(&self.trunk.forward(x, pass)?.narrow(0, 0, n)?, pass)
    }
}
