//! Pictures from latents, for display only: a decoder is trained on the latents of a finished model, which never
//! learns of it, and no policy sees what it paints.
//!
//! The network gives each pixel a colour and an opacity, and paints them over the picture of what does not move (the
//! median of the training's). It is a quadtree of linear layers: each level turns the values of a square into those
//! of its four quarters, as a transposed convolution of kernel 2 and stride 2 does (Zeiler et al. 2010,
//! "Deconvolutional networks"); the first squares have weights of their own, so that they know where they are.

mod canvas;
mod training_set;

use crate::checkpoint::{fetch, fetch_any, serialize, write_file};
use crate::error::io;
use crate::layers::{Builder, Linear, Pass, values};
use crate::ops::{
    Activation, Layout2, matmul, over, painting_error, sigmoid_in_place, silu_in_place,
};
use crate::quality::finite;
use crate::regression::{self, Regression};
use crate::world_model::NamedArray;
use crate::{ModelError, WorldModel};
use canvas::{Canvas, LEVELS};
use housecat_core::{Experience, Image, Seed};
use safetensors::SafeTensors;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use training_set::{Standard, TrainingSet};

/// Width of the layers before there are squares.
const HIDDEN: usize = 256;
/// Values of a square of 16, 8, 4 and 2 pixels a side.
const WIDTHS: [usize; LEVELS] = [64, 48, 32, 24];
/// Times that each frame is painted in training.
const PASSES: usize = 4;
const BATCH: usize = 8;
const RATE: f32 = 3e-3;
const DECAY: f32 = 1e-3;

/// Paints what a latent stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoder {
    canvas: Canvas,
    latent_dim: usize,
    /// The picture of what does not move, and the mean picture, `[leaves, 3]` in [0, 1].
    background: Arc<[f32]>,
    mean: Vec<f32>,
    /// Weights `[in, out]` and biases of the layers.
    layers: Vec<(Vec<f32>, Vec<f32>)>,
}

/// How well pictures are decoded, of frames that the decoder was not trained on. Errors are mean squares over the
/// channels of the shrunk pictures, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Reconstruction {
    /// Pictures.
    pub frames: usize,
    /// Error of the decoder.
    pub mse: f64,
    /// Error of the mean picture of the training: that of one who knows nothing of the latent.
    pub mean_frame_mse: f64,
}

/// Inputs and outputs of the layers. Where the outputs of one are more than the inputs of the next, they are that
/// many rows.
fn sizes(latent_dim: usize, cells: usize) -> Vec<[usize; 2]> {
    let mut sizes = vec![[latent_dim, HIDDEN], [HIDDEN, HIDDEN], [HIDDEN, cells * WIDTHS[0]]];
    for (level, width) in WIDTHS.into_iter().enumerate() {
        let quarter = WIDTHS.get(level + 1).copied().unwrap_or(4);
        sizes.push([width, 4 * quarter]);
    }
    sizes
}

impl Reconstruction {
    /// From errors summed over so many pictures, as [`Decoder::errors`] has them.
    pub fn of(errors: [f64; 2], frames: usize) -> Self {
        let [mse, mean_frame_mse] = errors.map(|sum| finite(sum / frames as f64));
        Self { frames, mse, mean_frame_mse }
    }
}

