//! The audit: a table of what is honoured, what is harmless (noticed), and nothing else passes.

use crate::SimError;
use crate::error::find;
use roxmltree::{Document, Node};
use std::path::Path;

/// What may stand in the file.
struct Element {
    tag: &'static str,
    parents: &'static [&'static str],
    /// Attributes that take effect.
    honoured: &'static [&'static str],
    /// Attributes that change nothing that is simulated or judged.
    noticed: &'static [&'static str],
}

const ORIENTED: [&str; 6] = ["pos", "quat", "axisangle", "euler", "xyaxes", "zaxis"];
const OPTIONS: &[&str] = &[
    "timestep",
    "integrator",
    "solver",
    "iterations",
    "ls_iterations",
    "tolerance",
    "ls_tolerance",
    "cone",
    "jacobian",
    "impratio",
];
const DRIVE: &[&str] = &[
    "name",
    "class",
    "joint",
    "gear",
    "ctrlrange",
    "ctrllimited",
    "forcerange",
    "forcelimited",
    "kp",
    "kv",
];

#[rustfmt::skip]
const ELEMENTS: &[Element] = &[
    Element { tag: "mujoco", parents: &[], honoured: &["model"], noticed: &[] },
    Element { tag: "compiler", parents: &["mujoco"], honoured: &["angle", "eulerseq", "autolimits", "meshdir", "assetdir", "inertiafromgeom", "coordinate"], noticed: &[] },
    Element { tag: "option", parents: &["mujoco"], honoured: &["gravity"], noticed: OPTIONS },
    Element { tag: "default", parents: &["mujoco", "default"], honoured: &["class"], noticed: &[] },
    Element { tag: "asset", parents: &["mujoco"], honoured: &[], noticed: &[] },
    Element { tag: "mesh", parents: &["asset", "default"], honoured: &["name", "class", "file", "scale"], noticed: &["smoothnormal"] },
    Element { tag: "texture", parents: &["asset"], honoured: &["name", "type", "builtin", "rgb1"], noticed: &["rgb2", "width", "height", "mark", "markrgb", "random", "file"] },
    Element { tag: "material", parents: &["asset", "default"], honoured: &["name", "class", "rgba"], noticed: &["texture", "texrepeat", "texuniform", "emission", "specular", "shininess", "reflectance", "metallic", "roughness"] },
    Element { tag: "worldbody", parents: &["mujoco"], honoured: &[], noticed: &[] },
    Element { tag: "body", parents: &["worldbody", "body"], honoured: &["name", "childclass"], noticed: &["user"] },
    Element { tag: "inertial", parents: &["body"], honoured: &["mass", "diaginertia", "fullinertia"], noticed: &[] },
    Element { tag: "joint", parents: &["body", "default"], honoured: &["name", "class", "type", "pos", "axis", "limited", "range", "damping", "armature", "frictionloss", "stiffness", "springref", "ref"], noticed: &["group", "user", "solreflimit", "solimplimit"] },
    Element { tag: "geom", parents: &["worldbody", "body", "default"], honoured: &["name", "class", "type", "size", "fromto", "mass", "density", "friction", "contype", "conaffinity", "rgba", "material", "mesh"], noticed: &["group", "user", "solref", "solimp"] },
    Element { tag: "site", parents: &["worldbody", "body", "default"], honoured: &["name", "class"], noticed: &["type", "size", "rgba", "material", "group", "user"] },
    Element { tag: "camera", parents: &["worldbody", "body", "default"], honoured: &["name", "class", "mode", "fovy", "orthographic", "projection"], noticed: &["ipd", "user"] },
    Element { tag: "light", parents: &["worldbody", "default"], honoured: &["name", "class", "pos", "dir", "directional", "type", "diffuse", "ambient"], noticed: &["specular", "castshadow", "attenuation", "cutoff", "exponent", "bulbradius"] },
    Element { tag: "actuator", parents: &["mujoco"], honoured: &[], noticed: &[] },
    Element { tag: "motor", parents: &["actuator", "default"], honoured: DRIVE, noticed: &["group", "user"] },
    Element { tag: "position", parents: &["actuator", "default"], honoured: DRIVE, noticed: &["group", "user"] },
    Element { tag: "velocity", parents: &["actuator", "default"], honoured: DRIVE, noticed: &["group", "user"] },
    Element { tag: "contact", parents: &["mujoco"], honoured: &[], noticed: &[] },
    Element { tag: "exclude", parents: &["contact"], honoured: &["name", "body1", "body2"], noticed: &[] },
];

