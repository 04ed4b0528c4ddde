//! MJCF, MuJoCo's modelling language: every element and attribute is honoured, noticed or refused by
//! name. <https://mujoco.readthedocs.io/en/stable/XMLreference.html>

mod actuator;
mod asset;
mod body;
mod classes;
mod compiler;
mod contact;
mod equality;
mod geom;
mod include;
mod inertia;
mod joint;
mod keyframe;
mod option;
mod reference;
mod replicate;
mod sight;
mod tendon;
#[cfg(test)]
mod tests;
mod texture;
mod world;

use super::SceneFile;
use super::names::Names;
use super::notices::Notices;
use super::xml::{Attributes, Element, advice};
use crate::SimError;
use asset::Assets;
use body::Tree;
use classes::Classes;
use compiler::Compiler;
use housecat_physics::Softness;
use std::path::Path;

/// What holds for all elements of a file.
struct Context {
    compiler: Compiler,
    classes: Classes,
    notices: Notices,
    names: Names,
}

impl Context {
    /// Reads an element over the defaults for `tags` of its class.
    fn read<T>(
        &self,
        element: &Element,
        class: Option<&str>,
        tags: &[&str],
        harmless: &[&str],
        build: impl FnOnce(&mut Attributes) -> Result<T, SimError>,
    ) -> Result<T, SimError> {
        let defaults = self.classes.of(element, class, tags)?;
        element.read_over(&defaults, &self.notices, harmless, |a| {
            a.attribute("class");
            build(a)
        })
    }

    /// How hard a constraint is.
    fn softness(
        &self,
        a: &mut Attributes,
        reference: &str,
        impedance: &str,
    ) -> Result<Softness, SimError> {
        let default = Softness::default();
        let softness = Softness {
            reference: a.partial(reference, default.reference)?,
            impedance: a.partial(impedance, default.impedance)?,
        };
        let [first, second] = softness.reference;
        if (first > 0.0) != (second > 0.0) {
            return Err(a.wrong(format!("needs both numbers of `{reference}` of the same sign")));
        }
        Ok(softness)
    }

    /// In how many directions a contact acts.
    fn condim(&self, a: &mut Attributes) -> Result<usize, SimError> {
        match a.integer("condim")?.unwrap_or(3) {
            directions @ (1 | 3 | 4 | 6) => Ok(directions as usize),
            other => Err(a.wrong(format!("has condim {other}; it is 1, 3, 4 or 6"))),
        }
    }
}

/// Sections that have no effect, whatever they hold.
const HARMLESS: [&str; 5] = ["visual", "statistic", "size", "custom", "sensor"];
/// Sections that are read.
const SECTIONS: [&str; 10] = [
    "compiler",
    "option",
    "default",
    "asset",
    "worldbody",
    "contact",
    "equality",
    "tendon",
    "actuator",
    "keyframe",
];

/// Reads a file whose root is `<mujoco>`.
pub(super) fn read(path: &Path, mut root: Element) -> Result<SceneFile, SimError> {
    let notices = Notices::default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut seen: Vec<_> = path.canonicalize().into_iter().collect();
    include::expand(&mut root, folder, folder, &mut seen, &notices)?;
    let compiler = Compiler::read(&root, folder, &notices)?;
    let classes = Classes::read(&root)?;
    let (options, disabled) = option::read(&root, &notices)?;
    let context = Context { compiler, classes, notices, names: Names::default() };
    root.read(&context.notices, &[], |a| {
        a.word("model");
        for child in a.children() {
            let tag = &*child.tag;
            if HARMLESS.contains(&tag) {
                context.notices.element(tag);
            } else if !SECTIONS.contains(&tag) {
                return Err(child.refuse("mujoco", advice(tag)));
            }
        }
        Ok(())
    })?;
    let assets = Assets::read(&root, &context)?;
    let tree = Tree::read(&root, &context, &assets)?;
    let mut world = world::build(tree, options, &assets, &context)?;
    let description = &mut world.description;
    let tendons = tendon::read(&root, description, &context)?;
    description.tendons = tendons.iter().map(|built| built.tendon.clone()).collect();
    description.actuators = actuator::read(&root, description, &context)?;
    let tendon_clamps: Vec<_> = tendons.into_iter().map(|built| built.clamp).collect();
    actuator::clamp(description, &world.joint_clamps, &tendon_clamps)?;
    (description.excludes, description.pairs) = contact::read(&root, description, &context)?;
    description.equalities = equality::read(&root, description, &context)?;
    let keyframes = keyframe::read(&root, description, &context)?;
    disabled.apply(description);
    Ok(SceneFile {
        description: world.description,
        scene: world.scene,
        keyframes,
        notices: context.notices.finish(),
    })
}
