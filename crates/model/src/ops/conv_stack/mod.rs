//! Convolution blocks on top of each other as one operation: each is a convolution, batch normalisation
//! (Ioffe & Szegedy 2015) and perhaps a ReLU. A soft-argmax of the last block's maps may be part of it.
//!
//! What is kept of a block is the convolution's output; whoever reads it normalises it on the way, so that
//! no normalised image goes to memory between blocks. The backward pass likewise works out a block's gradient image
//! by image, just before the products that need it.

mod layer;
mod maps;
mod norm;
mod product;
#[cfg(test)]
mod tests;

use super::batch_norm::{BatchStats, Totals};
use super::conv::ConvShape;
use super::math::exp;
use super::{Products, Values, argument, soft_argmax};
use crate::config::Precision;
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use layer::{Layer, Ready, layers};
use maps::Maps;
use norm::{Affine, Slope, Sums, input_grad};
use product::ByWeight;
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

/// Passes images x `[n, h, w, c]` through the blocks, normalised by the batch's own statistics, which are
/// returned too: `[n, oh, ow, k]`.
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
    let stats = Arc::new(Mutex::default());
    let softmax = log_temperature.is_some();
    let op = Stack { layers, softmax, products, stats: Arc::clone(&stats), kept: Mutex::default() };
    let y = x.contiguous()?.apply_op2(&flat, op)?;
    let stats = stats.lock().map(|stats| stats.clone()).unwrap_or_default();
    Ok((y, stats))
}