impl Decoder {
    /// Learns from frames of an experience and their latents `[frames, D]`. The same seed gives the same bits.
    /// `watch` is told the step, the steps in all, and the error of the batch, where 1 is that of the background
    /// alone. `None` where it stops the training, or a latent is not finite.
    ///
    /// # Errors
    /// If the experience has no pictures, there are no frames, or a tensor operation fails.
    pub fn train(
        experience: &Experience,
        frames: &[usize],
        latents: &[f32],
        seed: Seed,
        watch: &dyn Fn(u64, u64, f32) -> ControlFlow<()>,
    ) -> Result<Option<Self>, ModelError> {
        let (Some(image), false) = (&experience.image, frames.is_empty()) else {
            return Err(ModelError::Data("there are no pictures to learn to paint".into()));
        };
        if latents.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let canvas = Canvas::new([image.width, image.height]);
        let d = latents.len() / frames.len();
        let cut = |&frame: &usize| canvas.cut(experience.image(frame));
        let set = TrainingSet::new(&canvas, frames.iter().map(cut).collect());
        let seed = seed.child("decoder", 0);
        let mut builder = Builder::new(seed.child("weights", 0));
        let sizes = sizes(d, canvas.cells());
        let last = sizes.len() - 1;
        let layer = |(index, size): (usize, &[usize; 2])| {
            // The gain keeps the variance through SiLU.
            let (gain, activation) = match index == last {
                true => (1.0, Activation::None),
                false => (2.9, Activation::Silu),
            };
            Linear::new(&mut builder, &format!("decoder.{index}"), *size, gain, activation)
        };
        let network: Vec<Linear> =
            sizes.iter().enumerate().map(layer).collect::<candle_core::Result<_>>()?;
        let inputs = Standard::of(latents, d);
        let steps = (PASSES * frames.len()).div_ceil(BATCH) as u64;
        let mut rng = seed.child("batches", 0).rng();
        let regression = Regression { steps, batch: BATCH, rate: RATE, decay: DECAY };
        let whole = regression.descend(&builder, |step| {
            let drawn: Vec<usize> = (0..BATCH).map(|_| rng.index(frames.len())).collect();
            let x = drawn.iter().flat_map(|&row| &inputs.rows[row * d..(row + 1) * d]);
            let mut x = regression::rows(x.copied().collect(), BATCH)?;
            for (layer, [from, _]) in network.iter().zip(&sizes) {
                x = layer.forward(&x.reshape((x.elem_count() / from, *from))?, &Pass::Look)?;
            }
            let paint = x.reshape((BATCH * canvas.leaves(), 4))?;
            let loss = painting_error(&paint, set.targets(&drawn))?;
            let error = loss.to_scalar::<f32>()?;
            Ok(watch(step, steps, error).is_continue().then_some(loss))
        })?;
        if !whole {
            return Ok(None);
        }
        let weights = builder.variables.iter().map(|(_, var)| values(var.as_tensor()));
        let weights = weights.collect::<Result<Vec<_>, _>>()?;
        let layers = weights.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        let mut layers: Vec<_> = layers.collect();
        inputs.fold_into(&mut layers[0]);
        let TrainingSet { background, mean, .. } = set;
        Ok(Some(Self { canvas, latent_dim: d, background, mean, layers }))
    }

    /// The pictures of latents `[n, D]`, no side of them longer than 64 pixels.
    pub fn paint(&self, latents: &[f32]) -> Vec<Image> {
        latents
            .chunks_exact(self.latent_dim)
            .map(|latent| self.canvas.join(&self.colors(latent)))
            .collect()
    }

