//! What a world is made of, as a scene file says it: the input of [`Model::new`](crate::Model::new).
//!
//! Everything is resolved: indices instead of names, radians, metres, kilograms, seconds; defaults and
//! classes applied. The terms and their meaning are those of MuJoCo's modelling language
//! (<https://mujoco.readthedocs.io/en/stable/XMLreference.html>).

use nalgebra::{Isometry3, Matrix3, Vector3};
use std::sync::Arc;

/// A vector in space.
pub type Vec3 = Vector3<f64>;
/// A matrix over space.
pub type Mat3 = Matrix3<f64>;
/// A rigid transform: rotate, then translate.
pub type Pose = Isometry3<f64>;

/// A whole world.
#[derive(Clone, Debug)]
pub struct Description {
    /// Everything about how time goes on.
    pub options: Options,
    /// The bodies; the world is the first, and every body comes after its parent.
    pub bodies: Vec<Body>,
    /// Points and frames fixed to bodies.
    pub sites: Vec<Site>,
    /// Tendons.
    pub tendons: Vec<Tendon>,
    /// Equality constraints.
    pub equalities: Vec<Equality>,
    /// Actuators.
    pub actuators: Vec<Actuator>,
    /// Pairs of bodies whose geoms never touch.
    pub excludes: Vec<[usize; 2]>,
    /// Pairs of geoms that touch whatever their masks say.
    pub pairs: Vec<ContactPair>,
}

/// How time goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Seconds in a step.
    pub timestep: f64,
    /// Acceleration of everything, m/s2.
    pub gravity: Vec3,
    /// How velocities become positions.
    pub integrator: Integrator,
    /// Ratio of frictional to normal constraint impedance.
    pub impratio: f64,
    /// Most iterations of the constraint solver.
    pub iterations: usize,
    /// Improvement, scaled, at which the solver stops.
    pub tolerance: f64,
    /// Density of the medium that everything is in, kg/m3.
    pub density: f64,
    /// Viscosity of the medium, Pa s.
    pub viscosity: f64,
    /// Velocity of the medium, m/s.
    pub wind: Vec3,
    /// Whether geoms collide at all.
    pub contacts: bool,
    /// Whether joint and tendon limits hold.
    pub limits: bool,
}

impl Default for Options {
    /// MuJoCo's defaults.
    fn default() -> Self {
        Self {
            timestep: 0.002,
            gravity: Vec3::new(0.0, 0.0, -9.81),
            integrator: Integrator::Euler,
            impratio: 1.0,
            iterations: 100,
            tolerance: 1e-8,
            density: 0.0,
            viscosity: 0.0,
            wind: Vec3::zeros(),
            contacts: true,
            limits: true,
        }
    }
}

/// How accelerations become velocities and velocities positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integrator {
    /// Semi-implicit, with joint damping taken implicitly.
    #[default]
    Euler,
    /// Semi-implicit, with all velocity-dependent actuator and passive forces taken implicitly.
    ImplicitFast,
    /// The classical method of fourth order.
    RungeKutta4,
}

/// How hard a constraint is: MuJoCo's `solref` and `solimp`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Softness {
    /// Time constant in seconds and damping ratio; or, both negative, stiffness and damping.
    pub reference: [f64; 2],
    /// Least and greatest impedance, width in metres or radians, midpoint and power of the way between.
    pub impedance: [f64; 5],
}

impl Default for Softness {
    fn default() -> Self {
        Self { reference: [0.02, 1.0], impedance: [0.9, 0.95, 0.001, 0.5, 2.0] }
    }
}

/// A rigid body, placed in its parent's frame.
#[derive(Clone, Debug)]
pub struct Body {
    /// Name, unique among bodies.
    pub name: String,
    /// Index of the parent; the world is its own.
    pub parent: usize,
    /// Pose in the parent's frame when all joints are at their reference.
    pub pose: Pose,
    /// Joints that connect it to its parent, in order; none weld it.
    pub joints: Vec<Joint>,
    /// Shapes.
    pub geoms: Vec<Geom>,
    /// Mass and inertia; computed from the geoms if absent.
    pub inertia: Option<Inertia>,
    /// Share of gravity that is cancelled.
    pub gravity_compensation: f64,
}

/// Mass and its distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inertia {
    /// kg.
    pub mass: f64,
    /// Frame of `tensor` in the body's frame; its origin is the centre of mass.
    pub pose: Pose,
    /// About the centre of mass, kg m2.
    pub tensor: Mat3,
}

