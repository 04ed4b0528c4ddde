//! The network as a whole: what it is made of, what it was scaled by, and how it looks at the world.

use crate::config::{ModelSpec, Precision};
use crate::encoder::{Encoder, Senses};
use crate::layers::{Builder, Pass, values};
use crate::ops::BatchStats;
use crate::predictor::{InverseDynamics, Predictor, RewardHead, member_name};
use crate::{Distance, LatentRollout, ModelError};
use candle_core::{Device, Tensor, Var};
use housecat_core::{Experience, ImageSpec, Observation, Seed};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// Offsets and scales fitted to the training data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaling {
    /// Mean and standard deviation of each component of the state vector (empty for pixels alone).
    pub state_mean: Vec<f32>,
    pub state_std: Vec<f32>,
    /// Of the summed reward of an action block.
    pub reward_mean: f32,
    pub reward_std: f32,
}

/// Frames that are encoded at once.
const CHUNK: usize = 256;

/// A named array, as stored in a checkpoint.
pub(crate) struct NamedArray {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Gives the array of a name, if its shape is as wanted.
pub(crate) type Fetch<'a> = dyn Fn(&str, &[usize]) -> Result<Vec<f32>, ModelError> + 'a;

/// A world model: encoder, predictor and, for reward tasks, a reward head.
///
/// Clones of the variables are shared, so a model can be looked at from many threads.
pub struct WorldModel {
    spec: ModelSpec,
    pub(crate) encoder: Encoder,
    /// At least one; more are an ensemble.
    pub(crate) predictors: Vec<Predictor>,
    pub(crate) reward: Option<RewardHead>,
    pub(crate) inverse: Option<InverseDynamics>,
    /// Indices of the state components that the encoder is given.
    felt: Vec<usize>,
    pub(crate) variables: Vec<(String, Var)>,
    pub(crate) statistics: Vec<(String, Arc<RwLock<BatchStats>>)>,
    pub(crate) scaling: Scaling,
    /// What its checkpoint knows of distances.
    distance: Option<Distance>,
}

impl WorldModel {
    /// An untrained model; its weights depend on the seed only.
    ///
    /// # Errors
    /// If the specification makes no sense.
    pub fn new(spec: ModelSpec, seed: Seed) -> Result<Self, ModelError> {
        spec.validate()?;
        let mut builder = Builder::new(seed.child("weights", 0));
        let config = &spec.model;
        let encoder = Encoder::new(&mut builder, &config.encoder, &spec.input, config.latent_dim)?;
        let sizes = (config.latent_dim, spec.block_dim());
        let predictors = (0..config.ensemble)
            .map(|index| {
                let name = member_name(index);
                Predictor::new(&mut builder, &name, &config.predictor, sizes.0, sizes.1)
            })
            .collect::<candle_core::Result<_>>()?;
        let action_dim = config.predictor.action_dim(config.latent_dim);
        let reward = match &config.reward {
            Some(head) => {
                Some(RewardHead::new(&mut builder, head.hidden, config.latent_dim, action_dim)?)
            }
            None => None,
        };
        let inverse = match &config.inverse_dynamics {
            Some(head) => Some(InverseDynamics::new(&mut builder, head.hidden, sizes)?),
            None => None,
        };
        let (states, felt) = (spec.input.state().len(), spec.input.felt()?);
        let scaling = Scaling {
            state_mean: vec![0.0; states],
            state_std: vec![1.0; states],
            reward_mean: 0.0,
            reward_std: 1.0,
        };
        let Builder { variables, statistics, .. } = builder;
        Ok(Self {
            spec,
            encoder,
            predictors,
            reward,
            inverse,
            felt,
            variables,
            statistics,
            scaling,
            distance: None,
        })
    }

    /// What it is made of.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The same model with a distance.
    #[must_use]
    pub fn with_distance(mut self, distance: Distance) -> Self {
        self.distance = Some(distance);
        self
    }

    /// The distance in units of change, if the checkpoint that the model was loaded from has one.
    pub fn distance(&self) -> Option<&Distance> {
        self.distance.as_ref()
    }

    /// D.
    pub fn latent_dim(&self) -> usize {
        self.spec.model.latent_dim
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        self.variables.iter().map(|(_, var)| var.elem_count()).sum()
    }

