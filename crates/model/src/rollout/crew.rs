//! A crew: a packed network, the chunks its samples are cut into, and the threads that roll them.

use super::chunk::{Chunk, Network, Past, Reverse, Task};
use super::pool::Pool;
use crate::config::Precision;
use std::sync::Arc;

/// Samples of the largest chunk: its buffers stay in the L2 cache, and its rows fill whole tiles.
const CHUNK: usize = 96;

/// Samples that chunks are cut at multiples of: the rows of a tile, since what is left over is slow.
const ROWS: usize = 6;

/// Shapes of the last roll.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rolled {
    pub samples: usize,
    pub horizon: usize,
    pub keep: bool,
}

/// What samples share, by member, and the start and past it was made from: the iterations of one planning
/// problem ask for it again and again.
struct Shared<N: Network> {
    made_from: Vec<f32>,
    prepared: Arc<Vec<N::Prepared>>,
}

pub(super) struct Crew<N: Network> {
    /// At least one; more are an ensemble.
    members: Arc<Vec<N>>,
    threads: usize,
    /// Started with the first rollout of more than one chunk.
    pool: Option<Pool<N>>,
    chunks: Vec<Chunk<N>>,
    /// Chunks of an earlier roll with more of them, kept for their buffers.
    spare: Vec<Chunk<N>>,
    latents: Vec<f32>,
    by_actions: Vec<f32>,
    /// What the samples of the last roll shared.
    prepared: Option<Shared<N>>,
    pub rolled: Rolled,
}

// The copy shares the packed weights and has buffers and threads of its own.
impl<N: Network> Clone for Crew<N> {
    fn clone(&self) -> Self {
        Self::with(Arc::clone(&self.members), self.threads)
    }
}

impl<N: Network> Crew<N> {
    pub(super) fn new(mut members: Vec<N>, precision: Precision) -> Self {
        members.iter_mut().for_each(|member| member.round(precision));
        Self::with(Arc::new(members), 1)
    }

    fn with(members: Arc<Vec<N>>, threads: usize) -> Self {
        Self {
            members,
            threads,
            pool: None,
            chunks: Vec::new(),
            spare: Vec::new(),
            latents: Vec::new(),
            by_actions: Vec::new(),
            prepared: None,
            rolled: Rolled::default(),
        }
    }

    pub(super) fn set_threads(&mut self, threads: usize) {
        let threads = threads.max(1);
        if threads != self.threads {
            self.threads = threads;
            self.pool = None;
        }
    }

