//! Convolution blocks on top of each other as one operation: each is a convolution, batch normalisation
//! (Ioffe & Szegedy 2015) and perhaps a ReLU. A soft-argmax of the last block's maps may be part of it.
//!
//! What is kept of a block is the convolution's output; whoever reads it normalises it on the way, so that
//! no normalised image goes to memory between blocks. The backward pass likewise works out a block's gradient image
//! by image, just before the products that need it.

mod factor;
mod layer;
mod norm;
#[cfg(test)]
mod tests;

use super::batch_norm::{BatchStats, Totals};
#[cfg(target_arch = "x86_64")]
use super::bf16::Engine;
use super::buffers::Free;
use super::conv::ConvShape;
#[cfg(target_arch = "x86_64")]
use super::lanes::Bf16;
use super::math::exp;
use super::{Products, Values, argument, soft_argmax};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Storage, Tensor};
use factor::{ByWeight, Factor, Weights, brighten, convert};
use layer::{Layer, Ready, layers};
use norm::{Affine, Slope, Sums, input_grad};
use std::sync::{Arc, Mutex};

/// One block and its variables.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub shape: ConvShape,
    pub relu: bool,
    /// `[kernel * kernel * inputs, outputs]`.
    pub weight: &'a Tensor,
    /// `[outputs]`. The batch's own mean takes it away again: its gradient is zero.
    pub bias: Option<&'a Tensor>,
    /// Scale and shift of the normalisation, `[outputs]`.
    pub gamma: &'a Tensor,
    pub beta: &'a Tensor,
}