    /// Encodes observations to latents `[n, D]`, flattened.
    ///
    /// # Errors
    /// If an observation lacks what the model sees or has another size.
    pub fn encode(&self, observations: &[&Observation]) -> Result<Vec<f32>, ModelError> {
        let (mut pixels, mut state) = (Vec::new(), Vec::new());
        let names = self.spec.input.state();
        for observation in observations {
            if let Some(spec) = self.spec.input.image() {
                let Some(image) = observation.images.first() else {
                    return Err(ModelError::Data(
                        "the observation has no image, and the model sees pixels".into(),
                    ));
                };
                if (image.width, image.height) != (spec.width, spec.height) {
                    return Err(ModelError::Data(format!(
                        "the image is {}x{}, and the model sees {}x{}",
                        image.width, image.height, spec.width, spec.height
                    )));
                }
                pixels.extend_from_slice(&image.pixels);
            }
            if !names.is_empty() {
                if observation.state.len() != names.len() {
                    return Err(ModelError::Data(format!(
                        "the state has {} components, and the model sees {} ({})",
                        observation.state.len(),
                        names.len(),
                        names.join(", ")
                    )));
                }
                self.append_state(&observation.state, &mut state);
            }
        }
        let senses = self.senses(pixels, state, observations.len())?;
        values(&self.encoder.forward(&senses, &Pass::Look)?)
    }

    /// Encodes these frames of an experience, `[n, D]` flattened, in chunks.
    ///
    /// # Errors
    /// If the experience lacks what the model sees.
    pub fn encode_frames(
        &self,
        experience: &Experience,
        frames: &[usize],
    ) -> Result<Vec<f32>, ModelError> {
        self.check(experience)?;
        let mut latents = Vec::with_capacity(frames.len() * self.latent_dim());
        for chunk in frames.chunks(CHUNK) {
            let x = self.gather(experience, chunk)?;
            latents.extend(values(&self.encoder.forward(&x, &Pass::Look)?)?);
        }
        Ok(latents)
    }

