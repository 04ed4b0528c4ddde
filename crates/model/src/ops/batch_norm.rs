//! Batch normalisation over rows (Ioffe & Szegedy 2015).

use super::lanes::{LANES, Value, add_wide, load, store};
use super::{Values, argument, simd};
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Device, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex};

const EPSILON: f64 = 1e-5;

/// Mean and variance of each column of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BatchStats {
    /// `[c]`.
    pub mean: Vec<f32>,
    /// `[c]`, over n (not n - 1).
    pub var: Vec<f32>,
}

impl BatchStats {
    /// `1 / sqrt(var + epsilon)`, `[c]`.
    pub(crate) fn inverse_std(&self) -> Vec<f32> {
        self.var.iter().map(|&var| (1.0 / (f64::from(var) + EPSILON).sqrt()) as f32).collect()
    }
}

/// Normalises x (rows of its last dimension, c) by the batch's own statistics:
/// `gamma (x - mean) / std + beta`. Also returns the statistics.
pub(crate) fn batch_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
) -> Result<(Tensor, BatchStats)> {
    let saved = Arc::new(Mutex::new(BatchStats::default()));
    let op = BatchNorm { saved: Arc::clone(&saved) };
    let y = x.contiguous()?.apply_op3(gamma, beta, op)?;
    let stats = saved.lock().map(|stats| stats.clone()).unwrap_or_default();
    Ok((y, stats))
}

/// The same map with given statistics; a gradient by x alone, for planners that follow one.
pub(crate) fn normalise(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    stats: &BatchStats,
) -> Result<Tensor> {
    let (scale, shift) = affine(&Values::of(gamma)?, &Values::of(beta)?, stats);
    x.contiguous()?.apply_op1(Normalise { scale, shift })
}

struct Normalise {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl CustomOp1 for Normalise {
    fn name(&self) -> &'static str {
        "normalise"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = argument(x, layout)?;
        let mut out = vec![0.0; x.len()];
        apply(x, &self.scale, &self.shift, f32::NEG_INFINITY, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let mut grad = Values::of(&grad)?.to_vec();
        for row in grad.chunks_exact_mut(self.scale.len()) {
            for (grad, scale) in row.iter_mut().zip(&self.scale) {
                *grad *= scale;
            }
        }
        Ok(Some(Tensor::from_vec(grad, x.dims(), &Device::Cpu)?))
    }
}

/// Scale and shift of the normalisation by these statistics.
pub(super) fn affine(gamma: &[f32], beta: &[f32], stats: &BatchStats) -> (Vec<f32>, Vec<f32>) {
    let scale: Vec<f32> =
        stats.inverse_std().iter().zip(gamma).map(|(inv, gamma)| inv * gamma).collect();
    let shift = beta
        .iter()
        .zip(&stats.mean)
        .zip(&scale)
        .map(|((beta, mean), scale)| beta - mean * scale)
        .collect();
    (scale, shift)
}

simd! {
    /// Scales and shifts each row of x; the result is at least `floor`.
    pub(super) fn apply<V: Value, W: Value>(
        x: &[V],
        scale: &[f32],
        shift: &[f32],
        floor: f32,
        out: &mut [W],
    ) {
        let columns = scale.len();
        for at in (0..columns).step_by(LANES) {
            let (scale, shift) = (load(scale, at), load(shift, at));
            for (out, x) in out.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
                let mut y = load(x, at);
                for i in 0..LANES {
                    y[i] = (y[i] * scale[i] + shift[i]).max(floor);
                }
                store(out, at, &y);
            }
        }
    }
}

/// Rows whose sums are f32 before they are added to f64 ones.
pub(super) const ROWS: usize = 64;

