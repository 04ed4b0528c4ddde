//! A learned distance: how many action blocks lie between two latents, as episodes took them (Hartikainen et al. 2020,
//! "Dynamical distance learning", arXiv 1907.08225). It is the distance of two points in an embedding (Park et al. 2024,
//! "Foundation policies with Hilbert representations", arXiv 2402.15567), so that it is zero at the goal and smooth
//! about it; an expectile below the mean is fitted (Kostrikov et al. 2021, arXiv 2110.06169), since it is the quick
//! ways that tell how far apart things are.

use crate::ModelError;
use crate::layers::Builder;
use crate::ops::{Addend, Packed, Source, silu, silu_backward, stride};
use crate::regression::{Regression, Weights, forward, rows};
use crate::world_model::NamedArray;
use housecat_core::{Rng, Seed};
use safetensors::SafeTensors;
use std::ops::Range;
use std::path::Path;

/// Widths of the hidden layers and of the embedding.
const WIDTHS: [usize; 3] = [128, 128, 32];
/// Steps of its training.
pub(crate) const STEPS: u64 = 2000;
const BATCH: usize = 256;
const RATE: f32 = 1e-3;
/// Blocks that are told apart: the unit of distances.
const REACH: usize = 32;
/// Share of pairs from different episodes, which count as out of reach.
const APART: f32 = 0.1;
/// What a distance too long weighs in the loss beside one too short: the expectile is 0.1.
const TOO_LONG: f64 = 9.0;
/// Latents that are embedded at once.
const CHUNK: usize = 96;

/// An embedding `D -> 128 -> 128 -> 32` in which latents that lie n blocks apart lie n / 32 apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Distance(Weights);

fn widths(latent_dim: usize) -> [usize; 4] {
    let [first, second, third] = WIDTHS;
    [latent_dim, first, second, third]
}

/// Two rows of an episode and how many blocks lie between them, or of two episodes, out of reach.
fn pair(episodes: &[&Range<usize>], rng: &mut Rng) -> (usize, usize, usize) {
    let any = |rng: &mut Rng| {
        let episode = episodes[rng.index(episodes.len())];
        (episode.start + rng.index(episode.len()), episode)
    };
    let (now, episode) = any(rng);
    if rng.chance(APART) {
        let (other, its) = any(rng);
        if its != episode {
            return (now, other, REACH);
        }
    }
    let blocks = rng.index(REACH.min(episode.end - 1 - now) + 1);
    (now, now + blocks, blocks)
}

impl Distance {
    /// Learns from latents `[N, D]` in the rows of each episode, in so many steps of gradient descent.
    ///
    /// # Errors
    /// If no episode has two rows.
    pub fn train(
        latents: &[f32],
        episodes: &[Range<usize>],
        latent_dim: usize,
        steps: u64,
        seed: Seed,
    ) -> Result<Self, ModelError> {
        let long: Vec<&Range<usize>> = episodes.iter().filter(|rows| rows.len() > 1).collect();
        if long.is_empty() {
            return Err(ModelError::Data("no episode holds a whole action block".into()));
        }
        let seed = seed.child("distance", 0);
        let widths = widths(latent_dim);
        let mut builder = Builder::new(seed.child("weights", 0));
        let network = Weights::untrained(&mut builder, "distance", &widths)?;
        let mut rng = seed.child("batches", 0).rng();
        let regression = Regression { steps, batch: BATCH, rate: RATE, decay: 1e-4 };
        regression.descend(&builder, |_| {
            let (mut inputs, mut targets) = ([Vec::new(), Vec::new()], Vec::new());
            for _ in 0..BATCH {
                let (now, then, blocks) = pair(&long, &mut rng);
                for (input, row) in inputs.iter_mut().zip([now, then]) {
                    input.extend_from_slice(&latents[row * latent_dim..(row + 1) * latent_dim]);
                }
                targets.push(blocks as f32 / REACH as f32);
            }
            let embedded = forward(&network, rows(inputs.concat(), 2 * BATCH)?)?;
            let between = (embedded.narrow(0, 0, BATCH)? - embedded.narrow(0, BATCH, BATCH)?)?;
            // The root's slope at 0 is not finite.
            let guess = (between.sqr()?.sum_keepdim(1)? + 1e-6)?.sqrt()?;
            let excess = (guess - rows(targets, BATCH)?)?;
            let long = excess.relu()?.sqr()?.mean_all()?;
            let short = excess.neg()?.relu()?.sqr()?.mean_all()?;
            Ok(Some(((long * TOO_LONG)? + short)?))
        })?;
        Ok(Self(Weights::of(&builder, &widths)?))
    }

