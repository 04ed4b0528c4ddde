//! What a planner says of its choice: costs, doubts, and what it imagines in space.

use super::blueprint::Part;
use super::{RerunRecorder, picture, strip};
use crate::ViewError;
use crate::png::film_strip;
use housecat_core::{Image, PlanTrace};
use rerun::{Radius, archetypes};

/// Maps a latent `[D]` of [`PlanTrace::latents`] to a world position in metres, for display only.
pub type Probe = Box<dyn Fn(&[f32]) -> [f32; 3] + Send>;

/// Maps each of [`PlanTrace::candidates`] to its path: world positions in metres, as a [`Probe`] sees them. The planner
/// itself need not imagine what it does not choose.
pub type Fan = Box<dyn FnMut(&PlanTrace) -> Vec<Vec<[f32; 3]>> + Send>;

/// Paints latents `[n, D]` of [`PlanTrace::latents`] as pictures, for display only.
pub type Painter = Box<dyn Fn(&[f32]) -> Vec<Image> + Send>;

/// What makes plans visible. Each is asked only for plans that are shown, and where they are, so that work is not held
/// up by it.
#[derive(Default)]
pub struct Imagination {
    /// Where a plan leads.
    pub probe: Option<Probe>,
    /// Where its rivals would.
    pub fan: Option<Fan>,
    /// What there will be to see.
    pub painter: Option<Painter>,
}

const IMAGINED: [u8; 3] = [255, 150, 40];

/// Colours of candidates from the cheapest to the dearest.
const CHEAP: [u8; 3] = [80, 220, 110];
const DEAR: [u8; 3] = [150, 60, 190];

impl RerunRecorder {
    pub(super) fn log_plan(&mut self, step: u64, plan: &PlanTrace) -> Result<(), ViewError> {
        self.parts.insert(Part::Plan);
        self.line("plan/milliseconds", "milliseconds", (plan.plan_secs * 1e3) as f32)?;
        if plan.best.is_empty() {
            return Ok(()); // It was not there in time.
        }
        self.line("plan/cost/best", "best", plan.best_cost)?;
        if let Some(last) = plan.iterations.last() {
            self.line("plan/cost/elites", "mean of the elites", last.elite_mean)?;
            let rounds: Vec<f32> = plan.iterations.iter().map(|round| round.best).collect();
            self.stream.log("plan/search", &archetypes::BarChart::new(rounds))?;
            self.parts.insert(Part::Search);
        }
        if !plan.spread.is_empty() {
            let mean = plan.spread.iter().sum::<f32>() / plan.spread.len() as f32;
            self.line("plan/uncertainty", "disagreement of the ensemble", mean)?;
            self.parts.insert(Part::Spread);
        }
        if let Some(surprise) = plan.surprise {
            self.line("plan/surprise", "seen against expected", surprise)?;
        }
        // From the second plan of a model on there is something to compare with: the layout need not change then.
        if plan.latents.len() > 1 {
            self.parts.insert(Part::Surprise);
        }
        self.log_paths(plan)?;
        self.log_film(step, plan)
    }

    /// Logs what was expected to be seen at this step of the episode.
    pub(super) fn log_expected(&mut self, step: u64) -> Result<(), ViewError> {
        match self.expected.remove(&step) {
            Some(image) => self.stream.show("imagination/now", &picture("imagination", &image)?),
            None => Ok(()),
        }
    }

    fn log_film(&mut self, step: u64, plan: &PlanTrace) -> Result<(), ViewError> {
        let Some(painter) = self.imagination.painter.as_ref().filter(|_| plan.latents.len() > 1)
        else {
            return Ok(());
        };
        let pictures = painter(&plan.latents.concat());
        self.stream.show("imagination/film", &picture("imagination", &film_strip(&pictures)?)?)?;
        self.parts.insert(Part::Film);
        let (first, block) = (step + plan.lead as u64, plan.horizon / (plan.latents.len() - 1));
        // What the plan before expected of its first moment is compared with what comes, too.
        self.expected.retain(|&then, _| then <= first);
        for (index, image) in pictures.into_iter().enumerate() {
            self.expected.entry(first + (index * block) as u64).or_insert(image);
        }
        Ok(())
    }

    fn log_paths(&mut self, plan: &PlanTrace) -> Result<(), ViewError> {
        let Some(probe) = self.imagination.probe.as_ref().filter(|_| plan.latents.len() > 1) else {
            return Ok(());
        };
        let points: Vec<_> = plan.latents.iter().map(|latent| probe(latent)).collect();
        self.stream.show("path/imagined", &strip(&points, IMAGINED, "imagined"))?;
        let Some(fan) = &mut self.imagination.fan else { return Ok(()) };
        let paths: Vec<_> = fan(plan).into_iter().take(PlanTrace::CANDIDATES).collect();
        let colors = colors(&plan.candidate_costs);
        let radii = [Radius::new_ui_points(0.8)];
        let fan = archetypes::LineStrips3D::new(paths).with_colors(colors).with_radii(radii);
        self.stream.show("path/candidates", &fan)
    }

    fn line(&mut self, entity: &str, name: &str, value: f32) -> Result<(), ViewError> {
        self.name_line(&entity.into(), name.to_owned())?;
        self.log_scalars(entity, &[value])
    }
}

/// A colour for each of these costs, by where it lies between the least and the greatest.
fn colors(costs: &[f32]) -> Vec<[u8; 3]> {
    let finite = || costs.iter().copied().filter(|&cost| cost < f32::MAX);
    let low = finite().fold(f32::INFINITY, f32::min);
    let range = (finite().fold(f32::NEG_INFINITY, f32::max) - low).max(f32::MIN_POSITIVE);
    let color = |&cost: &f32| {
        let share = ((cost - low) / range).clamp(0.0, 1.0);
        let mix = |channel: usize| {
            let (from, to) = (f32::from(CHEAP[channel]), f32::from(DEAR[channel]));
            (from + share * (to - from)).round() as u8
        };
        std::array::from_fn(mix)
    };
    costs.iter().map(color).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_coloured_by_cost_whatever_they_cost() {
        let half = [115, 140, 150];
        assert_eq!(colors(&[1.0, 2.0, 3.0]), [CHEAP, half, DEAR]);
        // A plan that broke the model has the greatest cost there is.
        assert_eq!(colors(&[1.0, 2.0, f32::MAX])[1..], [DEAR, DEAR]);
        assert_eq!(colors(&[5.0]), [CHEAP]);
        assert!(colors(&[]).is_empty());
    }
}
