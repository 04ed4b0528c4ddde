//! Contacts of spheres and capsules.

use super::Found;
use crate::{Pose, Vec3};

/// Two balls.
pub(super) fn spheres(a: Vec3, r: f64, b: Vec3, s: f64, found: &mut Found) {
    let way = b - a;
    let length = way.norm();
    let normal = if length > 1e-15 { way / length } else { Vec3::x() };
    let distance = length - r - s;
    found.add(a + normal * (r + 0.5 * distance), normal, distance);
}

/// The point of a capsule's axis that is nearest to a point.
pub(super) fn nearest_on_axis(capsule: &Pose, half_length: f64, point: &Vec3) -> Vec3 {
    let axis = capsule.rotation * Vec3::z();
    let along = axis.dot(&(point - capsule.translation.vector));
    capsule.translation.vector + axis * along.clamp(-half_length, half_length)
}

/// A ball and a box; the normal points to the box.
pub(super) fn sphere_box(centre: Vec3, radius: f64, pose: &Pose, half: &Vec3, found: &mut Found) {
    let local = pose.inverse_transform_point(&centre.into()).coords;
    let near = Vec3::from_fn(|k, _| local[k].clamp(-half[k], half[k]));
    let away = near - local;
    let length = away.norm();
    if length - radius >= found.margin {
        return;
    }
    if length > 1e-15 {
        let normal = away / length;
        let distance = length - radius;
        let point = near - normal * (0.5 * distance);
        found.add(pose.transform_point(&point.into()).coords, pose.rotation * normal, distance);
        return;
    }
    // The centre is inside: out through the nearest face.
    let depth = |k: usize| half[k] - local[k].abs();
    let axis = (1..3).fold(0, |best, k| if depth(k) < depth(best) { k } else { best });
    let mut normal = Vec3::zeros();
    normal[axis] = if local[axis] > 0.0 { -1.0 } else { 1.0 };
    let distance = -depth(axis) - radius;
    let point = local + normal * (0.5 * (radius - depth(axis)));
    found.add(pose.transform_point(&point.into()).coords, pose.rotation * normal, distance);
}

/// A ball and a cylinder; the normal points to the cylinder.
pub(super) fn sphere_cylinder(
    centre: Vec3,
    radius: f64,
    pose: &Pose,
    cylinder: f64,
    half_length: f64,
    found: &mut Found,
) {
    let local = pose.inverse_transform_point(&centre.into()).coords;
    let out = (local.x * local.x + local.y * local.y).sqrt();
    let shrink = if out > cylinder { cylinder / out } else { 1.0 };
    let near =
        Vec3::new(local.x * shrink, local.y * shrink, local.z.clamp(-half_length, half_length));
    let away = near - local;
    let length = away.norm();
    let (normal, surface) = if length > 1e-15 {
        (away / length, length)
    } else {
        // The centre is inside: out through the nearer of side and end.
        let (side, end) = (cylinder - out, half_length - local.z.abs());
        if side < end {
            let direction =
                if out > 1e-15 { Vec3::new(local.x / out, local.y / out, 0.0) } else { Vec3::x() };
            (-direction, -side)
        } else {
            (Vec3::new(0.0, 0.0, if local.z > 0.0 { -1.0 } else { 1.0 }), -end)
        }
    };
    let distance = surface - radius;
    let point = local + normal * (radius + 0.5 * distance);
    found.add(pose.transform_point(&point.into()).coords, pose.rotation * normal, distance);
}

/// Two capsules: where their axes are nearest, and at two ends if they are parallel.
pub(super) fn capsules(
    (a, r, h): (&Pose, f64, f64),
    (b, s, k): (&Pose, f64, f64),
    found: &mut Found,
) {
    let (u, v) = (a.rotation * Vec3::z(), b.rotation * Vec3::z());
    let gap = a.translation.vector - b.translation.vector;
    let cosine = u.dot(&v);
    let (d, e) = (u.dot(&gap), v.dot(&gap));
    let sine2 = 1.0 - cosine * cosine;
    let at = |x: f64, y: f64, found: &mut Found| {
        spheres(a.translation.vector + u * x, r, b.translation.vector + v * y, s, found);
    };
    if sine2 > 1e-12 {
        let x = ((cosine * e - d) / sine2).clamp(-h, h);
        let y = (x * cosine + e).clamp(-k, k);
        let x = (y * cosine - d).clamp(-h, h);
        at(x, y, found);
        return;
    }
    // Parallel: at the ends of the stretch that they share, or where the ends are nearest.
    let centre = -d;
    let (low, high) = ((centre - k).max(-h), (centre + k).min(h));
    if low > high {
        let x = centre.clamp(-h, h);
        at(x, ((x - centre) * cosine).clamp(-k, k), found);
        return;
    }
    at(low, (low - centre) * cosine, found);
    if high - low > 1e-9 {
        at(high, (high - centre) * cosine, found);
    }
}

/// A capsule and a box: where the axis is nearest to the box, and the end that is nearest besides.
pub(super) fn capsule_box(
    (capsule, radius, half_length): (&Pose, f64, f64),
    pose: &Pose,
    half: &Vec3,
    found: &mut Found,
) {
    let axis = capsule.rotation * Vec3::z();
    let centre = pose.inverse_transform_point(&capsule.translation.vector.into()).coords;
    let along = pose.rotation.conjugate() * axis;
    let excess = |t: f64| {
        let p = centre + along * t;
        let out = Vec3::from_fn(|k, _| (p[k].abs() - half[k]).max(0.0));
        (out.norm_squared(), p)
    };
    // The distance is convex along the axis; where it is zero, the point deepest inside counts.
    let depth = |t: f64| {
        let (out, p) = excess(t);
        if out > 0.0 {
            out.sqrt()
        } else {
            (0..3).map(|k| p[k].abs() - half[k]).fold(f64::MIN, f64::max)
        }
    };
    let golden = 0.618_033_988_749_895;
    let (mut low, mut high) = (-half_length, half_length);
    let mut inner = [high - golden * (high - low), low + golden * (high - low)];
    let mut values = inner.map(depth);
    for _ in 0..48 {
        if values[0] <= values[1] {
            high = inner[1];
            inner = [high - golden * (high - low), inner[0]];
            values = [depth(inner[0]), values[0]];
        } else {
            low = inner[0];
            inner = [inner[1], low + golden * (high - low)];
            values = [values[1], depth(inner[1])];
        }
    }
    let mut nearest = 0.5 * (low + high);
    for end in [-half_length, half_length] {
        if depth(end) <= depth(nearest) + 1e-12 {
            nearest = end;
        }
    }
    let ball = |t: f64, found: &mut Found| {
        sphere_box(capsule.translation.vector + axis * t, radius, pose, half, found);
    };
    ball(nearest, found);
    // A second point keeps a capsule that lies on a face or an edge from rocking: the end, farthest from the first,
    // of its way above that face or edge.
    let at = centre + along * nearest;
    let face =
        (1..3).fold(
            0,
            |best, k| {
                if at[k].abs() - half[k] > at[best].abs() - half[best] { k } else { best }
            },
        );
    let (mut from, mut to) = (-half_length, half_length);
    for k in (0..3).filter(|&k| k != face && at[k].abs() <= half[k] && along[k].abs() > 1e-12) {
        let [a, b] = [-half[k], half[k]].map(|side| (side - centre[k]) / along[k]);
        from = from.max(a.min(b));
        to = to.min(a.max(b));
    }
    let far = if nearest - from > to - nearest { from } else { to };
    if from <= to && (far - nearest).abs() > 1e-3 * half_length {
        ball(far, found);
    }
}
