//! Paint over a picture: a colour and how much it hides, a pixel.

use super::math::sigmoid;
use super::{Saved, argument, simd};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::sync::Arc;

simd! {
    /// The logistic function in place: from paint before it to paint in [0, 1].
    pub(crate) fn sigmoid_in_place(values: &mut [f32]) {
        for value in values {
            *value = sigmoid(*value);
        }
    }
}

/// The colour of paint `[r, g, b, opacity]` in [0, 1] over another one.
#[inline(always)]
pub(crate) fn over(paint: &[f32], under: &[f32]) -> [f32; 3] {
    [0, 1, 2].map(|c| under[c] + paint[3] * (paint[c] - under[c]))
}

/// The pictures that errors are measured against.
pub(crate) struct Targets {
    /// What is painted over, `[pixels, 3]` in [0, 1].
    pub background: Arc<[f32]>,
    /// What should come out, `[n * pixels, 3]` in [0, 1].
    pub target: Vec<f32>,
    /// How much each pixel's squared error counts, `[n * pixels]`.
    pub weight: Vec<f32>,
}

/// The weighted sum of squared errors of n pictures, whose pixels are painted with the logistic function of
/// `[n * pixels, 4]`; a scalar.
pub(crate) fn painting_error(paint: &Tensor, targets: Targets) -> Result<Tensor> {
    paint.contiguous()?.apply_op1(Painting { targets, grad: Saved::default() })
}

struct Painting {
    targets: Targets,
    grad: Saved,
}

impl CustomOp1 for Painting {
    fn name(&self) -> &'static str {
        "painting-error"
    }

    fn cpu_fwd(&self, paint: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, channels) = layout.shape().dims2()?;
        let Targets { background, target, weight } = &self.targets;
        if channels != 4 || weight.len() != rows || target.len() != 3 * rows {
            candle_core::bail!(
                "paint of {rows} rows and {channels} columns for {} pixels",
                weight.len()
            )
        }
        let mut grad = argument(paint, layout)?.to_vec();
        sigmoid_in_place(&mut grad);
        let mut total = 0.0;
        let pixels = grad.chunks_exact_mut(4).zip(target.chunks_exact(3)).zip(weight);
        for (((paint, target), &weight), under) in pixels.zip(background.chunks_exact(3).cycle()) {
            let painted = over(paint, under);
            let opacity = paint[3];
            let (mut square, mut by_opacity) = (0.0, 0.0);
            for c in 0..3 {
                let error = painted[c] - target[c];
                square += error * error;
                let by_painted = 2.0 * weight * error;
                by_opacity += by_painted * (paint[c] - under[c]);
                paint[c] = by_painted * opacity * paint[c] * (1.0 - paint[c]);
            }
            paint[3] = by_opacity * opacity * (1.0 - opacity);
            total += f64::from(weight * square);
        }
        self.grad.keep(grad);
        Ok((CpuStorage::F32(vec![total as f32]), ().into()))
    }

    fn bwd(&self, paint: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        self.grad.take(paint, upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradients_match_differences() {
        let paint = check::normal("paint", &[2 * 3, 4]);
        check::gradients(&[&paint], 1e-2, 1e-2, &|| {
            let background: Arc<[f32]> = (0..9).map(|i| 0.1 * i as f32).collect();
            let target = (0..18).map(|i| 0.05 * i as f32).collect();
            let weight = vec![1.0, 2.0, 0.5, 0.0, 3.0, 1.5];
            painting_error(&paint, Targets { background, target, weight })
        });
    }

    #[test]
    fn opaque_paint_hides_and_clear_paint_shows_what_is_under_it() {
        let under = [0.25, 0.5, 0.75];
        assert_eq!(over(&[1.0, 0.0, 0.5, 1.0], &under), [1.0, 0.0, 0.5]);
        assert_eq!(over(&[1.0, 0.0, 0.5, 0.0], &under), under);
        assert_eq!(over(&[0.75, 0.5, 0.25, 0.5], &under), [0.5; 3]);
    }
}
