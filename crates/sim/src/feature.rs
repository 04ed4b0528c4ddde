//! Features: the scalars that can be measured in a world.

use crate::SimError;
use crate::error::find;
use crate::spec;
use crate::world::{Machine, World};
use rapier3d_mjcf::mjcf_rs::Model;
use std::collections::BTreeMap;
use std::path::Path;

/// A feature whose names have been resolved to indices.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Feature {
    Joint(usize),
    Rate(usize),
    Cos(usize),
    Sin(usize),
    /// A coordinate of a point fixed to a body.
    Point {
        body: usize,
        local: [f32; 3],
        axis: usize,
    },
}

impl Feature {
    /// Its value now.
    pub(crate) fn measure(self, machine: &Machine, world: &World) -> f64 {
        match self {
            Self::Joint(joint) => f64::from(machine.coordinate(world, joint)),
            Self::Rate(joint) => f64::from(machine.rate(world, joint)),
            Self::Cos(joint) => f64::from(machine.coordinate(world, joint)).cos(),
            Self::Sin(joint) => f64::from(machine.coordinate(world, joint)).sin(),
            Self::Point { body, local, axis } => {
                f64::from(machine.pose(world, body).transform(local)[axis])
            }
        }
    }
}

/// Resolves the names in all features.
pub(crate) fn resolve(
    path: &Path,
    features: &BTreeMap<String, spec::Feature>,
    model: &Model,
    machine: &Machine,
) -> Result<BTreeMap<String, Feature>, SimError> {
    let one = |name: &str, feature: &spec::Feature| {
        let field = format!("features.{name}");
        let joint = |name: &str| {
            find(
                path,
                &field,
                "joint",
                name,
                machine.joints.iter().map(|joint| joint.name.as_str()),
            )
        };
        let hinge = |name: &str| {
            let index = joint(name)?;
            if machine.joints[index].hinge {
                return Ok(index);
            }
            Err(SimError::Field {
                path: path.to_owned(),
                field: field.clone(),
                problem: format!(
                    "takes the cosine or sine of the slide joint `{name}`; name a hinge"
                ),
            })
        };
        Ok(match feature {
            spec::Feature::Joint { joint: name } => Feature::Joint(joint(name)?),
            spec::Feature::Rate { joint: name } => Feature::Rate(joint(name)?),
            spec::Feature::Cos { joint: name } => Feature::Cos(hinge(name)?),
            spec::Feature::Sin { joint: name } => Feature::Sin(hinge(name)?),
            spec::Feature::Body { body, axis } => {
                let names = model.bodies.iter();
                let names = names.map(|entry| entry.body.name.as_deref().unwrap_or_default());
                let body = find(path, &field, "body", body, names)?;
                Feature::Point { body, local: [0.0; 3], axis: *axis as usize }
            }
            spec::Feature::Site { site, axis } => {
                let sites: Vec<_> = (model.bodies.iter().enumerate())
                    .flat_map(|(body, entry)| entry.body.sites.iter().map(move |site| (body, site)))
                    .collect();
                let names = sites.iter().map(|(_, site)| site.name.as_deref().unwrap_or_default());
                let (body, site) = sites[find(path, &field, "site", site, names)?];
                let local = site.pose.translation.to_array().map(|value| value as f32);
                Feature::Point { body, local, axis: *axis as usize }
            }
        })
    };
    features.iter().map(|(name, feature)| Ok((name.clone(), one(name, feature)?))).collect()
}
