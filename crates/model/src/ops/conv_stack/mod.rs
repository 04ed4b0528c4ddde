//! Convolution blocks on top of each other as one operation: each is a convolution, batch normalisation
//! (Ioffe & Szegedy 2015) and perhaps a ReLU. A soft-argmax of the last block's maps may be part of it.
//!
//! What is kept of a block is the convolution's output; whoever reads it normalises it on the way, so that
//! no normalised image goes to memory between blocks. The backward pass likewise works out a block's gradient image
//! by image, just before the products that need it.

mod layer;
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

    /// The gradient by the maps of all images, with its sums, and that by the log temperature. The softmax's
    /// `weights` become the gradient.
    fn backward(
        &mut self,
        (raw, affine): (&[f32], &Affine),
        [out, grad]: [&[f32]; 2],
        weights: Vec<f32>,
    ) -> (Vec<f32>, Sums, Option<f32>) {
        let mut sums = Sums::new(self.k);
        let Some(temperature) = self.temperature else {
            sums.add(raw, grad, affine);
            return (grad.to_vec(), sums, None);
        };
        let (mut by_maps, mut slope) = (weights, vec![0.0; self.k]);
        let images =
            raw.chunks_exact(self.maps.len()).zip(by_maps.chunks_exact_mut(self.maps.len()));
        let points = out.chunks_exact(2 * self.k).zip(grad.chunks_exact(2 * self.k));
        for ((raw, by_maps), (out, grad)) in images.zip(points) {
            affine.apply(raw, &mut self.maps);
            let maps = &self.maps;
            soft_argmax::backward(maps, temperature, self.size, out, grad, by_maps, &mut slope);
            sums.add(raw, by_maps, affine);
        }
        let slope = slope.iter().map(|&value| f64::from(value)).sum::<f64>() as f32;
        (by_maps, sums, Some(slope))
    }
}

/// What the forward pass keeps for the backward one.
#[derive(Default)]
struct Kept {
    /// Each block's convolution, `[n, oh, ow, outputs]`.
    raw: Vec<Vec<f32>>,
    /// The softmax, `[n, oh, ow, k]`, if there is one.
    weights: Vec<f32>,
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
        let buffers = &self.products.buffers;
        let mut below: Option<Affine> = None;
        for layer in &self.layers {
            let ready = Ready::new(layer, flat, self.products.precision);
            let mut padded = layer.padded_image();
            let input = kept.raw.last().map_or(x, Vec::as_slice);
            let mut raw = buffers.take(n * layer.output_len());
            let images = input.chunks_exact(layer.input_len());
            let mut totals = Totals::new(layer.outputs);
            for (image, out) in images.zip(raw.chunks_exact_mut(layer.output_len())) {
                layer.pad(image, below.as_ref(), &mut padded);
                ready.forward(layer, &padded, out);
                totals.add(out);
            }
            let own = totals.stats();
            below = Some(Affine::new(layer, flat, &own));
            kept.raw.push(raw);
            stats.push(own);
        }
        let (Some(raw), Some(affine)) = (kept.raw.last(), below) else {
            candle_core::bail!("a stack of convolutions needs a block")
        };
        let (maps, length) = (head.maps.len(), head.weights_len());
        kept.weights = buffers.take(n * length);
        let mut out = vec![0.0; n * head.output_len()];
        let images = raw.chunks_exact(maps).zip(out.chunks_exact_mut(head.output_len()));
        for (index, (raw, out)) in images.enumerate() {
            let weights = &mut kept.weights[index * length..(index + 1) * length];
            head.forward(raw, &affine, weights, out);
        }
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
        let Kept { raw, weights } = kept;
        let pairs = self.layers.iter().zip(&stats);
        let affine: Vec<Affine> =
            pairs.map(|(layer, stats)| Affine::new(layer, &flat_values, stats)).collect();
        let (Some(maps), Some(map_affine)) = (raw.last(), affine.last()) else {
            candle_core::bail!("a stack of convolutions was asked for gradients twice")
        };

