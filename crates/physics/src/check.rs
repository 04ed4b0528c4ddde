//! What a description must fulfil before it is compiled.

use crate::model::Link;
use crate::{Body, Description, Inertia, Joint, JointKind, Options, Path, PhysicsError, Tie};

pub(crate) fn value(item: &str, problem: &str) -> PhysicsError {
    PhysicsError::Value { item: item.to_owned(), problem: problem.to_owned() }
}

pub(crate) fn check_options(options: &Options) -> Result<(), PhysicsError> {
    if !(options.timestep.is_finite() && options.timestep > 0.0) {
        return Err(value("the time step", "must be a positive number of seconds"));
    }
    if !(options.impratio.is_finite() && options.impratio > 0.0) {
        return Err(value("impratio", "must be positive"));
    }
    if !options.gravity.iter().all(|g| g.is_finite()) {
        return Err(value("gravity", "must be finite"));
    }
    Ok(())
}

pub(crate) fn check_joint(
    body: &Body,
    joint: &Joint,
    index: usize,
    parent: usize,
) -> Result<(), PhysicsError> {
    if index == 0 {
        return Err(value(&joint.name, "the world cannot have joints"));
    }
    if joint.kind == JointKind::Free && (parent != 0 || body.joints.len() != 1) {
        return Err(value(
            &joint.name,
            "a free joint must be the only joint of a body right below the world",
        ));
    }
    let scalar = matches!(joint.kind, JointKind::Slide | JointKind::Hinge);
    if scalar && (joint.axis.norm() - 1.0).abs() > 1e-6 {
        return Err(value(&joint.name, "its axis must have unit length"));
    }
    let numbers = [joint.armature, joint.damping, joint.stiffness, joint.friction_loss];
    if numbers.iter().any(|number| !(number.is_finite() && *number >= 0.0)) {
        return Err(value(
            &joint.name,
            "armature, damping, stiffness and frictionloss must be finite and not negative",
        ));
    }
    Ok(())
}

/// Every body that moves on its own must carry mass, itself or in what is welded to it or hangs on it.
pub(crate) fn check_masses(description: &Description, links: &[Link]) -> Result<(), PhysicsError> {
    let mut carried: Vec<bool> = links.iter().map(|link| link.mass > 0.0).collect();
    for index in (1..links.len()).rev() {
        let armed = description.bodies[index].joints.iter().all(|joint| joint.armature > 0.0);
        if !links[index].dofs.is_empty() && !carried[index] && !armed {
            let body = description.bodies[index].name.clone();
            return Err(PhysicsError::Massless { body, what: "mass" });
        }
        carried[links[index].parent] |= carried[index];
    }
    for (body, link) in description.bodies.iter().zip(links) {
        if let Some(Inertia { mass, tensor, .. }) = &body.inertia
            && !(mass.is_finite() && *mass >= 0.0 && tensor.iter().all(|x| x.is_finite()))
        {
            return Err(value(&body.name, "its mass and inertia must be finite and not negative"));
        }
        if !(link.mass.is_finite() && link.tensor.iter().all(|x| x.is_finite())) {
            return Err(value(&body.name, "its mass or inertia is not finite"));
        }
    }
    Ok(())
}

/// Every index points to something, and every scalar transmission to a scalar joint.
pub(crate) fn check_indices(description: &Description, joints: usize) -> Result<(), PhysicsError> {
    let kinds: Vec<_> =
        description.bodies.iter().flat_map(|body| body.joints.iter().map(|j| j.kind)).collect();
    let scalar = |item: &str, joint: usize| match kinds.get(joint) {
        Some(JointKind::Slide | JointKind::Hinge) => Ok(()),
        Some(_) => Err(value(item, "needs a slide or hinge joint")),
        None => Err(value(item, "names a joint that does not exist")),
    };
    let below = |item: &str, index: usize, count: usize, what: &str| {
        if index < count {
            Ok(())
        } else {
            Err(value(item, &format!("names a {what} that does not exist")))
        }
    };
    let (bodies, sites, tendons) =
        (description.bodies.len(), description.sites.len(), description.tendons.len());
    for site in &description.sites {
        below(&site.name, site.body, bodies, "body")?;
    }
    for tendon in &description.tendons {
        match &tendon.path {
            Path::Fixed(terms) => {
                terms.iter().try_for_each(|&(joint, _)| scalar(&tendon.name, joint))?;
            }
            Path::Spatial(strands) => {
                for strand in strands {
                    strand.sites.iter().try_for_each(|&s| below(&tendon.name, s, sites, "site"))?;
                    if strand.divisor.is_nan() || strand.divisor <= 0.0 {
                        return Err(value(&tendon.name, "a pulley's divisor must be positive"));
                    }
                }
            }
        }
    }
    for actuator in &description.actuators {
        let name = &actuator.name;
        match actuator.target {
            crate::Target::Joint(joint) | crate::Target::JointInParent(joint) => {
                below(name, joint, joints, "joint")?;
            }
            crate::Target::Tendon(tendon) => below(name, tendon, tendons, "tendon")?,
            crate::Target::Site { site, reference } => {
                below(name, site, sites, "site")?;
                reference.map_or(Ok(()), |site| below(name, site, sites, "site"))?;
            }
        }
    }
    for equality in &description.equalities {
        let item = "an equality constraint";
        match &equality.tie {
            Tie::Connect { bodies: pair, .. } | Tie::Weld { bodies: pair, .. } => {
                pair.iter().try_for_each(|&body| below(item, body, bodies, "body"))?;
            }
            Tie::ConnectSites { sites: pair } => {
                pair.iter().try_for_each(|&site| below(item, site, sites, "site"))?;
            }
            Tie::Joints { follower, leader, .. } => {
                scalar(item, *follower)?;
                leader.map_or(Ok(()), |joint| scalar(item, joint))?;
            }
            Tie::Tendons { follower, leader, .. } => {
                below(item, *follower, tendons, "tendon")?;
                leader.map_or(Ok(()), |tendon| below(item, tendon, tendons, "tendon"))?;
            }
        }
    }
    Ok(())
}
