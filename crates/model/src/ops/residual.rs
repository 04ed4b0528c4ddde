//! A residual branch as one operation: `x + f(x)`, f some steps one after the other.
//!
//! Between operations of a graph candle clears a buffer for each gradient, adds to it and copies, which shows beside products
//! of bf16. Here gradients are handed from step to step.

use super::gradients::{Gradients, Products};
use super::{Activation, AttentionShape, Values, argument, attention, layer_norm, linear, simd};
use crate::config::Precision;
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use std::sync::{Mutex, PoisonError};

/// One step of a branch, on rows.
pub(crate) enum Step {
    /// Layer normalisation by scale and shift.
    LayerNorm { gamma: Tensor, beta: Tensor, epsilon: f32 },
    /// `act(x W + b)`.
    Linear { weight: Tensor, bias: Tensor, activation: Activation },
    /// Of rows of queries, keys and values; see [`super::attention`].
    Attention { shape: AttentionShape },
}

/// `x + f(x)` for rows x `[n, d]`. Gradients by the steps' variables are left in `products` and never in the graph, whose
/// operations have three arguments at most.
pub(crate) fn residual(x: &Tensor, steps: Vec<Step>, products: Products) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Branch { steps, products, kept: Mutex::default() })
}

struct Branch {
    steps: Vec<Step>,
    products: Products,
    /// Of each step what its backward pass needs.
    kept: Mutex<Vec<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// The step's input; empty for the first, whose input is the branch's.
    input: Vec<f32>,
    /// A linear layer's values before its activation, or the weights of an attention.
    inner: Vec<f32>,
}

simd! {
    pub(super) fn add(sum: &mut [f32], values: &[f32]) {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }
}

/// Adds to what may be empty.
pub(super) fn add_to(sum: &mut Vec<f32>, values: Vec<f32>) {
    match sum.is_empty() {
        true => *sum = values,
        false => add(sum, &values),
    }
}

impl Step {
    /// The outputs, and what the backward pass needs of the inside.
    fn forward(
        &self,
        x: &[f32],
        rows: usize,
        precision: Precision,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        match self {
            Self::LayerNorm { gamma, beta, epsilon } => {
                let (gamma, beta) = (Values::of(gamma)?, Values::of(beta)?);
                fits(x.len(), rows * gamma.len())?;
                let mut out = Vec::with_capacity(x.len());
                layer_norm::forward(x, &gamma, &beta, *epsilon, &mut out);
                Ok((out, Vec::new()))
            }
            Self::Linear { weight, bias, activation } => {
                let (inputs, outputs) = weight.dims2()?;
                fits(x.len(), rows * inputs)?;
                let size = [rows, inputs, outputs];
                let (weight, bias) = (Values::of(weight)?, Values::of(bias)?);
                Ok(linear::forward(precision, size, x, &weight, &bias, *activation))
            }
            Self::Attention { shape } => {
                fits(x.len(), rows * 3 * shape.heads * shape.head_dim)?;
                fits(rows, rows / shape.tokens * shape.tokens)?;
                Ok(attention::forward_pass(precision, x, rows / shape.tokens, *shape, &[]))
            }
        }
    }

    /// The gradient by the inputs from the one by the outputs; those by the step's variables are left behind.
    fn backward(
        &self,
        x: &[f32],
        inner: &[f32],
        mut grad: Vec<f32>,
        rows: usize,
        precision: Precision,
        left: &Gradients,
    ) -> Result<Vec<f32>> {
        match self {
            Self::LayerNorm { gamma, beta, epsilon } => {
                let scale = Values::of(gamma)?;
                let (mut by_gamma, mut by_beta) = (vec![0.0; scale.len()], vec![0.0; scale.len()]);
                layer_norm::backward(x, &scale, *epsilon, &mut grad, &mut by_gamma, &mut by_beta);
                left.add(gamma, |sum| add_to(sum, by_gamma));
                left.add(beta, |sum| add_to(sum, by_beta));
                Ok(grad)
            }
            Self::Linear { weight, bias, activation } => {
                activation.pull_back(inner, &mut grad);
                linear::leave(precision, x, (weight, bias), &grad, left)?;
                linear::by_inputs(precision, rows, weight, &grad)
            }
            Self::Attention { shape } => {
                let n = rows / shape.tokens;
                Ok(attention::backward_pass(precision, x, n, *shape, &[], inner, &grad))
            }
        }
    }
}

