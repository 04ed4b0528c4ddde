//! What changes: the state of a world, and the room in which a step is computed.

use crate::collide::Contact;
use crate::constraint::Rows;
use crate::description::{Pose, Vec3};
use crate::newton::Solver;
use crate::spatial::{Force, Motion, SpatialInertia};
use crate::{Model, PhysicsError};

/// The state of a world. Two equal states continue with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Joint coordinates, joint by joint in MuJoCo's layout: slide m, hinge rad, ball a unit quaternion (w x y z),
    /// free a position and a unit quaternion.
    pub position: Vec<f64>,
    /// Joint velocities: slide m/s, hinge rad/s, ball rad/s about the body's axes, free m/s in the world and rad/s
    /// about the body's axes.
    pub velocity: Vec<f64>,
    /// Activations of the actuators that have dynamics.
    pub activation: Vec<f64>,
    /// Controls, one an actuator.
    pub control: Vec<f64>,
    /// The last accelerations, with which the constraint solver starts.
    pub(crate) warm: Vec<f64>,
    /// Seconds since the beginning.
    pub time: f64,
}

impl State {
    /// Checks that the lengths fit a model.
    ///
    /// # Errors
    /// The first part that does not.
    pub fn check(&self, model: &Model) -> Result<(), PhysicsError> {
        let initial = &model.initial;
        let parts = [
            ("position", &self.position, &initial.position),
            ("velocity", &self.velocity, &initial.velocity),
            ("activation", &self.activation, &initial.activation),
            ("control", &self.control, &initial.control),
        ];
        for (what, got, want) in parts {
            if got.len() != want.len() {
                return Err(PhysicsError::Length { what, got: got.len(), want: want.len() });
            }
        }
        Ok(())
    }

    /// Whether every number of it is finite and of a size that a world can have.
    pub fn is_sane(&self) -> bool {
        let sane = |values: &[f64]| values.iter().all(|value| Self::is_sane_number(*value));
        sane(&self.position) && sane(&self.velocity) && sane(&self.activation)
    }

    /// Whether a coordinate, velocity or activation is finite and below 1e10.
    pub fn is_sane_number(value: f64) -> bool {
        value.abs() < 1e10
    }

    /// Forgets what the solver would start with, as after a jump.
    pub fn forget(&mut self) {
        self.warm.fill(0.0);
    }
}

/// Room in which steps of one model are computed, and what the last one found.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Poses of the bodies.
    pub(crate) poses: Vec<Pose>,
    /// Their centres of mass.
    pub(crate) centres: Vec<Vec3>,
    pub(crate) inertias: Vec<SpatialInertia>,
    pub(crate) composites: Vec<SpatialInertia>,
    pub(crate) velocities: Vec<Motion>,
    pub(crate) accelerations: Vec<Motion>,
    pub(crate) forces: Vec<Force>,
    /// Poses of the geoms.
    pub(crate) geoms: Vec<Pose>,
    /// Each degree of freedom's motion.
    pub(crate) motions: Vec<Motion>,
    /// The mass matrix (lower triangle and its mirror image), and its sparse factor.
    pub(crate) mass: Vec<f64>,
    pub(crate) factor: Vec<f64>,
    pub(crate) pivots: Vec<f64>,
    pub(crate) implicit: Vec<f64>,
    pub(crate) implicit_pivots: Vec<f64>,
    pub(crate) bias: Vec<f64>,
    pub(crate) passive: Vec<f64>,
    pub(crate) actuation: Vec<f64>,
    /// Unconstrained forces, and the accelerations they cause.
    pub(crate) smooth_force: Vec<f64>,
    pub(crate) smooth: Vec<f64>,
    pub(crate) constraint_force: Vec<f64>,
    pub(crate) acceleration: Vec<f64>,
    /// Lengths, velocities and Jacobians (one row each) of the tendons.
    pub(crate) lengths: Vec<f64>,
    pub(crate) tendon_rows: Vec<f64>,
    /// Of the actuators: length, velocity, force, and Jacobian.
    pub(crate) actuator_lengths: Vec<f64>,
    pub(crate) actuator_velocities: Vec<f64>,
    pub(crate) actuator_forces: Vec<f64>,
    pub(crate) actuator_slopes: Vec<f64>,
    pub(crate) actuator_rows: Vec<f64>,
    pub(crate) activation_rate: Vec<f64>,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) rows: Rows,
    pub(crate) solver: Solver,
    pub(crate) scratch: Vec<f64>,
    pub(crate) touch: Vec<(usize, [f64; 6])>,
}

impl Workspace {
    /// Room for a model.
    pub fn new(model: &Model) -> Self {
        let (bodies, dofs) = (model.links.len(), model.dofs.len());
        let actuators = model.actuators.len();
        let zeros = |count: usize| vec![0.0; count];
        let mut work = Self {
            poses: vec![crate::model::still(); bodies],
            centres: vec![Vec3::zeros(); bodies],
            inertias: vec![SpatialInertia::ZERO; bodies],
            composites: vec![SpatialInertia::ZERO; bodies],
            velocities: vec![Motion::ZERO; bodies],
            accelerations: vec![Motion::ZERO; bodies],
            forces: vec![Force::ZERO; bodies],
            geoms: vec![crate::model::still(); model.colliders.len()],
            motions: vec![Motion::ZERO; dofs],
            mass: zeros(dofs * dofs),
            factor: zeros(dofs * dofs),
            pivots: zeros(dofs),
            implicit: zeros(dofs * dofs),
            implicit_pivots: zeros(dofs),
            bias: zeros(dofs),
            passive: zeros(dofs),
            actuation: zeros(dofs),
            smooth_force: zeros(dofs),
            smooth: zeros(dofs),
            constraint_force: zeros(dofs),
            acceleration: zeros(dofs),
            lengths: zeros(model.tendons.len()),
            tendon_rows: zeros(model.tendons.len() * dofs),
            actuator_lengths: zeros(actuators),
            actuator_velocities: zeros(actuators),
            actuator_forces: zeros(actuators),
            actuator_slopes: zeros(actuators),
            actuator_rows: zeros(actuators * dofs),
            activation_rate: zeros(model.initial.activation.len()),
            contacts: Vec::new(),
            rows: Rows::default(),
            solver: Solver::new(dofs),
            scratch: zeros(dofs),
            touch: Vec::new(),
        };
        model.place_fixed(&mut work);
        work
    }

    /// Pose of a body in the world, after a step or [`Model::locate`].
    pub fn pose(&self, body: usize) -> &Pose {
        &self.poses[body]
    }

    /// Accelerations of the last step (or its first stage), in the layout of [`State::velocity`].
    pub fn acceleration(&self) -> &[f64] {
        &self.acceleration
    }

    /// Number of contacts found in the last step.
    pub fn contacts(&self) -> usize {
        self.contacts.len()
    }

    /// Length of a tendon, after a step or [`Model::locate`].
    pub fn tendon_length(&self, tendon: usize) -> f64 {
        self.lengths[tendon]
    }

    /// Length of an actuator's transmission (its gear included), after a step or [`Model::locate`].
    pub fn actuator_length(&self, actuator: usize) -> f64 {
        self.actuator_lengths[actuator]
    }

    pub(crate) fn tendon_row(&self, tendon: usize) -> &[f64] {
        let dofs = self.motions.len();
        &self.tendon_rows[tendon * dofs..][..dofs]
    }
}
