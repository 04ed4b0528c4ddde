//! The physics: rapier's sets as one value that can be cloned, stepped, and set to a state.

use housecat_core::Pose;
use rapier3d::prelude::*;
use rapier3d_mjcf::MjcfContactHooks;

/// Everything that moves or remembers. A clone continues with the same bits.
#[derive(Clone)]
pub(crate) struct World {
    islands: IslandManager,
    broad_phase: BroadPhaseBvh,
    narrow_phase: NarrowPhase,
    pub(crate) bodies: RigidBodySet,
    pub(crate) colliders: ColliderSet,
    pub(crate) impulse_joints: ImpulseJointSet,
    pub(crate) multibody_joints: MultibodyJointSet,
    soft_bodies: SoftBodySet,
    ccd: CCDSolver,
}

impl World {
    /// An empty world.
    pub(crate) fn new() -> Self {
        Self {
            islands: IslandManager::new(),
            broad_phase: BroadPhaseBvh::new(),
            narrow_phase: NarrowPhase::new(),
            bodies: RigidBodySet::new(),
            colliders: ColliderSet::new(),
            impulse_joints: ImpulseJointSet::new(),
            multibody_joints: MultibodyJointSet::new(),
            soft_bodies: SoftBodySet::new(),
            ccd: CCDSolver::new(),
        }
    }
}

/// A slide or hinge.
#[derive(Clone, Debug)]
pub(crate) struct Joint {
    pub name: String,
    pub hinge: bool,
    /// MJCF's `ref`: the coordinate at which rapier's is zero.
    pub reference: f32,
    /// Where the anchor and axis are, in the child's frame.
    pub frame: rapier3d::math::Pose,
    pub parent: RigidBodyHandle,
    pub child: RigidBodyHandle,
    pub handle: MultibodyJointHandle,
}

/// How an actuator turns its control into force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Law {
    /// Force is the control.
    Motor,
    /// `kp (control - q) - kv v`.
    Position { kp: f32, kv: f32 },
    /// `kv (control - v)`.
    Velocity { kv: f32 },
}

/// An actuator on a joint. Its length and velocity are `gear` times the joint's, and its force acts on
/// the joint through the same gear, as in MJCF.
#[derive(Clone, Debug)]
pub(crate) struct Drive {
    pub name: String,
    pub joint: usize,
    pub law: Law,
    pub gear: f32,
    /// Control at action -1 and +1.
    pub control: [f32; 2],
    /// Clamp on the force.
    pub force: Option<[f32; 2]>,
}

impl Drive {
    /// Velocity gain that rapier integrates implicitly as joint damping (stable at any gain). A clamped
    /// force cannot be split that way; it is computed explicitly as a whole.
    pub(crate) fn implicit_damping(&self) -> f32 {
        match (self.law, self.force) {
            (Law::Position { kv, .. } | Law::Velocity { kv }, None) => kv * self.gear * self.gear,
            _ => 0.0,
        }
    }

    /// Force on the joint at action `action`, without the part that acts as damping.
    fn force(&self, action: f32, coordinate: f32, rate: f32) -> f32 {
        let [low, high] = self.control;
        let control = low + (action + 1.0) * 0.5 * (high - low);
        let velocity = if self.force.is_some() { self.gear * rate } else { 0.0 };
        let force = match self.law {
            Law::Motor => control,
            Law::Position { kp, kv } => kp * (control - self.gear * coordinate) - kv * velocity,
            Law::Velocity { kv } => kv * (control - velocity),
        };
        self.gear * self.force.map_or(force, |[low, high]| force.clamp(low, high))
    }
}

/// What does not change: how the world is stepped and read.
pub(crate) struct Machine {
    pub gravity: Vector,
    pub parameters: IntegrationParameters,
    /// Physics steps in a control step.
    pub substeps: usize,
    /// Excluded contacts.
    pub hooks: MjcfContactHooks,
    pub joints: Vec<Joint>,
    pub drives: Vec<Drive>,
    /// Rapier's handle of each MJCF body; `None` for a world without colliders.
    pub bodies: Vec<Option<RigidBodyHandle>>,
    /// The world as the scene file has it.
    pub pristine: World,
}

impl Machine {
    /// Advances one control step. `actions` has one component in [-1, 1] a drive.
    pub(crate) fn advance(
        &self,
        world: &mut World,
        pipeline: &mut PhysicsPipeline,
        actions: &[f32],
    ) {
        for _ in 0..self.substeps {
            self.apply(world, actions);
            pipeline.step(
                self.gravity,
                &self.parameters,
                &mut world.islands,
                &mut world.broad_phase,
                &mut world.narrow_phase,
                &mut world.bodies,
                &mut world.colliders,
                &mut world.impulse_joints,
                &mut world.multibody_joints,
                &mut world.soft_bodies,
                &mut world.ccd,
                &self.hooks,
                &(),
            );
        }
    }

