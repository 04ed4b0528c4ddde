//! Textures on shapes.
//!
//! A sample takes the nearest pixel of the texture, at a resolution that its distance deserves:
//! a texture is kept at its own resolution, at half of it, a quarter, ..., each averaged exactly
//! from the one before (Williams, "Pyramidal parametrics", 1983). So a floor fades to its mean colour
//! towards the horizon instead of flickering, and near edges stay sharp.

use std::sync::Arc;

use housecat_core::{Geometry, Shape, Texture, TextureKind, TextureMap};

use crate::RenderError;
use crate::canvas::{LANES, Lanes};
use crate::lens::Footprint;
use crate::math::{Vec3, mul};

/// The longest side of a texture, pixels.
const LONGEST_SIDE: usize = 1 << 15;

/// A texture at every resolution.
#[derive(Debug)]
pub(crate) struct Pyramid {
    /// Red in the lowest byte, then green, then blue; the finest level first, each face by face.
    texels: Vec<u32>,
    levels: Vec<Level>,
    cube: bool,
}

/// Where a level lies in [`Pyramid::texels`], and the size of a face.
#[derive(Clone, Copy, Debug)]
struct Level {
    start: usize,
    columns: usize,
    rows: usize,
}

impl Pyramid {
    pub fn new(texture: &Texture) -> Result<Self, RenderError> {
        let Texture { width, height, kind, .. } = *texture;
        let bad = |problem| RenderError::BadTexture { name: texture.name.clone(), problem };
        if width == 0 || height == 0 {
            return Err(bad(format!("its size is {width}x{height}; each side must be above 0")));
        }
        if width > LONGEST_SIDE || height > LONGEST_SIDE {
            return Err(bad(format!(
                "its size is {width}x{height}; each side must be at most {LONGEST_SIDE}"
            )));
        }
        let cube = kind == TextureKind::Cube;
        if cube && height != 6 * width {
            return Err(bad(format!(
                "its size is {width}x{height}; a cube has six faces below each other, so its height must be six times its width"
            )));
        }
        if texture.rgb.len() != 3 * width * height {
            return Err(bad(format!(
                "it has {} bytes; {width}x{height} pixels have three each",
                texture.rgb.len()
            )));
        }
        let faces = if cube { 6 } else { 1 };
        let mut level = Level { start: 0, columns: width, rows: height / faces };
        let mut pyramid = Self {
            texels: texture.rgb.chunks_exact(3).map(|c| pack([c[0], c[1], c[2]])).collect(),
            levels: vec![level],
            cube,
        };
        while level.columns > 1 || level.rows > 1 {
            let half = |side: usize| side.div_ceil(2);
            let next = Level {
                start: pyramid.texels.len(),
                columns: half(level.columns),
                rows: half(level.rows),
            };
            for face in 0..faces {
                pyramid.halve(face, &level, &next);
            }
            pyramid.levels.push(next);
            level = next;
        }
        Ok(pyramid)
    }

    /// Appends a face of `next`, each pixel the mean of the area of `level` that it covers.
    fn halve(&mut self, face: usize, level: &Level, next: &Level) {
        let start = level.start + face * level.rows * level.columns;
        for row in 0..next.rows {
            for column in 0..next.columns {
                let mut sums = [0.0f64; 3];
                for (y, tall) in covered(row, level.rows, next.rows) {
                    for (x, wide) in covered(column, level.columns, next.columns) {
                        let texel = self.texels[start + y * level.columns + x].to_le_bytes();
                        for (sum, byte) in sums.iter_mut().zip(texel) {
                            *sum += tall * wide * f64::from(byte);
                        }
                    }
                }
                self.texels.push(pack(sums.map(|sum| (sum + 0.5) as u8)));
            }
        }
    }
}

/// The pixels among `fine` that the pixel `index` among `coarse` covers, with their shares of it.
fn covered(index: usize, fine: usize, coarse: usize) -> impl Iterator<Item = (usize, f64)> {
    // In units of one over `coarse` fine pixels, in which everything is whole.
    let (low, high) = (index * fine, (index + 1) * fine);
    (low / coarse..high.div_ceil(coarse)).map(move |pixel| {
        let overlap = ((pixel + 1) * coarse).min(high) - (pixel * coarse).max(low);
        (pixel, overlap as f64 / fine as f64)
    })
}

