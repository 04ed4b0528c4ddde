//! A description, compiled: the constants of the dynamics.

use crate::check::{check_indices, check_joint, check_masses, check_options, value};
use crate::collide::{self, Collider, Pair};
use crate::{
    Actuator, Body, Description, JointKind, Mat3, Options, PhysicsError, Pose, Softness, State,
    Tendon, Tie, Vec3, Workspace, inertia,
};
use nalgebra::{Isometry3, Quaternion, UnitQuaternion};
use std::ops::Range;

/// No degree of freedom.
pub(crate) const NONE: usize = usize::MAX;

/// A world that can be stepped. Immutable; shared by all its states.
#[derive(Debug)]
pub struct Model {
    pub(crate) options: Options,
    pub(crate) links: Vec<Link>,
    pub(crate) joints: Vec<Motor>,
    pub(crate) dofs: Vec<Dof>,
    pub(crate) colliders: Vec<Collider>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) sites: Vec<(usize, Pose)>,
    pub(crate) tendons: Vec<Cord>,
    pub(crate) ties: Vec<Bond>,
    pub(crate) actuators: Vec<Actuator>,
    /// Index of each actuator's activation, or `NONE`.
    pub(crate) activations: Vec<usize>,
    pub(crate) initial: State,
    /// Mean diagonal of the mass matrix at the initial position; scales the solver's tolerance.
    pub(crate) mean_inertia: f64,
    pub(crate) damped: bool,
    pub(crate) in_fluid: bool,
    /// Indices of the limited joints, those with dry friction, and those with springs.
    pub(crate) limited: Vec<usize>,
    pub(crate) rough: Vec<usize>,
    pub(crate) sprung: Vec<usize>,
}

/// A body.
#[derive(Debug)]
pub(crate) struct Link {
    pub parent: usize,
    pub pose: Pose,
    pub joints: Range<usize>,
    pub dofs: Range<usize>,
    /// The last degree of freedom that moves it, or `NONE`.
    pub last_dof: usize,
    /// The body it is rigidly attached to: the next one up that has joints; 0 for what never moves.
    pub weld: usize,
    pub mass: f64,
    pub centre: Vec3,
    /// About the centre of mass, in the body's axes.
    pub tensor: Mat3,
    /// Translational and rotational inverse inertia at the initial position.
    pub mobility: [f64; 2],
    pub gravity_compensation: f64,
}

/// A joint.
#[derive(Debug)]
pub(crate) struct Motor {
    pub kind: JointKind,
    pub anchor: Vec3,
    pub axis: Vec3,
    pub reference: f64,
    pub stiffness: f64,
    pub rest: f64,
    pub friction_softness: Softness,
    pub limit: Option<[f64; 2]>,
    pub margin: f64,
    pub limit_softness: Softness,
    /// Where its coordinates begin.
    pub position: usize,
    /// Its first degree of freedom.
    pub dof: usize,
}

impl Motor {
    pub fn dofs(&self) -> Range<usize> {
        self.dof..self.dof + degrees(self.kind)
    }
}

/// A degree of freedom.
#[derive(Debug)]
pub(crate) struct Dof {
    pub parent: usize,
    pub body: usize,
    pub armature: f64,
    pub damping: f64,
    pub friction_loss: f64,
    /// Inverse inertia at the initial position.
    pub mobility: f64,
}

/// A tendon.
#[derive(Debug)]
pub(crate) struct Cord {
    pub tendon: Tendon,
    /// Lengths between which its spring is at rest.
    pub rest: [f64; 2],
    /// Length at the initial position.
    pub initial: f64,
    pub mobility: f64,
}

/// An equality constraint whose geometry is fixed.
#[derive(Debug)]
pub(crate) struct Bond {
    pub kind: BondKind,
    pub softness: Softness,
}

#[derive(Debug)]
pub(crate) enum BondKind {
    /// Points of two bodies coincide.
    Connect {
        bodies: [usize; 2],
        anchors: [Vec3; 2],
    },
    /// Frames of two bodies coincide: `pose` in the first at `anchor` of the second.
    Weld {
        bodies: [usize; 2],
        anchors: [Vec3; 2],
        turn: UnitQuaternion<f64>,
        torque_scale: f64,
    },
    Joints {
        follower: usize,
        leader: Option<usize>,
        polynomial: [f64; 5],
    },
    Tendons {
        follower: usize,
        leader: Option<usize>,
        polynomial: [f64; 5],
    },
}

/// Velocities of a joint.
pub(crate) fn degrees(kind: JointKind) -> usize {
    match kind {
        JointKind::Free => 6,
        JointKind::Ball => 3,
        JointKind::Slide | JointKind::Hinge => 1,
    }
}

