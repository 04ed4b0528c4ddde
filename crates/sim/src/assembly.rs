//! From an audited scene file to a machine that can be stepped and a scene that can be drawn.

use crate::SimError;
use crate::error::{find, listed};
use crate::mjcf::SceneFile;
use crate::spec::{Solver, Time};
use crate::world::{Drive, Joint, Law, Machine, World, pose};
use housecat_core::{Geometry, Scene, Shape};
use rapier3d::prelude::*;
use rapier3d_mjcf::mjcf_rs::body::{Geom, GeomType};
use rapier3d_mjcf::mjcf_rs::extras::{Actuator, ActuatorKind};
use rapier3d_mjcf::mjcf_rs::{Model, types::Tristate};
use rapier3d_mjcf::{MjcfLoaderOptions, MjcfMultibodyOptions, MjcfRobot};
use std::collections::HashSet;
use std::f32::consts::FRAC_PI_2;
use std::path::Path;

/// Half size of a plane that the scene leaves infinite, m.
const ENDLESS: f32 = 20.0;

/// Builds the machine.
///
/// Joints become multibody joints: they have no gap, take any number of joints on a body, and their
/// coordinates can be set directly.
pub(crate) fn machine(
    path: &Path,
    file: &SceneFile,
    time: &Time,
    solver: &Solver,
) -> Result<Machine, SimError> {
    let wrong = |problem| SimError::Scene { path: path.to_owned(), problem };
    let model = &file.model;
    check_names(model).map_err(wrong)?;
    let options = MjcfLoaderOptions {
        skip_plane_geoms: false,
        // Damping, springs and dry friction act on the multibody's degrees of freedom; motors that
        // imitate them would only cost time.
        disable_joint_motors: true,
        // MuJoCo combines the friction of two geoms by their maximum.
        collider_blueprint: ColliderBuilder::default()
            .density(0.0)
            .friction_combine_rule(CoefficientCombineRule::Max),
        ..MjcfLoaderOptions::default()
    };
    let mut robot = MjcfRobot::from_model(model, options, path.parent().unwrap_or(Path::new(".")));
    for joint in &mut robot.joints {
        // MuJoCo lets a body touch its parent only if the parent is the world.
        joint.joint.contacts_enabled = joint.link1 == 0;
    }
    let mut moving = robot.joints.iter().map(|joint| &robot.bodies[joint.link2]);
    if let Some(body) = moving.find(|body| !body.is_intermediate && body.mass <= 0.0) {
        let name = body.name.as_deref().unwrap_or_default();
        return Err(wrong(format!(
            "the moving body `{name}` has no mass; give a geom of it a mass or density, or write <inertial>"
        )));
    }
    let leaves: Vec<usize> = (0..model.bodies.len())
        .filter_map(|id| {
            robot.bodies.iter().position(|body| !body.is_intermediate && body.mjcf_body_id == id)
        })
        .collect();
    let names: Vec<_> =
        robot.bodies.iter().map(|body| body.name.clone().unwrap_or_default()).collect();
    let described = robot.joints.clone();

    let mut world = World::new();
    let handles = robot.insert_using_multibody_joints(
        &mut world.bodies,
        &mut world.colliders,
        &mut world.multibody_joints,
        &mut world.impulse_joints,
        MjcfMultibodyOptions::empty(),
    );
    // Rapier starts angular degrees of freedom with a damping of 0.1; the scene alone shall decide.
    for joint in handles.joints.iter().filter_map(|joint| joint.joint) {
        if let Some((body, _)) = world.multibody_joints.get_mut(joint) {
            body.damping_mut().fill(0.0);
        }
    }
    let mut joints = Vec::new();
    for (joint, handle) in described.iter().zip(&handles.joints) {
        let Some(name) = joint.name.clone() else { continue };
        let Some(link) = handle.joint else {
            return Err(wrong(format!("the joint `{name}` could not be made: it closes a loop")));
        };
        let hinge = !joint.joint.locked_axes.contains(JointAxesMask::ANG_X);
        if let Some((body, id)) = world.multibody_joints.get_mut(link)
            && let Some(row) = body.link(id).map(|link| link.assembly_id())
        {
            body.damping_mut()[row] = joint.damping_per_dof;
        }
        let reference = (model.joint_by_name(&name))
            .map_or(0.0, |(body, index)| model.bodies[body].body.joints[index].ref_ as f32);
        joints.push(Joint {
            name,
            hinge,
            reference,
            frame: joint.joint.local_frame2,
            parent: handle.link1,
            child: handle.link2,
            handle: link,
        });
    }
    let drives = drives(path, model, &joints)?;
    for drive in &drives {
        if let Some((body, id)) = world.multibody_joints.get_mut(joints[drive.joint].handle)
            && let Some(row) = body.link(id).map(|link| link.assembly_id())
        {
            body.damping_mut()[row] += drive.implicit_damping();
        }
    }
    let colliders = |index: usize| {
        handles.bodies[index].iter().flat_map(|body| body.colliders.iter().map(|c| c.handle))
    };
    let mut hooks = rapier3d_mjcf::MjcfContactHooks::new();
    let mut exclude = |first: usize, second: usize| {
        for a in colliders(first) {
            colliders(second).for_each(|b| hooks.exclude(a, b));
        }
    };
    for pair in &model.contact.excludes {
        let body = |field: &str, name: &str| {
            find(path, field, "body", name, names.iter().map(String::as_str))
        };
        exclude(body("exclude body1", &pair.body1)?, body("exclude body2", &pair.body2)?);
    }
    // With several joints on a body, rapier sees spacers between it and its parent.
    for (id, entry) in model.bodies.iter().enumerate().skip(1) {
        if let Some(parent) =
            entry.parent.filter(|&parent| parent != 0 && entry.body.joints.len() > 1)
        {
            exclude(leaves[parent], leaves[id]);
        }
    }
    let mut parameters = IntegrationParameters::default();
    parameters.dt = 1.0 / time.physics_hz as f32;
    parameters.num_solver_iterations = solver.iterations;
    parameters.normalized_prediction_distance = solver.prediction / parameters.length_unit;
    let [x, y, z] = model.option.gravity.map(|value| value as f32);
    let mut machine = Machine {
        gravity: Vector::new(x, y, z),
        parameters,
        substeps: (time.physics_hz / time.control_hz) as usize,
        hooks,
        joints,
        drives,
        bodies: leaves
            .iter()
            .map(|&leaf| handles.bodies[leaf].as_ref().map(|body| body.body))
            .collect(),
        pristine: World::new(),
    };
    // The centres of mass are needed before the first step, where rapier would compute them.
    for handle in handles.bodies.iter().flatten() {
        if let Some(body) = world.bodies.get_mut(handle.body) {
            body.recompute_mass_properties_from_colliders(&world.colliders);
        }
    }
    machine.settle(&mut world);
    machine.pristine = world;
    Ok(machine)
}

