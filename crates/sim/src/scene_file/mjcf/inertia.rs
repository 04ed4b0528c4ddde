//! What `<compiler>` says about masses and inertias, and what depends on them.

use super::body::Part;
use super::compiler::{Compiler, FromGeoms};
use super::mesh_inertia;
use crate::SimError;
use crate::scene_file::scale_mass;
use crate::scene_file::xml::Place;
use housecat_physics::{Body, Description, Inertia, Mass, Mat3, Model, PhysicsError};

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
        if part.body.inertia.is_none() {
            let weighed = mesh_inertia::weigh(&part.body, &part.solids);
            part.body.inertia = weighed.map_err(|error| part.place.wrong(error))?;
        }
        let bounded = compiler.least_mass > 0.0 || compiler.least_inertia > 0.0;
        if part.body.inertia.is_some() || bounded {
            let weighed = part.body.inertia.map_or_else(|| weigh(part), Ok)?;
            part.body.inertia = Some(bound(weighed, compiler, &part.place)?);
        }
    }
    if let Some(wanted) = compiler.total_mass {
        let masses = parts.iter().skip(1).map(|part| Ok(weigh(part)?.mass));
        let total: f64 = masses.sum::<Result<_, SimError>>()?;
        if total > 0.0 {
            let factor = wanted / total;
            parts.iter_mut().skip(1).for_each(|part| scale_mass(&mut part.body, factor));
        }
    }
    Ok(())
}

fn weigh(part: &Part) -> Result<Inertia, SimError> {
    part.body.weigh().map_err(|error: PhysicsError| part.place.wrong(error))
}

/// Raises a mass and principal moments to their bounds, and balances moments that no body can have.
fn bound(mut inertia: Inertia, compiler: &Compiler, place: &Place) -> Result<Inertia, SimError> {
    inertia.mass = inertia.mass.max(compiler.least_mass);
    let axes = inertia.tensor.symmetric_eigen();
    let mut moments = axes.eigenvalues;
    let (least, most) = (moments.min(), moments.max());
    // Rounding makes thin bodies look impossible by a hair.
    if least < -1e-6 * most.abs() {
        return Err(place.wrong("an inertia is negative about some axis"));
    }
    if 2.0 * most - moments.sum() > 1e-6 * most {
        if !compiler.balance_inertia {
            return Err(place.wrong(format!(
                "the principal inertias {} belong to no body (two add up to less than the third); \
                 correct them, or write <compiler balanceinertia=\"true\"/>",
                moments.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        moments.fill(moments.mean());
    }
    if moments.min() < compiler.least_inertia {
        moments = moments.map(|moment| moment.max(compiler.least_inertia));
    }
    if moments != axes.eigenvalues {
        let turn = axes.eigenvectors;
        inertia.tensor = turn * Mat3::from_diagonal(&moments) * turn.transpose();
    }
    Ok(inertia)
}

/// How joints and tendons give way: the description without what touches.
pub(super) fn mobilities(description: &Description) -> Result<Model, PhysicsError> {
    let bare =
        |body: &Body| Ok(Body { inertia: Some(body.weigh()?), geoms: Vec::new(), ..body.clone() });
    Model::new(&Description {
        options: description.options,
        bodies: description.bodies.iter().map(bare).collect::<Result<_, PhysicsError>>()?,
        sites: description.sites.clone(),
        tendons: description.tendons.clone(),
        equalities: Vec::new(),
        actuators: Vec::new(),
        excludes: Vec::new(),
        pairs: Vec::new(),
    })
}
