//! What elements name: indices into the description of what has been read before.

use crate::SimError;
use crate::error::find;
use crate::scene_file::xml::Attributes;
use housecat_physics::{Description, Joint, JointKind};

/// All joints; a joint's index is its place here.
pub(super) fn joints(description: &Description) -> impl Iterator<Item = &Joint> + Clone {
    description.bodies.iter().flat_map(|body| &body.joints)
}

/// The joint that an attribute names, if it is there.
pub(super) fn joint(
    a: &mut Attributes,
    attribute: &str,
    description: &Description,
) -> Result<Option<usize>, SimError> {
    refer(a, attribute, "joint", joints(description).map(|joint| joint.name.as_str()))
}

/// The slide or hinge that an attribute names, if it is there.
pub(super) fn scalar_joint(
    a: &mut Attributes,
    attribute: &str,
    description: &Description,
) -> Result<Option<usize>, SimError> {
    let found = joint(a, attribute, description)?;
    match found.and_then(|index| joints(description).nth(index)) {
        Some(joint) if !matches!(joint.kind, JointKind::Slide | JointKind::Hinge) => {
            Err(a.wrong(format!("names the joint `{}`, which is no slide or hinge", joint.name)))
        }
        _ => Ok(found),
    }
}

/// The body that an attribute names, if it is there.
pub(super) fn body(
    a: &mut Attributes,
    attribute: &str,
    description: &Description,
) -> Result<Option<usize>, SimError> {
    refer(a, attribute, "body", description.bodies.iter().map(|body| body.name.as_str()))
}

/// The site that an attribute names, if it is there.
pub(super) fn site(
    a: &mut Attributes,
    attribute: &str,
    description: &Description,
) -> Result<Option<usize>, SimError> {
    refer(a, attribute, "site", description.sites.iter().map(|site| site.name.as_str()))
}

/// The tendon that an attribute names, if it is there.
pub(super) fn tendon(
    a: &mut Attributes,
    attribute: &str,
    description: &Description,
) -> Result<Option<usize>, SimError> {
    refer(a, attribute, "tendon", description.tendons.iter().map(|tendon| tendon.name.as_str()))
}

/// The geom that an attribute must name: its body, and its index there.
pub(super) fn geom(
    a: &mut Attributes,
    attribute: &str,
    description: &Description,
) -> Result<[usize; 2], SimError> {
    let all = description.bodies.iter().enumerate().flat_map(|(body, part)| {
        part.geoms.iter().enumerate().map(move |(index, geom)| ([body, index], geom))
    });
    let found = refer(a, attribute, "geom", all.clone().map(|(_, geom)| geom.name.as_str()))?;
    found
        .and_then(|at| all.clone().nth(at))
        .map(|(place, _)| place)
        .ok_or_else(|| a.wrong(format!("needs `{attribute}`")))
}

fn refer<'n>(
    a: &mut Attributes,
    attribute: &str,
    kind: &'static str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Result<Option<usize>, SimError> {
    let Some(name) = a.word(attribute) else { return Ok(None) };
    find(&a.place().file, &a.field(attribute), kind, name, names).map(Some)
}
