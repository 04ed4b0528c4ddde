//! What a mesh weighs. MuJoCo has several opinions, and by default one that is too heavy for meshes
//! that are not convex; a scene that was tuned there must weigh the same here.

use crate::scene_file::mesh;
use housecat_physics::{Body, Geom, Inertia, Mass, Mat3, Mesh, PhysicsError, Shape, Vec3};
use nalgebra::Translation3;
use std::sync::Arc;

/// How a mesh comes by its volume: MJCF's `inertia` of a `<mesh>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Solid {
    /// The tetrahedra between its triangles and its centre, all counted as positive.
    #[default]
    Legacy,
    /// What its triangles enclose.
    Exact,
    /// Its convex hull.
    Convex,
}

/// Mass and inertia of a body whose geoms are solid in these ways; `None` if they are simply what the
/// shapes enclose.
pub(super) fn weigh(body: &Body, solids: &[Solid]) -> Result<Option<Inertia>, PhysicsError> {
    let (mut plain, mut parts, mut same) = (Vec::new(), Vec::new(), true);
    for (geom, solid) in body.geoms.iter().zip(solids) {
        match (&geom.shape, solid) {
            (Shape::Mesh(mesh), Solid::Legacy) if !massless(geom) => {
                parts.push(placed(&legacy(mesh), geom));
                same = false;
            }
            (Shape::Mesh(mesh), Solid::Convex) if !massless(geom) => {
                let hull = mesh::hull(&mesh.vertices);
                let hull = hull.map_err(|_| PhysicsError::Mesh { geom: geom.name.clone() })?;
                plain.push(Geom { shape: Shape::Mesh(Arc::new(hull)), ..geom.clone() });
                same = false;
            }
            _ => plain.push(geom.clone()),
        }
    }
    if same {
        return Ok(None);
    }
    parts.push(Body { geoms: plain, inertia: None, ..body.clone() }.weigh()?);
    Ok(Some(sum(&parts)))
}

fn massless(geom: &Geom) -> bool {
    matches!(geom.mass, Mass::Density(0.0) | Mass::Total(0.0))
}

/// The legacy volume as a mass, its centre and its inertia.
fn legacy(mesh: &Mesh) -> Inertia {
    let corners: Vec<[Vec3; 3]> = mesh
        .triangles
        .iter()
        .map(|triangle| triangle.map(|corner| Vec3::from(mesh.vertices[corner as usize])))
        .collect();
    let (mut middle, mut surface) = (Vec3::zeros(), 0.0);
    for [a, b, c] in &corners {
        let area = 0.5 * (b - a).cross(&(c - a)).norm();
        middle += (a + b + c) / 3.0 * area;
        surface += area;
    }
    // The surface's centre is inside in some sense; the centre of mass is found from there.
    let middle = middle / surface.max(f64::MIN_POSITIVE);
    let centre = middle + tetrahedra(&corners, middle).1;
    let (mass, _, second) = tetrahedra(&corners, centre);
    let tensor = Mat3::from_diagonal_element(second.trace()) - second;
    Inertia { mass, pose: Translation3::from(centre).into(), tensor }
}

/// Volume, first moment over volume and second moment of the tetrahedra over an apex, about it.
fn tetrahedra(corners: &[[Vec3; 3]], apex: Vec3) -> (f64, Vec3, Mat3) {
    let (mut volume, mut first, mut second) = (0.0, Vec3::zeros(), Mat3::zeros());
    for corner in corners {
        let [a, b, c] = corner.map(|corner| corner - apex);
        let part = a.dot(&b.cross(&c)).abs() / 6.0;
        let all = a + b + c;
        volume += part;
        first += all * (part / 4.0);
        let square = |v: Vec3| v * v.transpose();
        second += (square(a) + square(b) + square(c) + square(all)) * (part / 20.0);
    }
    (volume, first / volume.max(f64::MIN_POSITIVE), second)
}

/// The inertia of a shape of density 1 in the frame of the body of a geom that has it.
fn placed(unit: &Inertia, geom: &Geom) -> Inertia {
    let density = match geom.mass {
        Mass::Density(density) => density,
        Mass::Total(mass) => mass / unit.mass.max(f64::MIN_POSITIVE),
    };
    let (mass, tensor) = (unit.mass * density, unit.tensor * density);
    Inertia { mass, tensor, pose: geom.pose * unit.pose }
}

/// The inertia of parts that are fixed to each other.
fn sum(parts: &[Inertia]) -> Inertia {
    let place = |part: &Inertia| part.pose.translation.vector;
    let mass: f64 = parts.iter().map(|part| part.mass).sum();
    let first: Vec3 = parts.iter().map(|part| place(part) * part.mass).sum();
    let centre = first / mass.max(f64::MIN_POSITIVE);
    let mut tensor = Mat3::zeros();
    for part in parts {
        let turn = part.pose.rotation.to_rotation_matrix();
        let arm = place(part) - centre;
        let away = Mat3::from_diagonal_element(arm.dot(&arm)) - arm * arm.transpose();
        tensor += turn.matrix() * part.tensor * turn.matrix().transpose() + away * part.mass;
    }
    Inertia { mass, pose: Translation3::from(centre).into(), tensor }
}
