//! SIGReg (LeJEPA, arXiv 2511.08544; as used by LeWorldModel, arXiv 2603.19312): random projections of
//! the latents are pushed towards a standard normal by the Epps-Pulley statistic, which compares
//! their empirical characteristic function with that of the normal.

use super::math::{exp, sin_cos};
use super::{Layout2, Saved, argument, matmul, simd};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Size of the statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SigRegShape {
    /// Groups of rows judged apart (time steps).
    pub groups: usize,
    /// Points on [0, 3] at which the characteristic functions are compared.
    pub knots: usize,
}

/// The statistic of z `[groups * b, d]` under unit projections `[m, d]`, times b, averaged over
/// projections and groups; a scalar.
pub(crate) fn sigreg(z: &Tensor, projections: Vec<f32>, shape: SigRegShape) -> Result<Tensor> {
    z.contiguous()?.apply_op1(SigReg { projections, shape, grad: Saved::default() })
}

struct SigReg {
    projections: Vec<f32>,
    shape: SigRegShape,
    grad: Saved,
}

const LANES: usize = 8;

simd! {
    /// One projection of one group. `h` holds the b projected values and becomes their gradient;
    /// `c` and `s` are scratch of `knots`; `rotation` scratch of 4 b; adds the statistic to `total`.
    fn statistic(h: &mut [f32], step: f32, c: &mut [f32], s: &mut [f32], rotation: &mut [f32], total: &mut f64) {
        let count = h.len();
        let (turn_cos, rest) = rotation.split_at_mut(count);
        let (turn_sin, rest) = rest.split_at_mut(count);
        let (cos, sin) = rest.split_at_mut(count);
        for i in 0..count {
            let (sine, cosine) = sin_cos(step * h[i]);
            turn_cos[i] = cosine;
            turn_sin[i] = sine;
        }
        // cos(j t h) and sin(j t h) by repeated rotation; knot 0 contributes nothing (both are 1).
        let knots = c.len();
        cos.copy_from_slice(turn_cos);
        sin.copy_from_slice(turn_sin);
        for j in 1..knots {
            let (mut sum_c, mut sum_s) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for base in (0..count).step_by(LANES) {
                let end = (base + LANES).min(count);
                for i in base..end {
                    sum_c[i - base] += cos[i];
                    sum_s[i - base] += sin[i];
                    let turned = cos[i] * turn_cos[i] - sin[i] * turn_sin[i];
                    sin[i] = sin[i] * turn_cos[i] + cos[i] * turn_sin[i];
                    cos[i] = turned;
                }
            }
            c[j] = sum_c.iter().sum::<f32>() / count as f32;
            s[j] = sum_s.iter().sum::<f32>() / count as f32;
        }
        for j in 1..knots {
            let t = j as f32 * step;
            let normal = exp(-0.5 * t * t);
            let trapezoid = if j == knots - 1 { step } else { 2.0 * step };
            let weight = trapezoid * normal;
            let real = c[j] - normal;
            *total += f64::from(weight * (real * real + s[j] * s[j])) * count as f64;
            // Factors of -sin and cos in the gradient: the batch size cancels the mean's 1 / b.
            c[j] = 2.0 * weight * t * real;
            s[j] *= 2.0 * weight * t;
        }
        cos.copy_from_slice(turn_cos);
        sin.copy_from_slice(turn_sin);
        h.fill(0.0);
        for j in 1..knots {
            let (real, imaginary) = (c[j], s[j]);
            for i in 0..count {
                h[i] += imaginary * cos[i] - real * sin[i];
                let turned = cos[i] * turn_cos[i] - sin[i] * turn_sin[i];
                sin[i] = sin[i] * turn_cos[i] + cos[i] * turn_sin[i];
                cos[i] = turned;
            }
        }
    }
}

impl CustomOp1 for SigReg {
    fn name(&self) -> &'static str {
        "sigreg"
    }

    fn cpu_fwd(&self, z: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, dim) = layout.shape().dims2()?;
        let z = argument(z, layout)?;
        let SigRegShape { groups, knots } = self.shape;
        let (count, m) = (rows / groups, self.projections.len() / dim);
        let step = 3.0 / (knots - 1) as f32;
        let mut grad = vec![0.0; z.len()];
        let mut projected = vec![0.0; m * count];
        let mut rotation = vec![0.0; 4 * count];
        let (mut c, mut s) = (vec![0.0; knots], vec![0.0; knots]);
        let mut total = 0.0;
        for group in 0..groups {
            let part = group * count * dim..(group + 1) * count * dim;
            matmul(
                [m, dim, count],
                (&self.projections, Layout2::Normal),
                (&z[part.clone()], Layout2::Transposed),
                &mut projected,
                false,
            );
            for h in projected.chunks_exact_mut(count) {
                statistic(h, step, &mut c, &mut s, &mut rotation, &mut total);
            }
            matmul(
                [count, m, dim],
                (&projected, Layout2::Transposed),
                (&self.projections, Layout2::Normal),
                &mut grad[part],
                false,
            );
        }
        let scale = 1.0 / (m * groups) as f32;
        grad.iter_mut().for_each(|value| *value *= scale);
        self.grad.keep(grad);
        Ok((CpuStorage::F32(vec![(total * f64::from(scale)) as f32]), Shape::from(())))
    }

    fn bwd(&self, z: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        self.grad.take(z, grad)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    fn axes() -> Vec<f32> {
        vec![1.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0, 1.0, 0.0]
    }

    #[test]
    fn gradients_match_differences() {
        let z = check::normal("z", &[20, 3]);
        let shape = SigRegShape { groups: 2, knots: 17 };
        check::gradients(&[&z], 1e-2, 1e-2, &|| sigreg(&z, axes(), shape));
    }

    #[test]
    fn agrees_with_the_definition_and_prefers_the_normal() {
        let z = check::normal("z", &[512, 3]);
        let shape = SigRegShape { groups: 1, knots: 17 };
        let of = |z: &Tensor| sigreg(z, axes(), shape).unwrap().to_scalar::<f32>().unwrap();
        let rows = z.to_vec2::<f32>().unwrap();
        let mut want = 0.0;
        for axis in axes().chunks(3) {
            let h: Vec<f64> = rows
                .iter()
                .map(|row| row.iter().zip(axis).map(|(a, b)| f64::from(a * b)).sum())
                .collect();
            for j in 0..17 {
                let t = 3.0 * f64::from(j) / 16.0;
                let mean = |f: fn(f64) -> f64| h.iter().map(|h| f(t * h)).sum::<f64>() / 512.0;
                let normal = (-0.5 * t * t).exp();
                let weight = (if j == 0 || j == 16 { 1.0 } else { 2.0 }) * 3.0 / 16.0 * normal;
                want +=
                    weight * ((mean(f64::cos) - normal).powi(2) + mean(f64::sin).powi(2)) * 512.0
                        / 3.0;
            }
        }
        assert!((f64::from(of(&z)) - want).abs() < 1e-3 * want.max(1.0), "{} {want}", of(&z));
        assert!(of(&(z.as_tensor() * 0.1).unwrap()) > 10.0 * of(&z));
    }
}