        let buffers = &self.products.buffers;
        let mut by_flat = vec![0.0; flat_values.len()];
        let mut head = Head::new(&self.layers, &flat_values, self.softmax)?;
        let (out, grad) = (Values::of(out)?, Values::of(&grad)?);
        // The gradient by the normalised output of the block at hand, and its sums.
        let (mut by_output, mut sums, by_temperature) =
            head.backward((maps, map_affine), [&out, &grad], weights);
        if let ([.., last], Some(slope)) = (&mut by_flat[..], by_temperature) {
            *last = slope;
        }
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let below = index.checked_sub(1);
            let (input, below) = match below {
                Some(below) => (&raw[below][..], Some(&affine[below])),
                None => (&x[..], None),
            };
            let gammas = &flat_values[layer.gamma()..][..layer.outputs];
            let slope = Slope::new(gammas, &affine[index], &sums);
            sums.store(&mut by_flat[layer.gamma()..layer.end()]);
            let by_input;
            (by_input, sums) = layer.backward(
                (input, below),
                (&raw[index], &affine[index]),
                (&by_output, &slope),
                (&flat_values, &self.products),
                &mut by_flat,
            );
            buffers.give(std::mem::replace(&mut by_output, by_input));
        }
        raw.into_iter().for_each(|raw| buffers.give(raw));
        Ok((None, Some(Tensor::from_vec(by_flat, flat.dims(), &Device::Cpu)?)))
    }
}

impl Layer {
    /// The gradient by the weights, into its place of `by_flat`; and that by the normalised output of the
    /// block below, if there is one, with its sums.
    ///
    /// `input` and `output` are the convolution's, raw, with the normalisations behind them.
    fn backward(
        &self,
        (input, below): (&[f32], Option<&Affine>),
        (output, affine): (&[f32], &Affine),
        (by_output, slope): (&[f32], &Slope),
        (flat, products): (&[f32], &Products),
        by_flat: &mut [f32],
    ) -> (Vec<f32>, Sums) {
        let Products { precision, buffers, .. } = products;
        let turned = below.map(|below| (below, self.turned(flat, *precision)));
        let mut by_input = buffers.take(if below.is_some() { input.len() } else { 0 });
        if turned.as_ref().is_some_and(|(_, turned)| turned.len() < self.places()) {
            by_input.fill(0.0); // no window saw the others
        }
        let mut sums = Sums::new(self.channels);
        let (mut padded, mut gradient) = (self.padded_image(), self.gradient_image());
        let (windows, grid) = (self.windows(), self.gradient_grid());
        let mut by_weight = ByWeight::new(*precision, &windows, self.outputs);
        let row = grid.width * self.outputs;
        let outputs = output.chunks_exact(self.output_len());
        let grads = by_output.chunks_exact(self.output_len());
        for (image, (output, grad)) in outputs.zip(grads).enumerate() {
            let inputs = image * self.input_len()..(image + 1) * self.input_len();
            self.pad(&input[inputs.clone()], below, &mut padded);
            let rows = output.chunks_exact(row).zip(grad.chunks_exact(row));
            for (y, (output, grad)) in rows.enumerate() {
                let to = &mut gradient[grid.start + y * grid.row..];
                input_grad(output, grad, affine, slope, grid.step, to);
            }
            by_weight.add(&padded, windows, (&gradient, grid), self.columns());
            if let Some((below, turned)) = &turned {
                let by_image = &mut by_input[inputs.clone()];
                for turned in turned {
                    turned.weights.convolve(&gradient, turned.windows, by_image, turned.to);
                }
                sums.add(&input[inputs], by_image, below);
            }
        }
        let end = self.start + self.window() * self.outputs;
        by_weight.store(self.outputs, &mut by_flat[self.start..end]);
        (by_input, sums)
    }
}