    /// Replaces the forces of the last physics step by those of the drives now.
    fn apply(&self, world: &mut World, actions: &[f32]) {
        for drive in &self.drives {
            let joint = &self.joints[drive.joint];
            for handle in [joint.parent, joint.child] {
                if let Some(body) = world.bodies.get_mut(handle) {
                    body.reset_forces(false);
                    body.reset_torques(false);
                }
            }
        }
        for (drive, &action) in self.drives.iter().zip(actions) {
            let joint = &self.joints[drive.joint];
            let force = drive.force(
                action,
                self.coordinate(world, drive.joint),
                self.rate(world, drive.joint),
            );
            let frame = *world.bodies[joint.child].position() * joint.frame;
            let along = frame.rotation * Vector::X * force;
            for (handle, along) in [(joint.child, along), (joint.parent, -along)] {
                let Some(body) = world.bodies.get_mut(handle) else { continue };
                if joint.hinge {
                    body.add_torque(along, false);
                } else {
                    body.add_force_at_point(along, frame.translation, false);
                }
            }
        }
    }

    /// Coordinate of a joint: m or rad.
    pub(crate) fn coordinate(&self, world: &World, joint: usize) -> f32 {
        let joint = &self.joints[joint];
        let link = world.multibody_joints.get(joint.handle).and_then(|(body, id)| body.link(id));
        link.map_or(f32::NAN, |link| {
            link.joint().coords()[if joint.hinge { 3 } else { 0 }] + joint.reference
        })
    }

    /// Velocity of a joint: m/s or rad/s.
    pub(crate) fn rate(&self, world: &World, joint: usize) -> f32 {
        let Some((body, id)) = world.multibody_joints.get(self.joints[joint].handle) else {
            return f32::NAN;
        };
        body.link(id).map_or(f32::NAN, |link| body.generalized_velocity()[link.assembly_id()])
    }

    /// Puts joints where they should be: `(joint, coordinate, rate)` each.
    pub(crate) fn place(&self, world: &mut World, states: &[(usize, f32, f32)]) {
        for &(index, coordinate, rate) in states {
            let change = coordinate - self.coordinate(world, index);
            let Some((body, id)) = world.multibody_joints.get_mut(self.joints[index].handle) else {
                continue;
            };
            let Some(link) = body.link_mut(id) else { continue };
            link.joint.apply_displacement(&[change]);
            let row = link.assembly_id();
            body.generalized_velocity_mut()[row] = rate;
        }
        self.settle(world);
    }

    /// Makes the bodies follow the joints.
    pub(crate) fn settle(&self, world: &mut World) {
        for (index, joint) in self.joints.iter().enumerate() {
            let multibody = |world: &World, child| {
                world.multibody_joints.rigid_body_link(child).map(|link| link.multibody)
            };
            let of = multibody(world, joint.child);
            let seen = self.joints[..index].iter().any(|other| multibody(world, other.child) == of);
            if let Some(body) =
                of.filter(|_| !seen).and_then(|of| world.multibody_joints.get_multibody_mut(of))
            {
                body.forward_kinematics(&world.bodies, false);
                body.update_rigid_bodies(&mut world.bodies, true);
            }
        }
    }

    /// The first joint whose state is not finite. The bodies hang on the joints, so this covers all.
    pub(crate) fn broken_joint(&self, world: &World) -> Option<&str> {
        (0..self.joints.len())
            .find(|&joint| !(self.coordinate(world, joint) + self.rate(world, joint)).is_finite())
            .map(|joint| self.joints[joint].name.as_str())
    }

    /// Pose of an MJCF body in the world.
    pub(crate) fn pose(&self, world: &World, body: usize) -> Pose {
        let body = self.bodies[body].and_then(|handle| world.bodies.get(handle));
        body.map_or(Pose::IDENTITY, |body| pose(body.position()))
    }

    /// Whether an MJCF body can never move.
    pub(crate) fn is_fixed(&self, body: usize) -> bool {
        self.bodies[body]
            .and_then(|handle| self.pristine.bodies.get(handle))
            .is_none_or(RigidBody::is_fixed)
    }
}

/// Rapier's pose in the project's terms.
pub(crate) fn pose(pose: &rapier3d::math::Pose) -> Pose {
    Pose { position: pose.translation.to_array(), rotation: pose.rotation.to_array() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(law: Law, force: Option<[f32; 2]>) -> Drive {
        Drive { name: "d".into(), joint: 0, law, gear: 2.0, control: [-3.0, 3.0], force }
    }

    #[test]
    fn actuators_follow_mjcf() {
        assert_eq!(drive(Law::Motor, None).force(0.5, 9.0, 9.0), 2.0 * 1.5);
        assert_eq!(drive(Law::Motor, Some([-1.0, 1.0])).force(0.5, 9.0, 9.0), 2.0);
        let position = Law::Position { kp: 10.0, kv: 1.0 };
        assert_eq!(drive(position, None).force(1.0, 1.0, 9.0), 2.0 * 10.0 * (3.0 - 2.0));
        assert_eq!(drive(position, None).implicit_damping(), 4.0);
        let clamped = drive(position, Some([-50.0, 50.0]));
        assert_eq!(clamped.force(1.0, 1.0, 1.0), 2.0 * (10.0 - 2.0));
        assert_eq!(clamped.implicit_damping(), 0.0);
        assert_eq!(drive(Law::Velocity { kv: 5.0 }, None).force(1.0, 0.0, 9.0), 2.0 * 5.0 * 3.0);
    }
}
