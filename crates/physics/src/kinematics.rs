//! Where everything is: poses of bodies, and the motion that each degree of freedom causes.

use crate::model::{quaternion, store};
use crate::spatial::{Motion, SpatialInertia};
use crate::{JointKind, Model, Pose, State, Vec3, Workspace};
use nalgebra::{Quaternion, Translation3, UnitQuaternion};

/// The turn by an angle about a unit axis.
pub(crate) fn turn(axis: &Vec3, angle: f64) -> UnitQuaternion<f64> {
    let (sin, cos) = libm::sincos(0.5 * angle);
    UnitQuaternion::new_unchecked(Quaternion::new(cos, axis.x * sin, axis.y * sin, axis.z * sin))
}

/// The turn by a rotation vector.
pub(crate) fn turn_by(vector: &Vec3) -> UnitQuaternion<f64> {
    let angle = vector.norm();
    if angle < 1e-15 { UnitQuaternion::identity() } else { turn(&(vector / angle), angle) }
}

/// The rotation vector of a turn, at most half a revolution long.
pub(crate) fn rotation_vector(q: &UnitQuaternion<f64>) -> Vec3 {
    let axis = Vec3::new(q.i, q.j, q.k);
    let sin = axis.norm();
    if sin < 1e-15 {
        return Vec3::zeros();
    }
    let mut angle = 2.0 * libm::atan2(sin, q.w);
    if angle > std::f64::consts::PI {
        angle -= std::f64::consts::TAU;
    }
    axis * (angle / sin)
}

/// A quaternion of any length, normalised; the identity if it has none.
pub(crate) fn normalised(q: Quaternion<f64>) -> UnitQuaternion<f64> {
    let norm = (q.w * q.w + q.i * q.i + q.j * q.j + q.k * q.k).sqrt();
    if norm > 1e-15 && norm.is_finite() {
        UnitQuaternion::new_unchecked(q / norm)
    } else {
        UnitQuaternion::identity()
    }
}

/// The columns of a rotation: the body's axes in the world.
fn axes(q: &UnitQuaternion<f64>) -> [Vec3; 3] {
    let matrix = q.to_rotation_matrix();
    [0, 1, 2].map(|k| matrix.matrix().column(k).into_owned())
}

impl Model {
    /// Places the bodies of a state (and measures its tendons and transmissions) without stepping.
    pub fn locate(&self, state: &State, work: &mut Workspace) {
        self.kinematics(state, work);
        self.measure_tendons(state, work);
        self.measure_actuators(state, work);
    }

    /// Places what never moves.
    pub(crate) fn place_fixed(&self, work: &mut Workspace) {
        for (index, link) in self.links.iter().enumerate().skip(1) {
            if link.weld == 0 {
                work.poses[index] = work.poses[link.parent] * link.pose;
                work.centres[index] = work.poses[index].transform_point(&link.centre.into()).coords;
            }
        }
        for (geom, collider) in work.geoms.iter_mut().zip(&self.colliders) {
            if self.links[collider.body].weld == 0 {
                *geom = work.poses[collider.body] * collider.pose;
            }
        }
    }

    /// Poses, centres of mass, inertias and motions of a state.
    pub(crate) fn kinematics(&self, state: &State, work: &mut Workspace) {
        for (index, link) in self.links.iter().enumerate().skip(1) {
            if link.weld == 0 {
                continue;
            }
            let mut pose = self.place(index, state, work);
            // Rounding must not add up along the tree.
            pose.rotation = normalised(*pose.rotation.quaternion());
            work.poses[index] = pose;
            self.ball_axes(index, &pose, work);
            let rotation = pose.rotation.to_rotation_matrix();
            let matrix = rotation.matrix();
            let centre = matrix * link.centre + pose.translation.vector;
            work.centres[index] = centre;
            work.inertias[index] = SpatialInertia::new(
                link.mass,
                centre,
                &(matrix * link.tensor * matrix.transpose()),
            );
        }
    }

    /// The pose of a body, and the motions of its slides and hinges.
    fn place(&self, index: usize, state: &State, work: &mut Workspace) -> Pose {
        let link = &self.links[index];
        let mut pose = work.poses[link.parent] * link.pose;
        for joint in &self.joints[link.joints.clone()] {
            let q = &state.position[joint.position..];
            match joint.kind {
                JointKind::Free => {
                    pose = Pose::from_parts(
                        Translation3::new(q[0], q[1], q[2]),
                        normalised(*quaternion(&q[3..7]).quaternion()),
                    );
                    for (k, axis) in [Vec3::x(), Vec3::y(), Vec3::z()].into_iter().enumerate() {
                        work.motions[joint.dof + k] = Motion { turn: Vec3::zeros(), shift: axis };
                    }
                }
                JointKind::Ball => {
                    let anchor = pose.transform_point(&joint.anchor.into()).coords;
                    pose.rotation *= normalised(*quaternion(&q[..4]).quaternion());
                    pose.translation.vector = anchor - pose.rotation * joint.anchor;
                }
                JointKind::Slide => {
                    let axis = pose.rotation * joint.axis;
                    pose.translation.vector += axis * (q[0] - joint.reference);
                    work.motions[joint.dof] = Motion { turn: Vec3::zeros(), shift: axis };
                }
                JointKind::Hinge => {
                    let axis = pose.rotation * joint.axis;
                    let anchor = pose.transform_point(&joint.anchor.into()).coords;
                    pose.rotation *= turn(&joint.axis, q[0] - joint.reference);
                    pose.translation.vector = anchor - pose.rotation * joint.anchor;
                    work.motions[joint.dof] = Motion::turn_about(axis, anchor);
                }
            }
        }
        pose
    }

    /// The turning motions of balls and free joints: about the axes of the body.
    fn ball_axes(&self, index: usize, pose: &Pose, work: &mut Workspace) {
        for joint in &self.joints[self.links[index].joints.clone()] {
            let (first, anchor) = match joint.kind {
                JointKind::Free => (joint.dof + 3, pose.translation.vector),
                JointKind::Ball => (joint.dof, pose.transform_point(&joint.anchor.into()).coords),
                JointKind::Slide | JointKind::Hinge => continue,
            };
            for (k, axis) in axes(&pose.rotation).into_iter().enumerate() {
                work.motions[first + k] = Motion::turn_about(axis, anchor);
            }
        }
    }

    /// Places the geoms that move.
    pub(crate) fn place_geoms(&self, work: &mut Workspace) {
        for (geom, collider) in work.geoms.iter_mut().zip(&self.colliders) {
            if self.links[collider.body].weld != 0 {
                *geom = work.poses[collider.body] * collider.pose;
            }
        }
    }

    /// Moves coordinates along velocities for a time.
    pub(crate) fn drift(&self, position: &mut [f64], velocity: &[f64], seconds: f64) {
        for joint in &self.joints {
            let v = &velocity[joint.dof..];
            let q = &mut position[joint.position..];
            match joint.kind {
                JointKind::Slide | JointKind::Hinge => q[0] += v[0] * seconds,
                JointKind::Ball => rotate(&mut q[..4], &v[..3], seconds),
                JointKind::Free => {
                    (0..3).for_each(|k| q[k] += v[k] * seconds);
                    rotate(&mut q[3..7], &v[3..6], seconds);
                }
            }
        }
    }
}

/// Turns a quaternion along an angular velocity about the body's axes.
fn rotate(q: &mut [f64], velocity: &[f64], seconds: f64) {
    let change = turn_by(&(Vec3::new(velocity[0], velocity[1], velocity[2]) * seconds));
    let turned = quaternion(q).quaternion() * change.quaternion();
    store(&normalised(turned), q);
}
