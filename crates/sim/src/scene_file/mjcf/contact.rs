//! `<contact>`: pairs that never touch, and pairs that touch by decree.

use super::{Context, reference};
use crate::SimError;
use crate::scene_file::xml::{Element, advice};
use housecat_physics::{ContactPair, Description};

/// Reads all `<contact>` sections.
pub(super) fn read(
    root: &Element,
    description: &Description,
    context: &Context,
) -> Result<(Vec<[usize; 2]>, Vec<ContactPair>), SimError> {
    let (mut excludes, mut pairs) = (Vec::new(), Vec::new());
    for section in root.children.iter().filter(|child| &*child.tag == "contact") {
        for child in section.read(&context.notices, &[], |a| Ok(a.children()))? {
            match &*child.tag {
                "exclude" => excludes.push(exclude(child, description, context)?),
                "pair" => pairs.push(pair(child, description, context)?),
                tag => return Err(child.refuse("contact", advice(tag))),
            }
        }
    }
    Ok((excludes, pairs))
}

fn exclude(
    element: &Element,
    description: &Description,
    context: &Context,
) -> Result<[usize; 2], SimError> {
    element.read(&context.notices, &[], |a| {
        context.names.add(a, "exclude")?;
        let first = reference::body(a, "body1", description)?;
        let second = reference::body(a, "body2", description)?;
        let bodies = first.zip(second).map(|(first, second)| [first, second]);
        bodies.ok_or_else(|| a.wrong("needs `body1` and `body2`"))
    })
}

fn pair(
    element: &Element,
    description: &Description,
    context: &Context,
) -> Result<ContactPair, SimError> {
    // Contacts in the gap are found, but exert no force.
    context.read(element, None, &["pair"], &["gap"], |a| {
        context.names.add(a, "pair")?;
        let geoms = ["geom1", "geom2"].map(|name| reference::geom(a, name, description));
        let [first, second] = geoms;
        for name in ["solreffriction", "adhesion"] {
            if a.list(name)?.is_some_and(|values| values.iter().any(|&value| value != 0.0)) {
                return Err(a.refuse(format!("`{name}`"), "leave it out: it is not simulated"));
            }
        }
        let pair = ContactPair {
            geoms: [first?, second?],
            condim: context.condim(a)?,
            friction: a.partial("friction", [1.0, 1.0, 0.005, 0.0001, 0.0001])?,
            softness: context.softness(a, "solref", "solimp")?,
            margin: a.number("margin")?.unwrap_or(0.0),
        };
        // Contacts in the gap exert no force; only finding them earlier would differ.
        let _ = a.number("gap")?;
        if pair.friction.iter().any(|&value| value < 0.0) {
            return Err(a.wrong("has a negative `friction`"));
        }
        Ok(pair)
    })
}
