//! The residual predictor, packed: its rollout and the hand-written reverse of it.

use super::chunk::{Network, Past, Plans, Reverse};
use super::reward::Reward;
use crate::config::Precision;
use crate::ops::{
    Addend, Layout2, Packed, Source, Weights, matmul, padded, silu, silu_backward, silu_in_place,
    stride,
};
use crate::{ModelError, WorldModel};
use std::sync::OnceLock;

/// The predictor (and reward head).
///
/// The action encoder is linear and folded into the first layer: with the block a, the previous block
/// a', the latent z and the previous latent z',
/// `W_z z + W_e e(a) + W_c (z - z') + W_p e(a') = [z z' a a'] W + b`.
pub(super) struct Residual {
    latent: usize,
    block: usize,
    hidden: usize,
    /// `[D z, D z', block a, block a']` rows.
    first: Weights,
    bias_with_history: Vec<f32>,
    bias_without: Vec<f32>,
    /// The hidden layers after the first, weights and bias.
    inner: Vec<(Weights, Vec<f32>)>,
    last: Packed,
    last_bias: Vec<f32>,
    reward: Option<Reward>,
    /// The transposed weights, packed when a gradient is first asked for.
    reverse: OnceLock<Transposed>,
    /// Row-major weights of all layers to make them of.
    plain: Vec<Vec<f32>>,
}

struct Transposed {
    first: Packed,
    /// From the last to the first.
    inner: Vec<Packed>,
    last: Packed,
    reward: Option<Packed>,
}

/// The first layer's sums over what all samples share at the first step.
#[derive(Default)]
pub(super) struct Prepared {
    start: Vec<f32>,
    /// Everything but the first block's share, `[hidden]`.
    base: Vec<f32>,
}

/// Buffers of a chunk; rows are `stride(hidden)` apart.
#[derive(Default)]
pub(super) struct Work {
    /// Activations of one hidden layer and the next `[s]`; in reverse their gradients.
    hidden: [Vec<f32>; 2],
    /// What went into each of the hidden layers' SiLU `[H, s]`, kept for the gradient.
    before: Vec<Vec<f32>>,
    /// The same of the reward head `[H, s]`.
    reward: Vec<f32>,
    /// Gradient by the inputs of a first layer.
    by_input: Vec<f32>,
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
    let rows = (rows, Layout2::Normal);
    let mut weights = vec![0.0; block * hidden];
    matmul([block, e, hidden], (encoder, Layout2::Normal), rows, &mut weights, false);
    let mut shift = vec![0.0; hidden];
    matmul([1, e, hidden], (bias, Layout2::Normal), rows, &mut shift, false);
    (weights, shift)
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

impl Residual {
    /// Packs the predictor's weights whose names begin with `name`.
    pub(super) fn new(
        model: &WorldModel,
        [hidden, depth, e]: [usize; 3],
        name: &str,
    ) -> Result<Self, ModelError> {
        let spec = model.spec();
        let (d, block) = (spec.model.latent_dim, spec.block_dim());
        let variable = |part: &str| model.variable(&format!("{name}.{part}"));
        let (encoder, encoder_bias) = (variable("action.weight")?, variable("action.bias")?);
        let (w, b) = (variable("0.weight")?, variable("0.bias")?);
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
        let mut plain = vec![first];
        let mut inner = Vec::with_capacity(depth - 1);
        for layer in 1..depth {
            let weights = variable(&format!("{layer}.weight"))?;
            let packed = Weights::new(&weights, hidden, hidden);
            inner.push((packed, variable(&format!("{layer}.bias"))?));
            plain.push(weights);
        }
        plain.push(variable(&format!("{depth}.weight"))?);
        let reward =
            Reward::new(model, |rows, hidden| fold(&encoder, &encoder_bias, rows, block, hidden))?;
        Ok(Self {
            latent: d,
            block,
            hidden,
            first: Weights::new(&plain[0], 2 * (d + block), hidden),
            bias_with_history: add(&bias_without, &before_shift),
            bias_without,
            inner,
            last: Packed::new(&plain[depth], hidden, d),
            last_bias: variable(&format!("{depth}.bias"))?,
            reward,
            reverse: OnceLock::new(),
            plain,
        })
    }

    fn reverse(&self) -> &Transposed {
        self.reverse.get_or_init(|| {
            let (d, block, hidden) = (self.latent, self.block, self.hidden);
            let depth = self.plain.len() - 1;
            let inner = self.plain[1..depth].iter().rev();
            Transposed {
                first: Packed::transposed(&self.plain[0], hidden, 2 * (d + block)),
                inner: inner.map(|w| Packed::transposed(w, hidden, hidden)).collect(),
                last: Packed::transposed(&self.plain[depth], d, hidden),
                reward: self.reward.as_ref().map(Reward::reverse),
            }
        })
    }
}

/// Rows that all are the same one.
fn shared(values: &[f32], row: usize) -> Source<'_> {
    Source { values, stride: 0, width: values.len(), row }
}

