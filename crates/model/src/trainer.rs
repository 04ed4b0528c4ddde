//! The trainer: replicas over fixed shares of each batch, one optimiser, everything a function of the
//! seed and the step number, so that a resumed run continues with the same bits.

use crate::batch::{Batch, Source, WindowSize, Windows, fit_scaling};
use crate::config::{ModelSpec, OptimizerConfig, PredictorTraining, TrainConfig};
use crate::layers::{Pass, values};
use crate::loss::{Predictions, total_loss};
use crate::ops::{BatchStats, Buffers};
use crate::optimizer::{AdamW, mean_and_clip};
use crate::{ModelError, WorldModel};
use housecat_core::{Experience, Seed};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Shares of a batch, each with its own batch statistics. Fixed, so that the number of threads changes
/// the time and not the bits.
const SHARES: usize = 2;

/// Share of the newest batch in the running statistics of batch normalisation.
const STATISTICS_SHARE: f32 = 0.05;

/// Consecutive steps without a finite loss after which training gives up.
const PATIENCE: u32 = 20;

/// What one step did.
#[derive(Clone, Debug, Default)]
pub struct StepMetrics {
    /// Steps done, this one included.
    pub step: u64,
    /// The weighted sum of the terms.
    pub loss: f32,
    /// Each term, unweighted, by name.
    pub terms: BTreeMap<&'static str, f32>,
    /// Norm of the gradient before clipping.
    pub grad_norm: f32,
    /// Learning rate used.
    pub learning_rate: f32,
    /// The step was skipped because the loss or gradient was not finite.
    pub skipped: bool,
    /// Share of the working threads' time that passed in assembling the batch from the experience.
    pub data_wait: f32,
}

/// How well held-out windows are predicted; latents have unit variance.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Validation {
    /// Mean squared error of the next latent of a window from encoded ones.
    pub next_latent: f32,
    /// Mean squared error in open loop, by observations ahead: `train.stride` action blocks each, 1 in the second part
    /// of training.
    pub open_loop: Vec<f32>,
    /// The same for predicting that nothing changes.
    pub copy: Vec<f32>,
    /// Mean squared error of the block reward, in variances, if there is a reward head.
    pub reward: Option<f32>,
}

/// Fits a [`WorldModel`] to an [`Experience`].
pub struct Trainer<'a> {
    model: WorldModel,
    config: TrainConfig,
    experience: &'a Experience,
    windows: Windows,
    /// Those of the second part of training, if there is one.
    later_windows: Option<Windows>,
    /// Latents of all frames `[N, D]`, once the encoder is finished and the second part has begun.
    latents: Option<Vec<f32>>,
    optimizer: AdamW,
    /// What a step through an encoder leaves to the next one.
    buffers: Buffers,
    seed: Seed,
    step: u64,
    skipped: u64,
    skipped_in_a_row: u32,
    threads: usize,
}

/// What a share of a batch contributes.
struct Share {
    loss: f32,
    terms: BTreeMap<&'static str, f32>,
    grads: Vec<Vec<f32>>,
    stats: BTreeMap<String, BatchStats>,
    /// Time in which its batch was assembled.
    waited: Duration,
}

impl<'a> Trainer<'a> {
    /// A trainer at step 0 with an untrained model.
    ///
    /// # Errors
    /// If the configuration makes no sense or the experience does not hold what the model needs.
    pub fn new(
        spec: ModelSpec,
        config: TrainConfig,
        experience: &'a Experience,
        seed: Seed,
        threads: usize,
    ) -> Result<Self, ModelError> {
        config.validate(&spec.model)?;
        let mut model = WorldModel::new(spec, seed)?;
        model.check(experience)?;
        let repeat = model.spec().model.action_repeat;
        let windows = |length, stride| {
            let size = WindowSize { length, stride, repeat };
            Windows::new(experience, size, config.validation, seed)
        };
        let later_windows =
            config.predictor.as_ref().map(|later| windows(later.window, 1)).transpose()?;
        let windows = windows(config.window, config.stride)?;
        model.scaling = fit_scaling(experience, &windows, model.scaling.state_mean.len());
        let optimizer = AdamW::new(&model.variables, config.precision);
        Ok(Self {
            model,
            config,
            experience,
            windows,
            later_windows,
            latents: None,
            optimizer,
            buffers: Buffers::default(),
            seed,
            step: 0,
            skipped: 0,
            skipped_in_a_row: 0,
            threads,
        })
    }

    /// The model as it stands.
    pub fn model(&self) -> &WorldModel {
        &self.model
    }

    /// The latents of all frames `[N, D]`, once the encoder is finished and the second part of training has begun.
    pub fn latents(&self) -> Option<&[f32]> {
        self.latents.as_deref()
    }

    /// The model, when training is over.
    pub fn into_model(self) -> WorldModel {
        self.model
    }