    /// The same on several threads, with the same bits: the chunks do not depend on their number.
    ///
    /// # Errors
    /// As [`Self::encode_frames`].
    pub fn encode_frames_on(
        &self,
        threads: usize,
        experience: &Experience,
        frames: &[usize],
    ) -> Result<Vec<f32>, ModelError> {
        let part = frames.len().div_ceil(threads.max(1)).next_multiple_of(CHUNK).max(CHUNK);
        let parts = std::thread::scope(|scope| {
            let workers: Vec<_> = frames
                .chunks(part)
                .map(|part| scope.spawn(|| self.encode_frames(experience, part)))
                .collect();
            let parts = workers.into_iter().map(|worker| match worker.join() {
                Ok(latents) => latents,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            parts.collect::<Result<Vec<_>, _>>()
        })?;
        Ok(parts.concat())
    }

    /// Refuses an experience that does not hold what the model sees.
    pub(crate) fn check(&self, experience: &Experience) -> Result<(), ModelError> {
        if experience.action_dim != self.spec.actions.len() {
            return Err(ModelError::Data(format!(
                "its actions have {} components, the model's {} ({})",
                experience.action_dim,
                self.spec.actions.len(),
                self.spec.actions.join(", ")
            )));
        }
        if let Some(image) = self.spec.input.image()
            && experience.image.as_ref() != Some(image)
        {
            return Err(ModelError::Data(format!(
                "the model sees camera `{}` at {}x{}, the dataset holds {:?}",
                image.camera, image.width, image.height, experience.image
            )));
        }
        let names = self.spec.input.state();
        if !names.is_empty() && experience.state_names != names {
            return Err(ModelError::Data(format!(
                "the model sees the state [{}], the dataset holds [{}]",
                names.join(", "),
                experience.state_names.join(", ")
            )));
        }
        Ok(())
    }

    /// The encoder's input for these frames of an experience.
    pub(crate) fn gather(
        &self,
        experience: &Experience,
        frames: &[usize],
    ) -> candle_core::Result<Senses> {
        let bytes = self.spec.input.image().map_or(0, ImageSpec::bytes);
        if bytes > 0 {
            // All at once: a disk serves many requests in little more time than one.
            frames.iter().for_each(|&frame| experience.prefetch_image(frame));
        }
        let mut pixels = Vec::with_capacity(frames.len() * bytes);
        let mut state = Vec::new();
        for &frame in frames {
            if self.spec.input.image().is_some() {
                pixels.extend_from_slice(experience.image(frame));
            }
            if !self.felt.is_empty() {
                self.append_state(experience.state(frame), &mut state);
            }
        }
        self.senses(pixels, state, frames.len())
    }

    fn append_state(&self, state: &[f32], out: &mut Vec<f32>) {
        let Scaling { state_mean, state_std, .. } = &self.scaling;
        out.extend(self.felt.iter().map(|&i| (state[i] - state_mean[i]) / state_std[i]));
    }

    /// What the encoder is given of n observations.
    fn senses(&self, pixels: Vec<u8>, state: Vec<f32>, n: usize) -> candle_core::Result<Senses> {
        let pixels = match self.spec.input.image() {
            Some(image) => {
                let shape = (n, image.height, image.width, 3);
                Some(Tensor::from_vec(pixels, shape, &Device::Cpu)?)
            }
            None => None,
        };
        let state = match self.felt.len() {
            0 => None,
            states => Some(Tensor::from_vec(state, (n, states), &Device::Cpu)?),
        };
        Ok(Senses { pixels, state })
    }

    /// The fast rollout path with a copy of the present weights.
    ///
    /// # Errors
    /// If the weights cannot be read.
    pub fn latent_rollout(&self) -> Result<LatentRollout, ModelError> {
        self.latent_rollout_in(Precision::F32)
    }

    /// The same with the large products of hidden layers in this precision, if the machine has them: bfloat16 is faster, and
    /// latents differ by about a hundredth of what they move.
    ///
    /// # Errors
    /// If the weights cannot be read.
    pub fn latent_rollout_in(&self, precision: Precision) -> Result<LatentRollout, ModelError> {
        LatentRollout::new(self, precision)
    }

    /// A copy that later training steps do not change.
    pub(crate) fn frozen(&self) -> Result<Self, ModelError> {
        let arrays = self.arrays()?;
        let mut copy = Self::new(self.spec.clone(), Seed::new(0))?;
        copy.load(&|name, _| match arrays.iter().find(|array| array.name == name) {
            Some(array) => Ok(array.values.clone()),
            None => Err(ModelError::Data(format!("the model has no array `{name}`"))),
        })?;
        Ok(copy)
    }

    /// The values of a variable by name, for packing.
    pub(crate) fn variable(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        match self.variables.iter().find(|(own, _)| own == name) {
            Some((_, var)) => values(var.as_tensor()),
            None => Err(ModelError::Data(format!("the model has no variable `{name}`"))),
        }
    }

    /// The running mean and inverse standard deviation of a batch normalisation, for packing.
    pub(crate) fn running(&self, name: &str) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        match self.statistics.iter().find(|(own, _)| own == name) {
            Some((_, running)) => {
                let stats = running.read().unwrap_or_else(|poisoned| poisoned.into_inner());
                Ok((stats.mean.clone(), stats.inverse_std()))
            }
            None => Err(ModelError::Data(format!("the model has no statistics `{name}`"))),
        }
    }

    /// Moves the running statistics towards a batch's by this share.
    pub(crate) fn update_statistics(&self, batches: &[BTreeMap<String, BatchStats>], share: f32) {
        for (name, running) in &self.statistics {
            let mut running = running.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            let found: Vec<&BatchStats> =
                batches.iter().filter_map(|batch| batch.get(name)).collect();
            let scale = share / found.len().max(1) as f32;
            for stats in &found {
                let BatchStats { mean, var } = &mut *running;
                for (own, new) in
                    mean.iter_mut().zip(&stats.mean).chain(var.iter_mut().zip(&stats.var))
                {
                    // Each batch moves the value by its part; the old value keeps the rest, once.
                    *own += scale * (new - *own);
                }
            }
        }
    }

    /// Everything that a checkpoint must hold, in a fixed order.
    pub(crate) fn arrays(&self) -> Result<Vec<NamedArray>, ModelError> {
        let mut arrays = Vec::new();
        for (name, var) in &self.variables {
            arrays.push(NamedArray {
                name: name.clone(),
                shape: var.dims().to_vec(),
                values: values(var.as_tensor())?,
            });
        }
        let mut plain = |name: String, values: Vec<f32>| {
            arrays.push(NamedArray { name, shape: vec![values.len()], values });
        };
        for (name, running) in &self.statistics {
            let stats = running.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            plain(format!("{name}.running_mean"), stats.mean.clone());
            plain(format!("{name}.running_var"), stats.var.clone());
        }
        plain("scaling.state_mean".into(), self.scaling.state_mean.clone());
        plain("scaling.state_std".into(), self.scaling.state_std.clone());
        plain("scaling.reward".into(), vec![self.scaling.reward_mean, self.scaling.reward_std]);
        Ok(arrays)
    }

    /// Takes the values of a checkpoint.
    pub(crate) fn load(&mut self, fetch: &Fetch<'_>) -> Result<(), ModelError> {
        for (name, var) in &self.variables {
            let values = fetch(name, var.dims())?;
            var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?)?;
        }
        for (name, running) in &self.statistics {
            let mut stats = running.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            let shape = [stats.mean.len()];
            stats.mean = fetch(&format!("{name}.running_mean"), &shape)?;
            stats.var = fetch(&format!("{name}.running_var"), &shape)?;
        }
        let states = [self.scaling.state_mean.len()];
        self.scaling.state_mean = fetch("scaling.state_mean", &states)?;
        self.scaling.state_std = fetch("scaling.state_std", &states)?;
        let reward = fetch("scaling.reward", &[2])?;
        (self.scaling.reward_mean, self.scaling.reward_std) = (reward[0], reward[1]);
        Ok(())
    }
}
