//! AdamW (Loshchilov & Hutter 2019) with its moments in the open, so that they can be saved.

use crate::ModelError;
use crate::config::{OptimizerConfig, Precision};
use crate::layers::values;
use crate::muon;
use crate::ops::lanes::{LANES, load, store};
use crate::ops::simd;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Tensor, Var};
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.99;
const EPSILON: f32 = 1e-8;

/// First and second moments of every variable.
pub(crate) struct AdamW {
    pub(crate) first: Vec<Vec<f32>>,
    pub(crate) second: Vec<Vec<f32>>,
    /// Of Muon's products.
    precision: Precision,
}

impl AdamW {
    pub(crate) fn new(variables: &[(String, Var)], precision: Precision) -> Self {
        let zeros = || variables.iter().map(|(_, var)| vec![0.0; var.elem_count()]).collect();
        Self { first: zeros(), second: zeros(), precision }
    }

    /// Applies one step (counted from 1) with gradients in the order of the variables, times `scale`; one whose gradient is
    /// empty stays as it is. Weight decay acts on matrices only, and with a learning rate of Muon that moves them, on so many
    /// threads: their first moment is its momentum.
    pub(crate) fn step(
        &mut self,
        variables: &[(String, Var)],
        (grads, scale): (&[Vec<f32>], f32),
        step: u64,
        (learning_rate, muon, weight_decay): (f32, Option<f32>, f32),
        threads: usize,
    ) -> std::result::Result<(), ModelError> {
        let correction = |beta: f32| (1.0 - f64::from(beta).powi(step.min(1 << 30) as i32)) as f32;
        let corrections = [correction(BETA1), correction(BETA2)];
        let mut matrices = Vec::new();
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (((_, var), grads), (first, second)) in variables.iter().zip(grads).zip(moments) {
            if grads.is_empty() {
                continue;
            }
            if let (Some(rate), &[rows, columns]) = (muon, var.dims()) {
                let rates = [rate, rate * weight_decay];
                let weights = values(var.as_tensor())?;
                matrices.push(Matrix {
                    var,
                    weights,
                    grads,
                    momentum: first,
                    size: [rows, columns],
                    rates,
                });
                continue;
            }
            let decay = if var.dims().len() > 1 { learning_rate * weight_decay } else { 0.0 };
            let moments = RefCell::new([&mut first[..], &mut second[..]]);
            let rates = [scale, learning_rate, decay];
            var.inplace_op1(&Update { grads, moments, corrections, rates })?;
        }
        // The largest first, so that no thread is left with one at the end.
        matrices.sort_by_key(|matrix| std::cmp::Reverse(matrix.weights.len()));
        let threads = threads.min(matrices.len());
        let queue = Mutex::new(matrices.iter_mut());
        let work = || {
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            while let Some(matrix) = next() {
                matrix.step(scale, self.precision);
            }
        };
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        for Matrix { var, weights, size, .. } in matrices {
            var.set(&Tensor::from_vec(weights, &size[..], &Device::Cpu)?)?;
        }
        Ok(())
    }
}

/// A variable that [`muon`] moves.
struct Matrix<'a> {
    var: &'a Var,
    weights: Vec<f32>,
    grads: &'a [f32],
    momentum: &'a mut [f32],
    size: [usize; 2],
    /// Of the step and of the decay.
    rates: [f32; 2],
}

impl Matrix<'_> {
    fn step(&mut self, scale: f32, precision: Precision) {
        let grads: Vec<f32> = self.grads.iter().map(|grad| grad * scale).collect();
        muon::step(precision, &mut self.weights, &grads, self.momentum, self.size, self.rates);
    }
}

/// One variable's step, in place.
struct Update<'a> {
    grads: &'a [f32],
    moments: RefCell<[&'a mut [f32]; 2]>,
    /// What the moments' sums of weights fall short of, `1 - beta^step`.
    corrections: [f32; 2],
    /// Of the gradients, of the step and of the decay.
    rates: [f32; 3],
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("a variable is not contiguous f32")
        };
        let [first, second] = &mut *self.moments.borrow_mut();
        update(&mut values[start..end], self.grads, first, second, self.corrections, self.rates);
        Ok(())
    }
}

