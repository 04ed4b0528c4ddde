//! LeWorldModel's predictor, packed.
//!
//! What is saved against the training path, exactly: scales and shifts of norms, biases and batch statistics
//! are folded into the products around them; keys and values of a window that only grows are kept, since
//! causal tokens do not change; those of the history are computed once for all samples; a window's first
//! token sees only itself, so that its attention is one product of D x D; in the last block only the last
//! token is worked out, and its keys and values are folded into its query and output, whatever the
//! window's length. Once the window slides, every token has another position, and is computed again.

use super::affine::{Affine, behind};
use super::chunk::{Network, Past, Plans};
use super::reward::Reward;
use super::rows::{HeadShape, add_gated, attend, modulated_norm, norm};
use crate::config::Precision;
use crate::ops::{Layout2, Source, Weights, gelu_in_place, matmul, silu, silu_in_place, stride};
use crate::predictor::transformer::{ACTION_SCALE, SMOOTHED, Sizes};
use crate::{ModelError, WorldModel};
use std::ops::Range;

pub(super) struct Transformer {
    sizes: Sizes,
    embed: [Affine; 2],
    /// `[history, D]`.
    positions: Vec<f32>,
    blocks: Vec<Block>,
    project: [Affine; 2],
    reward: Option<Reward>,
}

struct Block {
    /// To shift, 1 + scale and gate of the attention, then of the perceptron, `[D, 6 D]`.
    modulation: Affine,
    /// Divided by the root of the head's width.
    query: Affine,
    seen: Seen,
    out: Affine,
    /// Value and output in one, for a token that sees only itself, `[D, D]`.
    alone: Affine,
    mlp: [Affine; 2],
}

/// How a block looks at the tokens up to its own.
enum Seen {
    /// Keys and values of every token, `[D, 2 inner]`.
    Keys(Affine),
    /// By head: the query taken to the tokens' own space, `[head_dim, D]` (what a bias of the keys would add
    /// is the same for all tokens and falls out of the softmax), and the value of their mean, `[D, head_dim]`.
    Folded { keys: Vec<Weights>, values: Vec<Affine> },
}

/// Tokens of a window as later ones see them; rows token * n + sample.
#[derive(Default)]
struct Cache {
    tokens: usize,
    /// Keys and values, `stride(2 inner)` apart, of all blocks but the last.
    keys: Vec<Vec<f32>>,
    /// The last block's normalised inputs, `stride(D)` apart.
    last: Vec<f32>,
}

/// The history's part of every window that it leads.
#[derive(Default)]
pub(super) struct Prepared {
    start: Vec<f32>,
    /// Tokens of history.
    past: usize,
    /// Of the window that begins at each of them.
    windows: Vec<Cache>,
}

/// Buffers of a chunk.
#[derive(Default)]
pub(super) struct Work {
    /// Encoded blocks, rows t * s + sample, `stride(D)` apart.
    encoded: Vec<f32>,
    /// Each block's modulation by them, `stride(6 D)` apart.
    modulation: Vec<Vec<f32>>,
    cache: Cache,
    x: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    seen: Vec<f32>,
    update: Vec<f32>,
    hidden: Vec<f32>,
    scores: Vec<f32>,
}

/// A window to be worked out: its shared leading tokens and its own, of which those before `new` are known.
struct Window<'a> {
    rows: usize,
    lead: &'a Cache,
    new: Range<usize>,
    /// Whether more tokens will see these.
    grows: bool,
}

/// The rows of one token: values and the distance between samples.
type Rows<'a> = (&'a [f32], usize);

/// Columns `from..from + count` of row-major rows of `width`.
fn columns(weight: &[f32], width: usize, from: usize, count: usize) -> Vec<f32> {
    weight.chunks_exact(width).flat_map(|row| row[from..from + count].to_vec()).collect()
}

