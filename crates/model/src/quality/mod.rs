//! How good a model is beside how often it succeeds: what its latents hold, how they move, and how far ahead it
//! predicts. Everything is measured on episodes that no training has seen.

mod geometry;
mod open_loop;
mod perceptron;
mod probes;

pub use geometry::Spread;
pub use probes::{Probe, Reading};

use crate::{ModelError, Reconstruction, WorldModel};
use housecat_core::{Quantity, Seed};
use std::ops::Range;

/// Held-out episodes, looked at wherever an action block begins. Rows are in the order of time, episode by episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldOut {
    /// `[N, D]`.
    pub latents: Vec<f32>,
    /// The block executed from each row on, `[N, block]`; what stands in the last row of an episode is not used.
    pub blocks: Vec<f32>,
    /// Names of physical quantities, and what they measure.
    pub quantities: Vec<(String, Quantity)>,
    /// Their values, `[N, quantities]`.
    pub truth: Vec<f64>,
    /// The rows of each episode.
    pub episodes: Vec<Range<usize>>,
}

/// The figures. None of them is infinite or not a number: [`f64::MAX`] stands for what is beyond measure.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Quality {
    /// Episodes that were looked at.
    pub episodes: usize,
    /// Looks.
    pub frames: usize,
    /// Mean squared error in open loop by blocks ahead, from one block to the planner's horizon (or as far as
    /// episodes go), with the history that a planner in the midst of an episode has. In variances of the latents:
    /// 1 is as bad as predicting their mean.
    pub open_loop: Vec<f64>,
    /// The same for predicting that nothing changes.
    pub copy: Vec<f64>,
    /// How well each physical quantity can be read from one latent.
    pub probes: Vec<Probe>,
    /// Mean cosine of consecutive latent velocities, in [-1, 1]: 1 is a straight line, 0 a random walk (Hénaff et
    /// al. 2019, "Perceptual straightening of natural videos").
    pub straightness: f64,
    /// Effective rank of the latents, in [1, D]: exp of the entropy of their covariance's eigenvalues, normalised
    /// to sum 1 (Roy & Vetterli 2007, "The effective rank").
    pub effective_rank: f64,
    /// D.
    pub latent_dim: usize,
    /// Standard deviations of the latent's components; a least one near 0 is a component that has collapsed.
    pub std: Spread,
    /// How well a decoder paints the pictures of these latents, once that has been measured too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Reconstruction>,
}

impl Quality {
    /// Measures a model, with plans of `horizon` blocks in mind; the same seed gives the same bits. `None` where
    /// there is nothing to measure: less than two rows, or latents that are not finite.
    ///
    /// # Errors
    /// If the model's weights cannot be read or a tensor operation fails.
    ///
    /// # Panics
    /// If an array of `held_out` is shorter than its shape says.
    pub fn measure(
        model: &WorldModel,
        held_out: &HeldOut,
        horizon: usize,
        seed: Seed,
    ) -> Result<Option<Self>, ModelError> {
        let HeldOut { latents, episodes, .. } = held_out;
        let d = model.latent_dim();
        let frames = latents.len() / d;
        if frames < 2 || latents.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let mut rollout = model.latent_rollout()?;
        let (open_loop, copy) = open_loop::errors(
            held_out,
            [d, model.spec().block_dim()],
            horizon,
            &mut |start, before, blocks, ahead| {
                rollout.roll(start, before, blocks, 1, ahead).to_vec()
            },
        );
        let eigenvalues = geometry::eigenvalues(latents, d);
        Ok(Some(Self {
            episodes: episodes.len(),
            frames,
            open_loop,
            copy,
            probes: probes::fit(held_out, d, seed.child("probes", 0))?,
            straightness: geometry::straightness(latents, d, episodes),
            effective_rank: geometry::effective_rank(&eigenvalues),
            latent_dim: d,
            std: geometry::spread(latents, d),
            decoder: None,
        }))
    }
}

/// What is not finite, as the largest number that is: files hold no infinities.
pub(crate) fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::MAX }
}
