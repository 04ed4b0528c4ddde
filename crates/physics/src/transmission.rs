//! Tendons and transmissions: lengths, and how fast they change with each degree of freedom.

use crate::kinematics::{normalised, rotation_vector};
use crate::model::{Cord, NONE, quaternion};
use crate::spatial::Motion;
use crate::{JointKind, Model, Path, Pose, State, Target, Vec3, Workspace};

impl Model {
    /// Lengths and Jacobians of the tendons.
    pub(crate) fn measure_tendons(&self, state: &State, work: &mut Workspace) {
        let count = self.dofs.len();
        for (index, Cord { tendon, .. }) in self.tendons.iter().enumerate() {
            let row = &mut work.tendon_rows[index * count..][..count];
            row.fill(0.0);
            let mut length = 0.0;
            match &tendon.path {
                Path::Fixed(terms) => {
                    for &(joint, factor) in terms {
                        let joint = &self.joints[joint];
                        length += factor * state.position[joint.position];
                        row[joint.dof] += factor;
                    }
                }
                Path::Spatial(strands) => {
                    for strand in strands {
                        for pair in strand.sites.windows(2) {
                            let [(a, from), (b, to)] =
                                [pair[0], pair[1]].map(|site| self.site_point(site, &work.poses));
                            let way = to - from;
                            let distance = way.norm();
                            length += distance / strand.divisor;
                            if distance > 1e-15 {
                                let along = way / (distance * strand.divisor);
                                self.add_point(&work.motions, b, &to, &along, row);
                                self.add_point(&work.motions, a, &from, &-along, row);
                            }
                        }
                    }
                }
            }
            work.lengths[index] = length;
        }
    }

    fn site_point(&self, site: usize, poses: &[Pose]) -> (usize, Vec3) {
        let (body, pose) = self.sites[site];
        (body, poses[body].transform_point(&pose.translation.vector.into()).coords)
    }

    /// Pose of a site in the world, after a step or [`Model::locate`].
    pub fn site_pose(&self, site: usize, work: &Workspace) -> Pose {
        let (body, pose) = self.sites[site];
        work.poses[body] * pose
    }

    /// Adds the velocity along `direction` of a point of a body, one entry a degree of freedom.
    pub(crate) fn add_point(
        &self,
        motions: &[Motion],
        body: usize,
        point: &Vec3,
        direction: &Vec3,
        row: &mut [f64],
    ) {
        self.apply(motions, body, point, direction, &Vec3::zeros(), row);
    }

    /// Lengths and Jacobians of the actuators' transmissions.
    pub(crate) fn measure_actuators(&self, state: &State, work: &mut Workspace) {
        let count = self.dofs.len();
        for (index, actuator) in self.actuators.iter().enumerate() {
            let gear = &actuator.gear;
            let row = &mut work.actuator_rows[index * count..][..count];
            row.fill(0.0);
            work.actuator_lengths[index] = match actuator.target {
                Target::Joint(joint) => self.through_joint(joint, false, gear, state, row),
                Target::JointInParent(joint) => self.through_joint(joint, true, gear, state, row),
                Target::Tendon(tendon) => {
                    let source = &work.tendon_rows[tendon * count..][..count];
                    for (out, j) in row.iter_mut().zip(source) {
                        *out = gear[0] * j;
                    }
                    gear[0] * work.lengths[tendon]
                }
                Target::Site { site, reference } => {
                    self.through_site(site, reference, gear, &work.poses, &work.motions, row)
                }
            };
        }
    }

    fn through_joint(
        &self,
        joint: usize,
        in_parent: bool,
        gear: &[f64; 6],
        state: &State,
        row: &mut [f64],
    ) -> f64 {
        let joint = &self.joints[joint];
        let q = &state.position[joint.position..];
        let turned = |orientation: &[f64], gear: Vec3| {
            let q = normalised(*quaternion(orientation).quaternion());
            if in_parent { q.conjugate() * gear } else { gear }
        };
        match joint.kind {
            JointKind::Slide | JointKind::Hinge => {
                row[joint.dof] = gear[0];
                gear[0] * q[0]
            }
            JointKind::Ball => {
                let gear = Vec3::new(gear[0], gear[1], gear[2]);
                let along = turned(&q[..4], gear);
                (0..3).for_each(|k| row[joint.dof + k] = along[k]);
                along.dot(&rotation_vector(&normalised(*quaternion(&q[..4]).quaternion())))
            }
            JointKind::Free => {
                let along = turned(&q[3..7], Vec3::new(gear[3], gear[4], gear[5]));
                for k in 0..3 {
                    row[joint.dof + k] = gear[k];
                    row[joint.dof + 3 + k] = along[k];
                }
                0.0
            }
        }
    }

    fn through_site(
        &self,
        site: usize,
        reference: Option<usize>,
        gear: &[f64; 6],
        poses: &[Pose],
        motions: &[Motion],
        row: &mut [f64],
    ) -> f64 {
        let [push, torque] = [0, 3].map(|k| Vec3::new(gear[k], gear[k + 1], gear[k + 2]));
        let (body, local) = self.sites[site];
        let pose = poses[body] * local;
        let point = pose.translation.vector;
        let Some(reference) = reference else {
            let (push, torque) = (pose.rotation * push, pose.rotation * torque);
            self.apply(motions, body, &point, &push, &torque, row);
            return 0.0;
        };
        let (base, local) = self.sites[reference];
        let frame = poses[base] * local;
        let offset = frame.rotation.conjugate() * (point - frame.translation.vector);
        let turned = rotation_vector(&(frame.rotation.conjugate() * pose.rotation));
        let (push_out, torque_out) = (frame.rotation * push, frame.rotation * torque);
        self.apply(motions, body, &point, &push_out, &torque_out, row);
        // What moves both moves neither against the other.
        let mut shared = self.links[body].last_dof;
        let mut other = self.links[base].last_dof;
        while shared != other {
            if other == NONE || (shared != NONE && shared > other) {
                shared = self.dofs[shared].parent;
            } else {
                other = self.dofs[other].parent;
            }
        }
        self.apply(motions, base, &frame.translation.vector, &-push_out, &-torque_out, row);
        while shared != NONE {
            row[shared] = 0.0;
            shared = self.dofs[shared].parent;
        }
        offset.dot(&push) + turned.dot(&torque)
    }
}