simd! {
    /// Adds each column's sum of `x - offset` and of its square.
    fn moments(x: &[f32], offset: &[f32], sum: &mut [f64], square: &mut [f64]) {
        let columns = offset.len();
        for block in x.chunks(columns * ROWS) {
            for at in (0..columns).step_by(LANES) {
                let offset = load(offset, at);
                let (mut s, mut q) = ([0.0; LANES], [0.0; LANES]);
                for row in block.chunks_exact(columns) {
                    let row = load(row, at);
                    for i in 0..LANES {
                        let value = row[i] - offset[i];
                        s[i] += value;
                        q[i] += value * value;
                    }
                }
                add_wide(sum, at, &s);
                add_wide(square, at, &q);
            }
        }
    }
}

simd! {
    /// Adds up, per column, the gradient and its product with the normalised input.
    fn reduce(
        x: &[f32],
        grad: &[f32],
        mean: &[f32],
        inv: &[f32],
        sum: &mut [f64],
        product: &mut [f64],
    ) {
        let columns = mean.len();
        let size = columns * ROWS;
        for (x, grad) in x.chunks(size).zip(grad.chunks(size)) {
            for at in (0..columns).step_by(LANES) {
                let (mean, inv) = (load(mean, at), load(inv, at));
                let (mut s, mut p) = ([0.0; LANES], [0.0; LANES]);
                for (x, grad) in x.chunks_exact(columns).zip(grad.chunks_exact(columns)) {
                    let (x, grad) = (load(x, at), load(grad, at));
                    for i in 0..LANES {
                        s[i] += grad[i];
                        p[i] += grad[i] * ((x[i] - mean[i]) * inv[i]);
                    }
                }
                add_wide(sum, at, &s);
                add_wide(product, at, &p);
            }
        }
    }
}

simd! {
    fn input_grad(x: &[f32], grad: &mut [f32], a: &[f32], b: &[f32], c: &[f32]) {
        let columns = a.len();
        for at in (0..columns).step_by(LANES) {
            let (a, b, c) = (load(a, at), load(b, at), load(c, at));
            for (grad, x) in grad.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
                let (mut by_x, x) = (load(grad, at), load(x, at));
                for i in 0..LANES {
                    by_x[i] = by_x[i] * a[i] + x[i] * b[i] + c[i];
                }
                store(grad, at, &by_x);
            }
        }
    }
}

/// Sums for a batch's statistics, gathered piece by piece.
pub(super) struct Totals {
    /// The first row: moments about it do not cancel when the mean is far from zero.
    offset: Vec<f32>,
    rows: usize,
    sum: Vec<f64>,
    square: Vec<f64>,
}

impl Totals {
    pub(super) fn new(columns: usize) -> Self {
        Self { offset: Vec::new(), rows: 0, sum: vec![0.0; columns], square: vec![0.0; columns] }
    }

    /// Adds rows.
    pub(super) fn add(&mut self, x: &[f32]) {
        let columns = self.sum.len();
        if self.offset.is_empty() {
            self.offset = x[..columns].to_vec();
        }
        self.rows += x.len() / columns;
        moments(x, &self.offset, &mut self.sum, &mut self.square);
    }

    pub(super) fn stats(&self) -> BatchStats {
        let count = self.rows as f64;
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / count).collect();
        let absolute = mean.iter().zip(&self.offset);
        let var = self.square.iter().zip(&mean);
        BatchStats {
            mean: absolute.map(|(mean, &offset)| (mean + f64::from(offset)) as f32).collect(),
            var: var.map(|(sum, mean)| (sum / count - mean * mean).max(0.0) as f32).collect(),
        }
    }
}

