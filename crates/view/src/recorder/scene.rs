//! The scene in rerun: shapes once, poses as they change.

use super::stream::Stream;
use crate::ViewError;
use housecat_core::{Geometry, Pose, Scene, Shape};
use rerun::external::re_log_types::EntityPathPart;
use rerun::{AsComponents, EntityPath, FillMode, archetypes};
use std::collections::HashSet;
use std::f32::consts::FRAC_1_SQRT_2;

/// How far a floor is lowered, as a share of its smaller half extent: what lies exactly on it, such
/// as a path or a flat marker, then does not flicker.
const SINK: f32 = 2e-3;

/// The attitude of a camera that looks along +y with +z up.
const LEVEL: [f32; 4] = [FRAC_1_SQRT_2, 0.0, 0.0, FRAC_1_SQRT_2];

/// The entities of a scene's bodies, and where they were last seen.
pub(super) struct Stagehand {
    bodies: Vec<EntityPath>,
    last: Vec<Option<Pose>>,
}

impl Stagehand {
    /// Logs every visible shape, once and for all times, at `world/<body>/<shape>`.
    pub(super) fn build(stream: &Stream, scene: &Scene) -> Result<Self, ViewError> {
        let up = archetypes::ViewCoordinates::RIGHT_HAND_Z_UP();
        stream.fixed("world", &up)?;
        let world = EntityPath::from("world");
        let mut taken = HashSet::new();
        let mut child = |parent: &EntityPath, name: &str| {
            // Names need not be unique in a scene file; entities must be.
            let mut path = join(parent, name);
            let mut count = 2;
            while !taken.insert(path.clone()) {
                path = join(parent, &format!("{name} ({count})"));
                count += 1;
            }
            path
        };
        let bodies: Vec<_> = scene.bodies.iter().map(|name| child(&world, name)).collect();
        for shape in &scene.shapes {
            let body = bodies.get(shape.body).ok_or_else(|| ViewError::Scene {
                shape: shape.name.clone(),
                body: shape.body,
                bodies: bodies.len(),
            })?;
            if shape.rgba[3] <= 0.0 {
                continue;
            }
            let path = child(body, &shape.name);
            stream.fixed(path.clone(), &transform(&placed(shape)))?;
            stream.fixed(path, archetype(shape).as_ref())?;
        }
        let last = vec![None; bodies.len()];
        Ok(Self { bodies, last })
    }

    /// Logs the poses that differ from the last ones.
    pub(super) fn pose(&mut self, stream: &Stream, poses: &[Pose]) -> Result<(), ViewError> {
        for ((path, last), pose) in self.bodies.iter().zip(&mut self.last).zip(poses) {
            if *last != Some(*pose) {
                *last = Some(*pose);
                stream.log(path.clone(), &transform(pose))?;
            }
        }
        Ok(())
    }
}

fn join(parent: &EntityPath, name: &str) -> EntityPath {
    let mut parts = parent.to_vec();
    parts.push(EntityPathPart::new(name));
    EntityPath::new(parts)
}

fn transform(pose: &Pose) -> archetypes::Transform3D {
    archetypes::Transform3D::from_translation_rotation(
        pose.position,
        rerun::Quaternion::from_xyzw(pose.rotation),
    )
}

/// Where a shape stands in its body's frame; planes a little lower than they are.
fn placed(shape: &Shape) -> Pose {
    let lift = match shape.geometry {
        Geometry::Plane { half } => -SINK * half[0].min(half[1]),
        _ => 0.0,
    };
    shape.pose.compose(&Pose { position: [0.0, 0.0, lift], ..Pose::IDENTITY })
}