    /// The colours `[leaves, 3]` for a latent.
    fn colors(&self, latent: &[f32]) -> Vec<f32> {
        let mut x = latent.to_vec();
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
            let rows = x.len() / inputs;
            let mut y = bias.repeat(rows);
            let size = [rows, inputs, outputs];
            matmul(size, (&x, Layout2::Normal), (weight, Layout2::Normal), &mut y, true);
            match index + 1 < self.layers.len() {
                true => silu_in_place(&mut y),
                false => sigmoid_in_place(&mut y),
            }
            x = y;
        }
        let pixels = x.chunks_exact(4).zip(self.background.chunks_exact(3));
        pixels.flat_map(|(paint, under)| over(paint, under)).collect()
    }

    /// Mean squared errors over the channels of the camera's pictures, summed over the pictures: the decoder's for
    /// these latents `[n, D]`, and the mean picture's.
    ///
    /// # Errors
    /// If a picture has another size than those of the training.
    pub fn errors(&self, latents: &[f32], pictures: &[&Image]) -> Result<[f64; 2], ModelError> {
        let inside: Vec<bool> = self.canvas.inside().collect();
        let channels = 3.0 * inside.iter().filter(|inside| **inside).count() as f64;
        let mut sums = [0.0; 2];
        for (latent, picture) in latents.chunks_exact(self.latent_dim).zip(pictures) {
            let [width, height] = self.canvas.camera;
            if (picture.width, picture.height) != (width, height) {
                return Err(ModelError::Data(format!(
                    "the decoder learned to paint pictures of {width}x{height}, not of {}x{}",
                    picture.width, picture.height
                )));
            }
            let truth = self.canvas.cut(&picture.pixels);
            for (sum, guess) in sums.iter_mut().zip([&self.colors(latent), &self.mean]) {
                let error = |(truth, guess): (&[u8], &[f32])| -> f64 {
                    let apart = |(&t, &g): (&u8, &f32)| f64::from(f32::from(t) / 255.0 - g).powi(2);
                    truth.iter().zip(guess).map(apart).sum()
                };
                let pixels = truth.chunks_exact(3).zip(guess.chunks_exact(3)).zip(&inside);
                let errors = pixels.filter(|(_, inside)| **inside).map(|(pixel, _)| error(pixel));
                *sum += errors.sum::<f64>() / channels;
            }
        }
        Ok(sums)
    }

    /// Whether it paints the latents of a model, at the size that the model sees.
    pub fn fits(&self, model: &WorldModel) -> bool {
        let seen = model.spec().input.image().map(|image| [image.width, image.height]);
        seen == Some(self.canvas.camera) && self.latent_dim == model.latent_dim()
    }

    /// Writes the decoder as safetensors; the file appears whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let array = |name: String, shape: &[usize], values: &[f32]| NamedArray {
            name,
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        let leaves = [self.canvas.leaves(), 3];
        let mut arrays = vec![
            array("camera".into(), &[2], &self.canvas.camera.map(|side| side as f32)),
            array("background".into(), &leaves, &self.background),
            array("mean".into(), &leaves, &self.mean),
        ];
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            let size = [weight.len() / bias.len(), bias.len()];
            arrays.push(array(format!("decoder.{index}.weight"), &size, weight));
            arrays.push(array(format!("decoder.{index}.bias"), &size[1..], bias));
        }
        let partial = path.with_extension("partial");
        write_file(&partial, &serialize(&arrays)?)?;
        std::fs::rename(&partial, path).map_err(io(path))
    }

    /// Reads a decoder.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        let bad = |detail: String| ModelError::Checkpoint { path: path.to_owned(), detail };
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(error.to_string()))?;
        let camera = fetch(path, &tensors, "camera", &[2])?;
        if camera.iter().any(|side| !(1.0..=1e5).contains(side)) {
            return Err(bad(format!("it is for pictures of {camera:?} pixels")));
        }
        let canvas = Canvas::new([camera[0] as usize, camera[1] as usize]);
        let (_, shape) = fetch_any(path, &tensors, "decoder.0.weight")?;
        let latent_dim = shape.first().copied().unwrap_or(0);
        if latent_dim == 0 {
            return Err(bad("it is for latents without components".into()));
        }
        let layer = |(index, size): (usize, &[usize; 2])| {
            let weight = fetch(path, &tensors, &format!("decoder.{index}.weight"), size)?;
            Ok((weight, fetch(path, &tensors, &format!("decoder.{index}.bias"), &size[1..])?))
        };
        let layers = sizes(latent_dim, canvas.cells());
        let layers = layers.iter().enumerate().map(layer).collect::<Result<_, ModelError>>()?;
        let leaves = [canvas.leaves(), 3];
        let background = fetch(path, &tensors, "background", &leaves)?.into();
        let mean = fetch(path, &tensors, "mean", &leaves)?;
        Ok(Self { canvas, latent_dim, background, mean, layers })
    }
}

#[cfg(test)]
mod tests;
