//! Scripted collection policies: programs in data that make experience worth learning from.

mod gait;
mod pick;
mod push;
mod waypoints;

use crate::SimError;
use crate::resolver::Resolver;
use crate::spec;
use housecat_core::{Actor, Decision, Env, EnvError, Observation, Rng, State};
use std::sync::Arc;

/// A `[scripted]` table on indices into the privileged state and the action.
#[derive(Debug)]
pub(crate) enum Script {
    Waypoints(Arc<waypoints::Script>),
    Push(Arc<push::Script>),
    Pick(Arc<pick::Script>),
    Gait(Arc<gait::Script>),
}

impl Script {
    /// Resolves the names of a spec. `control_hz` are control steps a second.
    pub(crate) fn new(
        spec: &spec::Scripted,
        control_hz: u32,
        names: &Resolver,
    ) -> Result<Self, SimError> {
        let (noise, careless) = match spec {
            spec::Scripted::Waypoints(spec) => (&spec.noise, spec.careless),
            spec::Scripted::Push(spec) => (&spec.noise, spec.careless),
            spec::Scripted::Pick(spec) => (&spec.noise, spec.careless),
            spec::Scripted::Gait(spec) => (&spec.noise, 0.0),
        };
        if !(noise.std >= 0.0 && (0.0..1.0).contains(&noise.rho)) {
            return names
                .wrong("scripted.noise", "needs a `std` of at least 0 and a `rho` in [0, 1)");
        }
        if !(0.0..=1.0).contains(&careless) {
            return names.wrong("scripted.careless", "is a chance; it must be in [0, 1]");
        }
        Ok(match spec {
            spec::Scripted::Waypoints(spec) => {
                Self::Waypoints(waypoints::Script::new(spec, names)?.into())
            }
            spec::Scripted::Push(spec) => Self::Push(push::Script::new(spec, names)?.into()),
            spec::Scripted::Pick(spec) => Self::Pick(pick::Script::new(spec, names)?.into()),
            spec::Scripted::Gait(spec) => {
                Self::Gait(gait::Script::new(spec, control_hz, names)?.into())
            }
        })
    }
}

/// A script, and where in it a policy is.
#[derive(Clone, Debug)]
enum Program {
    Waypoints(Arc<waypoints::Script>, waypoints::Progress),
    Push(Arc<push::Script>, push::Progress),
    Pick(Arc<pick::Script>, pick::Progress),
    Gait(Arc<gait::Script>, gait::Progress),
}

/// A scripted policy for collection; it sees the privileged state.
#[derive(Clone, Debug)]
pub struct Scripted {
    script: Arc<Script>,
    program: Program,
    /// The noise on each component of the action now.
    noise: Vec<f32>,
}

impl Scripted {
    pub(crate) fn new(script: Arc<Script>) -> Self {
        let program = match &*script {
            Script::Waypoints(script) => Program::Waypoints(script.clone(), Default::default()),
            Script::Push(script) => Program::Push(script.clone(), Default::default()),
            Script::Pick(script) => Program::Pick(script.clone(), Default::default()),
            Script::Gait(script) => Program::Gait(script.clone(), Default::default()),
        };
        Self { script, program, noise: Vec::new() }
    }

    /// The next action, each component in [-1, 1], at a privileged state of the sim.
    fn act(&mut self, state: &State, rng: &mut Rng) -> Vec<f32> {
        let state = &state.0;
        let (mut action, noise) = match &mut self.program {
            Program::Waypoints(script, progress) => {
                (script.act(progress, state, rng), script.noise())
            }
            Program::Push(script, progress) => (script.act(progress, state, rng), script.noise()),
            Program::Pick(script, progress) => (script.act(progress, state, rng), script.noise()),
            Program::Gait(script, progress) => (script.act(progress, rng), script.noise()),
        };
        self.noise.resize(action.len(), 0.0);
        let fresh = noise.std * (1.0 - noise.rho * noise.rho).max(0.0).sqrt();
        for (value, memory) in action.iter_mut().zip(&mut self.noise) {
            *memory = noise.rho * *memory + fresh * rng.normal();
            *value = (*value + *memory).clamp(-1.0, 1.0);
        }
        action
    }
}

impl Actor for Scripted {
    fn reset(&mut self) {
        *self = Self::new(self.script.clone());
    }

    fn decide(
        &mut self,
        env: &dyn Env,
        _: &Observation,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError> {
        Ok(Decision { action: self.act(&env.state(), rng), plan: None })
    }
}

impl spec::Approach {
    /// Complains about impossible numbers.
    fn check(&self, names: &Resolver) -> Result<(), SimError> {
        let [slow, fast] = self.speed;
        if self.reach > 0.0 && self.gain > 0.0 && 0.0 < slow && slow <= fast {
            return Ok(());
        }
        names.wrong("scripted.approach", "needs `reach`, `gain` and `speed` above 0, in order")
    }

    /// A speed for the next point.
    fn pace(&self, rng: &mut Rng) -> f64 {
        rng.uniform_f64(self.speed[0], self.speed[1])
    }

    /// The action that leads from `here` to `there`, no longer than `speed`.
    fn towards(&self, here: &[f64], there: &[f64], speed: f64) -> Vec<f32> {
        let wish: Vec<f64> =
            there.iter().zip(here).map(|(to, from)| self.gain * (to - from)).collect();
        let length = wish.iter().map(|value| value * value).sum::<f64>().sqrt();
        let shorten = if length > speed { speed / length } else { 1.0 };
        wish.iter().map(|value| (value * shorten) as f32).collect()
    }

    /// Whether a point pursued for `age` steps is done with.
    fn is_over(&self, here: &[f64], there: &[f64], age: u32) -> bool {
        age > self.patience || distance(here, there) < self.reach
    }
}

/// Complains about an interval that is none.
fn check_interval(field: &str, interval: [f64; 2], names: &Resolver) -> Result<(), SimError> {
    let [low, high] = interval;
    if low.is_finite() && high.is_finite() && low <= high {
        return Ok(());
    }
    names.wrong(field, "needs finite intervals [low, high] with low <= high")
}

/// Components of a state; 0 for those that the state of another sim lacks.
fn pick<const N: usize>(state: &[f64], indices: [usize; N]) -> [f64; N] {
    indices.map(|index| state.get(index).copied().unwrap_or(0.0))
}

/// Indices of privileged features.
fn indices<const N: usize>(
    field: &str,
    features: &[String; N],
    names: &Resolver,
) -> Result<[usize; N], SimError> {
    let mut all = [0; N];
    for (index, name) in all.iter_mut().zip(features) {
        *index = names.state(field, name)?;
    }
    Ok(all)
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
