//! `<link>`: what is heavy, what collides and what is seen.

use super::{Context, package};
use crate::SimError;
use crate::scene_file::xml::{Attributes, Element};
use crate::scene_file::{mesh, rotation, seen_geometry};
use housecat_core::Shape as Seen;
use housecat_physics::{Geom, Inertia, Mass, Mat3, Mesh, Pose, Shape, Softness, Vec3};
use std::sync::Arc;

/// A rigid part of a robot.
pub(super) struct Link {
    pub name: String,
    pub geoms: Vec<Geom>,
    /// What is seen; the body is filled in later.
    pub shapes: Vec<Seen>,
    pub inertia: Option<Inertia>,
}

impl Link {
    /// Whether it has mass.
    pub fn heavy(&self) -> bool {
        self.inertia.map_or(!self.geoms.is_empty(), |inertia| inertia.mass > 0.0)
    }
}

/// Colours by name.
pub(super) type Colours = Vec<(String, [f32; 4])>;

const GREY: [f32; 4] = [0.5, 0.5, 0.5, 1.0];

/// Reads a link.
pub(super) fn read(
    element: &Element,
    colours: &mut Colours,
    context: &Context,
) -> Result<Link, SimError> {
    context.read(element, |a| {
        let name = context.names.add(a, "link")?;
        if name.is_empty() {
            return Err(a.wrong("needs a `name`"));
        }
        context.ignore(element, &["inertial", "visual", "collision", "contact"]);
        let inertia = inertial(element, &name, context)?;
        let friction = friction(element, context)?;
        let tagged = |tag| element.children.iter().filter(move |child| &*child.tag == tag);
        let mut geoms: Vec<Geom> = Vec::new();
        for collision in tagged("collision") {
            let Some((own, pose, shape)) = solid(collision, &name, context)? else { continue };
            let own = own.unwrap_or_else(|| format!("{name} {}", geoms.len()));
            geoms.push(Geom {
                name: context.names.free("geom", own),
                shape,
                pose,
                mass: Mass::Density(1000.0),
                friction: [friction, 0.005, 0.0001],
                contype: 1,
                conaffinity: 1,
                condim: 3,
                priority: 0,
                softness: Softness::default(),
                mix: 1.0,
                margin: 0.0,
            });
        }
        let mut shapes = Vec::new();
        for visual in tagged("visual") {
            let rgba = visual.children.iter().find(|child| &*child.tag == "material");
            let rgba = rgba.map(|child| material(child, colours, context)).transpose()?;
            let Some((own, pose, shape)) = solid(visual, &name, context)? else { continue };
            let own = own.unwrap_or_else(|| format!("{name} visual {}", shapes.len()));
            let name = context.names.free("shape", own);
            shapes.push(seen(name, &pose, &shape, rgba.flatten().unwrap_or(GREY)));
        }
        if shapes.is_empty() {
            // What cannot be seen as it should is seen as it collides.
            let collisions = geoms.iter();
            shapes = collisions
                .map(|geom| seen(geom.name.clone(), &geom.pose, &geom.shape, GREY))
                .collect();
        }
        Ok(Link { name, geoms, shapes, inertia })
    })
}

fn seen(name: String, pose: &Pose, shape: &Shape, rgba: [f32; 4]) -> Seen {
    let (pose, geometry) = (rotation::seen(pose), seen_geometry(shape));
    Seen { name, body: 0, pose, geometry, rgba, texture: None }
}

fn inertial(element: &Element, name: &str, context: &Context) -> Result<Option<Inertia>, SimError> {
    let Some(inertial) = element.children.iter().find(|child| &*child.tag == "inertial") else {
        return Ok(None);
    };
    context.ignore(inertial, &["origin", "mass", "inertia"]);
    context.child(element, "inertial", |_| {
        let pose = context.origin(inertial)?;
        let mass = context.child(inertial, "mass", |a| a.positive("value"))?.flatten();
        let mass = mass.ok_or_else(|| inertial.place.wrong("<inertial> needs a <mass value>"))?;
        let tensor = context.child(inertial, "inertia", |a| {
            let mut moment = |name| Ok::<_, SimError>(a.number(name)?.unwrap_or(0.0));
            let (xx, yy, zz) = (moment("ixx")?, moment("iyy")?, moment("izz")?);
            let (xy, xz, yz) = (moment("ixy")?, moment("ixz")?, moment("iyz")?);
            Ok(Mat3::new(xx, xy, xz, xy, yy, yz, xz, yz, zz))
        })?;
        let tensor = tensor.unwrap_or_default();
        Ok(Inertia { mass, pose, tensor: possible(tensor, inertial, name, context)? })
    })
}

/// An inertia that some body can have: moments that none can have are set to their mean.
fn possible(
    tensor: Mat3,
    element: &Element,
    name: &str,
    context: &Context,
) -> Result<Mat3, SimError> {
    let moments = tensor.symmetric_eigenvalues();
    if moments.min() < -1e-9 * moments.max().abs().max(1e-9) {
        return Err(element.place.wrong(format!("the inertia of `{name}` is negative")));
    }
    // Two moments add up to the third at least, but for rounding in the file.
    if moments.sum() - 2.0 * moments.max() >= -1e-2 * moments.max() {
        return Ok(tensor);
    }
    context.notices.say(format!(
        "the inertia of the link `{name}` belongs to no body; all three moments are set to their mean"
    ));
    Ok(Mat3::from_diagonal_element(moments.mean()))
}

