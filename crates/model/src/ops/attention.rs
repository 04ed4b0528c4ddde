//! Attention (Vaswani et al. 2017) over short sequences, fused: scores, softmax, dropout of the
//! weights and their sum, with a backward pass (candle's fused softmax has none).

mod products;

use super::layer_norm::dot;
use super::math::exp;
use super::{Values, argument, simd};
use crate::config::Precision;
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use std::sync::Mutex;

/// The shape of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttentionShape {
    /// T, tokens of a sequence.
    pub tokens: usize,
    pub heads: usize,
    pub head_dim: usize,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
}

impl AttentionShape {
    /// Tokens that token i sees, from the first.
    #[inline(always)]
    fn seen(&self, i: usize) -> usize {
        if self.causal { i + 1 } else { self.tokens }
    }
}

/// Rows of qkv `[T * n, 3 * heads * head_dim]`, time major (row t * n + b), give `[T * n, heads *
/// head_dim]`. `dropout` scales the weights, `[n, heads, T, T]`, or is empty.
///
/// The precision is that of the products where there are [`MANY`] tokens; the sums over few of them are in f32.
pub(crate) fn attention(
    qkv: &Tensor,
    shape: AttentionShape,
    dropout: Vec<f32>,
    precision: Precision,
) -> Result<Tensor> {
    qkv.contiguous()?.apply_op1(Attention { shape, dropout, precision, weights: Mutex::default() })
}

struct Attention {
    shape: AttentionShape,
    dropout: Vec<f32>,
    precision: Precision,
    /// The softmax `[n, heads, T, T]`, kept for the backward pass.
    weights: Mutex<Vec<f32>>,
}

/// Tokens from which on matrix products are worth their call.
const MANY: usize = 16;

/// Scores to weights that add up to one.
#[inline(always)]
pub(crate) fn softmax(scores: &mut [f32]) {
    let peak = scores.iter().fold(f32::NEG_INFINITY, |peak, &score| peak.max(score));
    let mut sum = 0.0;
    // Apart from the sum, which has an order, this goes by vectors.
    for score in scores.iter_mut() {
        *score = exp(*score - peak);
    }
    for score in scores.iter() {
        sum += score;
    }
    let scale = 1.0 / sum;
    for score in scores {
        *score *= scale;
    }
}

#[inline(always)]
fn add_scaled(sum: &mut [f32], scale: f32, values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += scale * value;
    }
}

simd! {
    fn forward(qkv: &[f32], n: usize, shape: AttentionShape, dropout: &[f32], weights: &mut [f32], out: &mut [f32]) {
        let AttentionShape { tokens, heads, head_dim, .. } = shape;
        let inner = heads * head_dim;
        let scale = 1.0 / (head_dim as f32).sqrt();
        for b in 0..n {
            for head in 0..heads {
                let part = |t: usize, which: usize| {
                    let at = (t * n + b) * 3 * inner + which * inner + head * head_dim;
                    &qkv[at..at + head_dim]
                };
                for i in 0..tokens {
                    let at = ((b * heads + head) * tokens + i) * tokens;
                    let line = &mut weights[at..at + shape.seen(i)];
                    for (j, score) in line.iter_mut().enumerate() {
                        *score = dot(part(i, 0), part(j, 1)) * scale;
                    }
                    softmax(line);
                    let to = (i * n + b) * inner + head * head_dim;
                    for (j, &weight) in line.iter().enumerate() {
                        let kept = if dropout.is_empty() { 1.0 } else { dropout[at + j] };
                        add_scaled(&mut out[to..to + head_dim], weight * kept, part(j, 2));
                    }
                }
            }
        }
    }
}

simd! {
    fn backward(
        qkv: &[f32],
        n: usize,
        shape: AttentionShape,
        dropout: &[f32],
        weights: &[f32],
        grad_out: &[f32],
        grad: &mut [f32],
    ) {
        let AttentionShape { tokens, heads, head_dim, .. } = shape;
        let inner = heads * head_dim;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut pull = vec![0.0_f32; tokens];
        for b in 0..n {
            for head in 0..heads {
                let place = |t: usize, which: usize| {
                    (t * n + b) * 3 * inner + which * inner + head * head_dim
                };
                let part = |t: usize, which: usize| &qkv[place(t, which)..][..head_dim];
                for i in 0..tokens {
                    let at = ((b * heads + head) * tokens + i) * tokens;
                    let from = (i * n + b) * inner + head * head_dim;
                    let g = &grad_out[from..from + head_dim];
                    let mut mean = 0.0;
                    for j in 0..shape.seen(i) {
                        let kept = if dropout.is_empty() { 1.0 } else { dropout[at + j] };
                        let weight = weights[at + j];
                        pull[j] = dot(g, part(j, 2)) * kept;
                        mean += pull[j] * weight;
                        let to = place(j, 2);
                        add_scaled(&mut grad[to..to + head_dim], weight * kept, g);
                    }
                    for j in 0..shape.seen(i) {
                        let slope = weights[at + j] * (pull[j] - mean) * scale;
                        let (q, k) = (place(i, 0), place(j, 1));
                        add_scaled(&mut grad[q..q + head_dim], slope, part(j, 1));
                        add_scaled(&mut grad[k..k + head_dim], slope, part(i, 0));
                    }
                }
            }
        }
    }
}

/// The outputs `[T * n, heads * head_dim]`, and the weights `[n, heads, T, T]` before dropout.
pub(super) fn forward_pass(
    precision: Precision,
    qkv: &[f32],
    n: usize,
    shape: AttentionShape,
    dropout: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let mut weights = vec![0.0; n * shape.heads * shape.tokens * shape.tokens];
    let mut out = vec![0.0; qkv.len() / 3];
    match shape.tokens < MANY {
        true => forward(qkv, n, shape, dropout, &mut weights, &mut out),
        false => {
            products::forward(precision, qkv, n, shape, dropout, &mut weights, &mut out);
        }
    }
    (out, weights)
}