impl Network for Residual {
    type Prepared = Prepared;
    type Work = Work;

    /// The first and the last layer stay as they are: they are what latents and actions enter and leave by.
    fn round(&mut self, precision: Precision) {
        self.inner.iter_mut().for_each(|(weights, _)| weights.round(precision));
    }

    fn prepare(&self, start: &[f32], past: Past<'_>) -> Prepared {
        let (d, block) = (self.latent, self.block);
        let start = &start[..d];
        // Only the last block of the past counts here.
        let latent_before = past.latents.rchunks_exact(d).next();
        let block_before = past.blocks.rchunks_exact(block).next();
        let mut sources = vec![shared(start, 0), shared(latent_before.unwrap_or(start), d)];
        let bias = match block_before {
            Some(before) => {
                sources.push(shared(before, 2 * d + block));
                &self.bias_with_history
            }
            None => &self.bias_without,
        };
        let mut base = vec![0.0; padded(self.hidden)];
        let row = base.len();
        self.first.product(1, &sources, [Some(Addend::bias(bias)), None], &mut base, row);
        Prepared { start: start.to_vec(), base }
    }

    fn begin(&self, plans: &Plans<'_, Self>, work: &mut Work) {
        let size = plans.samples * stride(self.hidden);
        for buffer in &mut work.hidden {
            buffer.resize(size, 0.0);
        }
        if plans.keep {
            work.before.resize_with(self.inner.len() + 1, Vec::new);
            for buffer in &mut work.before {
                buffer.resize(plans.horizon * size, 0.0);
            }
        }
    }

    fn step(
        &self,
        plans: &Plans<'_, Self>,
        t: usize,
        done: &[f32],
        ahead: &mut [f32],
        work: &mut Work,
    ) {
        let (d, block, hidden) = (self.latent, self.block, self.hidden);
        let &Plans { samples, horizon, actions, prepared, keep } = plans;
        let row = stride(hidden);
        let size = samples * row;
        // Latents after the first `step` blocks; step 0 is the start, the same for all.
        let latent = |step: usize| match step {
            0 => (&prepared.start[..], 0),
            _ => (&done[(step - 1) * samples * d..step * samples * d], d),
        };
        let from_latent = |step: usize, row: usize| {
            let (values, stride) = latent(step);
            Source { values, stride, width: d, row }
        };
        let from_block = |step: usize, row: usize| {
            let values = &actions[step * block..];
            Source { values, stride: horizon * block, width: block, row }
        };
        for buffer in &mut work.hidden {
            buffer.resize(size, 0.0);
        }
        let Work { hidden: [h, next], before, .. } = work;
        let kept = before.iter_mut().filter(|_| keep);
        let mut kept = kept.map(|layer| &mut layer[t * size..(t + 1) * size]);
        if t == 0 {
            let sources = [from_block(0, 2 * d)];
            hidden_layer(&self.first, samples, &sources, &prepared.base, kept.next(), h);
        } else {
            let sources = [
                from_latent(t, 0),
                from_latent(t - 1, d),
                from_block(t, 2 * d),
                from_block(t - 1, 2 * d + block),
            ];
            let bias = &self.bias_with_history;
            hidden_layer(&self.first, samples, &sources, bias, kept.next(), h);
        }
        for (weights, bias) in &self.inner {
            let sources = [Source { values: h, stride: row, width: hidden, row: 0 }];
            hidden_layer(weights, samples, &sources, bias, kept.next(), next);
            std::mem::swap(h, next);
        }
        let (values, from) = latent(t);
        let sources = [Source { values: h, stride: row, width: hidden, row: 0 }];
        let addends = [Some(Addend::bias(&self.last_bias)), Some(Addend { values, stride: from })];
        self.last.product(samples, &sources, addends, ahead, d);
    }

    fn reward(
        &self,
        plans: &Plans<'_, Self>,
        latents: &[f32],
        work: &mut Work,
        rewards: &mut Vec<f32>,
    ) {
        let Some(head) = &self.reward else { return };
        let (d, block) = (self.latent, self.block);
        let &Plans { samples, horizon, actions, prepared, keep } = plans;
        let size = samples * stride(head.hidden);
        if keep {
            work.reward.resize(horizon * size, 0.0);
        }
        for t in 0..horizon {
            let latent = |step: usize, row: usize| match step {
                0 => Source { values: &prepared.start, stride: 0, width: d, row },
                _ => {
                    let values = &latents[(step - 1) * samples * d..step * samples * d];
                    Source { values, stride: d, width: d, row }
                }
            };
            let values = &actions[t * block..];
            let middle = Source { values, stride: horizon * block, width: block, row: d };
            let sources = [latent(t, 0), middle, latent(t + 1, d + block)];
            let before = keep.then(|| &mut work.reward[t * size..(t + 1) * size]);
            head.forward(samples, &sources, before, &mut work.hidden[0], rewards);
        }
    }
}

