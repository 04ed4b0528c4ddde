//! Everything that has no closed form, by parry's contact manifolds.

use super::Found;
use crate::{Geom, Mesh, PhysicsError, Pose, Shape, Vec3};
use rapier3d::math::{Pose as Pose32, Rotation, Vector};
use rapier3d::parry::query::{ContactManifold, DefaultQueryDispatcher, PersistentQueryDispatcher};
use rapier3d::parry::transformation::try_convex_hull;
use rapier3d::prelude::SharedShape;
use std::f32::consts::FRAC_PI_2;
use std::f64::consts::PI;

impl Mesh {
    /// The convex hull of points; `None` if they lie in a plane, are fewer than four or not finite.
    pub fn hull(points: &[[f64; 3]]) -> Option<Self> {
        let single = |p: &[f64; 3]| Vector::new(p[0] as f32, p[1] as f32, p[2] as f32);
        let points: Vec<_> = points.iter().map(single).collect();
        if points.len() < 4 || !points.iter().all(|point| point.is_finite()) {
            return None;
        }
        let (vertices, triangles) = try_convex_hull(&points).ok()?;
        let vertices = vertices.iter().map(|p| [p.x, p.y, p.z].map(f64::from)).collect();
        Some(Self { vertices, triangles })
    }
}

/// Rings of the polyhedron that stands for an ellipsoid.
const RINGS: usize = 12;

/// A shape as parry knows it.
pub(crate) struct Hull {
    shape: SharedShape,
    /// Of parry's shape in the geom's frame.
    turn: Pose32,
}

impl std::fmt::Debug for Hull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hull").field(&self.shape.shape_type()).finish()
    }
}

impl Hull {
    pub fn new(geom: &Geom) -> Result<Self, PhysicsError> {
        let turn = match geom.shape {
            // Parry's cylinders lie along y.
            Shape::Cylinder { .. } => {
                Pose32::from_parts(Vector::ZERO, Rotation::from_rotation_x(FRAC_PI_2))
            }
            _ => Pose32::IDENTITY,
        };
        let hull = |points: &[Vector]| {
            SharedShape::convex_hull(points)
                .ok_or_else(|| PhysicsError::Mesh { geom: geom.name.clone() })
        };
        let shape = match &geom.shape {
            Shape::Plane => SharedShape::halfspace(Vector::Z),
            Shape::Sphere { radius } => SharedShape::ball(*radius as f32),
            Shape::Capsule { radius, half_length } => {
                SharedShape::capsule_z(*half_length as f32, *radius as f32)
            }
            Shape::Cylinder { radius, half_length } => {
                SharedShape::cylinder(*half_length as f32, *radius as f32)
            }
            Shape::Ellipsoid { radii } => hull(&globe(radii))?,
            Shape::Box { half } => SharedShape::cuboid(half.x as f32, half.y as f32, half.z as f32),
            Shape::Mesh(mesh) => {
                let points = mesh.vertices.iter();
                let points = points.map(|v| Vector::new(v[0] as f32, v[1] as f32, v[2] as f32));
                hull(&points.collect::<Vec<_>>())?
            }
        };
        Ok(Self { shape, turn })
    }
}

/// Points of an ellipsoid, ring by ring.
fn globe(radii: &Vec3) -> Vec<Vector> {
    let mut points = Vec::new();
    for ring in 0..=RINGS {
        let (sin, cos) = libm::sincos(PI * ring as f64 / RINGS as f64);
        let count = if ring == 0 || ring == RINGS { 1 } else { 2 * RINGS };
        for step in 0..count {
            let (y, x) = libm::sincos(2.0 * PI * step as f64 / count as f64);
            let point = Vec3::new(sin * x * radii.x, sin * y * radii.y, cos * radii.z);
            points.push(Vector::new(point.x as f32, point.y as f32, point.z as f32));
        }
    }
    points
}

fn narrow(pose: &Pose) -> Pose32 {
    let (t, q) = (&pose.translation.vector, pose.rotation.quaternion());
    Pose32::from_parts(
        Vector::new(t.x as f32, t.y as f32, t.z as f32),
        Rotation::from_xyzw(q.i as f32, q.j as f32, q.k as f32, q.w as f32),
    )
}

pub(super) fn meet((a, at): (&Hull, &Pose), (b, bt): (&Hull, &Pose), found: &mut Found) {
    // Only the relative pose matters, and it is small: f32 is enough for it.
    let between = a.turn.inverse() * narrow(&at.inv_mul(bt)) * b.turn;
    let mut manifolds: Vec<ContactManifold<(), ()>> = Vec::new();
    let dispatched = DefaultQueryDispatcher.contact_manifolds(
        &between,
        &*a.shape,
        &*b.shape,
        found.margin as f32 + 1e-6,
        &mut manifolds,
        &mut None,
    );
    if dispatched.is_err() {
        return;
    }
    let wide = |v: Vector| Vec3::new(f64::from(v.x), f64::from(v.y), f64::from(v.z));
    for manifold in &manifolds {
        let normal = at.rotation * wide(a.turn.rotation * manifold.local_n1);
        for contact in &manifold.points {
            let distance = f64::from(contact.dist);
            let first = wide(a.turn * contact.local_p1);
            let surface = at.transform_point(&first.into()).coords;
            found.add(surface + normal * (0.5 * distance), normal, distance);
        }
    }
}
