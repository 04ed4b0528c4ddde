//! Contacts of a plane with everything.

use super::Found;
use crate::{Pose, Shape, Vec3};

/// The plane's upward direction.
pub(super) fn normal(plane: &Pose) -> Vec3 {
    plane.rotation * Vec3::z()
}

pub(super) fn meet(plane: &Pose, shape: &Shape, pose: &Pose, found: &mut Found) {
    let up = normal(plane);
    let origin = plane.translation.vector;
    let centre = pose.translation.vector;
    let ball = |at: Vec3, radius: f64, tangent: Vec3, found: &mut Found| {
        let distance = up.dot(&(at - origin)) - radius;
        found.add_along(at - up * (radius + 0.5 * distance), up, tangent, distance);
    };
    match shape {
        Shape::Plane => {}
        Shape::Sphere { radius } => ball(centre, *radius, Vec3::zeros(), found),
        Shape::Capsule { radius, half_length } => {
            let axis = pose.rotation * Vec3::z();
            // Both ends share tangents along the capsule.
            ball(centre + axis * *half_length, *radius, axis, found);
            ball(centre - axis * *half_length, *radius, axis, found);
        }
        Shape::Ellipsoid { radii } => {
            let down = pose.rotation.conjugate() * -up;
            let scaled = radii.component_mul(&down);
            let low = centre + pose.rotation * radii.component_mul(&scaled.normalize());
            let distance = up.dot(&(low - origin));
            found.add(low - up * (0.5 * distance), up, distance);
        }
        Shape::Cylinder { radius, half_length } => {
            cylinder(&up, &origin, pose, *radius, *half_length, found);
        }
        Shape::Box { half } => {
            let height = up.dot(&(centre - origin));
            let mut count = 0;
            for corner in 0..8 {
                let sign = |bit: usize| if corner & bit == 0 { -1.0 } else { 1.0 };
                let local = Vec3::new(sign(1) * half.x, sign(2) * half.y, sign(4) * half.z);
                let arm = pose.rotation * local;
                let below = up.dot(&arm);
                let distance = height + below;
                if distance >= found.margin || below > 0.0 || count == 4 {
                    continue;
                }
                count += 1;
                found.add(centre + arm - up * (0.5 * distance), up, distance);
            }
        }
        Shape::Mesh(mesh) => {
            // The deepest corner, and the three others that spread the contact the most.
            let place = |v: &[f64; 3]| pose.transform_point(&(*v).into()).coords;
            let touching: Vec<Vec3> = mesh
                .vertices
                .iter()
                .map(place)
                .filter(|point| up.dot(&(point - origin)) < found.margin)
                .collect();
            for point in spread(&touching, &up) {
                let distance = up.dot(&(point - origin));
                found.add(point - up * (0.5 * distance), up, distance);
            }
        }
    }
}

/// At most four of the points: the lowest, then always the one farthest from those chosen.
fn spread(points: &[Vec3], up: &Vec3) -> Vec<Vec3> {
    let lowest = points.iter().min_by(|a, b| up.dot(a).total_cmp(&up.dot(b)));
    let mut chosen: Vec<Vec3> = lowest.into_iter().copied().collect();
    while (1..4).contains(&chosen.len()) {
        let away = |point: &Vec3| {
            chosen.iter().map(|c| (point - c).norm_squared()).fold(f64::INFINITY, f64::min)
        };
        match points.iter().max_by(|a, b| away(a).total_cmp(&away(b))) {
            Some(next) if away(next) > 1e-8 => chosen.push(*next),
            _ => break,
        }
    }
    chosen
}

/// The lowest point of the lower rim, the point above it on the upper rim, and two more on the lower rim.
fn cylinder(
    up: &Vec3,
    origin: &Vec3,
    pose: &Pose,
    radius: f64,
    half_length: f64,
    found: &mut Found,
) {
    let centre = pose.translation.vector;
    let mut axis = pose.rotation * Vec3::z();
    if up.dot(&axis) > 0.0 {
        axis = -axis;
    }
    let tilt = up.dot(&axis);
    // Across the axis, as far down as possible.
    let across = axis * tilt - up;
    let length = across.norm();
    let rim = if length > 1e-12 {
        across * (radius / length)
    } else {
        pose.rotation * Vec3::x() * radius
    };
    let along = axis * half_length;
    let height = |point: &Vec3| up.dot(&(point - origin));
    let mut add = |point: Vec3| {
        let distance = height(&point);
        let near = distance < found.margin;
        if near {
            found.add(point - up * (0.5 * distance), *up, distance);
        }
        near
    };
    if !add(centre + along + rim) {
        return;
    }
    add(centre - along + rim);
    let side = axis.cross(&rim) * (0.75_f64).sqrt();
    add(centre + along - rim * 0.5 + side);
    add(centre + along - rim * 0.5 - side);
}
