//! What a plan imagined, as pictures beside those of the simulator.

use crate::spectator::to_start;
use housecat_agent::Pair;
use housecat_core::{Env, Image, PlanTrace};
use housecat_model::{Decoder, WorldModel};
use housecat_view::Moment;

/// Moments shown of a plan, at most.
const SHOWN: usize = 8;

/// A plan of an episode, and what was done before its first action.
pub struct Imagined<'a> {
    /// The plan.
    pub plan: &'a PlanTrace,
    /// The actions before it, each `[A]`.
    pub before: &'a [Vec<f32>],
    /// Control steps in an action block.
    pub block: usize,
}

impl Imagined<'_> {
    /// Follows the plan on the simulator, without looking, and paints the latents that it expected; the goal comes
    /// last. Empty where the plan is no plan in a model, or nothing is seen.
    ///
    /// # Errors
    /// If the world explodes or the model fails.
    pub fn moments(
        &self,
        env: &mut dyn Env,
        pair: &Pair,
        model: &WorldModel,
        decoder: &Decoder,
    ) -> anyhow::Result<Vec<Moment>> {
        let Self { plan, before, block } = *self;
        to_start(env, pair)?;
        for action in before {
            env.advance(action)?;
        }
        let last = plan.latents.len().saturating_sub(1);
        let every = last.div_ceil(SHOWN - 1).max(1);
        let mut actions = plan.best.chunks_exact(plan.action_dim.max(1));
        let mut moments = Vec::new();
        for (index, latent) in plan.latents.iter().enumerate() {
            if index > 0 {
                for action in actions.by_ref().take(block) {
                    env.advance(action)?;
                }
            }
            if index % every != 0 && index != last {
                continue;
            }
            let label = match before.len() + index * block {
                0 => "start".to_owned(),
                step => format!("step {step}"),
            };
            let seen = env.observe();
            moments.extend(moment(label, latent, seen.images.first(), decoder));
        }
        if let (false, Some((goal, _))) = (moments.is_empty(), &pair.goal) {
            let latent = model.encode(&[goal])?;
            moments.extend(moment("goal".into(), &latent, goal.images.first(), decoder));
        }
        Ok(moments)
    }
}

fn moment(
    label: String,
    latent: &[f32],
    simulated: Option<&Image>,
    decoder: &Decoder,
) -> Option<Moment> {
    let imagined = decoder.paint(latent).pop()?;
    Some(Moment { label, imagined, simulated: simulated?.clone() })
}
