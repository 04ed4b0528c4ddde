//! What the tests share.

#![allow(dead_code)] // each test binary uses its own part

use housecat_core::{Env, ResetOptions, Rng, Seed, State};
use housecat_sim::{Sim, SimEnv, SimError, ViewOptions};
use std::path::{Path, PathBuf};

/// The folder of all sims.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sims")
}

/// A shipped sim.
pub fn sim(name: &str) -> Sim {
    Sim::find(&root(), name).unwrap_or_else(|error| panic!("{error}"))
}

/// A world that sees nothing, at a fresh start.
pub fn blind(sim: &Sim, seed: u64) -> SimEnv {
    let mut env = sim.env(&ViewOptions::default()).unwrap();
    env.reset(Seed::new(seed), &ResetOptions::default()).unwrap();
    env
}

/// A shipped sim with its files changed; the folder lives as long as the guard.
pub fn altered(
    name: &str,
    scene: impl Fn(String) -> String,
    spec: impl Fn(String) -> String,
) -> (tempfile::TempDir, Result<Sim, SimError>) {
    let folder = tempfile::tempdir().unwrap();
    let read = |file: &str| std::fs::read_to_string(root().join(name).join(file)).unwrap();
    std::fs::write(folder.path().join("scene.xml"), scene(read("scene.xml"))).unwrap();
    std::fs::write(folder.path().join("sim.toml"), spec(read("sim.toml"))).unwrap();
    let sim = Sim::load(folder.path());
    (folder, sim)
}

/// Replaces text that must be there.
pub fn swap(from: &'static str, to: &'static str) -> impl Fn(String) -> String {
    move |text| {
        assert!(text.contains(from), "{from} is not in the file");
        text.replace(from, to)
    }
}

/// Leaves a file as it is.
pub fn same(text: String) -> String {
    text
}

/// A random action.
pub fn action(env: &dyn Env, rng: &mut Rng) -> Vec<f32> {
    (0..env.spaces().action.dim()).map(|_| rng.uniform(-1.0, 1.0)).collect()
}

/// The bits of a state.
pub fn bits(state: &State) -> Vec<u64> {
    state.0.iter().map(|value| value.to_bits()).collect()
}

/// A component of the privileged state by name.
pub fn value(env: &dyn Env, name: &str) -> f64 {
    let index = env.state_names().iter().position(|other| other == name).unwrap();
    env.state().0[index]
}
