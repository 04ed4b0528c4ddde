//! URDF, the robot description of ROS: <http://wiki.ros.org/urdf/XML>. One body for each link, in the
//! order of the tree; collisions become geoms, visuals what is seen, and every joint that can be driven
//! gets a motor.

mod joint;
mod link;
mod package;
#[cfg(test)]
mod tests;
mod tree;

use super::names::Names;
use super::notices::Notices;
use super::rotation;
use super::xml::{Attributes, Element};
use super::{BACKGROUND, SceneFile};
use crate::SimError;
use housecat_core::Scene;
use housecat_physics::{
    Body, Description, Inertia, Integrator, JointKind, Mat3, Options, Pose, Vec3,
};
use joint::Hinged;
use link::Link;
use std::path::Path;
use tree::Tree;

/// What holds for all elements of a file.
struct Context<'a> {
    folder: &'a Path,
    notices: Notices,
    names: Names,
}

/// URDF files are full of what other programs read; it is noticed, whatever it is.
const ANYTHING: [&str; 1] = ["*"];

impl Context<'_> {
    fn read<'e, T>(
        &self,
        element: &'e Element,
        build: impl FnOnce(&mut Attributes<'e>) -> Result<T, SimError>,
    ) -> Result<T, SimError> {
        element.read(&self.notices, &ANYTHING, |a| {
            let children = a.children();
            children.iter().try_for_each(unexpanded)?;
            build(a)
        })
    }

    /// Reads the child of an element with this tag, if it has one.
    fn child<'e, T>(
        &self,
        element: &'e Element,
        tag: &str,
        build: impl FnOnce(&mut Attributes<'e>) -> Result<T, SimError>,
    ) -> Result<Option<T>, SimError> {
        let mut found = element.children.iter().filter(|child| &*child.tag == tag);
        match (found.next(), found.next()) {
            (Some(_), Some(second)) => {
                Err(second.place.wrong(format!("a second <{tag}> in <{}>; keep one", element.tag)))
            }
            (Some(child), None) => self.read(child, build).map(Some),
            (None, _) => Ok(None),
        }
    }

    /// Notices the children that are not in the list.
    fn ignore(&self, element: &Element, known: &[&str]) {
        for child in element.children.iter().filter(|child| !known.contains(&&*child.tag)) {
            self.notices.say(format!("<{}> in <{}> has no effect", child.tag, element.tag));
        }
    }

    /// The pose that `<origin>` says: turns about the fixed axes x, y and z, in radians.
    fn origin(&self, element: &Element) -> Result<Pose, SimError> {
        let pose = self.child(element, "origin", |a| {
            let place = Vec3::from(a.numbers("xyz")?.unwrap_or_default());
            let turn = rotation::from_euler(['X', 'Y', 'Z'], a.numbers("rpy")?.unwrap_or_default());
            Ok(rotation::pose(place, turn))
        })?;
        Ok(pose.unwrap_or_default())
    }

    /// The `value` of a child.
    fn value(&self, element: &Element, tag: &str) -> Result<Option<f64>, SimError> {
        Ok(self.child(element, tag, |a| a.number("value"))?.flatten())
    }
}

/// Macros are not expanded here.
fn unexpanded(element: &Element) -> Result<(), SimError> {
    if element.tag.starts_with("xacro:") {
        let fix = "expand the file first: xacro robot.xacro > robot.urdf";
        return Err(element.place.refuse(format!("<{}>", element.tag), fix));
    }
    Ok(())
}

/// Reads a file whose root is `<robot>`.
pub(super) fn read(path: &Path, root: &Element, free_base: bool) -> Result<SceneFile, SimError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let context = Context { folder, notices: Notices::default(), names: Names::default() };
    context.read(root, |a| {
        a.word("name");
        a.word("version");
        Ok(())
    })?;
    for child in &root.children {
        if !["link", "joint", "material"].contains(&&*child.tag) {
            context.notices.element(&child.tag);
        }
    }
    let tagged = |tag| root.children.iter().filter(move |child| &*child.tag == tag);
    let mut colours = Vec::new();
    for element in tagged("material") {
        link::material(element, &mut colours, &context)?;
    }
    let links = tagged("link").map(|element| link::read(element, &mut colours, &context));
    let links = links.collect::<Result<Vec<_>, _>>()?;
    let joints = tagged("joint").map(|element| joint::read(element, &links, &context));
    let joints = joints.collect::<Result<Vec<_>, _>>()?;
    let tree = Tree::new(root, &links, &joints)?;
    let (description, scene) = assemble(&tree, links, &joints, free_base, &context)?;
    Ok(SceneFile { description, scene, keyframes: Vec::new(), notices: context.notices.finish() })
}

