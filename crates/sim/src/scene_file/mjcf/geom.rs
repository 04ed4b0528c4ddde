//! `<geom>`: a shape for the physics and for the eye.

use super::Context;
use super::asset::{Assets, FlatField};
use super::mesh_inertia::Solid;
use crate::SimError;
use crate::scene_file::rotation;
use crate::scene_file::xml::{Attributes, Element};
use crate::scene_file::{ENDLESS, seen_geometry};
use housecat_core::Geometry;
use housecat_physics::{Geom, Mass, Pose, Shape, Vec3};
use nalgebra::Translation3;

/// A geom as it stands in a file.
pub(super) struct Built {
    pub geom: Geom,
    pub shape: housecat_core::Shape,
    /// The group, which decides whether it is drawn and whether it adds to its body's inertia.
    pub group: i32,
    /// How it is solid, if it is a mesh.
    pub solid: Solid,
}

/// Geoms of groups from here on are not drawn, as in MuJoCo's viewer.
const HIDDEN: i32 = 3;

/// The shapes of geoms and sites.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plane,
    Sphere,
    Capsule,
    Ellipsoid,
    Cylinder,
    Box,
    Mesh,
    Field,
}

const KINDS: [(&str, Kind); 8] = [
    ("plane", Kind::Plane),
    ("sphere", Kind::Sphere),
    ("capsule", Kind::Capsule),
    ("ellipsoid", Kind::Ellipsoid),
    ("cylinder", Kind::Cylinder),
    ("box", Kind::Box),
    ("mesh", Kind::Mesh),
    ("hfield", Kind::Field),
];

/// Reads a geom of a body; `frame` is the pose of what encloses it in the body.
pub(super) fn geom(
    element: &Element,
    class: Option<&str>,
    body: usize,
    frame: &Pose,
    context: &Context,
    assets: &Assets,
) -> Result<Built, SimError> {
    // Contacts in the gap are found, but exert no force.
    let harmless = ["user", "fluidcoef", "fitscale", "gap"];
    context.read(element, class, &["geom"], &harmless, |a| {
        let name = context.names.add(a, "geom")?;
        if a.word("type") == Some("sdf") {
            return Err(a.refuse("type=\"sdf\"", "use a mesh"));
        }
        let kind = a.keyword("type", &KINDS)?.unwrap_or(Kind::Sphere);
        let (pose, half_length) = context.compiler.pose_and_length(a)?;
        let Formed { shape, geometry, solid, sunk } = form(a, kind, half_length, assets)?;
        let pose = frame * pose * Translation3::new(0.0, 0.0, -sunk);
        let total = a.positive("mass")?;
        let density = a.positive("density")?.unwrap_or(1000.0);
        if a.flag("shellinertia")? == Some(true) {
            return Err(a.refuse("shellinertia=\"true\"", "give the body an <inertial>"));
        }
        if a.word("fluidshape").is_some_and(|shape| shape != "none") {
            return Err(a.refuse("fluidshape", "the medium acts on the inertia box; leave it out"));
        }
        for name in ["adhesion", "surfacevel"] {
            if a.list(name)?.is_some_and(|values| values.iter().any(|&value| value != 0.0)) {
                return Err(a.refuse(format!("`{name}`"), "it is always 0; leave it out"));
            }
        }
        let mask = |bits: Option<i32>| bits.map_or(1, |bits| bits as u32);
        let geom = Geom {
            name: name.clone(),
            shape,
            pose,
            mass: total.map_or(Mass::Density(density), Mass::Total),
            friction: a.partial("friction", [1.0, 0.005, 0.0001])?,
            contype: mask(a.integer("contype")?),
            conaffinity: mask(a.integer("conaffinity")?),
            condim: context.condim(a)?,
            priority: a.integer("priority")?.unwrap_or(0),
            softness: context.softness(a, "solref", "solimp")?,
            mix: a.positive("solmix")?.unwrap_or(1.0),
            margin: a.positive("margin")?.unwrap_or(0.0),
        };
        // Contacts in the gap exert no force; only finding them earlier would differ.
        let _ = a.number("gap")?;
        if geom.friction.iter().any(|&value| value < 0.0) {
            return Err(a.wrong("has a negative `friction`"));
        }
        let group = a.integer("group")?.unwrap_or(0);
        let rgba = a.numbers::<4>("rgba")?;
        let material = a.word("material").map(|name| assets.find_material(a, name)).transpose()?;
        let mut colour = match (rgba, material) {
            (Some(rgba), _) => rgba.map(|value| value as f32),
            (None, Some(look)) => look.rgba,
            (None, None) => [0.5, 0.5, 0.5, 1.0],
        };
        if group >= HIDDEN {
            colour[3] = 0.0;
        }
        let shape = housecat_core::Shape {
            name,
            body,
            pose: rotation::seen(&pose),
            geometry,
            rgba: colour,
            texture: material.and_then(|look| look.texture),
        };
        Ok(Built { geom, shape, group, solid })
    })
}