/// What a joint lets move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JointKind {
    /// Everything: position in the world and orientation. 7 positions, 6 velocities.
    Free,
    /// Orientation. 4 positions, 3 velocities.
    Ball,
    /// A shift along an axis.
    Slide,
    /// A turn about an axis.
    Hinge,
}

/// A joint between a body and its parent.
#[derive(Clone, Debug)]
pub struct Joint {
    /// Name, unique among joints.
    pub name: String,
    /// What moves.
    pub kind: JointKind,
    /// A point of the axis (or the centre of a ball), in the body's frame.
    pub anchor: Vec3,
    /// Unit axis of a slide or hinge, in the body's frame.
    pub axis: Vec3,
    /// Coordinate at which the body is where its `pose` says.
    pub reference: f64,
    /// Spring constant, N/m or N m/rad.
    pub stiffness: f64,
    /// Coordinate at which the spring is at rest.
    pub rest: f64,
    /// Viscous damping, N s/m or N m s/rad.
    pub damping: f64,
    /// Inertia of a rotor, added to the diagonal of the mass matrix.
    pub armature: f64,
    /// Dry friction, N or N m.
    pub friction_loss: f64,
    /// How hard dry friction is.
    pub friction_softness: Softness,
    /// Range of the coordinate; of the angle, for a ball (only the upper end counts).
    pub limit: Option<[f64; 2]>,
    /// Distance from the limit at which it begins to act.
    pub margin: f64,
    /// How hard the limit is.
    pub limit_softness: Softness,
}

/// A triangle mesh; in contacts it counts as its convex hull.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// Corners, metres.
    pub vertices: Vec<[f64; 3]>,
    /// Corners of each triangle, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// A shape about its own origin; long axes lie along z.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// The half space below the xy plane.
    Plane,
    /// A ball.
    Sphere {
        /// Radius.
        radius: f64,
    },
    /// A cylinder with round ends.
    Capsule {
        /// Radius.
        radius: f64,
        /// Half the length of the cylindrical part.
        half_length: f64,
    },
    /// A cylinder.
    Cylinder {
        /// Radius.
        radius: f64,
        /// Half the length.
        half_length: f64,
    },
    /// An ellipsoid.
    Ellipsoid {
        /// Half axes.
        radii: Vec3,
    },
    /// A box.
    Box {
        /// Half extents.
        half: Vec3,
    },
    /// A mesh.
    Mesh(Arc<Mesh>),
}

/// What a geom weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mass {
    /// kg/m3.
    Density(f64),
    /// kg.
    Total(f64),
}

/// A shape fixed to a body.
#[derive(Clone, Debug)]
pub struct Geom {
    /// Name, for messages.
    pub name: String,
    /// The shape.
    pub shape: Shape,
    /// Pose in the body's frame.
    pub pose: Pose,
    /// What it adds to a body without an explicit inertia.
    pub mass: Mass,
    /// Sliding, torsional (m) and rolling (m) friction.
    pub friction: [f64; 3],
    /// Two geoms can touch if one's `contype` shares a bit with the other's `conaffinity`.
    pub contype: u32,
    /// See `contype`.
    pub conaffinity: u32,
    /// Directions in which a contact acts: 1 without friction, 3 with, 4 with torsion, 6 with rolling.
    pub condim: usize,
    /// The geom with the higher priority decides friction, softness and dimension of a contact.
    pub priority: i32,
    /// How hard its contacts are.
    pub softness: Softness,
    /// Weight of its softness when two of equal priority are mixed.
    pub mix: f64,
    /// Distance at which contacts act.
    pub margin: f64,
}

/// A frame fixed to a body.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name, unique among sites.
    pub name: String,
    /// Index of the body.
    pub body: usize,
    /// Pose in its frame.
    pub pose: Pose,
}

/// What a tendon runs through.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// A weighted sum of joint coordinates: index of the joint, coefficient.
    Fixed(Vec<(usize, f64)>),
    /// The shortest way through points; each strand counts divided by its divisor (a pulley's, or 1).
    Spatial(Vec<Strand>),
}

/// A string through sites.
#[derive(Clone, Debug, PartialEq)]
pub struct Strand {
    /// Indices of the sites.
    pub sites: Vec<usize>,
    /// Its length counts divided by this.
    pub divisor: f64,
}

