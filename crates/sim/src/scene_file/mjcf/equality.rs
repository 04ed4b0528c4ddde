//! `<equality>`: what is tied together.

use super::{Context, reference};
use crate::SimError;
use crate::scene_file::rotation;
use crate::scene_file::xml::{Attributes, Element, advice};
use housecat_physics::{Description, Equality, Tie, Vec3};

/// Reads all `<equality>` sections.
pub(super) fn read(
    root: &Element,
    description: &Description,
    context: &Context,
) -> Result<Vec<Equality>, SimError> {
    let mut equalities = Vec::new();
    for section in root.children.iter().filter(|child| &*child.tag == "equality") {
        for child in section.read(&context.notices, &[], |a| Ok(a.children()))? {
            if !matches!(&*child.tag, "connect" | "weld" | "joint" | "tendon") {
                return Err(child.refuse("equality", advice("flex")));
            }
            equalities.extend(equality(child, description, context)?);
        }
    }
    Ok(equalities)
}

fn equality(
    element: &Element,
    description: &Description,
    context: &Context,
) -> Result<Option<Equality>, SimError> {
    context.read(element, None, &["equality"], &[], |a| {
        let name = context.names.add(a, "equality constraint")?;
        let tie = match a.tag() {
            "connect" => connect(a, description)?,
            "weld" => weld(a, description)?,
            "joint" => {
                let follower = reference::scalar_joint(a, "joint1", description)?;
                let leader = reference::scalar_joint(a, "joint2", description)?;
                let (follower, polynomial) = follow(a, follower)?;
                Tie::Joints { follower, leader, polynomial }
            }
            _ => {
                let follower = reference::tendon(a, "tendon1", description)?;
                let leader = reference::tendon(a, "tendon2", description)?;
                let (follower, polynomial) = follow(a, follower)?;
                Tie::Tendons { follower, leader, polynomial }
            }
        };
        let softness = context.softness(a, "solref", "solimp")?;
        if a.flag("active")? == Some(false) {
            let name = if name.is_empty() { String::new() } else { format!(" `{name}`") };
            let tag = a.tag();
            context.notices.say(format!("the <{tag}>{name} is not active and is left out"));
            return Ok(None);
        }
        Ok(Some(Equality { tie, softness }))
    })
}

fn follow(a: &mut Attributes, follower: Option<usize>) -> Result<(usize, [f64; 5]), SimError> {
    let follower = follower.ok_or_else(|| a.wrong(format!("needs `{}1`", a.tag())))?;
    Ok((follower, a.partial("polycoef", [0.0, 1.0, 0.0, 0.0, 0.0])?))
}

/// Two sites, if the element names sites.
fn sites(a: &mut Attributes, description: &Description) -> Result<Option<[usize; 2]>, SimError> {
    let first = reference::site(a, "site1", description)?;
    let second = reference::site(a, "site2", description)?;
    match (first, second) {
        (None, None) => Ok(None),
        (Some(first), Some(second)) => Ok(Some([first, second])),
        _ => Err(a.wrong("needs both `site1` and `site2`")),
    }
}

/// Two bodies; the second is the world if it is not named.
fn bodies(a: &mut Attributes, description: &Description) -> Result<[usize; 2], SimError> {
    let first = reference::body(a, "body1", description)?;
    let second = reference::body(a, "body2", description)?.unwrap_or(0);
    let first = first.ok_or_else(|| a.wrong("needs `body1`, or `site1` and `site2`"))?;
    if first == second {
        return Err(a.wrong("ties a body to itself"));
    }
    Ok([first, second])
}

fn connect(a: &mut Attributes, description: &Description) -> Result<Tie, SimError> {
    if let Some(sites) = sites(a, description)? {
        return Ok(Tie::ConnectSites { sites });
    }
    let bodies = bodies(a, description)?;
    let anchor = a.numbers("anchor")?.ok_or_else(|| a.wrong("needs an `anchor`"))?;
    Ok(Tie::Connect { bodies, anchor: Vec3::from(anchor) })
}

fn weld(a: &mut Attributes, description: &Description) -> Result<Tie, SimError> {
    let torque_scale = a.positive("torquescale")?.unwrap_or(1.0);
    if let Some(sites) = sites(a, description)? {
        let [first, second] = sites.map(|site| &description.sites[site]);
        // The frames of the sites coincide.
        let pose = Some(first.pose * second.pose.inverse());
        let anchor = second.pose.translation.vector;
        return Ok(Tie::Weld { bodies: [first.body, second.body], pose, anchor, torque_scale });
    }
    let bodies = bodies(a, description)?;
    let anchor = Vec3::from(a.numbers("anchor")?.unwrap_or_default());
    // Without an orientation the pose is that of the reference configuration.
    let pose = a.partial("relpose", [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])?;
    let [x, y, z, turn @ ..] = if a.has("relpose") { pose } else { [0.0; 7] };
    let pose = rotation::from_wxyz(turn).map(|turn| rotation::pose(Vec3::new(x, y, z), turn));
    Ok(Tie::Weld { bodies, pose, anchor, torque_scale })
}