fn pack([r, g, b]: [u8; 3]) -> u32 {
    u32::from_le_bytes([r, g, b, 0])
}

/// A texture as a shape wears it.
#[derive(Clone, Debug)]
pub(crate) struct Skin {
    pyramid: Arc<Pyramid>,
    wrap: Wrap,
}

/// From a point of the shape to its place in the texture.
#[derive(Clone, Debug)]
enum Wrap {
    /// Along z, this many pictures a metre along x and y.
    Sheet([f32; 2]),
    /// On the faces of a box: as `Sheet`, for the faces that look along x, y and z.
    Faces([[f32; 2]; 3]),
    /// By direction, after multiplication with this.
    Cube(Vec3),
}

impl Skin {
    /// `pyramid` is that of the texture which `map`, the shape's map, names.
    pub fn new(
        shape: &Shape,
        map: &TextureMap,
        pyramid: Arc<Pyramid>,
    ) -> Result<Self, RenderError> {
        if !map.repeat.iter().all(|repeat| repeat.is_finite()) {
            return Err(RenderError::BadShape {
                name: shape.name.clone(),
                problem: format!("its texture's repeat is {:?}; it must be finite", map.repeat),
            });
        }
        let half = half_extents(&shape.geometry);
        // MuJoCo's unit of length for textures is two metres, as an object of half extent 1 has.
        let scale = |axes: [usize; 2]| {
            [0, 1].map(|i| {
                let length = if map.uniform { 2.0 } else { 2.0 * half[axes[i]] };
                map.repeat[i] / length
            })
        };
        let wrap = match (&shape.geometry, pyramid.cube) {
            (_, true) if map.uniform => Wrap::Cube([1.0; 3]),
            (_, true) => Wrap::Cube(half.map(|half| 1.0 / half)),
            (Geometry::Box { .. }, false) => Wrap::Faces([[1, 2], [0, 2], [0, 1]].map(scale)),
            (_, false) => Wrap::Sheet(scale([0, 1])),
        };
        Ok(Self { pyramid, wrap })
    }

    /// The texels of samples at `points` with unit `normals`: red in the lowest byte. For points
    /// that are no numbers, any.
    #[inline(always)]
    pub fn texels(
        &self,
        footprint: &Footprint,
        points: &[Lanes; 3],
        normals: &[Lanes; 3],
    ) -> [u32; LANES] {
        let Pyramid { texels, levels, .. } = &*self.pyramid;
        let (columns, rows) = (levels[0].columns as f32, levels[0].rows as f32);
        // Texels per metre of the surface.
        let mut density = [0.0; LANES];
        let places = match &self.wrap {
            Wrap::Sheet(scale) => {
                density = [dense(scale, columns, rows); LANES];
                Places::on_sheet(&points[0], &points[1], scale[0], scale[1])
            }
            Wrap::Faces(scales) => {
                // All samples lie on one face. Seen from outside, its picture is upright: z, or y on
                // the faces that look along z, points up.
                let normal = [normals[0][0], normals[1][0], normals[2][0]];
                let [x, y, z] = normal.map(f32::abs);
                let (right, up, along) = if z > x && z > y {
                    (0, 1, 2)
                } else if x > y {
                    (1, 2, 0)
                } else {
                    (0, 2, 1)
                };
                let mirrored = (normal[along] < 0.0) != (along == 1);
                let [across, down] = scales[along];
                density = [dense(&scales[along], columns, rows); LANES];
                let across = if mirrored { -across } else { across };
                Places::on_sheet(&points[right], &points[up], across, down)
            }
            Wrap::Cube(scale) => {
                let finest = 0.5 * columns * scale[0].max(scale[1]).max(scale[2]);
                let (places, major) = Places::on_cube(points, scale);
                for i in 0..LANES {
                    density[i] = finest / major[i];
                }
                places
            }
        };
        // Texels between neighbouring samples where they are closest: one level for all samples of
        // a pixel, whichever of them are seen. Numbers from 0 are ordered like their bits, and NaN,
        // where the shape is missed, comes after them.
        let mut strides = [0; LANES];
        for i in 0..LANES {
            let point = [points[0][i], points[1][i], points[2][i]];
            let normal = [normals[0][i], normals[1][i], normals[2][i]];
            strides[i] = (density[i] * footprint.at(point, normal)).to_bits();
        }
        let stride = strides.into_iter().fold(u32::MAX, u32::min);
        // The exponent: how often the stride can be halved before it is below 2.
        let level = (stride >> 23).saturating_sub(127) as usize;
        let level = levels[level.min(levels.len() - 1)];
        let (columns, rows) = (level.columns as i32, level.rows as i32);
        let mut indices = [0; LANES];
        for (i, index) in indices.iter_mut().enumerate() {
            let column = ((places.u[i] * columns as f32) as i32).min(columns - 1);
            let row = ((places.v[i] * rows as f32) as i32).min(rows - 1);
            *index = (places.face[i] * rows + row) * columns + column;
        }
        let faces = &texels[level.start..];
        let mut found = [0; LANES];
        for (texel, index) in found.iter_mut().zip(indices) {
            *texel = faces[index as usize];
        }
        found
    }
}

