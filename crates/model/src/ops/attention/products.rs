//! Attention over many tokens: each head of each sequence by matrix products.

use super::super::layer_norm::dot;
use super::super::matmul::{Matrix, product};
use super::super::simd;
use super::{AttentionShape, softmax};
use crate::config::Precision;

/// Where the parts of one head of one sequence lie.
struct Head {
    shape: AttentionShape,
    /// The sequence's first query, key and value, and its first output.
    parts: [usize; 3],
    out: usize,
    /// Distances between tokens.
    qkv_row: usize,
    out_row: usize,
    /// Of the head's weights `[T, T]`.
    weights: usize,
}

impl Head {
    fn all(n: usize, shape: AttentionShape) -> impl Iterator<Item = Self> {
        let AttentionShape { tokens, heads, head_dim, .. } = shape;
        let inner = heads * head_dim;
        (0..n * heads).map(move |index| {
            let (b, head) = (index / heads, index % heads);
            Self {
                shape,
                parts: [0, 1, 2].map(|which| (3 * b + which) * inner + head * head_dim),
                out: b * inner + head * head_dim,
                qkv_row: 3 * n * inner,
                out_row: n * inner,
                weights: index * tokens * tokens,
            }
        })
    }

    /// Queries, keys or values, `[T, head_dim]`.
    fn part<'a>(&self, qkv: &'a [f32], which: usize) -> Matrix<'a> {
        Matrix::rows(&qkv[self.parts[which]..], self.qkv_row)
    }

    /// The same of the gradient, to be written.
    fn part_mut<'a>(&self, grad: &'a mut [f32], which: usize) -> (&'a mut [f32], usize) {
        (&mut grad[self.parts[which]..], self.qkv_row)
    }
}

/// See [`super::forward`].
pub(super) fn forward(
    precision: Precision,
    qkv: &[f32],
    n: usize,
    shape: AttentionShape,
    dropout: &[f32],
    weights: &mut [f32],
    out: &mut [f32],
) {
    let AttentionShape { tokens, head_dim, .. } = shape;
    let square = tokens * tokens;
    let mut kept = vec![0.0; if dropout.is_empty() { 0 } else { square }];
    for head in Head::all(n, shape) {
        let weights = &mut weights[head.weights..][..square];
        let keys = head.part(qkv, 1).transposed();
        let size = [tokens, head_dim, tokens];
        product(precision, size, head.part(qkv, 0), keys, (&mut *weights, tokens), false);
        normalise(weights, head.shape);
        let used = match dropout.is_empty() {
            true => &*weights,
            false => {
                multiply(weights, &dropout[head.weights..], &mut kept);
                &kept
            }
        };
        let size = [tokens, tokens, head_dim];
        let target = (&mut out[head.out..], head.out_row);
        product(precision, size, Matrix::rows(used, tokens), head.part(qkv, 2), target, false);
    }
}

/// See [`super::backward`].
pub(super) fn backward(
    precision: Precision,
    qkv: &[f32],
    n: usize,
    shape: AttentionShape,
    dropout: &[f32],
    weights: &[f32],
    grad_out: &[f32],
    grad: &mut [f32],
) {
    let AttentionShape { tokens, head_dim, .. } = shape;
    let square = tokens * tokens;
    let mut kept = vec![0.0; if dropout.is_empty() { 0 } else { square }];
    let mut slopes = vec![0.0; square];
    let narrow = [tokens, tokens, head_dim];
    for head in Head::all(n, shape) {
        let weights = &weights[head.weights..][..square];
        let upstream = Matrix::rows(&grad_out[head.out..], head.out_row);
        let used = match dropout.is_empty() {
            true => weights,
            false => {
                multiply(weights, &dropout[head.weights..], &mut kept);
                &kept
            }
        };
        let used = Matrix::rows(used, tokens).transposed();
        product(precision, narrow, used, upstream, head.part_mut(grad, 2), false);
        let values = head.part(qkv, 2).transposed();
        let size = [tokens, head_dim, tokens];
        product(precision, size, upstream, values, (&mut slopes, tokens), false);
        if !dropout.is_empty() {
            let pull = slopes.clone();
            multiply(&pull, &dropout[head.weights..], &mut slopes);
        }
        pull_back(weights, head.shape, &mut slopes);
        let slopes = Matrix::rows(&slopes, tokens);
        product(precision, narrow, slopes, head.part(qkv, 1), head.part_mut(grad, 0), false);
        product(
            precision,
            narrow,
            slopes.transposed(),
            head.part(qkv, 0),
            head.part_mut(grad, 1),
            false,
        );
    }
}

simd! {
    fn multiply(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a * b;
        }
    }
}

simd! {
    /// Unscaled scores `[T, T]` to weights; zero for what a token does not see.
    fn normalise(scores: &mut [f32], shape: AttentionShape) {
        let scale = 1.0 / (shape.head_dim as f32).sqrt();
        for (i, line) in scores.chunks_exact_mut(shape.tokens).enumerate() {
            let (line, unseen) = line.split_at_mut(shape.seen(i));
            for score in line.iter_mut() {
                *score *= scale;
            }
            softmax(line);
            unseen.fill(0.0);
        }
    }
}

simd! {
    /// The gradient by the weights becomes the one by the unscaled scores.
    fn pull_back(weights: &[f32], shape: AttentionShape, slopes: &mut [f32]) {
        let scale = 1.0 / (shape.head_dim as f32).sqrt();
        let lines = slopes.chunks_exact_mut(shape.tokens).zip(weights.chunks_exact(shape.tokens));
        for (line, weights) in lines {
            let mean = dot(line, weights);
            for (slope, weight) in line.iter_mut().zip(weights) {
                *slope = weight * (*slope - mean) * scale;
            }
        }
    }
}
