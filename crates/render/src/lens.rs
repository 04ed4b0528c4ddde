//! The camera: from pixels to rays, and from spheres to the pixels that they may touch.
//!
//! Pixel coordinates run right and down from the picture's upper left corner; pixel `(i, j)` covers
//! `[i, i + 1] x [j, j + 1]`. Depth is the distance along the camera's axis.

use housecat_core::{Camera, Pose};

use crate::RenderError;
use crate::canvas::{BLOCK, GRID, Lanes, NET, Pattern, spread_of};
use crate::math::{Affine, Vec3, dot, eval, scale, sub};

/// Nothing nearer to the camera than this is drawn, metres.
pub(crate) const NEAR: f32 = 1e-3;

/// A camera without its place.
#[derive(Clone, Debug)]
pub(crate) struct Lens {
    /// The picture's sides, pixels. The last pixels may reach beyond it.
    width: f32,
    height: f32,
    /// Where the samples of a pixel are.
    pattern: &'static Pattern,
    /// Side of a pixel on the image plane (at depth 1 if central), metres.
    pixel: f32,
    /// 1 for central projection, 0 for parallel. Rays start at `(1 - central) * (x, y, 0)` and run
    /// along `(central * x, central * y, -1)`, so that their parameter is the depth in both cases.
    central: f32,
}

impl Lens {
    /// For a picture of `width` x `height` pixels.
    pub fn new(camera: &Camera, width: usize, height: usize) -> Result<Self, RenderError> {
        let bad =
            |fix| Err(RenderError::BadLens { name: camera.name.clone(), fovy: camera.fovy, fix });
        let extent = if camera.orthographic {
            if !(camera.fovy > 0.0 && camera.fovy.is_finite()) {
                return bad("an orthographic camera needs a vertical extent above 0 metres");
            }
            camera.fovy
        } else {
            if !(camera.fovy > 0.0 && camera.fovy < std::f32::consts::PI) {
                return bad("a field of view must lie between 0 and pi radians");
            }
            2.0 * libm::tanf(0.5 * camera.fovy)
        };
        Ok(Self {
            width: width as f32,
            height: height as f32,
            pattern: &NET,
            pixel: extent / height as f32,
            central: if camera.orthographic { 0.0 } else { 1.0 },
        })
    }

    /// The same view with a sample in the middle of each pixel, [`BLOCK`] x [`BLOCK`] of them a pixel.
    pub fn measuring(&self) -> Self {
        let block = BLOCK as f32;
        Self {
            width: self.width / block,
            height: self.height / block,
            pattern: &GRID,
            pixel: self.pixel * block,
            central: self.central,
        }
    }

    /// Columns and rows of pixels that cover the picture.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height].map(|side| side.ceil() as usize)
    }
}

/// A lens as seen from the frame of a shape.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    lens: &'a Lens,
    /// Where the camera is.
    eye: Vec3,
    /// The camera's right, up and backward axes.
    axes: [Vec3; 3],
}

