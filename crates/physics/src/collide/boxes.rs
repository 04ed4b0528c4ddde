//! Contacts of two boxes: the axis of least overlap, then the faces clipped against each other, or the point
//! between two edges.

use super::Found;
use crate::{Mat3, Pose, Vec3};

/// How much better an edge-edge axis must be than a face to be taken: a face holds in more points.
fn bias(best: f64) -> f64 {
    1e-6 + 0.05 * best.abs()
}

enum Axis {
    /// Face `k` of the first (false) or second (true) box.
    Face(bool, usize),
    Edges(usize, usize),
}

pub(super) fn meet((a, h): (&Pose, &Vec3), (b, k): (&Pose, &Vec3), found: &mut Found) {
    let ra = a.rotation.to_rotation_matrix();
    let rb = b.rotation.to_rotation_matrix();
    let (ra, rb) = (ra.matrix(), rb.matrix());
    let way = b.translation.vector - a.translation.vector;
    // Of the second box in the first one's frame.
    let relative = ra.transpose() * rb;
    let offset = ra.transpose() * way;
    let absolute = relative.abs();
    let (mut best, mut axis, mut flip) = (f64::MIN, Axis::Face(false, 0), false);
    for i in 0..3 {
        let reach = h[i] + absolute.row(i).transpose().dot(k);
        let distance = offset[i].abs() - reach;
        if distance >= found.margin {
            return;
        }
        if distance > best {
            (best, axis, flip) = (distance, Axis::Face(false, i), offset[i] < 0.0);
        }
    }
    for j in 0..3 {
        let along = relative.column(j).dot(&offset);
        let reach = k[j] + absolute.column(j).dot(h);
        let distance = along.abs() - reach;
        if distance >= found.margin {
            return;
        }
        if distance > best + 1e-6 {
            (best, axis, flip) = (distance, Axis::Face(true, j), along < 0.0);
        }
    }
    for i in 0..3 {
        for j in 0..3 {
            let mut unit = Vec3::zeros();
            unit[i] = 1.0;
            let cross = unit.cross(&relative.column(j).into_owned());
            let length = cross.norm();
            if length < 1e-6 {
                continue;
            }
            let normal = cross / length;
            let along = normal.dot(&offset);
            let reach = normal.abs().dot(h) + (relative.transpose() * normal).abs().dot(k);
            let distance = along.abs() - reach;
            if distance >= found.margin {
                return;
            }
            if distance > best + bias(best) {
                (best, axis, flip) = (distance, Axis::Edges(i, j), along < 0.0);
            }
        }
    }
    match axis {
        Axis::Face(false, i) => {
            let normal = ra.column(i) * if flip { -1.0 } else { 1.0 };
            faces(
                (ra, &a.translation.vector, h),
                i,
                (rb, &b.translation.vector, k),
                &normal,
                1.0,
                found,
            );
        }
        Axis::Face(true, j) => {
            let normal = rb.column(j) * if flip { 1.0 } else { -1.0 };
            faces(
                (rb, &b.translation.vector, k),
                j,
                (ra, &a.translation.vector, h),
                &normal,
                -1.0,
                found,
            );
        }
        Axis::Edges(i, j) => {
            let cross = ra.column(i).cross(&rb.column(j));
            let normal = cross.normalize() * if flip { -1.0 } else { 1.0 };
            edges(
                (ra, &a.translation.vector, h),
                i,
                (rb, &b.translation.vector, k),
                j,
                &normal,
                best,
                found,
            );
        }
    }
}

type Block<'a> = (&'a Mat3, &'a Vec3, &'a Vec3);

/// Clips the face of the second block that looks most against `normal` by the sides of the first one's face `axis`,
/// and keeps what is below that face. `normal` points out of the first block; `sign` tells whether to the second geom.
fn faces(
    (turn, centre, half): Block,
    axis: usize,
    (other, at, size): Block,
    normal: &Vec3,
    sign: f64,
    found: &mut Found,
) {
    let against = other.transpose() * normal;
    let face = against.iamax();
    let outward = if against[face] > 0.0 { -1.0 } else { 1.0 };
    let (p, q) = ((face + 1) % 3, (face + 2) % 3);
    let middle = at + other.column(face) * (outward * size[face]);
    let (across, up) = (other.column(p) * size[p], other.column(q) * size[q]);
    // In the frame of the reference face: two coordinates on it, and the height above it.
    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
    let flat = |point: Vec3| {
        let arm = point - centre;
        Vec3::new(turn.column(u).dot(&arm), turn.column(v).dot(&arm), normal.dot(&arm) - half[axis])
    };
    let mut polygon = Polygon::default();
    for corner in
        [middle + across + up, middle - across + up, middle - across - up, middle + across - up]
    {
        polygon.push(flat(corner));
    }
    for (k, limit) in [(0, half[u]), (1, half[v])] {
        polygon = polygon.clip(k, limit, 1.0);
        polygon = polygon.clip(k, limit, -1.0);
    }
    for corner in polygon.corners() {
        let distance = corner.z;
        if distance < found.margin {
            let point = centre
                + turn.column(u) * corner.x
                + turn.column(v) * corner.y
                + normal * (half[axis] + 0.5 * distance);
            found.add(point, normal * sign, distance);
        }
    }
}

/// A convex polygon of at most eight corners.
#[derive(Clone, Copy)]
struct Polygon {
    corners: [Vec3; 16],
    count: usize,
}

impl Default for Polygon {
    fn default() -> Self {
        Self { corners: [Vec3::zeros(); 16], count: 0 }
    }
}

impl Polygon {
    fn push(&mut self, corner: Vec3) {
        if self.count < self.corners.len() {
            self.corners[self.count] = corner;
            self.count += 1;
        }
    }

    fn corners(&self) -> &[Vec3] {
        &self.corners[..self.count]
    }

    /// What lies within `sign * x[k] <= limit`.
    fn clip(&self, k: usize, limit: f64, sign: f64) -> Polygon {
        let mut kept = Polygon::default();
        for (index, &from) in self.corners().iter().enumerate() {
            let to = self.corners[(index + 1) % self.count];
            let (a, b) = (sign * from[k] - limit, sign * to[k] - limit);
            if a <= 0.0 {
                kept.push(from);
            }
            if (a < 0.0 && b > 0.0) || (a > 0.0 && b < 0.0) {
                kept.push(from + (to - from) * (a / (a - b)));
            }
        }
        kept
    }
}

/// The point between two edges; `normal` points from the first block to the second.
fn edges(
    (turn, centre, half): Block,
    i: usize,
    (other, at, size): Block,
    j: usize,
    normal: &Vec3,
    distance: f64,
    found: &mut Found,
) {
    let support = |turn: &Mat3, half: &Vec3, free: usize, sign: f64| {
        let local = turn.transpose() * normal;
        let mut corner =
            Vec3::from_fn(|k, _| if sign * local[k] > 0.0 { half[k] } else { -half[k] });
        corner[free] = 0.0;
        turn * corner
    };
    let p = centre + support(turn, half, i, 1.0);
    let q = at + support(other, size, j, -1.0);
    let (u, v) = (turn.column(i).into_owned(), other.column(j).into_owned());
    let gap = p - q;
    let cosine = u.dot(&v);
    let sine2 = 1.0 - cosine * cosine;
    let (d, e) = (u.dot(&gap), v.dot(&gap));
    let x = (cosine * e - d) / sine2;
    let y = (e - cosine * d) / sine2;
    let point = ((p + u * x) + (q + v * y)) * 0.5;
    found.add(point, *normal, distance);
}
