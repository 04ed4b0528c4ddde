//! A linear layer with its activation: `y = act(x W + b)`.

use super::gradients::{Gradients, Products, add_product};
use super::math::{gelu, sigmoid};
use super::matmul::fresh;
use super::{Layout2, Values, argument, gelu_backward, simd};
use crate::config::Precision;
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

/// What follows the affine map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    None,
    /// x * sigmoid(x) (Elfwing et al. 2017).
    Silu,
    /// x times the normal distribution function of x (Hendrycks & Gimpel 2016), not its tanh stand-in.
    Gelu,
}

simd! {
    /// SiLU in place.
    pub(crate) fn silu_in_place(values: &mut [f32]) {
        for value in values {
            *value *= sigmoid(*value);
        }
    }
}

simd! {
    /// SiLU of every value.
    pub(crate) fn silu(values: &[f32], out: &mut [f32]) {
        for (out, &value) in out.iter_mut().zip(values) {
            *out = value * sigmoid(value);
        }
    }
}

simd! {
    /// Multiplies the upstream gradient by SiLU's derivative at the pre-activations.
    pub(crate) fn silu_backward(before: &[f32], grad: &mut [f32]) {
        for (grad, &x) in grad.iter_mut().zip(before) {
            let s = sigmoid(x);
            *grad *= s * (1.0 + x * (1.0 - s));
        }
    }
}

impl Activation {
    /// The activation of every value.
    pub(super) fn of(self, values: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(values.len());
        let room = &mut out.spare_capacity_mut()[..values.len()];
        match self {
            Self::None => return values.to_vec(),
            Self::Silu => write_silu(values, room),
            Self::Gelu => write_gelu(values, room),
        }
        // SAFETY: as many were written as there are values.
        unsafe { out.set_len(values.len()) };
        out
    }

    /// Multiplies the upstream gradient by the derivative at the values before the activation.
    pub(super) fn pull_back(self, before: &[f32], grad: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Silu => silu_backward(before, grad),
            Self::Gelu => gelu_backward(before, grad),
        }
    }
}

simd! {
    fn write_silu(values: &[f32], out: &mut [MaybeUninit<f32>]) {
        for (out, &value) in out.iter_mut().zip(values) {
            out.write(value * sigmoid(value));
        }
    }
}

simd! {
    fn write_gelu(values: &[f32], out: &mut [MaybeUninit<f32>]) {
        for (out, &value) in out.iter_mut().zip(values) {
            out.write(gelu(value));
        }
    }
}

