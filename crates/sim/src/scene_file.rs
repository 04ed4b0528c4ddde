//! Scene files: what is simulated, what is seen, and what has no effect. MJCF or URDF, by the root
//! element.

mod mesh;
mod mjcf;
mod names;
mod notices;
mod rotation;
mod urdf;
mod xml;

use crate::SimError;
use housecat_core::{Camera, Geometry, Scene};
use housecat_physics::{Body, Description, Mass, Pose, Shape, Vec3};
use std::path::Path;

/// A scene file, read. Bodies have the same indices in the description and in the scene: the order of
/// the file, the world first.
pub(crate) struct SceneFile {
    /// What is simulated.
    pub description: Description,
    /// What is seen.
    pub scene: Scene,
    /// States that the file names.
    pub keyframes: Vec<Keyframe>,
    /// What the file says that makes no difference here, a sentence each.
    pub notices: Vec<String>,
}

/// A state of the whole world, by name; what is absent is as at the start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Keyframe {
    /// Unique name.
    pub name: String,
    /// Seconds.
    pub time: f64,
    /// Positions of all joints: 7 numbers for a free one, 4 (w x y z) for a ball, else 1.
    pub position: Option<Vec<f64>>,
    /// Velocities of all joints: 6 numbers for a free one, 3 for a ball, else 1.
    pub velocity: Option<Vec<f64>>,
    /// Activations of the actuators that have one.
    pub activation: Option<Vec<f64>>,
    /// Controls of all actuators.
    pub control: Option<Vec<f64>>,
}

/// Half the length of the sides of an endless plane, as it is drawn.
const ENDLESS: f32 = 20.0;
/// Where nothing is drawn and the scene names no sky.
const BACKGROUND: [f32; 3] = [0.2, 0.22, 0.25];

/// Reads a scene file; `free_base` lets the base of a URDF fall (an MJCF file says itself what moves).
///
/// # Errors
/// If the file cannot be read, if it makes no sense, or if it holds what would change the motion and
/// cannot be honoured; the message names file, line and cure.
pub(crate) fn read(path: &Path, free_base: bool) -> Result<SceneFile, SimError> {
    let root = xml::Element::load(path, None)?;
    let mut file = match &*root.tag {
        "mujoco" => mjcf::read(path, root)?,
        "robot" => urdf::read(path, &root, free_base)?,
        other => {
            let problem = "a scene begins with <mujoco> (MJCF) or <robot> (URDF)";
            return Err(root.place.wrong(format!("the root element is <{other}>; {problem}")));
        }
    };
    if file.scene.cameras.is_empty() {
        file.scene.cameras.push(overview(&file.description, &file.scene));
        file.notices.push(
            "there is no camera; one called `default` sees the whole scene from a corner".into(),
        );
    }
    Ok(file)
}

/// Where bodies are in the world at the reference configuration.
fn reference_poses<'a>(bodies: impl IntoIterator<Item = &'a Body>) -> Vec<Pose> {
    let mut poses: Vec<Pose> = Vec::new();
    for body in bodies {
        let parent = poses.get(body.parent).copied().unwrap_or_default();
        poses.push(parent * body.pose);
    }
    poses
}

/// Makes a body heavier, its mass distributed as before.
pub(crate) fn scale_mass(body: &mut Body, factor: f64) {
    if let Some(inertia) = &mut body.inertia {
        inertia.mass *= factor;
        inertia.tensor *= factor;
    }
    for geom in &mut body.geoms {
        geom.mass = match geom.mass {
            Mass::Density(density) => Mass::Density(density * factor),
            Mass::Total(mass) => Mass::Total(mass * factor),
        };
    }
}

/// A camera that sees all shapes, at the reference configuration, from a corner.
fn overview(description: &Description, scene: &Scene) -> Camera {
    let poses = reference_poses(&description.bodies);
    let (mut low, mut high) = (Vec3::repeat(f64::INFINITY), Vec3::repeat(f64::NEG_INFINITY));
    for shape in scene.shapes.iter().filter(|shape| shape.rgba[3] > 0.0) {
        let Some(reach) = reach(&shape.geometry) else { continue };
        let place = shape.pose.position.map(f64::from);
        let middle = poses[shape.body].transform_point(&place.into()).coords;
        low = low.inf(&middle.add_scalar(-reach));
        high = high.sup(&middle.add_scalar(reach));
    }
    if low.x > high.x {
        (low, high) = (Vec3::repeat(-1.0), Vec3::repeat(1.0));
    }
    let (middle, radius) = ((low + high) * 0.5, (high - low).norm() * 0.5);
    let fovy = 45.0_f64.to_radians();
    // Far enough that the sphere around everything just fits.
    let distance = (radius / libm::sin(fovy / 2.0)).max(0.1);
    let corner = middle + Vec3::new(1.0, -1.5, 1.0).normalize() * distance;
    let pose = rotation::towards(corner, middle).unwrap_or_default();
    Camera {
        name: "default".to_owned(),
        body: 0,
        pose: rotation::seen(&pose),
        fovy: fovy as f32,
        orthographic: false,
    }
}

/// How far a geometry reaches from its origin; a plane counts for nothing.
fn reach(geometry: &Geometry) -> Option<f64> {
    let length = |v: [f32; 3]| Vec3::from(v.map(f64::from)).norm();
    Some(match geometry {
        Geometry::Plane { .. } => return None,
        Geometry::Sphere { radius } => f64::from(*radius),
        Geometry::Capsule { radius, half_length } => f64::from(radius + half_length),
        Geometry::Cylinder { radius, half_length } => f64::from(*radius + half_length),
        Geometry::Ellipsoid { radii } => f64::from(radii[0].max(radii[1]).max(radii[2])),
        Geometry::Box { half } => length(*half),
        Geometry::Mesh { vertices, .. } => {
            vertices.iter().map(|&vertex| length(vertex)).fold(0.0, f64::max)
        }
    })
}

/// How a shape of the physics looks.
pub(crate) fn seen_geometry(shape: &Shape) -> Geometry {
    let single = |v: &Vec3| [v.x as f32, v.y as f32, v.z as f32];
    match shape {
        Shape::Plane => Geometry::Plane { half: [ENDLESS; 2] },
        Shape::Sphere { radius } => Geometry::Sphere { radius: *radius as f32 },
        Shape::Capsule { radius, half_length } => {
            Geometry::Capsule { radius: *radius as f32, half_length: *half_length as f32 }
        }
        Shape::Cylinder { radius, half_length } => {
            Geometry::Cylinder { radius: *radius as f32, half_length: *half_length as f32 }
        }
        Shape::Ellipsoid { radii } => Geometry::Ellipsoid { radii: single(radii) },
        Shape::Box { half } => Geometry::Box { half: single(half) },
        Shape::Mesh(mesh) => Geometry::Mesh {
            vertices: mesh.vertices.iter().map(|vertex| vertex.map(|value| value as f32)).collect(),
            triangles: mesh.triangles.iter().copied().collect(),
        },
    }
}