fn fits(got: usize, wanted: usize) -> Result<()> {
    if got != wanted {
        candle_core::bail!("a step of a branch was given {got} values and wants {wanted}")
    }
    Ok(())
}

impl CustomOp1 for Branch {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, _) = layout.shape().dims2()?;
        let x = argument(x, layout)?;
        let mut kept: Vec<Kept> = Vec::with_capacity(self.steps.len());
        let mut values: Option<Vec<f32>> = None;
        for step in &self.steps {
            let input = values.as_deref().unwrap_or(x);
            let (out, inner) = step.forward(input, rows, self.products.precision)?;
            kept.push(Kept { input: values.replace(out).unwrap_or_default(), inner });
        }
        let mut out = values.unwrap_or_else(|| x.to_vec());
        fits(out.len(), x.len())?;
        add(&mut out, x);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let (rows, _) = x.dims2()?;
        let Products { precision, gradients, .. } = &self.products;
        // Without anyone who asked for gradients by variables they are forgotten.
        let left = gradients.clone().unwrap_or_default();
        let x_values = Values::of(x)?;
        let grad = grad.contiguous()?;
        let upstream = Values::of(&grad)?;
        let mut grad = upstream.to_vec();
        for (index, (step, kept)) in self.steps.iter().zip(&kept).enumerate().rev() {
            let input = if index == 0 { &x_values[..] } else { &kept.input[..] };
            grad = step.backward(input, &kept.inner, grad, rows, *precision, &left)?;
        }
        add(&mut grad, &upstream);
        Ok(Some(Tensor::from_vec(grad, x.dims(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{self as ops, check};
    use super::*;
    use candle_core::Var;

    const SHAPE: AttentionShape =
        AttentionShape { tokens: 3, heads: 2, head_dim: 4, causal: false };

    /// The input and the variables of a branch over 3 tokens.
    fn variables() -> Vec<Var> {
        let shapes = [&[6, 8][..], &[8], &[8], &[8, 24], &[24], &[8, 8], &[8]];
        let names = ["x", "gamma", "beta", "qkv", "qkv bias", "out", "out bias"];
        names.iter().zip(shapes).map(|(name, shape)| check::normal(name, shape)).collect()
    }

    fn steps(vars: &[Var]) -> Vec<Step> {
        let tensor = |index: usize| vars[index].as_tensor().clone();
        let linear =
            |at, activation| Step::Linear { weight: tensor(at), bias: tensor(at + 1), activation };
        vec![
            Step::LayerNorm { gamma: tensor(1), beta: tensor(2), epsilon: 1e-5 },
            linear(3, Activation::Gelu),
            Step::Attention { shape: SHAPE },
            linear(5, Activation::None),
        ]
    }

    fn training() -> Products {
        Products { gradients: Some(Gradients::default()), ..Products::default() }
    }

    #[test]
    fn gradients_match_differences() {
        let vars = variables();
        let target = check::normal("target", &[6, 8]);
        check::gradients_left(&vars.iter().collect::<Vec<_>>(), 1e-2, 2e-2, &|| {
            let products = training();
            let y = residual(&vars[0], steps(&vars), products.clone())?;
            Ok(((y * target.as_tensor())?.mean_all()?, products.gradients))
        });
    }

    #[test]
    fn equals_its_steps_as_operations_of_their_own() {
        let vars = variables();
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let outcome = |y: Tensor, left: Gradients| {
            let store = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let grad = |var: &Var| match left.take(var) {
                Some(grad) => grad,
                None => flat(store.get(var.as_tensor()).unwrap()),
            };
            flat(&y).into_iter().chain(vars.iter().flat_map(grad)).collect::<Vec<f32>>()
        };
        let by = Products::default();
        let x = ops::layer_norm(&vars[0], &vars[1], &vars[2], 1e-5).unwrap();
        let x = ops::linear(&x, &vars[3], &vars[4], Activation::Gelu, by.clone()).unwrap();
        let x = ops::attention(&x, SHAPE, Vec::new(), Precision::F32).unwrap();
        let x = ops::linear(&x, &vars[5], &vars[6], Activation::None, by).unwrap();
        let want = outcome((vars[0].as_tensor() + x).unwrap(), Gradients::default());
        let products = training();
        let y = residual(&vars[0], steps(&vars), products.clone()).unwrap();
        assert_eq!(outcome(y, products.gradients.unwrap()), want);
    }
}
