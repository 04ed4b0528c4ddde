//! Shapes, checked and made ready to draw.

use housecat_core::{Geometry, Pose, Shape};

use crate::RenderError;
use crate::facets::Facets;
use crate::math::Vec3;
use crate::round::{Capsule, Cylinder, Ellipsoid, Sphere};
use crate::skin::Skin;

/// A shape, made ready to draw.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Index in the scene.
    pub index: u32,
    pub body: usize,
    pub pose: Pose,
    pub rgb: [f32; 3],
    /// The texture it wears.
    pub skin: Option<Skin>,
    pub form: Form,
}

#[derive(Clone, Debug)]
pub(crate) enum Form {
    Sphere(Sphere),
    Ellipsoid(Ellipsoid),
    Capsule(Capsule),
    Cylinder(Cylinder),
    Facets(Facets),
}

impl Figure {
    /// The shape `index` of a scene, without its texture.
    pub fn new(index: u32, shape: &Shape) -> Result<Self, RenderError> {
        let bad = |problem: String| RenderError::BadShape { name: shape.name.clone(), problem };
        let sizes = |what: &str, values: &[f32]| match values
            .iter()
            .find(|v| !(**v > 0.0 && v.is_finite()))
        {
            Some(value) => {
                Err(bad(format!("{what} is {value}; it must be above 0 metres and finite")))
            }
            None => Ok(()),
        };
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !finite(&shape.pose.position) || !finite(&shape.pose.rotation) {
            return Err(bad(format!("its pose {:?} is not finite", shape.pose)));
        }
        if !shape.rgba.iter().all(|value| (0.0..=1.0).contains(value)) {
            return Err(bad(format!("rgba is {:?}; each must lie in [0, 1]", shape.rgba)));
        }
        let form = match &shape.geometry {
            Geometry::Plane { half } => {
                sizes("a half extent", half)?;
                Form::Facets(Facets::rectangle(*half))
            }
            Geometry::Box { half } => {
                sizes("a half extent", half)?;
                Form::Facets(Facets::cuboid(*half))
            }
            &Geometry::Sphere { radius } => {
                sizes("the radius", &[radius])?;
                Form::Sphere(Sphere { radius })
            }
            &Geometry::Ellipsoid { radii } => {
                sizes("a radius", &radii)?;
                Form::Ellipsoid(Ellipsoid { radii })
            }
            &Geometry::Capsule { radius, half_length } => {
                sizes("the radius or half length", &[radius, half_length])?;
                Form::Capsule(Capsule { radius, half_length })
            }
            &Geometry::Cylinder { radius, half_length } => {
                sizes("the radius or half length", &[radius, half_length])?;
                Form::Cylinder(Cylinder { radius, half_length })
            }
            Geometry::Mesh { vertices, triangles } => {
                if let Some(vertex) = vertices.iter().find(|vertex| !finite(&vertex[..])) {
                    return Err(bad(format!(
                        "a corner of its mesh is {vertex:?}; it must be finite"
                    )));
                }
                let count = vertices.len();
                if let Some(corner) = triangles.iter().flatten().find(|c| **c as usize >= count) {
                    return Err(bad(format!(
                        "a triangle names corner {corner} but the mesh has {count} corners"
                    )));
                }
                Form::Facets(Facets::new(vertices, triangles))
            }
        };
        let [r, g, b, _] = shape.rgba;
        Ok(Self { index, body: shape.body, pose: shape.pose, rgb: [r, g, b], skin: None, form })
    }

    /// A capsule around the shape: its ends and radius.
    pub fn hull(&self) -> ([Vec3; 2], f32) {
        let (half_length, radius) = match &self.form {
            Form::Sphere(sphere) => (0.0, sphere.radius),
            Form::Ellipsoid(ellipsoid) => return ellipsoid.hull(),
            Form::Capsule(capsule) => (capsule.half_length, capsule.radius),
            Form::Cylinder(cylinder) => (cylinder.half_length, cylinder.radius),
            Form::Facets(facets) => return ([facets.center; 2], facets.radius),
        };
        ([[0.0, 0.0, -half_length], [0.0, 0.0, half_length]], radius)
    }
}
