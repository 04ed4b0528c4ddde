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
