//! Squared covariances of different columns: VICReg's third term (Bardes et al. 2022), fused.

use super::{Layout2, Saved, argument, matmul};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// The mean over groups and over pairs i != j of `(sum_b z_bi z_bj / (n - 1))^2`, for centred z `[groups * n, d]`; a scalar.
pub(crate) fn covariance(z: &Tensor, groups: usize) -> Result<Tensor> {
    z.contiguous()?.apply_op1(Covariance { groups, grad: Saved::default() })
}

struct Covariance {
    groups: usize,
    grad: Saved,
}

impl CustomOp1 for Covariance {
    fn name(&self) -> &'static str {
        "covariance"
    }

    fn cpu_fwd(&self, z: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, d) = layout.shape().dims2()?;
        let n = rows / self.groups.max(1);
        if n < 2 || d < 2 || n * self.groups != rows {
            candle_core::bail!("a covariance over {} groups was given {layout:?}", self.groups)
        }
        let z = argument(z, layout)?;
        let scale = 1.0 / (n - 1) as f32;
        let pairs = (self.groups * (d * d - d)) as f64;
        let mut grad = vec![0.0; z.len()];
        let mut products = vec![0.0; d * d];
        let mut total = 0.0_f64;
        for (z, grad) in z.chunks_exact(n * d).zip(grad.chunks_exact_mut(n * d)) {
            let whole = Layout2::Normal;
            matmul([d, n, d], (z, Layout2::Transposed), (z, whole), &mut products, false);
            for (i, line) in products.chunks_exact_mut(d).enumerate() {
                line[i] = 0.0;
                for product in line {
                    *product *= scale;
                    total += f64::from(*product) * f64::from(*product);
                }
            }
            matmul([n, d, d], (z, whole), (&products, whole), grad, false);
        }
        let slope = 4.0 * scale / pairs as f32;
        grad.iter_mut().for_each(|value| *value *= slope);
        self.grad.keep(grad);
        Ok((CpuStorage::F32(vec![(total / pairs) as f32]), Shape::from(())))
    }

    fn bwd(&self, z: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        self.grad.take(z, grad)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use candle_core::Device;

    #[test]
    fn gradients_match_differences() {
        let z = check::normal("z", &[12, 3]);
        check::gradients(&[&z], 1e-2, 1e-2, &|| covariance(&z, 2));
    }

    #[test]
    fn agrees_with_the_definition() {
        let z = Tensor::from_vec(vec![1.0_f32, 2.0, -1.0, 0.5], (2, 2), &Device::Cpu).unwrap();
        let value = covariance(&z, 1).unwrap().to_scalar::<f32>().unwrap();
        // One covariance, 1 * 2 - 1 * 0.5, over n - 1 = 1.
        assert!((value - 1.5 * 1.5).abs() < 1e-6, "{value}");
    }
}