    /// Makes it ready to tell distances to the latent `goal` `[D]`.
    pub fn to(&self, goal: &[f32]) -> DistanceTo {
        let layers = self.0.layers.iter().map(|([inputs, outputs], weight, bias)| Layer {
            weight: Packed::new(weight, *inputs, *outputs),
            transposed: Packed::transposed(weight, *outputs, *inputs),
            bias: bias.clone(),
        });
        let layers = layers.collect();
        let mut to = DistanceTo { layers, goal: Vec::new(), work: Work::default() };
        to.aim(goal);
        to
    }

    pub(crate) fn arrays(&self) -> Vec<NamedArray> {
        self.0.arrays("distance")
    }

    /// `None` if the file is of a time when no distance was learned.
    pub(crate) fn load(
        path: &Path,
        tensors: &SafeTensors<'_>,
        latent_dim: usize,
    ) -> Result<Option<Self>, ModelError> {
        if tensors.tensor("distance.0.weight").is_err() {
            return Ok(None);
        }
        Ok(Some(Self(Weights::load(path, tensors, "distance", &widths(latent_dim))?)))
    }
}

/// A layer in packed weights, and the way back through it.
struct Layer {
    weight: Packed,
    transposed: Packed,
    bias: Vec<f32>,
}

/// Buffers of a chunk, by layer; rows are `stride(width)` apart.
#[derive(Default)]
struct Work {
    /// What goes into each SiLU.
    before: [Vec<f32>; 2],
    /// What each layer gives.
    outputs: [Vec<f32>; 3],
    by_input: Vec<f32>,
}

/// The [`Distance`] to one goal.
pub struct DistanceTo {
    layers: Vec<Layer>,
    /// The goal's embedding.
    goal: Vec<f32>,
    work: Work,
}

impl DistanceTo {
    fn latent_dim(&self) -> usize {
        self.layers[0].transposed.outputs()
    }

    /// Tells distances to this latent `[D]` from now on.
    pub fn aim(&mut self, goal: &[f32]) {
        self.embed(goal);
        self.goal.clear();
        self.goal.extend_from_slice(&self.work.outputs[2][..WIDTHS[2]]);
    }

    /// Embeds latents `[N, D]` into the last of the outputs.
    fn embed(&mut self, latents: &[f32]) {
        let d = self.latent_dim();
        let count = latents.len() / d;
        let Work { before, outputs, .. } = &mut self.work;
        for (buffer, width) in before.iter_mut().zip(WIDTHS).chain(outputs.iter_mut().zip(WIDTHS)) {
            buffer.resize(count * stride(width), 0.0);
        }
        let mut source = Source { values: latents, stride: d, width: d, row: 0 };
        let mut outputs = outputs.iter_mut();
        for (index, (layer, width)) in self.layers.iter().zip(WIDTHS).enumerate() {
            let (row, bias) = (stride(width), [Some(Addend::bias(&layer.bias)), None]);
            let Some(output) = outputs.next() else { break };
            match before.get_mut(index) {
                Some(before) => {
                    layer.weight.product(count, &[source], bias, before, row);
                    silu(before, output);
                }
                None => layer.weight.product(count, &[source], bias, output, row),
            }
            source = Source { values: output, stride: row, width, row: 0 };
        }
    }

    /// The squared distance from each of the latents `[N, D]`; 1 is as far as is told apart.
    pub fn squared(&mut self, latents: &[f32]) -> Vec<f32> {
        let d = self.latent_dim();
        let mut squared = Vec::with_capacity(latents.len() / d);
        for chunk in latents.chunks(CHUNK * d) {
            self.embed(chunk);
            let embedded = self.work.outputs[2].chunks_exact(stride(WIDTHS[2]));
            squared
                .extend(embedded.map(|x| {
                    x.iter().zip(&self.goal).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
                }));
        }
        squared
    }

