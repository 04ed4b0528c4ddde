//! Experience: episodes as they are recorded, and many of them laid out for training.

use crate::{EpisodeHeader, EpisodeSummary, ImageSpec, Images, Observation, Recorder, StepRecord};
use std::ops::Range;

/// One row of an episode: an observation, the action taken on it, and what the action brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Seen before acting.
    pub observation: Observation,
    /// Privileged state at the observation; recorded for probes and displays only.
    pub privileged: Vec<f32>,
    /// The action taken `[A]`. The last frame of an episode repeats no action: it is all zeros.
    pub action: Vec<f32>,
    /// Reward of the action.
    pub reward: f32,
    /// The action ended the task.
    pub terminated: bool,
    /// The action reached the time limit.
    pub truncated: bool,
}

/// One episode in memory: `steps + 1` frames, the last one holding only the final observation.
///
/// As a [`Recorder`] it keeps what it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    /// What was asked, in words.
    pub task: String,
    /// The frames in order.
    pub frames: Vec<Frame>,
}

impl Recorder for Episode {
    fn begin(&mut self, header: &EpisodeHeader) {
        self.task.clone_from(&header.task);
        self.frames.clear();
    }

    fn record(&mut self, step: StepRecord) {
        self.frames.push(Frame {
            observation: step.observation,
            privileged: step.state.0.iter().map(|&value| value as f32).collect(),
            action: step.action,
            reward: step.transition.reward,
            terminated: step.transition.terminated,
            truncated: step.transition.truncated,
        });
    }

    fn end(&mut self, summary: &EpisodeSummary) {
        let action_dim = self.frames.first().map_or(0, |frame| frame.action.len());
        self.frames.push(Frame {
            observation: summary.last_observation.clone(),
            privileged: summary.last_state.0.iter().map(|&value| value as f32).collect(),
            action: vec![0.0; action_dim],
            ..Frame::default()
        });
    }
}

/// Many episodes laid out flat for training: N frames in all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experience {
    /// Size of the images; `None` when only states were kept.
    pub image: Option<ImageSpec>,
    /// `[N, h, w, 3]` bytes; empty without images.
    pub images: Images,
    /// Names of the state components (may be empty).
    pub state_names: Vec<String>,
    /// `[N, state]`.
    pub state: Vec<f32>,
    /// Names of the privileged components.
    pub privileged_names: Vec<String>,
    /// `[N, privileged]`; for probes and displays only.
    pub privileged: Vec<f32>,
    /// A.
    pub action_dim: usize,
    /// `[N, A]`.
    pub actions: Vec<f32>,
    /// `[N]`.
    pub rewards: Vec<f32>,
    /// The frames of each episode.
    pub episodes: Vec<Range<usize>>,
}

impl Experience {
    /// N.
    pub fn frames(&self) -> usize {
        self.rewards.len()
    }

    /// The image of frame `index`, `[h, w, 3]`; empty without images.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[self.image_range(index)]
    }

    /// The image of frame `index` will be read soon: see [`crate::ImageBytes::prefetch`].
    pub fn prefetch_image(&self, index: usize) {
        self.images.prefetch(self.image_range(index));
    }

    fn image_range(&self, index: usize) -> Range<usize> {
        let bytes = self.image.as_ref().map_or(0, ImageSpec::bytes);
        index * bytes..(index + 1) * bytes
    }

    /// The state vector of frame `index`.
    pub fn state(&self, index: usize) -> &[f32] {
        let dim = self.state_names.len();
        &self.state[index * dim..(index + 1) * dim]
    }

    /// The privileged state of frame `index`.
    pub fn privileged(&self, index: usize) -> &[f32] {
        let dim = self.privileged_names.len();
        &self.privileged[index * dim..(index + 1) * dim]
    }

    /// The action taken on frame `index`.
    pub fn action(&self, index: usize) -> &[f32] {
        &self.actions[index * self.action_dim..(index + 1) * self.action_dim]
    }
}