simd! {
    fn column_sums(columns: usize, rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(columns) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

/// `act(x W + b)`: x `[n, in]`, W `[in, out]`, b `[out]` give `[n, out]`. The backward pass multiplies as the
/// forward pass does.
pub(crate) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    activation: Activation,
    products: Products,
) -> Result<Tensor> {
    let layer = Linear { activation, products, before: Mutex::default() };
    x.contiguous()?.apply_op3(weight, bias, layer)
}

/// The outputs, and the values before the activation if there is one.
pub(super) fn forward(
    precision: Precision,
    size: [usize; 3],
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    activation: Activation,
) -> (Vec<f32>, Vec<f32>) {
    let (x, weight) = ((x, Layout2::Normal), (weight, Layout2::Normal));
    let before = fresh(precision, size, x, weight, Some(bias));
    if activation == Activation::None {
        return (before, Vec::new());
    }
    (activation.of(&before), before)
}

/// Adds the gradients by the weight and the bias, from the one before the activation, to those that were left.
pub(super) fn leave(
    precision: Precision,
    x: &[f32],
    (weight, bias): (&Tensor, &Tensor),
    grad: &[f32],
    left: &Gradients,
) -> Result<()> {
    let (inputs, outputs) = weight.dims2()?;
    let size = [inputs, grad.len() / outputs.max(1), outputs];
    let (x, rows) = ((x, Layout2::Transposed), (grad, Layout2::Normal));
    left.add(weight, |sum| add_product(precision, size, x, rows, sum));
    left.add(bias, |sum| {
        sum.resize(outputs, 0.0);
        column_sums(outputs, grad, sum);
    });
    Ok(())
}

/// The gradient by x `[n, inputs]` from the one before the activation.
pub(super) fn by_inputs(
    precision: Precision,
    n: usize,
    weight: &Tensor,
    grad: &[f32],
) -> Result<Vec<f32>> {
    let (inputs, outputs) = weight.dims2()?;
    let weight = Values::of(weight)?;
    let weight = (&*weight, Layout2::Transposed);
    Ok(fresh(precision, [n, outputs, inputs], (grad, Layout2::Normal), weight, None))
}

struct Linear {
    activation: Activation,
    products: Products,
    /// Pre-activations kept for the backward pass.
    before: Mutex<Vec<f32>>,
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, inputs) = x_layout.shape().dims2()?;
        let (weight_inputs, outputs) = weight_layout.shape().dims2()?;
        if inputs != weight_inputs {
            candle_core::bail!("a linear layer of {weight_inputs} inputs was given {inputs}")
        }
        let bias = argument(bias, bias_layout)?;
        let (x, weight) = (argument(x, x_layout)?, argument(weight, weight_layout)?);
        let size = [n, inputs, outputs];
        let (out, before) =
            forward(self.products.precision, size, x, weight, bias, self.activation);
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = before;
        Ok((CpuStorage::F32(out), (n, outputs).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let n = x.dim(0)?;
        let grad = grad.contiguous()?;
        let upstream = Values::of(&grad)?;
        let mut grad = Cow::Borrowed(&*upstream);
        if self.activation != Activation::None {
            let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            self.activation.pull_back(&before, grad.to_mut());
        }
        let Products { precision, gradients, .. } = &self.products;
        // Nothing asks for a gradient by pictures or actions.
        let by_x = match x.track_op() {
            true => {
                let by_x = by_inputs(*precision, n, weight, &grad)?;
                Some(Tensor::from_vec(by_x, x.dims(), &Device::Cpu)?)
            }
            false => None,
        };
        let apart = Gradients::default();
        let left = gradients.as_ref().unwrap_or(&apart);
        leave(*precision, &Values::of(x)?, (weight, bias), &grad, left)?;
        let of_graph = |variable: &Tensor| match apart.take(variable) {
            Some(grad) => Tensor::from_vec(grad, variable.dims(), &Device::Cpu).map(Some),
            None => Ok(None),
        };
        Ok((by_x, of_graph(weight)?, of_graph(bias)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{check, possible};
    use super::*;

    fn rounded() -> Products {
        Products { precision: Precision::Bf16, ..Products::default() }
    }

    #[test]
    fn gradients_match_differences() {
        let x = check::normal("x", &[5, 4]);
        let w = check::normal("w", &[4, 3]);
        let b = check::normal("b", &[3]);
        for activation in [Activation::None, Activation::Silu, Activation::Gelu] {
            check::gradients(&[&x, &w, &b], 1e-2, 2e-2, &|| {
                linear(&x, &w, &b, activation, Products::default())?.sqr()?.mean_all()
            });
            // A step must be far longer than what is rounded.
            check::gradients(&[&x, &w, &b], 0.2, 6e-2, &|| {
                linear(&x, &w, &b, activation, rounded())?.sqr()?.mean_all()
            });
        }
    }

    #[test]
    fn bf16_gives_the_gradients_of_f32_but_for_rounding() {
        let (x, w) = (check::normal("x", &[70, 40]), check::normal("w", &[40, 50]));
        let (b, target) = (check::normal("b", &[50]), check::normal("target", &[70, 50]));
        let gradients = |products| {
            let y = linear(&x, &w, &b, Activation::Gelu, products).unwrap();
            let store = (y * target.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            [&x, &w, &b].map(|var| {
                store.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
            })
        };
        for (rounded, exact) in gradients(rounded()).iter().zip(&gradients(Products::default())) {
            let size = exact.iter().map(|value| value * value).sum::<f32>();
            let error = exact.iter().zip(rounded).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            assert!(error < 1e-4 * size, "{error} of {size}");
            assert_eq!(error == 0.0, possible(Precision::Bf16).is_f32());
        }
    }
}
