//! A chunk: some of the samples of a rollout, with all the buffers that rolling them takes.

use crate::config::Precision;
use std::sync::Arc;

/// A predictor packed for planning. What is the same for all samples is computed once, by
/// [`Network::prepare`]; everything else happens chunk by chunk, on any thread.
pub(super) trait Network: Sized + Send + Sync + 'static {
    /// What all samples share.
    type Prepared: Send + Sync;
    /// Buffers of a chunk.
    type Work: Default + Send;

    /// Has the large products of steps in this precision, if the machine has them.
    fn round(&mut self, precision: Precision);

    /// Computes what all samples share; `past` is what came before the start.
    fn prepare(&self, start: &[f32], past: Past<'_>) -> Self::Prepared;

    /// Computes what only the plans are needed for, before the first step.
    fn begin(&self, plans: &Plans<'_, Self>, work: &mut Self::Work);

    /// The latents `[s, D]` after step t, from those after the steps before it, `[t, s, D]`.
    fn step(
        &self,
        plans: &Plans<'_, Self>,
        t: usize,
        done: &[f32],
        ahead: &mut [f32],
        work: &mut Self::Work,
    );

    /// Appends the rewards `[H, s]` along `latents` `[H, s, D]`, if there is a reward head.
    fn reward(
        &self,
        plans: &Plans<'_, Self>,
        latents: &[f32],
        work: &mut Self::Work,
        rewards: &mut Vec<f32>,
    );
}

/// A network with a reverse of its own.
pub(super) trait Reverse: Network {
    /// Adds what the gradient by the latents after step t, `arrived` `[s, D]`, is by those before it (`earlier`
    /// `[t + 1, s, D]`, the start's first, which nobody reads) and by the actions. Of a roll that was kept.
    fn step_back(
        &self,
        plans: &Plans<'_, Self>,
        t: usize,
        arrived: &[f32],
        earlier: &mut [f32],
        by_actions: &mut [f32],
        work: &mut Self::Work,
    );

    /// The same of the rewards of a roll that was kept: `by_latents` is `[H + 1, s, D]`.
    fn reward_back(
        &self,
        plans: &Plans<'_, Self>,
        latents: &[f32],
        by_rewards: &[f32],
        by_latents: &mut [f32],
        by_actions: &mut [f32],
        work: &mut Self::Work,
    );
}

/// Latents `[K, D]` and the blocks executed after each of them `[K, block]`, oldest first.
#[derive(Clone, Copy, Default)]
pub(super) struct Past<'a> {
    pub latents: &'a [f32],
    pub blocks: &'a [f32],
}

/// What a chunk's samples are to do.
pub(super) struct Plans<'a, N: Network> {
    pub samples: usize,
    pub horizon: usize,
    /// `[s, H, block]`.
    pub actions: &'a [f32],
    pub prepared: &'a N::Prepared,
    /// Whether to keep what the gradient needs.
    pub keep: bool,
}

/// What to do with a chunk.
pub(super) type Task<N> = fn(&mut Chunk<N>, &[N]);

/// Samples `first..first + samples` of a rollout.
pub(super) struct Chunk<N: Network> {
    pub first: usize,
    pub samples: usize,
    pub horizon: usize,
    /// `[s, H, block]`.
    pub actions: Vec<f32>,
    /// `[H, s, D]`.
    pub latents: Vec<f32>,
    /// `[H, s]`; empty for a single member.
    pub spread: Vec<f32>,
    /// `[H, s]`.
    pub rewards: Vec<f32>,
    /// The cost's gradient by the latents, `[H, s, D]`.
    pub by_latents: Vec<f32>,
    /// The cost's gradient by the rewards, `[H, s]`; empty for none.
    pub by_rewards: Vec<f32>,
    /// The cost's gradient by the actions, `[s, H, block]`.
    pub by_actions: Vec<f32>,
    /// Of each member.
    pub prepared: Arc<Vec<N::Prepared>>,
    /// Whether to keep what the gradient needs.
    pub keep: bool,
    /// Each member's own buffers.
    work: Vec<N::Work>,
    /// Each member's next latents, `[N, s, D]`, or its share of their gradient, `[s, D]`.
    members: Vec<f32>,
    /// The gradient by the latents as it grows, `[H + 1, s, D]`, the start's first.
    pulled: Vec<f32>,
}

impl<N: Network> Default for Chunk<N> {
    fn default() -> Self {
        Self {
            first: 0,
            samples: 0,
            horizon: 0,
            actions: Vec::new(),
            latents: Vec::new(),
            spread: Vec::new(),
            rewards: Vec::new(),
            by_latents: Vec::new(),
            by_rewards: Vec::new(),
            by_actions: Vec::new(),
            prepared: Arc::default(),
            keep: false,
            work: Vec::new(),
            members: Vec::new(),
            pulled: Vec::new(),
        }
    }
}

