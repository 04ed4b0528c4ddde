//! `<tendon>`: fixed and spatial.

use super::{Context, reference};
use crate::SimError;
use crate::scene_file::xml::{Attributes, Element, Place, advice};
use housecat_physics::{Description, Path, Strand, Tendon};

/// A tendon, and the clamp on the sum of the forces of its actuators.
pub(super) struct Built {
    pub tendon: Tendon,
    pub place: Place,
    pub clamp: Option<[f64; 2]>,
}

/// Reads all `<tendon>` sections.
pub(super) fn read(
    root: &Element,
    description: &Description,
    context: &Context,
) -> Result<Vec<Built>, SimError> {
    let mut tendons = Vec::new();
    for section in root.children.iter().filter(|child| &*child.tag == "tendon") {
        for child in section.read(&context.notices, &[], |a| Ok(a.children()))? {
            if !matches!(&*child.tag, "fixed" | "spatial") {
                return Err(child.refuse("tendon", advice(&child.tag)));
            }
            tendons.push(tendon(child, description, context)?);
        }
    }
    context.names.complete("tendon", tendons.iter_mut().map(|built| &mut built.tendon.name));
    Ok(tendons)
}

fn tendon(
    element: &Element,
    description: &Description,
    context: &Context,
) -> Result<Built, SimError> {
    let harmless = ["group", "user", "width", "material", "rgba"];
    context.read(element, None, &["tendon"], &harmless, |a| {
        let name = context.names.add(a, "tendon")?;
        let path = if &*element.tag == "fixed" {
            fixed(a, description, context)?
        } else {
            spatial(a, description, context)?
        };
        if a.number("armature")?.is_some_and(|value| value != 0.0) {
            return Err(a.refuse("`armature`", "give the joints an armature"));
        }
        let rest = match a.list("springlength")?.as_deref() {
            None | Some([-1.0] | [-1.0, -1.0]) => None,
            Some(&[length]) => Some([length; 2]),
            Some(&[low, high]) if low <= high => Some([low, high]),
            Some(_) => return Err(a.wrong("needs one or two rising numbers in `springlength`")),
        };
        let clamp = context.compiler.limited(a, "actuatorfrclimited", "actuatorfrcrange")?;
        let tendon = Tendon {
            name,
            path,
            limit: context.compiler.limited(a, "limited", "range")?,
            margin: a.number("margin")?.unwrap_or(0.0),
            limit_softness: context.softness(a, "solreflimit", "solimplimit")?,
            friction_loss: a.positive("frictionloss")?.unwrap_or(0.0),
            friction_softness: context.softness(a, "solreffriction", "solimpfriction")?,
            stiffness: a.positive("stiffness")?.unwrap_or(0.0),
            rest,
            damping: a.positive("damping")?.unwrap_or(0.0),
        };
        Ok(Built { tendon, place: element.place.clone(), clamp })
    })
}

fn fixed(
    a: &mut Attributes,
    description: &Description,
    context: &Context,
) -> Result<Path, SimError> {
    let mut terms = Vec::new();
    for child in a.children() {
        if &*child.tag != "joint" {
            return Err(child.refuse("fixed", advice(&child.tag)));
        }
        terms.push(child.read(&context.notices, &[], |a| {
            let joint = reference::scalar_joint(a, "joint", description)?
                .ok_or_else(|| a.wrong("needs a `joint`"))?;
            Ok((joint, a.number("coef")?.ok_or_else(|| a.wrong("needs a `coef`"))?))
        })?);
    }
    if terms.is_empty() {
        return Err(a.wrong("needs a <joint> at least"));
    }
    Ok(Path::Fixed(terms))
}

fn spatial(
    a: &mut Attributes,
    description: &Description,
    context: &Context,
) -> Result<Path, SimError> {
    let mut strands = vec![Strand { sites: Vec::new(), divisor: 1.0 }];
    for child in a.children() {
        match &*child.tag {
            "site" => {
                let site = child.read(&context.notices, &[], |a| {
                    reference::site(a, "site", description)?
                        .ok_or_else(|| a.wrong("needs a `site`"))
                })?;
                if let Some(strand) = strands.last_mut() {
                    strand.sites.push(site);
                }
            }
            "pulley" => {
                let divisor = child.read(&context.notices, &[], |a| {
                    a.number("divisor")?
                        .filter(|&divisor| divisor > 0.0)
                        .ok_or_else(|| a.wrong("needs a `divisor` above 0"))
                })?;
                strands.push(Strand { sites: Vec::new(), divisor });
            }
            "geom" => {
                let fix = "lead the tendon past the geom through sites";
                return Err(child.refuse("spatial", fix));
            }
            tag => return Err(child.refuse("spatial", advice(tag))),
        }
    }
    // A pulley may stand first, before any site.
    strands.retain(|strand| !strand.sites.is_empty());
    if strands.is_empty() || strands.iter().any(|strand| strand.sites.len() < 2) {
        return Err(a.wrong("needs two sites at least in each strand"));
    }
    Ok(Path::Spatial(strands))
}
