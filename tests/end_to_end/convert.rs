//! `housecat convert`: published weights become a run like any other.

use crate::support::{Place, TINY, tree};
use std::path::{Path, PathBuf};

/// A LeWorldModel that PyTorch wrote, with images of 12 x 12 and action blocks of 4 values.
fn published(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/lewm").join(name)
}

const HEADS: &[&str] = &["--encoder-heads", "2", "--predictor-heads", "2"];

/// The command, for these weights.
fn convert(place: &Place, name: &str, sim: &str, more: &[&str]) -> crate::support::Output {
    let path = published(name);
    let args = ["convert", path.to_str().unwrap(), "--sim", sim, "--out", "imported"];
    place.run(&[&args[..], HEADS, more].concat())
}

#[test]
fn converted_weights_are_a_run_to_inspect_evaluate_plan_and_view() {
    let place = Place::new();
    let scaled = ["--action-mean", "-0.1,0.2", "--action-std", "0.5,2", "--json"];
    let done = convert(&place, "published.ckpt", "two-room", &scaled).ok().json();
    assert_eq!(done["run"], "imported");
    assert!(done["parameters"].as_u64().unwrap() > 1000);
    for file in ["config.toml", "provenance.toml", "checkpoints/0/config.json"] {
        assert!(place.path("imported").join(file).is_file(), "{file}");
    }
    let inspected = place.run(&["inspect", "imported", "--json"]).ok().json();
    let spec = &inspected["spec"];
    assert_eq!(*spec, done["spec"]);
    assert_eq!(spec["sim"], "two-room");
    assert_eq!(spec["input"]["image"]["width"], 12);
    assert_eq!(spec["model"]["action_repeat"], 2);
    assert_eq!(spec["actions"], serde_json::json!(["drive_x", "drive_y"]));

    let elites = "--set=planner.solver.elites=4";
    let tiny = |args: &[&str]| place.run(&[args, TINY, &[elites]].concat());
    let report = tiny(&["eval", "imported", "--pairs", "2", "--json"]).ok().json();
    assert_eq!(report["moderate"]["pairs"], 2);
    assert_eq!(report["moderate"]["action_repeat"], 2);
    assert_eq!(report["moderate"]["planner"]["horizon"], 5);
    let plan = tiny(&["plan", "imported", "--json"]).ok().json();
    assert!(!plan["elite_costs"].as_array().unwrap().is_empty());
    let view = ["view", "imported", "--save", "look.rrd", "--episodes", "1"];
    tiny(&view).ok();
    assert!(std::fs::read(place.path("look.rrd")).unwrap().starts_with(b"RRF"));
}

#[test]
fn the_scaling_of_actions_changes_the_converted_model() {
    let weights = |more: &[&str]| {
        let place = Place::new();
        convert(&place, "published.safetensors", "two-room", more).ok();
        std::fs::read(place.path("imported/checkpoints/last/model.safetensors")).unwrap()
    };
    let plain = weights(&[]);
    assert!(plain == weights(&["--action-mean", "0,0", "--action-std", "1,1"]));
    assert!(plain != weights(&["--action-std", "1,2"]));
    assert!(plain != weights(&["--action-mean", "0.5,0"]));
}

#[test]
fn what_cannot_be_converted_is_refused_with_a_reason() {
    let place = Place::new();
    let refused = |name: &str, sim: &str, more: &[&str], says: &[&str]| {
        convert(&place, name, sim, more).fails(1, says);
        assert!(!place.path("imported").exists(), "a refused conversion left a folder");
    };
    refused("none.pt", "two-room", &[], &["none.pt"]);
    refused("model.safetensors", "two-room", &[], &["model.safetensors", "no LeWorldModel"]);
    refused("config.json", "two-room", &[], &["config.json", "neither safetensors"]);
    refused("published.pt", "two_room", &[], &["two_room", "two-room"]);
    refused("published.pt", "cart-pole", &[], &["cart-pole", "reward"]);
    // Blocks of 4 values, and an action of more components than one.
    let says = ["action blocks of 4", "whole number of 5", "cube"];
    refused("published.pt", "cube", &[], &says);
    let two = |flag: &str, value: &str, says: &[&str]| {
        refused("published.pt", "two-room", &[flag, value], says);
    };
    two("--action-mean", "1", &["action_mean", "each of 2 actions"]);
    two("--action-std", "1,0", &["action_std", "positive"]);
    two("--set", "model.latent_dim=9", &["model.latent_dim=9", "checkpoint tells"]);
    two("--set", "image=64", &["image=64", "checkpoint tells"]);
    let path = published("published.pt");
    let plain = ["convert", path.to_str().unwrap(), "--sim", "two-room", "--out", "imported"];
    place.run(&plain).fails(1, &["no multiple of 16 heads"]);

    convert(&place, "published.pt", "two-room", &[]).ok();
    let before = tree(&place.path("imported"));
    let again = convert(&place, "published.pt", "two-room", &[]);
    again.fails(1, &["imported already holds a run", "--out"]);
    assert!(before == tree(&place.path("imported")), "something was overwritten");
}
