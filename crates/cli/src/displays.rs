//! What is fitted after training to show what a model thinks, and never reaches a policy: a linear probe from latents to
//! the privileged state, and a decoder from latents to pictures.

use crate::console::Progress;
use crate::run_dir::{RunDir, write_whole};
use crate::session::Session;
use anyhow::{Context as _, bail};
use housecat_core::{Experience, PlanTrace, Seed};
use housecat_model::{Decoder, LatentRollout, LinearProbe, WorldModel};
use housecat_sim::{Coordinate, Sim};
use housecat_view::Imagination;
use serde_json::json;
use std::ops::ControlFlow;

/// Frames that they are fitted on, at most.
const FRAMES: usize = 5000;

/// Those of a run.
#[derive(Clone, Default)]
pub struct Displays {
    /// Where a latent lies in the world; absent where the experience was too little.
    pub probe: Option<LinearProbe>,
    /// What a latent looks like; absent for a model that sees no pictures.
    pub decoder: Option<Decoder>,
}

impl Displays {
    /// Whether a run has all that its model can have.
    pub fn complete(run: &RunDir, model: &WorldModel) -> bool {
        let decodes = model.spec().input.image().is_some();
        run.probe().is_file() && (!decodes || run.decoder().is_file())
    }

    /// Fits those of a model on the experience that it was trained on, and writes them into its run.
    ///
    /// # Errors
    /// If the experience lacks what the model sees, a file cannot be written, or the user interrupts.
    pub fn fit(
        session: &Session,
        model: &WorldModel,
        experience: &Experience,
        run: &RunDir,
        seed: Seed,
    ) -> anyhow::Result<()> {
        let stride = experience.frames().div_ceil(FRAMES).max(1);
        let frames: Vec<usize> = (0..experience.frames()).step_by(stride).collect();
        let latents = model.encode_frames_on(session.threads()?, experience, &frames)?;
        let targets: Vec<f32> =
            frames.iter().flat_map(|&frame| experience.privileged(frame).to_vec()).collect();
        let names = &experience.privileged_names;
        let probe = LinearProbe::fit(&latents, model.latent_dim(), &targets, names.len());
        let stored = json!({ "names": names, "probe": probe });
        write_whole(&run.probe(), format!("{stored:#}").as_bytes())?;
        if model.spec().input.image().is_none() {
            return Ok(());
        }
        let progress = std::sync::OnceLock::new();
        let watch = |step: u64, steps: u64, error: f32| {
            progress
                .get_or_init(|| Progress::new(session, "decoder", steps, 0, "steps"))
                .set(step, || format!("error {error:.3} of an empty picture's"));
            match session.interrupt.is_raised() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let decoder = Decoder::train(experience, &frames, &latents, seed, &watch)?;
        if let Some(progress) = progress.into_inner() {
            progress.finish();
        }
        match decoder {
            Some(decoder) => Ok(decoder.save(&run.decoder())?),
            None if session.interrupt.is_raised() => Err(session.interrupted()),
            None => {
                tracing::warn!("there is no decoder of pictures: the latents are not finite");
                Ok(())
            }
        }
    }

    /// Reads those that a run has.
    ///
    /// # Errors
    /// If the decoder is damaged or of another model.
    pub fn read(run: &RunDir, model: &WorldModel) -> anyhow::Result<Self> {
        Ok(Self { probe: read_probe(run), decoder: read_decoder(run, model)? })
    }

    /// How the plans of a model are seen in its world, as far as there is a probe or a decoder; without a point that the
    /// sim tracks, there are no paths.
    ///
    /// # Errors
    /// If the model cannot be rolled out.
    pub fn imagination(&self, sim: &Sim, model: &WorldModel) -> anyhow::Result<Imagination> {
        let mut imagination = Imagination::default();
        if let Some(decoder) = self.decoder.clone() {
            imagination.painter = Some(Box::new(move |latents| decoder.paint(latents)));
        }
        if let (Some(track), Some(probe)) = (sim.track(), self.probe.clone()) {
            let place = move |latent: &[f32]| {
                let guess = probe.predict(latent);
                position(track, |index| guess.get(index).copied())
            };
            let (mut rollout, also) = (model.latent_rollout()?, place.clone());
            imagination.probe = Some(Box::new(place));
            imagination.fan = Some(Box::new(move |plan| {
                let paths = futures(&mut rollout, plan);
                paths.iter().map(|path| path.iter().map(|latent| also(latent)).collect()).collect()
            }));
        }
        Ok(imagination)
    }
}

/// The latents along each of a plan's candidates, the present first.
fn futures(rollout: &mut LatentRollout, plan: &PlanTrace) -> Vec<Vec<Vec<f32>>> {
    let Some(start) = plan.latents.first() else { return Vec::new() };
    let (dim, count) = (start.len(), plan.candidate_costs.len());
    let blocks = plan.horizon * plan.action_dim / rollout.block_dim();
    let (latents, executed) = &plan.before;
    let before = (!executed.is_empty()).then_some((&**latents, &**executed));
    let ahead = rollout.roll(start, before, &plan.candidates, count, blocks);
    let path = |candidate: usize| {
        let later = (0..blocks).map(|block| &ahead[(block * count + candidate) * dim..][..dim]);
        std::iter::once(&**start).chain(later).map(<[f32]>::to_vec).collect()
    };
    (0..count).map(path).collect()
}

/// A place in metres whose coordinates may depend on values of the privileged state, by index; unknown ones are 0.
pub fn position(track: [Coordinate; 3], value: impl Fn(usize) -> Option<f32>) -> [f32; 3] {
    track.map(|coordinate| match coordinate {
        Coordinate::Fixed(metres) => metres,
        Coordinate::State(index) => value(index).unwrap_or(0.0),
    })
}

fn read_probe(run: &RunDir) -> Option<LinearProbe> {
    #[derive(serde::Deserialize)]
    struct Stored {
        probe: Option<LinearProbe>,
    }
    let text = std::fs::read_to_string(run.probe()).ok()?;
    let stored: Stored = serde_json::from_str(&text).ok()?;
    stored.probe
}

fn read_decoder(run: &RunDir, model: &WorldModel) -> anyhow::Result<Option<Decoder>> {
    let path = run.decoder();
    if !path.is_file() {
        return Ok(None);
    }
    let cure = "a decoder is for display only: delete it, and the command that trained the run makes it anew";
    let decoder = Decoder::load(&path).context(cure)?;
    if !decoder.fits(model) {
        bail!("{} paints the latents of another model; {cure}", path.display());
    }
    Ok(Some(decoder))
}
