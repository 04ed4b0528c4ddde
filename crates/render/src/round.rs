//! Spheres, ellipsoids, capsules and cylinders, cut with rays in closed form in their own frame.

use crate::canvas::{Canvas, LANES};
use crate::ink::Ink;
use crate::lens::{Bound, NEAR, Rays};
use crate::math::{Vec3, dot, mul, scale};

/// A convex solid that knows where a ray enters it.
pub(crate) trait Solid {
    /// The ray parameter at which `origin + s * direction` enters the solid, and the outward unit
    /// normal there. NaN if it misses. Free of branches, so that it runs on many rays at once.
    fn enter(&self, origin: Vec3, direction: Vec3) -> (f32, Vec3);
}

/// A ball.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sphere {
    pub radius: f32,
}

/// A ball stretched along the axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ellipsoid {
    pub radii: Vec3,
}

/// A cylinder along z with round ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capsule {
    pub radius: f32,
    pub half_length: f32,
}

/// A cylinder along z.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cylinder {
    pub radius: f32,
    pub half_length: f32,
}

/// The smaller root of `a s^2 + 2 b s + c`, NaN if there is none.
#[inline(always)]
fn first_root(a: f32, b: f32, c: f32) -> f32 {
    (-b - (b * b - a * c).sqrt()) / a
}

/// Where a ray enters the endless cylinder about z, and how high.
#[inline(always)]
fn enter_tube(o: Vec3, d: Vec3, radius: f32) -> (f32, f32) {
    // A ray along the axis has entered infinitely long ago; the bound keeps it finite, but far
    // beyond either end.
    let a = d[0] * d[0] + d[1] * d[1];
    let a = if a > 1e-12 { a } else { 1e-12 };
    let s = first_root(a, o[0] * d[0] + o[1] * d[1], o[0] * o[0] + o[1] * o[1] - radius * radius);
    (s, o[2] + s * d[2])
}

impl Solid for Sphere {
    #[inline(always)]
    fn enter(&self, o: Vec3, d: Vec3) -> (f32, Vec3) {
        let s = first_root(dot(d, d), dot(o, d), dot(o, o) - self.radius * self.radius);
        let k = 1.0 / self.radius;
        (s, [(o[0] + s * d[0]) * k, (o[1] + s * d[1]) * k, (o[2] + s * d[2]) * k])
    }
}

impl Ellipsoid {
    /// A capsule around it: its ends and radius.
    pub fn hull(&self) -> ([Vec3; 2], f32) {
        let r = self.radii;
        let long = if r[0] > r[1] && r[0] > r[2] { 0 } else { 1 + usize::from(r[2] > r[1]) };
        let radius = r[(long + 1) % 3].max(r[(long + 2) % 3]);
        let mut end = [0.0; 3];
        end[long] = r[long] - radius;
        ([scale(end, -1.0), end], radius)
    }
}

impl Solid for Ellipsoid {
    #[inline(always)]
    fn enter(&self, o: Vec3, d: Vec3) -> (f32, Vec3) {
        // In a frame shrunk to the unit ball. The ray's point nearest to the centre comes first, so
        // that what is left under the root is as exact for a pancake as for a ball.
        let k = [1.0 / self.radii[0], 1.0 / self.radii[1], 1.0 / self.radii[2]];
        let (o, d) = (mul(o, k), mul(d, k));
        let a = dot(d, d);
        let middle = -dot(o, d) / a;
        let nearest = [o[0] + middle * d[0], o[1] + middle * d[1], o[2] + middle * d[2]];
        let s = middle - ((1.0 - dot(nearest, nearest)) / a).sqrt();
        let normal = mul([o[0] + s * d[0], o[1] + s * d[1], o[2] + s * d[2]], k);
        (s, scale(normal, 1.0 / dot(normal, normal).sqrt()))
    }
}

impl Solid for Capsule {
    #[inline(always)]
    fn enter(&self, o: Vec3, d: Vec3) -> (f32, Vec3) {
        let (r, h) = (self.radius, self.half_length);
        let (side, z) = enter_tube(o, d, r);
        let cap = if z > 0.0 { h } else { -h };
        let from_cap = [o[0], o[1], o[2] - cap];
        let end = first_root(dot(d, d), dot(from_cap, d), dot(from_cap, from_cap) - r * r);
        let on_side = z.abs() <= h;
        let s = if on_side { side } else { end };
        let rise = if on_side { 0.0 } else { from_cap[2] + end * d[2] };
        let k = 1.0 / r;
        (s, [(o[0] + s * d[0]) * k, (o[1] + s * d[1]) * k, rise * k])
    }
}

impl Solid for Cylinder {
    #[inline(always)]
    fn enter(&self, o: Vec3, d: Vec3) -> (f32, Vec3) {
        let (r, h) = (self.radius, self.half_length);
        let (side, z) = enter_tube(o, d, r);
        let up = if d[2] < 0.0 { 1.0 } else { -1.0 };
        let lid = (up * h - o[2]) / d[2];
        let (x, y) = (o[0] + lid * d[0], o[1] + lid * d[1]);
        let lid = if x * x + y * y <= r * r { lid } else { f32::NAN };
        let on_side = z.abs() <= h;
        let s = if on_side { side } else { lid };
        let k = if on_side { 1.0 / r } else { 0.0 };
        let rise = if on_side { 0.0 } else { up };
        (s, [(o[0] + s * d[0]) * k, (o[1] + s * d[1]) * k, rise])
    }
}

/// Draws a solid over the pixels of `bound`.
#[inline(always)]
pub(crate) fn draw<S: Solid>(
    solid: &S,
    bound: &Bound,
    rays: &Rays,
    ink: &impl Ink,
    canvas: &mut Canvas,
) {
    for row in bound.rows.clone() {
        for column in bound.columns.clone() {
            if !bound.touches(column, row) {
                continue;
            }
            let pixel = row * canvas.width + column;
            let pixel_rays = rays.at(column, row);
            let before = canvas.depth(pixel);
            let (mut depth, mut points, mut normals) =
                ([0.0; LANES], [[0.0; LANES]; 3], [[0.0; LANES]; 3]);
            let mut hits = 0;
            for i in 0..LANES {
                let (o, d) = pixel_rays.ray(i);
                let (s, normal) = solid.enter(o, d);
                let t = rays.anchor + s;
                let seen = (t >= NEAR) & (t < before[i]);
                hits |= u32::from(seen);
                depth[i] = if seen { t } else { f32::INFINITY };
                for k in 0..3 {
                    points[k][i] = o[k] + s * d[k];
                    normals[k][i] = normal[k];
                }
            }
            if hits != 0 {
                canvas.paint(pixel, &depth, &ink.colors(&points, &normals));
            }
        }
    }
}