/// Bullet's coefficient of friction, or MuJoCo's default.
fn friction(element: &Element, context: &Context) -> Result<f64, SimError> {
    let Some(contact) = element.children.iter().find(|child| &*child.tag == "contact") else {
        return Ok(1.0);
    };
    context.ignore(contact, &["lateral_friction"]);
    let lateral = context.value(contact, "lateral_friction")?;
    if lateral.is_some_and(|lateral| lateral < 0.0) {
        return Err(contact.place.wrong("has a negative <lateral_friction>"));
    }
    Ok(lateral.unwrap_or(1.0))
}

/// The name, pose and shape of a visual or collision, unless its mesh is missing.
fn solid(
    element: &Element,
    link: &str,
    context: &Context,
) -> Result<Option<(Option<String>, Pose, Shape)>, SimError> {
    context.ignore(element, &["origin", "geometry", "material"]);
    context.read(element, |a| {
        let name = a.word("name").map(str::to_owned);
        let pose = context.origin(element)?;
        let geometry = element.children.iter().find(|child| &*child.tag == "geometry");
        let mut shapes = geometry.into_iter().flat_map(|geometry| &geometry.children);
        let shape = shapes.next().ok_or_else(|| a.wrong("needs a <geometry> with a shape"));
        for other in shapes {
            context.notices.say(format!("<{}> in <geometry> has no effect", other.tag));
        }
        let collides = &*element.tag == "collision";
        let read = |shape| context.read(shape, |a| shape_of(a, collides, link, context));
        let shape = match shape.and_then(read) {
            // What is only seen may be missing.
            Err(error) if !collides => {
                context.notices.say(format!("a visual of link `{link}` is not seen: {error}"));
                None
            }
            shape => shape?,
        };
        Ok(shape.map(|shape| (name, pose, shape)))
    })
}

fn shape_of(
    a: &mut Attributes,
    collides: bool,
    link: &str,
    context: &Context,
) -> Result<Option<Shape>, SimError> {
    Ok(Some(match a.tag() {
        "sphere" => Shape::Sphere { radius: size(a, "radius")? },
        "cylinder" => {
            Shape::Cylinder { radius: size(a, "radius")?, half_length: size(a, "length")? / 2.0 }
        }
        "capsule" => {
            Shape::Capsule { radius: size(a, "radius")?, half_length: size(a, "length")? / 2.0 }
        }
        "box" => {
            let size = a.numbers::<3>("size")?.filter(|size| size.iter().all(|&size| size > 0.0));
            let size = size.ok_or_else(|| a.wrong("needs three positive numbers in `size`"))?;
            Shape::Box { half: Vec3::from(size) / 2.0 }
        }
        "plane" if a.numbers("normal")?.is_none_or(|normal| normal == [0.0, 0.0, 1.0]) => {
            Shape::Plane
        }
        "mesh" => return mesh_of(a, collides, link, context),
        tag => {
            let fix = "use box, sphere, cylinder, capsule or mesh";
            return Err(a.place().refuse(format!("<{tag}> in <geometry>"), fix));
        }
    }))
}

fn size(a: &mut Attributes, name: &str) -> Result<f64, SimError> {
    let size = a.number(name)?.filter(|&size| size > 0.0);
    size.ok_or_else(|| a.wrong(format!("needs a positive `{name}`")))
}

fn mesh_of(
    a: &mut Attributes,
    collides: bool,
    link: &str,
    context: &Context,
) -> Result<Option<Shape>, SimError> {
    let named = a.need("filename")?;
    let scale = Vec3::from(a.numbers("scale")?.unwrap_or([1.0; 3]));
    let path = package::resolve(context.folder, named);
    let readable = mesh::ENDINGS.contains(&mesh::ending(named.as_ref()).as_str());
    let Some(path) = path.filter(|_| readable) else {
        let why = if readable { "is missing" } else { "is neither .obj nor .stl" };
        context.notices.say(if collides {
            format!("the collision mesh {named} of link `{link}` {why}: IT DOES NOT COLLIDE")
        } else {
            format!("the visual mesh {named} of link `{link}` {why}: it is not seen")
        });
        return Ok(None);
    };
    let mut mesh: Mesh = mesh::load(&path, a.place())?;
    for vertex in &mut mesh.vertices {
        *vertex = Vec3::from(*vertex).component_mul(&scale).into();
    }
    if scale.product() < 0.0 {
        // A mirror image turns inside out.
        mesh.triangles.iter_mut().for_each(|triangle| triangle.swap(1, 2));
    }
    if !collides && mesh::ending(&path) == "obj" {
        context.notices.say("colours and textures of mesh files are not seen");
    }
    Ok(Some(Shape::Mesh(Arc::new(mesh))))
}

/// The colour of a material: its own, or that of the one with its name.
pub(super) fn material(
    element: &Element,
    colours: &mut Colours,
    context: &Context,
) -> Result<Option<[f32; 4]>, SimError> {
    context.ignore(element, &["color"]);
    context.read(element, |a| {
        let name = a.word("name").unwrap_or_default().to_owned();
        let rgba = context.child(element, "color", |a| a.numbers::<4>("rgba"))?.flatten();
        let rgba = rgba.map(|rgba| rgba.map(|value| value.clamp(0.0, 1.0) as f32));
        match rgba {
            Some(rgba) => colours.push((name, rgba)),
            None => {
                return Ok(colours.iter().rev().find(|known| known.0 == name).map(|known| known.1));
            }
        }
        Ok(rgba)
    })
}
