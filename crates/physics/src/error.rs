//! What can be wrong with a description.

/// Why a description cannot be simulated.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PhysicsError {
    /// A moving body without mass or inertia.
    #[error(
        "the moving body `{body}` has no {what}; give a geom of it a mass or density, a joint an armature, or write its inertia"
    )]
    Massless {
        /// Name of the body.
        body: String,
        /// "mass" or "inertia".
        what: &'static str,
    },
    /// A value outside its range.
    #[error("{item}: {problem}")]
    Value {
        /// What it belongs to.
        item: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A mesh without volume or hull.
    #[error(
        "the mesh of geom `{geom}` has no convex hull; it needs four corners that are not in one plane"
    )]
    Mesh {
        /// Name of the geom.
        geom: String,
    },
    /// The state does not fit the model.
    #[error("`{what}` has {got} numbers; the model has {want}")]
    Length {
        /// Which part of the state.
        what: &'static str,
        /// Numbers given.
        got: usize,
        /// Numbers wanted.
        want: usize,
    },
}
