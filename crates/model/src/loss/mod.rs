//! The terms of the loss, and their sum.

mod temporal;
mod vicreg;

use crate::WorldModel;
use crate::batch::{Batch, Input};
use crate::config::LossConfig;
use crate::layers::Pass;
use crate::ops::{SigRegShape, sigreg};
use crate::predictor::{Predictor, mean, mean_step};
use candle_core::{DType, Device, Result, Tensor};
use housecat_core::Rng;
use std::collections::BTreeMap;
use std::slice::from_ref;

/// Latents of a batch and what is predicted from them. K is the stride: the blocks between two observations.
pub(crate) struct Predictions {
    /// Encoded latents, `[T * B, D]`.
    pub latents: Tensor,
    /// Teacher-forced predictions of observations 1.., each from the one before it, `[(T - 1) * B, D]`: of each member
    /// of an ensemble in training, their mean otherwise.
    pub forced: Vec<Tensor>,
    /// Open-loop predictions of observations 1.. from the first latent, `[(T - 1) * B, D]`: in training each member
    /// goes its own way, otherwise all go the mean's.
    pub open_loop: Vec<Tensor>,
    /// Predicted block rewards along the encoded latents, between them along the forced predictions,
    /// `[K * (T - 1) * B, 1]`.
    pub rewards: Option<Tensor>,
    /// Action blocks told from the latents around them, `[(T - 1) * B, block]`.
    pub inverse: Option<Tensor>,
}

impl Predictions {
    /// Runs the whole network over a batch.
    pub(crate) fn new(model: &WorldModel, batch: &Batch, pass: &Pass) -> Result<Self> {
        let (b, steps, stride) = (batch.size, batch.length - 1, batch.stride);
        let latents = match &batch.input {
            Input::Frames(frames) => model.encoder.forward(frames, pass)?,
            Input::Latents(latents) => latents.clone(),
        };
        let members = &model.predictors;
        let encoded = members.iter().map(|member| member.encode_action(&batch.blocks, pass));
        let encoded = encoded.collect::<Result<Vec<_>>>()?;
        let now = latents.narrow(0, 0, steps * b)?;
        let next = latents.narrow(0, b, steps * b)?;
        // From each latent to the next: the latents at the ends of the K blocks.
        let strides = members.iter().zip(&encoded).map(|(member, e)| {
            if stride == 1 {
                let forced = member.forced(&latents, e, &batch.history, b, pass)?;
                return Ok(vec![now.clone(), forced]);
            }
            let blocks = (0..stride).map(|k| e.narrow(0, k * steps * b, steps * b));
            let blocks = blocks.collect::<Result<Vec<_>>>()?;
            let mut path = vec![now.clone()];
            for k in 1..=stride {
                path.push(member.step(&path, &blocks[..k], pass)?);
            }
            Ok(path)
        });
        let strides = strides.collect::<Result<Vec<_>>>()?;
        let forced: Vec<Tensor> = strides.iter().map(|path| path[stride].clone()).collect();

        // `begun`: the way from all latents to the next ones, of which the first leads on.
        let ahead = |members: &[Predictor], encoded: &[Tensor], begun: &[Tensor]| {
            let begun = begun.iter().map(|latents| latents.narrow(0, 0, b));
            let mut path = begun.collect::<Result<Vec<_>>>()?;
            let mut blocks = vec![Vec::with_capacity(steps * stride); members.len()];
            for (t, k) in (0..steps).flat_map(|t| (0..stride).map(move |k| (t, k))) {
                for (blocks, e) in blocks.iter_mut().zip(encoded) {
                    blocks.push(e.narrow(0, (k * steps + t) * b, b)?);
                }
                if t * stride + k + 1 == path.len() {
                    path.push(mean_step(members, &path, &blocks, pass)?);
                }
            }
            let seen: Vec<&Tensor> = path.iter().step_by(stride).skip(1).collect();
            Tensor::cat(&seen, 0)
        };
        let (forced, open_loop) = match pass {
            Pass::Train(_) => {
                let own = (0..members.len())
                    .map(|i| ahead(&members[i..=i], &encoded[i..=i], &strides[i]));
                (forced, own.collect::<Result<Vec<_>>>()?)
            }
            Pass::Look => (vec![mean(&forced)?], vec![ahead(members, &encoded, from_ref(&now))?]),
        };
        let rewards = match &model.reward {
            Some(head) => {
                let before = &strides[0][..stride];
                let after = [&strides[0][1..stride], from_ref(&next)].concat();
                Some(head.forward(
                    &Tensor::cat(before, 0)?,
                    &encoded[0],
                    &Tensor::cat(&after, 0)?,
                    pass,
                )?)
            }
            None => None,
        };
        let inverse = match &model.inverse {
            Some(head) => Some(head.forward(&now, &next, pass)?),
            None => None,
        };
        Ok(Self { latents, forced, open_loop, rewards, inverse })
    }

