//! Layer normalisation (Ba et al. 2016) over the last dimension: `gamma (x - mean) / std + beta`.
//! candle's own cuts the graph.

use super::{Values, argument, simd};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};

/// Normalises each row of x; gamma and beta `[d]`.
pub(crate) fn layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f32,
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(gamma, beta, LayerNorm { epsilon })
}

struct LayerNorm {
    epsilon: f32,
}

/// Sums kept side by side: one order of addition on every machine, and vectors.
const LANES: usize = 16;

/// Sum of `f` over the indices below `count`.
#[inline(always)]
fn total(count: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let whole = count / LANES * LANES;
    let mut base = 0;
    while base < whole {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += f(base + lane);
        }
        base += LANES;
    }
    for i in whole..count {
        sums[i - whole] += f(i);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// The dot product, added up in the same fixed order.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let count = a.len().min(b.len());
    let (a, b) = (&a[..count], &b[..count]);
    total(count, |i| a[i] * b[i])
}

/// Mean and inverse standard deviation of a row.
#[inline(always)]
pub(crate) fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let scale = 1.0 / x.len() as f32;
    let mean = total(x.len(), |i| x[i]) * scale;
    let var = total(x.len(), |i| (x[i] - mean) * (x[i] - mean)) * scale;
    (mean, 1.0 / (var + epsilon).sqrt())
}

simd! {
    /// Appends the normalised rows.
    pub(super) fn forward(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, out: &mut Vec<f32>) {
        for x in x.chunks_exact(gamma.len()) {
            let (mean, inv) = moments(x, epsilon);
            let affine = x.iter().zip(gamma).zip(beta);
            out.extend(affine.map(|((x, gamma), beta)| (x - mean) * inv * gamma + beta));
        }
    }
}

simd! {
    /// `grad` becomes the gradient by x; those by gamma and beta are added up.
    pub(super) fn backward(x: &[f32], gamma: &[f32], epsilon: f32, grad: &mut [f32], by_gamma: &mut [f32], by_beta: &mut [f32]) {
        let d = gamma.len();
        let scale = 1.0 / d as f32;
        for (grad, x) in grad.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            let (mean, inv) = moments(x, epsilon);
            for i in 0..d {
                by_gamma[i] += grad[i] * (x[i] - mean) * inv;
                by_beta[i] += grad[i];
                grad[i] *= gamma[i];
            }
            let grad_mean = total(d, |i| grad[i]) * scale;
            let slope = total(d, |i| grad[i] * (x[i] - mean)) * inv * inv * scale;
            for i in 0..d {
                grad[i] = inv * (grad[i] - grad_mean - (x[i] - mean) * slope);
            }
        }
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
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
        if x_layout.shape().dims().last() != Some(&gamma.len()) || beta.len() != gamma.len() {
            candle_core::bail!("a layer normalisation of {} was given {x_layout:?}", gamma.len())
        }
        let mut out = Vec::with_capacity(x.len());
        forward(x, gamma, beta, self.epsilon, &mut out);
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
        let grad = grad.contiguous()?;
        let mut grad = Values::of(&grad)?.to_vec();
        let gamma = Values::of(gamma)?;
        let d = gamma.len();
        let (mut by_gamma, mut by_beta) = (vec![0.0; d], vec![0.0; d]);
        backward(&Values::of(x)?, &gamma, self.epsilon, &mut grad, &mut by_gamma, &mut by_beta);
        Ok((
            Some(Tensor::from_vec(grad, x.dims(), &Device::Cpu)?),
            Some(Tensor::from_vec(by_gamma, d, &Device::Cpu)?),
            Some(Tensor::from_vec(by_beta, d, &Device::Cpu)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradients_match_differences() {
        let x = check::normal("x", &[4, 19]);
        let (gamma, beta) = (check::normal("gamma", &[19]), check::normal("beta", &[19]));
        let target = check::normal("target", &[4, 19]);
        check::gradients(&[&x, &gamma, &beta], 1e-2, 1e-2, &|| {
            (layer_norm(&x, &gamma, &beta, 1e-5)? * target.as_tensor())?.sum_all()
        });
    }

    #[test]
    fn rows_become_standard() {
        let x = check::normal("x", &[3, 50]).affine(4.0, 30.0).unwrap();
        let gamma = Tensor::ones(50, candle_core::DType::F32, &Device::Cpu).unwrap();
        let y = layer_norm(&x, &gamma, &gamma.zeros_like().unwrap(), 1e-6).unwrap();
        for row in y.to_vec2::<f32>().unwrap() {
            let mean = row.iter().sum::<f32>() / 50.0;
            let var = row.iter().map(|value| value * value).sum::<f32>() / 50.0;
            assert!(mean.abs() < 1e-5 && (var - 1.0).abs() < 1e-4, "{mean} {var}");
        }
    }
}
