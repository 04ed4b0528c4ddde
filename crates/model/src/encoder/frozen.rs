//! A pretrained vision transformer that is not trained further, and a trained projection of its patch tokens
//! (DINO-WM, Zhou et al. 2024, arXiv 2411.04983, which keeps the tokens; here they become one latent).
//!
//! The file holds Hugging Face's `Dinov2Model` (DINOv2, Oquab et al. 2023, arXiv 2304.07193), f32, with or without
//! `dinov2.` before each name (transformers 5 calls the attention's maps `q_proj`, `k_proj`, `v_proj`, `o_proj`; that is
//! read too):
//!
//! - `embeddings.cls_token` `[1, 1, W]`, `embeddings.position_embeddings` `[1, 1 + G * G, W]`,
//! - `embeddings.patch_embeddings.projection.{weight, bias}` `[W, 3, patch, patch]`, `[W]`,
//! - of each block `encoder.layer.<i>.`: `norm1`, `norm2`, `attention.attention.{query, key, value}`,
//!   `attention.output.dense`, `mlp.fc1`, `mlp.fc2` (`.weight` `[out, in]`, `.bias`),
//!   `layer_scale1.lambda1`, `layer_scale2.lambda1` `[W]`,
//! - `layernorm.{weight, bias}`.

use super::vit::{Block, Trunk};
use crate::ModelError;
use crate::checkpoint::fetch_any;
use crate::config::whole_patches;
use crate::error::io;
use crate::layers::{Builder, LayerNorm, Linear, Pass};
use crate::ops::Activation;
use crate::pretrained::{attention_name, fold_imagenet, resize_positions, transpose};
use crate::projector::Projector;
use candle_core::{Device, Tensor};
use housecat_core::ImageSpec;
use safetensors::SafeTensors;
use std::collections::HashMap;
use std::path::Path;

/// Added to a variance by every layer normalisation of DINOv2.
const EPSILON: f32 = 1e-6;

pub(crate) struct Frozen {
    trunk: Trunk,
    channels: Linear,
    projection: Projector,
}

impl Frozen {
    /// `channels`, hidden width of the projection and D in `sizes`.
    pub(super) fn new(
        builder: &mut Builder,
        path: &Path,
        heads: usize,
        image: &ImageSpec,
        [channels, projector, latent_dim]: [usize; 3],
    ) -> Result<Self, ModelError> {
        let (trunk, width) = read(path, heads, image)?;
        let patches = (image.height / trunk.patch) * (image.width / trunk.patch);
        let none = Activation::None;
        let sizes = [patches * channels, projector, latent_dim];
        Ok(Self {
            trunk,
            channels: Linear::new(builder, "encoder.channels", [width, channels], 1.0, none)?,
            projection: Projector::new(builder, "encoder.projection", sizes)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &Pass) -> candle_core::Result<Tensor> {
        let n = x.dim(0)?;
        let tokens = self.trunk.forward(x, pass)?;
        let patches = tokens.dim(0)? / n - 1;
        let seen = self.channels.forward(&tokens.narrow(0, n, patches * n)?, pass)?;
        let flat = seen.reshape((patches, n, ()))?.transpose(0, 1)?.contiguous()?;
        self.projection.forward(&flat.reshape((n, ()))?, pass)
    }
}

/// The trunk in a file and the width of its tokens.
fn read(path: &Path, heads: usize, image: &ImageSpec) -> Result<(Trunk, usize), ModelError> {
    let bytes = std::fs::read(path).map_err(io(path))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(path, error))?;
    let names = tensors.names().into_iter().map(|name| {
        (attention_name(name.strip_prefix("dinov2.").unwrap_or(name)), name.to_owned())
    });
    let file = File { path, tensors: &tensors, names: names.collect() };
    if file.has("embeddings.register_tokens") {
        return Err(bad(path, "it has register tokens; use a model without them"));
    }
    let (weight, shape) = file.any("embeddings.patch_embeddings.projection.weight")?;
    let [width, 3, patch, columns] = shape[..] else {
        return Err(bad(path, format!("its patch projection is {shape:?}, wanted [W, 3, p, p]")));
    };
    if patch == 0 || patch != columns {
        return Err(bad(path, format!("its patches are {patch}x{columns}, wanted squares")));
    }
    if width % heads != 0 {
        return Err(bad(
            path,
            format!("its width {width} is not a multiple of `model.encoder.heads` = {heads}"),
        ));
    }
    if !whole_patches(patch, image) {
        return Err(bad(
            path,
            format!(
                "the image of {}x{} is not a multiple of its patches of {patch}; change the size of the image (`image`)",
                image.width, image.height
            ),
        ));
    }
    let mut bias = file.of("embeddings.patch_embeddings.projection.bias", &[width])?;
    let weight = fold_imagenet(&weight, [width, patch], &mut bias);
    let (positions, shape) = file.any("embeddings.position_embeddings")?;
    let side = shape.get(1).map_or(0, |count| count.saturating_sub(1).isqrt());
    if side == 0 || shape != [1, 1 + side * side, width] {
        return Err(bad(path, format!("its positions are {shape:?}, wanted [1, 1 + G * G, W]")));
    }
    let grid = [image.height / patch, image.width / patch];
    let positions = resize_positions(&positions, side, grid, width);
    let class = file.of("embeddings.cls_token", &[1, 1, width])?;
    let rows = 1 + grid[0] * grid[1];

    let depth =
        (0..).take_while(|index| file.has(&format!("encoder.layer.{index}.norm1.weight"))).count();
    if depth == 0 {
        return Err(bad(path, "it lacks `encoder.layer.0.norm1.weight`: it holds no Dinov2Model"));
    }
    let trunk = Trunk {
        patch,
        heads,
        embedding: fixed(weight, bias, Activation::None)?,
        class: Tensor::from_vec(class, (1, width), &Device::Cpu)?,
        positions: Tensor::from_vec(positions, (rows, width), &Device::Cpu)?,
        blocks: (0..depth).map(|index| file.block(index, width)).collect::<Result<_, _>>()?,
        norm: file.norm("layernorm", width)?,
    };
    Ok((trunk, width))
}

fn fixed(weight: Vec<f32>, bias: Vec<f32>, activation: Activation) -> candle_core::Result<Linear> {
    let outputs = bias.len();
    let inputs = weight.len() / outputs;
    let weight = Tensor::from_vec(weight, (inputs, outputs), &Device::Cpu)?;
    Ok(Linear::fixed(weight, Tensor::from_vec(bias, outputs, &Device::Cpu)?, activation))
}

struct File<'a> {
    path: &'a Path,
    tensors: &'a SafeTensors<'a>,
    /// The names in the file, by the names above.
    names: HashMap<String, String>,
}

