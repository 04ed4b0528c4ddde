//! Features: the scalars that can be measured in a world.

use crate::SimError;
use crate::error::find;
use crate::spec;
use crate::world::{Machine, World};
use housecat_core::Quantity;
use housecat_physics::JointKind;
use nalgebra::Vector3;
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
    /// A coordinate of the way between two sites.
    Offset {
        site: usize,
        from: usize,
        axis: usize,
    },
    /// Length of a tendon.
    Length(usize),
    /// Where a body's x axis points, seen from above.
    Heading(usize),
    /// An entry of a body's rotation matrix.
    Direction {
        body: usize,
        of: usize,
        axis: usize,
    },
    /// A component of a body's rotation, w first.
    Rotation {
        body: usize,
        part: usize,
    },
}

impl Feature {
    /// Its value now.
    pub(crate) fn measure(self, machine: &Machine, world: &World) -> f64 {
        match self {
            Self::Joint(joint) => machine.coordinate(world, joint),
            Self::Rate(joint) => machine.rate(world, joint),
            Self::Cos(joint) => libm::cos(machine.coordinate(world, joint)),
            Self::Sin(joint) => libm::sin(machine.coordinate(world, joint)),
            Self::Body { body, axis } => machine.body_pose(world, body).translation.vector[axis],
            Self::Site { site, axis } => machine.site_pose(world, site).translation.vector[axis],
            Self::Offset { site, from, axis } => {
                let [to, from] = [site, from].map(|site| machine.site_pose(world, site));
                to.translation.vector[axis] - from.translation.vector[axis]
            }
            Self::Length(tendon) => machine.tendon_length(world, tendon),
            Self::Heading(body) => {
                let forward = machine.body_pose(world, body).rotation * Vector3::x();
                libm::atan2(forward.y, forward.x)
            }
            Self::Direction { body, of, axis } => {
                let own = Vector3::ith_axis(of).into_inner();
                (machine.body_pose(world, body).rotation * own)[axis]
            }
            Self::Rotation { body, part } => {
                let q = machine.body_pose(world, body).rotation;
                let value = [q.w, q.i, q.j, q.k][part];
                if q.w < 0.0 { -value } else { value }
            }
        }
    }

    /// What it measures.
    pub(crate) fn quantity(self, machine: &Machine) -> Quantity {
        let turns = |joint: usize| machine.joints[joint].kind == JointKind::Hinge;
        match self {
            Self::Joint(joint) if turns(joint) => Quantity::Angle,
            Self::Rate(joint) if turns(joint) => Quantity::AngularVelocity,
            Self::Rate(_) => Quantity::Velocity,
            Self::Heading(_) => Quantity::Angle,
            Self::Cos(_) | Self::Sin(_) | Self::Direction { .. } | Self::Rotation { .. } => {
                Quantity::Number
            }
            Self::Joint(_)
            | Self::Body { .. }
            | Self::Site { .. }
            | Self::Offset { .. }
            | Self::Length(_) => Quantity::Length,
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
        let body = |name: &str| {
            find(path, &field, "body", name, machine.body_names.iter().map(String::as_str))
        };
        let site = |name: &str| {
            find(path, &field, "site", name, machine.site_names.iter().map(String::as_str))
        };
        let joint = |name: &str| {
            find(
                path,
                &field,
                "joint",
                name,
                machine.joints.iter().map(|joint| joint.name.as_str()),
            )
        };
        let kind = |name: &str, kinds: &[JointKind], takes: &str| {
            let index = joint(name)?;
            if kinds.contains(&machine.joints[index].kind) {
                return Ok(index);
            }
            let kind = format!("{:?}", machine.joints[index].kind).to_lowercase();
            Err(SimError::Field {
                path: path.to_owned(),
                field: field.clone(),
                problem: format!("{takes}, but `{name}` is a {kind} joint"),
            })
        };
        let scalar = |name: &str| {
            let takes = "takes a slide or hinge (`body` and `rotation` measure free bodies)";
            kind(name, &[JointKind::Slide, JointKind::Hinge], takes)
        };
        let hinge = |name: &str| kind(name, &[JointKind::Hinge], "takes a hinge");
        Ok(match feature {
            spec::Feature::Joint { joint: name } => Feature::Joint(scalar(name)?),
            spec::Feature::Rate { joint: name } => Feature::Rate(scalar(name)?),
            spec::Feature::Cos { joint: name } => Feature::Cos(hinge(name)?),
            spec::Feature::Sin { joint: name } => Feature::Sin(hinge(name)?),
            spec::Feature::Body { body: name, axis } => {
                Feature::Body { body: body(name)?, axis: *axis as usize }
            }
            spec::Feature::Site { site: name, axis } => {
                Feature::Site { site: site(name)?, axis: *axis as usize }
            }
            spec::Feature::Offset { site: name, from, axis } => {
                Feature::Offset { site: site(name)?, from: site(from)?, axis: *axis as usize }
            }
            spec::Feature::Length { tendon } => {
                let names = machine.tendon_names.iter().map(String::as_str);
                Feature::Length(find(path, &field, "tendon", tendon, names)?)
            }
            spec::Feature::Heading { body: name } => Feature::Heading(body(name)?),
            spec::Feature::Direction { body: name, of, axis } => {
                Feature::Direction { body: body(name)?, of: *of as usize, axis: *axis as usize }
            }
            spec::Feature::Rotation { body: name, part } => {
                Feature::Rotation { body: body(name)?, part: *part as usize }
            }
        })
    };
    features.iter().map(|(name, feature)| Ok((name.clone(), one(name, feature)?))).collect()
}