/// Reads a unit quaternion stored w x y z.
pub(crate) fn quaternion(q: &[f64]) -> UnitQuaternion<f64> {
    UnitQuaternion::new_unchecked(Quaternion::new(q[0], q[1], q[2], q[3]))
}

/// Stores one.
pub(crate) fn store(q: &UnitQuaternion<f64>, at: &mut [f64]) {
    at.copy_from_slice(&[q.w, q.i, q.j, q.k]);
}

impl Model {
    /// Compiles a description.
    ///
    /// # Errors
    /// A moving body without mass or inertia, an index or number out of range, a flat mesh.
    pub fn new(description: &Description) -> Result<Self, PhysicsError> {
        let mut links: Vec<Link> = Vec::with_capacity(description.bodies.len());
        let (mut joints, mut dofs, mut position) = (Vec::new(), Vec::<Dof>::new(), Vec::new());
        check_options(&description.options)?;
        for (index, body) in description.bodies.iter().enumerate() {
            let parent = body.parent;
            if parent >= index.max(1) {
                return Err(value(&body.name, "its parent must come before it"));
            }
            let (first_joint, first_dof) = (joints.len(), dofs.len());
            let mut last = if index == 0 { NONE } else { links[parent].last_dof };
            for joint in &body.joints {
                check_joint(body, joint, index, parent)?;
                let dof = dofs.len();
                joints.push(Motor {
                    kind: joint.kind,
                    anchor: joint.anchor,
                    axis: joint.axis,
                    reference: joint.reference,
                    stiffness: joint.stiffness,
                    rest: joint.rest,
                    friction_softness: joint.friction_softness,
                    limit: joint.limit.filter(|_| description.options.limits),
                    margin: joint.margin,
                    limit_softness: joint.limit_softness,
                    position: position.len(),
                    dof,
                });
                match joint.kind {
                    JointKind::Free => {
                        let at = &body.pose.translation.vector;
                        position.extend_from_slice(&[at.x, at.y, at.z, 1.0, 0.0, 0.0, 0.0]);
                        let start = position.len() - 4;
                        store(&body.pose.rotation, &mut position[start..]);
                    }
                    JointKind::Ball => position.extend_from_slice(&[1.0, 0.0, 0.0, 0.0]),
                    JointKind::Slide | JointKind::Hinge => position.push(joint.reference),
                }
                for _ in 0..degrees(joint.kind) {
                    dofs.push(Dof {
                        parent: last,
                        body: index,
                        armature: joint.armature,
                        damping: joint.damping,
                        friction_loss: joint.friction_loss,
                        mobility: 0.0,
                    });
                    last = dofs.len() - 1;
                }
            }
            let (mass, centre, tensor) = inertia::of_body(body)?;
            let weld = match index {
                0 => 0,
                _ if body.joints.is_empty() => links[parent].weld,
                _ => index,
            };
            links.push(Link {
                parent,
                pose: body.pose,
                joints: first_joint..joints.len(),
                dofs: first_dof..dofs.len(),
                last_dof: last,
                weld,
                mass,
                centre,
                tensor,
                mobility: [0.0; 2],
                gravity_compensation: body.gravity_compensation,
            });
        }
        check_masses(description, &links)?;
        let (colliders, pairs) = collide::compile(description, &links)?;
        check_indices(description, joints.len())?;
        let mut activation = 0;
        let activations = description.actuators.iter().map(|actuator| {
            if matches!(actuator.dynamics, crate::Activation::None) {
                return NONE;
            }
            activation += 1;
            activation - 1
        });
        let activations = activations.collect();
        let indices = |wanted: &dyn Fn(&Motor) -> bool| {
            (0..joints.len()).filter(|&joint| wanted(&joints[joint])).collect::<Vec<_>>()
        };
        let (limited, sprung, rough) = (
            indices(&|joint| joint.limit.is_some()),
            indices(&|joint| joint.stiffness != 0.0),
            indices(&|joint| dofs[joint.dof].friction_loss > 0.0),
        );
        let mut model = Self {
            options: description.options,
            damped: dofs.iter().any(|dof| dof.damping != 0.0),
            in_fluid: description.options.density > 0.0 || description.options.viscosity > 0.0,
            initial: State {
                position,
                velocity: vec![0.0; dofs.len()],
                activation: vec![0.0; activation],
                control: vec![0.0; description.actuators.len()],
                warm: vec![0.0; dofs.len()],
                time: 0.0,
            },
            links,
            joints,
            dofs,
            colliders,
            pairs,
            sites: description.sites.iter().map(|site| (site.body, site.pose)).collect(),
            tendons: Vec::new(),
            ties: Vec::new(),
            actuators: description.actuators.clone(),
            activations,
            mean_inertia: 1.0,
            limited,
            rough,
            sprung,
        };
        model.tendons = description
            .tendons
            .iter()
            .map(|tendon| Cord {
                tendon: Tendon {
                    limit: tendon.limit.filter(|_| description.options.limits),
                    ..tendon.clone()
                },
                rest: [0.0; 2],
                initial: 0.0,
                mobility: 0.0,
            })
            .collect();
        model.measure_initial(description)?;
        Ok(model)
    }

