//! The cross-entropy method (Rubinstein 1999; for control, de Boer et al. 2005), with temporally
//! correlated noise and kept elites as in iCEM (Pinneri et al. 2020, arXiv 2008.06389).

use crate::config::in_range;
use crate::noise::autoregressive;
use crate::{ActionSequences, PlanError, Planner, Prices};
use housecat_core::Rng;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of [`Cem`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CemConfig {
    /// Candidates from which the distribution is refitted.
    pub elites: usize,
    /// Elites that stay candidates in the next round.
    pub keep: usize,
    /// Spread of the first round, in action units.
    pub std: f32,
    /// The spread never falls below this.
    pub min_std: f32,
    /// Correlation of the noise from one control step to the next.
    pub rho: f32,
    /// Share of the old mean and spread kept in an update.
    pub momentum: f32,
}

impl Default for CemConfig {
    fn default() -> Self {
        Self { elites: 12, keep: 4, std: 0.5, min_std: 0.05, rho: 0.9, momentum: 0.1 }
    }
}

/// A diagonal Gaussian over sequences, refitted to the best candidates.
pub struct Cem {
    config: CemConfig,
    mean: Vec<f32>,
    std: Vec<f32>,
    candidates: ActionSequences,
    kept: Vec<f32>,
}

impl Cem {
    /// A planner over `[samples, horizon, action_dim]`.
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense.
    pub fn new(
        config: &CemConfig,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        in_range("elites", config.elites, 1, samples, "choose between 1 and `planner.samples`")?;
        in_range("keep", config.keep, 0, samples - 1, "keep fewer than `planner.samples`")?;
        in_range("std", config.std, 1e-3, 10.0, "choose a spread between 0.001 and 10")?;
        in_range("min_std", config.min_std, 0.0, config.std, "choose between 0 and `planner.std`")?;
        in_range("rho", config.rho, 0.0, 0.999, "choose a correlation in [0, 0.999]")?;
        in_range("momentum", config.momentum, 0.0, 0.99, "choose a share in [0, 0.99]")?;
        let len = horizon * action_dim;
        Ok(Self {
            config: config.clone(),
            mean: vec![0.0; len],
            std: vec![config.std; len],
            candidates: ActionSequences::zeros(samples, horizon, action_dim),
            kept: Vec::new(),
        })
    }

    /// The candidates last proposed.
    pub(crate) fn candidates(&self) -> &ActionSequences {
        &self.candidates
    }

    /// Believes in the first of `sequences`, and keeps as many as it would of its own elites.
    pub(crate) fn adopt<'a>(&mut self, sequences: impl Iterator<Item = &'a [f32]>) {
        self.kept.clear();
        for (rank, sequence) in sequences.take(self.config.keep.max(1)).enumerate() {
            if rank == 0 {
                self.mean.copy_from_slice(sequence);
            }
            if rank < self.config.keep {
                self.kept.extend_from_slice(sequence);
            }
        }
    }
}

impl Planner for Cem {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        let Self { config, mean, std, candidates, kept } = self;
        let (len, action_dim) = (mean.len(), candidates.action_dim);
        let kept_count = kept.len() / len;
        for sample in 0..candidates.samples {
            let sequence = candidates.sequence_mut(sample);
            if sample < kept_count {
                sequence.copy_from_slice(&kept[sample * len..(sample + 1) * len]);
            } else if sample == kept_count {
                sequence.copy_from_slice(mean);
            } else {
                autoregressive(sequence, action_dim, config.rho, rng);
                for ((value, mean), std) in sequence.iter_mut().zip(&*mean).zip(&*std) {
                    *value = (mean + std * *value).clamp(-1.0, 1.0);
                }
            }
        }
        candidates
    }

    fn update(&mut self, prices: &Prices<'_>) {
        let Self { config, mean, std, candidates, kept } = self;
        let elites = prices.elites(config.elites);
        if elites.is_empty() {
            return;
        }
        refit(mean, std, candidates, elites, config.momentum);
        std.iter_mut().for_each(|std| *std = std.max(config.min_std));
        kept.clear();
        for &elite in elites.iter().take(config.keep) {
            kept.extend_from_slice(candidates.sequence(elite));
        }
    }

    fn elites(&self) -> usize {
        self.config.elites
    }

    fn std(&self) -> f32 {
        self.std.iter().sum::<f32>() / self.std.len() as f32
    }

    fn shift(&mut self, shift: &dyn Fn(&mut [f32])) {
        shift(&mut self.mean);
        let len = self.mean.len();
        self.kept.chunks_exact_mut(len).for_each(shift);
        self.std.fill(self.config.std);
    }

    fn reset(&mut self) {
        self.mean.fill(0.0);
        self.std.fill(self.config.std);
        self.kept.clear();
    }

    fn mean(&self) -> &[f32] {
        &self.mean
    }
}

/// Moves a diagonal Gaussian to the elites, keeping a share `momentum` of what it was.
pub(crate) fn refit(
    mean: &mut [f32],
    std: &mut [f32],
    candidates: &ActionSequences,
    elites: &[usize],
    momentum: f32,
) {
    let count = elites.len() as f32;
    for (index, (mean, std)) in mean.iter_mut().zip(std).enumerate() {
        let values = elites.iter().map(|&elite| candidates.sequence(elite)[index]);
        let centre = values.clone().sum::<f32>() / count;
        let spread = (values.map(|value| (value - centre).powi(2)).sum::<f32>() / count).sqrt();
        *mean = momentum * *mean + (1.0 - momentum) * centre;
        *std = momentum * *std + (1.0 - momentum) * spread;
    }
}
