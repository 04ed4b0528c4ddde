//! What `<compiler>` says about masses and inertias.

use super::body::Part;
use super::compiler::{Compiler, FromGeoms};
use crate::SimError;
use crate::scene_file::xml::Place;
use housecat_physics::{Geom, Inertia, Mass, Shape, Vec3};
use std::f64::consts::PI;

/// Applies the settings to all bodies but the world.
pub(super) fn settle(parts: &mut [Part], compiler: &Compiler) -> Result<(), SimError> {
    let [low, high] = compiler.inertia_groups;
    for part in parts.iter_mut().skip(1) {
        if compiler.from_geoms == FromGeoms::Always {
            part.body.inertia = None;
        }
        let never = compiler.from_geoms == FromGeoms::Never;
        for (geom, &group) in part.body.geoms.iter_mut().zip(&part.groups) {
            if never || !(low..=high).contains(&f64::from(group)) {
                geom.mass = Mass::Total(0.0);
            }
        }
        let place = &part.place;
        match &mut part.body.inertia {
            Some(inertia) => bound(inertia, compiler, place)?,
            None if compiler.least_mass > 0.0 || compiler.least_inertia > 0.0 => {
                let name = &part.body.name;
                let fix = "give the body an <inertial>, or leave boundmass and boundinertia out";
                let what = format!(
                    "boundmass or boundinertia for the body `{name}`, whose mass comes from its geoms,"
                );
                return Err(place.refuse(what, fix));
            }
            None => {}
        }
    }
    if let Some(wanted) = compiler.total_mass {
        let total: f64 = parts.iter().skip(1).map(mass).sum();
        if total > 0.0 {
            parts.iter_mut().skip(1).for_each(|part| scale(part, wanted / total));
        }
    }
    Ok(())
}

/// The mass of a body.
fn mass(part: &Part) -> f64 {
    match &part.body.inertia {
        Some(inertia) => inertia.mass,
        None => part.body.geoms.iter().map(geom_mass).sum(),
    }
}

fn geom_mass(geom: &Geom) -> f64 {
    match geom.mass {
        Mass::Total(mass) => mass,
        Mass::Density(density) => density * volume(&geom.shape),
    }
}

fn scale(part: &mut Part, factor: f64) {
    if let Some(inertia) = &mut part.body.inertia {
        inertia.mass *= factor;
        inertia.tensor *= factor;
    }
    for geom in &mut part.body.geoms {
        geom.mass = match geom.mass {
            Mass::Density(density) => Mass::Density(density * factor),
            Mass::Total(mass) => Mass::Total(mass * factor),
        };
    }
}

fn volume(shape: &Shape) -> f64 {
    match shape {
        Shape::Plane => 0.0,
        Shape::Sphere { radius } => 4.0 / 3.0 * PI * radius.powi(3),
        Shape::Capsule { radius, half_length } => {
            PI * radius * radius * (2.0 * half_length + 4.0 / 3.0 * radius)
        }
        Shape::Cylinder { radius, half_length } => 2.0 * PI * radius * radius * half_length,
        Shape::Ellipsoid { radii } => 4.0 / 3.0 * PI * radii.product(),
        Shape::Box { half } => 8.0 * half.product(),
        Shape::Mesh(mesh) => {
            let corner = |at: u32| Vec3::from(mesh.vertices[at as usize]);
            let tetrahedron = |&[a, b, c]: &[u32; 3]| corner(a).dot(&corner(b).cross(&corner(c)));
            mesh.triangles.iter().map(tetrahedron).sum::<f64>().abs() / 6.0
        }
    }
}

/// Raises a mass and principal moments to their bounds, and balances moments that no body can have.
fn bound(inertia: &mut Inertia, compiler: &Compiler, place: &Place) -> Result<(), SimError> {
    inertia.mass = inertia.mass.max(compiler.least_mass);
    let axes = inertia.tensor.symmetric_eigen();
    let mut moments = axes.eigenvalues;
    if moments.min() < -1e-12 {
        return Err(place.wrong("an inertia is negative about some axis"));
    }
    let [a, b, c] = <[f64; 3]>::from(moments);
    let raised = moments.min() < compiler.least_inertia;
    let impossible = a + b < c || a + c < b || b + c < a;
    // Rounding makes thin bodies look impossible by a hair.
    let grossly = moments.max() * 2.0 - moments.sum() > 1e-6 * moments.max();
    if grossly && !compiler.balance_inertia {
        return Err(place.wrong(format!(
            "the principal inertias {a} {b} {c} belong to no body (two sum up to less than the third); correct them, or write <compiler balanceinertia=\"true\"/>"
        )));
    }
    if impossible && compiler.balance_inertia {
        moments.fill(moments.mean());
    } else if raised {
        moments = moments.map(|moment| moment.max(compiler.least_inertia));
    } else {
        return Ok(());
    }
    let turn = axes.eigenvectors;
    inertia.tensor = turn * housecat_physics::Mat3::from_diagonal(&moments) * turn.transpose();
    Ok(())
}