/// Elements that are noticed and skipped, whatever they hold.
const HARMLESS: &[&str] = &["visual", "statistic", "size", "custom", "sensor", "keyframe"];

/// Attributes that hold words; all others hold finite numbers.
const WORDS: &[&str] = &[
    "name",
    "class",
    "childclass",
    "model",
    "angle",
    "eulerseq",
    "autolimits",
    "meshdir",
    "assetdir",
    "inertiafromgeom",
    "coordinate",
    "file",
    "type",
    "builtin",
    "material",
    "mesh",
    "mode",
    "orthographic",
    "projection",
    "directional",
    "joint",
    "limited",
    "ctrllimited",
    "forcelimited",
    "body1",
    "body2",
];

/// Checks every element and attribute; returns the notices.
pub(super) fn audit(path: &Path, document: &Document) -> Result<Vec<String>, SimError> {
    let mut notices = Vec::new();
    let root = document.root_element();
    if root.tag_name().name() != "mujoco" {
        return Err(SimError::Scene {
            path: path.to_owned(),
            problem: format!(
                "the root element is <{}>, but a MJCF file starts with <mujoco>",
                root.tag_name().name()
            ),
        });
    }
    let classes: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("default"))
        .filter_map(|node| node.attribute("class"))
        .collect();
    for node in document.descendants() {
        for name in ["class", "childclass"].into_iter().filter_map(|key| node.attribute(key)) {
            find(
                path,
                &format!("<{}>", node.tag_name().name()),
                "class",
                name,
                classes.iter().copied(),
            )?;
        }
    }
    visit(path, root, &mut notices)?;
    notices.sort();
    notices.dedup();
    Ok(notices)
}

fn visit(path: &Path, node: Node, notices: &mut Vec<String>) -> Result<(), SimError> {
    let tag = node.tag_name().name();
    let parent = node.parent_element().map(|parent| parent.tag_name().name());
    let refuse = |what: String, fix: &str| SimError::Unsupported {
        path: path.to_owned(),
        line: node.document().text_pos_at(node.range().start).row,
        what,
        fix: fix.to_owned(),
    };
    if HARMLESS.contains(&tag) {
        notices.push(format!("<{tag}> is not used"));
        return Ok(());
    }
    if tag == "texture" && node.attribute("type") != Some("skybox") {
        notices.push("<texture> is not drawn, except the first colour of a skybox".to_owned());
    }
    let element = ELEMENTS
        .iter()
        .find(|element| {
            element.tag == tag
                && parent.map_or(element.parents.is_empty(), |tag| element.parents.contains(&tag))
        })
        .ok_or_else(|| {
            let place = parent.map(|tag| format!(" in <{tag}>")).unwrap_or_default();
            refuse(format!("<{tag}>{place}"), advice(tag))
        })?;
    for attribute in node.attributes() {
        let (name, value) = (attribute.name(), attribute.value());
        let oriented =
            ORIENTED.contains(&name) && !matches!(tag, "default" | "mesh" | "joint" | "light");
        if element.noticed.contains(&name) {
            notices.push(format!("<{tag} {name}> has no effect"));
            continue;
        }
        if !element.honoured.contains(&name) && !oriented {
            return Err(refuse(format!("attribute `{name}` of <{tag}>"), advice(name)));
        }
        let numeric = !WORDS.contains(&name);
        let finite = |word: &str| word.parse::<f64>().is_ok_and(f64::is_finite);
        if numeric && !value.split_ascii_whitespace().all(finite) {
            return Err(refuse(
                format!("{name}=\"{value}\" of <{tag}>"),
                "write finite numbers separated by spaces",
            ));
        }
        check_value(tag, name, value)
            .map_err(|fix| refuse(format!("{name}=\"{value}\" of <{tag}>"), fix))?;
    }
    if tag == "inertial" && !node.has_attribute("pos") {
        return Err(refuse("<inertial> without `pos`".to_owned(), "give the centre of mass"));
    }
    node.children().filter(Node::is_element).try_for_each(|child| visit(path, child, notices))
}