/// What the attributes about the shape come to.
struct Formed {
    shape: Shape,
    geometry: Geometry,
    solid: Solid,
    /// How far its centre lies below the geom's origin.
    sunk: f64,
}

fn form(
    a: &mut Attributes,
    kind: Kind,
    half_length: Option<f64>,
    assets: &Assets,
) -> Result<Formed, SimError> {
    let mut size = a.partial("size", [0.0; 3])?;
    let mesh = a.word("mesh");
    if mesh.is_some() && kind != Kind::Mesh {
        return Err(a.refuse(
            "a `mesh` that another `type` is fitted to",
            "write type=\"mesh\", or give the shape a size and no mesh",
        ));
    }
    if let Some(half) = half_length {
        match kind {
            Kind::Capsule | Kind::Cylinder => size[1] = half,
            Kind::Box | Kind::Ellipsoid => size = [size[0], size[0], half],
            _ => {
                let problem = "has a `fromto`, which is for capsules, cylinders, boxes, ellipsoids";
                return Err(a.wrong(problem));
            }
        }
    }
    let needed = match kind {
        Kind::Plane | Kind::Mesh | Kind::Field => 0,
        Kind::Sphere => 1,
        Kind::Capsule | Kind::Cylinder => 2,
        Kind::Ellipsoid | Kind::Box => 3,
    };
    if let Some(at) = size[..needed].iter().position(|&size| size <= 0.0) {
        return Err(a.wrong(format!("needs a positive `size`; number {} is {}", at + 1, size[at])));
    }
    let [radius, half, _] = size;
    let shape = match kind {
        Kind::Plane => {
            let half = |size: f64| if size > 0.0 { size as f32 } else { ENDLESS };
            let geometry = Geometry::Plane { half: [half(size[0]), half(size[1])] };
            return Ok(Formed { shape: Shape::Plane, geometry, solid: Solid::Exact, sunk: 0.0 });
        }
        Kind::Mesh => {
            let name =
                mesh.ok_or_else(|| a.wrong("is a mesh, but names none; give it a `mesh`"))?;
            let found = assets.find_mesh(a, name)?;
            let (shape, geometry) = (Shape::Mesh(found.mesh.clone()), found.geometry.clone());
            return Ok(Formed { shape, geometry, solid: found.solid, sunk: 0.0 });
        }
        Kind::Field => {
            let name = a.word("hfield").ok_or_else(|| a.wrong("names no `hfield`"))?;
            let Some(FlatField { half: [x, y], thickness }) = assets.find_field(a, name)? else {
                let fix = "make the ground of boxes or meshes";
                return Err(a.refuse("type=\"hfield\" with heights", fix));
            };
            let sunk = thickness / 2.0;
            let shape = Shape::Box { half: Vec3::new(x, y, sunk) };
            let geometry = seen_geometry(&shape);
            return Ok(Formed { shape, geometry, solid: Solid::Exact, sunk });
        }
        Kind::Sphere => Shape::Sphere { radius },
        Kind::Capsule => Shape::Capsule { radius, half_length: half },
        Kind::Cylinder => Shape::Cylinder { radius, half_length: half },
        Kind::Ellipsoid => Shape::Ellipsoid { radii: Vec3::from(size) },
        Kind::Box => Shape::Box { half: Vec3::from(size) },
    };
    let geometry = seen_geometry(&shape);
    Ok(Formed { shape, geometry, solid: Solid::Exact, sunk: 0.0 })
}