    /// What depends on the initial position: mobilities, lengths, and the geometry of the bonds.
    fn measure_initial(&mut self, description: &Description) -> Result<(), PhysicsError> {
        let mut work = Workspace::new(self);
        let state = self.initial.clone();
        self.kinematics(&state, &mut work);
        self.mass_matrix(&mut work);
        let degrees = self.dofs.len();
        if let Some(dof) = (0..degrees).find(|&dof| !(0.0..1e15).contains(&work.pivots[dof])) {
            let body = description.bodies[self.dofs[dof].body].name.clone();
            return Err(PhysicsError::Massless { body, what: "inertia" });
        }
        self.mean_inertia = (0..degrees).map(|dof| work.mass[dof * degrees + dof]).sum::<f64>()
            / degrees.max(1) as f64;
        // The inverse mass matrix, column by column.
        let mut inverse = vec![0.0; degrees * degrees];
        for dof in 0..degrees {
            let column = &mut inverse[dof * degrees..][..degrees];
            column[dof] = 1.0;
            self.solve_mass(&work, column);
        }
        for joint in &self.joints {
            let own = |range: Range<usize>| {
                let count = range.len() as f64;
                range.map(|dof| inverse[dof * degrees + dof]).sum::<f64>() / count
            };
            let spread = match joint.kind {
                JointKind::Free => {
                    vec![own(joint.dof..joint.dof + 3), own(joint.dof + 3..joint.dof + 6)]
                }
                _ => vec![own(joint.dofs())],
            };
            for (offset, dof) in joint.dofs().enumerate() {
                self.dofs[dof].mobility = spread[(offset / 3).min(spread.len() - 1)];
            }
        }
        let quadratic = |row: &[f64]| -> f64 {
            let product = |dof: usize| -> f64 {
                (0..degrees).map(|other| inverse[dof * degrees + other] * row[other]).sum()
            };
            (0..degrees).filter(|&dof| row[dof] != 0.0).map(|dof| row[dof] * product(dof)).sum()
        };
        for index in 1..self.links.len() {
            let link = &self.links[index];
            if link.weld == 0 {
                continue;
            }
            if is_slider(&description.bodies, index, link) {
                let mobility = 1.0 / link.mass;
                link.dofs.clone().for_each(|dof| self.dofs[dof].mobility = mobility);
                self.links[index].mobility = [mobility, 0.0];
                continue;
            }
            let centre = work.centres[index];
            let mut mobility = [0.0; 2];
            for axis in 0..3 {
                let mut rows = [vec![0.0; degrees], vec![0.0; degrees]];
                let mut dof = link.last_dof;
                while dof != NONE {
                    rows[0][dof] = work.motions[dof].at(&centre)[axis];
                    rows[1][dof] = work.motions[dof].turn[axis];
                    dof = self.dofs[dof].parent;
                }
                for kind in 0..2 {
                    mobility[kind] += quadratic(&rows[kind]) / 3.0;
                }
            }
            self.links[index].mobility = mobility;
        }
        self.measure_tendons(&state, &mut work);
        for index in 0..self.tendons.len() {
            let (length, mobility) = (work.lengths[index], quadratic(work.tendon_row(index)));
            let cord = &mut self.tendons[index];
            cord.rest = cord.tendon.rest.unwrap_or([length; 2]);
            (cord.initial, cord.mobility) = (length, mobility);
        }
        self.measure_actuators(&state, &mut work);
        for (index, actuator) in self.actuators.iter_mut().enumerate() {
            let crate::Gain::Fixed(gain) = actuator.gain else { continue };
            if gain == -actuator.bias[1] && actuator.bias[2] > 0.0 {
                // A position servo whose damping is given as a ratio: of the critical one of the inertia it moves.
                let mobility = quadratic(&work.actuator_rows[index * degrees..][..degrees]);
                actuator.bias[2] *= -2.0 * (gain / mobility.max(1e-15)).sqrt();
            }
        }
        for equality in &description.equalities {
            let pose = |body: usize| work.poses[body];
            let local =
                |body: usize, point: Vec3| pose(body).inverse_transform_point(&point.into()).coords;
            let kind = match &equality.tie {
                Tie::Connect { bodies, anchor } => {
                    let point = pose(bodies[0]).transform_point(&(*anchor).into()).coords;
                    BondKind::Connect {
                        bodies: *bodies,
                        anchors: [*anchor, local(bodies[1], point)],
                    }
                }
                Tie::ConnectSites { sites } => {
                    let side = |k: usize| self.sites[sites[k]];
                    BondKind::Connect {
                        bodies: [side(0).0, side(1).0],
                        anchors: [side(0).1.translation.vector, side(1).1.translation.vector],
                    }
                }
                Tie::Weld { bodies, pose: relative, anchor, torque_scale } => {
                    let relative =
                        relative.unwrap_or_else(|| pose(bodies[0]).inv_mul(&pose(bodies[1])));
                    BondKind::Weld {
                        bodies: *bodies,
                        anchors: [relative.transform_point(&(*anchor).into()).coords, *anchor],
                        turn: relative.rotation,
                        torque_scale: *torque_scale,
                    }
                }
                Tie::Joints { follower, leader, polynomial } => {
                    let (follower, leader, polynomial) = (*follower, *leader, *polynomial);
                    BondKind::Joints { follower, leader, polynomial }
                }
                Tie::Tendons { follower, leader, polynomial } => {
                    let (follower, leader, polynomial) = (*follower, *leader, *polynomial);
                    BondKind::Tendons { follower, leader, polynomial }
                }
            };
            self.ties.push(Bond { kind, softness: equality.softness });
        }
        Ok(())
    }

