//! Boxes, planes and meshes: flat triangles, rasterised in homogeneous coordinates.
//!
//! A sample lies in a triangle if it is on the inner side of its three edges. With corners
//! `V = (column * w, row * w, w)`, the edge from `V` to `W` is the function `(V x W) . (x, y, 1)`,
//! which needs no division and is right even when a corner is behind the camera, so nothing has to
//! be clipped (Olano and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997).
//! The edge from `W` to `V` is its exact negative, so neighbours leave no cracks.

use std::ops::Range;

use crate::canvas::{Canvas, LANES, Lanes, spread, spread_of};
use crate::ink::Ink;
use crate::lens::{NEAR, Rays, View};
use crate::math::{Affine, Vec3, cross, dot, scale, sub, unit};

/// Triangles with their planes, in the frame of the shape.
#[derive(Clone, Debug)]
pub(crate) struct Facets {
    vertices: Vec<Vec3>,
    faces: Vec<Face>,
    two_sided: bool,
    /// A ball around the vertices.
    pub center: Vec3,
    pub radius: f32,
}

/// A triangle in the plane `normal . p = offset`.
#[derive(Clone, Copy, Debug)]
struct Face {
    corners: [u32; 3],
    normal: Vec3,
    offset: f32,
}

/// A vertex on the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corner {
    homogeneous: [f64; 3],
    /// Column and row, if the vertex is before the camera.
    at: Option<[f64; 2]>,
}

impl Facets {
    /// Counter-clockwise triangles; every index must be in range. Triangles without area are left
    /// out.
    pub fn new(vertices: &[Vec3], triangles: &[[u32; 3]]) -> Self {
        let faces = triangles
            .iter()
            .filter_map(|&corners| {
                let [a, b, c] = corners.map(|corner| vertices[corner as usize]);
                let normal = unit(cross(sub(b, a), sub(c, a)));
                let offset = dot(normal, a);
                (normal != [0.0; 3]).then_some(Face { corners, normal, offset })
            })
            .collect();
        let edge = |pick: fn(f32, f32) -> f32, k: usize| {
            vertices.iter().map(|v| v[k]).reduce(pick).unwrap_or(0.0)
        };
        let center = [0, 1, 2].map(|k| 0.5 * (edge(f32::min, k) + edge(f32::max, k)));
        let radius = vertices
            .iter()
            .map(|&v| dot(sub(v, center), sub(v, center)).sqrt())
            .fold(0.0, f32::max);
        Self { vertices: vertices.to_vec(), faces, two_sided: false, center, radius }
    }

    /// A box of these half extents.
    pub fn cuboid(half: Vec3) -> Self {
        let vertices: Vec<Vec3> = (0..8)
            .map(|i| [0, 1, 2].map(|k| if i >> k & 1 == 1 { half[k] } else { -half[k] }))
            .collect();
        let quads =
            [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]];
        let triangles: Vec<[u32; 3]> =
            quads.iter().flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]]).collect();
        Self::new(&vertices, &triangles)
    }

    /// A rectangle in the xy plane, seen from both sides.
    pub fn rectangle([x, y]: [f32; 2]) -> Self {
        let vertices = [[-x, -y, 0.0], [x, -y, 0.0], [x, y, 0.0], [-x, y, 0.0]];
        Self { two_sided: true, ..Self::new(&vertices, &[[0, 1, 2], [0, 2, 3]]) }
    }

    /// Draws the triangles that face the camera. `corners` is room for the projected vertices.
    #[inline(always)]
    pub fn draw(
        &self,
        view: &View,
        rays: &Rays,
        ink: &impl Ink,
        corners: &mut Vec<Corner>,
        canvas: &mut Canvas,
    ) {
        corners.clear();
        corners.extend(self.vertices.iter().map(|&vertex| {
            let (homogeneous, depth) = view.project(vertex);
            let [x, y, w] = homogeneous;
            let at = (depth >= NEAR).then(|| [x / w, y / w]);
            Corner { homogeneous, at }
        }));
        for face in &self.faces {
            let mut face = *face;
            if !view.faces(face.normal, face.offset) {
                if !self.two_sided {
                    continue;
                }
                let [a, b, c] = face.corners;
                let (normal, offset) = (scale(face.normal, -1.0), -face.offset);
                face = Face { corners: [a, c, b], normal, offset };
            }
            let at = face.corners.map(|corner| corners[corner as usize]);
            if let Some(outline) = Outline::new(&at, canvas.width, canvas.height) {
                fill(&face, &outline, rays, ink, canvas);
            }
        }
    }
}