/// Row-major `a [m, k]` times `b [k, n]`.
fn times(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    let mut out = vec![0.0; m * n];
    matmul([m, k, n], (a, Layout2::Normal), (b, Layout2::Normal), &mut out, false);
    out
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

impl Block {
    fn new(
        sizes: &Sizes,
        last: bool,
        variable: &dyn Fn(&str) -> Result<Vec<f32>, ModelError>,
    ) -> Result<Self, ModelError> {
        let (d, inner, width) = (sizes.latent_dim, sizes.inner(), sizes.head_dim);
        let mut modulation_bias = variable("modulation.bias")?;
        for scale in [1, 4] {
            modulation_bias[scale * d..(scale + 1) * d].iter_mut().for_each(|value| *value += 1.0);
        }
        let (qkv, qkv_bias) = behind(
            &variable("attention.norm.gamma")?,
            &variable("attention.norm.beta")?,
            &variable("attention.qkv.weight")?,
            &vec![0.0; 3 * inner],
        );
        let part = |from: usize, count: usize| {
            (columns(&qkv, 3 * inner, from, count), qkv_bias[from..from + count].to_vec())
        };
        let scale = 1.0 / (width as f32).sqrt();
        let (mut query, mut query_bias) = part(0, inner);
        query.iter_mut().chain(&mut query_bias).for_each(|value| *value *= scale);
        let (value, value_bias) = part(2 * inner, inner);
        let (out, out_bias) = match sizes.projects_out() {
            true => (variable("attention.out.weight")?, variable("attention.out.bias")?),
            false => {
                let identity = (0..d * d).map(|i| if i % (d + 1) == 0 { 1.0 } else { 0.0 });
                (identity.collect(), vec![0.0; d])
            }
        };
        let alone = times(&value, &out, [d, inner, d]);
        let alone_bias = add(&times(&value_bias, &out, [1, inner, d]), &out_bias);
        let seen = if last {
            let head = |from: usize, head: usize| part(from + head * width, width);
            Seen::Folded {
                keys: (0..sizes.heads)
                    .map(|index| Weights::transposed(&head(inner, index).0, width, d))
                    .collect(),
                values: (0..sizes.heads)
                    .map(|index| {
                        let (weight, bias) = head(2 * inner, index);
                        Affine::new(&weight, bias)
                    })
                    .collect(),
            }
        } else {
            let (weight, bias) = part(inner, 2 * inner);
            Seen::Keys(Affine::new(&weight, bias))
        };
        let (mlp, mlp_bias) = behind(
            &variable("mlp.norm.gamma")?,
            &variable("mlp.norm.beta")?,
            &variable("mlp.0.weight")?,
            &variable("mlp.0.bias")?,
        );
        Ok(Self {
            modulation: Affine::new(&variable("modulation.weight")?, modulation_bias),
            query: Affine::new(&query, query_bias),
            seen,
            out: Affine::new(&out, out_bias),
            alone: Affine::new(&alone, alone_bias),
            mlp: [
                Affine::new(&mlp, mlp_bias),
                Affine::new(&variable("mlp.1.weight")?, variable("mlp.1.bias")?),
            ],
        })
    }
}

impl Transformer {
    /// Packs the predictor's weights whose names begin with `name`.
    pub(super) fn new(model: &WorldModel, sizes: Sizes, name: &str) -> Result<Self, ModelError> {
        let Sizes { latent_dim: d, block_dim, depth, mlp, .. } = sizes;
        let variable = |part: &str| model.variable(&format!("{name}.{part}"));
        let hidden = ACTION_SCALE * d;
        let (smooth, smooth_bias) = (variable("action.0.weight")?, variable("action.0.bias")?);
        let (wide, wide_bias) = (variable("action.1.weight")?, variable("action.1.bias")?);
        let embed = Affine::new(
            &times(&smooth, &wide, [block_dim, SMOOTHED, hidden]),
            add(&times(&smooth_bias, &wide, [1, SMOOTHED, hidden]), &wide_bias),
        );
        let blocks = (0..depth)
            .map(|index| {
                let own = |part: &str| variable(&format!("block{index}.{part}"));
                Block::new(&sizes, index + 1 == depth, &own)
            })
            .collect::<Result<_, _>>()?;
        let (mut first, mut first_bias) = behind(
            &variable("norm.gamma")?,
            &variable("norm.beta")?,
            &variable("projection.0.weight")?,
            &variable("projection.0.bias")?,
        );
        let (mean, inverse_std) = model.running(&format!("{name}.projection.norm"))?;
        let gamma = variable("projection.norm.gamma")?;
        let scale: Vec<f32> =
            inverse_std.iter().zip(&gamma).map(|(inv, gamma)| inv * gamma).collect();
        for row in first.chunks_exact_mut(mlp) {
            row.iter_mut().zip(&scale).for_each(|(value, scale)| *value *= scale);
        }
        let beta = variable("projection.norm.beta")?;
        for (i, bias) in first_bias.iter_mut().enumerate() {
            *bias = (*bias - mean[i]) * scale[i] + beta[i];
        }
        Ok(Self {
            sizes,
            embed: [embed, Affine::new(&variable("action.2.weight")?, variable("action.2.bias")?)],
            positions: variable("positions")?,
            blocks,
            project: [
                Affine::new(&first, first_bias),
                Affine::new(&variable("projection.1.weight")?, variable("projection.1.bias")?),
            ],
            reward: Reward::new(model, |rows, hidden| (rows.to_vec(), vec![0.0; hidden]))?,
        })
    }

    /// Encodes blocks, rows t * n + sample, and what they modulate every block by.
    fn condition(&self, blocks: &[f32], n: usize, steps: usize, work: &mut Work) {
        let Sizes { latent_dim: d, block_dim: block, depth, .. } = self.sizes;
        let (row, hidden) = (stride(d), ACTION_SCALE * d);
        let rows = n * steps;
        work.hidden.resize(rows * stride(hidden), 0.0);
        for t in 0..steps {
            let values = &blocks[t * block..];
            let source = Source { values, stride: steps * block, width: block, row: 0 };
            let out = &mut work.hidden[t * n * stride(hidden)..];
            self.embed[0].apply(n, &[source], out);
        }
        silu_in_place(&mut work.hidden);
        work.encoded.resize(rows * row, 0.0);
        let source = Source { values: &work.hidden, stride: stride(hidden), width: hidden, row: 0 };
        self.embed[1].apply(rows, &[source], &mut work.encoded);
        work.normed.resize(rows * row, 0.0);
        silu(&work.encoded, &mut work.normed);
        work.modulation.resize_with(depth, Vec::new);
        for (block, out) in self.blocks.iter().zip(&mut work.modulation) {
            out.resize(rows * stride(6 * d), 0.0);
            let source = Source { values: &work.normed, stride: row, width: d, row: 0 };
            block.modulation.apply(rows, &[source], out);
        }
    }

    /// Works out a window's new tokens: `latent` and `time` give the latents and the step of each of its own.
    /// `out`, if wanted, gets the prediction `[n, D]` behind the last.
    fn pass<'a>(
        &self,
        window: &Window<'_>,
        latent: impl Fn(usize) -> Rows<'a>,
        time: impl Fn(usize) -> usize,
        work: &mut Work,
        out: Option<&mut [f32]>,
    ) {
        let Sizes { latent_dim: d, depth, mlp, .. } = self.sizes;
        let &Window { rows: n, lead, ref new, grows } = window;
        let inner = self.sizes.inner();
        let (row, key_row, m_row) = (stride(d), stride(2 * inner), stride(6 * d));
        let count = new.len();
        let size = n * row;
        for (buffer, width) in [
            (&mut work.x, d),
            (&mut work.normed, d),
            (&mut work.update, d),
            (&mut work.query, inner),
            (&mut work.seen, inner),
            (&mut work.hidden, mlp),
        ] {
            buffer.resize(count * n * stride(width), 0.0);
        }
        work.scores.resize(lead.tokens + new.end, 0.0);
        work.cache.keys.resize_with(depth - 1, Vec::new);
        for keys in &mut work.cache.keys {
            keys.resize(keys.len().max(new.end * n * key_row), 0.0);
        }
        let cached = new.end * size;
        work.cache.last.resize(work.cache.last.len().max(cached), 0.0);
        work.cache.tokens = new.end;
        for (index, token) in new.clone().enumerate() {
            let position = &self.positions[(lead.tokens + token) * d..][..d];
            let (values, from) = latent(token);
            for (sample, x) in work.x[index * size..][..size].chunks_exact_mut(row).enumerate() {
                for i in 0..d {
                    x[i] = values[sample * from + i] + position[i];
                }
            }
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            let modulation = |token: usize, all: &[Vec<f32>]| {
                let at = time(token) * n * m_row;
                at..at + n * m_row.min(all[layer].len())
            };
            let last = layer + 1 == depth;
            for (index, token) in new.clone().enumerate() {
                let m = &work.modulation[layer][modulation(token, &work.modulation)];
                let to = match last {
                    true => &mut work.cache.last[token * size..(token + 1) * size],
                    false => &mut work.normed[index * size..(index + 1) * size],
                };
                modulated_norm(&work.x[index * size..][..size], row, m, m_row, 0, d, to);
            }
            // Only the last token of the last block is wanted.
            let asked = if last { new.end - 1..new.end } else { new.clone() };
            if last && out.is_none() {
                return;
            }
            let offset = asked.start - new.start;
            let alone = usize::from(lead.tokens == 0 && asked.start == 0);
            let rest = asked.len() - alone;
            let normed = match last {
                true => &work.cache.last[asked.start * size..asked.end * size],
                false => &work.normed[..],
            };
            let source = |from: usize| Source {
                values: &normed[from * size..],
                stride: row,
                width: d,
                row: 0,
            };
            if let Seen::Keys(keys) = &block.seen
                && (grows || lead.tokens + new.end > 1)
            {
                let to = &mut work.cache.keys[layer][new.start * n * key_row..];
                keys.apply(count * n, &[source(0)], to);
            }
            if alone > 0 {
                block.alone.apply(n, &[source(0)], &mut work.update);
            }
            if rest > 0 {
                block.query.apply(rest * n, &[source(alone)], &mut work.query);
                match &block.seen {
                    Seen::Keys(_) => {
                        let shape = HeadShape {
                            heads: self.sizes.heads,
                            width: self.sizes.head_dim,
                            step: self.sizes.head_dim,
                            value: inner,
                            row: key_row,
                            query_row: stride(inner),
                        };
                        let q_size = n * stride(inner);
                        for index in 0..rest {
                            let none = Vec::new();
                            attend(
                                &work.query[index * q_size..],
                                lead.keys.get(layer).unwrap_or(&none),
                                lead.tokens,
                                &work.cache.keys[layer],
                                asked.start + alone + index + 1,
                                n,
                                shape,
                                &mut work.scores,
                                &mut work.seen[index * q_size..],
                            );
                        }
                    }
                    Seen::Folded { keys, values } => {
                        self.look_folded(n, lead, asked.end, (keys, values), work);
                    }
                }
                let values = &work.seen[..];
                let source = Source { values, stride: stride(inner), width: inner, row: 0 };
                block.out.apply(rest * n, &[source], &mut work.update[alone * size..]);
            }
            for (index, token) in asked.clone().enumerate() {
                let m = &work.modulation[layer][modulation(token, &work.modulation)];
                let x = &mut work.x[(offset + index) * size..][..size];
                add_gated(x, row, m, m_row, 2, d, &work.update[index * size..][..size]);
                let to = &mut work.normed[index * size..][..size];
                modulated_norm(x, row, m, m_row, 3, d, to);
            }
            let rows = asked.len() * n;
            let source = Source { values: &work.normed, stride: row, width: d, row: 0 };
            let hidden = &mut work.hidden[..rows * stride(mlp)];
            block.mlp[0].apply(rows, &[source], hidden);
            gelu_in_place(hidden);
            let source = Source { values: hidden, stride: stride(mlp), width: mlp, row: 0 };
            block.mlp[1].apply(rows, &[source], &mut work.update);
            for (index, token) in asked.enumerate() {
                let m = &work.modulation[layer][modulation(token, &work.modulation)];
                let x = &mut work.x[(offset + index) * size..][..size];
                add_gated(x, row, m, m_row, 5, d, &work.update[index * size..][..size]);
            }
        }
        if let Some(out) = out {
            let x = &work.x[(count - 1) * size..][..size];
            norm(x, row, d, &mut work.normed[..size]);
            let source = Source { values: &work.normed, stride: row, width: d, row: 0 };
            let hidden = &mut work.hidden[..n * stride(mlp)];
            self.project[0].apply(n, &[source], hidden);
            gelu_in_place(hidden);
            let source = Source { values: hidden, stride: stride(mlp), width: mlp, row: 0 };
            self.project[1].apply_strided(n, &[source], out, d);
        }
    }

    /// The last block's attention of its last token: queries go to the tokens' space, where scores and means
    /// are taken, and the means become values.
    fn look_folded(
        &self,
        n: usize,
        lead: &Cache,
        tokens: usize,
        (keys, values): (&[Weights], &[Affine]),
        work: &mut Work,
    ) {
        let Sizes { latent_dim: d, heads, head_dim, .. } = self.sizes;
        let inner = self.sizes.inner();
        let wide = stride(heads * d);
        // The perceptron's buffer is free here.
        work.hidden.resize(work.hidden.len().max(2 * n * wide), 0.0);
        let (taken, means) = work.hidden.split_at_mut(n * wide);
        for (head, keys) in keys.iter().enumerate() {
            let values = &work.query[head * head_dim..];
            let source = Source { values, stride: stride(inner), width: head_dim, row: 0 };
            keys.product(n, &[source], [None; 2], &mut taken[head * d..], wide);
        }
        let shape =
            HeadShape { heads, width: d, step: 0, value: 0, row: stride(d), query_row: wide };
        let (own, scores) = (&work.cache.last, &mut work.scores);
        attend(taken, &lead.last, lead.tokens, own, tokens, n, shape, scores, means);
        for (head, map) in values.iter().enumerate() {
            let source = Source { values: &means[head * d..], stride: wide, width: d, row: 0 };
            map.apply_strided(n, &[source], &mut work.seen[head * head_dim..], stride(inner));
        }
    }
}

