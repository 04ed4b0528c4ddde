//! Muon (Jordan et al. 2024): momentum, made orthogonal, as the step of a matrix.

use crate::config::Precision;
use crate::ops::{Layout2, matmul_in};

const MOMENTUM: f32 = 0.95;
/// Of the quintic iteration that drives every singular value towards 1.
const QUINTIC: [f32; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;

/// Moves a matrix `[rows, columns]` (inputs by outputs) by a step whose singular values are about `rate`, larger where
/// there are more outputs than inputs. The iteration bears products of bf16, with which its authors run it.
pub(crate) fn step(
    precision: Precision,
    weights: &mut [f32],
    grads: &[f32],
    momentum: &mut [f32],
    [rows, columns]: [usize; 2],
    [rate, decay]: [f32; 2],
) {
    for (momentum, &grad) in momentum.iter_mut().zip(grads) {
        *momentum += (1.0 - MOMENTUM) * (grad - *momentum);
    }
    // Nesterov's look ahead.
    let ahead = grads.iter().zip(&*momentum).map(|(g, m)| (1.0 - MOMENTUM) * g + MOMENTUM * m);
    let mut direction: Vec<f32> = ahead.collect();
    orthogonalise(precision, &mut direction, [rows, columns]);
    let scale = rate * (columns as f32 / rows as f32).max(1.0).sqrt();
    for (weight, direction) in weights.iter_mut().zip(&direction) {
        *weight -= scale * direction + decay * *weight;
    }
}

/// The nearest matrix with orthogonal rows or columns, roughly: singular values end between 0.7 and 1.2.
fn orthogonalise(precision: Precision, x: &mut Vec<f32>, [rows, columns]: [usize; 2]) {
    let square: f64 = x.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    let scale = 1.0 / (square.sqrt() as f32 + 1e-7);
    x.iter_mut().for_each(|value| *value *= scale);
    let tall = rows >= columns;
    let n = rows.min(columns);
    let [a, b, c] = QUINTIC;
    let (mut gram, mut squared) = (vec![0.0; n * n], vec![0.0; n * n]);
    let mut next = vec![0.0; x.len()];
    for _ in 0..ITERATIONS {
        let (left, right) = match tall {
            true => (Layout2::Transposed, Layout2::Normal),
            false => (Layout2::Normal, Layout2::Transposed),
        };
        matmul_in(precision, [n, x.len() / n, n], (x, left), (x, right), &mut gram);
        fn plain(values: &[f32]) -> (&[f32], Layout2) {
            (values, Layout2::Normal)
        }
        matmul_in(precision, [n, n, n], plain(&gram), plain(&gram), &mut squared);
        for (gram, squared) in gram.iter_mut().zip(&squared) {
            *gram = b * *gram + c * squared;
        }
        match tall {
            true => matmul_in(precision, [rows, n, n], plain(x), plain(&gram), &mut next),
            false => matmul_in(precision, [n, n, columns], plain(&gram), plain(x), &mut next),
        }
        for (next, x) in next.iter_mut().zip(&*x) {
            *next += a * x;
        }
        std::mem::swap(x, &mut next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    #[test]
    fn steps_are_nearly_orthogonal_whatever_the_gradient() {
        let sizes = [[40, 6], [6, 40], [8, 8]].into_iter();
        let precisions = [Precision::F32, Precision::Bf16];
        for ([rows, columns], precision) in sizes.flat_map(|size| precisions.map(|p| (size, p))) {
            let mut grads = vec![0.0; rows * columns];
            Seed::new(1).rng().fill_normal(&mut grads);
            // One direction far stronger than the others.
            grads.iter_mut().step_by(columns).for_each(|value| *value *= 30.0);
            let (mut weights, mut momentum) = (vec![0.0; grads.len()], vec![0.0; grads.len()]);
            step(precision, &mut weights, &grads, &mut momentum, [rows, columns], [1.0, 0.0]);
            let x = nalgebra::DMatrix::from_row_slice(rows, columns, &weights);
            let scale = (columns as f32 / rows as f32).max(1.0).sqrt();
            let values = x.singular_values() / scale;
            assert!(values.iter().all(|&s| (0.3..1.3).contains(&s)), "{rows}x{columns}: {values}");
            let downhill: f32 = weights.iter().zip(&grads).map(|(w, g)| w * g).sum();
            assert!(downhill < 0.0);
        }
    }
}
