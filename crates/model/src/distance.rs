//! A distance in units of change: what a block hardly changes counts more than what it changes much, as the T does
//! beside the pusher that has to go round it. It is the Mahalanobis distance under the covariance of the changes of the
//! latent over one action block; the covariance's mean variance is added to it, so that what never changes does not
//! count without bound (shrinkage; Ledoit & Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
//! matrices").

use crate::ModelError;
use crate::checkpoint::{fetch, serialize, write_file};
use crate::error::io;
use crate::ops::{Packed, Source};
use crate::world_model::NamedArray;
use nalgebra::DMatrix;
use safetensors::SafeTensors;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A linear map of the latent `[D]` after which squared distances are in units of change, times a factor under which they
/// are on average over all directions what they are in the latent.
pub struct Distance {
    latent_dim: usize,
    /// `[D, D]`; a row vector is multiplied from the left.
    map: Vec<f32>,
    packed: Packed,
    transposed: Packed,
}

/// What lies between latents and a goal.
pub struct Apart {
    /// The squared distances per component `[N]`.
    pub squared: Vec<f32>,
    /// The differences, mapped `[N, D]`.
    mapped: Vec<f32>,
}

impl Distance {
    /// From latents `[N, D]` in the rows of each episode; the plain distance if nothing changes in them.
    pub fn of(latents: &[f32], episodes: &[Range<usize>], latent_dim: usize) -> Self {
        let d = latent_dim;
        let mut covariance = DMatrix::<f64>::zeros(d, d);
        for rows in episodes {
            let rows = &latents[rows.start * d..rows.end * d];
            let changes = rows.windows(d * 2).step_by(d).map(|pair| {
                let (before, after) = pair.split_at(d);
                before.iter().zip(after).map(|(b, a)| f64::from(a - b)).collect::<Vec<_>>()
            });
            let changes: Vec<f64> = changes.flatten().collect();
            let changes = DMatrix::from_row_slice(changes.len() / d, d, &changes);
            covariance.gemm_tr(1.0, &changes, &changes, 1.0);
        }
        let mean = covariance.trace() / d as f64;
        let shrunk = covariance + DMatrix::identity(d, d) * mean;
        let metric = shrunk.cholesky().map_or(DMatrix::identity(d, d), |factor| factor.inverse());
        let metric = &metric * (d as f64 / metric.trace());
        let factor = metric.cholesky().map_or(DMatrix::identity(d, d), |factor| factor.unpack());
        // Row-major L, which nalgebra, column-major, holds as the transpose.
        Self::new(factor.transpose().iter().map(|&value| value as f32).collect(), d)
    }

    fn new(map: Vec<f32>, latent_dim: usize) -> Self {
        let packed = Packed::new(&map, latent_dim, latent_dim);
        let transposed = Packed::transposed(&map, latent_dim, latent_dim);
        Self { latent_dim, map, packed, transposed }
    }

    /// From each of the latents `[N, D]` to `goal` `[D]`.
    pub fn to(&self, goal: &[f32], latents: &[f32]) -> Apart {
        let d = self.latent_dim;
        let ways =
            latents.chunks_exact(d).flat_map(|z| z.iter().zip(goal).map(|(z, goal)| z - goal));
        let ways: Vec<f32> = ways.collect();
        let source = Source { values: &ways, stride: d, width: d, row: 0 };
        let mut mapped = vec![0.0; ways.len()];
        self.packed.product(ways.len() / d, &[source], [None; 2], &mut mapped, d);
        let square = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() / d as f32;
        Apart { squared: mapped.chunks_exact(d).map(square).collect(), mapped }
    }

    /// Adds to the gradient of a cost by the latents `[N, D]` what it owes to their squared distances, from its slope by
    /// each of these `[N]`.
    pub fn add_gradient(&self, apart: Apart, slopes: &[f32], by_latents: &mut [f32]) {
        let d = self.latent_dim;
        let Apart { squared, mut mapped } = apart;
        for (x, slope) in mapped.chunks_exact_mut(d).zip(slopes) {
            x.iter_mut().for_each(|x| *x *= 2.0 * slope / d as f32);
        }
        let source = Source { values: &mapped, stride: d, width: d, row: 0 };
        let mut grads = vec![0.0; mapped.len()];
        self.transposed.product(squared.len(), &[source], [None; 2], &mut grads, d);
        by_latents.iter_mut().zip(&grads).for_each(|(sum, grad)| *sum += grad);
    }