/// The same with given statistics and without any gradient.
pub(crate) fn conv_stack_with(
    x: &Tensor,
    blocks: &[Block<'_>],
    log_temperature: Option<&Tensor>,
    stats: &[BatchStats],
) -> Result<Tensor> {
    let (layers, flat) = layers(x, blocks, log_temperature)?;
    let (x, flat) = (x.contiguous()?, Values::of(&flat)?);
    let (n, x) = (x.dim(0)?, Values::of(&x)?);
    let ready: Vec<Ready> =
        layers.iter().map(|layer| Ready::new(layer, &flat, Precision::F32)).collect();
    let affine: Vec<Affine> =
        layers.iter().zip(stats).map(|(layer, stats)| Affine::new(layer, &flat, stats)).collect();
    let mut head = Head::new(&layers, &flat, log_temperature.is_some())?;
    let mut out = vec![0.0; n * head.output_len()];
    let mut raw: Vec<Vec<f32>> = layers.iter().map(|layer| vec![0.0; layer.output_len()]).collect();
    let mut padded: Vec<Vec<f32>> = layers.iter().map(Layer::padded_image).collect();
    let mut weights = vec![0.0; head.weights_len()];
    let images = x.chunks_exact(layers[0].input_len());
    for (image, out) in images.zip(out.chunks_exact_mut(head.output_len())) {
        for (index, layer) in layers.iter().enumerate() {
            let (done, open) = raw.split_at_mut(index);
            match index.checked_sub(1) {
                None => layer.pad(image, None, &mut padded[0]),
                Some(below) => layer.pad(&done[below], Some(&affine[below]), &mut padded[index]),
            }
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

    fn forward(&mut self, raw: &[f32], affine: &Affine, weights: &mut [f32], out: &mut [f32]) {
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
    fn backward(
        &mut self,
        (raw, affine): (&mut Maps, &Affine),
        [out, grad]: [&[f32]; 2],
        by_maps: &mut Maps,
    ) -> (Sums, Option<f32>) {
        let (mut sums, mut slope) = (Sums::new(self.k), vec![0.0; self.k]);
        let Some(temperature) = self.temperature else {
            for (index, grad) in grad.chunks_exact(self.maps.len()).enumerate() {
                by_maps.write(index, |by_maps| by_maps.copy_from_slice(grad));
                sums.add(raw.read(index), grad, affine);
            }
            return (sums, None);
        };
        let points = out.chunks_exact(2 * self.k).zip(grad.chunks_exact(2 * self.k));
        for (index, (out, grad)) in points.enumerate() {
            let raw = raw.read(index);
            affine.apply(raw, &mut self.maps);
            let maps = &self.maps;
            by_maps.change(index, |by_maps| {
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
struct Kept {
    /// Each block's convolution, `[n, oh, ow, outputs]`.
    raw: Vec<Maps>,
    /// The softmax, `[n, oh, ow, k]`, if there is one; otherwise room for as much.
    weights: Option<Maps>,
}

struct Stack {
    layers: Vec<Layer>,
    softmax: bool,
    products: Products,
    stats: Arc<Mutex<Vec<BatchStats>>>,
    kept: Mutex<Kept>,
}

impl CustomOp2 for Stack {
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
        let (x, flat) = (argument(x, x_layout)?, argument(flat, flat_layout)?);
        let mut head = Head::new(&self.layers, flat, self.softmax)?;
        let (mut kept, mut stats) = (Kept::default(), Vec::new());
        let Products { precision, buffers, .. } = &self.products;
        let mut below: Option<Affine> = None;
        for layer in &self.layers {
            let ready = Ready::new(layer, flat, *precision);
            let mut padded = layer.padded_image();
            let mut raw = Maps::new(*precision, n, layer.output_len(), buffers);
            let mut totals = Totals::new(layer.outputs);
            for index in 0..n {
                let image = match kept.raw.last_mut() {
                    Some(raw) => raw.read(index),
                    None => &x[index * layer.input_len()..(index + 1) * layer.input_len()],
                };
                layer.pad(image, below.as_ref(), &mut padded);
                totals.add(raw.write(index, |out| ready.forward(layer, &padded, out)));
            }
            let own = totals.stats();
            below = Some(Affine::new(layer, flat, &own));
            kept.raw.push(raw);
            stats.push(own);
        }
        let (Some(raw), Some(affine)) = (kept.raw.last_mut(), below) else {
            candle_core::bail!("a stack of convolutions needs a block")
        };
        let mut weights = Maps::new(*precision, n, head.maps.len(), buffers);
        let mut out = vec![0.0; n * head.output_len()];
        for (index, out) in out.chunks_exact_mut(head.output_len()).enumerate() {
            let raw = raw.read(index);
            if self.softmax {
                weights.write(index, |weights| head.forward(raw, &affine, weights, out));
            } else {
                head.forward(raw, &affine, &mut [], out);
            }
        }
        kept.weights = Some(weights);
        if let (Ok(mut own_kept), Ok(mut own_stats)) = (self.kept.lock(), self.stats.lock()) {
            (*own_kept, *own_stats) = (kept, stats);
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
        let kept = self.kept.lock().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default();
        let stats = self.stats.lock().map(|stats| stats.clone()).unwrap_or_default();
        let grad = grad.contiguous()?;
        let (x, flat_values) = (Values::of(x)?, Values::of(flat)?);
        let Kept { mut raw, weights } = kept;
        let pairs = self.layers.iter().zip(&stats);
        let affine: Vec<Affine> =
            pairs.map(|(layer, stats)| Affine::new(layer, &flat_values, stats)).collect();
        let (Some(maps), Some(map_affine), Some(mut by_output)) =
            (raw.last_mut(), affine.last(), weights)
        else {
            candle_core::bail!("a stack of convolutions was asked for gradients twice")
        };

        let buffers = &self.products.buffers;
        let mut by_flat = vec![0.0; flat_values.len()];
        let mut head = Head::new(&self.layers, &flat_values, self.softmax)?;
        let (out, grad) = (Values::of(out)?, Values::of(&grad)?);
        // `by_output` is the gradient by the normalised output of the block at hand.
        let (mut sums, by_temperature) =
            head.backward((maps, map_affine), [&out, &grad], &mut by_output);
        if let ([.., last], Some(slope)) = (&mut by_flat[..], by_temperature) {
            *last = slope;
        }
        let n = x.len() / self.layers[0].input_len().max(1);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let Some(mut output) = raw.pop() else { break };
            let input = match raw.last_mut() {
                Some(maps) => Input::Maps(maps, &affine[index - 1]),
                None => Input::Images(&x),
            };
            let gammas = &flat_values[layer.gamma()..][..layer.outputs];
            let slope = Slope::new(gammas, &affine[index], &sums);
            sums.store(&mut by_flat[layer.gamma()..layer.end()]);
            let by_input;
            (by_input, sums) = layer.backward(
                n,
                input,
                (&mut output, &affine[index]),
                (&mut by_output, &slope),
                (&flat_values, &self.products),
                &mut by_flat,
            );
            output.give(buffers);
            std::mem::replace(&mut by_output, by_input).give(buffers);
        }
        Ok((None, Some(Tensor::from_vec(by_flat, flat.dims(), &Device::Cpu)?)))
    }
}

/// What a block's convolution was given.
enum Input<'a> {
    Images(&'a [f32]),
    /// The block below's, raw, with the normalisation behind them.
    Maps(&'a mut Maps, &'a Affine),
}

impl Layer {
    /// The gradient by the weights, into its place of `by_flat`; and that by the normalised output of the
    /// block below, if there is one, with its sums.
    ///
    /// `output` is the convolution's, raw, with the normalisation behind it.
    fn backward(
        &self,
        n: usize,
        mut input: Input<'_>,
        (output, affine): (&mut Maps, &Affine),
        (by_output, slope): (&mut Maps, &Slope),
        (flat, products): (&[f32], &Products),
        by_flat: &mut [f32],
    ) -> (Maps, Sums) {
        let Products { precision, buffers, .. } = products;
        let (turned, inputs) = match input {
            Input::Images(_) => (Vec::new(), 0),
            Input::Maps(..) => (self.turned(flat, *precision), self.input_len()),
        };
        let gaps = turned.len() < self.places();
        let mut by_input = Maps::new(*precision, n, inputs, buffers);
        let mut sums = Sums::new(self.channels);
        let (mut padded, mut gradient) = (self.padded_image(), self.gradient_image());
        let (windows, grid) = (self.windows(), self.gradient_grid());
        let mut by_weight = ByWeight::new(*precision, &windows, self.outputs);
        let row = grid.width * self.outputs;
        for index in 0..n {
            let rows = output.read(index).chunks_exact(row);
            let rows = rows.zip(by_output.read(index).chunks_exact(row));
            for (y, (output, grad)) in rows.enumerate() {
                let to = &mut gradient[grid.start + y * grid.row..];
                input_grad(output, grad, affine, slope, grid.step, to);
            }
            match &mut input {
                Input::Images(x) => {
                    let image = &x[index * self.input_len()..(index + 1) * self.input_len()];
                    self.pad(image, None, &mut padded);
                }
                Input::Maps(maps, below) => {
                    let image = maps.read(index);
                    self.pad(image, Some(below), &mut padded);
                    let by_image = by_input.write(index, |by_image| {
                        if gaps {
                            by_image.fill(0.0); // no window saw some pixels
                        }
                        for turned in &turned {
                            turned.weights.convolve(&gradient, turned.windows, by_image, turned.to);
                        }
                    });
                    sums.add(image, by_image, below);
                }
            }
            by_weight.add(&padded, windows, (&gradient, grid), self.columns());
        }
        let end = self.start + self.window() * self.outputs;
        by_weight.store(self.outputs, &mut by_flat[self.start..end]);
        (by_input, sums)
    }
}