impl File<'_> {
    fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    fn any(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>), ModelError> {
        match self.names.get(name) {
            Some(own) => fetch_any(self.path, self.tensors, own),
            None => Err(bad(self.path, format!("it lacks `{name}`"))),
        }
    }

    fn of(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let (values, found) = self.any(name)?;
        match found == shape {
            true => Ok(values),
            false => Err(bad(self.path, format!("`{name}` is {found:?}, wanted {shape:?}"))),
        }
    }

    /// A weight transposed to `[in, out]`, and its bias.
    fn linear(
        &self,
        name: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let weight = self.of(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok((transpose(&weight, outputs), self.of(&format!("{name}.bias"), &[outputs])?))
    }

    fn norm(&self, name: &str, width: usize) -> Result<LayerNorm, ModelError> {
        let part = |part: &str| {
            let values = self.of(&format!("{name}.{part}"), &[width])?;
            Ok::<_, ModelError>(Tensor::from_vec(values, width, &Device::Cpu)?)
        };
        Ok(LayerNorm::fixed(part("weight")?, part("bias")?, EPSILON))
    }

    fn block(&self, index: usize, width: usize) -> Result<Block, ModelError> {
        let at = |part: &str| format!("encoder.layer.{index}.{part}");
        let parts = ["query", "key", "value"]
            .map(|part| self.linear(&at(&format!("attention.attention.{part}")), [width, width]));
        let [query, key, value] = parts;
        let parts = [query?, key?, value?];
        let mut weight = Vec::with_capacity(3 * width * width);
        for row in 0..width {
            for (part, _) in &parts {
                weight.extend_from_slice(&part[row * width..(row + 1) * width]);
            }
        }
        let bias = parts.iter().flat_map(|(_, bias)| bias.iter().copied()).collect();
        // A layer's scale is one with the map before it.
        let scaled = |name: &str, scale: &str, inputs| {
            let (mut weight, mut bias) = self.linear(&at(name), [inputs, width])?;
            let scale = self.of(&at(scale), &[width])?;
            for row in weight.chunks_exact_mut(width).chain([&mut bias[..]]) {
                row.iter_mut().zip(&scale).for_each(|(value, scale)| *value *= scale);
            }
            Ok::<_, ModelError>(fixed(weight, bias, Activation::None)?)
        };
        let (_, shape) = self.any(&at("mlp.fc1.weight"))?;
        let hidden = shape.first().copied().unwrap_or(0);
        let (first, first_bias) = self.linear(&at("mlp.fc1"), [width, hidden])?;
        Ok(Block {
            attention_norm: self.norm(&at("norm1"), width)?,
            qkv: fixed(weight, bias, Activation::None)?,
            out: scaled("attention.output.dense", "layer_scale1.lambda1", width)?,
            mlp_norm: self.norm(&at("norm2"), width)?,
            mlp: [
                fixed(first, first_bias, Activation::Gelu)?,
                scaled("mlp.fc2", "layer_scale2.lambda1", hidden)?,
            ],
        })
    }
}

fn bad(path: &Path, detail: impl std::fmt::Display) -> ModelError {
    ModelError::Pretrained { path: path.to_owned(), detail: detail.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::values;

    /// `tools/parity/dinov2` writes the files.
    #[test]
    fn a_frozen_trunk_sees_what_dinov2_sees() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dinov2");
        let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
        let arrays = SafeTensors::deserialize(&bytes).unwrap();
        let (images, shape) = fetch_any(&folder, &arrays, "images").unwrap();
        let image = ImageSpec { camera: "top".into(), width: shape[2], height: shape[1] };
        let (trunk, _) = read(&folder.join("model.safetensors"), 2, &image).unwrap();
        let images = Tensor::from_vec(images, shape, &Device::Cpu).unwrap();
        let got = values(&trunk.forward(&images, &Pass::Look).unwrap()).unwrap();
        let (want, _) = fetch_any(&folder, &arrays, "tokens").unwrap();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{got}, PyTorch {want}");
        }
    }
}