simd! {
    fn update(
        weights: &mut [f32],
        grads: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        corrections: [f32; 2],
        rates: [f32; 3],
    ) {
        let ([correct1, correct2], [scale, learning_rate, decay]) = (corrections, rates);
        let moments = first.iter_mut().zip(second);
        for ((weight, &grad), (first, second)) in weights.iter_mut().zip(grads).zip(moments) {
            let grad = grad * scale;
            *first += (1.0 - BETA1) * (grad - *first);
            *second += (1.0 - BETA2) * (grad * grad - *second);
            let direction = (*first / correct1) / ((*second / correct2).sqrt() + EPSILON);
            *weight -= learning_rate * direction + decay * *weight;
        }
    }
}

impl OptimizerConfig {
    /// The learning rate at this fraction of training: linear warm-up to its peak, then cosine to zero.
    pub(crate) fn rate(&self, peak: f32, progress: f32) -> f32 {
        let rise = if self.warmup > 0.0 { (progress / self.warmup).min(1.0) } else { 1.0 };
        let fall = ((progress - self.warmup) / (1.0 - self.warmup).max(1e-6)).clamp(0.0, 1.0);
        peak * rise * 0.5 * (1.0 + (std::f32::consts::PI * fall).cos())
    }
}

/// Turns the gradients of the first share into the mean over it and the others. Gives their norm, and the scale that
/// makes it `limit` if it is larger: the optimiser applies it, to spare a way through memory.
pub(crate) fn mean_and_clip(
    mean: &mut [Vec<f32>],
    others: &[&[Vec<f32>]],
    limit: f32,
) -> (f32, f32) {
    let share = 1.0 / (1 + others.len()) as f32;
    let mut square = 0.0;
    for (index, mean) in mean.iter_mut().enumerate() {
        let others: Vec<&[f32]> = others.iter().map(|grads| &grads[index][..]).collect();
        average(mean, &others, share, &mut square);
    }
    let norm = square.sqrt() as f32;
    (norm, if norm > limit { limit / norm } else { 1.0 })
}

simd! {
    /// The mean in place, whose sum of squares is added up.
    fn average(mean: &mut [f32], others: &[&[f32]], share: f32, square: &mut f64) {
        let mut squares = [0.0; LANES];
        for at in (0..mean.len()).step_by(LANES) {
            let mut sum = load(mean, at);
            for other in others {
                let other = load(other, at);
                for i in 0..LANES {
                    sum[i] += other[i];
                }
            }
            for i in 0..LANES {
                sum[i] *= share;
                squares[i] += f64::from(sum[i]) * f64::from(sum[i]);
            }
            store(mean, at, &sum);
        }
        *square += squares.iter().sum::<f64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::values;
    use candle_core::{Device, Tensor};

    #[test]
    fn finds_the_bottom_of_a_bowl() {
        let var =
            Var::from_tensor(&Tensor::from_vec(vec![3.0_f32, -2.0], 2, &Device::Cpu).unwrap())
                .unwrap();
        let variables = vec![("x".to_owned(), var.clone())];
        let mut adam = AdamW::new(&variables, Precision::F32);
        for step in 1..=400 {
            let at = values(var.as_tensor()).unwrap();
            adam.step(
                &variables,
                (&[vec![2.0 * (at[0] - 1.0), 2.0 * at[1]]], 1.0),
                step,
                (0.05, None, 0.0),
                1,
            )
            .unwrap();
        }
        let at = values(var.as_tensor()).unwrap();
        assert!((at[0] - 1.0).abs() < 1e-2 && at[1].abs() < 1e-2, "{at:?}");
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let config = OptimizerConfig {
            learning_rate: 1.0,
            muon: None,
            weight_decay: 0.0,
            warmup: 0.1,
            clip_norm: 1.0,
        };
        assert_eq!(config.rate(1.0, 0.0), 0.0);
        assert!((config.rate(1.0, 0.1) - 1.0).abs() < 1e-6);
        assert!(config.rate(1.0, 1.0) < 1e-6);
    }

    #[test]
    fn the_mean_over_shares_is_clipped() {
        let mut grads = vec![vec![2.0], vec![4.0; 17]];
        let others = [vec![4.0], vec![0.0; 17]];
        let (norm, scale) = mean_and_clip(&mut grads, &[&others], 1.0);
        assert_eq!(grads, [vec![3.0], vec![2.0; 17]]);
        assert_eq!((norm, scale), (77_f32.sqrt(), 1.0 / 77_f32.sqrt()));
        assert_eq!(mean_and_clip(&mut grads, &[], 10.0), (77_f32.sqrt(), 1.0));
    }
}
