//! A sim's world, changed.

use super::{Asked, Factor};
use crate::SimError;
use crate::assembly;
use crate::scene_file::{scale_mass, seen_geometry};
use crate::world::{Command, Machine};
use housecat_core::{Geometry, Level, Pose, Scene, Seed, Texture, TextureMap, Variation, Varied};
use housecat_physics::{Body, Description, Geom, Mesh, Shape, Vec3};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

/// What a factor changes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// What lights shine, times.
    Intensity,
    /// Where they shine from, about the vertical.
    Sun,
    /// A component of the colour of shapes.
    Colour { shapes: Vec<usize>, channel: usize },
    /// How a camera sees.
    Camera { camera: usize, part: fn(f64) -> View },
    /// What shapes wear.
    Texture(Wear),
    /// Friction of geoms (body, number in the body), times.
    Friction(Vec<[usize; 2]>),
    /// Mass of bodies, times.
    Mass(Vec<usize>),
    /// Damping of joints, times.
    Damping(Vec<usize>),
    /// Size of geoms and of bodies with what is fixed to them, times.
    Size { geoms: Vec<[usize; 2]>, shapes: Vec<usize>, bodies: Vec<usize> },
    /// Alternatives to the scene's shape.
    Shape(Vec<Vec<Form>>),
    /// Width of the intervals of the start, times.
    Start,
    /// Control steps from a start to its goal, times.
    Goal,
    /// Gravity, times.
    Gravity,
}

/// A change to a camera, in its own frame.
pub(crate) enum View {
    /// Metres.
    Shift([f64; 3]),
    /// About a unit axis, rad.
    Turn([f64; 3], f64),
    /// Of the field of view, times.
    Widen(f64),
}

/// Alternatives to what shapes wear.
#[derive(Clone, Debug)]
pub(crate) struct Wear {
    pub shapes: Vec<usize>,
    /// How many textures the scene has.
    pub first: usize,
    /// Textures that it lacks.
    pub textures: Vec<Texture>,
    /// One an alternative, as if the textures came right after the scene's.
    pub maps: Vec<TextureMap>,
}

/// How a geom differs.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub geoms: Vec<[usize; 2]>,
    pub shapes: Vec<usize>,
    pub pos: Option<[f64; 3]>,
    pub shape: Option<Shape>,
}

/// What worlds of a sim are built from.
pub(crate) struct Blueprint {
    /// The scene file, for messages.
    pub path: PathBuf,
    pub description: Description,
    pub substeps: usize,
    pub commands: Vec<Command>,
    pub factors: Vec<Factor>,
}

/// A world of a sim with its factors at certain levels. What they do not change is shared.
#[derive(Clone)]
pub(crate) struct Variant {
    pub varied: Variation,
    pub machine: Arc<Machine>,
    pub scene: Arc<Scene>,
    /// Factor on the spread of starts.
    pub start: f64,
    /// Factor on the control steps from a start to its goal.
    pub goal: f64,
}

impl Variant {
    /// As the sim's files have it.
    pub(crate) fn nominal(blueprint: &Blueprint, scene: Scene) -> Result<Self, SimError> {
        let Blueprint { path, description, substeps, commands, .. } = blueprint;
        let machine = assembly::machine(path, description, *substeps, commands)?;
        let (machine, scene) = (Arc::new(machine), Arc::new(scene));
        Ok(Self { varied: Variation::new(), machine, scene, start: 1.0, goal: 1.0 })
    }

    /// The nominal world with the levels that a seed draws. What is drawn at its default changes nothing.
    pub(crate) fn draw(
        &self,
        blueprint: &Blueprint,
        asked: &[Asked],
        seed: Seed,
    ) -> Result<Self, SimError> {
        let factors = &blueprint.factors;
        let mut variant = self.clone();
        // Copied when something changes them.
        let mut description = Cow::Borrowed(&blueprint.description);
        let mut scene = Cow::Borrowed(&*self.scene);
        // Shapes come first: sizes scale them.
        let shape = |asked: &&Asked| matches!(factors[asked.factor].change, Change::Shape(_));
        let rest = asked.iter().filter(|asked| !shape(asked));
        for asked in asked.iter().filter(shape).chain(rest) {
            let factor = &factors[asked.factor];
            let level = asked.draw(factors, seed);
            if level != factor.default {
                variant.change(factor, &level, &mut description, &mut scene);
            }
            let varied = Varied { level, among: asked.levels.clone() };
            variant.varied.insert(factor.name.clone(), varied);
        }
        if let Cow::Owned(description) = description {
            let Blueprint { path, substeps, commands, .. } = blueprint;
            variant.machine = Arc::new(assembly::machine(path, &description, *substeps, commands)?);
        }
        if let Cow::Owned(scene) = scene {
            variant.scene = Arc::new(scene);
        }
        Ok(variant)
    }

