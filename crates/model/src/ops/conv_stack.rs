//! Convolution blocks on top of each other, as one operation: each block is a convolution, batch
//! normalisation (Ioffe & Szegedy 2015) and perhaps a ReLU.
//!
//! What is kept of a block is the convolution's output; whoever reads it normalises it on the way, so that
//! no normalised image but the last ever goes to memory. The backward pass likewise works out a block's
//! gradient image by image, just before the products that need it.

use super::batch_norm::{BatchStats, Totals, affine, apply};
use super::conv::{ConvShape, Grid, Windows, convolve, correlate};
use super::{Packed, Values, argument, padded, simd};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex};

/// One block and its variables.
#[derive(Clone, Copy)]
pub(crate) struct StackBlock<'a> {
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

/// Passes images x `[n, h, w, c]` through the blocks: `[n, oh, ow, outputs]`, normalised by the batch's own
/// statistics, which are returned too. No gradient by x.
pub(crate) fn conv_stack(
    x: &Tensor,
    blocks: &[StackBlock<'_>],
) -> Result<(Tensor, Vec<BatchStats>)> {
    let (layers, flat) = layers(x, blocks)?;
    let stats = Arc::new(Mutex::default());
    let kept = Mutex::default();
    let stack = Stack { layers, stats: Arc::clone(&stats), kept };
    let y = x.contiguous()?.apply_op2(&flat, stack)?;
    let stats = stats.lock().map(|stats| stats.clone()).unwrap_or_default();
    Ok((y, stats))
}

/// The same with given statistics and without any gradient.
pub(crate) fn conv_stack_with(
    x: &Tensor,
    blocks: &[StackBlock<'_>],
    stats: &[BatchStats],
) -> Result<Tensor> {
    let (layers, flat) = layers(x, blocks)?;
    let (x, flat) = (x.contiguous()?, Values::of(&flat)?);
    let (n, x) = (x.dim(0)?, Values::of(&x)?);
    let ready: Vec<Ready> = layers.iter().map(|layer| Ready::new(layer, &flat)).collect();
    let affine: Vec<Affine> =
        layers.iter().zip(stats).map(|(layer, stats)| Affine::new(layer, &flat, stats)).collect();
    let [.., last] = &layers[..] else { candle_core::bail!("a stack needs a block") };
    let mut out = Vec::with_capacity(n * last.output_len());
    let mut images: Vec<Vec<f32>> =
        layers.iter().map(|layer| vec![0.0; layer.output_len()]).collect();
    let mut scratch: Vec<Vec<f32>> = layers.iter().map(Layer::padded_image).collect();
    for image in x.chunks_exact(layers[0].input_len()) {
        for (index, layer) in layers.iter().enumerate() {
            let (done, open) = images.split_at_mut(index);
            match index.checked_sub(1) {
                None => layer.pad(image, None, &mut scratch[0]),
                Some(below) => layer.pad(&done[below], Some(&affine[below]), &mut scratch[index]),
            }
            ready[index].forward(layer, &scratch[index], &mut open[0]);
        }
        let start = out.len();
        let raw = &images[layers.len() - 1];
        out.resize(start + raw.len(), 0.0);
        let Affine { scale, shift, floor } = &affine[layers.len() - 1];
        apply(raw, scale, shift, *floor, &mut out[start..]);
    }
    Tensor::from_vec(out, last.dims(n), &Device::Cpu)
}

/// Sizes of a block, and where its variables lie in the flat vector of them all: weight, bias, gamma, beta.
#[derive(Clone, Copy)]
struct Layer {
    shape: ConvShape,
    relu: bool,
    bias: bool,
    /// Of the input.
    height: usize,
    width: usize,
    channels: usize,
    outputs: usize,
    start: usize,
}

fn layers(x: &Tensor, blocks: &[StackBlock<'_>]) -> Result<(Vec<Layer>, Tensor)> {
    let (_, mut height, mut width, mut channels) = x.dims4()?;
    let (mut layers, mut variables, mut start) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        let (window, outputs) = block.weight.dims2()?;
        let ConvShape { kernel, padding, .. } = block.shape;
        if window != kernel * kernel * channels || padding >= kernel {
            candle_core::bail!(
                "a convolution of windows of {window} values was given {channels} channels"
            )
        }
        let bias = block.bias.is_some();
        let shape = block.shape;
        let layer =
            Layer { shape, relu: block.relu, bias, height, width, channels, outputs, start };
        variables.push(block.weight.flatten_all()?);
        variables.extend(block.bias.cloned());
        variables.extend([block.gamma.clone(), block.beta.clone()]);
        start = layer.end();
        (height, width, channels) = (shape.output(height), shape.output(width), outputs);
        layers.push(layer);
    }
    Ok((layers, Tensor::cat(&variables, 0)?))
}

impl Layer {
    fn window(&self) -> usize {
        self.shape.kernel * self.shape.kernel * self.channels
    }

    fn gamma(&self) -> usize {
        self.start + self.window() * self.outputs + if self.bias { self.outputs } else { 0 }
    }

    fn end(&self) -> usize {
        self.gamma() + 2 * self.outputs
    }

    fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn output_len(&self) -> usize {
        let shape = self.shape;
        shape.output(self.height) * shape.output(self.width) * self.outputs
    }

    fn dims(&self, n: usize) -> (usize, usize, usize, usize) {
        (n, self.shape.output(self.height), self.shape.output(self.width), self.outputs)
    }

    /// Values in a row of the padded input.
    fn padded_row(&self) -> usize {
        (self.width + 2 * self.shape.padding) * self.channels
    }

    /// A padded input, all zero.
    fn padded_image(&self) -> Vec<f32> {
        vec![0.0; (self.height + 2 * self.shape.padding) * self.padded_row()]
    }

    /// The windows of the padded input.
    fn windows(&self) -> Windows {
        let ConvShape { kernel, stride, .. } = self.shape;
        let row = self.padded_row();
        let grid = Grid {
            height: self.shape.output(self.height),
            width: self.shape.output(self.width),
            start: 0,
            row: stride * row,
            step: stride * self.channels,
        };
        Windows { grid, runs: kernel, run: kernel * self.channels, next: row }
    }

    /// Writes an image, normalised if it is the block's below, into the middle of a padded one.
    fn pad(&self, image: &[f32], below: Option<&Affine>, padded: &mut [f32]) {
        let row = self.width * self.channels;
        let offset = self.shape.padding * (self.padded_row() + self.channels);
        let targets = padded[offset..].chunks_mut(self.padded_row());
        for (source, target) in image.chunks_exact(row).zip(targets) {
            match below {
                None => target[..row].copy_from_slice(source),
                Some(Affine { scale, shift, floor }) => {
                    apply(source, scale, shift, *floor, &mut target[..row]);
                }
            }
        }
    }

    /// Columns of a gradient's pixel: whole panels.
    fn columns(&self) -> usize {
        padded(self.outputs)
    }

    /// Values in a row of the padded gradient, in which the output's pixels lie a stride apart.
    fn gradient_row(&self) -> usize {
        (self.width + self.shape.kernel - 1) * self.columns()
    }

    fn gradient_image(&self) -> Vec<f32> {
        vec![0.0; (self.height + self.shape.kernel - 1) * self.gradient_row()]
    }

    /// The output's pixels in the padded gradient.
    fn gradient_grid(&self) -> Grid {
        let ConvShape { kernel, stride, padding } = self.shape;
        let (row, margin) = (self.gradient_row(), kernel - 1 - padding);
        Grid {
            height: self.shape.output(self.height),
            width: self.shape.output(self.width),
            start: margin * (row + self.columns()),
            row: stride * row,
            step: stride * self.columns(),
        }
    }

    /// The windows of the padded gradient, one for each pixel of the input.
    fn gradient_windows(&self) -> Windows {
        let (kernel, row) = (self.shape.kernel, self.gradient_row());
        let grid =
            Grid { height: self.height, width: self.width, start: 0, row, step: self.columns() };
        Windows { grid, runs: kernel, run: kernel * self.columns(), next: row }
    }

    /// The weights that lead from gradients to the input: turned by half a turn, inputs and outputs swapped.
    fn turned(&self, flat: &[f32]) -> Packed {
        let (taps, columns) = (self.shape.kernel * self.shape.kernel, self.columns());
        let mut weight = vec![0.0; taps * columns * self.channels];
        for tap in 0..taps {
            for input in 0..self.channels {
                let from = self.start + ((taps - 1 - tap) * self.channels + input) * self.outputs;
                for output in 0..self.outputs {
                    weight[(tap * columns + output) * self.channels + input] = flat[from + output];
                }
            }
        }
        Packed::new(&weight, taps * columns, self.channels)
    }
}

/// A block's convolution with its weights packed.
struct Ready {
    weights: Packed,
    bias: Option<Vec<f32>>,
}

impl Ready {
    fn new(layer: &Layer, flat: &[f32]) -> Self {
        let end = layer.start + layer.window() * layer.outputs;
        Self {
            weights: Packed::new(&flat[layer.start..end], layer.window(), layer.outputs),
            bias: layer.bias.then(|| flat[end..end + layer.outputs].to_vec()),
        }
    }

    fn forward(&self, layer: &Layer, padded: &[f32], out: &mut [f32]) {
        convolve(padded, layer.windows(), &self.weights, out);
        if let Some(bias) = &self.bias {
            for row in out.chunks_exact_mut(layer.outputs) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                }
            }
        }
    }
}