    /// Starts from the weights of a checkpoint (of any run with the same model) instead of random ones.
    ///
    /// # Errors
    /// If the checkpoint does not fit this trainer's model.
    pub fn start_from(&mut self, checkpoint: &Path) -> Result<(), ModelError> {
        crate::checkpoint::check_spec(self.model.spec(), checkpoint)?;
        crate::checkpoint::load_into(&mut self.model, checkpoint)
    }

    /// How it trains.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Steps skipped because the loss was not finite.
    pub fn steps_skipped(&self) -> u64 {
        self.skipped
    }

    /// Windows to train on and to validate on.
    pub fn window_counts(&self) -> (usize, usize) {
        (self.windows.train.len(), self.windows.validation.len())
    }

    pub(crate) fn optimizer(&self) -> &AdamW {
        &self.optimizer
    }

    pub(crate) fn restore(&mut self, step: u64, skipped: u64) -> (&mut WorldModel, &mut AdamW) {
        self.step = step;
        self.skipped = skipped;
        (&mut self.model, &mut self.optimizer)
    }

    /// One optimiser step.
    ///
    /// # Errors
    /// If the loss stays non-finite, or a tensor operation fails.
    pub fn step(&mut self) -> Result<StepMetrics, ModelError> {
        self.encode_if_finished()?;
        let started = Instant::now();
        let (batch, peak, progress) = match self.later() {
            Some((later, done)) => (
                later.batch,
                later.learning_rate,
                done as f32 / self.config.predictor_steps() as f32,
            ),
            None => {
                let progress = self.step as f32 / self.config.steps as f32;
                (self.config.batch, self.config.optimizer.learning_rate, progress)
            }
        };
        let mut shares = self.shares(batch, progress)?;
        let mut grads = std::mem::take(&mut shares[0].grads);
        let others: Vec<_> = shares[1..].iter().map(|share| &share.grads[..]).collect();
        let clip_norm = self.config.optimizer.clip_norm;
        let (grad_norm, scale) = mean_and_clip(&mut grads, &others, clip_norm);
        let mean = |of: &dyn Fn(&Share) -> f32| shares.iter().map(of).sum::<f32>() / SHARES as f32;
        let loss = mean(&|share| share.loss);
        let learning_rate = self.config.optimizer.rate(peak, progress);
        let skipped = !(loss.is_finite() && grad_norm.is_finite());
        self.step += 1;
        if skipped {
            self.skipped += 1;
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row >= PATIENCE {
                return Err(ModelError::Diverged { step: self.step, loss, repeats: PATIENCE });
            }
        } else {
            self.skipped_in_a_row = 0;
            let OptimizerConfig { learning_rate: whole, muon, weight_decay, .. } =
                self.config.optimizer;
            let muon = muon.map(|rate| rate * learning_rate / whole);
            let rates = (learning_rate, muon, weight_decay);
            let (variables, grads) = (&self.model.variables, (&grads[..], scale));
            self.optimizer.step(variables, grads, self.step, rates, self.threads)?;
            let stats: Vec<_> = shares.iter().map(|share| share.stats.clone()).collect();
            self.model.update_statistics(&stats, STATISTICS_SHARE);
        }
        let terms =
            shares[0].terms.keys().map(|&name| (name, mean(&|share| share.terms[name]))).collect();
        let waited: Duration = shares.iter().map(|share| share.waited).sum();
        let worked = started.elapsed().as_secs_f32() * self.threads.clamp(1, SHARES) as f32;
        let data_wait = waited.as_secs_f32() / worked;
        Ok(StepMetrics {
            step: self.step,
            loss,
            terms,
            grad_norm,
            learning_rate,
            skipped,
            data_wait,
        })
    }

    /// The second part of training, if it is its turn, and the steps done in it.
    fn later(&self) -> Option<(&PredictorTraining, u64)> {
        let done = self.step.checked_sub(self.config.steps)?;
        self.config.predictor.as_ref().map(|later| (later, done))
    }

    /// Encodes all frames, once, when the encoder is finished.
    fn encode_if_finished(&mut self) -> Result<(), ModelError> {
        if self.latents.is_none() && self.later().is_some() {
            let frames: Vec<usize> = (0..self.experience.frames()).collect();
            let latents = self.model.encode_frames_on(self.threads, self.experience, &frames)?;
            self.latents = Some(latents);
            self.buffers = Buffers::default();
        }
        Ok(())
    }

    /// Where windows are drawn from, and what is seen in them.
    fn source(&self) -> (&Windows, Source<'_>) {
        let windows = match &self.later_windows {
            Some(windows) if self.later().is_some() => windows,
            _ => &self.windows,
        };
        (windows, self.latents.as_ref().map_or(Source::Frames, |latents| Source::Latents(latents)))
    }