    fn path(checkpoint: &Path) -> PathBuf {
        checkpoint.join("distance.safetensors")
    }

    /// Whether a checkpoint has one.
    pub fn is_in(checkpoint: &Path) -> bool {
        Self::path(checkpoint).is_file()
    }

    /// Adds it to a checkpoint, `distance.safetensors`; the file appears whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, checkpoint: &Path) -> Result<(), ModelError> {
        let path = Self::path(checkpoint);
        let shape = vec![self.latent_dim; 2];
        let map = NamedArray { name: "map".into(), shape, values: self.map.clone() };
        let partial = path.with_extension("partial");
        write_file(&partial, &serialize(&[map])?)?;
        std::fs::rename(&partial, &path).map_err(io(&path))
    }

    /// That of a checkpoint, if it has one.
    pub(crate) fn load(checkpoint: &Path, latent_dim: usize) -> Result<Option<Self>, ModelError> {
        if !Self::is_in(checkpoint) {
            return Ok(None);
        }
        let path = Self::path(checkpoint);
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| ModelError::Checkpoint {
            path: path.clone(),
            detail: error.to_string(),
        })?;
        Ok(Some(Self::new(fetch(&path, &tensors, "map", &[latent_dim; 2])?, latent_dim)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    /// Walks in two components of which the first changes by four times as much as the second.
    fn walks() -> (Vec<f32>, Vec<Range<usize>>) {
        let mut rng = Seed::new(5).rng();
        let (mut latents, mut episodes) = (Vec::new(), Vec::new());
        for episode in 0..50 {
            let mut z = [rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0)];
            for _ in 0..20 {
                latents.extend(z);
                z = [z[0] + 0.4 * rng.normal(), z[1] + 0.1 * rng.normal()];
            }
            episodes.push(episode * 20..(episode + 1) * 20);
        }
        (latents, episodes)
    }

    #[test]
    fn what_hardly_changes_counts_more() {
        let (latents, episodes) = walks();
        let distance = Distance::of(&latents, &episodes, 2);
        let to = |z: [f32; 2]| distance.to(&[0.5, 0.5], &z).squared[0];
        assert_eq!(to([0.5, 0.5]), 0.0);
        let (much, little) = (to([1.5, 0.5]), to([0.5, 1.5]));
        // Variances of 0.16 and 0.01, and their mean beside each: 0.245 and 0.095.
        assert!((little / much - 2.58).abs() < 0.3, "{much} {little}");
        assert!((much + little - 1.0).abs() < 1e-5, "on average as in the latent");
    }

    #[test]
    fn where_nothing_changes_it_is_the_plain_one() {
        let distance = Distance::of(&[1.0; 8], &[0..2, 2..3, 3..4, 4..4], 2);
        assert_eq!(distance.to(&[0.0, 0.0], &[1.0, 2.0]).squared, [2.5]);
    }

    #[test]
    fn it_is_the_same_after_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Distance::load(folder.path(), 2).unwrap().is_none());
        let (latents, episodes) = walks();
        let distance = Distance::of(&latents, &episodes, 2);
        distance.save(folder.path()).unwrap();
        assert_eq!(Distance::load(folder.path(), 2).unwrap().unwrap().map, distance.map);
        let error = Distance::load(folder.path(), 3).err().unwrap().to_string();
        assert!(error.contains("distance.safetensors") && error.contains("[3, 3]"), "{error}");
    }

    #[test]
    fn gradients_are_those_of_the_distances() {
        let (latents, episodes) = walks();
        let distance = Distance::of(&latents, &episodes, 2);
        let goal = [0.4, -0.7];
        let points = &latents[..2 * 150];
        let slopes: Vec<f32> = (0..150).map(|i| 1.0 - i as f32 * 0.01).collect();
        let mut grads = vec![0.5; points.len()];
        distance.add_gradient(distance.to(&goal, points), &slopes, &mut grads);
        let cost = |points: &[f32]| -> f64 {
            let squared = distance.to(&goal, points).squared;
            squared.iter().zip(&slopes).map(|(d, s)| f64::from(d * s)).sum()
        };
        for index in [0, 1, 97, 193, 299] {
            let mut moved = points.to_vec();
            moved[index] += 1e-2;
            let up = cost(&moved);
            moved[index] -= 2e-2;
            let slope = (up - cost(&moved)) / 2e-2;
            let grad = f64::from(grads[index] - 0.5);
            assert!((grad - slope).abs() < 1e-3 + 0.02 * slope.abs(), "{index}: {grad} {slope}");
        }
    }
}
