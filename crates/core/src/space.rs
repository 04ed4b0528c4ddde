//! What an environment accepts and what it shows.

use serde::{Deserialize, Serialize};

/// The action vector: one named component per actuator, each in `[-1, 1]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionSpace {
    /// Names of the components, in order.
    pub names: Vec<String>,
}

impl ActionSpace {
    /// Number of components.
    pub fn dim(&self) -> usize {
        self.names.len()
    }
}

/// One camera image in an observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// Name of the camera in the scene.
    pub camera: String,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl ImageSpec {
    /// Bytes of one RGB frame.
    pub fn bytes(&self) -> usize {
        self.width * self.height * 3
    }
}

/// What an observation holds. Either part may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationSpace {
    /// Names of the components of the state vector, in order.
    pub state: Vec<String>,
    /// The images, in order.
    pub images: Vec<ImageSpec>,
}

/// Both borders of an environment, and how often they are crossed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spaces {
    /// What it accepts.
    pub action: ActionSpace,
    /// What it shows.
    pub observation: ObservationSpace,
    /// Control steps per simulated second.
    pub control_hz: f64,
}