    /// Applies a factor.
    fn change(
        &mut self,
        factor: &Factor,
        level: &Level,
        description: &mut Cow<Description>,
        scene: &mut Cow<Scene>,
    ) {
        let (value, choice) = match (level, &factor.levels) {
            (Level::Number(value), _) => (*value, None),
            (Level::Choice(name), housecat_core::Levels::Choices(names)) => {
                // The first is the scene's own.
                (0.0, names.iter().position(|other| other == name).and_then(|at| at.checked_sub(1)))
            }
            (Level::Choice(_), _) => return,
        };
        match (&factor.change, choice) {
            (Change::Intensity, _) => {
                for light in &mut scene.to_mut().lights {
                    light.diffuse = light.diffuse.map(|part| part * value as f32);
                    light.ambient = light.ambient.map(|part| part * value as f32);
                }
            }
            (Change::Sun, _) => {
                let turn = about([0.0, 0.0, 1.0], value);
                for light in &mut scene.to_mut().lights {
                    light.direction = turn.rotate(light.direction);
                    light.position = turn.rotate(light.position);
                }
            }
            (Change::Colour { shapes, channel }, _) => {
                let scene = scene.to_mut();
                shapes.iter().for_each(|&shape| scene.shapes[shape].rgba[*channel] = value as f32);
            }
            (Change::Camera { camera, part }, _) => {
                let camera = &mut scene.to_mut().cameras[*camera];
                match part(value) {
                    View::Shift(shift) => {
                        let position = shift.map(|part| part as f32);
                        camera.pose = camera.pose.compose(&Pose { position, ..Pose::IDENTITY });
                    }
                    View::Turn(axis, angle) => {
                        camera.pose = camera.pose.compose(&about(axis, angle))
                    }
                    View::Widen(factor) => camera.fovy *= factor as f32,
                }
            }
            (Change::Texture(wear), Some(choice)) => {
                let scene = scene.to_mut();
                let mut map = wear.maps[choice];
                if map.texture >= wear.first {
                    // Another factor may have added textures before.
                    map.texture += scene.textures.len() - wear.first;
                    scene.textures.extend(wear.textures.iter().cloned());
                }
                wear.shapes.iter().for_each(|&shape| scene.shapes[shape].texture = Some(map));
            }
            (Change::Friction(geoms), _) => {
                let description = description.to_mut();
                for &[body, geom] in geoms {
                    description.bodies[body].geoms[geom].friction[0] *= value;
                }
                for pair in &mut description.pairs {
                    if pair.geoms.iter().any(|geom| geoms.contains(geom)) {
                        pair.friction[..2].iter_mut().for_each(|friction| *friction *= value);
                    }
                }
            }
            (Change::Mass(bodies), _) => {
                let description = description.to_mut();
                bodies.iter().for_each(|&body| scale_mass(&mut description.bodies[body], value));
            }
            (Change::Damping(joints), _) => {
                let all = description.to_mut().bodies.iter_mut().flat_map(|body| &mut body.joints);
                for (index, joint) in all.enumerate() {
                    if joints.contains(&index) {
                        joint.damping *= value;
                    }
                }
            }
            (Change::Size { geoms, shapes, bodies }, _) => {
                let (description, scene) = (description.to_mut(), scene.to_mut());
                for &[body, geom] in geoms {
                    let geom = &mut description.bodies[body].geoms[geom];
                    geom.shape = scaled(&geom.shape, value);
                }
                for &shape in shapes {
                    scale_geometry(&mut scene.shapes[shape].geometry, value as f32);
                }
                for &body in bodies {
                    scale_body(&mut description.bodies[body], value);
                    for site in description.sites.iter_mut().filter(|site| site.body == body) {
                        site.pose.translation.vector *= value;
                    }
                    for shape in scene.shapes.iter_mut().filter(|shape| shape.body == body) {
                        scale_geometry(&mut shape.geometry, value as f32);
                        shape.pose.position = shape.pose.position.map(|part| part * value as f32);
                    }
                }
            }
            (Change::Shape(forms), Some(choice)) => {
                let (description, scene) = (description.to_mut(), scene.to_mut());
                forms[choice].iter().for_each(|form| form.apply(description, scene));
            }
            (Change::Start, _) => self.start = value,
            (Change::Goal, _) => self.goal = value,
            (Change::Gravity, _) => description.to_mut().options.gravity *= value,
            (Change::Texture(_) | Change::Shape(_), None) => {}
        }
    }
}

