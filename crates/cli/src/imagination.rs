//! What a model imagines, as paths in the world: for display only, through the linear probe of its run.

use crate::run_dir::RunDir;
use housecat_core::PlanTrace;
use housecat_model::{LinearProbe, WorldModel};
use housecat_sim::{Coordinate, Sim};
use housecat_view::{Fan, Probe};

/// How the plans of a run's model are seen in space; `None` if its sim tracks no point, or the run has no probe.
pub fn of_run(run: &RunDir, sim: &Sim, model: &WorldModel) -> Option<(Probe, Fan)> {
    let track = sim.track()?;
    let probe = read_probe(run)?;
    let again = probe.clone();
    let mut rollout = model.latent_rollout().ok()?;
    let fan = move |plan: &PlanTrace| {
        let Some(start) = plan.latents.first() else { return Vec::new() };
        let (dim, count) = (start.len(), plan.candidate_costs.len());
        let blocks = plan.horizon * plan.action_dim / rollout.block_dim();
        let (latents, executed) = &plan.before;
        let before = (!executed.is_empty()).then_some((&**latents, &**executed));
        let ahead = rollout.roll(start, before, &plan.candidates, count, blocks);
        let path = |candidate: usize| {
            let later = (0..blocks).map(|block| &ahead[(block * count + candidate) * dim..][..dim]);
            std::iter::once(&**start)
                .chain(later)
                .map(|latent| position(&again, track, latent))
                .collect()
        };
        (0..count).map(path).collect()
    };
    Some((Box::new(move |latent| position(&probe, track, latent)), Box::new(fan)))
}

/// Where a latent says that the tracked point is, in metres.
fn position(probe: &LinearProbe, track: [Coordinate; 3], latent: &[f32]) -> [f32; 3] {
    let guess = probe.predict(latent);
    track.map(|coordinate| match coordinate {
        Coordinate::Fixed(metres) => metres,
        Coordinate::State(index) => guess.get(index).copied().unwrap_or(0.0),
    })
}

/// The run's probe.
fn read_probe(run: &RunDir) -> Option<LinearProbe> {
    #[derive(serde::Deserialize)]
    struct Stored {
        probe: Option<LinearProbe>,
    }
    let text = std::fs::read_to_string(run.probe()).ok()?;
    let stored: Stored = serde_json::from_str(&text).ok()?;
    stored.probe
}