    /// Adds to the gradient of a cost by the latents `[N, D]` what it owes to their squared distances, from its slope by
    /// each of these `[N]`.
    pub fn add_gradient(&mut self, latents: &[f32], slopes: &[f32], by_latents: &mut [f32]) {
        let d = self.latent_dim();
        let parts = latents.chunks(CHUNK * d).zip(slopes.chunks(CHUNK));
        for ((latents, slopes), by_latents) in parts.zip(by_latents.chunks_mut(CHUNK * d)) {
            self.embed(latents);
            let Work { before, outputs: [first, second, third], by_input } = &mut self.work;
            let [row1, row2, row3] = WIDTHS.map(stride);
            for (x, slope) in third.chunks_exact_mut(row3).zip(slopes) {
                x.iter_mut().zip(&self.goal).for_each(|(x, goal)| *x = 2.0 * slope * (*x - goal));
            }
            let back = |layer: usize, from: &[f32], to: &mut [f32], row: usize| {
                let width = WIDTHS[layer];
                let source = Source { values: from, stride: stride(width), width, row: 0 };
                self.layers[layer].transposed.product(slopes.len(), &[source], [None; 2], to, row);
            };
            back(2, third, second, row2);
            silu_backward(&before[1], second);
            back(1, second, first, row1);
            silu_backward(&before[0], first);
            by_input.resize(latents.len(), 0.0);
            back(0, first, by_input, d);
            by_latents.iter_mut().zip(&*by_input).for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks along a line of which the first component moves four times as fast as the second can.
    fn walks() -> (Vec<f32>, Vec<Range<usize>>) {
        let mut rng = Seed::new(5).rng();
        let (mut latents, mut episodes) = (Vec::new(), Vec::new());
        for episode in 0..200 {
            let mut z = [rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0)];
            let speed = if rng.chance(0.5) { [0.4, 0.0] } else { [0.0, 0.1] };
            let sign = if rng.chance(0.5) { 1.0 } else { -1.0 };
            for _ in 0..20 {
                latents.extend(z);
                z = [z[0] + sign * speed[0], z[1] + sign * speed[1]];
            }
            episodes.push(episode * 20..(episode + 1) * 20);
        }
        (latents, episodes)
    }

    #[test]
    fn what_takes_long_is_far() {
        let (latents, episodes) = walks();
        let train = || Distance::train(&latents, &episodes, 2, 600, Seed::new(1)).unwrap();
        let learned = train();
        assert_eq!(learned, train(), "the same seed, other weights");
        let mut to = learned.to(&[0.0, 0.0]);
        assert_eq!(to.squared(&[0.0, 0.0]), [0.0]);
        // Three blocks on the fast way, twelve on the slow one, as far in the latent.
        let blocks: Vec<f32> =
            to.squared(&[1.2, 0.0, 0.0, 1.2]).iter().map(|x| x.sqrt() * 32.0).collect();
        assert!((2.0..6.0).contains(&blocks[0]), "{blocks:?}");
        assert!((8.0..16.0).contains(&blocks[1]), "{blocks:?}");
    }

    #[test]
    fn gradients_are_those_of_the_distances() {
        let (latents, episodes) = walks();
        let learned = Distance::train(&latents, &episodes, 2, 1, Seed::new(1)).unwrap();
        let mut to = learned.to(&[0.4, -0.7]);
        let points = &latents[..2 * 150];
        let slopes: Vec<f32> = (0..150).map(|i| 1.0 - i as f32 * 0.01).collect();
        let mut grads = vec![0.5; points.len()];
        to.add_gradient(points, &slopes, &mut grads);
        let cost = |to: &mut DistanceTo, points: &[f32]| -> f64 {
            to.squared(points).iter().zip(&slopes).map(|(d, s)| f64::from(d * s)).sum()
        };
        for index in [0, 1, 97, 193, 299] {
            let mut moved = points.to_vec();
            moved[index] += 1e-2;
            let up = cost(&mut to, &moved);
            moved[index] -= 2e-2;
            let slope = (up - cost(&mut to, &moved)) / 2e-2;
            let grad = f64::from(grads[index] - 0.5);
            assert!((grad - slope).abs() < 1e-3 + 0.02 * slope.abs(), "{index}: {grad} {slope}");
        }
    }
}
