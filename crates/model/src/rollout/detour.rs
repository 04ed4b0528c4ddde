//! Gradients by way of the training path, for a predictor whose reverse is not written: the rollout is repeated with
//! a graph behind it.

use super::crew::{Rolled, pick};
use crate::{ModelError, WorldModel};
use candle_core::{Device, Tensor};
use std::sync::Arc;

/// A rollout to be repeated along the training path, which knows its gradients.
#[derive(Clone)]
pub(super) struct Detour {
    model: Arc<WorldModel>,
    start: Vec<f32>,
    before: Option<(Vec<f32>, Vec<f32>)>,
    actions: Vec<f32>,
    by_actions: Vec<f32>,
}

/// Samples that the training path repeats at a time.
const REPEATED: usize = 64;

impl Detour {
    pub(super) fn new(model: &WorldModel) -> Result<Self, ModelError> {
        Ok(Self {
            model: Arc::new(model.frozen()?),
            start: Vec::new(),
            before: None,
            actions: Vec::new(),
            by_actions: Vec::new(),
        })
    }

    /// Remembers a rollout.
    pub(super) fn keep(
        &mut self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &[f32],
    ) {
        self.start = start.to_vec();
        self.before = before.map(|(latents, blocks)| (latents.to_vec(), blocks.to_vec()));
        self.actions = actions.to_vec();
    }

    /// Of the rollout last kept: see `LatentRollout::gradients`.
    pub(super) fn gradients(
        &mut self,
        [d, block]: [usize; 2],
        Rolled { samples, horizon, .. }: Rolled,
        by_latents: &[f32],
        by_rewards: Option<&[f32]>,
    ) -> Result<&[f32], ModelError> {
        let plan = horizon * block;
        self.by_actions.clear();
        for first in (0..samples).step_by(REPEATED) {
            let count = REPEATED.min(samples - first);
            let mut part = [Vec::new(), Vec::new()];
            let [latents, rewards] = &mut part;
            pick(by_latents, [first * d, count * d], samples * d, latents);
            if let Some(by_rewards) = by_rewards {
                pick(by_rewards, [first, count], samples, rewards);
            }
            let plans = &self.actions[first * plan..(first + count) * plan];
            let plans = Tensor::from_slice(plans, (count, plan), &Device::Cpu)?;
            let before = self.before.as_ref().map(|(latents, blocks)| (&latents[..], &blocks[..]));
            let rewards = by_rewards.map(|_| &rewards[..]);
            let part = self.model.pull_back(&self.start, before, plans, latents, rewards)?;
            self.by_actions.extend(part);
        }
        Ok(&self.by_actions)
    }
}