impl Network for Transformer {
    type Prepared = Prepared;
    type Work = Work;

    fn round(&mut self, precision: Precision) {
        let round = |affine: &mut Affine| affine.round(precision);
        for Block { modulation, query, seen, out, alone, mlp } in &mut self.blocks {
            [modulation, query, out, alone].into_iter().chain(mlp).for_each(round);
            match seen {
                Seen::Keys(keys) => round(keys),
                Seen::Folded { keys, values } => {
                    keys.iter_mut().for_each(|keys| keys.round(precision));
                    values.iter_mut().for_each(round);
                }
            }
        }
        self.embed.iter_mut().chain(&mut self.project).for_each(round);
    }

    fn prepare(&self, start: &[f32], past: Past<'_>) -> Prepared {
        let Sizes { latent_dim: d, block_dim: block, history, .. } = self.sizes;
        let known = (past.latents.len() / d).min(past.blocks.len() / block);
        let count = known.min(history - 1);
        let latents = &past.latents[(known - count) * d..];
        let blocks = &past.blocks[(known - count) * block..];
        let mut work = Work::default();
        if count > 0 {
            self.condition(&blocks[..count * block], 1, count, &mut work);
        }
        let windows = (0..count)
            .map(|first| {
                let lead = Cache::default();
                let window = Window { rows: 1, lead: &lead, new: 0..count - first, grows: true };
                let latent = |token: usize| (&latents[(first + token) * d..], d);
                self.pass(&window, latent, |token| first + token, &mut work, None);
                std::mem::take(&mut work.cache)
            })
            .collect();
        Prepared { start: start[..d].to_vec(), past: count, windows }
    }

