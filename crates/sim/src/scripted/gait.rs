//! Walking: every actuator swings with its own amplitude and phase.

use super::check_interval;
use crate::SimError;
use crate::resolver::Resolver;
use crate::spec::{self, Swing};
use housecat_core::Rng;
use std::f64::consts::TAU;

/// A table of kind `gait` on indices.
#[derive(Debug)]
pub(crate) struct Script {
    /// One a component of the action.
    swings: Vec<Swing>,
    control_hz: f64,
    spec: spec::Gait,
}

/// Where in the cycle it is, and how it walks now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Cycles since the start.
    cycles: f64,
    /// Control steps until the next draw.
    left: u32,
    frequency: f64,
    forward: f64,
    turn: f64,
}

impl Script {
    pub(crate) fn new(
        spec: &spec::Gait,
        control_hz: u32,
        names: &Resolver,
    ) -> Result<Self, SimError> {
        for (field, interval) in
            [("frequency", spec.frequency), ("forward", spec.forward), ("turn", spec.turn)]
        {
            check_interval(&format!("scripted.{field}"), interval, names)?;
        }
        if spec.steps[0] == 0 || spec.steps[0] > spec.steps[1] {
            return names.wrong("scripted.steps", "needs [low, high] with 1 <= low <= high");
        }
        let mut swings = vec![Swing::default(); names.machine.action_names().len()];
        for (name, &swing) in &spec.swings {
            swings[names.drive("scripted.swings", name)?] = swing;
        }
        Ok(Self { swings, control_hz: f64::from(control_hz), spec: spec.clone() })
    }

    pub(crate) fn noise(&self) -> spec::Noise {
        self.spec.noise
    }

    pub(crate) fn act(&self, progress: &mut Progress, rng: &mut Rng) -> Vec<f32> {
        let spec = &self.spec;
        if progress.left == 0 {
            let [low, high] = spec.steps;
            let mut draw = |[low, high]: [f64; 2]| rng.uniform_f64(low, high);
            progress.frequency = draw(spec.frequency);
            progress.forward = draw(spec.forward);
            progress.turn = draw(spec.turn);
            progress.left = low + rng.index((high - low) as usize + 1) as u32;
        }
        progress.left -= 1;
        progress.cycles += progress.frequency / self.control_hz;
        let swing = |swing: &Swing| {
            let width =
                swing.amplitude + swing.forward * progress.forward + swing.turn * progress.turn;
            (swing.offset + width * libm::sin(TAU * progress.cycles + swing.phase)) as f32
        };
        self.swings.iter().map(swing).collect()
    }
}