    /// The state that the description begins with.
    pub fn initial(&self) -> &State {
        &self.initial
    }

    /// Everything about how time goes on.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Where the coordinates of a joint begin in [`State::position`].
    pub fn position_index(&self, joint: usize) -> usize {
        self.joints[joint].position
    }

    /// The first of a joint's velocities in [`State::velocity`].
    pub fn velocity_index(&self, joint: usize) -> usize {
        self.joints[joint].dof
    }

    /// Number of coordinates and of velocities.
    pub fn sizes(&self) -> (usize, usize) {
        (self.initial.position.len(), self.dofs.len())
    }

    /// How readily a joint gives way at the initial position: the acceleration that a unit force along
    /// it causes, the mean over its degrees of freedom.
    pub fn joint_mobility(&self, joint: usize) -> f64 {
        let joint = &self.joints[joint];
        let dofs = &self.dofs[joint.dof..][..degrees(joint.kind)];
        dofs.iter().map(|dof| dof.mobility).sum::<f64>() / dofs.len() as f64
    }

    /// Whether a body can never move.
    pub fn is_fixed(&self, body: usize) -> bool {
        self.links[body].weld == 0
    }
}

/// Whether a body only slides along its own axes, with nothing below it: its inverse inertia is that of its mass in
/// every direction, as MuJoCo has it.
fn is_slider(bodies: &[Body], index: usize, link: &Link) -> bool {
    let aligned = |axis: &Vec3| axis.iter().filter(|part| part.abs() > 1e-6).count() == 1;
    let body = &bodies[index];
    link.mass > 0.0
        && body.parent == 0
        && !bodies.iter().skip(1).any(|other| other.parent == index)
        && body.joints.iter().all(|joint| joint.kind == JointKind::Slide && aligned(&joint.axis))
        && has_inertial_frame(body, link)
}

/// Whether a body's frame is its inertial frame: centred, and along the principal axes in falling order (or along
/// those of its only geom).
fn has_inertial_frame(body: &Body, link: &Link) -> bool {
    let straight =
        |pose: &Pose| pose.translation.vector.norm() < 1e-6 && pose.rotation.imag().norm() < 1e-6;
    let mut heavy = body.geoms.iter().filter(|geom| {
        !matches!(geom.mass, crate::Mass::Density(mass) | crate::Mass::Total(mass) if mass <= 0.0)
    });
    match (&body.inertia, heavy.next(), heavy.next()) {
        (Some(inertia), ..) => straight(&inertia.pose),
        (None, Some(only), None) => straight(&only.pose),
        _ => {
            let t = &link.tensor;
            let diagonal = [(0, 1), (0, 2), (1, 2)].iter().all(|&at| t[at].abs() < 1e-12);
            link.centre.norm() < 1e-6
                && diagonal
                && t[(0, 0)] >= t[(1, 1)]
                && t[(1, 1)] >= t[(2, 2)]
        }
    }
}

/// The identity.
pub(crate) fn still() -> Pose {
    Isometry3::identity()
}
