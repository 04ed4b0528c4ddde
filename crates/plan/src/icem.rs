//! iCEM (Pinneri et al. 2020, "Sample-efficient cross-entropy method for real-time planning", arXiv
//! 2008.06389): the cross-entropy method with coloured noise, elites that are kept from round to round and,
//! shifted, from plan to plan, and fewer samples as the distribution narrows.

use crate::cem::refit;
use crate::config::in_range;
use crate::noise::Coloured;
use crate::{ActionSequences, PlanError, Planner, Prices};
use housecat_core::Rng;
use serde::{Deserialize, Serialize};

/// Hyper-parameters of [`Icem`]. The paper's actions lie in `[-1, 1]` too, so its defaults are taken as they
/// are; only `noise_beta` it chooses per task (0.25 to 4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IcemConfig {
    /// Candidates from which the distribution is refitted; at most half of `planner.samples`.
    pub elites: usize,
    /// Elites that stay candidates in the next round, and in the next plan; the paper's 0.3 of the elites.
    pub keep: usize,
    /// Spread of the first round, in action units.
    pub std: f32,
    /// Exponent of the noise: its power falls with frequency as 1 / f^noise_beta. 0 is white.
    pub noise_beta: f32,
    /// By this factor the candidates become fewer from one round to the next, down to twice the elites.
    pub decay: f32,
    /// Share of the old mean and spread kept in an update.
    pub momentum: f32,
}

impl Default for IcemConfig {
    fn default() -> Self {
        Self { elites: 10, keep: 3, std: 0.5, noise_beta: 2.0, decay: 1.25, momentum: 0.1 }
    }
}

/// A diagonal Gaussian with coloured noise, refitted to the best candidates.
pub struct Icem {
    config: IcemConfig,
    noise: Coloured,
    /// Candidates of a plan's first round.
    samples: usize,
    /// Rounds of this plan so far.
    round: usize,
    mean: Vec<f32>,
    std: Vec<f32>,
    candidates: ActionSequences,
    kept: Vec<f32>,
}

impl Icem {
    /// A planner over `[samples, horizon, action_dim]`.
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense.
    pub fn new(
        config: &IcemConfig,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        let fix = "choose between 1 and half of `planner.samples`";
        in_range("elites", config.elites, 1, samples / 2, fix)?;
        in_range("keep", config.keep, 0, config.elites, "keep no more than `planner.elites`")?;
        in_range("std", config.std, 1e-3, 10.0, "choose a spread between 0.001 and 10")?;
        in_range("noise_beta", config.noise_beta, 0.0, 8.0, "choose an exponent in [0, 8]")?;
        in_range("decay", config.decay, 1.0, 10.0, "choose a factor in [1, 10]")?;
        in_range("momentum", config.momentum, 0.0, 0.99, "choose a share in [0, 0.99]")?;
        let len = horizon * action_dim;
        Ok(Self {
            config: config.clone(),
            noise: Coloured::new(horizon, config.noise_beta),
            samples,
            round: 0,
            mean: vec![0.0; len],
            std: vec![config.std; len],
            candidates: ActionSequences::zeros(samples, horizon, action_dim),
            kept: Vec::new(),
        })
    }

    /// Candidates of the present round.
    fn count(&self) -> usize {
        let decayed =
            (0..self.round).fold(self.samples as f32, |count, _| count / self.config.decay);
        (decayed as usize).max(2 * self.config.elites)
    }
}

impl Planner for Icem {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        let count = self.count();
        let Self { noise, mean, std, candidates, kept, round, .. } = self;
        let len = mean.len();
        candidates.samples = count;
        candidates.values.resize(count * len, 0.0);
        let kept_count = kept.len() / len;
        for sample in 0..count {
            let sequence = candidates.sequence_mut(sample);
            if sample < kept_count {
                sequence.copy_from_slice(&kept[sample * len..(sample + 1) * len]);
            } else if sample == kept_count && *round == 0 {
                // The paper prices the mean only in a plan's last round, as in between it narrows the search. The
                // loop does that; here the mean is what the plan before has left, and due first.
                sequence.copy_from_slice(mean);
            } else {
                noise.fill(sequence, rng);
                for ((value, mean), std) in sequence.iter_mut().zip(&*mean).zip(&*std) {
                    *value = (mean + std * *value).clamp(-1.0, 1.0);
                }
            }
        }
        candidates
    }

    fn update(&mut self, prices: &Prices<'_>) {
        let Self { config, mean, std, candidates, kept, .. } = self;
        self.round += 1;
        let elites = prices.elites(config.elites);
        if elites.is_empty() {
            return;
        }
        refit(mean, std, candidates, elites, config.momentum);
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
        self.round = 0;
    }

    fn reset(&mut self) {
        self.mean.fill(0.0);
        self.std.fill(self.config.std);
        self.kept.clear();
        self.round = 0;
    }

    fn mean(&self) -> &[f32] {
        &self.mean
    }
}