/// Bodies, joints, sites and actuators are found by name, so names must exist and be unique.
fn check_names(model: &Model) -> Result<(), String> {
    let mut seen = HashSet::new();
    for entry in model.bodies.iter().skip(1) {
        let body = entry.body.name.as_deref().unwrap_or_default();
        if body.is_empty() {
            return Err("a <body> has no name; give every body one".to_owned());
        }
        if !seen.insert(("body", body)) {
            return Err(format!("two bodies are called `{body}`; rename one"));
        }
        for joint in &entry.body.joints {
            let name = joint.name.as_deref().unwrap_or_default();
            if name.is_empty() {
                return Err(format!("a joint of the body `{body}` has no name; give it one"));
            }
            if !seen.insert(("joint", name)) {
                return Err(format!("two joints are called `{name}`; rename one"));
            }
        }
    }
    let sites = model.bodies.iter().flat_map(|entry| &entry.body.sites);
    let sites = sites.filter_map(|site| site.name.as_deref());
    let actuators = model.actuators.iter().filter_map(|actuator| actuator.name.as_deref());
    for (kind, name) in
        sites.map(|name| ("site", name)).chain(actuators.map(|name| ("actuator", name)))
    {
        if !seen.insert((kind, name)) {
            return Err(format!("two {kind}s are called `{name}`; rename one"));
        }
    }
    for geom in model.bodies.iter().flat_map(|entry| &entry.body.geoms) {
        if geom.contype != geom.conaffinity {
            return Err(format!(
                "geom `{}` has contype {} but conaffinity {}; make them equal",
                geom.name.as_deref().unwrap_or_default(),
                geom.contype,
                geom.conaffinity
            ));
        }
    }
    Ok(())
}

