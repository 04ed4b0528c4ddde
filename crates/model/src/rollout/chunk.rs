//! A chunk: some of the samples of a rollout, with all the buffers that rolling them takes.

use std::sync::Arc;

/// A predictor packed for planning. What is the same for all samples is computed once, by
/// [`Network::prepare`]; everything else happens chunk by chunk, on any thread.
pub(super) trait Network: Sized + Send + Sync + 'static {
    /// What all samples share.
    type Prepared: Default + Send + Sync;
    /// Buffers of a chunk.
    type Work: Default + Send;

    /// Whether [`Network::gradients`] is there.
    const GRADIENTS: bool;

    /// Computes what all samples share; `past` is what came before the start.
    fn prepare(&self, start: &[f32], past: Past<'_>) -> Self::Prepared;

    /// Fills the chunk's latents.
    fn roll(&self, chunk: &mut Chunk<Self>);

    /// Fills the chunk's rewards after a roll, if there is a reward head.
    fn reward(&self, chunk: &mut Chunk<Self>);

    /// Fills the chunk's gradient by the actions after a roll that was kept.
    fn gradients(&self, chunk: &mut Chunk<Self>);
}

/// Latents `[K, D]` and the blocks executed after each of them `[K, block]`, oldest first.
#[derive(Clone, Copy, Default)]
pub(super) struct Past<'a> {
    pub latents: &'a [f32],
    pub blocks: &'a [f32],
}

/// What to do with a chunk.
pub(super) enum Task<N: Network> {
    /// Roll it; keep what the gradient needs if told so.
    Roll { prepared: Arc<N::Prepared>, keep: bool },
    /// Predict its rewards.
    Reward,
    /// Pull the cost's gradients back to the actions.
    Gradients,
}

// Derived, it would ask for a network that can be cloned.
impl<N: Network> Clone for Task<N> {
    fn clone(&self) -> Self {
        match self {
            Self::Roll { prepared, keep } => {
                Self::Roll { prepared: Arc::clone(prepared), keep: *keep }
            }
            Self::Reward => Self::Reward,
            Self::Gradients => Self::Gradients,
        }
    }
}

/// Samples `first..first + samples` of a rollout.
pub(super) struct Chunk<N: Network> {
    pub first: usize,
    pub samples: usize,
    pub horizon: usize,
    /// `[s, H, block]`.
    pub actions: Vec<f32>,
    /// `[H, s, D]`.
    pub latents: Vec<f32>,
    /// `[H, s]`.
    pub rewards: Vec<f32>,
    /// The cost's gradient by the latents, `[H, s, D]`.
    pub by_latents: Vec<f32>,
    /// The cost's gradient by the rewards, `[H, s]`; empty for none.
    pub by_rewards: Vec<f32>,
    /// The cost's gradient by the actions, `[s, H, block]`.
    pub by_actions: Vec<f32>,
    /// Whether the roll keeps what the gradient needs.
    pub keep: bool,
    pub prepared: Arc<N::Prepared>,
    /// The network's own buffers.
    pub work: N::Work,
}

impl<N: Network> Default for Chunk<N> {
    fn default() -> Self {
        Self {
            first: 0,
            samples: 0,
            horizon: 0,
            actions: Vec::new(),
            latents: Vec::new(),
            rewards: Vec::new(),
            by_latents: Vec::new(),
            by_rewards: Vec::new(),
            by_actions: Vec::new(),
            keep: false,
            prepared: Arc::default(),
            work: N::Work::default(),
        }
    }
}

impl<N: Network> Chunk<N> {
    pub(super) fn run(&mut self, network: &N, task: &Task<N>) {
        if self.samples == 0 {
            self.rewards.clear();
            self.by_actions.clear();
            return;
        }
        match task {
            Task::Roll { prepared, keep } => {
                self.prepared = Arc::clone(prepared);
                self.keep = *keep;
                network.roll(self);
            }
            Task::Reward => {
                self.rewards.clear();
                network.reward(self);
            }
            Task::Gradients => {
                self.by_actions.clear();
                self.by_actions.resize(self.actions.len(), 0.0);
                network.gradients(self);
            }
        }
    }
}
