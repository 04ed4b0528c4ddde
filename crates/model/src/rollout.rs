//! The fast path: many candidate plans through the predictor at once, on packed weights, without a
//! graph. Equal to the training path up to rounding (a test holds it to 1e-5).

use crate::config::PredictorConfig;
use crate::layers::values;
use crate::ops::{Layout2, matmul, silu_in_place};
use crate::{ModelError, WorldModel};
use candle_core::{DType, Device, Tensor};

/// The predictor (and reward head) of a model, packed for planning. One per thread.
///
/// The action encoder is linear and folded into the first layer: with the block a, the previous block
/// a', the latent z and the previous latent z',
/// `W_z z + W_e e(a) + W_c (z - z') + W_p e(a') = [z z' a a'] W + b`.
#[derive(Clone)]
pub struct LatentRollout {
    latent: usize,
    block: usize,
    hidden: usize,
    /// `[2 D + 2 block, hidden]`.
    first: Vec<f32>,
    bias_with_history: Vec<f32>,
    bias_without: Vec<f32>,
    second: Vec<f32>,
    second_bias: Vec<f32>,
    third: Vec<f32>,
    third_bias: Vec<f32>,
    reward: Option<PackedReward>,
    input: Vec<f32>,
    h1: Vec<f32>,
    h2: Vec<f32>,
    latents: Vec<f32>,
}

#[derive(Clone)]
struct PackedReward {
    hidden: usize,
    /// `[D + block + D, hidden]`.
    first: Vec<f32>,
    first_bias: Vec<f32>,
    second: Vec<f32>,
    second_bias: f32,
    mean: f32,
    std: f32,
}

/// Folds the action encoder (`[block, e]`, bias `[e]`) into rows of a layer (`[e, hidden]`): the
/// folded weights `[block, hidden]` and what the encoder's bias adds, `[hidden]`.
fn fold(
    encoder: &[f32],
    bias: &[f32],
    rows: &[f32],
    block: usize,
    hidden: usize,
) -> (Vec<f32>, Vec<f32>) {
    let e = bias.len();
    let mut weights = vec![0.0; block * hidden];
    matmul(
        [block, e, hidden],
        (encoder, Layout2::Normal),
        (rows, Layout2::Normal),
        &mut weights,
        false,
    );
    let mut shift = vec![0.0; hidden];
    matmul([1, e, hidden], (bias, Layout2::Normal), (rows, Layout2::Normal), &mut shift, false);
    (weights, shift)
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

impl LatentRollout {
    pub(crate) fn new(model: &WorldModel) -> Result<Self, ModelError> {
        let spec = model.spec();
        let (d, block) = (spec.model.latent_dim, spec.block_dim());
        let PredictorConfig::Residual { hidden, action_dim: e } = spec.model.predictor;
        let (encoder, encoder_bias) =
            (model.variable("predictor.action.weight")?, model.variable("predictor.action.bias")?);
        let (w, b) = (model.variable("predictor.0.weight")?, model.variable("predictor.0.bias")?);
        let (w_z, rest) = w.split_at(d * hidden);
        let (w_e, rest) = rest.split_at(e * hidden);
        let (w_c, w_p) = rest.split_at(d * hidden);
        let (now, now_shift) = fold(&encoder, &encoder_bias, w_e, block, hidden);
        let (before, before_shift) = fold(&encoder, &encoder_bias, w_p, block, hidden);
        let mut first = add(w_z, w_c);
        first.extend(w_c.iter().map(|value| -value));
        first.extend(now);
        first.extend(before);
        let bias_without = add(&b, &now_shift);
        let reward = match (&spec.model.reward, &model.reward) {
            (Some(head), Some(_)) => {
                let w = model.variable("reward.0.weight")?;
                let (w_z, rest) = w.split_at(d * head.hidden);
                let (w_e, w_next) = rest.split_at(e * head.hidden);
                let (folded, shift) = fold(&encoder, &encoder_bias, w_e, block, head.hidden);
                Some(PackedReward {
                    hidden: head.hidden,
                    first: [w_z, &folded, w_next].concat(),
                    first_bias: add(&model.variable("reward.0.bias")?, &shift),
                    second: model.variable("reward.1.weight")?,
                    second_bias: model.variable("reward.1.bias")?[0],
                    mean: model.scaling.reward_mean,
                    std: model.scaling.reward_std,
                })
            }
            _ => None,
        };
        Ok(Self {
            latent: d,
            block,
            hidden,
            first,
            bias_with_history: add(&bias_without, &before_shift),
            bias_without,
            second: model.variable("predictor.1.weight")?,
            second_bias: model.variable("predictor.1.bias")?,
            third: model.variable("predictor.2.weight")?,
            third_bias: model.variable("predictor.2.bias")?,
            reward,
            input: Vec::new(),
            h1: Vec::new(),
            h2: Vec::new(),
            latents: Vec::new(),
        })
    }

    /// D.
    pub fn latent_dim(&self) -> usize {
        self.latent
    }

    /// Values in an action block (control steps times action components).
    pub fn block_dim(&self) -> usize {
        self.block
    }

    /// Rolls `samples` plans of `horizon` blocks, `actions` `[S, H, block]`, from the latent `start`
    /// `[D]`. `before` is the latent one block earlier and the block between, if known. Returns the
    /// predicted latents `[H, S, D]`.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn roll(
        &mut self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &[f32],
        samples: usize,
        horizon: usize,
    ) -> &[f32] {
        let (d, block, hidden) = (self.latent, self.block, self.hidden);
        let width = 2 * d + 2 * block;
        self.input.resize(samples * width, 0.0);
        self.latents.resize(horizon * samples * d, 0.0);
        let (z_before, block_before) = before.unwrap_or((start, &[]));
        for row in self.input.chunks_exact_mut(width) {
            row[..d].copy_from_slice(&start[..d]);
            row[d..2 * d].copy_from_slice(&z_before[..d]);
            row[2 * d + block..].fill(0.0);
            row[2 * d + block..2 * d + block + block_before.len()].copy_from_slice(block_before);
        }
        for t in 0..horizon {
            for (sample, row) in self.input.chunks_exact_mut(width).enumerate() {
                let at = (sample * horizon + t) * block;
                row[2 * d..2 * d + block].copy_from_slice(&actions[at..at + block]);
            }
            let has_history = t > 0 || before.is_some();
            let bias = if has_history { &self.bias_with_history } else { &self.bias_without };
            layer([samples, width, hidden], &self.input, &self.first, bias, &mut self.h1);
            silu_in_place(&mut self.h1);
            layer(
                [samples, hidden, hidden],
                &self.h1,
                &self.second,
                &self.second_bias,
                &mut self.h2,
            );
            silu_in_place(&mut self.h2);
            let out = &mut self.latents[t * samples * d..(t + 1) * samples * d];
            for (out, row) in out.chunks_exact_mut(d).zip(self.input.chunks_exact(width)) {
                for (i, value) in out.iter_mut().enumerate() {
                    *value = row[i] + self.third_bias[i];
                }
            }
            matmul(
                [samples, hidden, d],
                (&self.h2, Layout2::Normal),
                (&self.third, Layout2::Normal),
                out,
                true,
            );
            for (row, next) in self.input.chunks_exact_mut(width).zip(out.chunks_exact(d)) {
                row.copy_within(..d, d);
                row[..d].copy_from_slice(next);
                row.copy_within(2 * d..2 * d + block, 2 * d + block);
            }
        }
        &self.latents
    }

    /// The predicted rewards `[H, S]` along the plans last rolled from `start` with `actions`; `None`
    /// without a reward head.
    pub fn rewards(
        &mut self,
        start: &[f32],
        actions: &[f32],
        samples: usize,
        horizon: usize,
    ) -> Option<Vec<f32>> {
        let (d, block) = (self.latent, self.block);
        let head = self.reward.as_ref()?;
        let width = 2 * d + block;
        self.input.resize(samples * width, 0.0);
        let mut rewards = Vec::with_capacity(horizon * samples);
        for t in 0..horizon {
            let latents = |step: usize| &self.latents[step * samples * d..(step + 1) * samples * d];
            for (sample, row) in self.input[..samples * width].chunks_exact_mut(width).enumerate() {
                let now = if t == 0 {
                    &start[..d]
                } else {
                    &latents(t - 1)[sample * d..(sample + 1) * d]
                };
                row[..d].copy_from_slice(now);
                let at = (sample * horizon + t) * block;
                row[d..d + block].copy_from_slice(&actions[at..at + block]);
                row[d + block..].copy_from_slice(&latents(t)[sample * d..(sample + 1) * d]);
            }
            layer(
                [samples, width, head.hidden],
                &self.input,
                &head.first,
                &head.first_bias,
                &mut self.h1,
            );
            silu_in_place(&mut self.h1);
            for hidden in self.h1.chunks_exact(head.hidden) {
                let sum: f32 = hidden.iter().zip(&head.second).map(|(h, w)| h * w).sum();
                rewards.push((sum + head.second_bias) * head.std + head.mean);
            }
        }
        Some(rewards)
    }
}