/// The gradient by `qkv`.
pub(super) fn backward_pass(
    precision: Precision,
    qkv: &[f32],
    n: usize,
    shape: AttentionShape,
    dropout: &[f32],
    weights: &[f32],
    grad: &[f32],
) -> Vec<f32> {
    let mut out = vec![0.0; qkv.len()];
    match shape.tokens < MANY {
        true => backward(qkv, n, shape, dropout, weights, grad, &mut out),
        false => {
            products::backward(precision, qkv, n, shape, dropout, weights, grad, &mut out);
        }
    }
    out
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = layout.shape().dims2()?;
        let AttentionShape { tokens, heads, head_dim, .. } = self.shape;
        let inner = heads * head_dim;
        let n = rows / tokens.max(1);
        let count = n * heads * tokens * tokens;
        if columns != 3 * inner || rows != n * tokens {
            candle_core::bail!("attention {:?} was given {layout:?}", self.shape)
        }
        if !self.dropout.is_empty() && self.dropout.len() != count {
            candle_core::bail!("attention wants {count} dropout factors")
        }
        let qkv = argument(qkv, layout)?;
        let (out, weights) = forward_pass(self.precision, qkv, n, self.shape, &self.dropout);
        if let Ok(mut saved) = self.weights.lock() {
            *saved = weights;
        }
        Ok((CpuStorage::F32(out), (rows, inner).into()))
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let weights =
            self.weights.lock().map(|mut saved| std::mem::take(&mut *saved)).unwrap_or_default();
        let grad = grad.contiguous()?;
        let n = qkv.dim(0)? / self.shape.tokens;
        let values = Values::of(qkv)?;
        let (grad, dropout) = (Values::of(&grad)?, &self.dropout);
        let out = backward_pass(self.precision, &values, n, self.shape, dropout, &weights, &grad);
        Ok(Some(Tensor::from_vec(out, qkv.dims(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradients_match_differences() {
        let qkv = check::normal("qkv", &[6, 30]);
        let target = check::normal("target", &[6, 10]);
        let dropped: Vec<f32> = (0..36).map(|i| if i % 5 == 2 { 0.0 } else { 1.25 }).collect();
        for (dropout, causal) in [(Vec::new(), true), (dropped, true), (Vec::new(), false)] {
            let shape = AttentionShape { tokens: 3, heads: 2, head_dim: 5, causal };
            check::gradients(&[&qkv], 1e-2, 1e-2, &|| {
                (attention(&qkv, shape, dropout.clone(), Precision::F32)? * target.as_tensor())?
                    .sum_all()
            });
        }
    }

    #[test]
    fn products_agree_with_loops() {
        let (n, tokens, heads, head_dim) = (2, 17, 2, 5);
        let inner = heads * head_dim;
        let flat = |name: &str, columns| {
            let x = check::normal(name, &[n * tokens * columns]);
            x.to_vec1::<f32>().unwrap()
        };
        let (qkv, grad) = (flat("qkv", 3 * inner), flat("grad", inner));
        let count = n * heads * tokens * tokens;
        let dropped: Vec<f32> = (0..count).map(|i| if i % 5 == 2 { 0.0 } else { 1.25 }).collect();
        for (dropout, causal) in [(Vec::new(), true), (dropped, true), (Vec::new(), false)] {
            let shape = AttentionShape { tokens, heads, head_dim, causal };
            let run = |products: Option<Precision>| {
                let (mut weights, mut out) = (vec![0.0; count], vec![0.0; grad.len()]);
                let mut by_qkv = vec![0.0; qkv.len()];
                if let Some(by) = products {
                    products::forward(by, &qkv, n, shape, &dropout, &mut weights, &mut out);
                    products::backward(by, &qkv, n, shape, &dropout, &weights, &grad, &mut by_qkv);
                } else {
                    forward(&qkv, n, shape, &dropout, &mut weights, &mut out);
                    backward(&qkv, n, shape, &dropout, &weights, &grad, &mut by_qkv);
                }
                [weights, out, by_qkv].concat()
            };
            let want = run(None);
            for (precision, tolerance) in [(Precision::F32, 1e-4), (Precision::Bf16, 5e-2)] {
                for (a, b) in run(Some(precision)).iter().zip(&want) {
                    assert!((a - b).abs() < tolerance, "{precision:?}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut shape = AttentionShape { tokens: 2, heads: 1, head_dim: 2, causal: true };
        let rows = vec![
            1.0, 0.0, 1.0, 0.0, 2.0, 3.0_f32, // the first token: q, k, v
            1.0, 1.0, 0.0, 2.0, 4.0, 5.0,
        ];
        let qkv = Tensor::from_vec(rows, (2, 6), &Device::Cpu).unwrap();
        let out =
            attention(&qkv, shape, Vec::new(), Precision::F32).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(out[0], [2.0, 3.0], "the first token sees only itself");
        let (a, b) = ((1.0 / 2f32.sqrt()).exp(), (2.0 / 2f32.sqrt()).exp());
        let share = b / (a + b);
        assert!((out[1][0] - (2.0 + 2.0 * share)).abs() < 1e-5, "{out:?}");
        shape.causal = false;
        let all =
            attention(&qkv, shape, Vec::new(), Precision::F32).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(all[1], out[1]);
        let first = 1.0 / (1.0 + (-1.0 / 2f32.sqrt()).exp());
        assert!((all[0][0] - (4.0 - 2.0 * first)).abs() < 1e-5, "{all:?}");
    }
}
