//! Mistakes in a sim's folder: each is named, with its place and what would be right.

mod common;

use common::{altered, root, same, swap};
use housecat_core::ImageSpec;
use housecat_sim::{Sim, SimError, ViewOptions};
use std::path::Path;

/// The message of the error that a changed sim gives.
fn message(
    name: &str,
    scene: impl Fn(String) -> String,
    spec: impl Fn(String) -> String,
) -> String {
    altered(name, scene, spec).1.err().expect("an error").to_string()
}

fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "should name `{part}`: {message}");
    }
}

#[test]
fn unknown_names_list_the_known_ones() {
    let cases: &[(&str, &'static str, &'static str, &[&str])] = &[
        (
            "reacher",
            "joint = \"wrist\"",
            "joint = \"wrst\"",
            &["sim.toml", "wrst", "shoulder, wrist", "did you mean `wrist`"],
        ),
        (
            "reacher",
            "site = \"fingertip\"",
            "site = \"nose\"",
            &["features.tip_x", "site `nose`", "fingertip"],
        ),
        (
            "two-room",
            "camera = \"top\"",
            "camera = \"tap\"",
            &["observation.camera", "tap", "did you mean `top`"],
        ),
        (
            "two-room",
            "[\"drive_x\", \"drive_y\"]",
            "[\"drive_x\", \"drive_z\"]",
            &["action.unit_ball", "drive_z", "drive_y"],
        ),
        (
            "two-room",
            "state = [\"x\", \"y\"]",
            "state = [\"x\", \"z\"]",
            &["observation.state", "feature `z`", "x, y"],
        ),
        (
            "two-room",
            "within = { position = 0.16 }",
            "within = { place = 0.16 }",
            &["protocol.moderate.within", "place", "position"],
        ),
        (
            "cart-pole",
            "action = \"slide\"",
            "action = \"slid\"",
            &["reward.action", "did you mean `slide`"],
        ),
        (
            "cart-pole",
            "feature = \"pole_rate\"",
            "feature = \"speed\"",
            &["reward.feature", "speed", "pole_rate"],
        ),
        (
            "cart-pole",
            "slider = { position = [[-1.7",
            "cart = { position = [[-1.7",
            &["reset.cart", "slider, hinge"],
        ),
        (
            "two-room",
            "features = [\"x\", \"y\"]\nwaypoints",
            "features = [\"x\", \"q\"]\nwaypoints",
            &["scripted.features", "`q`"],
        ),
    ];
    for &(name, from, to, parts) in cases {
        assert_names(&message(name, same, swap(from, to)), parts);
    }
}

#[test]
fn the_specification_is_checked() {
    let cases: &[(&str, &'static str, &'static str, &[&str])] = &[
        (
            "two-room",
            "control_hz = 10",
            "control_hz = 10\ncolour = 1",
            &["sim.toml", "colour", "control_hz", "line"],
        ),
        (
            "two-room",
            "kind = \"joint\", joint = \"x\" }",
            "kind = \"joint\", joint = \"x\", axis = \"x\" }",
            &["axis"],
        ),
        ("two-room", "kind = \"joint\"", "kind = \"speed\"", &["speed", "rate"]),
        (
            "two-room",
            "control_hz = 10",
            "control_hz = 3",
            &["time.physics_hz", "multiple of control_hz = 3"],
        ),
        ("two-room", "control_hz = 10", "control_hz = \"fast\"", &["sim.toml", "fast", "line"]),
        ("two-room", "max_steps = 100", "max_steps = 0", &["time.max_steps", "at least 1"]),
        ("two-room", "[reset]", "[reset]\nkeyframe = \"home\"", &["reset.keyframe", "`home`"]),
        ("two-room", "[reset]", "[reset]\napart = 1", &["sim.toml", "apart"]),
        ("two-room", "x = { position", "x = { yaw", &["reset.x", "takes `position`"]),
        ("cube", "yaw = [[-0.7854, 0.7854]]", "position = [[0.0, 1.0]]", &["reset.cube", "`yaw`"]),
        (
            "cube",
            "kind = \"site\", site = \"grip\"",
            "kind = \"joint\", joint = \"cube\"",
            &["hand_x", "axis"],
        ),
        (
            "cube",
            "\"cube_qw\", \"cube_qx\", \"cube_qy\", \"cube_qz\"]\nunit",
            "\"cube_qw\"]\nunit",
            &["goal rotation: rotation", "w, x, y, z"],
        ),
        ("cube", "rotation = \"cube\"", "rotation = \"ball\"", &["ball", "cube"]),
        ("cube", "kind = \"pick\"", "kind = \"dance\"", &["dance", "waypoints", "gait"]),
        ("cube", "low = 0.02", "low = 0.2", &["scripted", "`low` below `height`"]),
        ("push-t", "beside = 0.03", "beside = 0.3", &["scripted", "beside <= around"]),
        ("push-t", "reach = 0.02", "reach = 0.0", &["scripted.approach", "`reach`"]),
        ("push-t", "{ push_x = 0.1", "{ pusher = 0.1", &["action.relative.pusher", "push_x"]),
        (
            "quadruped",
            "front_left_hip = { forward",
            "front_left_foot = { forward",
            &["scripted.swings", "front_left_hip"],
        ),
        ("quadruped", "steps = [30, 90]", "steps = [90, 30]", &["scripted.steps", "low <= high"]),
        ("two-room", "scale = 0.1", "scale = 0.0", &["goal position: scale", "positive"]),
        ("two-room", "[-1.0, -0.15]", "[-0.15, -1.0]", &["reset.x", "low <= high"]),
        ("two-room", "rho = 0.8", "rho = 1.0", &["scripted.noise", "`rho` in [0, 1)"]),
        ("two-room", "position = 0.16", "position = nan", &["protocol.moderate", "positive"]),
        ("two-room", "[time]", "[time", &["sim.toml", "line"]),
        ("cart-pole", "mix = 0.2", "mix = 2.0", &["reward.mix", "[0, 1]"]),
        ("cart-pole", "feature = \"cart\"\nbounds", "bounds", &["reward", "`feature` or `action`"]),
        (
            "cart-pole",
            "kind = \"cos\", joint = \"hinge\"",
            "kind = \"cos\", joint = \"slider\"",
            &["features.cos", "slider", "hinge"],
        ),
        (
            "cart-pole",
            "target = [0.0]",
            "target = [0.0, 1.0]",
            &["goal tilt: target", "one value a feature"],
        ),
    ];
    for &(name, from, to, parts) in cases {
        assert_names(&message(name, same, swap(from, to)), parts);
    }
    let truncated = |text: String| text[..text.len() / 2].to_owned();
    assert_names(&message("two-room", same, truncated), &["sim.toml"]);
}