/// A triangle on the picture.
struct Outline {
    /// Coefficients of column, row and one; inside, all three functions are positive.
    edges: [[f64; 3]; 3],
    columns: Range<usize>,
    rows: Range<usize>,
}

impl Outline {
    /// `None` if it is seen edge on, from behind or outside the picture.
    fn new(corners: &[Corner; 3], width: usize, height: usize) -> Option<Self> {
        let [a, b, c] = corners.map(|corner| corner.homogeneous);
        let cross = |u: [f64; 3], v: [f64; 3]| {
            [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
        };
        // Rows run downwards, which turns counter-clockwise corners around.
        let edges = [cross(c, b), cross(a, c), cross(b, a)];
        let volume = edges[0][0] * a[0] + edges[0][1] * a[1] + edges[0][2] * a[2];
        if !(volume > 0.0 && volume.is_finite()) {
            return None;
        }
        let (mut columns, mut rows) = (0..width, 0..height);
        if let [Some(a), Some(b), Some(c)] = corners.map(|corner| corner.at) {
            let range = |k: usize, limit: usize| {
                let (low, high) = (a[k].min(b[k]).min(c[k]), a[k].max(b[k]).max(c[k]));
                low.max(0.0) as usize..(high + 1.0).clamp(0.0, limit as f64) as usize
            };
            (columns, rows) = (range(0, width), range(1, height));
        }
        (!columns.is_empty() && !rows.is_empty()).then_some(Self { edges, columns, rows })
    }

    /// The columns in which pixels of a row may touch the triangle.
    fn span(&self, row: usize) -> Range<usize> {
        let (mut low, mut high) = (self.columns.start as f64, self.columns.end as f64);
        for [dx, dy, at] in self.edges {
            // The function at the corner of the row's pixels where it is largest.
            let best = at + dy * row as f64 + dy.max(0.0) + dx.max(0.0);
            if dx > 0.0 {
                low = low.max(-best / dx);
            } else if dx < 0.0 {
                high = high.min(best / -dx + 1.0);
            } else if best < 0.0 {
                high = low;
            }
        }
        low as usize..high as usize
    }
}

#[inline(always)]
fn fill(face: &Face, outline: &Outline, rays: &Rays, ink: &impl Ink, canvas: &mut Canvas) {
    let flat = ink.flat(face.normal);
    let normals: [Lanes; 3] = face.normal.map(|k| [k; LANES]);
    let edge_spread = outline.edges.map(|[dx, dy, _]| spread(rays.pattern, dx as f32, dy as f32));
    // The depth of the plane is a quotient of affine functions of the pixel.
    let descent = Affine::dot(face.normal, &rays.direction);
    let height = Affine::dot(face.normal, &rays.origin);
    let height = Affine { at: face.offset - height.at, dx: -height.dx, dy: -height.dy };
    let (descent_spread, height_spread) =
        (spread_of(rays.pattern, &descent), spread_of(rays.pattern, &height));
    for row in outline.rows.clone() {
        for column in outline.span(row) {
            let pixel = row * canvas.width + column;
            let (x, y) = (column as f64, row as f64);
            let mut edge = [0.0; 3];
            for (value, [dx, dy, at]) in edge.iter_mut().zip(outline.edges) {
                *value = (dx * x + dy * y + at) as f32;
            }
            let (x, y) = (x as f32, y as f32);
            let (descent, height) = (descent.eval(x, y), height.eval(x, y));
            let before = canvas.depth(pixel);
            let (mut steps, mut depth) = ([0.0; LANES], [0.0; LANES]);
            let mut hits = 0;
            for i in 0..LANES {
                let inside = (edge[0] + edge_spread[0][i] >= 0.0)
                    & (edge[1] + edge_spread[1][i] >= 0.0)
                    & (edge[2] + edge_spread[2][i] >= 0.0);
                steps[i] = (height + height_spread[i]) / (descent + descent_spread[i]);
                let t = rays.anchor + steps[i];
                let seen = inside & (t >= NEAR) & (t < before[i]);
                hits |= u32::from(seen);
                depth[i] = if seen { t } else { f32::INFINITY };
            }
            if hits != 0 {
                let color = match flat {
                    Some(color) => [color; LANES],
                    None => {
                        let pixel_rays = rays.at(column, row);
                        let mut points = [[0.0; LANES]; 3];
                        for i in 0..LANES {
                            let (o, d) = pixel_rays.ray(i);
                            for k in 0..3 {
                                points[k][i] = o[k] + steps[i] * d[k];
                            }
                        }
                        ink.colors(&points, &normals)
                    }
                };
                canvas.paint(pixel, &depth, &color);
            }
        }
    }
}
