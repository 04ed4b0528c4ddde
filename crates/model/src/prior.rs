//! A policy learned from experience by hindsight: which block was executed on the way from one latent to another
//! (goal-conditioned inverse dynamics; Mode-1 behaviour in LeCun 2022, "A path towards autonomous machine
//! intelligence"). It proposes; the planner decides.

use crate::ModelError;
use crate::layers::Builder;
use crate::ops::{Layout2, matmul, silu_in_place};
use crate::regression::{Regression, Weights};
use crate::world_model::NamedArray;
use housecat_core::Seed;
use safetensors::SafeTensors;
use std::ops::Range;
use std::path::Path;

/// `[now, goal] -> 256 -> 256 -> block`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior(Weights);

const HIDDEN: usize = 256;
/// Steps of its training.
pub(crate) const STEPS: u64 = 1500;
const BATCH: usize = 256;
const RATE: f32 = 1e-3;
/// Blocks from now to the goal, at most.
const REACH: usize = 8;

fn widths([d, block]: [usize; 2]) -> [usize; 4] {
    [2 * d, HIDDEN, HIDDEN, block]
}

impl Prior {
    /// Learns from latents `[N, D]` and blocks `[N, block]`, in the rows of each episode.
    pub(crate) fn train(
        latents: &[f32],
        blocks: &[f32],
        episodes: &[Range<usize>],
        [d, block]: [usize; 2],
        steps: u64,
        seed: Seed,
    ) -> Result<Self, ModelError> {
        let long: Vec<&Range<usize>> = episodes.iter().filter(|rows| rows.len() > 1).collect();
        if long.is_empty() {
            return Err(ModelError::Data("no episode holds a whole action block".into()));
        }
        let seed = seed.child("prior", 0);
        let widths = widths([d, block]);
        let mut builder = Builder::new(seed.child("weights", 0));
        let network = Weights::untrained(&mut builder, "prior", &widths)?;
        let mut rng = seed.child("batches", 0).rng();
        let regression = Regression { steps, batch: BATCH, rate: RATE, decay: 1e-4 };
        regression.fit(&builder, &network, |input, target| {
            let rows = long[rng.index(long.len())];
            let now = rows.start + rng.index(rows.len() - 1);
            let then = (now + 1 + rng.index(REACH)).min(rows.end - 1);
            input.extend_from_slice(&latents[now * d..(now + 1) * d]);
            input.extend_from_slice(&latents[then * d..(then + 1) * d]);
            target.extend_from_slice(&blocks[now * block..(now + 1) * block]);
        })?;
        Ok(Self(Weights::of(&builder, &widths)?))
    }

    /// The block `[block]` that mostly led from `now` towards `goal`, `[D]` each.
    pub fn act(&self, now: &[f32], goal: &[f32]) -> Vec<f32> {
        let mut x = [now, goal].concat();
        for (index, (size, weight, bias)) in self.0.layers.iter().enumerate() {
            let mut y = bias.clone();
            let shape = [1, size[0], size[1]];
            matmul(shape, (&x, Layout2::Normal), (weight, Layout2::Normal), &mut y, true);
            if index + 1 < self.0.layers.len() {
                silu_in_place(&mut y);
            }
            x = y;
        }
        x.iter_mut().for_each(|value| *value = value.clamp(-1.0, 1.0));
        x
    }

    pub(crate) fn arrays(&self) -> Vec<NamedArray> {
        self.0.arrays("prior")
    }

    pub(crate) fn load(
        path: &Path,
        tensors: &SafeTensors<'_>,
        sizes: [usize; 2],
    ) -> Result<Self, ModelError> {
        Ok(Self(Weights::load(path, tensors, "prior", &widths(sizes))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a world that adds its block to its latent, from the episodes of a walk towards their own ends.
    #[test]
    fn it_learns_what_leads_from_here_to_there() {
        let mut rng = Seed::new(8).rng();
        let (mut latents, mut blocks, mut episodes) = (Vec::new(), Vec::new(), Vec::new());
        for episode in 0..60 {
            let direction = [rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3)];
            let mut z = [rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0)];
            for _ in 0..9 {
                latents.extend(z);
                blocks.extend(direction);
                z = [z[0] + direction[0], z[1] + direction[1]];
            }
            episodes.push(episode * 9..episode * 9 + 9);
        }
        let train =
            || Prior::train(&latents, &blocks, &episodes, [2, 2], 300, Seed::new(1)).unwrap();
        let prior = train();
        assert_eq!(prior, train(), "the same seed, other weights");
        let block = prior.act(&[0.0, 0.0], &[0.8, -0.8]);
        assert!(block[0] > 0.08 && block[1] < -0.08, "{block:?}");
    }
}
