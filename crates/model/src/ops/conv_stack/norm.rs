//! The normalisation behind a block's convolution and its ReLU, applied by whoever reads the block's output.

use super::super::batch_norm::{BatchStats, ROWS, affine, apply};
use super::super::lanes::{LANES, Value, add_wide, load, store};
use super::super::simd;
use super::layer::Layer;

/// A normalisation with known statistics, and the ReLU behind it.
pub(super) struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// Outputs are no lower.
    floor: f32,
    mean: Vec<f32>,
    inverse_std: Vec<f32>,
}

impl Affine {
    pub(super) fn new(layer: &Layer, flat: &[f32], stats: &BatchStats) -> Self {
        let (gamma, beta) = flat[layer.gamma()..layer.end()].split_at(layer.outputs);
        let (scale, shift) = affine(gamma, beta, stats);
        let floor = if layer.relu { 0.0 } else { f32::NEG_INFINITY };
        Self { scale, shift, floor, mean: stats.mean.clone(), inverse_std: stats.inverse_std() }
    }

    pub(super) fn columns(&self) -> usize {
        self.mean.len()
    }

    pub(super) fn apply<V: Value, W: Value>(&self, x: &[V], out: &mut [W]) {
        apply(x, &self.scale, &self.shift, self.floor, out);
    }
}

/// Per column, of the gradient by the normalisation's output and of its product with the normalised input.
pub(super) struct Sums {
    grad: Vec<f64>,
    product: Vec<f64>,
    rows: usize,
}

impl Sums {
    pub(super) fn new(columns: usize) -> Self {
        Self { grad: vec![0.0; columns], product: vec![0.0; columns], rows: 0 }
    }

    /// Adds rows x of the normalisation's input and the gradients by what the ReLU made of them.
    pub(super) fn add<V: Value>(&mut self, x: &[V], grad: &[f32], affine: &Affine) {
        self.rows += x.len() / affine.columns();
        reduce(x, grad, affine, &mut self.grad, &mut self.product);
    }

    /// Writes the gradients by gamma and beta, `[2, columns]`.
    pub(super) fn store(&self, to: &mut [f32]) {
        for (to, value) in to.iter_mut().zip(self.product.iter().chain(&self.grad)) {
            *to = *value as f32;
        }
    }
}

simd! {
    /// Where the ReLU let nothing through, nothing comes back.
    fn reduce<V: Value>(x: &[V], grad: &[f32], affine: &Affine, sum: &mut [f64], product: &mut [f64]) {
        let columns = sum.len();
        let (floor, size) = (affine.floor, columns * ROWS);
        for (x, grad) in x.chunks(size).zip(grad.chunks(size)) {
            for at in (0..columns).step_by(LANES) {
                let (scale, shift) = (load(&affine.scale, at), load(&affine.shift, at));
                let (mean, inv) = (load(&affine.mean, at), load(&affine.inverse_std, at));
                let (mut s, mut p) = ([0.0; LANES], [0.0; LANES]);
                for (x, grad) in x.chunks_exact(columns).zip(grad.chunks_exact(columns)) {
                    let (x, grad) = (load(x, at), load(grad, at));
                    for i in 0..LANES {
                        let open = x[i] * scale[i] + shift[i] > floor;
                        let g = if open { grad[i] } else { 0.0 };
                        s[i] += g;
                        p[i] += g * ((x[i] - mean[i]) * inv[i]);
                    }
                }
                add_wide(sum, at, &s);
                add_wide(product, at, &p);
            }
        }
    }
}

/// How the gradient by a normalisation's input follows from the one by its output: `g a + x b + c`.
pub(super) struct Slope {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

impl Slope {
    /// gamma inv (g - mean(g) - xhat mean(g xhat)), rearranged.
    pub(super) fn new(gamma: &[f32], affine: &Affine, sums: &Sums) -> Self {
        let mut slope = Self { a: Vec::new(), b: Vec::new(), c: Vec::new() };
        let rows = sums.rows as f64;
        for (i, gamma) in gamma.iter().enumerate() {
            let inv = f64::from(affine.inverse_std[i]);
            let scale = f64::from(*gamma) * inv;
            let (mean_grad, mean_product) = (sums.grad[i] / rows, sums.product[i] / rows);
            let by_x = -scale * mean_product * inv;
            slope.a.push(scale as f32);
            slope.b.push(by_x as f32);
            slope.c.push((-scale * mean_grad - by_x * f64::from(affine.mean[i])) as f32);
        }
        slope
    }
}

simd! {
    /// The gradient by the convolution's output, of one row of pixels; out's pixels are `step` apart.
    pub(super) fn input_grad<V: Value>(
        x: &[V],
        grad: &[V],
        affine: &Affine,
        slope: &Slope,
        step: usize,
        out: &mut [V],
    ) {
        let columns = slope.a.len();
        let floor = affine.floor;
        for at in (0..columns).step_by(LANES) {
            let (a, b, c) = (load(&slope.a, at), load(&slope.b, at), load(&slope.c, at));
            let (scale, shift) = (load(&affine.scale, at), load(&affine.shift, at));
            let pixels = x.chunks_exact(columns).zip(grad.chunks_exact(columns));
            for ((x, grad), out) in pixels.zip(out.chunks_mut(step)) {
                let (x, grad, mut by_x) = (load(x, at), load(grad, at), [0.0; LANES]);
                for i in 0..LANES {
                    let open = x[i] * scale[i] + shift[i] > floor;
                    let g = if open { grad[i] } else { 0.0 };
                    by_x[i] = g * a[i] + x[i] * b[i] + c[i];
                }
                store(&mut out[..columns], at, &by_x);
            }
        }
    }
}