    /// `actions` `[S, H, block]` to latents `[H, S, D]`.
    pub(super) fn roll(
        &mut self,
        [d, block]: [usize; 2],
        (start, past): (&[f32], Past<'_>),
        actions: &[f32],
        rolled: Rolled,
    ) -> &[f32] {
        let Rolled { samples, horizon, keep } = rolled;
        self.rolled = rolled;
        self.cut(samples, horizon);
        let plan = horizon * block;
        for chunk in &mut self.chunks {
            let plans = chunk.first * plan..(chunk.first + chunk.samples) * plan;
            chunk.actions.clear();
            chunk.actions.extend_from_slice(&actions[plans]);
            chunk.latents.resize(horizon * chunk.samples * d, 0.0);
        }
        let prepared = self.prepare(&start[..d], past);
        for chunk in &mut self.chunks {
            chunk.prepared = Arc::clone(&prepared);
            chunk.keep = keep;
        }
        self.run(Chunk::roll);
        self.latents.resize(horizon * samples * d, 0.0);
        for chunk in &self.chunks {
            place(
                &chunk.latents,
                [chunk.first * d, chunk.samples * d],
                samples * d,
                &mut self.latents,
            );
        }
        &self.latents
    }

    /// Rewards `[H, S]` along the last roll.
    pub(super) fn rewards(&mut self) -> Vec<f32> {
        let Rolled { samples, horizon, .. } = self.rolled;
        self.run(Chunk::reward);
        let mut rewards = vec![0.0; horizon * samples];
        for chunk in &self.chunks {
            place(&chunk.rewards, [chunk.first, chunk.samples], samples, &mut rewards);
        }
        rewards
    }

    /// The members' spread `[H, S]` along the last roll; `None` for a single one.
    pub(super) fn spread(&self) -> Option<Vec<f32>> {
        let Rolled { samples, horizon, .. } = self.rolled;
        if self.members.len() < 2 {
            return None;
        }
        let mut spread = vec![0.0; horizon * samples];
        for chunk in &self.chunks {
            place(&chunk.spread, [chunk.first, chunk.samples], samples, &mut spread);
        }
        Some(spread)
    }

    fn prepare(&mut self, start: &[f32], past: Past<'_>) -> Arc<Vec<N::Prepared>> {
        let key = [start, past.latents, past.blocks].concat();
        let same = |old: &[f32]| {
            old.len() == key.len() && old.iter().zip(&key).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        match &self.prepared {
            Some(shared) if same(&shared.made_from) => Arc::clone(&shared.prepared),
            _ => {
                let made = self.members.iter().map(|member| member.prepare(start, past));
                let prepared = Arc::new(made.collect());
                self.prepared = Some(Shared { made_from: key, prepared: Arc::clone(&prepared) });
                prepared
            }
        }
    }

    /// Cuts the samples into even chunks, as many for each thread. The bits do not depend on the cut:
    /// samples do not meet, and products do not look at their number of rows.
    fn cut(&mut self, samples: usize, horizon: usize) {
        let tiles = samples.div_ceil(ROWS);
        let even = samples.div_ceil(CHUNK).next_multiple_of(self.threads);
        // A few samples are rolled sooner than another thread wakes up.
        let wanted = even.min(tiles).max(1);
        self.spare.append(&mut self.chunks);
        self.chunks.resize_with(wanted, || self.spare.pop().unwrap_or_default());
        let edge = |index: usize| (index * tiles / wanted * ROWS).min(samples);
        for (index, chunk) in self.chunks.iter_mut().enumerate() {
            chunk.first = edge(index);
            chunk.samples = edge(index + 1) - chunk.first;
            chunk.horizon = horizon;
        }
    }

    fn run(&mut self, task: Task<N>) {
        if self.threads > 1 && self.chunks.len() > 1 {
            if self.pool.is_none() {
                // Without threads to be had, the calling one does it all: slower, with the same bits.
                self.pool = Pool::new(self.threads - 1).ok();
            }
            if let Some(pool) = &mut self.pool {
                pool.run(&self.members, &mut self.chunks, task);
                return;
            }
        }
        for chunk in &mut self.chunks {
            task(chunk, &self.members);
        }
    }
}

impl<N: Reverse> Crew<N> {
    /// The gradient by the actions `[S, H, block]`, from those by latents `[H, S, D]` and rewards `[H, S]`.
    pub(super) fn gradients(
        &mut self,
        [d, block]: [usize; 2],
        by_latents: &[f32],
        by_rewards: Option<&[f32]>,
    ) -> &[f32] {
        let Rolled { samples, horizon, .. } = self.rolled;
        for chunk in &mut self.chunks {
            let (first, count) = (chunk.first, chunk.samples);
            pick(by_latents, [first * d, count * d], samples * d, &mut chunk.by_latents);
            chunk.by_rewards.clear();
            if let Some(by_rewards) = by_rewards {
                pick(by_rewards, [first, count], samples, &mut chunk.by_rewards);
            }
        }
        self.run(Chunk::gradients);
        self.by_actions.resize(samples * horizon * block, 0.0);
        for chunk in &self.chunks {
            let at = chunk.first * horizon * block;
            self.by_actions[at..at + chunk.by_actions.len()].copy_from_slice(&chunk.by_actions);
        }
        &self.by_actions
    }
}

/// Copies rows of a chunk (one a step) to their place in rows of all samples.
fn place(part: &[f32], [at, width]: [usize; 2], row: usize, whole: &mut [f32]) {
    if width > 0 {
        for (part, whole) in part.chunks_exact(width).zip(whole.chunks_exact_mut(row)) {
            whole[at..at + width].copy_from_slice(part);
        }
    }
}

/// The reverse of [`place`].
pub(super) fn pick(whole: &[f32], [at, width]: [usize; 2], row: usize, part: &mut Vec<f32>) {
    part.clear();
    if width > 0 {
        for whole in whole.chunks_exact(row) {
            part.extend_from_slice(&whole[at..at + width]);
        }
    }
}