/// Values of honoured attributes that are honoured only in part.
fn check_value(tag: &str, name: &str, value: &str) -> Result<(), &'static str> {
    let allowed: &[&str] = match (tag, name) {
        ("joint", "type") => &["slide", "hinge"],
        ("geom", "type") => &["plane", "box", "sphere", "capsule", "cylinder", "mesh"],
        ("camera", "mode") => &["fixed"],
        ("camera", "projection") => &["perspective", "orthographic"],
        ("light", "type") => &["directional", "spot", "point"],
        ("compiler", "eulerseq") => &["xyz"],
        ("compiler", "angle") => &["radian", "degree"],
        ("compiler", "coordinate") => &["local"],
        (_, "directional" | "orthographic" | "autolimits") => &["true", "false"],
        _ => return Ok(()),
    };
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(match (tag, name) {
        ("joint", "type") => "build the motion from slide and hinge joints",
        ("geom", "type") => "use plane, box, sphere, capsule, cylinder or mesh",
        ("camera", "mode") => "only cameras fixed to their body are drawn; use mode=\"fixed\"",
        ("compiler", "eulerseq") => "use eulerseq=\"xyz\" or quaternions",
        _ => "see the MJCF reference for its values",
    })
}

/// What to do instead of a refused element or attribute.
fn advice(name: &str) -> &'static str {
    match name {
        "freejoint" => "give the body slide and hinge joints",
        "include" | "frame" | "attach" | "replicate" => {
            "write the bodies out in scene.xml, with their poses"
        }
        "flag" => "switch contacts off with contype=\"0\" conaffinity=\"0\" on the geoms",
        "condim" => "for a geom without friction write friction=\"0\"",
        "springdamper" => "write stiffness and damping",
        "general" | "intvelocity" | "damper" | "cylinder" | "muscle" | "adhesion" => {
            "use a motor, position or velocity actuator"
        }
        "tendon" | "equality" | "pair" => "the simulation would not obey it; model it with joints",
        _ => "it would be dropped in silence; remove it or model it otherwise",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<String>, SimError> {
        audit(Path::new("scene.xml"), &Document::parse(text).unwrap())
    }

    #[test]
    fn what_is_not_honoured_is_named() {
        let cases = [
            ("<mujoco><tendon/></mujoco>", "<tendon>"),
            (
                "<mujoco>\n<worldbody><body><freejoint/></body></worldbody></mujoco>",
                "xml:2: <freejoint>",
            ),
            ("<mujoco><worldbody><geom condim='1'/></worldbody></mujoco>", "`condim` of <geom>"),
            ("<mujoco><worldbody><geom size='a'/></worldbody></mujoco>", "size=\"a\""),
            ("<mujoco><worldbody><geom size='NaN'/></worldbody></mujoco>", "size=\"NaN\""),
            ("<mujoco><worldbody><geom type='hfield'/></worldbody></mujoco>", "type=\"hfield\""),
            ("<mujoco><worldbody><camera mode='track'/></worldbody></mujoco>", "mode=\"track\""),
            ("<mujoco><worldbody><motor/></worldbody></mujoco>", "<motor> in <worldbody>"),
            ("<mujoco><worldbody><geom class='x'/></worldbody></mujoco>", "class `x`"),
            ("<robot/>", "<robot>"),
        ];
        for (text, named) in cases {
            let message = check(text).unwrap_err().to_string();
            assert!(message.contains(named), "{message} should name {named}");
        }
    }

    #[test]
    fn harmless_things_are_noticed() {
        let notices = check(
            "<mujoco><option timestep='0.1'/><sensor><touch/></sensor><worldbody><geom solref='1 1'/></worldbody></mujoco>",
        )
        .unwrap();
        assert_eq!(
            notices,
            [
                "<geom solref> has no effect",
                "<option timestep> has no effect",
                "<sensor> is not used"
            ]
        );
    }
}
