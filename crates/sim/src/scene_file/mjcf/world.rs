//! From the tree of bodies to what is simulated and what is seen.

use super::asset::Assets;
use super::body::{Part, Tree};
use super::sight::{Eye, Lamp};
use super::{Context, inertia, joint};
use crate::SimError;
use crate::error::find;
use crate::scene_file::xml::Element;
use crate::scene_file::{BACKGROUND, reference_poses, rotation};
use housecat_core::Scene;
use housecat_physics::{Description, Options, Shape};

/// A file, as far as its bodies go.
pub(super) struct World {
    pub description: Description,
    pub scene: Scene,
    /// For each joint, what its description does not hold.
    pub extras: Vec<joint::Extra>,
}

/// Completes names and masses, and places cameras and lights.
pub(super) fn build(
    tree: Tree,
    options: Options,
    assets: &Assets,
    context: &Context,
) -> Result<World, SimError> {
    let Tree { mut parts, mut sites, eyes, lamps, .. } = tree;
    name(&mut parts, context);
    context.names.complete("site", sites.iter_mut().map(|site| &mut site.name));
    still_planes(&parts)?;
    inertia::settle(&mut parts, &context.compiler)?;
    let poses = reference_poses(parts.iter().map(|part| &part.body));
    let names: Vec<String> = parts.iter().map(|part| part.body.name.clone()).collect();
    let find_target = |(name, element): &(String, Element)| {
        let field = format!("line {}: <{} target>", element.place.line, element.tag);
        let known = names.iter().map(String::as_str);
        find(&element.place.file, &field, "body", name, known).map(|at| poses[at])
    };
    let mut scene = Scene { textures: assets.textures.clone(), ..Scene::default() };
    scene.background = assets.sky.unwrap_or(BACKGROUND);
    for Eye { mut camera, pose, target } in eyes {
        if let Some(target) = target.as_ref().map(find_target).transpose()? {
            let body = poses[camera.body];
            let eye = (body * pose).translation.vector;
            let aimed = rotation::towards(eye, target.translation.vector).unwrap_or(body * pose);
            camera.pose = rotation::seen(&(body.inverse() * aimed));
        }
        scene.cameras.push(camera);
    }
    context.names.complete("camera", scene.cameras.iter_mut().map(|camera| &mut camera.name));
    for Lamp { body, position, direction, mut light, target } in lamps {
        if body != 0 {
            context.notices.say("lights on bodies stay where they are at the start");
        }
        let position = poses[body].transform_point(&position.into()).coords;
        let mut direction = poses[body].transform_vector(&direction);
        if let Some(target) = target.as_ref().map(find_target).transpose()? {
            let aimed = (target.translation.vector - position).try_normalize(1e-9);
            direction = aimed.unwrap_or(direction);
        }
        let single = |v: housecat_physics::Vec3| [v.x as f32, v.y as f32, v.z as f32];
        (light.position, light.direction) = (single(position), single(direction));
        scene.lights.push(light);
    }
    let (mut bodies, mut extras) = (Vec::new(), Vec::new());
    for part in parts {
        bodies.push(part.body);
        scene.shapes.extend(part.shapes);
        extras.extend(part.extras);
    }
    scene.bodies = names;
    let mut description = Description {
        options,
        bodies,
        sites,
        tendons: Vec::new(),
        equalities: Vec::new(),
        actuators: Vec::new(),
        excludes: Vec::new(),
        pairs: Vec::new(),
    };
    spring_dampers(&mut description, &extras)?;
    Ok(World { description, scene, extras })
}

/// Fills in the springs and dampers that are given by how the joints are to swing.
fn spring_dampers(description: &mut Description, extras: &[joint::Extra]) -> Result<(), SimError> {
    let given = |extra: &joint::Extra| extra.spring_damper.iter().all(|&value| value > 0.0);
    let Some(first) = extras.iter().find(|extra| given(extra)) else { return Ok(()) };
    let model = inertia::mobilities(description).map_err(|error| first.place.wrong(error))?;
    let joints = description.bodies.iter_mut().flat_map(|body| &mut body.joints);
    for (index, (joint, extra)) in joints.zip(extras).enumerate().filter(|(_, (_, e))| given(e)) {
        let [seconds, ratio] = extra.spring_damper;
        let inertia = 1.0 / model.joint_mobility(index);
        joint.stiffness = inertia / (seconds * seconds * ratio * ratio);
        joint.damping = 2.0 * inertia / seconds;
    }
    Ok(())
}

/// Gives names to bodies, joints and geoms that have none.
fn name(parts: &mut [Part], context: &Context) {
    context.names.complete("body", parts.iter_mut().map(|part| &mut part.body.name));
    let joints = parts.iter_mut().flat_map(|part| &mut part.body.joints);
    context.names.complete("joint", joints.map(|joint| &mut joint.name));
    for part in parts {
        for (index, geom) in part.body.geoms.iter_mut().enumerate() {
            if geom.name.is_empty() {
                let wish = format!("{} {index}", part.body.name);
                geom.name = context.names.free("geom", wish);
                part.shapes[index].name = geom.name.clone();
            }
        }
    }
}

/// Half spaces are for ground and walls.
fn still_planes(parts: &[Part]) -> Result<(), SimError> {
    let mut moves = vec![false; parts.len()];
    for (index, part) in parts.iter().enumerate().skip(1) {
        moves[index] = moves[part.body.parent] || !part.body.joints.is_empty();
        let plane = part.body.geoms.iter().find(|geom| geom.shape == Shape::Plane);
        if let Some(plane) = plane.filter(|_| moves[index]) {
            return Err(part.place.wrong(format!(
                "the plane `{}` is on a body that moves; planes fill half of space: use a box",
                plane.name
            )));
        }
    }
    Ok(())
}
