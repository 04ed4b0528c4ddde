//! From the tree of bodies to what is simulated and what is seen.

use super::asset::Assets;
use super::body::{Part, Tree};
use super::sight::{Eye, Lamp};
use super::{Context, inertia};
use crate::SimError;
use crate::error::find;
use crate::scene_file::BACKGROUND;
use crate::scene_file::rotation;
use crate::scene_file::xml::{Element, Place};
use housecat_core::Scene;
use housecat_physics::{Description, Options, Pose, Shape};

/// A file, as far as its bodies go.
pub(super) struct World {
    pub description: Description,
    pub scene: Scene,
    /// For each joint, the clamp on the sum of the forces of its actuators.
    pub joint_clamps: Vec<(Place, Option<[f64; 2]>)>,
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
    let mut poses: Vec<Pose> = Vec::new();
    for part in &parts {
        let parent = poses.get(part.body.parent).copied().unwrap_or_default();
        poses.push(parent * part.body.pose);
    }
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
    let (mut bodies, mut joint_clamps) = (Vec::new(), Vec::new());
    for part in parts {
        bodies.push(part.body);
        scene.shapes.extend(part.shapes);
        joint_clamps.extend(part.clamps);
    }
    scene.bodies = names;
    let description = Description {
        options,
        bodies,
        sites,
        tendons: Vec::new(),
        equalities: Vec::new(),
        actuators: Vec::new(),
        excludes: Vec::new(),
        pairs: Vec::new(),
    };
    Ok(World { description, scene, joint_clamps })
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