    fn begin(&self, plans: &Plans<'_, Self>, work: &mut Work) {
        self.condition(plans.actions, plans.samples, plans.horizon, work);
    }

    fn step(
        &self,
        plans: &Plans<'_, Self>,
        t: usize,
        done: &[f32],
        ahead: &mut [f32],
        work: &mut Work,
    ) {
        let Sizes { latent_dim: d, history, .. } = self.sizes;
        let &Plans { samples: n, horizon, prepared, .. } = plans;
        let latent = |step: usize| -> Rows<'_> {
            match step {
                0 => (&prepared.start, 0),
                _ => (&done[(step - 1) * n * d..step * n * d], d),
            }
        };
        // The window's first token, counted from the start of the history.
        let first = (prepared.past + t + 1).saturating_sub(history);
        let none = Cache::default();
        let lead = prepared.windows.get(first).unwrap_or(&none);
        let own = first.saturating_sub(prepared.past);
        let end = t + 1 - own;
        let new = if first == 0 { t..end } else { 0..end };
        let grows = prepared.past + t + 1 < history && t + 1 < horizon;
        let window = Window { rows: n, lead, new, grows };
        self.pass(&window, |token| latent(own + token), |token| own + token, work, Some(ahead));
    }

    fn reward(
        &self,
        plans: &Plans<'_, Self>,
        latents: &[f32],
        work: &mut Work,
        rewards: &mut Vec<f32>,
    ) {
        let Some(head) = &self.reward else { return };
        let d = self.sizes.latent_dim;
        let &Plans { samples: n, horizon, prepared, .. } = plans;
        for t in 0..horizon {
            let latent = |step: usize, row: usize| match step {
                0 => Source { values: &prepared.start, stride: 0, width: d, row },
                _ => Source { values: &latents[(step - 1) * n * d..], stride: d, width: d, row },
            };
            let values = &work.encoded[t * n * stride(d)..];
            let middle = Source { values, stride: stride(d), width: d, row: d };
            let sources = [latent(t, 0), middle, latent(t + 1, 2 * d)];
            head.forward(n, &sources, None, &mut work.hidden, rewards);
        }
    }
}
