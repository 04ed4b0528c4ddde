//! VICReg's variance and covariance (Bardes et al. 2022, arXiv 2105.04906), of the batch and of time, as PLDM has them
//! (Sobal et al. 2025, arXiv 2502.14819; `VCReg` in stable-worldmodel 0.1.1).

use crate::ops::covariance as squared_covariances;
use candle_core::{Result, Tensor};

/// Added to a variance.
const EPSILON: f64 = 1e-4;

/// Latents `[T, B, D]` less their mean over the batch.
pub(super) fn centred(latents: &Tensor) -> Result<Tensor> {
    latents.broadcast_sub(&latents.mean_keepdim(1)?)
}

/// What the standard deviation over n lacks to 1, on average over groups and components; z `[groups, n, D]`.
pub(super) fn variance(z: &Tensor) -> Result<Tensor> {
    let degrees = (z.dim(1)?.max(2) - 1) as f64;
    let apart = z.broadcast_sub(&z.mean_keepdim(1)?)?;
    let std = ((apart.sqr()?.sum(1)? / degrees)? + EPSILON)?.sqrt()?;
    (1.0 - std)?.relu()?.mean_all()
}

/// Squares of the covariances of different components over n, on average over groups and pairs; z `[groups, n, D]`,
/// centred by the caller.
pub(super) fn covariance(z: &Tensor) -> Result<Tensor> {
    let (groups, n, d) = z.dims3()?;
    squared_covariances(&z.contiguous()?.reshape((groups * n, d))?, groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check;

    fn value(loss: Result<Tensor>) -> f32 {
        loss.unwrap().to_scalar().unwrap()
    }

    #[test]
    fn gradients_match_differences() {
        let z = check::normal("z", &[3, 5, 4]);
        let small = || z.as_tensor() * 0.6;
        check::gradients(&[&z], 1e-2, 1e-2, &|| variance(&centred(&small()?)?));
        check::gradients(&[&z], 1e-2, 1e-2, &|| variance(&centred(&small()?)?.transpose(0, 1)?));
        check::gradients(&[&z], 1e-2, 1e-2, &|| covariance(&centred(&z)?));
        check::gradients(&[&z], 1e-2, 1e-2, &|| covariance(&centred(&z)?.transpose(0, 1)?));
    }

    #[test]
    fn a_standard_normal_pays_nothing_and_a_collapse_pays() {
        let z = check::normal("z", &[1, 4000, 3]);
        assert!(value(variance(&centred(&z).unwrap())) < 0.03);
        assert!(value(covariance(&centred(&z).unwrap())) < 2e-3);
        let point = (z.as_tensor() * 1e-6).unwrap();
        assert!((value(variance(&centred(&point).unwrap())) - 0.99).abs() < 1e-3);
        // Three copies of one component.
        let line = z.narrow(2, 0, 1).unwrap();
        let copies = Tensor::cat(&[&line, &line, &line], 2).unwrap();
        assert!((value(covariance(&centred(&copies).unwrap())) - 1.0).abs() < 0.1);
    }
}