impl<'a> View<'a> {
    /// `camera` is the pose of the camera in the shape's frame.
    pub fn new(lens: &'a Lens, camera: &Pose) -> Self {
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|e| camera.rotate(e));
        Self { lens, eye: camera.position, axes }
    }

    /// Right, up and depth of a point.
    fn camera_coordinates(&self, point: Vec3) -> Vec3 {
        let v = sub(point, self.eye);
        [dot(v, self.axes[0]), dot(v, self.axes[1]), -dot(v, self.axes[2])]
    }

    /// The depth of a point, metres.
    pub fn depth(&self, point: Vec3) -> f32 {
        self.camera_coordinates(point)[2]
    }

    /// Homogeneous pixel coordinates `(column * w, row * w, w)`, and the depth.
    pub fn project(&self, point: Vec3) -> ([f64; 3], f32) {
        let lens = self.lens;
        let [right, up, depth] = self.camera_coordinates(point);
        let w = f64::from(if lens.central > 0.0 { depth } else { 1.0 });
        let pixel = f64::from(lens.pixel);
        let column = f64::from(right) / pixel + 0.5 * f64::from(lens.width) * w;
        let row = 0.5 * f64::from(lens.height) * w - f64::from(up) / pixel;
        ([column, row, w], depth)
    }

    /// Whether the side of the plane `normal . p = offset` that `normal` points to is seen.
    pub fn faces(&self, normal: Vec3, offset: f32) -> bool {
        if self.lens.central > 0.0 {
            dot(normal, self.eye) > offset
        } else {
            dot(normal, self.axes[2]) > 0.0
        }
    }

    /// Unit vector from the scene towards the camera.
    pub fn backward(&self) -> Vec3 {
        self.axes[2]
    }

    /// How large samples are on a surface.
    pub fn footprint(&self) -> Footprint {
        let Lens { pixel, central, .. } = *self.lens;
        // Samples stand about a quarter of a pixel apart.
        Footprint { eye: self.eye, backward: self.axes[2], central, spacing: 0.25 * pixel }
    }

    /// The rays through the pixels, anchored where they have depth `anchor`: formulas then work on
    /// lengths as small as the shape, not as large as its distance, which `f32` needs.
    pub fn rays(&self, anchor: f32) -> Rays {
        let Lens { width, height, pattern, pixel, central } = *self.lens;
        let [right, up, back] = self.axes;
        let affine = |start: Vec3, step: f32| -> [Affine; 3] {
            std::array::from_fn(|k| Affine {
                at: start[k] + 0.5 * step * (height * up[k] - width * right[k]),
                dx: step * right[k],
                dy: -step * up[k],
            })
        };
        let origin = affine(sub(self.eye, scale(back, anchor)), {
            pixel * (1.0 - central + central * anchor)
        });
        let direction = affine(scale(back, -1.0), pixel * central);
        Rays {
            anchor,
            pattern,
            origin_spread: [0, 1, 2].map(|k| spread_of(pattern, &origin[k])),
            direction_spread: [0, 1, 2].map(|k| spread_of(pattern, &direction[k])),
            origin,
            direction,
        }
    }

    /// The pixels that a capsule of these ends and this radius may touch; `None` if there are none.
    pub fn bound(&self, ends: [Vec3; 2], radius: f32) -> Option<Bound> {
        let [a, b] = ends.map(|end| self.disc(end, radius));
        let [columns, rows] = self.lens.size();
        let whole = Bound {
            start: [0.0; 2],
            along: [0.0; 2],
            per_length: 0.0,
            limit: f32::INFINITY,
            columns: 0..columns,
            rows: 0..rows,
        };
        let (a, b) = match (a, b) {
            (Disc::Seen(a), Disc::Seen(b)) => (a, b),
            (Disc::Behind, Disc::Behind) => return None,
            _ => return Some(whole),
        };
        // The picture of a convex hull is the convex hull of the pictures.
        let reach = a[2].max(b[2]) + 0.01;
        let range = |k: usize, limit: usize| {
            let (low, high) = (a[k].min(b[k]) - reach, a[k].max(b[k]) + reach);
            low.max(0.0) as usize..(high + 1.0).clamp(0.0, limit as f32) as usize
        };
        let along = [b[0] - a[0], b[1] - a[1]];
        let length = along[0] * along[0] + along[1] * along[1];
        // A pixel reaches half its diagonal from its centre.
        let limit = reach + std::f32::consts::FRAC_1_SQRT_2;
        let bound = Bound {
            start: [a[0], a[1]],
            along,
            per_length: if length > 0.0 { 1.0 / length } else { 0.0 },
            limit: limit * limit,
            columns: range(0, columns),
            rows: range(1, rows),
        };
        (!bound.columns.is_empty() && !bound.rows.is_empty()).then_some(bound)
    }

    /// A disc on the picture that contains the ball: column, row and radius in pixels.
    fn disc(&self, center: Vec3, radius: f32) -> Disc {
        let lens = self.lens;
        let [right, up, depth] = self.camera_coordinates(center);
        if depth + radius < NEAR {
            return Disc::Behind;
        }
        let (scale, reach) = if lens.central > 0.0 {
            if depth - radius <= NEAR {
                return Disc::Near;
            }
            // The far end of the ellipse: tan(t + a) - tan(t), t the angle off the axis and a the
            // ball's half angle. The distance from the ball's picture is nowhere larger.
            let aside = right * right + up * up;
            let off_axis = aside.sqrt() / depth;
            let half = radius / (aside + depth * depth - radius * radius).sqrt();
            let reach = half * (1.0 + off_axis * off_axis) / (1.0 - off_axis * half);
            (1.0 / (lens.pixel * depth), reach / lens.pixel)
        } else {
            (1.0 / lens.pixel, radius / lens.pixel)
        };
        let (column, row) = (0.5 * lens.width + right * scale, 0.5 * lens.height - up * scale);
        Disc::Seen([column, row, reach])
    }
}

