//! A packed affine map.

use crate::config::Precision;
use crate::ops::{Addend, Source, Weights, stride};

/// `x W + b`.
pub(super) struct Affine {
    weight: Weights,
    bias: Vec<f32>,
}

impl Affine {
    /// From row-major weights `[inputs, outputs]` and the bias `[outputs]`.
    pub(super) fn new(weight: &[f32], bias: Vec<f32>) -> Self {
        let outputs = bias.len();
        Self { weight: Weights::new(weight, weight.len() / outputs.max(1), outputs), bias }
    }

    /// Multiplies in this precision from now on.
    pub(super) fn round(&mut self, precision: Precision) {
        self.weight.round(precision);
    }

    /// Of rows into rows that lie `stride(outputs)` apart.
    pub(super) fn apply(&self, rows: usize, sources: &[Source<'_>], out: &mut [f32]) {
        self.apply_strided(rows, sources, out, stride(self.bias.len()));
    }

    /// Of rows into rows that lie `row` apart.
    pub(super) fn apply_strided(
        &self,
        rows: usize,
        sources: &[Source<'_>],
        out: &mut [f32],
        row: usize,
    ) {
        let bias = [Some(Addend::bias(&self.bias)), None];
        self.weight.product(rows, sources, bias, out, row);
    }
}

/// Row-major `[inputs, outputs]` weights behind a learned scale and shift: `(x gamma + beta) W + b` is
/// `x W' + b'`.
pub(super) fn behind(
    gamma: &[f32],
    beta: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let outputs = bias.len();
    let mut shift: Vec<f64> = bias.iter().map(|&value| f64::from(value)).collect();
    let mut scaled = Vec::with_capacity(weight.len());
    for ((row, gamma), beta) in weight.chunks_exact(outputs).zip(gamma).zip(beta) {
        for (value, shift) in row.iter().zip(&mut shift) {
            scaled.push(gamma * value);
            *shift += f64::from(beta * value);
        }
    }
    (scaled, shift.into_iter().map(|value| value as f32).collect())
}