fn assemble(
    tree: &Tree,
    links: Vec<Link>,
    joints: &[Hinged],
    free_base: bool,
    context: &Context,
) -> Result<(Description, Scene), SimError> {
    let world = Body {
        name: "world".to_owned(),
        parent: 0,
        pose: Pose::identity(),
        joints: Vec::new(),
        geoms: Vec::new(),
        inertia: None,
        gravity_compensation: 0.0,
    };
    let mut bodies = vec![world];
    let mut scene = Scene { background: BACKGROUND, ..Scene::default() };
    let base = base(tree, &links, joints, free_base, context);
    // Bodies of the links.
    let mut indices = vec![0; links.len()];
    let mut links: Vec<Option<Link>> = links.into_iter().map(Some).collect();
    for &(link, joint) in &tree.order {
        let Some(Link { name, geoms, mut shapes, inertia, .. }) = links[link].take() else {
            continue;
        };
        let in_world = joint.is_none() && name == "world";
        if !in_world {
            let joint = joint.map(|joint| &joints[joint]);
            indices[link] = bodies.len();
            bodies.push(Body {
                name,
                parent: joint.map_or(0, |joint| indices[joint.parent]),
                pose: joint.map_or(Pose::identity(), |joint| joint.pose),
                joints: match joint {
                    Some(joint) => joint.joints.clone(),
                    None => base.clone().into_iter().collect(),
                },
                geoms: Vec::new(),
                inertia,
                gravity_compensation: 0.0,
            });
        }
        let body = indices[link];
        bodies[body].geoms.extend(geoms);
        distribute(&mut bodies[body], context)?;
        shapes.iter_mut().for_each(|shape| shape.body = body);
        scene.shapes.extend(shapes);
    }
    scene.bodies = bodies.iter().map(|body| body.name.clone()).collect();
    let loose = bodies.iter().position(|body| {
        body.parent != 0 && body.joints.iter().any(|joint| joint.kind == JointKind::Free)
    });
    if let Some(loose) = loose {
        let joint = joints.iter().find(|joint| indices[joint.child] == loose);
        let problem = "a floating joint below another link; hang it on a link named `world`";
        return Err(joint.map_or_else(
            || SimError::Scene { path: context.folder.to_owned(), problem: problem.to_owned() },
            |joint| joint.place.wrong(problem),
        ));
    }
    let mut description = Description {
        // The motors' brakes are stiff against light links.
        options: Options { integrator: Integrator::ImplicitFast, ..Options::default() },
        bodies,
        sites: Vec::new(),
        tendons: Vec::new(),
        equalities: Vec::new(),
        actuators: Vec::new(),
        excludes: tree.adjacent(joints).map(|pair| pair.map(|link| indices[link])).collect(),
        pairs: Vec::new(),
    };
    joint::drive(&mut description, tree, joints, context)?;
    Ok((description, scene))
}

/// A mass without inertia is spread evenly over the collision shapes.
fn distribute(body: &mut Body, context: &Context) -> Result<(), SimError> {
    let Some(point) = body.inertia.filter(|inertia| inertia.tensor == Mat3::zeros()) else {
        return Ok(());
    };
    let solid = Body { inertia: None, ..body.clone() };
    let solid = solid.weigh().map_err(|error| SimError::Scene {
        path: context.folder.to_owned(),
        problem: format!("the link `{}`: {error}", body.name),
    })?;
    if point.mass > 0.0 && solid.mass > 0.0 {
        let factor = point.mass / solid.mass;
        let (mass, tensor) = (point.mass, solid.tensor * factor);
        body.inertia = Some(Inertia { mass, tensor, ..solid });
        context.notices.say(format!(
            "the link `{}` has mass but no inertia: its mass is spread evenly over its collision shapes",
            body.name
        ));
    }
    Ok(())
}

/// The joint of the base, if it is to move.
fn base(
    tree: &Tree,
    links: &[Link],
    joints: &[Hinged],
    free: bool,
    context: &Context,
) -> Option<housecat_physics::Joint> {
    let name = &links[tree.root].name;
    let heavy = tree.welded(tree.root, joints).any(|link| links[link].heavy());
    match (free, name == "world" || !heavy) {
        (true, false) => return Some(joint::bare("base", JointKind::Free, Vec3::z())),
        (true, true) => context.notices.say(format!(
            "the base `{name}` is fixed, although it is to be free: it is the world or has no mass"
        )),
        (false, true) => {}
        (false, false) => context.notices.say(format!(
            "the base is fixed; write base = \"free\" in sim.toml if `{name}` is to move"
        )),
    }
    None
}
