//! What a shape leaves on the samples that it wins.

use crate::canvas::{LANES, Lanes, pack};
use crate::lens::Footprint;
use crate::light::Lights;
use crate::math::Vec3;
use crate::skin::Skin;

/// Colours samples. Free of branches on samples, so that it runs on many at once.
pub(crate) trait Ink {
    /// What a surface that points the same way everywhere gets, if it is the same everywhere.
    fn flat(&self, normal: Vec3) -> Option<u32>;

    /// What samples at `points` with unit `normals` get. Those of samples that the shape does not
    /// win are any numbers, and so may be what they get.
    fn colors(&self, points: &[Lanes; 3], normals: &[Lanes; 3]) -> [u32; LANES];
}

/// A number: the shape's index.
pub(crate) struct Label(pub u32);

impl Ink for Label {
    #[inline(always)]
    fn flat(&self, _: Vec3) -> Option<u32> {
        Some(self.0)
    }

    #[inline(always)]
    fn colors(&self, _: &[Lanes; 3], _: &[Lanes; 3]) -> [u32; LANES] {
        [self.0; LANES]
    }
}

/// One colour under lights.
pub(crate) struct Lit<'a> {
    pub lights: &'a Lights,
    pub rgb: [f32; 3],
}

impl Ink for Lit<'_> {
    #[inline(always)]
    fn flat(&self, normal: Vec3) -> Option<u32> {
        let bright = self.lights.flat_brightness(normal)?;
        Some(pack([0, 1, 2].map(|k| bright[k] * self.rgb[k])))
    }

    #[inline(always)]
    fn colors(&self, points: &[Lanes; 3], normals: &[Lanes; 3]) -> [u32; LANES] {
        let bright = self.lights.brightness(points, normals);
        let mut colors = [0; LANES];
        for i in 0..LANES {
            let mut color = [0.0; 3];
            for k in 0..3 {
                let clipped = if bright[k][i] < 1.0 { bright[k][i] } else { 1.0 };
                color[k] = clipped * self.rgb[k];
            }
            colors[i] = pack(color);
        }
        colors
    }
}

/// A texture times a colour under lights.
pub(crate) struct Worn<'a> {
    pub lights: &'a Lights,
    pub rgb: [f32; 3],
    pub skin: &'a Skin,
    pub footprint: Footprint,
}

impl Ink for Worn<'_> {
    #[inline(always)]
    fn flat(&self, _: Vec3) -> Option<u32> {
        None
    }

    #[inline(always)]
    fn colors(&self, points: &[Lanes; 3], normals: &[Lanes; 3]) -> [u32; LANES] {
        let texels = self.skin.texels(&self.footprint, points, normals);
        let bright = self.lights.brightness(points, normals);
        let rgb = self.rgb.map(|value| value / 255.0);
        let mut colors = [0; LANES];
        for i in 0..LANES {
            let mut color = [0.0; 3];
            for k in 0..3 {
                let clipped = if bright[k][i] < 1.0 { bright[k][i] } else { 1.0 };
                let texel = (texels[i] >> (8 * k) & 0xff) as i32 as f32;
                color[k] = clipped * (rgb[k] * texel);
            }
            colors[i] = pack(color);
        }
        colors
    }
}
