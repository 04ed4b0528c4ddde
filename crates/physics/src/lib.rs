//! Rigid-body dynamics in joint coordinates, with contacts, tendons and constraints.
//!
//! The model is MuJoCo's (Todorov, Erez and Tassa 2012, "MuJoCo: A physics engine for model-based control";
//! <https://mujoco.readthedocs.io/en/stable/computation/index.html>): a tree of bodies in joint coordinates, soft
//! constraints whose forces minimise a convex cost, pyramidal friction cones. A [`Description`] says what there is,
//! [`Model::new`] compiles it, and [`Model::step`] advances a [`State`] in a [`Workspace`]. A state is a handful of
//! vectors: a clone of it is a snapshot, and it continues with the same bits.
//!
//! Geometry and collision detection between convex shapes are rapier's (parry); its solver is not used, because
//! its first-order joints lose energy and its per-step costs are several times those of joint coordinates.
//!
//! Arithmetic is `f64` addition, multiplication, division and square root, and the `libm` crate's functions: the
//! same inputs give the same bits in every build on every machine that obeys IEEE 754.
//!
//! # Example
//!
//! A ball of 10 cm falls from 1 m for 0.4 s, to where the formula says:
//!
//! ```
//! use housecat_physics::{
//!     Body, Description, Geom, Joint, JointKind, Mass, Model, Options, Pose, Shape, Softness, Vec3,
//!     Workspace,
//! };
//!
//! let soft = Softness::default();
//! let joint = Joint {
//!     name: "z".into(), kind: JointKind::Slide, anchor: Vec3::zeros(), axis: Vec3::z(),
//!     reference: 0.0, stiffness: 0.0, rest: 0.0, damping: 0.0, armature: 0.0, friction_loss: 0.0,
//!     friction_softness: soft, limit: None, margin: 0.0, limit_softness: soft,
//! };
//! let geom = Geom {
//!     name: "ball".into(), shape: Shape::Sphere { radius: 0.1 }, pose: Pose::identity(),
//!     mass: Mass::Density(1000.0), friction: [1.0, 0.005, 0.0001], contype: 1, conaffinity: 1,
//!     condim: 3, priority: 0, softness: soft, mix: 1.0, margin: 0.0,
//! };
//! let body = |name: &str, height, joints, geoms| Body {
//!     name: name.into(), parent: 0, pose: Pose::translation(0.0, 0.0, height), joints, geoms,
//!     inertia: None, gravity_compensation: 0.0,
//! };
//! let model = Model::new(&Description {
//!     options: Options::default(),
//!     bodies: vec![body("world", 0.0, vec![], vec![]), body("ball", 1.0, vec![joint], vec![geom])],
//!     sites: vec![], tendons: vec![], equalities: vec![], actuators: vec![],
//!     excludes: vec![], pairs: vec![],
//! })?;
//! let (mut state, mut work) = (model.initial().clone(), Workspace::new(&model));
//! for _ in 0..200 {
//!     model.step(&mut state, &mut work);
//! }
//! let fallen = -0.5 * 9.81 * 0.4 * 0.4;
//! assert!((state.position[0] - fallen).abs() < 0.01, "{:?}", state.position);
//! # Ok::<(), housecat_physics::PhysicsError>(())
//! ```

mod actuation;
mod check;
mod collide;
mod constraint;
mod description;
mod dynamics;
mod error;
mod inertia;
mod kinematics;
mod model;
mod newton;
mod passive;
mod spatial;
mod state;
mod step;
mod transmission;

pub use description::*;
pub use error::PhysicsError;
pub use model::Model;
pub use state::{State, Workspace};