/// Tells how far apart samples are where they hit a surface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    eye: Vec3,
    backward: Vec3,
    central: f32,
    /// Distance between samples on the image plane.
    spacing: f32,
}

impl Footprint {
    /// Distance between samples, metres, at a point with a unit normal, in the direction in which
    /// they are furthest apart. Infinite where the surface is seen edge on.
    #[inline(always)]
    pub fn at(&self, point: Vec3, normal: Vec3) -> f32 {
        let mut towards = self.backward;
        for k in 0..3 {
            towards[k] += self.central * (self.eye[k] - point[k] - self.backward[k]);
        }
        self.spacing * dot(towards, towards) / dot(normal, towards).abs()
    }
}

enum Disc {
    Behind,
    Near,
    Seen([f32; 3]),
}

/// A stadium on the picture, all within some distance of a segment, and the box around it.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    start: [f32; 2],
    along: [f32; 2],
    /// One over the square of the segment's length.
    per_length: f32,
    /// Square of the distance from the segment within which the centre of a touched pixel lies.
    limit: f32,
    pub columns: std::ops::Range<usize>,
    pub rows: std::ops::Range<usize>,
}

impl Bound {
    /// Whether the stadium may touch a pixel.
    #[inline(always)]
    pub fn touches(&self, column: usize, row: usize) -> bool {
        let [dx, dy] = self.along;
        let (x, y) = (column as f32 + 0.5 - self.start[0], row as f32 + 0.5 - self.start[1]);
        let part = (x * dx + y * dy) * self.per_length;
        let part = if part < 1.0 { part } else { 1.0 };
        let part = if part > 0.0 { part } else { 0.0 };
        let (x, y) = (x - part * dx, y - part * dy);
        x * x + y * y <= self.limit
    }
}

/// The rays through all samples, in the frame of a shape.
#[derive(Clone, Debug)]
pub(crate) struct Rays {
    /// The depth at which the rays' `origin` lies.
    pub anchor: f32,
    pub pattern: &'static Pattern,
    pub origin: [Affine; 3],
    pub direction: [Affine; 3],
    origin_spread: [Lanes; 3],
    direction_spread: [Lanes; 3],
}

impl Rays {
    /// The rays of one pixel.
    #[inline(always)]
    pub fn at(&self, column: usize, row: usize) -> PixelRays<'_> {
        let (x, y) = (column as f32, row as f32);
        PixelRays {
            rays: self,
            origin: eval(&self.origin, x, y),
            direction: eval(&self.direction, x, y),
        }
    }
}

/// The rays through the samples of a pixel.
pub(crate) struct PixelRays<'a> {
    rays: &'a Rays,
    origin: Vec3,
    direction: Vec3,
}

impl PixelRays<'_> {
    /// Origin and direction of the ray through a sample. The direction gains one unit of depth.
    #[inline(always)]
    pub fn ray(&self, lane: usize) -> (Vec3, Vec3) {
        let (o, d) = (&self.rays.origin_spread, &self.rays.direction_spread);
        (
            [self.origin[0] + o[0][lane], self.origin[1] + o[1][lane], self.origin[2] + o[2][lane]],
            [
                self.direction[0] + d[0][lane],
                self.direction[1] + d[1][lane],
                self.direction[2] + d[2][lane],
            ],
        )
    }
}
