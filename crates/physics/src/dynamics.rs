//! The equations of motion without constraints: M a + bias = forces.
//!
//! The mass matrix by the composite rigid body method, the bias by recursive Newton-Euler, the factorisation along
//! the branches of the tree (Featherstone 2008, ch. 5, 6 and 8).

use crate::model::NONE;
use crate::spatial::{Force, Motion};
use crate::{JointKind, Model, State, Vec3, Workspace};

impl Model {
    /// The mass matrix and its factors.
    pub(crate) fn mass_matrix(&self, work: &mut Workspace) {
        let count = self.dofs.len();
        work.composites.copy_from_slice(&work.inertias);
        for index in (1..self.links.len()).rev() {
            let link = &self.links[index];
            if link.weld != 0 && self.links[link.parent].weld != 0 {
                let own = work.composites[index];
                work.composites[link.parent].add(&own);
            }
        }
        for dof in 0..count {
            let momentum = work.composites[self.dofs[dof].body].momentum(&work.motions[dof]);
            work.mass[dof * count + dof] =
                work.motions[dof].dot(&momentum) + self.dofs[dof].armature;
            let mut other = self.dofs[dof].parent;
            while other != NONE {
                let product = work.motions[other].dot(&momentum);
                work.mass[dof * count + other] = product;
                work.mass[other * count + dof] = product;
                other = self.dofs[other].parent;
            }
        }
        work.factor.copy_from_slice(&work.mass);
        self.factorise(&mut work.factor, &mut work.pivots);
    }

    /// Factors `H = L' D L` in place, `L` below the diagonal with the sparsity of the tree; the inverse of `D` goes to
    /// `pivots`.
    pub(crate) fn factorise(&self, matrix: &mut [f64], pivots: &mut [f64]) {
        let count = self.dofs.len();
        for k in (0..count).rev() {
            let pivot = 1.0 / matrix[k * count + k];
            pivots[k] = pivot;
            let mut i = self.dofs[k].parent;
            while i != NONE {
                let factor = matrix[k * count + i] * pivot;
                let mut j = i;
                while j != NONE {
                    matrix[i * count + j] -= factor * matrix[k * count + j];
                    j = self.dofs[j].parent;
                }
                matrix[k * count + i] = factor;
                i = self.dofs[i].parent;
            }
        }
    }

    /// Solves with the factors of [`Self::factorise`], in place.
    pub(crate) fn solve(&self, factor: &[f64], pivots: &[f64], x: &mut [f64]) {
        let count = self.dofs.len();
        for i in (0..count).rev() {
            let mut j = self.dofs[i].parent;
            while j != NONE {
                x[j] -= factor[i * count + j] * x[i];
                j = self.dofs[j].parent;
            }
        }
        for i in 0..count {
            x[i] *= pivots[i];
            let mut j = self.dofs[i].parent;
            while j != NONE {
                x[i] -= factor[i * count + j] * x[j];
                j = self.dofs[j].parent;
            }
        }
    }

    /// Multiplies by the inverse mass matrix, in place.
    pub(crate) fn solve_mass(&self, work: &Workspace, x: &mut [f64]) {
        self.solve(&work.factor, &work.pivots, x);
    }

    /// The product of the mass matrix with a vector.
    pub(crate) fn times_mass(&self, mass: &[f64], x: &[f64], out: &mut [f64]) {
        let count = self.dofs.len();
        out.fill(0.0);
        for i in 0..count {
            let row = &mass[i * count..][..count];
            let mut sum = row[i] * x[i];
            let mut j = self.dofs[i].parent;
            while j != NONE {
                sum += row[j] * x[j];
                out[j] += row[j] * x[i];
                j = self.dofs[j].parent;
            }
            out[i] += sum;
        }
    }

    /// Forces that gravity, rotation and Coriolis effects demand, and the velocities of the bodies.
    pub(crate) fn bias(&self, state: &State, work: &mut Workspace) {
        work.velocities[0] = Motion::ZERO;
        work.accelerations[0] = Motion { turn: Vec3::zeros(), shift: -self.options.gravity };
        for (index, link) in self.links.iter().enumerate().skip(1) {
            if link.weld == 0 {
                work.velocities[index] = Motion::ZERO;
                work.accelerations[index] = work.accelerations[0];
                continue;
            }
            let mut velocity = work.velocities[link.parent];
            let mut acceleration = work.accelerations[link.parent];
            for joint in &self.joints[link.joints.clone()] {
                let mut turning = joint.dofs();
                if joint.kind == JointKind::Free {
                    // The axes of its shifts do not move.
                    for dof in joint.dof..joint.dof + 3 {
                        velocity.add_scaled(&work.motions[dof], state.velocity[dof]);
                    }
                    turning.start += 3;
                }
                let carrier = velocity;
                for dof in turning {
                    let rate = state.velocity[dof];
                    acceleration.add_scaled(&carrier.cross(&work.motions[dof]), rate);
                    velocity.add_scaled(&work.motions[dof], rate);
                }
            }
            work.velocities[index] = velocity;
            work.accelerations[index] = acceleration;
            let inertia = &work.inertias[index];
            let mut force = inertia.momentum(&acceleration);
            force.add(&velocity.cross_force(&inertia.momentum(&velocity)));
            work.forces[index] = force;
        }
        for index in (1..self.links.len()).rev() {
            let link = &self.links[index];
            if link.weld == 0 {
                continue;
            }
            for dof in link.dofs.clone() {
                work.bias[dof] = work.motions[dof].dot(&work.forces[index]);
            }
            if self.links[link.parent].weld != 0 {
                let own = work.forces[index];
                work.forces[link.parent].add(&own);
            }
        }
    }

    /// Adds the generalised force of a force at a point of a body, and a torque.
    pub(crate) fn apply(
        &self,
        motions: &[Motion],
        body: usize,
        point: &Vec3,
        push: &Vec3,
        torque: &Vec3,
        out: &mut [f64],
    ) {
        let wrench = Force { moment: point.cross(push) + torque, push: *push };
        let mut dof = self.links[body].last_dof;
        while dof != NONE {
            out[dof] += motions[dof].dot(&wrench);
            dof = self.dofs[dof].parent;
        }
    }

    /// Potential energy (gravity and springs) and kinetic energy of a state, in joule.
    ///
    /// Gravity's is zero at the origin; a spring's at rest.
    pub fn energy(&self, state: &State, work: &mut Workspace) -> [f64; 2] {
        self.locate(state, work);
        self.mass_matrix(work);
        let mut potential = 0.0;
        for (link, centre) in self.links.iter().zip(&work.centres).skip(1) {
            potential -= link.mass * self.options.gravity.dot(centre);
        }
        for joint in self.sprung.iter().map(|&joint| &self.joints[joint]) {
            for away in self.spring_displacement(joint, state).into_iter().flatten() {
                potential += 0.5 * joint.stiffness * away * away;
            }
        }
        for (cord, &length) in self.tendons.iter().zip(&work.lengths) {
            let away = length - length.clamp(cord.rest[0], cord.rest[1]);
            potential += 0.5 * cord.tendon.stiffness * away * away;
        }
        let mut momentum = vec![0.0; self.dofs.len()];
        self.times_mass(&work.mass, &state.velocity, &mut momentum);
        let kinetic: f64 = momentum.iter().zip(&state.velocity).map(|(p, v)| p * v).sum();
        [potential, 0.5 * kinetic]
    }
}
