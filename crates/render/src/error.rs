//! What can be wrong with a scene before anything is drawn.

/// Why a [`Renderer`](crate::Renderer) cannot be built.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum RenderError {
    /// The camera index is out of range.
    #[error("there is no camera {index}: the scene has {count} camera(s); use an index below that")]
    NoCamera {
        /// The index asked for.
        index: usize,
        /// How many cameras there are.
        count: usize,
    },
    /// The picture has no pixels, or too many.
    #[error(
        "an image of {width}x{height} pixels cannot be drawn: each side must be from 1 to {limit}"
    )]
    BadSize {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
        /// The longest side.
        limit: usize,
    },
    /// The list of fixed bodies does not match the bodies.
    #[error("`fixed` has {got} entries but the scene has {bodies} bodies; give one per body")]
    BadFixed {
        /// Entries given.
        got: usize,
        /// Bodies in the scene.
        bodies: usize,
    },
    /// A shape or camera rides on a body that does not exist.
    #[error("{what} `{name}` rides on body {body} but the scene has {bodies} bodies")]
    NoBody {
        /// `shape` or `camera`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The body's index.
        body: usize,
        /// Bodies in the scene.
        bodies: usize,
    },
    /// A field of view that no lens has.
    #[error("camera `{name}` has fovy = {fovy}: {fix}")]
    BadLens {
        /// The camera's name.
        name: String,
        /// The value found.
        fovy: f32,
        /// What would be accepted.
        fix: &'static str,
    },
    /// More shapes than a segmentation can tell apart.
    #[error("the scene has {count} shapes; at most {limit} can be drawn")]
    TooManyShapes {
        /// Shapes in the scene.
        count: usize,
        /// The most there may be.
        limit: usize,
    },
    /// A texture whose size is impossible or does not match its bytes.
    #[error("texture `{name}`: {problem}")]
    BadTexture {
        /// The texture's name.
        name: String,
        /// What is wrong and what would be accepted.
        problem: String,
    },
    /// A shape with a size, colour, texture, corner or pose that cannot be drawn.
    #[error("shape `{name}`: {problem}")]
    BadShape {
        /// The shape's name.
        name: String,
        /// The value at fault and what would be accepted.
        problem: String,
    },
}
