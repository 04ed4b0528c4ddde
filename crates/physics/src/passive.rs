//! Forces that act by themselves: springs, dampers, gravity compensation, the medium.

use crate::kinematics::rotation_vector;
use crate::model::{Cord, Link, Motor, quaternion};
use crate::{JointKind, Mat3, Model, State, Vec3, Workspace};
use std::f64::consts::PI;

impl Model {
    /// Passive generalised forces.
    pub(crate) fn passive(&self, state: &State, work: &mut Workspace) {
        for ((force, dof), velocity) in work.passive.iter_mut().zip(&self.dofs).zip(&state.velocity)
        {
            *force = -dof.damping * velocity;
        }
        for joint in self.sprung.iter().map(|&joint| &self.joints[joint]) {
            let away = self.spring_displacement(joint, state);
            for (dof, away) in joint.dofs().zip(away.into_iter().flatten()) {
                work.passive[dof] -= joint.stiffness * away;
            }
        }
        let count = self.dofs.len();
        for (index, Cord { tendon, rest, .. }) in self.tendons.iter().enumerate() {
            if tendon.stiffness == 0.0 && tendon.damping == 0.0 {
                continue;
            }
            let row = &work.tendon_rows[index * count..][..count];
            let length = work.lengths[index];
            let velocity: f64 = row.iter().zip(&state.velocity).map(|(j, v)| j * v).sum();
            let force = -tendon.damping * velocity
                - tendon.stiffness * (length - length.clamp(rest[0], rest[1]));
            for (passive, j) in work.passive.iter_mut().zip(row) {
                *passive += j * force;
            }
        }
        for (index, link) in self.links.iter().enumerate() {
            if link.gravity_compensation != 0.0 && link.weld != 0 {
                let push = self.options.gravity * (-link.mass * link.gravity_compensation);
                let centre = work.centres[index];
                self.apply(&work.motions, index, &centre, &push, &Vec3::zeros(), &mut work.passive);
            }
        }
        if self.in_fluid {
            for index in 1..self.links.len() {
                if self.links[index].weld != 0 && self.links[index].mass > 0.0 {
                    self.drag(index, work);
                }
            }
        }
    }

    /// How far a spring is from rest, one entry a degree of freedom.
    pub(crate) fn spring_displacement(&self, joint: &Motor, state: &State) -> [Option<f64>; 6] {
        let q = &state.position[joint.position..];
        let initial = &self.initial.position[joint.position..];
        let mut away = [None; 6];
        match joint.kind {
            JointKind::Slide | JointKind::Hinge => away[0] = Some(q[0] - joint.rest),
            JointKind::Ball => {
                let turned = quaternion(&initial[..4]).conjugate() * quaternion(&q[..4]);
                let vector = rotation_vector(&turned);
                (0..3).for_each(|k| away[k] = Some(vector[k]));
            }
            JointKind::Free => {
                let turned = quaternion(&initial[3..7]).conjugate() * quaternion(&q[3..7]);
                let vector = rotation_vector(&turned);
                for k in 0..3 {
                    away[k] = Some(q[k] - initial[k]);
                    away[3 + k] = Some(vector[k]);
                }
            }
        }
        away
    }

    /// The medium's viscosity and drag on a body, taken as the box of its inertia (MuJoCo's inertia-based model).
    fn drag(&self, index: usize, work: &mut Workspace) {
        let Some((frame, size)) = inertia_box(&self.links[index]) else { return };
        let options = &self.options;
        let centre = work.centres[index];
        let axes = work.poses[index].rotation.to_rotation_matrix().matrix() * frame;
        let velocity = work.velocities[index];
        let shift = axes.transpose() * (velocity.at(&centre) - options.wind);
        let turn = axes.transpose() * velocity.turn;
        let [x, y, z] = [size.x, size.y, size.z];
        let mut push = Vec3::zeros();
        let mut torque = Vec3::zeros();
        if options.viscosity > 0.0 {
            let diameter = (x + y + z) / 3.0;
            push -= shift * (3.0 * PI * diameter * options.viscosity);
            torque -= turn * (PI * diameter * diameter * diameter * options.viscosity);
        }
        if options.density > 0.0 {
            let areas = [y * z, x * z, x * y];
            let fourth = |a: f64| a * a * a * a;
            let lever = [
                x * (fourth(y) + fourth(z)),
                y * (fourth(x) + fourth(z)),
                z * (fourth(x) + fourth(y)),
            ];
            for k in 0..3 {
                push[k] -= 0.5 * options.density * areas[k] * shift[k].abs() * shift[k];
                torque[k] -= options.density * lever[k] * turn[k].abs() * turn[k] / 64.0;
            }
        }
        let (push, torque) = (axes * push, axes * torque);
        self.apply(&work.motions, index, &centre, &push, &torque, &mut work.passive);
    }
}

/// Axes (in the body's frame) and edge lengths of the box with a body's mass and inertia.
fn inertia_box(link: &Link) -> Option<(Mat3, Vec3)> {
    let eigen = link.tensor.symmetric_eigen();
    let [a, b, c] = [eigen.eigenvalues.x, eigen.eigenvalues.y, eigen.eigenvalues.z];
    let edge = |sum: f64| (sum.max(1e-15) / link.mass * 6.0).sqrt();
    let size = Vec3::new(edge(b + c - a), edge(a + c - b), edge(a + b - c));
    size.iter().all(|edge| edge.is_finite()).then_some((eigen.eigenvectors, size))
}
