//! Element-wise activations as operations of their own, where no linear layer stands right before them.

use super::math::{gelu, gelu_slope};
use super::{Activation, Values, argument, simd};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};

/// The activation of every value.
pub(crate) fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(x.clone()),
        _ => x.contiguous()?.apply_op1(Activate { activation }),
    }
}

struct Activate {
    activation: Activation,
}

simd! {
    /// GELU in place (the exact one, by the normal distribution function; Hendrycks & Gimpel 2016).
    pub(crate) fn gelu_in_place(values: &mut [f32]) {
        for value in values {
            *value = gelu(*value);
        }
    }
}

simd! {
    /// Multiplies the upstream gradient by GELU's derivative at the pre-activations.
    pub(crate) fn gelu_backward(before: &[f32], grad: &mut [f32]) {
        for (grad, &x) in grad.iter_mut().zip(before) {
            *grad *= gelu_slope(x);
        }
    }
}

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = self.activation.of(argument(x, layout)?);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let mut grad = Values::of(&grad)?.to_vec();
        self.activation.pull_back(&Values::of(x)?, &mut grad);
        Ok(Some(Tensor::from_vec(grad, x.dims(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradients_match_differences() {
        let x = check::normal("x", &[9, 5]);
        let target = check::normal("target", &[9, 5]);
        for activation in [Activation::Silu, Activation::Gelu] {
            check::gradients(&[&x], 1e-2, 1e-2, &|| {
                (activate(&x, activation)? * target.as_tensor())?.sum_all()
            });
        }
    }
}
