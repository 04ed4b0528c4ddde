//! The reward head, packed.

use super::affine::Affine;
use crate::ops::{Packed, Source, silu, silu_in_place, stride};
use crate::{ModelError, WorldModel};

/// `r = (silu([z m z'] W + b) w + c) std + mean`, m an action block or what stands for it.
pub(super) struct Reward {
    pub hidden: usize,
    first: Affine,
    second: Vec<f32>,
    second_bias: f32,
    mean: f32,
    pub std: f32,
    /// Row-major `[D z, m, D z']` rows, to transpose for the gradient.
    plain: Vec<f32>,
    inputs: usize,
}

impl Reward {
    /// `middle` turns the first layer's rows of encoded blocks into those of m and what they add to the bias.
    pub(super) fn new(
        model: &WorldModel,
        middle: impl FnOnce(&[f32], usize) -> (Vec<f32>, Vec<f32>),
    ) -> Result<Option<Self>, ModelError> {
        let Some(head) = &model.spec().model.reward else { return Ok(None) };
        let (d, hidden) = (model.latent_dim(), head.hidden);
        let w = model.variable("reward.0.weight")?;
        let (w_z, rest) = w.split_at(d * hidden);
        let (w_e, w_next) = rest.split_at(rest.len() - d * hidden);
        let (w_m, shift) = middle(w_e, hidden);
        let plain = [w_z, &w_m, w_next].concat();
        let bias = model.variable("reward.0.bias")?;
        let bias: Vec<f32> = bias.iter().zip(&shift).map(|(a, b)| a + b).collect();
        Ok(Some(Self {
            hidden,
            inputs: plain.len() / hidden,
            first: Affine::new(&plain, bias),
            second: model.variable("reward.1.weight")?,
            second_bias: model.variable("reward.1.bias")?[0],
            mean: model.scaling.reward_mean,
            std: model.scaling.reward_std,
            plain,
        }))
    }

    /// The first layer's weights the other way round.
    pub(super) fn reverse(&self) -> Packed {
        Packed::transposed(&self.plain, self.hidden, self.inputs)
    }

    /// Appends the rewards of one step to `out`; h holds the hidden layer, and `before`, if given, is left with
    /// what goes into it.
    pub(super) fn forward(
        &self,
        samples: usize,
        sources: &[Source<'_>],
        before: Option<&mut [f32]>,
        h: &mut Vec<f32>,
        out: &mut Vec<f32>,
    ) {
        let row = stride(self.hidden);
        h.resize(samples * row, 0.0);
        match before {
            Some(before) => {
                self.first.apply(samples, sources, before);
                silu(before, h);
            }
            None => {
                self.first.apply(samples, sources, h);
                silu_in_place(h);
            }
        }
        for hidden in h.chunks_exact(row) {
            let sum: f32 = hidden.iter().zip(&self.second).map(|(h, w)| h * w).sum();
            out.push((sum + self.second_bias) * self.std + self.mean);
        }
    }

    /// The gradient by what goes into the hidden layer (which `before` holds, and is replaced), from the
    /// gradient by the reward.
    pub(super) fn backward(&self, by_reward: f32, before: &mut [f32]) {
        let slope = by_reward * self.std;
        let mut grad = [0.0; 64];
        for (before, weights) in before.chunks_mut(64).zip(self.second.chunks(64)) {
            let grad = &mut grad[..before.len()];
            for (grad, weight) in grad.iter_mut().zip(weights) {
                *grad = slope * weight;
            }
            crate::ops::silu_backward(before, grad);
            before.copy_from_slice(grad);
        }
    }
}