    /// Computes every share's loss and gradients, on up to `threads` threads.
    fn shares(&self, batch: usize, progress: f32) -> Result<Vec<Share>, ModelError> {
        let starts = self.starts(self.step, batch);
        let run = |share: usize| self.share(&starts[share], share, progress);
        std::thread::scope(|scope| {
            scope.spawn(|| self.prefetch(batch));
            if self.threads < 2 {
                return (0..SHARES).map(run).collect();
            }
            let workers: Vec<_> =
                (1..SHARES).map(|share| scope.spawn(move || run(share))).collect();
            let first = run(0);
            let rest = workers.into_iter().map(|worker| match worker.join() {
                Ok(share) => share,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            std::iter::once(first).chain(rest).collect()
        })
    }

    /// Where the windows of a step begin, by share.
    fn starts(&self, step: u64, batch: usize) -> Vec<Vec<usize>> {
        let mut rng = self.seed.child("batch", step).rng();
        let windows = &self.source().0.train;
        let mut share = || (0..batch / SHARES).map(|_| windows[rng.index(windows.len())]).collect();
        (0..SHARES).map(|_| share()).collect()
    }

    /// Sends for the frames of the next step, so that they are there when this one is computed even if
    /// the experience is larger than memory.
    fn prefetch(&self, batch: usize) {
        if let (Windows { size, .. }, Source::Frames) = self.source() {
            for start in self.starts(self.step + 1, batch).into_iter().flatten() {
                (0..size.length)
                    .for_each(|t| self.experience.prefetch_image(start + t * size.apart()));
            }
        }
    }

    fn share(&self, starts: &[usize], share: usize, progress: f32) -> Result<Share, ModelError> {
        let mut rng = self.seed.child("share", self.step).child("share", share as u64).rng();
        let (windows, source) = self.source();
        let size = windows.size;
        let dropout = self.config.history_dropout;
        let started = Instant::now();
        let batch =
            Batch::new(&self.model, self.experience, source, starts, size, dropout, &mut rng)?;
        let waited = started.elapsed();
        let dropped = self.seed.child("dropout", self.step).child("share", share as u64).rng();
        let pass = Pass::train(dropped, self.config.precision, self.buffers.clone());
        let predictions = Predictions::new(&self.model, &batch, &pass)?;
        // The projections must be the same for all shares, or more shares would mean more of them.
        let mut rng = self.seed.child("projections", self.step).rng();
        let encodes = matches!(source, Source::Frames);
        let losses = self.config.loss.iter().filter(|loss| encodes || loss.judges_predictions());
        let (loss, terms) = total_loss(losses, &predictions, &batch, progress, &mut rng)?;
        let store = loss.backward()?;
        let grads = self.model.variables.iter().map(|(name, var)| match pass.gradient(&store, var)? {
            Some(grad) => Ok(grad),
            // The encoder, and what only it needed.
            None if !encodes => Ok(Vec::new()),
            None => Err(ModelError::Config {
                key: "loss",
                value: format!("{:?}", terms.keys().collect::<Vec<_>>()),
                fix: format!("no term trains the variable `{name}`; add the loss that does, or remove its part of the model"),
            }),
        });
        let grads = grads.collect::<Result<_, _>>()?;
        let stats = match pass {
            Pass::Train(training) => training.statistics.into_inner(),
            Pass::Look => BTreeMap::new(),
        };
        Ok(Share { loss: loss.to_scalar::<f32>()?, terms, grads, stats, waited })
    }

    /// Predicts held-out windows (at most 512, the same ones every time in each part of training).
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn validate(&self) -> Result<Option<Validation>, ModelError> {
        let (Windows { validation: windows, size, .. }, source) = self.source();
        if windows.is_empty() {
            return Ok(None);
        }
        let mut rng = self.seed.child("validation", 0).rng();
        let starts: Vec<usize> =
            (0..windows.len().min(512)).map(|_| windows[rng.index(windows.len())]).collect();
        let batch =
            Batch::new(&self.model, self.experience, source, &starts, *size, 0.0, &mut rng)?;
        let predictions = Predictions::new(&self.model, &batch, &Pass::Look)?;
        let targets = values(&predictions.targets(&batch)?)?;
        let latents = values(&predictions.latents)?;
        let rows = batch.size * self.model.latent_dim();
        let error = |a: &[f32], b: &[f32]| {
            let total: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            (total / a.len() as f64) as f32
        };
        let open_loop = values(&predictions.open_loop[0])?;
        let steps = batch.length - 1;
        let ahead = |t: usize| t * rows..(t + 1) * rows;
        let reward = match &predictions.rewards {
            Some(rewards) => Some(error(&values(rewards)?, &values(&batch.rewards)?)),
            None => None,
        };
        Ok(Some(Validation {
            next_latent: error(&values(&predictions.forced[0])?, &targets),
            open_loop: (0..steps)
                .map(|t| error(&open_loop[ahead(t)], &targets[ahead(t)]))
                .collect(),
            copy: (0..steps).map(|t| error(&latents[..rows], &targets[ahead(t)])).collect(),
            reward,
        }))
    }
}
