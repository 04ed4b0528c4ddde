//! Windows of experience: which there are, and how a batch of them becomes tensors.

use crate::ModelError;
use crate::encoder::Senses;
use crate::world_model::{Scaling, WorldModel};
use candle_core::{Device, Tensor};
use housecat_core::{Experience, Rng, Seed};
use std::ops::Range;

/// The frames at which a window may start, by side of the split.
pub(crate) struct Windows {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub size: WindowSize,
}

/// The size of a window.
#[derive(Clone, Copy)]
pub(crate) struct WindowSize {
    /// T: observations in it.
    pub length: usize,
    /// Action blocks from one of them to the next.
    pub stride: usize,
    /// Control steps in an action block.
    pub repeat: usize,
}

impl WindowSize {
    /// Control steps from one observation to the next.
    pub(crate) fn apart(self) -> usize {
        self.stride * self.repeat
    }
}

impl Windows {
    /// Splits by episode (so that no validation frame is ever trained on) and lists all windows.
    pub(crate) fn new(
        experience: &Experience,
        size: WindowSize,
        validation: f32,
        seed: Seed,
    ) -> Result<Self, ModelError> {
        let (length, apart) = (size.length, size.apart());
        let span = (length - 1) * apart;
        let mut order: Vec<usize> = (0..experience.episodes.len()).collect();
        seed.child("split", 0).rng().shuffle(&mut order);
        let held = (order.len() as f32 * validation).round() as usize;
        let starts = |episodes: &[usize]| {
            let mut episodes = episodes.to_vec();
            episodes.sort_unstable();
            episodes
                .iter()
                .map(|&episode| &experience.episodes[episode])
                .flat_map(|Range { start, end }| *start..end.saturating_sub(span).max(*start))
                .collect::<Vec<usize>>()
        };
        let windows =
            Self { validation: starts(&order[..held]), train: starts(&order[held..]), size };
        if windows.train.is_empty() {
            return Err(ModelError::Data(format!(
                "no episode is longer than a window of {length} observations {apart} steps apart \
                 ({span} steps); collect longer episodes or lower train.window or train.stride"
            )));
        }
        Ok(windows)
    }
}

/// What a model looks at in training.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The frames of the experience.
    Frames,
    /// Their latents `[N, D]`.
    Latents(&'a [f32]),
}

/// Rows of a batch.
pub(crate) enum Input {
    /// For the encoder.
    Frames(Senses),
    /// Encoded, `[n, D]`.
    Latents(Tensor),
}

/// A batch of windows as tensors, time major: rows `t * B + b`. Of the K blocks (the stride) from one observation to the
/// next, the first of all come first: rows `(k * (T - 1) + t) * B + b`.
pub(crate) struct Batch {
    /// B.
    pub size: usize,
    /// T.
    pub length: usize,
    /// K.
    pub stride: usize,
    /// What is seen, `T * B` rows.
    pub input: Input,
    /// Action blocks, `[K * (T - 1) * B, block]`.
    pub blocks: Tensor,
    /// Rewards of the blocks in standard deviations, `[K * (T - 1) * B, 1]`.
    pub rewards: Tensor,
    /// 1 where the predictor may see history, `[(T - 1) * B, 1]`; 0 in the first step.
    pub history: Tensor,
}

impl Batch {
    /// Assembles the windows that start at these frames. `dropout` is the share of history hidden.
    pub(crate) fn new(
        model: &WorldModel,
        experience: &Experience,
        source: Source<'_>,
        starts: &[usize],
        window: WindowSize,
        dropout: f32,
        rng: &mut Rng,
    ) -> candle_core::Result<Self> {
        let WindowSize { length, stride, repeat } = window;
        let size = starts.len();
        let at = |t: usize| starts.iter().map(move |start| start + t * window.apart());
        let frames: Vec<usize> = (0..length).flat_map(at).collect();
        let input = match source {
            Source::Frames => Input::Frames(model.gather(experience, &frames)?),
            Source::Latents(latents) => {
                let d = model.latent_dim();
                let rows = frames.iter().flat_map(|&frame| &latents[frame * d..(frame + 1) * d]);
                let rows = rows.copied().collect::<Vec<f32>>();
                Input::Latents(Tensor::from_vec(rows, (frames.len(), d), &Device::Cpu)?)
            }
        };
        let block = repeat * experience.action_dim;
        let (mut blocks, mut rewards, mut history) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..(length - 1) * size {
            history.push(if row < size || rng.chance(dropout) { 0.0_f32 } else { 1.0 });
        }
        for k in 0..stride {
            for start in (0..length - 1).flat_map(at).map(|start| start + k * repeat) {
                let actions = start * experience.action_dim;
                blocks.extend_from_slice(&experience.actions[actions..actions + block]);
                let total: f32 = experience.rewards[start..start + repeat].iter().sum();
                rewards.push((total - model.scaling.reward_mean) / model.scaling.reward_std);
            }
        }
        let steps = (length - 1) * size;
        Ok(Self {
            size,
            length,
            stride,
            input,
            blocks: Tensor::from_vec(blocks, (stride * steps, block), &Device::Cpu)?,
            rewards: Tensor::from_vec(rewards, (stride * steps, 1), &Device::Cpu)?,
            history: Tensor::from_vec(history, (steps, 1), &Device::Cpu)?,
        })
    }
}

/// Means and standard deviations, over the training windows, of the first `states` state components
/// (none for a model that sees pixels) and of the block rewards.
pub(crate) fn fit_scaling(experience: &Experience, windows: &Windows, states: usize) -> Scaling {
    let mut state = vec![Moments::default(); states];
    let mut reward = Moments::default();
    for &start in &windows.train {
        for (moments, &value) in state.iter_mut().zip(experience.state(start)) {
            moments.add(value);
        }
        reward.add(experience.rewards[start..start + windows.size.repeat].iter().sum());
    }
    Scaling {
        state_mean: state.iter().map(Moments::mean).collect(),
        state_std: state.iter().map(Moments::std).collect(),
        reward_mean: reward.mean(),
        reward_std: reward.std(),
    }
}

#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    sum: f64,
    square: f64,
}

impl Moments {
    fn add(&mut self, value: f32) {
        let value = f64::from(value);
        self.count += 1.0;
        self.sum += value;
        self.square += value * value;
    }

    fn mean(&self) -> f32 {
        (self.sum / self.count.max(1.0)) as f32
    }

    /// At least a thousandth, so that a constant component stays harmless.
    fn std(&self) -> f32 {
        let mean = self.sum / self.count.max(1.0);
        ((self.square / self.count.max(1.0) - mean * mean).max(0.0).sqrt() as f32).max(1e-3)
    }
}