impl WorldModel {
    /// What [`LatentRollout`] computes, along the training path and one sample at a time: latents
    /// `[H, S, D]` and rewards `[H, S]` (empty without a reward head). For tests and benchmarks.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn roll_reference(
        &self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &[f32],
        samples: usize,
        horizon: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let (d, block) = (self.latent_dim(), self.spec().block_dim());
        let rows = |values: &[f32], columns| {
            Tensor::from_vec(values.repeat(samples), (samples, columns), &Device::Cpu)
        };
        let mut z = rows(start, d)?;
        let (mut change, mut e_prev) = match before {
            Some((z_before, block_before)) => (
                (&z - rows(z_before, d)?)?,
                self.predictor.encode_action(&rows(block_before, block)?)?,
            ),
            None => {
                let PredictorConfig::Residual { action_dim, .. } = self.spec().model.predictor;
                (z.zeros_like()?, Tensor::zeros((samples, action_dim), DType::F32, &Device::Cpu)?)
            }
        };
        let (mut latents, mut rewards) = (Vec::new(), Vec::new());
        for t in 0..horizon {
            let at = |sample: usize| (sample * horizon + t) * block;
            let blocks: Vec<f32> =
                (0..samples).flat_map(|s| actions[at(s)..at(s) + block].to_vec()).collect();
            let e = self.predictor.encode_action(&Tensor::from_vec(
                blocks,
                (samples, block),
                &Device::Cpu,
            )?)?;
            let next = self.predictor.forward(&z, &e, &change, &e_prev)?;
            if let Some(head) = &self.reward {
                let scale = &self.scaling;
                let raw = values(&head.forward(&z, &e, &next)?)?;
                rewards
                    .extend(raw.iter().map(|value| value * scale.reward_std + scale.reward_mean));
            }
            change = (&next - &z)?;
            (z, e_prev) = (next, e);
            latents.extend(values(&z)?);
        }
        Ok((latents, rewards))
    }
}

/// `out = input weight + bias`, resized to `[n, outputs]`.
fn layer(
    [n, inputs, outputs]: [usize; 3],
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    out: &mut Vec<f32>,
) {
    out.clear();
    for _ in 0..n {
        out.extend_from_slice(bias);
    }
    matmul([n, inputs, outputs], (input, Layout2::Normal), (weight, Layout2::Normal), out, true);
}