fn archetype(shape: &Shape) -> Box<dyn AsComponents> {
    let color = shape.rgba.map(|channel| (channel.clamp(0.0, 1.0) * 255.0).round() as u8);
    let solid = FillMode::Solid;
    match &shape.geometry {
        Geometry::Plane { half: [x, y] } => {
            let corners = [[-x, -y, 0.0], [*x, -y, 0.0], [*x, *y, 0.0], [-x, *y, 0.0]];
            Box::new(
                archetypes::Mesh3D::new(corners)
                    .with_triangle_indices([[0_u32, 1, 2], [0, 2, 3]])
                    .with_vertex_normals([[0.0_f32, 0.0, 1.0]; 4])
                    .with_albedo_factor(color)
                    // Seen from below, a floor hides nothing.
                    .with_face_rendering(rerun::components::MeshFaceRendering::Front),
            )
        }
        Geometry::Box { half } => Box::new(
            archetypes::Boxes3D::from_half_sizes([*half])
                .with_colors([color])
                .with_fill_mode(solid),
        ),
        Geometry::Sphere { radius } => Box::new(
            archetypes::Ellipsoids3D::from_radii([*radius])
                .with_colors([color])
                .with_fill_mode(solid),
        ),
        Geometry::Ellipsoid { radii } => Box::new(
            archetypes::Ellipsoids3D::from_half_sizes([*radii])
                .with_colors([color])
                .with_fill_mode(solid),
        ),
        Geometry::Capsule { radius, half_length } => Box::new(
            archetypes::Capsules3D::from_lengths_and_radii([2.0 * half_length], [*radius])
                // Rerun's capsules begin at the origin, ours are centred on it.
                .with_translations([[0.0, 0.0, -half_length]])
                .with_colors([color])
                .with_fill_mode(solid),
        ),
        Geometry::Cylinder { radius, half_length } => Box::new(
            archetypes::Cylinders3D::from_lengths_and_radii([2.0 * half_length], [*radius])
                .with_colors([color])
                .with_fill_mode(solid),
        ),
        Geometry::Mesh { vertices, triangles } => {
            let (corners, normals) = facets(vertices, triangles);
            Box::new(
                archetypes::Mesh3D::new(corners)
                    .with_vertex_normals(normals)
                    .with_albedo_factor(color),
            )
        }
    }
}