#[test]
fn the_scene_is_checked() {
    let cases: &[(&str, &'static str, &'static str, &[&str])] = &[
        ("two-room", "</worldbody>", "", &["scene.xml", "malformed XML"]),
        (
            "two-room",
            "<actuator>",
            "<tendon><fixed name=\"t\"/></tendon><actuator>",
            &["scene.xml:", "<fixed>", "<joint>"],
        ),
        (
            "two-room",
            "<joint name=\"y\"",
            "<joint name=\"y\" marge=\"1\"",
            &["scene.xml:", "marge", "<joint>"],
        ),
        (
            "two-room",
            "<joint name=\"x\" type=\"slide\"",
            "<joint name=\"x\" type=\"ball\"",
            &["features.x", "slide or hinge", "ball"],
        ),
        ("two-room", "joint=\"y\"", "joint=\"why\"", &["<velocity joint>", "joint `why`", "x, y"]),
        ("two-room", "mass=\"1\"", "mass=\"0\"", &["body `agent` has no mass"]),
        ("two-room", "mass=\"1\"", "mass=\"one\"", &["mass=\"one\"", "finite numbers"]),
        (
            "two-room",
            "name=\"y\" type=\"slide\"",
            "name=\"x\" type=\"slide\"",
            &["<joint>", "`x`", "rename one"],
        ),
        (
            "two-room",
            "class=\"wall\" size=\"0.04 1.2 0.1\" pos=\"-",
            "class=\"wall\" material=\"brick\" size=\"0.04 1.2 0.1\" pos=\"-",
            &["material `brick`"],
        ),
        ("reacher", "type=\"sphere\" pos", "type=\"mesh\" mesh=\"lost\" pos", &["mesh `lost`"]),
    ];
    for &(name, from, to, parts) in cases {
        assert_names(&message(name, swap(from, to), same), parts);
    }
}

#[test]
fn harmless_things_are_told() {
    let (_folder, sim) = altered("reacher", swap("</actuator>", "</actuator><sensor/>"), same);
    assert_eq!(sim.unwrap().notices(), ["<sensor> has no effect"]);
    let cases = [
        (" ctrlrange=\"-1.05 1.05\"", "", "the actuator `drive_x` has no ctrlrange"),
        ("<camera name=\"top\"", "<camera mode=\"track\" name=\"top\"", "<camera mode="),
    ];
    for (from, to, said) in cases {
        let (_folder, sim) = altered("two-room", swap(from, to), same);
        let sim = sim.unwrap_or_else(|error| panic!("{error}"));
        let notices = sim.notices();
        assert!(notices.iter().any(|notice| notice.contains(said)), "{said} is not in {notices:?}");
    }
}

#[test]
fn unknown_sims_list_the_known_ones() {
    let error = Sim::find(&root(), "two_room").err().unwrap().to_string();
    assert_names(&error, &["cart-pole, cube, four-room", "did you mean `two-room`"]);
    let error = Sim::find(Path::new("/nowhere"), "two-room").err().unwrap();
    assert!(matches!(error, SimError::Read { .. }), "{error}");
}

#[test]
fn unknown_cameras_and_sizes_are_refused() {
    let sim = common::sim("reacher");
    let view = |camera: &str, width| ViewOptions {
        images: vec![ImageSpec { camera: camera.to_owned(), width, height: 64 }],
        state: true,
    };
    assert_names(&sim.env(&view("side", 64)).err().unwrap().to_string(), &["side", "top"]);
    assert_names(&sim.env(&view("top", 0)).err().unwrap().to_string(), &["reacher", "0x64"]);
}