impl Reverse for Residual {
    fn step_back(
        &self,
        plans: &Plans<'_, Self>,
        t: usize,
        arrived: &[f32],
        earlier: &mut [f32],
        by_actions: &mut [f32],
        work: &mut Work,
    ) {
        let reverse = self.reverse();
        let (d, block, hidden) = (self.latent, self.block, self.hidden);
        let &Plans { samples, horizon, .. } = plans;
        let (row, width) = (stride(hidden), 2 * (d + block));
        let size = samples * row;
        for buffer in &mut work.hidden {
            buffer.resize(size, 0.0);
        }
        work.by_input.resize(samples * width, 0.0);
        let Work { hidden: [g, next], before, .. } = work;
        let mut before = before.iter().rev().map(|kept| &kept[t * size..(t + 1) * size]);
        let mut through_silu = |g: &mut [f32]| {
            if let Some(before) = before.next() {
                silu_backward(before, g);
            }
        };
        let source = Source { values: arrived, stride: d, width: d, row: 0 };
        reverse.last.product(samples, &[source], [None; 2], g, row);
        through_silu(g);
        for weights in &reverse.inner {
            let source = Source { values: g, stride: row, width: hidden, row: 0 };
            weights.product(samples, &[source], [None; 2], next, row);
            through_silu(next);
            std::mem::swap(g, next);
        }
        let source = Source { values: g, stride: row, width: hidden, row: 0 };
        reverse.first.product(samples, &[source], [None; 2], &mut work.by_input, width);
        for (sample, line) in work.by_input.chunks_exact(width).enumerate() {
            let at = (sample * horizon + t) * block;
            accumulate(&mut by_actions[at..at + block], &line[2 * d..2 * d + block]);
            if t > 0 {
                let at = at - block;
                accumulate(&mut by_actions[at..at + block], &line[2 * d + block..]);
                let at = (t * samples + sample) * d;
                accumulate(&mut earlier[at..at + d], &arrived[sample * d..(sample + 1) * d]);
                accumulate(&mut earlier[at..at + d], &line[..d]);
                let at = at - samples * d;
                accumulate(&mut earlier[at..at + d], &line[d..2 * d]);
            }
        }
    }

    fn reward_back(
        &self,
        plans: &Plans<'_, Self>,
        _: &[f32],
        by_rewards: &[f32],
        by_latents: &mut [f32],
        by_actions: &mut [f32],
        work: &mut Work,
    ) {
        let (Some(head), Some(packed)) = (&self.reward, &self.reverse().reward) else { return };
        let (d, block) = (self.latent, self.block);
        let &Plans { samples, horizon, .. } = plans;
        let (row, width) = (stride(head.hidden), 2 * d + block);
        work.by_input.resize(samples * width, 0.0);
        for t in 0..horizon {
            let by_hidden = &mut work.reward[t * samples * row..(t + 1) * samples * row];
            for (sample, line) in by_hidden.chunks_exact_mut(row).enumerate() {
                head.backward(by_rewards[t * samples + sample], &mut line[..head.hidden]);
            }
            let source = Source { values: by_hidden, stride: row, width: head.hidden, row: 0 };
            packed.product(samples, &[source], [None; 2], &mut work.by_input, width);
            for (sample, line) in work.by_input.chunks_exact(width).enumerate() {
                let at = (t * samples + sample) * d;
                accumulate(&mut by_latents[at..at + d], &line[..d]);
                let at = at + samples * d;
                accumulate(&mut by_latents[at..at + d], &line[d + block..]);
                let at = (sample * horizon + t) * block;
                accumulate(&mut by_actions[at..at + block], &line[d..d + block]);
            }
        }
    }
}

/// `h = silu(sources W + bias)`, rows `stride(outputs)` apart; `before` keeps what goes into the SiLU.
fn hidden_layer(
    weights: &Weights,
    samples: usize,
    sources: &[Source<'_>],
    bias: &[f32],
    before: Option<&mut [f32]>,
    h: &mut [f32],
) {
    let row = stride(weights.outputs());
    let bias = [Some(Addend::bias(bias)), None];
    match before {
        Some(before) => {
            weights.product(samples, sources, bias, before, row);
            silu(before, h);
        }
        None => {
            weights.product(samples, sources, bias, h, row);
            silu_in_place(h);
        }
    }
}

fn accumulate(sum: &mut [f32], values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}
