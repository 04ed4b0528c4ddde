//! Mass, centre of mass and inertia of shapes and bodies.

use crate::{Body, Geom, Inertia, Mass, Mat3, Mesh, PhysicsError, Shape, Vec3};
use std::f64::consts::PI;

/// Volume, and the inertia at unit density about the centre of mass; and where that is.
struct Solid {
    volume: f64,
    centre: Vec3,
    tensor: Mat3,
}

fn solid(shape: &Shape) -> Solid {
    let diagonal = |volume: f64, x: f64, y: f64, z: f64| Solid {
        volume,
        centre: Vec3::zeros(),
        tensor: Mat3::from_diagonal(&Vec3::new(x, y, z)),
    };
    match shape {
        Shape::Plane => diagonal(0.0, 0.0, 0.0, 0.0),
        Shape::Sphere { radius } => {
            let volume = 4.0 / 3.0 * PI * radius * radius * radius;
            let i = 0.4 * volume * radius * radius;
            diagonal(volume, i, i, i)
        }
        Shape::Capsule { radius, half_length } => {
            let (r, height) = (*radius, 2.0 * half_length);
            let (ball, tube) = (4.0 / 3.0 * PI * r * r * r, PI * r * r * height);
            let across = tube * (3.0 * r * r + height * height) / 12.0
                + ball * (0.4 * r * r + 0.25 * height * height + 0.375 * r * height);
            let along = 0.5 * tube * r * r + 0.4 * ball * r * r;
            diagonal(ball + tube, across, across, along)
        }
        Shape::Cylinder { radius, half_length } => {
            let (r, height) = (*radius, 2.0 * half_length);
            let volume = PI * r * r * height;
            let across = volume * (3.0 * r * r + height * height) / 12.0;
            diagonal(volume, across, across, 0.5 * volume * r * r)
        }
        Shape::Ellipsoid { radii } => {
            let volume = 4.0 / 3.0 * PI * radii.x * radii.y * radii.z;
            let s = radii.component_mul(radii) * (0.2 * volume);
            diagonal(volume, s.y + s.z, s.x + s.z, s.x + s.y)
        }
        Shape::Box { half } => {
            let volume = 8.0 * half.x * half.y * half.z;
            let s = half.component_mul(half) * (volume / 3.0);
            diagonal(volume, s.y + s.z, s.x + s.z, s.x + s.y)
        }
        Shape::Mesh(mesh) => of_mesh(mesh),
    }
}

/// Sum over the tetrahedra between the triangles and the origin, signed.
fn of_mesh(mesh: &Mesh) -> Solid {
    let (mut volume, mut first, mut second) = (0.0, Vec3::zeros(), Mat3::zeros());
    for triangle in &mesh.triangles {
        let [a, b, c] = triangle.map(|corner| Vec3::from(mesh.vertices[corner as usize]));
        let part = a.dot(&b.cross(&c)) / 6.0;
        let sum = a + b + c;
        volume += part;
        first += sum * (part / 4.0);
        second +=
            (a * a.transpose() + b * b.transpose() + c * c.transpose() + sum * sum.transpose())
                * (part / 20.0);
    }
    if volume <= 0.0 {
        return Solid { volume: 0.0, centre: Vec3::zeros(), tensor: Mat3::zeros() };
    }
    let centre = first / volume;
    let about = second - centre * centre.transpose() * volume;
    Solid { volume, centre, tensor: Mat3::from_diagonal_element(about.trace()) - about }
}

/// Mass and inertia that a geom contributes, in the body's frame about its own centre of mass.
fn of_geom(geom: &Geom) -> (f64, Vec3, Mat3) {
    let solid = solid(&geom.shape);
    let (mass, density) = match geom.mass {
        Mass::Density(density) => (density * solid.volume, density),
        Mass::Total(mass) if solid.volume > 0.0 => (mass, mass / solid.volume),
        Mass::Total(_) => (0.0, 0.0),
    };
    let turn = geom.pose.rotation.to_rotation_matrix();
    let tensor = turn.matrix() * (solid.tensor * density) * turn.matrix().transpose();
    (mass, geom.pose * nalgebra::Point3::from(solid.centre) - nalgebra::Point3::origin(), tensor)
}

/// Mass, centre of mass and inertia about it, in the body's axes.
pub(crate) fn of_body(body: &Body) -> Result<(f64, Vec3, Mat3), PhysicsError> {
    if let Some(Inertia { mass, pose, tensor }) = body.inertia {
        let turn = pose.rotation.to_rotation_matrix();
        return Ok((
            mass,
            pose.translation.vector,
            turn.matrix() * tensor * turn.matrix().transpose(),
        ));
    }
    let parts: Vec<_> = body.geoms.iter().map(of_geom).collect();
    let mass: f64 = parts.iter().map(|part| part.0).sum();
    if mass <= 0.0 {
        return Ok((0.0, Vec3::zeros(), Mat3::zeros()));
    }
    let centre = parts.iter().map(|(mass, centre, _)| centre * *mass).sum::<Vec3>() / mass;
    let mut tensor = Mat3::zeros();
    for (mass, at, about) in parts {
        let arm = at - centre;
        tensor +=
            about + (Mat3::from_diagonal_element(arm.dot(&arm)) - arm * arm.transpose()) * mass;
    }
    Ok((mass, centre, tensor))
}

/// The distance from a geom's origin within which all of it lies.
pub(crate) fn reach(shape: &Shape) -> f64 {
    match shape {
        Shape::Plane => f64::INFINITY,
        Shape::Sphere { radius } => *radius,
        Shape::Capsule { radius, half_length } => radius + half_length,
        Shape::Cylinder { radius, half_length } => {
            (radius * radius + half_length * half_length).sqrt()
        }
        Shape::Ellipsoid { radii } => radii.max(),
        Shape::Box { half } => half.norm(),
        Shape::Mesh(mesh) => {
            mesh.vertices.iter().map(|v| Vec3::from(*v).norm()).fold(0.0, f64::max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_mesh_of_a_box_weighs_like_the_box() {
        let half = Vec3::new(0.1, 0.2, 0.3);
        let corner = |i: u32| {
            let sign = |bit: u32| if i & bit == 0 { -1.0 } else { 1.0 };
            [0.5 + sign(1) * half.x, sign(2) * half.y, sign(4) * half.z]
        };
        let quads: [[u32; 4]; 6] =
            [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]];
        let triangles = quads.iter().flat_map(|q| [[q[0], q[1], q[2]], [q[0], q[2], q[3]]]);
        let mesh = Mesh { vertices: (0..8).map(corner).collect(), triangles: triangles.collect() };
        let (of_mesh, of_box) = (solid(&Shape::Mesh(Arc::new(mesh))), solid(&Shape::Box { half }));
        assert!((of_mesh.volume - of_box.volume).abs() < 1e-15);
        assert!((of_mesh.centre - Vec3::new(0.5, 0.0, 0.0)).norm() < 1e-14);
        assert!((of_mesh.tensor - of_box.tensor).norm() < 1e-14);
    }
}