struct BatchNorm {
    saved: Arc<Mutex<BatchStats>>,
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = argument(x, x_layout)?;
        let (gamma, beta) = (argument(gamma, gamma_layout)?, argument(beta, beta_layout)?);
        let columns = gamma.len();
        let rows = x.len() / columns;
        if rows < 2 || rows * columns != x.len() {
            candle_core::bail!(
                "batch normalisation needs at least two rows of {columns}, got {} values",
                x.len()
            )
        }
        let mut totals = Totals::new(columns);
        totals.add(x);
        let stats = totals.stats();
        let (scale, shift) = affine(gamma, beta, &stats);
        let mut out = vec![0.0; x.len()];
        apply(x, &scale, &shift, f32::NEG_INFINITY, &mut out);
        if let Ok(mut saved) = self.saved.lock() {
            *saved = stats;
        }
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let stats = self.saved.lock().map(|stats| stats.clone()).unwrap_or_default();
        let inv = stats.inverse_std();
        let columns = inv.len();
        let grad = grad.contiguous()?;
        let mut grad: Vec<f32> = Values::of(&grad)?.to_vec();
        let (x_values, gamma_values) = (Values::of(x)?, Values::of(gamma)?);
        let (mut sum, mut product) = (vec![0.0; columns], vec![0.0; columns]);
        reduce(&x_values, &grad, &stats.mean, &inv, &mut sum, &mut product);
        let rows = (grad.len() / columns) as f64;
        // dx = gamma inv (g - mean(g) - xhat mean(g xhat)), rearranged to g a + x b + c.
        let (mut a, mut b, mut c) = (vec![0.0; columns], vec![0.0; columns], vec![0.0; columns]);
        for i in 0..columns {
            let scale = f64::from(gamma_values[i]) * f64::from(inv[i]);
            let (mean_grad, mean_product) = (sum[i] / rows, product[i] / rows);
            let slope = -scale * mean_product * f64::from(inv[i]);
            a[i] = scale as f32;
            b[i] = slope as f32;
            c[i] = (-scale * mean_grad - slope * f64::from(stats.mean[i])) as f32;
        }
        input_grad(&x_values, &mut grad, &a, &b, &c);
        let vector = |values: &[f64]| {
            Tensor::from_vec(
                values.iter().map(|&value| value as f32).collect::<Vec<_>>(),
                columns,
                &Device::Cpu,
            )
        };
        Ok((
            Some(Tensor::from_vec(grad, x.dims(), &Device::Cpu)?),
            Some(vector(&product)?),
            Some(vector(&sum)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradients_match_differences() {
        let x = check::normal("x", &[70, 3]);
        let gamma = check::normal("gamma", &[3]);
        let beta = check::normal("beta", &[3]);
        let target = check::normal("target", &[70, 3]);
        check::gradients(&[&x, &gamma, &beta], 3e-3, 2e-2, &|| {
            (batch_norm(&x, &gamma, &beta)?.0 * target.as_tensor())?.sum_all()
        });
    }

    #[test]
    fn given_statistics_let_gradients_through() {
        let x = check::normal("x", &[9, 3]);
        let (gamma, beta) = (check::normal("gamma", &[3]), check::normal("beta", &[3]));
        let stats = BatchStats { mean: vec![0.1, -0.2, 0.3], var: vec![0.5, 1.0, 2.0] };
        let target = check::normal("target", &[9, 3]);
        check::gradients(&[&x], 1e-3, 1e-2, &|| {
            (normalise(&x, &gamma, &beta, &stats)? * target.as_tensor())?.sum_all()
        });
    }

    #[test]
    fn columns_become_standard_and_the_given_statistics_agree() {
        let x =
            (check::normal("x", &[1000, 4]).as_tensor() * 3.0).unwrap().affine(1.0, 100.0).unwrap();
        let gamma = Tensor::ones(4, candle_core::DType::F32, &Device::Cpu).unwrap();
        let beta = gamma.zeros_like().unwrap();
        let (y, stats) = batch_norm(&x, &gamma, &beta).unwrap();
        let rows = y.to_vec2::<f32>().unwrap();
        for c in 0..4 {
            let mean = rows.iter().map(|row| f64::from(row[c])).sum::<f64>() / 1000.0;
            let var = rows.iter().map(|row| f64::from(row[c]).powi(2)).sum::<f64>() / 1000.0;
            assert!(mean.abs() < 1e-4 && (var - 1.0).abs() < 1e-3, "{mean} {var}");
        }
        let again = normalise(&x, &gamma, &beta, &stats).unwrap();
        assert_eq!(again.to_vec2::<f32>().unwrap(), rows);
    }
}
