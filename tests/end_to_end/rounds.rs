//! `housecat run --rounds`: the planner acts in what was learned, and training goes on with what it did.

use crate::support::{Place, assert_same, staged, timeless, tree};
use std::fs;

/// 20 episodes and 60 steps at first; a fifth and a half as many in a round.
fn args(name: &'static str) -> Vec<&'static str> {
    vec![
        "run",
        "cart-pole",
        "--rounds",
        "1",
        "--name",
        name,
        "--json",
        "--set=collect.episodes=20",
        "--set=collect.steps=40",
        "--set=train.batch=8",
        "--set=train.steps=60",
        "--set=train.checkpoint_every=10",
        "--set=eval.pairs=2",
        "--set=eval.seeds=[0]",
        "--set=planner.samples=16",
        "--set=oracle.samples=16",
    ]
}

#[test]
fn rounds_leave_a_run_each_and_repeat_nothing() {
    let place = Place::new();
    let first = place.run(&args("whole")).ok();
    assert!(first.stderr.contains("round 1: the planner recorded 4 episodes"), "{}", first.stderr);
    let run = place.path("runs/cart-pole/whole");
    for file in [
        "rounds/0/config.toml",
        "rounds/0/checkpoints/60/model.safetensors",
        "rounds/0/checkpoints/last/model.safetensors",
        "rounds/1/collected/meta/info.json",
        "rounds/1/dataset/meta/info.json",
        "checkpoints/30/model.safetensors",
        "eval/moderate.json",
        "report.html",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    assert!(!run.join("rounds/1/checkpoints").exists() && !run.join("rounds/2").exists());
    let episodes = |dataset: &str| {
        let path = run.join(dataset);
        place.run(&["inspect", path.to_str().unwrap(), "--json"]).ok().json()["episodes"].as_u64()
    };
    let datasets = ["dataset", "rounds/1/collected", "rounds/1/dataset"];
    assert_eq!(datasets.map(episodes), [Some(20), Some(4), Some(24)]);
    let weights = |path: &str| fs::read(run.join(path).join("model.safetensors")).unwrap();
    assert!(weights("rounds/0/checkpoints/last") != weights("checkpoints/last"), "nothing learned");

    let before = tree(&run);
    let again = place.run(&args("whole")).ok();
    assert_eq!(timeless(again.json()), timeless(first.json()));
    assert!(!again.stderr.contains("recorded") && !again.stderr.contains("evaluated"));
    assert!(before == tree(&run), "a file was rewritten");

    let mut more = args("whole");
    more[3] = "2";
    place.run(&more).fails(1, &["another configuration"]);
}

#[test]
fn rounds_killed_in_any_stage_are_finished_by_the_same_command() {
    let place = Place::new();
    let whole = place.run(&args("whole")).ok().json();
    let run = place.path("runs/cart-pole/cut");
    let stages: [&dyn Fn() -> bool; 5] = [
        &|| run.join("rounds/0/checkpoints/20/state.json").is_file(),
        &|| run.join("rounds/0/checkpoints/60/state.json").is_file(),
        &|| staged(&run.join("rounds/1/collected")) >= 1,
        &|| run.join("rounds/1/dataset/meta/info.json").is_file(),
        &|| run.join("checkpoints/10/state.json").is_file(),
    ];
    for ready in stages {
        assert_eq!(place.interrupt(&args("cut"), "KILL", ready).code, 137);
    }
    let cut = place.run(&args("cut")).ok().json();
    assert_eq!(timeless(cut["eval"].clone()), timeless(whole["eval"].clone()));
    for part in ["rounds/0/checkpoints/60", "rounds/1/collected", "rounds/1/dataset"] {
        assert_same(&place.path("runs/cart-pole/whole").join(part), &run.join(part));
    }
    assert_same(&place.path("runs/cart-pole/whole/checkpoints/30"), &run.join("checkpoints/30"));
}

#[test]
fn rounds_that_cannot_be_are_refused() {
    let place = Place::new();
    let set = |value: &str| place.run(&["run", "cart-pole", "--rounds", "1", "--set", value]);
    set("rounds.training=0").fails(1, &["rounds.training", "positive share"]);
    set("rounds.episodes=-1").fails(1, &["rounds.episodes", "positive share"]);
    set("rounds.curiosity=0.1").fails(1, &["rounds.curiosity", "model.ensemble"]);
    set("rounds.pause=1").fails(1, &["pause", "curiosity"]);
    assert!(!place.path("runs").exists(), "a refused run left a folder");
}
