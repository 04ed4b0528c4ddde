//! A linear layer with its activation: `y = act(x W + b)`.

use super::math::sigmoid;
use super::{Layout2, Values, argument, gelu_backward, gelu_in_place, matmul, simd};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use std::borrow::Cow;
use std::sync::Mutex;

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

simd! {
    fn column_sums(columns: usize, rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(columns) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

/// `act(x W + b)`: x `[n, in]`, W `[in, out]`, b `[out]` give `[n, out]`.
pub(crate) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    activation: Activation,
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(weight, bias, Linear { activation, before: Mutex::default() })
}

struct Linear {
    activation: Activation,
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
        let mut out: Vec<f32> = Vec::with_capacity(n * outputs);
        for _ in 0..n {
            out.extend_from_slice(bias);
        }
        let (x, weight) = (argument(x, x_layout)?, argument(weight, weight_layout)?);
        matmul(
            [n, inputs, outputs],
            (x, Layout2::Normal),
            (weight, Layout2::Normal),
            &mut out,
            true,
        );
        if self.activation != Activation::None
            && let Ok(mut before) = self.before.lock()
        {
            before.clone_from(&out);
        }
        match self.activation {
            Activation::None => {}
            Activation::Silu => silu_in_place(&mut out),
            Activation::Gelu => gelu_in_place(&mut out),
        }
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
        let (n, inputs) = x.dims2()?;
        let outputs = bias.dims1()?;
        let grad = grad.contiguous()?;
        let upstream = Values::of(&grad)?;
        let mut grad = Cow::Borrowed(&*upstream);
        if let Ok(before) = self.before.lock() {
            match self.activation {
                Activation::None => {}
                Activation::Silu => silu_backward(&before, grad.to_mut()),
                Activation::Gelu => gelu_backward(&before, grad.to_mut()),
            }
        }
        let mut grad_bias = vec![0.0; outputs];
        column_sums(outputs, &grad, &mut grad_bias);
        let mut grad_weight = vec![0.0; inputs * outputs];
        let x_values = Values::of(x)?;
        matmul(
            [inputs, n, outputs],
            (&x_values, Layout2::Transposed),
            (&grad, Layout2::Normal),
            &mut grad_weight,
            false,
        );
        let mut grad_x = vec![0.0; n * inputs];
        let weight_values = Values::of(weight)?;
        matmul(
            [n, outputs, inputs],
            (&grad, Layout2::Normal),
            (&weight_values, Layout2::Transposed),
            &mut grad_x,
            false,
        );
        let device = Device::Cpu;
        Ok((
            Some(Tensor::from_vec(grad_x, (n, inputs), &device)?),
            Some(Tensor::from_vec(grad_weight, (inputs, outputs), &device)?),
            Some(Tensor::from_vec(grad_bias, outputs, &device)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradients_match_differences() {
        let x = check::normal("x", &[5, 4]);
        let w = check::normal("w", &[4, 3]);
        let b = check::normal("b", &[3]);
        for activation in [Activation::None, Activation::Silu, Activation::Gelu] {
            check::gradients(&[&x, &w, &b], 1e-2, 2e-2, &|| {
                linear(&x, &w, &b, activation)?.sqr()?.mean_all()
            });
        }
    }
}
