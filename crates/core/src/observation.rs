//! What a policy sees.

/// An RGB image, `[h, w, c]` in `u8`, c = 3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes, row by row from the top.
    pub pixels: Vec<u8>,
}

impl Image {
    /// A black image.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height * 3] }
    }

    /// The colour at column `x`, row `y`.
    pub fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }
}

/// One observation, laid out as the environment's [`ObservationSpace`](crate::ObservationSpace) says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// The state vector (SI units); empty if the space has none.
    pub state: Vec<f32>,
    /// One image per image of the space.
    pub images: Vec<Image>,
}
