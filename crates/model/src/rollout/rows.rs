//! What the packed transformer does between its products: norms, gates and attention, row by row.

use crate::ops::{dot, moments, simd, softmax};
use crate::predictor::transformer::{EPSILON, PLAIN_EPSILON};

simd! {
    /// Plain normalisation, modulation and the following norm without its scale and shift.
    pub(super) fn modulated_norm(x: &[f32], row: usize, modulation: &[f32], modulation_row: usize, part: usize, d: usize, out: &mut [f32]) {
        for (index, (out, x)) in out.chunks_exact_mut(row).zip(x.chunks_exact(row)).enumerate() {
            let m = &modulation[index * modulation_row + part * d..][..2 * d];
            let (shift, scale) = m.split_at(d);
            let (out, x) = (&mut out[..d], &x[..d]);
            let (mean, inv) = moments(x, PLAIN_EPSILON);
            for i in 0..d {
                out[i] = (x[i] - mean) * inv * scale[i] + shift[i];
            }
            let (mean, inv) = moments(out, EPSILON);
            for value in out.iter_mut() {
                *value = (*value - mean) * inv;
            }
        }
    }
}

simd! {
    /// Layer normalisation without scale and shift.
    pub(super) fn norm(x: &[f32], row: usize, d: usize, out: &mut [f32]) {
        for (out, x) in out.chunks_exact_mut(row).zip(x.chunks_exact(row)) {
            let (mean, inv) = moments(&x[..d], EPSILON);
            for i in 0..d {
                out[i] = (x[i] - mean) * inv;
            }
        }
    }
}

simd! {
    /// `x += gate * update`.
    pub(super) fn add_gated(x: &mut [f32], row: usize, modulation: &[f32], modulation_row: usize, part: usize, d: usize, update: &[f32]) {
        for (index, (x, update)) in x.chunks_exact_mut(row).zip(update.chunks_exact(row)).enumerate() {
            let gate = &modulation[index * modulation_row + part * d..][..d];
            for i in 0..d {
                x[i] += gate[i] * update[i];
            }
        }
    }
}

/// Where the keys and values of a head lie in a token's row.
#[derive(Clone, Copy)]
pub(super) struct HeadShape {
    pub heads: usize,
    /// Of a key, a query, a value and an output.
    pub width: usize,
    /// From a head's key (and value) to the next one's.
    pub step: usize,
    /// From a key to its value.
    pub value: usize,
    /// Between rows of keys.
    pub row: usize,
    /// Between rows of queries, and of outputs.
    pub query_row: usize,
}

simd! {
    /// Attention of one token of every sample: `tokens` of its own and all of the lead's.
    pub(super) fn attend(
        query: &[f32],
        lead: &[f32],
        lead_tokens: usize,
        own: &[f32],
        tokens: usize,
        samples: usize,
        shape: HeadShape,
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let HeadShape { heads, width, step, value, row, query_row } = shape;
        let scores = &mut scores[..lead_tokens + tokens];
        for sample in 0..samples {
            for head in 0..heads {
                let q = &query[sample * query_row + head * width..][..width];
                let at = |token: usize| match token < lead_tokens {
                    true => &lead[token * row + head * step..],
                    false => &own[((token - lead_tokens) * samples + sample) * row + head * step..],
                };
                for (token, score) in scores.iter_mut().enumerate() {
                    *score = dot(q, &at(token)[..width]);
                }
                softmax(scores);
                let out = &mut out[sample * query_row + head * width..][..width];
                for (token, &weight) in scores.iter().enumerate() {
                    let values = &at(token)[value..value + width];
                    if token == 0 {
                        for i in 0..width {
                            out[i] = weight * values[i];
                        }
                    } else {
                        for i in 0..width {
                            out[i] += weight * values[i];
                        }
                    }
                }
            }
        }
    }
}