/// Passes images x `[n, h, w, c]`, numbers or bytes that stand for [-1, 1], through the blocks, normalised by the batch's
/// own statistics, which are returned too: `[n, oh, ow, k]`.
///
/// With a log temperature `[1]`, each of the k maps becomes a position under its softmax, `[n, 2 k]`: the horizontal
/// positions in [-1, 1], then the vertical ones. No gradient by x.
pub(crate) fn conv_stack(
    x: &Tensor,
    blocks: &[Block<'_>],
    log_temperature: Option<&Tensor>,
    products: Products,
) -> Result<(Tensor, Vec<BatchStats>)> {
    let (layers, flat) = layers(x, blocks, log_temperature)?;
    let (x, softmax) = (x.contiguous()?, log_temperature.is_some());
    #[cfg(target_arch = "x86_64")]
    if let Some(engine) = Engine::for_precision(products.precision) {
        return Stack::<Bf16>::apply(&x, &flat, layers, softmax, products, engine);
    }
    Stack::<f32>::apply(&x, &flat, layers, softmax, products, ())
}

/// The same in f32 with given statistics and without any gradient.
pub(crate) fn conv_stack_with(
    x: &Tensor,
    blocks: &[Block<'_>],
    log_temperature: Option<&Tensor>,
    stats: &[BatchStats],
) -> Result<Tensor> {
    let (layers, flat) = layers(x, blocks, log_temperature)?;
    let (x, flat) = (x.contiguous()?, Values::of(&flat)?);
    let n = x.dim(0)?;
    let (storage, layout) = x.storage_and_layout();
    let images = Images::of_tensor(&storage, layout)?;
    let ready: Vec<Ready<f32>> = layers.iter().map(|layer| Ready::new((), layer, &flat)).collect();
    let affine: Vec<Affine> =
        layers.iter().zip(stats).map(|(layer, stats)| Affine::new(layer, &flat, stats)).collect();
    let mut head = Head::new(&layers, &flat, log_temperature.is_some())?;
    let mut out = vec![0.0; n * head.output_len()];
    let mut raw: Vec<Vec<f32>> = layers.iter().map(|layer| vec![0.0; layer.output_len()]).collect();
    let mut padded: Vec<_> = layers.iter().map(Layer::padded_image::<f32>).collect();
    let mut weights = vec![0.0; head.weights_len()];
    for (image, out) in out.chunks_exact_mut(head.output_len()).enumerate() {
        for (index, layer) in layers.iter().enumerate() {
            let (done, open) = raw.split_at_mut(index);
            let input = match index.checked_sub(1) {
                None => Input::Images(images),
                Some(below) => Input::Maps(&done[below][..], &affine[below]),
            };
            input.pad(layer, if index == 0 { image } else { 0 }, &mut padded[index]);
            ready[index].forward(layer, &padded[index], &mut open[0]);
        }
        let last = layers.len() - 1;
        head.forward(&raw[last], &affine[last], &mut weights, out);
    }
    Tensor::from_vec(out, head.shape(n), &Device::Cpu)
}

/// What comes out of one image's raw maps: the maps normalised, or their positions.
struct Head {
    size: [usize; 2],
    k: usize,
    temperature: Option<f32>,
    /// The image's maps `[h, w, k]`, normalised.
    maps: Vec<f32>,
}

impl Head {
    fn new(layers: &[Layer], flat: &[f32], softmax: bool) -> Result<Self> {
        let ([.., last], [.., log_temperature]) = (layers, flat) else {
            candle_core::bail!("a stack of convolutions needs a block")
        };
        let (height, width) = last.output();
        let temperature = softmax.then(|| exp(*log_temperature));
        let maps = vec![0.0; last.output_len()];
        Ok(Self { size: [height, width], k: last.outputs, temperature, maps })
    }

    /// Values of an image's result.
    fn output_len(&self) -> usize {
        if self.temperature.is_some() { 2 * self.k } else { self.maps.len() }
    }

    /// Weights of an image's softmax, if there is one.
    fn weights_len(&self) -> usize {
        if self.temperature.is_some() { self.maps.len() } else { 0 }
    }

    fn shape(&self, n: usize) -> Shape {
        let [height, width] = self.size;
        match self.temperature {
            Some(_) => (n, 2 * self.k).into(),
            None => (n, height, width, self.k).into(),
        }
    }

    fn forward<F: Factor>(
        &mut self,
        raw: &[F],
        affine: &Affine,
        weights: &mut [f32],
        out: &mut [f32],
    ) {
        match self.temperature {
            Some(temperature) => {
                affine.apply(raw, &mut self.maps);
                soft_argmax::forward(&self.maps, temperature, self.size, weights, out);
            }
            None => affine.apply(raw, out),
        }
    }

    /// The sums of the gradient by the maps of all images, and the gradient by the log temperature. The softmax's weights
    /// become the gradient by the maps; without a softmax, what was given is.
    fn backward<F: Factor>(
        &mut self,
        (raw, affine): (&[F], &Affine),
        [out, grad]: [&[f32]; 2],
        by_maps: &mut [F],
    ) -> (Sums, Option<f32>) {
        let (mut sums, mut slope) = (Sums::new(self.k), vec![0.0; self.k]);
        let (len, mut room) = (self.maps.len(), Vec::new());
        let images = raw.chunks_exact(len).zip(by_maps.chunks_exact_mut(len));
        let Some(temperature) = self.temperature else {
            for ((raw, by_maps), grad) in images.zip(grad.chunks_exact(len)) {
                convert(grad, by_maps);
                sums.add(raw, grad, affine);
            }
            return (sums, None);
        };
        let points = out.chunks_exact(2 * self.k).zip(grad.chunks_exact(2 * self.k));
        for ((raw, by_maps), (out, grad)) in images.zip(points) {
            affine.apply(raw, &mut self.maps);
            let maps = &self.maps;
            F::change(by_maps, &mut room, |by_maps| {
                soft_argmax::backward(maps, temperature, self.size, out, grad, by_maps, &mut slope);
                sums.add(raw, by_maps, affine);
            });
        }
        let slope = slope.iter().map(|&value| f64::from(value)).sum::<f64>() as f32;
        (sums, Some(slope))
    }
}

/// What the forward pass keeps for the backward one.
#[derive(Default)]
struct Kept<F> {
    /// Each block's convolution, `[n, oh, ow, outputs]`.
    raw: Vec<Vec<F>>,
    /// The softmax, `[n, oh, ow, k]`, if there is one; otherwise room for as much.
    weights: Option<Vec<F>>,
}

struct Stack<F: Factor> {
    layers: Vec<Layer>,
    softmax: bool,
    products: Products,
    engine: F::Engine,
    stats: Arc<Mutex<Vec<BatchStats>>>,
    kept: Mutex<Kept<F>>,
}

impl<F: Factor> Stack<F> {
    fn apply(
        x: &Tensor,
        flat: &Tensor,
        layers: Vec<Layer>,
        softmax: bool,
        products: Products,
        engine: F::Engine,
    ) -> Result<(Tensor, Vec<BatchStats>)> {
        let stats = Arc::new(Mutex::default());
        let kept = Mutex::default();
        let op = Self { layers, softmax, products, engine, stats: Arc::clone(&stats), kept };
        let y = x.apply_op2(flat, op)?;
        let stats = stats.lock().map(|stats| stats.clone()).unwrap_or_default();
        Ok((y, stats))
    }
}

impl<F: Factor> CustomOp2 for Stack<F> {
    fn name(&self) -> &'static str {
        "conv_stack"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        flat: &CpuStorage,
        flat_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let n = x_layout.shape().dims4()?.0;
        let (images, flat) = (Images::of(x, x_layout)?, argument(flat, flat_layout)?);
        let mut head = Head::new(&self.layers, flat, self.softmax)?;
        let (mut raw, mut stats): (Vec<Vec<F>>, Vec<BatchStats>) = (Vec::new(), Vec::new());
        let (free, mut room) = (F::free(&self.products.buffers), Vec::new());
        let mut below: Option<Affine> = None;
        for layer in &self.layers {
            let ready = Ready::new(self.engine, layer, flat);
            let mut padded = layer.padded_image();
            let mut own = free.take(n * layer.output_len());
            let mut totals = Totals::new(layer.outputs);
            let input = match (raw.last(), &below) {
                (Some(maps), Some(affine)) => Input::Maps(maps, affine),
                _ => Input::Images(images),
            };
            for (index, own) in own.chunks_exact_mut(layer.output_len()).enumerate() {
                input.pad(layer, index, &mut padded);
                totals.add(F::write(own, &mut room, |out| ready.forward(layer, &padded, out)));
            }
            let totals = totals.stats();
            below = Some(Affine::new(layer, flat, &totals));
            raw.push(own);
            stats.push(totals);
        }
        let (Some(maps), Some(affine)) = (raw.last(), below) else {
            candle_core::bail!("a stack of convolutions needs a block")
        };
        let len = head.maps.len();
        let mut weights = free.take(n * len);
        let mut out = vec![0.0; n * head.output_len()];
        let rows = out.chunks_exact_mut(head.output_len());
        for ((out, maps), weights) in
            rows.zip(maps.chunks_exact(len)).zip(weights.chunks_exact_mut(len))
        {
            if self.softmax {
                F::write(weights, &mut room, |weights| head.forward(maps, &affine, weights, out));
            } else {
                head.forward(maps, &affine, &mut [], out);
            }
        }
        if let (Ok(mut own_kept), Ok(mut own_stats)) = (self.kept.lock(), self.stats.lock()) {
            (*own_kept, *own_stats) = (Kept { raw, weights: Some(weights) }, stats);
        }
        Ok((CpuStorage::F32(out), head.shape(n)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        flat: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some((mut raw, mut by_output)) = self.kept.lock().ok().and_then(|mut kept| {
            let weights = kept.weights.take()?;
            Some((std::mem::take(&mut kept.raw), weights))
        }) else {
            candle_core::bail!("a stack of convolutions was asked for gradients twice")
        };
        let stats = self.stats.lock().map(|stats| stats.clone()).unwrap_or_default();
        let grad = grad.contiguous()?;
        let flat_values = Values::of(flat)?;
        let (storage, layout) = x.storage_and_layout();
        let images = Images::of_tensor(&storage, layout)?;
        let pairs = self.layers.iter().zip(&stats);
        let affine: Vec<Affine> =
            pairs.map(|(layer, stats)| Affine::new(layer, &flat_values, stats)).collect();
        let (Some(maps), Some(map_affine)) = (raw.last(), affine.last()) else {
            candle_core::bail!("a stack of convolutions needs a block")
        };

        let free = F::free(&self.products.buffers);
        let mut by_flat = vec![0.0; flat_values.len()];
        let mut head = Head::new(&self.layers, &flat_values, self.softmax)?;
        let (out, grad) = (Values::of(out)?, Values::of(&grad)?);
        // `by_output` is the gradient by the normalised output of the block at hand.
        let (mut sums, by_temperature) =
            head.backward((maps, map_affine), [&out, &grad], &mut by_output);
        if let ([.., last], Some(slope)) = (&mut by_flat[..], by_temperature) {
            *last = slope;
        }
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let Some(output) = raw.pop() else { break };
            let input = match raw.last() {
                Some(maps) => Input::Maps(maps, &affine[index - 1]),
                None => Input::Images(images),
            };
            let gammas = &flat_values[layer.gamma()..][..layer.outputs];
            let slope = Slope::new(gammas, &affine[index], &sums);
            sums.store(&mut by_flat[layer.gamma()..layer.end()]);
            let by_input;
            (by_input, sums) = layer.backward(
                input,
                (&output, &affine[index]),
                (&by_output, &slope),
                (&flat_values, self.engine, free),
                &mut by_flat,
            );
            free.give(output);
            free.give(std::mem::replace(&mut by_output, by_input));
        }
        Ok((None, Some(Tensor::from_vec(by_flat, flat.dims(), &Device::Cpu)?)))
    }
}

/// Images `[n, h, w, c]`.
#[derive(Clone, Copy)]
enum Images<'a> {
    /// That stand for [-1, 1].
    Bytes(&'a [u8]),
    Numbers(&'a [f32]),
}

impl<'a> Images<'a> {
    fn of(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        match (storage, layout.contiguous_offsets()) {
            (CpuStorage::U8(bytes), Some((start, end))) => Ok(Self::Bytes(&bytes[start..end])),
            _ => Ok(Self::Numbers(argument(storage, layout)?)),
        }
    }

    fn of_tensor(storage: &'a Storage, layout: &Layout) -> Result<Self> {
        match storage {
            Storage::Cpu(storage) => Self::of(storage, layout),
            _ => candle_core::bail!("a stack of convolutions takes images on the CPU"),
        }
    }
}

/// What a block's convolution is given.
enum Input<'a, F> {
    Images(Images<'a>),
    /// The block below's, raw, with the normalisation behind them.
    Maps(&'a [F], &'a Affine),
}

impl<F: Factor> Input<'_, F> {
    /// Writes an image, normalised if it is the block's below, into the middle of a padded one.
    fn pad(&self, layer: &Layer, index: usize, padded: &mut [F]) {
        let from = index * layer.input_len();
        for (at, to) in layer.middle(padded) {
            let at = from + at.start..from + at.end;
            match self {
                Input::Images(Images::Bytes(bytes)) => brighten(&bytes[at], to),
                Input::Images(Images::Numbers(values)) => convert(&values[at], to),
                Input::Maps(maps, below) => below.apply(&maps[at], to),
            }
        }
    }
}

impl Layer {
    /// The gradient by the weights, into its place of `by_flat`; and that by the normalised output of the
    /// block below, if there is one, with its sums.
    ///
    /// `output` is the convolution's, raw, with the normalisation behind it.
    fn backward<F: Factor>(
        &self,
        input: Input<'_, F>,
        (output, affine): (&[F], &Affine),
        (by_output, slope): (&[F], &Slope),
        (flat, engine, free): (&[f32], F::Engine, &Free<F>),
        by_flat: &mut [f32],
    ) -> (Vec<F>, Sums) {
        let (turned, inputs) = match input {
            Input::Images(_) => (Vec::new(), 0),
            Input::Maps(..) => (self.turned::<F>(engine, flat), self.input_len()),
        };
        let gaps = turned.len() < self.places();
        let images = output.len() / self.output_len();
        let mut by_input = free.take(images * inputs);
        let (mut sums, mut room) = (Sums::new(self.channels), Vec::new());
        let (mut padded, mut gradient) = (self.padded_image::<F>(), self.gradient_image::<F>());
        let (windows, grid) = (self.windows(), self.gradient_grid());
        let mut by_weight = F::ByWeight::new(engine, &windows, self.outputs);
        let row = grid.width * self.outputs;
        for index in 0..images {
            let of_image = index * self.output_len()..(index + 1) * self.output_len();
            let rows = output[of_image.clone()].chunks_exact(row);
            let rows = rows.zip(by_output[of_image].chunks_exact(row));
            for (y, (output, grad)) in rows.enumerate() {
                let to = &mut gradient[grid.start + y * grid.row..];
                input_grad(output, grad, affine, slope, grid.step, to);
            }
            input.pad(self, index, &mut padded);
            if let Input::Maps(maps, below) = input {
                let of_image = index * inputs..(index + 1) * inputs;
                let by_image = F::write(&mut by_input[of_image.clone()], &mut room, |by_image| {
                    if gaps {
                        by_image.fill(0.0); // no window saw some pixels
                    }
                    for turned in &turned {
                        turned.weights.convolve(&gradient, turned.windows, by_image, turned.to);
                    }
                });
                sums.add(&maps[of_image], by_image, below);
            }
            by_weight.add(&padded, windows, &gradient, grid);
        }
        let end = self.start + self.window() * self.outputs;
        by_weight.store(&mut by_flat[self.start..end]);
        (by_input, sums)
    }
}
