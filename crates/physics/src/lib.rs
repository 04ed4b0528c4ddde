//! Rigid-body dynamics in joint coordinates, with contacts, tendons and constraints.
mod description;
pub use description::*;