fn drives(path: &Path, model: &Model, joints: &[Joint]) -> Result<Vec<Drive>, SimError> {
    let drive = |actuator: &Actuator| {
        let name = actuator.name.clone().unwrap_or_default();
        let wrong = |problem: &str| SimError::Scene {
            path: path.to_owned(),
            problem: format!("the actuator `{name}` {problem}"),
        };
        if name.is_empty() {
            return Err(wrong("has no name; give it one"));
        }
        let joint = actuator.joint.as_deref().unwrap_or_default();
        let names = joints.iter().map(|joint| joint.name.as_str());
        let joint = find(path, &format!("actuator {name}"), "joint", joint, names)?;
        let range = |[low, high]: [f64; 2], what| {
            if low < high { Ok([low as f32, high as f32]) } else { Err(wrong(what)) }
        };
        let control = actuator
            .ctrl_range
            .filter(|_| actuator.ctrl_limited != Tristate::False)
            .ok_or_else(|| wrong("needs a `ctrlrange`: the action [-1, 1] is mapped onto it"))?;
        let force = actuator
            .force_range
            .filter(|_| actuator.force_limited.resolve(model.compiler.autolimits, true));
        let gain = |value: Option<f64>, default: f64| value.unwrap_or(default) as f32;
        Ok(Drive {
            joint,
            law: match actuator.kind {
                ActuatorKind::Position => {
                    Law::Position { kp: gain(actuator.kp, 1.0), kv: gain(actuator.kv, 0.0) }
                }
                ActuatorKind::Velocity => Law::Velocity { kv: gain(actuator.kv, 1.0) },
                _ => Law::Motor,
            },
            gear: actuator.gear[0] as f32,
            control: range(control, "has an empty `ctrlrange`")?,
            force: force.map(|force| range(force, "has an empty `forcerange`")).transpose()?,
            name: name.clone(),
        })
    };
    let drives = model.actuators.iter().map(drive).collect::<Result<Vec<_>, _>>()?;
    if drives.is_empty() {
        return Err(SimError::Scene {
            path: path.to_owned(),
            problem: "no actuators; a sim needs at least one in <actuator>".to_owned(),
        });
    }
    Ok(drives)
}

