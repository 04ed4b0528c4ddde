//! What is fitted after training to show what a model thinks, and never reaches a policy: a linear probe from latents to
//! the privileged state, and a decoder from latents to pictures.

use crate::console::Progress;
use crate::run_dir::{RunDir, write_whole};
use crate::session::Session;
use anyhow::{Context as _, bail};
use housecat_core::{Experience, Seed};
use housecat_model::{Decoder, LinearProbe, WorldModel};
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
