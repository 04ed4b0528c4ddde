//! Features: the scalars that can be measured in a world.

use crate::SimError;
use crate::error::find;
use crate::spec;
use crate::world::{Machine, World};
use housecat_physics::JointKind;
use std::collections::BTreeMap;
use std::path::Path;

/// A feature whose names have been resolved to indices.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Feature {
    Joint(usize),
    Rate(usize),
    Cos(usize),
    Sin(usize),
    /// A coordinate of a body's origin.
    Body {
        body: usize,
        axis: usize,
    },
    /// A coordinate of a site.
    Site {
        site: usize,
        axis: usize,
    },
}

impl Feature {
    /// Its value now.
    pub(crate) fn measure(self, machine: &Machine, world: &World) -> f64 {
        match self {
            Self::Joint(joint) => machine.coordinate(world, joint),
            Self::Rate(joint) => machine.rate(world, joint),
            Self::Cos(joint) => machine.coordinate(world, joint).cos(),
            Self::Sin(joint) => machine.coordinate(world, joint).sin(),
            Self::Body { body, axis } => machine.body_pose(world, body).translation.vector[axis],
            Self::Site { site, axis } => machine.site_pose(world, site).translation.vector[axis],
        }
    }
}

/// Resolves the names in all features.
pub(crate) fn resolve(
    path: &Path,
    features: &BTreeMap<String, spec::Feature>,
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
            if machine.joints[index].kind == JointKind::Hinge {
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
                let names = machine.body_names.iter().map(String::as_str);
                Feature::Body { body: find(path, &field, "body", body, names)?, axis: *axis as usize }
            }
            spec::Feature::Site { site, axis } => {
                let names = machine.site_names.iter().map(String::as_str);
                Feature::Site { site: find(path, &field, "site", site, names)?, axis: *axis as usize }
            }
        })
    };
    features.iter().map(|(name, feature)| Ok((name.clone(), one(name, feature)?))).collect()
}