/// A normalisation with known statistics, and the ReLU behind it.
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// Outputs are no lower.
    floor: f32,
}

impl Affine {
    fn new(layer: &Layer, flat: &[f32], stats: &BatchStats) -> Self {
        let (gamma, beta) = flat[layer.gamma()..layer.end()].split_at(layer.outputs);
        let (scale, shift) = affine(gamma, beta, stats);
        Self { scale, shift, floor: if layer.relu { 0.0 } else { f32::NEG_INFINITY } }
    }
}

simd! {
    /// Adds up, per column, the gradient where the ReLU let the value through and its product with the normalised input.
    fn reduce(
        x: &[f32],
        grad: &[f32],
        affine: &Affine,
        mean: &[f32],
        inv: &[f32],
        sum: &mut [f64],
        product: &mut [f64],
    ) {
        let columns = mean.len();
        let (scale, shift, floor) = (&affine.scale[..columns], &affine.shift[..columns], affine.floor);
        let mut partial = vec![0.0_f32; 2 * columns];
        let size = columns * 64;
        for (x, grad) in x.chunks(size).zip(grad.chunks(size)) {
            partial.fill(0.0);
            let (s, p) = partial.split_at_mut(columns);
            for (x, grad) in x.chunks_exact(columns).zip(grad.chunks_exact(columns)) {
                for i in 0..columns {
                    let open = x[i] * scale[i] + shift[i] > floor;
                    let g = if open { grad[i] } else { 0.0 };
                    s[i] += g;
                    p[i] += g * ((x[i] - mean[i]) * inv[i]);
                }
            }
            for i in 0..columns {
                sum[i] += f64::from(s[i]);
                product[i] += f64::from(p[i]);
            }
        }
    }
}