impl<N: Network> Chunk<N> {
    /// Every member predicts from the same latents, the mean of all at the step before.
    pub(super) fn roll(&mut self, members: &[N]) {
        self.work.resize_with(members.len(), N::Work::default);
        let Self { samples, horizon, actions, prepared, keep, .. } = self;
        let (samples, horizon, keep) = (*samples, *horizon, *keep);
        let plans = |prepared| Plans { samples, horizon, actions, prepared, keep };
        self.spread.clear();
        if samples == 0 || horizon == 0 {
            return;
        }
        let size = self.latents.len() / horizon;
        let crew = members.iter().zip(prepared.iter());
        for ((member, prepared), work) in crew.clone().zip(&mut self.work) {
            member.begin(&plans(prepared), work);
        }
        for t in 0..horizon {
            let (done, ahead) = self.latents.split_at_mut(t * size);
            let ahead = &mut ahead[..size];
            if let ([member], [prepared], [work]) = (members, &prepared[..], &mut self.work[..]) {
                member.step(&plans(prepared), t, done, ahead, work);
                continue;
            }
            self.members.resize(members.len() * size, 0.0);
            let own = self.members.chunks_exact_mut(size);
            for (((member, prepared), work), own) in crew.clone().zip(&mut self.work).zip(own) {
                member.step(&plans(prepared), t, done, own, work);
            }
            mean(&self.members, ahead);
            spread(&self.members, ahead, size / samples, &mut self.spread);
        }
    }

    /// The first member's encoder is the one that the reward head was trained with.
    pub(super) fn reward(&mut self, members: &[N]) {
        self.rewards.clear();
        let Self { samples, horizon, actions, prepared, keep, .. } = self;
        let (samples, horizon, keep) = (*samples, *horizon, *keep);
        if let ([member, ..], [prepared, ..], [work, ..], true) =
            (members, &prepared[..], &mut self.work[..], samples > 0)
        {
            let plans = Plans { samples, horizon, actions, prepared, keep };
            member.reward(&plans, &self.latents, work, &mut self.rewards);
        }
    }
}

impl<N: Reverse> Chunk<N> {
    /// Pulls the cost's gradients back to the actions.
    pub(super) fn gradients(&mut self, members: &[N]) {
        self.by_actions.clear();
        self.by_actions.resize(self.actions.len(), 0.0);
        if !self.by_rewards.is_empty() {
            // What the head keeps is computed again: whether rewards were asked for before does not matter.
            self.reward(members);
        }
        let Self { samples, horizon, actions, prepared, keep, by_actions, .. } = self;
        let (samples, horizon, keep) = (*samples, *horizon, *keep);
        let plans = |prepared| Plans { samples, horizon, actions, prepared, keep };
        if samples == 0 || horizon == 0 {
            return;
        }
        let size = self.latents.len() / horizon;
        self.pulled.clear();
        self.pulled.resize(size, 0.0);
        self.pulled.extend_from_slice(&self.by_latents);
        if let ([member, ..], [prepared, ..], [work, ..], false) =
            (members, &prepared[..], &mut self.work[..], self.by_rewards.is_empty())
        {
            let (plans, pulled) = (plans(prepared), &mut self.pulled);
            member.reward_back(&plans, &self.latents, &self.by_rewards, pulled, by_actions, work);
        }
        let share = 1.0 / members.len() as f32;
        for t in (0..horizon).rev() {
            let (earlier, arrived) = self.pulled.split_at_mut((t + 1) * size);
            self.members.clear();
            self.members.extend(arrived[..size].iter().map(|value| value * share));
            let crew = members.iter().zip(prepared.iter()).zip(&mut self.work);
            for ((member, prepared), work) in crew {
                let plans = plans(prepared);
                member.step_back(&plans, t, &self.members, earlier, by_actions, work);
            }
        }
    }
}

/// The mean of members' rows, added up in their order.
fn mean(members: &[f32], out: &mut [f32]) {
    let size = out.len();
    let share = size as f32 / members.len() as f32;
    for (i, out) in out.iter_mut().enumerate() {
        *out = members[i..].iter().step_by(size).sum::<f32>() * share;
    }
}

/// Appends each sample's mean over components of the members' variance about their mean.
fn spread(members: &[f32], mean: &[f32], d: usize, out: &mut Vec<f32>) {
    let size = mean.len();
    let share = size as f32 / (members.len() * d) as f32;
    for (sample, mean) in mean.chunks_exact(d).enumerate() {
        let from = sample * d;
        let square = |member: &[f32]| -> f32 {
            member[from..from + d].iter().zip(mean).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        out.push(members.chunks_exact(size).map(square).sum::<f32>() * share);
    }
}
