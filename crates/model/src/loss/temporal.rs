//! What latents should be like from step to step.

use candle_core::{D, Result, Tensor};

/// Added to the product of two squared lengths: a latent that stands still has no direction.
const EPSILON: f64 = 1e-8;

/// Changes between consecutive steps: `[T, B, D]` gives `[T - 1, B, D]`.
fn changes(latents: &Tensor) -> Result<Tensor> {
    let steps = latents.dim(0)? - 1;
    latents.narrow(0, 1, steps)? - latents.narrow(0, 0, steps)?
}

/// Mean squared change of latents `[T, B, D]` (PLDM, arXiv 2502.14819).
pub(super) fn similarity(latents: &Tensor) -> Result<Tensor> {
    changes(latents)?.sqr()?.mean_all()
}

/// Mean negative cosine between consecutive changes of latents `[T, B, D]` (arXiv 2603.12231), in [-1, 1].
pub(super) fn straightening(latents: &Tensor) -> Result<Tensor> {
    let changes = changes(latents)?;
    let steps = changes.dim(0)? - 1;
    let (a, b) = (changes.narrow(0, 0, steps)?, changes.narrow(0, 1, steps)?);
    let lengths = (a.sqr()?.sum(D::Minus1)? * b.sqr()?.sum(D::Minus1)?)?;
    let cosine = ((a * b)?.sum(D::Minus1)? / (lengths + EPSILON)?.sqrt()?)?;
    cosine.mean_all()?.neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check;
    use candle_core::Device;

    #[test]
    fn gradients_match_differences() {
        let z = check::normal("z", &[4, 3, 5]);
        check::gradients(&[&z], 1e-2, 1e-2, &|| similarity(&z));
        check::gradients(&[&z], 1e-2, 1e-2, &|| straightening(&z));
    }

    #[test]
    fn straight_paths_give_minus_one_and_turns_more() {
        let path = |points: Vec<f32>| {
            let steps = points.len() / 2;
            let path = Tensor::from_vec(points, (steps, 1, 2), &Device::Cpu).unwrap();
            straightening(&path).unwrap().to_scalar::<f32>().unwrap()
        };
        assert!((path(vec![0.0, 0.0, 1.0, 2.0, 3.0, 6.0]) + 1.0).abs() < 1e-5);
        assert!(path(vec![0.0, 0.0, 1.0, 0.0, 1.0, 1.0]).abs() < 1e-5, "a right angle");
        assert!((path(vec![0.0, 0.0, 1.0, 0.0, 0.0, 0.0]) - 1.0).abs() < 1e-5, "there and back");
        assert!(path(vec![0.0; 6]).abs() < 1e-5, "standing still");
    }
}