    /// The latents that the predictions aim at, `[(T - 1) * B, D]`.
    pub(crate) fn targets(&self, batch: &Batch) -> Result<Tensor> {
        self.latents.narrow(0, batch.size, (batch.length - 1) * batch.size)
    }
}

/// Mean squared difference.
fn mse(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    (a - b)?.sqr()?.mean_all()
}

/// The same of several predictions, averaged: the encoder hears of an ensemble as of one predictor.
fn mean_mse(predictions: &[Tensor], target: &Tensor) -> Result<Tensor> {
    let errors = predictions.iter().map(|prediction| mse(prediction, target));
    mean(&errors.collect::<Result<Vec<_>>>()?)
}

/// The weighted sum of the configured terms, and each term unweighted by name.
pub(crate) fn total_loss<'a>(
    terms: impl Iterator<Item = &'a LossConfig>,
    predictions: &Predictions,
    batch: &Batch,
    progress: f32,
    rng: &mut Rng,
) -> Result<(Tensor, BTreeMap<&'static str, f32>)> {
    let mut total = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    let mut metrics = BTreeMap::new();
    let targets = predictions.targets(batch)?;
    let by_step = predictions.latents.reshape((batch.length, batch.size, ()))?;
    for term in terms {
        let (name, weight, value) = match term {
            LossConfig::NextLatent { weight } => {
                ("next_latent", *weight, mean_mse(&predictions.forced, &targets)?)
            }
            LossConfig::Rollout { weight } => {
                ("rollout", *weight, mean_mse(&predictions.open_loop, &targets)?)
            }
            LossConfig::Sigreg { weight, projections, knots } => {
                let shape = SigRegShape { groups: batch.length, knots: *knots };
                let axes = unit_vectors(*projections, predictions.latents.dim(1)?, rng);
                ("sigreg", weight.at(progress), sigreg(&predictions.latents, axes, shape)?)
            }
            LossConfig::Variance { weight } => {
                ("variance", *weight, vicreg::variance(&vicreg::centred(&by_step)?)?)
            }
            LossConfig::Covariance { weight } => {
                ("covariance", *weight, vicreg::covariance(&vicreg::centred(&by_step)?)?)
            }
            LossConfig::TimeVariance { weight } => {
                let by_window = vicreg::centred(&by_step)?.transpose(0, 1)?;
                ("time_variance", *weight, vicreg::variance(&by_window)?)
            }
            LossConfig::TimeCovariance { weight } => {
                let by_window = vicreg::centred(&by_step)?.transpose(0, 1)?;
                ("time_covariance", *weight, vicreg::covariance(&by_window)?)
            }
            LossConfig::TemporalSimilarity { weight } => {
                ("temporal_similarity", *weight, temporal::similarity(&by_step)?)
            }
            LossConfig::TemporalStraightening { weight } => {
                ("temporal_straightening", *weight, temporal::straightening(&by_step)?)
            }
            LossConfig::InverseDynamics { weight } => match &predictions.inverse {
                Some(blocks) => ("inverse_dynamics", *weight, mse(blocks, &batch.blocks)?),
                None => candle_core::bail!("an inverse dynamics loss needs its head"),
            },
            LossConfig::Reward { weight } => match &predictions.rewards {
                Some(rewards) => ("reward", *weight, mse(rewards, &batch.rewards)?),
                None => candle_core::bail!("a reward loss needs a reward head"),
            },
        };
        metrics.insert(name, value.to_scalar::<f32>()?);
        total = (total + (value * f64::from(weight))?)?;
    }
    Ok((total, metrics))
}

/// `count` directions uniform on the sphere, `[count, dim]`.
fn unit_vectors(count: usize, dim: usize, rng: &mut Rng) -> Vec<f32> {
    let mut axes = vec![0.0; count * dim];
    rng.fill_normal(&mut axes);
    for axis in axes.chunks_exact_mut(dim) {
        let norm = axis.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
        axis.iter_mut().for_each(|value| *value /= norm);
    }
    axes
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
