//! What a policy sees, and what else a camera can measure.

use crate::Scene;

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

/// How far away things are, `[h, w]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DepthImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` distances in metres, row by row from the top: how far along the camera's
    /// axis the nearest surface at the middle of the pixel is. Infinite where there is nothing.
    pub metres: Vec<f32>,
}

impl DepthImage {
    /// The distance at column `x`, row `y`, metres.
    pub fn metres(&self, x: usize, y: usize) -> f32 {
        self.metres[y * self.width + x]
    }

    /// The nearest and the farthest distance of what is seen, metres; `None` if nothing is.
    pub fn range(&self) -> Option<[f32; 2]> {
        let seen = self.metres.iter().filter(|metres| metres.is_finite());
        seen.fold(None, |range, &metres| {
            let [near, far] = range.unwrap_or([metres; 2]);
            Some([near.min(metres), far.max(metres)])
        })
    }

    /// A picture to look at: white at `near` metres and nearer, evenly darker up to black at `far`
    /// and beyond.
    pub fn to_grey(&self, near: f32, far: f32) -> Image {
        let grey = |&metres: &f32| {
            let light = ((far - metres) / (far - near)).clamp(0.0, 1.0);
            [(light * 255.0).round() as u8; 3]
        };
        let pixels = self.metres.iter().flat_map(grey).collect();
        Image { width: self.width, height: self.height, pixels }
    }
}

/// What there is to see, `[h, w]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentationImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` indices into [`Scene::shapes`], row by row from the top: the shape that is
    /// seen at the middle of the pixel, or [`SegmentationImage::NOTHING`].
    pub shapes: Vec<u16>,
}

impl SegmentationImage {
    /// Stands where no shape is seen.
    pub const NOTHING: u16 = u16::MAX;

    /// The index of the shape at column `x`, row `y`.
    pub fn shape(&self, x: usize, y: usize) -> Option<usize> {
        let shape = self.shapes[y * self.width + x];
        (shape != Self::NOTHING).then_some(usize::from(shape))
    }

    /// The same with bodies for shapes: `height * width` indices into [`Scene::bodies`] (0 is the
    /// world), or [`SegmentationImage::NOTHING`]. `scene` is the one that was drawn.
    pub fn to_bodies(&self, scene: &Scene) -> Vec<u16> {
        let body = |&shape: &u16| {
            let body = scene.shapes.get(usize::from(shape)).map(|shape| shape.body);
            body.and_then(|body| u16::try_from(body).ok()).unwrap_or(Self::NOTHING)
        };
        self.shapes.iter().map(body).collect()
    }

    /// A picture to look at: a colour of its own for each shape, the same in every picture; black
    /// where there is none. The colours are MuJoCo's: Halton's sequence in bases 2, 3 and 5.
    pub fn to_colors(&self) -> Image {
        let radical_inverse = |mut index: u32, base: u32| {
            let (mut sum, mut digit) = (0.0, 1.0);
            while index > 0 {
                digit /= f64::from(base);
                sum += digit * f64::from(index % base);
                index /= base;
            }
            sum
        };
        let color = |&shape: &u16| match shape {
            Self::NOTHING => [0; 3],
            _ => [2, 3, 5].map(|base| {
                let share = radical_inverse(u32::from(shape) + 10, base);
                ((0.1 + 0.8 * share) * 255.0).round() as u8
            }),
        };
        let pixels = self.shapes.iter().flat_map(color).collect();
        Image { width: self.width, height: self.height, pixels }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Geometry, Pose, Shape};

    #[test]
    fn depth_is_shown_in_grey() {
        let metres = vec![0.5, 1.0, 2.0, 3.0, f32::INFINITY, 9.0];
        let depth = DepthImage { width: 3, height: 2, metres };
        assert_eq!(depth.metres(0, 1), 3.0);
        let image = depth.to_grey(1.0, 3.0);
        let greys: Vec<u8> = image.pixels.chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!((image.width, image.height), (3, 2));
        assert_eq!(greys, [255, 255, 128, 0, 0, 0]);
        assert_eq!(image.rgb(2, 0), [128; 3]);
    }

    #[test]
    fn shapes_have_bodies_and_colors() {
        let shape = |body| Shape {
            name: String::new(),
            body,
            pose: Pose::IDENTITY,
            geometry: Geometry::Sphere { radius: 1.0 },
            rgba: [1.0; 4],
            texture: None,
        };
        let scene = Scene { shapes: vec![shape(0), shape(4), shape(70_000)], ..Scene::default() };
        let none = SegmentationImage::NOTHING;
        let seen = SegmentationImage { width: 5, height: 1, shapes: vec![1, 0, none, 2, 9] };
        assert_eq!((seen.shape(0, 0), seen.shape(2, 0)), (Some(1), None));
        assert_eq!(seen.to_bodies(&scene), [4, 0, none, none, none]);
        let many = SegmentationImage { width: 1000, height: 1, shapes: (0..1000).collect() };
        let mut colors: Vec<[u8; 3]> =
            many.to_colors().pixels.chunks(3).map(|c| [c[0], c[1], c[2]]).collect();
        colors.sort_unstable();
        colors.dedup();
        assert!(colors.len() > 990, "{} of 1000 colours differ", colors.len());
        assert_eq!(seen.to_colors().rgb(2, 0), [0; 3]);
    }
}
