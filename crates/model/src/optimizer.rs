//! AdamW (Loshchilov & Hutter 2019) with its moments in the open, so that they can be saved.

use crate::ModelError;
use crate::config::OptimizerConfig;
use crate::layers::values;
use crate::muon;
use crate::ops::simd;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Tensor, Var};
use std::cell::RefCell;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.99;
const EPSILON: f32 = 1e-8;

/// First and second moments of every variable.
pub(crate) struct AdamW {
    pub(crate) first: Vec<Vec<f32>>,
    pub(crate) second: Vec<Vec<f32>>,
}

impl AdamW {
    pub(crate) fn new(variables: &[(String, Var)]) -> Self {
        let zeros = || variables.iter().map(|(_, var)| vec![0.0; var.elem_count()]).collect();
        Self { first: zeros(), second: zeros() }
    }

    /// Applies one step (counted from 1) with gradients in the order of the variables; one whose gradient is empty
    /// stays as it is. Weight decay acts on matrices only, and with a learning rate of Muon that moves them: their first
    /// moment is its momentum.
    pub(crate) fn step(
        &mut self,
        variables: &[(String, Var)],
        grads: &[Vec<f32>],
        step: u64,
        (learning_rate, muon, weight_decay): (f32, Option<f32>, f32),
    ) -> std::result::Result<(), ModelError> {
        let correction = |beta: f32| (1.0 - f64::from(beta).powi(step.min(1 << 30) as i32)) as f32;
        let corrections = [correction(BETA1), correction(BETA2)];
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (((_, var), grads), (first, second)) in variables.iter().zip(grads).zip(moments) {
            if grads.is_empty() {
                continue;
            }
            if let (Some(rate), &[rows, columns]) = (muon, var.dims()) {
                let mut weights = values(var.as_tensor())?;
                let rates = [rate, rate * weight_decay];
                muon::step(&mut weights, grads, first, [rows, columns], rates);
                var.set(&Tensor::from_vec(weights, (rows, columns), &Device::Cpu)?)?;
                continue;
            }
            let decay = if var.dims().len() > 1 { learning_rate * weight_decay } else { 0.0 };
            let moments = RefCell::new([&mut first[..], &mut second[..]]);
            var.inplace_op1(&Update { grads, moments, corrections, learning_rate, decay })?;
        }
        Ok(())
    }
}

/// One variable's step, in place.
struct Update<'a> {
    grads: &'a [f32],
    moments: RefCell<[&'a mut [f32]; 2]>,
    /// What the moments' sums of weights fall short of, `1 - beta^step`.
    corrections: [f32; 2],
    learning_rate: f32,
    decay: f32,
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
        let rates = [self.learning_rate, self.decay];
        update(&mut values[start..end], self.grads, first, second, self.corrections, rates);
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
        rates: [f32; 2],
    ) {
        let ([correct1, correct2], [learning_rate, decay]) = (corrections, rates);
        let moments = first.iter_mut().zip(second);
        for ((weight, &grad), (first, second)) in weights.iter_mut().zip(grads).zip(moments) {
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

/// The norm over all gradients, and scales them down to `limit` if it is larger.
pub(crate) fn clip(grads: &mut [Vec<f32>], limit: f32) -> f32 {
    let square: f64 = grads.iter().flatten().map(|&grad| f64::from(grad) * f64::from(grad)).sum();
    let norm = square.sqrt() as f32;
    if norm > limit {
        let scale = limit / norm;
        grads.iter_mut().flatten().for_each(|grad| *grad *= scale);
    }
    norm
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
        let mut adam = AdamW::new(&variables);
        for step in 1..=400 {
            let at = values(var.as_tensor()).unwrap();
            adam.step(
                &variables,
                &[vec![2.0 * (at[0] - 1.0), 2.0 * at[1]]],
                step,
                (0.05, None, 0.0),
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
    fn clipping_keeps_direction() {
        let mut grads = vec![vec![3.0], vec![4.0]];
        assert_eq!(clip(&mut grads, 1.0), 5.0);
        assert!((grads[0][0] - 0.6).abs() < 1e-6 && (grads[1][0] - 0.8).abs() < 1e-6);
    }
}
