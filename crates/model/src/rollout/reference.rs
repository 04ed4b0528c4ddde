//! The slow path that the fast one is held to.

use crate::layers::{Pass, values};
use crate::predictor::{Predictor, mean_step};
use crate::{ModelError, WorldModel};
use candle_core::{Device, Result, Tensor, Var};

impl WorldModel {
    /// What [`crate::LatentRollout`] computes, along the training path: latents `[H, S, D]` and rewards
    /// `[H, S]` (empty without a reward head). For tests and benchmarks.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn roll_reference(
        &self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &[f32],
        samples: usize,
        horizon: usize,
    ) -> std::result::Result<(Vec<f32>, Vec<f32>), ModelError> {
        let shape = (samples, horizon * self.spec().block_dim());
        let actions = Tensor::from_slice(&actions[..shape.0 * shape.1], shape, &Device::Cpu)?;
        let (path, rewards) = self.roll_graph(start, before, &actions, horizon)?;
        let flat =
            |steps: &[Tensor]| steps.iter().map(values).collect::<std::result::Result<Vec<_>, _>>();
        Ok((flat(&path)?.concat(), flat(&rewards)?.concat()))
    }

    /// The gradient by actions `[S, H * block]` of what `by_latents` `[H, S, D]` and `by_rewards` `[H, S]` weigh
    /// the outcome by, along the training path.
    pub(crate) fn pull_back(
        &self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: Tensor,
        by_latents: &[f32],
        by_rewards: Option<&[f32]>,
    ) -> std::result::Result<Vec<f32>, ModelError> {
        let actions = Var::from_tensor(&actions)?;
        let horizon = actions.dim(1)? / self.spec().block_dim();
        let (path, rewards) = self.roll_graph(start, before, &actions, horizon)?;
        let weigh = |steps: &[Tensor], weights: &[f32]| {
            let outcome = Tensor::cat(steps, 0)?.flatten_all()?;
            let weights = &weights[..outcome.elem_count()];
            (outcome * Tensor::from_slice(weights, weights.len(), &Device::Cpu)?)?.sum_all()
        };
        let mut cost = weigh(&path, by_latents)?;
        if let Some(by_rewards) = by_rewards {
            cost = (cost + weigh(&rewards, by_rewards)?)?;
        }
        match cost.backward()?.get(actions.as_tensor()) {
            Some(grad) => values(grad),
            None => Ok(vec![0.0; actions.elem_count()]),
        }
    }

    /// What [`WorldModel::roll_reference`] gives, with a graph behind it: from actions `[S, H * block]`, the latent `[S, D]` and the
    /// reward `[S, 1]` of each step.
    pub(crate) fn roll_graph(
        &self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &Tensor,
        horizon: usize,
    ) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        self.roll_members(&self.predictors, start, before, actions, horizon)
    }

    /// The same of some of the predictors.
    pub(crate) fn roll_members(
        &self,
        members: &[Predictor],
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &Tensor,
        horizon: usize,
    ) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let (d, block) = (self.latent_dim(), self.spec().block_dim());
        let samples = actions.dim(0)?;
        let rows = |values: &[f32], columns| {
            Tensor::from_vec(values.repeat(samples), (samples, columns), &Device::Cpu)
        };
        let (mut path, mut blocks) = (Vec::new(), vec![Vec::new(); members.len()]);
        let encode = |values: &Tensor, blocks: &mut [Vec<Tensor>]| {
            for (member, blocks) in members.iter().zip(blocks) {
                blocks.push(member.encode_action(values, &Pass::Look)?);
            }
            Ok::<_, candle_core::Error>(())
        };
        if let Some((latents, executed)) = before {
            for (z, block_values) in latents.chunks_exact(d).zip(executed.chunks_exact(block)) {
                path.push(rows(z, d)?);
                encode(&rows(block_values, block)?, &mut blocks)?;
            }
        }
        path.push(rows(&start[..d], d)?);
        let past = path.len();
        let mut rewards = Vec::new();
        for t in 0..horizon {
            encode(&actions.narrow(1, t * block, block)?, &mut blocks)?;
            let next = mean_step(members, &path, &blocks, &Pass::Look)?;
            if let Some(head) = &self.reward {
                let (now, block) = (&path[path.len() - 1], &blocks[0][past + t - 1]);
                let raw = head.forward(now, block, &next, &Pass::Look)?;
                rewards.push(raw.affine(
                    f64::from(self.scaling.reward_std),
                    f64::from(self.scaling.reward_mean),
                )?);
            }
            path.push(next);
        }
        Ok((path.split_off(past), rewards))
    }
}