/// Builds the scene: every geom with its colour, seen or not by the physics.
pub(crate) fn scene(path: &Path, file: SceneFile) -> Result<Scene, SimError> {
    let wrong = |problem| SimError::Scene { path: path.to_owned(), problem };
    let model = &file.model;
    let folder = path.parent().unwrap_or(Path::new("."));
    // The loader makes a collider of every geom, so that sizes, `fromto` and meshes are read once.
    let options = MjcfLoaderOptions {
        create_colliders_from_visual_shapes: true,
        skip_plane_geoms: false,
        apply_imported_mass_props: false,
        mesh_converter: Some(MeshConverter::TriMesh),
        ..MjcfLoaderOptions::default()
    };
    let robot = MjcfRobot::from_model(model, options, folder);
    let mut shapes = Vec::new();
    for (body, entry) in model.bodies.iter().enumerate() {
        let built =
            robot.bodies.iter().find(|built| !built.is_intermediate && built.mjcf_body_id == body);
        let colliders = built.map_or(&[][..], |built| &built.colliders);
        let geoms = &entry.body.geoms;
        if colliders.len() != geoms.len() {
            let meshes = listed(geoms.iter().filter_map(|geom| geom.mesh.as_deref()));
            return Err(wrong(format!(
                "a geom of the body `{}` could not be made (its meshes: {meshes}); meshes must be .obj or .stl files",
                entry.body.name.as_deref().unwrap_or("world")
            )));
        }
        for (index, (geom, collider)) in geoms.iter().zip(colliders).enumerate() {
            let name = geom.name.clone().unwrap_or_else(|| {
                format!("{} {index}", entry.body.name.as_deref().unwrap_or("world"))
            });
            let rgba = colour(model, geom).map_err(wrong)?;
            let (geometry, turn) = geometry(geom, collider.shape()).ok_or_else(|| {
                wrong(format!("the geom `{name}` has a shape that cannot be drawn"))
            })?;
            shapes.push(Shape {
                name,
                body,
                pose: pose(&(*collider.position() * turn)),
                geometry,
                rgba,
                texture: None,
            });
        }
    }
    let bodies = model.bodies.iter().map(|entry| entry.body.name.clone());
    Ok(Scene {
        bodies: bodies.map(|name| name.unwrap_or_else(|| "world".to_owned())).collect(),
        shapes,
        textures: Vec::new(),
        cameras: file.sight.cameras,
        lights: file.sight.lights,
        background: file.sight.background,
    })
}

/// A geom's own colour, else its material's, else MuJoCo's grey.
fn colour(model: &Model, geom: &Geom) -> Result<[f32; 4], String> {
    let material = match &geom.material {
        Some(name) => Some(model.assets.material(name).ok_or_else(|| {
            let have =
                model.assets.materials.iter().filter_map(|material| material.name.as_deref());
            format!(
                "a geom uses the material `{name}`, which does not exist; known: {}",
                listed(have)
            )
        })?),
        None => None,
    };
    let rgba = geom.rgba.or(material.map(|material| material.rgba.unwrap_or([1.0; 4])));
    Ok(rgba.unwrap_or([0.5, 0.5, 0.5, 1.0]).map(|value| value as f32))
}

/// The drawn geometry of a collision shape, and how it must be turned to lie along z.
fn geometry(
    geom: &Geom,
    shape: &dyn rapier3d::geometry::Shape,
) -> Option<(Geometry, rapier3d::math::Pose)> {
    let still = rapier3d::math::Pose::IDENTITY;
    if geom.type_ == GeomType::Plane {
        let half = |size: f64| if size > 0.0 { size as f32 } else { ENDLESS };
        return Some((Geometry::Plane { half: [half(geom.size[0]), half(geom.size[1])] }, still));
    }
    if let Some(ball) = shape.as_ball() {
        Some((Geometry::Sphere { radius: ball.radius }, still))
    } else if let Some(cuboid) = shape.as_cuboid() {
        Some((Geometry::Box { half: cuboid.half_extents.to_array() }, still))
    } else if let Some(capsule) = shape.as_capsule() {
        let half_length = capsule.half_height();
        Some((Geometry::Capsule { radius: capsule.radius, half_length }, still))
    } else if let Some(cylinder) = shape.as_cylinder() {
        // Rapier's cylinders lie along y; the loader has turned them onto z.
        let turn = Rotation::from_axis_angle(Vector::X, -FRAC_PI_2);
        let turn = rapier3d::math::Pose::from_parts(Vector::ZERO, turn);
        let (radius, half_length) = (cylinder.radius, cylinder.half_height);
        Some((Geometry::Cylinder { radius, half_length }, turn))
    } else {
        let mesh = shape.as_trimesh()?;
        let vertices = mesh.vertices().iter().map(|vertex| vertex.to_array()).collect();
        Some((
            Geometry::Mesh { vertices, triangles: mesh.indices().iter().copied().collect() },
            still,
        ))
    }
}