/// How the gradient by a normalisation's input follows from the one by its output: `g a + x b + c`.
struct Slope {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

impl Slope {
    /// gamma inv (g - mean(g) - xhat mean(g xhat)), rearranged.
    fn new(gamma: &[f32], stats: &BatchStats, inv: &[f32], sums: &Sums, rows: f64) -> Self {
        let mut slope = Self { a: Vec::new(), b: Vec::new(), c: Vec::new() };
        for (i, gamma) in gamma.iter().enumerate() {
            let scale = f64::from(*gamma) * f64::from(inv[i]);
            let (mean_grad, mean_product) = (sums.grad[i] / rows, sums.product[i] / rows);
            let by_x = -scale * mean_product * f64::from(inv[i]);
            slope.a.push(scale as f32);
            slope.b.push(by_x as f32);
            slope.c.push((-scale * mean_grad - by_x * f64::from(stats.mean[i])) as f32);
        }
        slope
    }
}

simd! {
    /// The gradient by the convolution's output, of one row of pixels; out's pixels are `step` apart.
    fn input_grad(x: &[f32], grad: &[f32], affine: &Affine, slope: &Slope, step: usize, out: &mut [f32]) {
        let columns = slope.a.len();
        let (a, b, c) = (&slope.a[..columns], &slope.b[..columns], &slope.c[..columns]);
        let (scale, shift, floor) = (&affine.scale[..columns], &affine.shift[..columns], affine.floor);
        let pixels = x.chunks_exact(columns).zip(grad.chunks_exact(columns));
        for ((x, grad), out) in pixels.zip(out.chunks_mut(step)) {
            for i in 0..columns {
                let open = x[i] * scale[i] + shift[i] > floor;
                let g = if open { grad[i] } else { 0.0 };
                out[i] = g * a[i] + x[i] * b[i] + c[i];
            }
        }
    }
}

/// Per column, of the gradient and of its product with the normalised input.
struct Sums {
    grad: Vec<f64>,
    product: Vec<f64>,
}

impl Sums {
    fn new(columns: usize) -> Self {
        Self { grad: vec![0.0; columns], product: vec![0.0; columns] }
    }
}

struct Stack {
    layers: Vec<Layer>,
    stats: Arc<Mutex<Vec<BatchStats>>>,
    /// Each block's convolution, `[n, oh, ow, outputs]`, for the backward pass.
    kept: Mutex<Vec<Vec<f32>>>,
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
        let (mut kept, mut stats): (Vec<Vec<f32>>, Vec<BatchStats>) = Default::default();
        let mut below: Option<Affine> = None;
        for layer in &self.layers {
            let ready = Ready::new(layer, flat);
            let mut padded = layer.padded_image();
            let input = kept.last().map_or(x, Vec::as_slice);
            let mut raw = vec![0.0; n * layer.output_len()];
            let images = input.chunks_exact(layer.input_len());
            let mut totals = Totals::new(layer.outputs);
            for (image, out) in images.zip(raw.chunks_exact_mut(layer.output_len())) {
                layer.pad(image, below.as_ref(), &mut padded);
                ready.forward(layer, &padded, out);
                totals.add(out);
            }
            let own = totals.stats();
            below = Some(Affine::new(layer, flat, &own));
            kept.push(raw);
            stats.push(own);
        }
        let (Some(last), Some(raw), Some(affine)) = (self.layers.last(), kept.last(), below) else {
            candle_core::bail!("a stack needs a block")
        };
        let mut out = vec![0.0; raw.len()];
        apply(raw, &affine.scale, &affine.shift, affine.floor, &mut out);
        if let (Ok(mut own_kept), Ok(mut own_stats)) = (self.kept.lock(), self.stats.lock()) {
            (*own_kept, *own_stats) = (kept, stats);
        }
        Ok((CpuStorage::F32(out), last.dims(n).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        flat: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let kept = self.kept.lock().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default();
        let stats = self.stats.lock().map(|stats| stats.clone()).unwrap_or_default();
        let n = x.dim(0)?;
        let grad = grad.contiguous()?;
        let (x, flat_values, grad) = (Values::of(x)?, Values::of(flat)?, Values::of(&grad)?);
        let affine: Vec<Affine> = self
            .layers
            .iter()
            .zip(&stats)
            .map(|(layer, stats)| Affine::new(layer, &flat_values, stats))
            .collect();
        let inverse: Vec<Vec<f32>> = stats.iter().map(BatchStats::inverse_std).collect();
        let mut by_flat = vec![0.0; flat_values.len()];
        // The gradient by the normalised output of the block at hand, and its sums.
        let mut by_output: Vec<f32> = Vec::new();
        let mut sums = Sums::new(0);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (raw, affine_here, inv) = (&kept[index], &affine[index], &inverse[index]);
            let top = index + 1 == self.layers.len();
            let upstream: &[f32] = if top { &grad } else { &by_output };
            if top {
                sums = Sums::new(layer.outputs);
                let Sums { grad, product } = &mut sums;
                reduce(raw, upstream, affine_here, &stats[index].mean, inv, grad, product);
            }
            let gamma = layer.gamma();
            let rows = (raw.len() / layer.outputs) as f64;
            let gammas = &flat_values[gamma..gamma + layer.outputs];
            let slope = Slope::new(gammas, &stats[index], inv, &sums, rows);
            for (i, (grad, product)) in sums.grad.iter().zip(&sums.product).enumerate() {
                by_flat[gamma + i] = *product as f32;
                by_flat[gamma + layer.outputs + i] = *grad as f32;
            }

            let below = index.checked_sub(1).map(|below| &self.layers[below]);
            let input: &[f32] = if index > 0 { &kept[index - 1] } else { &x };
            let turned = below.map(|_| layer.turned(&flat_values));
            let mut by_input = vec![0.0; if index > 0 { input.len() } else { 0 }];
            let mut sums_below = Sums::new(layer.channels);
            let (mut padded, mut gradient) = (layer.padded_image(), layer.gradient_image());
            let (windows, grid) = (layer.windows(), layer.gradient_grid());
            let mut by_weight = vec![0.0; layer.window() * layer.columns()];
            let row = grid.width * layer.outputs;
            for image in 0..n {
                let part = |length: usize| image * length..(image + 1) * length;
                let (inputs, outputs) = (part(layer.input_len()), part(layer.output_len()));
                layer.pad(
                    &input[inputs.clone()],
                    index.checked_sub(1).map(|i| &affine[i]),
                    &mut padded,
                );
                let raw_rows = raw[outputs.clone()].chunks_exact(row);
                for (y, (raw, grad)) in
                    raw_rows.zip(upstream[outputs].chunks_exact(row)).enumerate()
                {
                    let to = &mut gradient[grid.start + y * grid.row..];
                    input_grad(raw, grad, affine_here, &slope, grid.step, to);
                }
                correlate(&padded, windows, &gradient, grid, layer.columns(), &mut by_weight);
                if let Some(turned) = &turned {
                    let by_image = &mut by_input[inputs.clone()];
                    convolve(&gradient, layer.gradient_windows(), turned, by_image);
                    let (affine, stats) = (&affine[index - 1], &stats[index - 1]);
                    let Sums { grad, product } = &mut sums_below;
                    let inv = &inverse[index - 1];
                    reduce(&input[inputs], by_image, affine, &stats.mean, inv, grad, product);
                }
            }
            let target = by_flat[layer.start..].chunks_exact_mut(layer.outputs);
            for (target, sums) in target.zip(by_weight.chunks_exact(layer.columns())) {
                target.copy_from_slice(&sums[..layer.outputs]);
            }
            (by_output, sums) = (by_input, sums_below);
        }
        Ok((None, Some(Tensor::from_vec(by_flat, flat.dims(), &Device::Cpu)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use candle_core::Var;

    /// Variables of blocks `(kernel, stride, padding, inputs, outputs)`; the last has a bias and no ReLU.
    struct Variables {
        shapes: Vec<ConvShape>,
        weights: Vec<Var>,
        bias: Var,
        gammas: Vec<Var>,
        betas: Vec<Var>,
    }

    impl Variables {
        fn new(blocks: &[(usize, usize, usize, usize, usize)]) -> Self {
            let each = |name: &str, size: &dyn Fn(usize) -> Vec<usize>| -> Vec<Var> {
                (0..blocks.len()).map(|i| check::normal(&format!("{name}{i}"), &size(i))).collect()
            };
            let last = blocks.len() - 1;
            Self {
                shapes: blocks
                    .iter()
                    .map(|&(kernel, stride, padding, ..)| ConvShape { kernel, stride, padding })
                    .collect(),
                weights: each("weight", &|i| {
                    vec![blocks[i].0 * blocks[i].0 * blocks[i].3, blocks[i].4]
                }),
                bias: check::normal("bias", &[blocks[last].4]),
                gammas: each("gamma", &|i| vec![blocks[i].4]),
                betas: each("beta", &|i| vec![blocks[i].4]),
            }
        }

        fn blocks(&self) -> Vec<StackBlock<'_>> {
            let last = self.shapes.len() - 1;
            (0..=last)
                .map(|i| StackBlock {
                    shape: self.shapes[i],
                    relu: i < last,
                    weight: &self.weights[i],
                    bias: (i == last).then_some(self.bias.as_tensor()),
                    gamma: &self.gammas[i],
                    beta: &self.betas[i],
                })
                .collect()
        }
    }

    #[test]
    fn gradients_match_differences() {
        // One block alone, then strides, kernels and channels that do not fill a panel or span more than one.
        for blocks in [
            vec![(3, 1, 1, 2, 5)],
            vec![(4, 2, 1, 2, 3), (3, 1, 1, 3, 18), (1, 1, 0, 18, 4)],
            vec![(1, 1, 0, 2, 34), (3, 2, 1, 34, 3)],
        ] {
            let x = check::normal("x", &[3, 7, 9, 2]);
            let variables = Variables::new(&blocks);
            let Variables { weights, gammas, betas, bias, .. } = &variables;
            let vars: Vec<&Var> =
                weights.iter().chain(gammas).chain(betas).chain(std::iter::once(bias)).collect();
            let (y, _) = conv_stack(&x, &variables.blocks()).unwrap();
            let target = check::normal("target", y.dims());
            check::gradients(&vars, 1e-3, 4e-2, &|| {
                (conv_stack(&x, &variables.blocks())?.0 * target.as_tensor())?.mean_all()
            });
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let variables = Variables::new(&[(3, 2, 1, 2, 19)]);
        let x = check::normal("x", &[2, 6, 7, 2]);
        let block = StackBlock { bias: None, ..variables.blocks()[0] };
        let (y, stats) = conv_stack(&x, &[block]).unwrap();
        assert_eq!(y.dims(), [2, 3, 4, 19]);
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (x, weight) = (flat(&x), flat(&variables.weights[0]));
        let (gamma, beta) = (flat(&variables.gammas[0]), flat(&variables.betas[0]));
        let at = |image: usize, oy: usize, ox: usize, output: usize| {
            let mut sum = 0.0;
            for (ky, kx, c) in (0..18).map(|i| (i / 6, i / 2 % 3, i % 2)) {
                let (y, x_) = ((2 * oy + ky).wrapping_sub(1), (2 * ox + kx).wrapping_sub(1));
                if y < 6 && x_ < 7 {
                    let value = x[((image * 6 + y) * 7 + x_) * 2 + c];
                    sum += f64::from(value * weight[((ky * 3 + kx) * 2 + c) * 19 + output]);
                }
            }
            sum
        };
        let places: Vec<_> = (0..24).map(|i| (i / 12, i / 4 % 3, i % 4)).collect();
        for output in 0..19 {
            let column: Vec<f64> = places.iter().map(|&(i, y, x)| at(i, y, x, output)).collect();
            let mean = column.iter().sum::<f64>() / 24.0;
            let var = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 24.0;
            assert!((f64::from(stats[0].mean[output]) - mean).abs() < 1e-5);
            assert!((f64::from(stats[0].var[output]) - var).abs() < 1e-4 * var.max(1.0));
            for (got, value) in flat(&y)[output..].iter().step_by(19).zip(&column) {
                let standard = (value - mean) / (var + 1e-5).sqrt();
                let want = standard * f64::from(gamma[output]) + f64::from(beta[output]);
                assert!((f64::from(*got) - want).abs() < 1e-4, "{got} {want}");
            }
        }
    }

    #[test]
    fn the_given_statistics_agree() {
        let variables = Variables::new(&[(4, 2, 1, 2, 3), (3, 1, 1, 3, 18)]);
        let x = check::normal("x", &[2, 8, 8, 2]);
        let (y, stats) = conv_stack(&x, &variables.blocks()).unwrap();
        let again = conv_stack_with(&x, &variables.blocks(), &stats).unwrap();
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(flat(&again), flat(&y));
    }
}
