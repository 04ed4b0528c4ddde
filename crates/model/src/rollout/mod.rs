//! The fast path: many candidate plans through the predictor at once, on packed weights, without a
//! graph, on as many threads as wanted, and back again for planners that follow a gradient. Equal to the
//! training path up to rounding (tests hold it to 1e-5, gradients to 1e-4).

mod affine;
mod chunk;
mod crew;
mod detour;
mod pool;
mod reference;
mod residual;
mod reward;
mod rows;
#[cfg(test)]
mod tests;
mod transformer;

use crate::config::{Precision, PredictorConfig};
use crate::predictor::member_name;
use crate::predictor::transformer::Sizes;
use crate::{ModelError, WorldModel};
use chunk::Past;
use crew::{Crew, Rolled};
use detour::Detour;
use residual::Residual;
use transformer::Transformer;

/// The predictor (or ensemble of them) and reward head of a model, packed for planning.
///
/// A copy shares the packed weights. Results have the same bits for any number of threads.
#[derive(Clone)]
pub struct LatentRollout {
    latent: usize,
    block: usize,
    has_reward: bool,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Residual(Crew<Residual>),
    Transformer(Crew<Transformer>, Box<Detour>),
}

/// Does the same for whichever crew it is.
macro_rules! with_crew {
    ($engine:expr, $crew:ident => $body:expr) => {
        match $engine {
            Engine::Residual($crew) => $body,
            Engine::Transformer($crew, _) => $body,
        }
    };
}

impl LatentRollout {
    pub(crate) fn new(model: &WorldModel, precision: Precision) -> Result<Self, ModelError> {
        let spec = model.spec();
        let (latent_dim, block_dim) = (spec.model.latent_dim, spec.block_dim());
        let names = (0..spec.model.ensemble).map(member_name);
        let engine = match spec.model.predictor {
            PredictorConfig::Residual { hidden, depth, action_dim } => {
                let pack = |name: String| Residual::new(model, [hidden, depth, action_dim], &name);
                let members = names.map(pack).collect::<Result<_, _>>()?;
                Engine::Residual(Crew::new(members, precision))
            }
            PredictorConfig::Transformer { depth, heads, head_dim, mlp, history, dropout } => {
                let sizes =
                    Sizes { latent_dim, block_dim, depth, heads, head_dim, mlp, history, dropout };
                let pack = |name: String| Transformer::new(model, sizes, &name);
                let crew = Crew::new(names.map(pack).collect::<Result<_, _>>()?, precision);
                Engine::Transformer(crew, Box::new(Detour::new(model)?))
            }
        };
        Ok(Self {
            latent: latent_dim,
            block: block_dim,
            has_reward: model.reward.is_some(),
            engine,
        })
    }

    /// D.
    pub fn latent_dim(&self) -> usize {
        self.latent
    }

    /// Values in an action block (control steps times action components).
    pub fn block_dim(&self) -> usize {
        self.block
    }

    /// Whether the model predicts rewards.
    pub fn has_reward(&self) -> bool {
        self.has_reward
    }

    /// The same rollout on this many threads, the calling one included (at least 1, which is the
    /// default). Samples are shared out; the bits stay the same.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.set_threads(threads);
        self
    }

    /// Rolls on this many threads from now on; see [`LatentRollout::with_threads`].
    pub fn set_threads(&mut self, threads: usize) {
        with_crew!(&mut self.engine, crew => crew.set_threads(threads));
    }

    /// Rolls `samples` plans of `horizon` blocks, `actions` `[S, H, block]`, from the latent `start`
    /// `[D]`. `before` is what came before, oldest first, if known: latents `[K, D]`, a block apart, and
    /// the blocks executed after each of them, `[K, block]`; a predictor uses as much of it as it has
    /// a history for (the residual one the last). Returns the predicted latents `[H, S, D]`, of an ensemble the
    /// mean of its members at each step.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn roll(
        &mut self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &[f32],
        samples: usize,
        horizon: usize,
    ) -> &[f32] {
        self.run(start, before, actions, Rolled { samples, horizon, keep: false })
    }

    /// As [`LatentRollout::roll`], and keeps what [`LatentRollout::gradients`] needs.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn roll_with_grads(
        &mut self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &[f32],
        samples: usize,
        horizon: usize,
    ) -> &[f32] {
        if let Engine::Transformer(_, detour) = &mut self.engine {
            let plans = &actions[..samples * horizon * self.block];
            detour.keep(&start[..self.latent], before, plans);
        }
        self.run(start, before, actions, Rolled { samples, horizon, keep: true })
    }

    fn run(
        &mut self,
        start: &[f32],
        before: Option<(&[f32], &[f32])>,
        actions: &[f32],
        rolled: Rolled,
    ) -> &[f32] {
        let sizes = [self.latent, self.block];
        let past = before.map_or_else(Past::default, |(latents, blocks)| Past { latents, blocks });
        with_crew!(&mut self.engine, crew => crew.roll(sizes, (start, past), actions, rolled))
    }

    /// The gradient of a cost by the actions, `[S, H, block]`, of the plans last rolled by
    /// [`LatentRollout::roll_with_grads`]: from the cost's gradient by the latents, `[H, S, D]`, and, with
    /// a reward head, by the rewards, `[H, S]`.
    ///
    /// The residual predictor's reverse is written by hand on the packed weights and costs as much as the
    /// roll; a transformer is repeated along the training path, on one thread and many times slower: pull back
    /// few plans. `None` if the last roll was another one, or there is no reward head to take `by_rewards`.
    ///
    /// # Errors
    /// If a tensor operation of the training path fails.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    pub fn gradients(
        &mut self,
        by_latents: &[f32],
        by_rewards: Option<&[f32]>,
    ) -> Result<Option<&[f32]>, ModelError> {
        let rolled = with_crew!(&self.engine, crew => crew.rolled);
        if !rolled.keep || (by_rewards.is_some() && !self.has_reward) {
            return Ok(None);
        }
        let sizes = [self.latent, self.block];
        Ok(Some(match &mut self.engine {
            Engine::Residual(crew) => crew.gradients(sizes, by_latents, by_rewards),
            Engine::Transformer(_, detour) => {
                detour.gradients(sizes, rolled, by_latents, by_rewards)?
            }
        }))
    }

    /// How far an ensemble disagrees along the plans last rolled, `[H, S]`: at each step the members' variance
    /// about their mean, averaged over the latent's components (members predict from the same latents, so
    /// that it is the disagreement about that step alone). `None` for a model of one predictor.
    pub fn spread(&self) -> Option<Vec<f32>> {
        with_crew!(&self.engine, crew => crew.spread())
    }

    /// The predicted rewards `[H, S]` along the plans last rolled, which `start` and `actions` must be
    /// those of; `None` without a reward head, or if so many were not rolled.
    pub fn rewards(
        &mut self,
        start: &[f32],
        actions: &[f32],
        samples: usize,
        horizon: usize,
    ) -> Option<Vec<f32>> {
        debug_assert!(start.len() >= self.latent, "start");
        debug_assert!(actions.len() >= samples * horizon * self.block, "actions");
        let last = with_crew!(&self.engine, crew => crew.rolled);
        if !self.has_reward || (last.samples, last.horizon) != (samples, horizon) {
            return None;
        }
        Some(with_crew!(&mut self.engine, crew => crew.rewards()))
    }
}
