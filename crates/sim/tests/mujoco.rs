//! The engine against MuJoCo's own numbers on small scenes, quantity by quantity (`tools/parity/mujoco/golden`).

use housecat_physics::{Integrator, Workspace};
use housecat_sim::load_model;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Scenes whose contacts MuJoCo places otherwise, so that only what happens without contact can be compared; and
/// scenes with elliptic cones, which are pyramidal here.
const OTHER_CONTACTS: &[&str] = &["block_elliptic", "condims_elliptic"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/parity/mujoco/golden")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The largest difference, relative to the largest entry (or 1).
fn difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale
}

#[test]
fn accelerations_and_steps_are_mujocos() {
    let (mut compared, mut failures) = (0, Vec::new());
    let mut files: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let scene = path.with_extension("xml");
        // Where cubes lie on each other, the corners of the shared face are found in another order of rounding.
        let tolerance = if name == "box_stack" { 1e-3 } else { 1e-6 };
        for (integrator, key) in [(Integrator::Euler, "euler"), (Integrator::RungeKutta4, "rk4")] {
            let (model, _) = load_model(&scene, false, |options| options.integrator = integrator)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut work = Workspace::new(&model);
            for (index, case) in golden["states"].as_array().unwrap().iter().enumerate() {
                let mut state = model.initial().clone();
                state.position = numbers(&case["qpos"]);
                state.velocity = numbers(&case["qvel"]);
                state.activation = numbers(&case["act"]);
                state.control = numbers(&case["ctrl"]);
                state.check(&model).unwrap();
                model.forward(&state, &mut work);
                if OTHER_CONTACTS.contains(&name.as_str())
                    || work.contacts() as u64 != case["ncon"].as_u64().unwrap()
                {
                    continue;
                }
                let wrong = difference(work.acceleration(), &numbers(&case["qacc"]));
                if wrong > tolerance {
                    failures
                        .push(format!("{name} state {index}: accelerations differ by {wrong:.1e}"));
                }
                model.step(&mut state, &mut work);
                let next = &case["next"][key];
                let wrong = difference(&state.position, &numbers(&next["qpos"]))
                    .max(difference(&state.velocity, &numbers(&next["qvel"])));
                if wrong > tolerance {
                    failures.push(format!(
                        "{name} state {index}: a step of {key} differs by {wrong:.1e}"
                    ));
                }
                compared += 1;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared >= 400, "only {compared} states could be compared");
}
