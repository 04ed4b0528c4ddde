//! Actuators: from controls to generalised forces.

use crate::model::NONE;
use crate::{Activation, Gain, Model, State, Workspace};

impl Model {
    /// Forces of the actuators, and the rates of their activations.
    pub(crate) fn actuation(&self, state: &State, work: &mut Workspace) {
        let count = self.dofs.len();
        work.actuation.fill(0.0);
        for (index, actuator) in self.actuators.iter().enumerate() {
            let row = &work.actuator_rows[index * count..][..count];
            let velocity: f64 = row.iter().zip(&state.velocity).map(|(j, v)| j * v).sum();
            let length = work.actuator_lengths[index];
            let control = clamp(state.control[index], actuator.control);
            let slot = self.activations[index];
            let input = if slot == NONE {
                control
            } else {
                let activation = state.activation[slot];
                work.activation_rate[slot] = match actuator.dynamics {
                    Activation::Filter(time) | Activation::FilterExact(time) => {
                        (control - activation) / time.max(1e-15)
                    }
                    Activation::Integrator | Activation::None => control,
                };
                activation
            };
            let (gain, slope) = match actuator.gain {
                Gain::Fixed(gain) => (gain, 0.0),
                Gain::Affine([g0, g1, g2]) => (g0 + g1 * length + g2 * velocity, g2),
            };
            let [b0, b1, b2] = actuator.bias;
            let wanted = gain * input + b0 + b1 * length + b2 * velocity;
            let force = clamp(wanted, actuator.force);
            work.actuator_velocities[index] = velocity;
            work.actuator_forces[index] = force;
            // A force at its clamp does not change with velocity.
            let clamped = actuator.force.is_some_and(|[low, high]| wanted <= low || wanted >= high);
            work.actuator_slopes[index] = if clamped { 0.0 } else { b2 + slope * input };
            for (out, j) in work.actuation.iter_mut().zip(row) {
                *out += j * force;
            }
        }
    }

    /// Moves the activations on by a time.
    pub(crate) fn activate(&self, activation: &mut [f64], rates: &[f64], seconds: f64) {
        for (actuator, &slot) in self.actuators.iter().zip(&self.activations) {
            if slot == NONE {
                continue;
            }
            let span = match actuator.dynamics {
                Activation::FilterExact(time) if time > 1e-15 => {
                    time * (1.0 - libm::exp(-seconds / time))
                }
                _ => seconds,
            };
            activation[slot] = clamp(activation[slot] + rates[slot] * span, actuator.activation);
        }
    }
}

fn clamp(value: f64, range: Option<[f64; 2]>) -> f64 {
    range.map_or(value, |[low, high]| value.clamp(low, high))
}