impl Form {
    fn apply(&self, description: &mut Description, scene: &mut Scene) {
        for &[body, geom] in &self.geoms {
            let Geom { shape, pose, .. } = &mut description.bodies[body].geoms[geom];
            if let Some(other) = &self.shape {
                shape.clone_from(other);
            }
            if let Some(at) = self.pos {
                pose.translation.vector = Vec3::from(at);
            }
        }
        for &shape in &self.shapes {
            let shape = &mut scene.shapes[shape];
            if let Some(other) = &self.shape {
                shape.geometry = seen_geometry(other);
            }
            if let Some(at) = self.pos {
                shape.pose.position = at.map(|value| value as f32);
            }
        }
    }
}

/// A turn about a unit axis.
fn about(axis: [f64; 3], angle: f64) -> Pose {
    let (sin, cos) = (libm::sin(0.5 * angle), libm::cos(0.5 * angle));
    let [x, y, z] = axis.map(|part| (part * sin) as f32);
    Pose { position: [0.0; 3], rotation: [x, y, z, cos as f32] }
}

fn scaled(shape: &Shape, factor: f64) -> Shape {
    match shape {
        Shape::Plane => Shape::Plane,
        Shape::Sphere { radius } => Shape::Sphere { radius: radius * factor },
        Shape::Capsule { radius, half_length } => {
            Shape::Capsule { radius: radius * factor, half_length: half_length * factor }
        }
        Shape::Cylinder { radius, half_length } => {
            Shape::Cylinder { radius: radius * factor, half_length: half_length * factor }
        }
        Shape::Ellipsoid { radii } => Shape::Ellipsoid { radii: radii * factor },
        Shape::Box { half } => Shape::Box { half: half * factor },
        Shape::Mesh(mesh) => Shape::Mesh(Arc::new(Mesh {
            vertices: mesh.vertices.iter().map(|vertex| vertex.map(|part| part * factor)).collect(),
            triangles: mesh.triangles.clone(),
        })),
    }
}

fn scale_body(body: &mut Body, factor: f64) {
    for geom in &mut body.geoms {
        geom.shape = scaled(&geom.shape, factor);
        geom.pose.translation.vector *= factor;
    }
    if let Some(inertia) = &mut body.inertia {
        inertia.pose.translation.vector *= factor;
        inertia.tensor *= factor * factor;
    }
}

fn scale_geometry(geometry: &mut Geometry, factor: f32) {
    let scale = |values: &mut [f32]| values.iter_mut().for_each(|value| *value *= factor);
    match geometry {
        Geometry::Plane { half } => scale(half),
        Geometry::Box { half } => scale(half),
        Geometry::Sphere { radius } => scale(std::slice::from_mut(radius)),
        Geometry::Ellipsoid { radii } => scale(radii),
        Geometry::Capsule { radius, half_length } | Geometry::Cylinder { radius, half_length } => {
            scale(std::slice::from_mut(radius));
            scale(std::slice::from_mut(half_length));
        }
        Geometry::Mesh { vertices, .. } => {
            *vertices = vertices.iter().map(|vertex| vertex.map(|part| part * factor)).collect();
        }
    }
}