/// A tendon.
#[derive(Clone, Debug)]
pub struct Tendon {
    /// Name, unique among tendons.
    pub name: String,
    /// What it runs through.
    pub path: Path,
    /// Range of its length.
    pub limit: Option<[f64; 2]>,
    /// Distance from the limit at which it begins to act.
    pub margin: f64,
    /// How hard the limit is.
    pub limit_softness: Softness,
    /// Dry friction.
    pub friction_loss: f64,
    /// How hard dry friction is.
    pub friction_softness: Softness,
    /// Spring constant.
    pub stiffness: f64,
    /// Lengths between which the spring is at rest; the initial length if absent.
    pub rest: Option<[f64; 2]>,
    /// Viscous damping.
    pub damping: f64,
}

/// What an equality constraint ties together.
#[derive(Clone, Debug)]
pub enum Tie {
    /// Two bodies share a point: `anchor` in the first body's frame. Where the second has it follows from
    /// the reference configuration.
    Connect {
        /// The bodies.
        bodies: [usize; 2],
        /// In the first body's frame.
        anchor: Vec3,
    },
    /// Two sites coincide.
    ConnectSites {
        /// The sites.
        sites: [usize; 2],
    },
    /// Two bodies keep their relative pose.
    Weld {
        /// The bodies.
        bodies: [usize; 2],
        /// Pose of the second in the first's frame; as in the reference configuration if absent.
        pose: Option<Pose>,
        /// Point of the second body where they are held together.
        anchor: Vec3,
        /// Weight of the rotation against the translation, m.
        torque_scale: f64,
    },
    /// A joint follows a polynomial of another (or is fixed to the constant term).
    Joints {
        /// The joint that follows (a slide or hinge).
        follower: usize,
        /// The one it follows.
        leader: Option<usize>,
        /// Coefficients, the constant first; both coordinates count from their reference.
        polynomial: [f64; 5],
    },
    /// The same for the lengths of tendons.
    Tendons {
        /// The tendon that follows.
        follower: usize,
        /// The one it follows.
        leader: Option<usize>,
        /// Coefficients, the constant first; both lengths count from the initial ones.
        polynomial: [f64; 5],
    },
}

/// An equality constraint.
#[derive(Clone, Debug)]
pub struct Equality {
    /// What is tied.
    pub tie: Tie,
    /// How hard.
    pub softness: Softness,
}

/// What an actuator's force acts on.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A joint: along its coordinate, or for balls and free joints along the gear's axes.
    Joint(usize),
    /// The same, with the gear's axes in the parent's frame.
    JointInParent(usize),
    /// A tendon.
    Tendon(usize),
    /// A site: force and torque (the gear) in its frame, or in that of a reference site.
    Site {
        /// Where it acts.
        site: usize,
        /// In whose frame the gear is, if not its own; the length then measures the relative pose.
        reference: Option<usize>,
    },
}

/// How the force depends on the control (or activation), times it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gain {
    /// A constant.
    Fixed(f64),
    /// `g0 + g1 length + g2 velocity`.
    Affine([f64; 3]),
}

/// How an activation follows the control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// There is none: the control acts itself.
    None,
    /// Its rate is the control.
    Integrator,
    /// It approaches the control with a time constant in seconds, by Euler's method.
    Filter(f64),
    /// The same, integrated exactly.
    FilterExact(f64),
}

/// An actuator: force = gain (control or activation) + bias, through the gear onto its target.
#[derive(Clone, Debug)]
pub struct Actuator {
    /// Name, unique among actuators.
    pub name: String,
    /// What it moves.
    pub target: Target,
    /// Length and force are scaled by it; for scalar targets only the first counts.
    pub gear: [f64; 6],
    /// Clamp on the control.
    pub control: Option<[f64; 2]>,
    /// Clamp on the force.
    pub force: Option<[f64; 2]>,
    /// Clamp on the activation.
    pub activation: Option<[f64; 2]>,
    /// Gain.
    pub gain: Gain,
    /// Bias `b0 + b1 length + b2 velocity`. Where `b1` is minus a fixed gain and `b2` is positive, `b2` is a damping
    /// ratio.
    pub bias: [f64; 3],
    /// Dynamics of the activation.
    pub dynamics: Activation,
}

/// Two geoms that touch by decree, with their own contact parameters.
#[derive(Clone, Debug)]
pub struct ContactPair {
    /// Body and index in its geoms, of each.
    pub geoms: [[usize; 2]; 2],
    /// Directions in which a contact acts.
    pub condim: usize,
    /// Two sliding, one torsional, two rolling.
    pub friction: [f64; 5],
    /// How hard.
    pub softness: Softness,
    /// Distance at which contacts act.
    pub margin: f64,
}
