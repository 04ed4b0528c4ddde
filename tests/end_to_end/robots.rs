//! Bring your own robot: scene files without a folder of their own, in MJCF and URDF.

use crate::support::Place;
use std::fs;

const PENDULUM: &str = r#"<mujoco>
  <option timestep="0.01" integrator="RK4"/>
  <worldbody>
    <body name="rod" pos="0 0 1">
      <joint name="hinge" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.02"/>
    </body>
  </worldbody>
  <actuator><motor name="turn" joint="hinge" ctrlrange="-1 1"/></actuator>
  <sensor><jointpos joint="hinge"/></sensor>
</mujoco>"#;

const ARM: &str = r#"<robot name="arm">
  <link name="base"/>
  <link name="upper">
    <inertial><mass value="1"/><origin xyz="0 0 0.2"/><inertia ixx="0.02" iyy="0.02" izz="0.001" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="0 0 0.2"/><geometry><cylinder radius="0.03" length="0.4"/></geometry></collision>
    <visual><origin xyz="0 0 0.2"/><geometry><cylinder radius="0.03" length="0.4"/></geometry></visual>
  </link>
  <joint name="shoulder" type="revolute">
    <parent link="base"/><child link="upper"/><axis xyz="0 1 0"/>
    <limit lower="-1.5" upper="1.5" effort="5" velocity="3"/><dynamics damping="0.1" friction="0.05"/>
  </joint>
</robot>"#;

fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("pendulum.xml"), PENDULUM).unwrap();
    fs::write(place.path("arm.urdf"), ARM).unwrap();
    place
}

#[test]
fn a_robot_is_checked_and_what_it_loses_is_said() {
    let place = place();
    for (file, joints, notice) in [("pendulum.xml", 1, "sensor"), ("arm.urdf", 1, "camera")] {
        let check = place.run(&["sims", "check", file, "--seconds", "2", "--json"]).ok().json();
        assert_eq!(check["loads"], true);
        assert_eq!(check["finite"], true);
        assert_eq!(check["joints"], joints);
        assert!(check["notices"].to_string().contains(notice), "{check:#}");
        let text = place.run(&["sims", "check", file, "--seconds", "1"]).ok().stdout;
        assert!(text.contains("not honoured") && text.contains(notice), "{text}");
    }
    fs::write(place.path("bad.xml"), PENDULUM.replace("<joint name", "<joint twist=\"1\" name"))
        .unwrap();
    place.run(&["sims", "check", "bad.xml"]).fails(1, &["bad.xml:5", "twist"]);
    let check = place.run(&["sims", "check", "bad.xml", "--json"]);
    assert_eq!((check.code, &check.json()["loads"]), (1, &serde_json::Value::Bool(false)));
}

#[test]
fn a_scene_file_takes_the_place_of_a_sim() {
    let place = place();
    for file in ["pendulum.xml", "arm.urdf"] {
        place.run(&["sims", file]).ok();
        place.run(&["collect", file, "--episodes", "2", "--out", &format!("{file}.data")]).ok();
        place.run(&["verify", &format!("{file}.data")]).ok();
        place.run(&["view", file, "--save", "look.rrd", "--episodes", "1"]).ok();
    }
}

#[test]
fn a_scene_is_simulated_by_itself() {
    let place = place();
    let args = [
        "simulate",
        "pendulum.xml",
        "--steps",
        "1000",
        "--qpos",
        "2.0",
        "--every",
        "100",
        "--json",
    ];
    let path = place.run(&args).ok().json();
    assert_eq!((&path["nq"], &path["integrator"]), (&1.into(), &"rk4".into()));
    let energy = |index: usize| {
        let pair = &path["energy"][index];
        pair[0].as_f64().unwrap() + pair[1].as_f64().unwrap()
    };
    assert!(
        (energy(10) - energy(0)).abs() < 1e-5 * energy(0).abs(),
        "{} {}",
        energy(0),
        energy(10)
    );
    fs::write(place.path("states.json"), r#"[{"qpos": [1.0]}, {"qpos": [2.0], "qvel": [1.0]}]"#)
        .unwrap();
    let answers =
        place.run(&["simulate", "pendulum.xml", "--states", "states.json", "--json"]).ok().json();
    assert_eq!(answers.as_array().unwrap().len(), 2);
    place.run(&["simulate", "pendulum.xml", "--qpos", "1,2"]).fails(1, &["position", "2", "1"]);
    place.run(&["simulate", "missing.xml"]).fails(1, &["missing.xml"]);
    place.run(&["simulate", "pendulum.xml", "--timestep", "0"]).fails(1, &["time step"]);
}

#[test]
fn a_sim_is_looked_at_in_colour_depth_and_segments() {
    let place = Place::new();
    let args = [
        "sims",
        "look",
        "push-t",
        "--size",
        "128",
        "--depth",
        "--segmentation",
        "--out",
        "pictures",
        "--json",
    ];
    let pictures = place.run(&args).ok().json();
    assert_eq!(pictures.as_array().unwrap().len() % 3, 0);
    for picture in pictures.as_array().unwrap() {
        let bytes = fs::read(place.path(picture["file"].as_str().unwrap())).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 300);
    }
    place.run(&["sims", "look", "push-t", "--camera", "back"]).fails(1, &["back", "top"]);
}

#[test]
fn variations_are_drawn_recorded_and_judged_by_factor() {
    let place = Place::new();
    let shown = place.run(&["sims", "push-t"]).ok().stdout;
    assert!(shown.contains("light.intensity"), "{shown}");
    let vary = ["--vary", "light.intensity=0.4..0.9", "--vary", "start"];
    let collect = ["collect", "push-t", "--episodes", "4", "--out", "data"];
    place.run(&[&collect[..], &vary].concat()).ok();
    let drawn = fs::read_to_string(place.path("data/meta/variations.json")).unwrap();
    assert!(drawn.contains("light.intensity") && drawn.contains("start"), "{drawn}");
    // Joined with a dataset in which nothing varies, every episode keeps its own levels.
    place.run(&["collect", "push-t", "--episodes", "2", "--out", "plain"]).ok();
    place.run(&["merge", "plain", "data", "--out", "both"]).ok();
    let read = |file: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(place.path(file)).unwrap()).unwrap()
    };
    let (own, both) = (read("data/meta/variations.json"), read("both/meta/variations.json"));
    assert_eq!(both["episodes"].as_array().unwrap().len(), 6);
    assert_eq!(both["episodes"][0], serde_json::json!({}));
    assert_eq!(both["episodes"][5], own["episodes"][3]);
    place
        .run(&["train", "data", "--out", "model", "--set=train.steps=2", "--set=train.batch=8"])
        .ok();
    let args = [
        "eval",
        "model",
        "--pairs",
        "3",
        "--seeds",
        "0",
        "--set=planner.iterations=1",
        "--set=oracle.samples=16",
        "--json",
    ];
    let report = place.run(&[&args[..], &vary].concat()).ok().json();
    let text = report.to_string();
    assert!(text.contains("success_by_factor") && text.contains("light.intensity"), "{text}");
    place
        .run(&[
            "collect",
            "push-t",
            "--episodes",
            "1",
            "--out",
            "x",
            "--vary",
            "light.intensity=3.0",
        ])
        .fails(1, &["light.intensity"]);
    place
        .run(&["collect", "push-t", "--episodes", "1", "--out", "x", "--vary", "wind"])
        .fails(1, &["wind", "light"]);
}