/// Places of samples in a texture: a face, and how far right and down on it, in [0, 1].
struct Places {
    face: [i32; LANES],
    u: Lanes,
    v: Lanes,
}

impl Places {
    /// On a sheet, for samples to the right of and above its middle and pictures per metre.
    #[inline(always)]
    fn on_sheet(right: &Lanes, up: &Lanes, across: f32, down: f32) -> Self {
        let mut places = Self { face: [0; LANES], u: [0.0; LANES], v: [0.0; LANES] };
        for i in 0..LANES {
            let (u, v) = (0.5 + right[i] * across, 0.5 - up[i] * down);
            places.u[i] = u - u.floor();
            places.v[i] = v - v.floor();
        }
        places
    }

    /// On a cube, by direction after multiplication with `scale`; also the length of the direction's
    /// longest component. The table of the OpenGL specification, "Cube Map Texture Selection".
    #[inline(always)]
    fn on_cube(points: &[Lanes; 3], scale: &Vec3) -> (Self, Lanes) {
        let mut places = Self { face: [0; LANES], u: [0.0; LANES], v: [0.0; LANES] };
        let mut longest = [0.0; LANES];
        for i in 0..LANES {
            let [x, y, z] = mul([points[0][i], points[1][i], points[2][i]], *scale);
            let [ax, ay, az] = [x.abs(), y.abs(), z.abs()];
            let (along_x, along_y) = ((ax >= ay) & (ax >= az), ay >= az);
            let pick = |a, b, c| {
                if along_x {
                    a
                } else if along_y {
                    b
                } else {
                    c
                }
            };
            let major = pick(ax, ay, az);
            let positive = pick(x, y, z) > 0.0;
            let first = if along_x {
                0
            } else if along_y {
                2
            } else {
                4
            };
            let right = pick(-z, x, x);
            // Only the picture of the faces along y is not turned about when its face is.
            let right = if positive | (!along_x & along_y) { right } else { -right };
            let down = pick(-y, if positive { z } else { -z }, -y);
            places.face[i] = first + i32::from(!positive);
            places.u[i] = 0.5 + 0.5 * right / major;
            places.v[i] = 0.5 + 0.5 * down / major;
            longest[i] = major;
        }
        (places, longest)
    }
}

/// Texels a metre of a sheet, along the axis where they are denser.
fn dense(scale: &[f32; 2], columns: f32, rows: f32) -> f32 {
    (scale[0] * columns).abs().max((scale[1] * rows).abs())
}

/// Half the lengths of the box around a shape that is centred in its frame.
fn half_extents(geometry: &Geometry) -> Vec3 {
    match geometry {
        &Geometry::Plane { half: [x, y] } => [x, y, 1.0],
        &Geometry::Box { half } => half,
        &Geometry::Sphere { radius } => [radius; 3],
        &Geometry::Ellipsoid { radii } => radii,
        &Geometry::Capsule { radius, half_length } => [radius, radius, half_length + radius],
        &Geometry::Cylinder { radius, half_length } => [radius, radius, half_length],
        Geometry::Mesh { vertices, .. } => {
            let reach = |k: usize| vertices.iter().map(|v| v[k].abs()).fold(0.0, f32::max);
            // A mesh without thickness must not divide by it.
            [0, 1, 2].map(reach).map(|half| if half > 0.0 { half } else { 1.0 })
        }
    }
}
