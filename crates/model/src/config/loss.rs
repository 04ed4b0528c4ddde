//! Configuration of the loss.

use super::{ModelConfig, reject};
use crate::ModelError;
use serde::{Deserialize, Serialize};

/// A weight that moves geometrically from its start to its end between two fractions of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The weight at first.
    pub start: f32,
    /// The weight at last.
    pub end: f32,
    /// Fraction of training at which it starts to move.
    pub from: f32,
    /// Fraction at which it has arrived.
    pub to: f32,
}

impl Schedule {
    /// The weight at this fraction of training in [0, 1].
    pub fn at(&self, progress: f32) -> f32 {
        let t = ((progress - self.from) / (self.to - self.from).max(1e-6)).clamp(0.0, 1.0);
        self.start * (self.end / self.start).powf(t)
    }
}

/// One term of the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LossConfig {
    /// Squared error of the next latent, predicted from encoded latents (teacher forcing).
    NextLatent {
        /// Its weight.
        weight: f32,
    },
    /// Squared error of the latents predicted in open loop from the first of the window.
    Rollout {
        /// Its weight.
        weight: f32,
    },
    /// SIGReg, against collapse.
    Sigreg {
        /// Its weight over training.
        weight: Schedule,
        /// Random projections, redrawn every step.
        projections: usize,
        /// Points of the characteristic function.
        knots: usize,
    },
    /// VICReg's hinge (arXiv 2105.04906), against collapse: what the standard deviation of each component over the
    /// batch lacks to 1.
    Variance {
        /// Its weight.
        weight: f32,
    },
    /// VICReg's covariance: squared covariances of different components over the batch.
    Covariance {
        /// Its weight.
        weight: f32,
    },
    /// The same hinge over the steps of each window (PLDM, arXiv 2502.14819).
    TimeVariance {
        /// Its weight.
        weight: f32,
    },
    /// The same covariance over the steps of each window (PLDM).
    TimeCovariance {
        /// Its weight.
        weight: f32,
    },
    /// Squared change of the latent from step to step (PLDM).
    TemporalSimilarity {
        /// Its weight.
        weight: f32,
    },
    /// Mean negative cosine of consecutive changes of the latent (arXiv 2603.12231): paths become straight.
    TemporalStraightening {
        /// Its weight.
        weight: f32,
    },
    /// Squared error of the action block, told from the latents before and after it.
    InverseDynamics {
        /// Its weight.
        weight: f32,
    },
    /// Squared error of the reward of a block, in standard deviations.
    Reward {
        /// Its weight.
        weight: f32,
    },
}

impl LossConfig {
    /// Whether it says something about a prediction, and not about latents alone.
    pub(crate) fn judges_predictions(&self) -> bool {
        matches!(self, Self::NextLatent { .. } | Self::Rollout { .. } | Self::Reward { .. })
    }

    /// Refuses a term that the model or the window has no part for.
    pub(super) fn validate(&self, model: &ModelConfig, window: usize) -> Result<(), ModelError> {
        match self {
            Self::Sigreg { weight, projections, knots } => {
                if *projections == 0 || *knots < 2 {
                    return reject(
                        "loss.sigreg",
                        format!("{projections} projections, {knots} knots"),
                        "give at least 1 and 2",
                    );
                }
                if [weight.start, weight.end].iter().any(|end| end.is_nan() || *end <= 0.0) {
                    return reject(
                        "loss.sigreg.weight",
                        weight.start.min(weight.end),
                        "both ends must be positive",
                    );
                }
            }
            Self::Covariance { .. } | Self::TimeCovariance { .. } if model.latent_dim < 2 => {
                return reject(
                    "model.latent_dim",
                    model.latent_dim,
                    "a covariance needs at least 2 components",
                );
            }
            Self::TemporalStraightening { .. } if window < 3 => {
                return reject(
                    "train.window",
                    window,
                    "`temporal_straightening` compares changes: it needs at least 3 observations",
                );
            }
            Self::InverseDynamics { .. } if model.inverse_dynamics.is_none() => {
                return reject(
                    "loss.kind",
                    "inverse_dynamics",
                    "add [model.inverse_dynamics], the head it trains",
                );
            }
            Self::Reward { .. } if model.reward.is_none() => {
                return reject("loss.kind", "reward", "add [model.reward], the head it trains");
            }
            _ => {}
        }
        Ok(())
    }
}