/// The corners of every triangle with its normal, so that edges stay sharp. Triangles that name a
/// corner out of range are left out.
fn facets(vertices: &[[f32; 3]], triangles: &[[u32; 3]]) -> (Vec<[f32; 3]>, Vec<[f32; 3]>) {
    let (mut corners, mut normals) = (Vec::new(), Vec::new());
    for triangle in triangles {
        let [Some(a), Some(b), Some(c)] = triangle.map(|index| vertices.get(index as usize)) else {
            continue;
        };
        let (u, v) = (sub(*b, *a), sub(*c, *a));
        let normal =
            [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        corners.extend([*a, *b, *c]);
        normals.extend([unit(normal); 3]);
    }
    (corners, normals)
}

/// Where an eye stands and the point it looks at.
pub(super) type Eye = ([f32; 3], [f32; 3]);

/// A default eye.
///
/// It looks from about where the policy's camera looks, but a little from aside and above so that
/// depth can be seen, and from far enough to see every shape but the floors.
pub(super) fn eye(scene: &Scene, camera: Option<usize>, poses: &[Pose]) -> Eye {
    let body = |index: usize| poses.get(index).copied().unwrap_or(Pose::IDENTITY);
    let (mut low, mut high) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
    for shape in scene.shapes.iter().filter(|shape| shape.rgba[3] > 0.0) {
        let pose = body(shape.body).compose(&shape.pose);
        for corner in outline(&shape.geometry) {
            for (axis, value) in pose.transform(corner).into_iter().enumerate() {
                if value.is_finite() {
                    low[axis] = low[axis].min(value);
                    high[axis] = high[axis].max(value);
                }
            }
        }
    }
    if low.iter().zip(&high).any(|(low, high)| low > high) {
        (low, high) = ([-1.0; 3], [1.0; 3]);
    }
    let mut centre: [f32; 3] = std::array::from_fn(|axis| 0.5 * (low[axis] + high[axis]));
    let mut radius = norm(sub(high, centre)).max(1e-3);
    let level = Pose { rotation: LEVEL, ..Pose::IDENTITY };
    let camera = camera.and_then(|index| scene.cameras.get(index));
    let view = camera.map_or(level, |camera| body(camera.body).compose(&camera.pose));
    // Bodies move: what the camera sees at their depth is where the action will be.
    if let Some(camera) = camera {
        let axis = view.rotate([0.0, 0.0, -1.0]);
        let depth: f32 = sub(centre, view.position).iter().zip(axis).map(|(a, b)| a * b).sum();
        let half =
            if camera.orthographic { 0.5 * camera.fovy } else { depth * (0.5 * camera.fovy).tan() };
        if depth > 0.0 && half > radius {
            radius = half;
            centre = std::array::from_fn(|i| view.position[i] + depth * axis[i]);
        }
    }
    // In the camera's frame: back, a little to the left, and up; or down where it looks at the floor,
    // which leaves what is up in its image up in the viewer's.
    let overhead = view.rotate([0.0, 0.0, 1.0])[2] > 0.7;
    let direction = unit(view.rotate([-0.12, if overhead { -0.45 } else { 0.25 }, 1.0]));
    let position = std::array::from_fn(|axis| centre[axis] + 2.1 * radius * direction[axis]);
    (position, centre)
}

/// Points whose bounds are those of the shape; none for planes, which reach beyond the action.
fn outline(geometry: &Geometry) -> Vec<[f32; 3]> {
    let half = match geometry {
        Geometry::Plane { .. } => return Vec::new(),
        Geometry::Mesh { vertices, .. } => return vertices.to_vec(),
        Geometry::Box { half } => *half,
        Geometry::Sphere { radius } => [*radius; 3],
        Geometry::Ellipsoid { radii } => *radii,
        Geometry::Capsule { radius, half_length } => [*radius, *radius, half_length + radius],
        Geometry::Cylinder { radius, half_length } => [*radius, *radius, *half_length],
    };
    (0..8)
        .map(|corner: u8| {
            std::array::from_fn(
                |axis| if corner >> axis & 1 == 0 { -half[axis] } else { half[axis] },
            )
        })
        .collect()
}

fn sub(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

fn norm(v: [f32; 3]) -> f32 {
    v.iter().map(|x| x * x).sum::<f32>().sqrt()
}

fn unit(v: [f32; 3]) -> [f32; 3] {
    let length = norm(v).max(1e-12);
    v.map(|x| x / length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Camera;
    use std::sync::Arc;

    #[test]
    fn facets_face_outward_and_skip_bad_corners() {
        let vertices = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        let (corners, normals) = facets(&vertices, &[[0, 1, 2], [0, 1, 9]]);
        assert_eq!(corners, vertices);
        assert_eq!(normals, [[0.0, 0.0, 1.0]; 3]);
    }

    #[test]
    fn the_eye_sees_the_action_and_not_the_floor() {
        let shape = |geometry, position| Shape {
            name: "s".into(),
            body: 0,
            pose: Pose { position, ..Pose::IDENTITY },
            geometry,
            rgba: [1.0; 4],
            texture: None,
        };
        let mesh = Geometry::Mesh {
            vertices: Arc::from([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]]),
            triangles: Arc::from([]),
        };
        let mut scene = Scene {
            bodies: vec!["world".into()],
            shapes: vec![
                shape(Geometry::Plane { half: [100.0; 2] }, [0.0; 3]),
                shape(Geometry::Sphere { radius: 0.5 }, [3.0, 0.0, 0.0]),
                shape(mesh, [3.0, 0.0, 0.0]),
            ],
            cameras: vec![Camera {
                name: "top".into(),
                body: 0,
                pose: Pose { position: [3.0, 0.0, 4.0], ..Pose::IDENTITY },
                fovy: 0.2,
                orthographic: false,
            }],
            ..Scene::default()
        };
        let (position, target) = eye(&scene, Some(0), &[]);
        assert_eq!(target, [3.0, 0.0, 0.0]);
        assert!(position[2] > 1.0 && norm(sub(position, target)) < 3.0, "{position:?}");
        // A camera that sees more leaves room for what will move: 4 m tan(0.4) on each side.
        scene.cameras[0].fovy = 0.8;
        let (position, target) = eye(&scene, Some(0), &[]);
        assert_eq!(target, [3.0, 0.0, 0.0]);
        let distance = norm(sub(position, target));
        assert!((distance - 2.1 * 4.0 * 0.4_f32.tan()).abs() < 1e-3, "{distance}");
        let empty = eye(&Scene::default(), None, &[]);
        assert!(empty.0.iter().chain(&empty.1).all(|value| value.is_finite()));
    }
}
