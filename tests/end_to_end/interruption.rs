//! Ctrl-C, SIGTERM and SIGKILL at any moment: nothing acknowledged is lost, the same command goes on.

use crate::support::{Place, assert_same, staged};
use std::fs;
use std::path::Path;

/// A collection that takes seconds.
fn collection(out: &str) -> Vec<&str> {
    vec!["collect", "two-room", "--episodes", "300", "--steps", "60", "--out", out]
}

/// A training that takes seconds.
fn training(out: &str) -> Vec<&str> {
    let mut args = vec!["train", "data", "--out", out, "--resume"];
    args.extend([
        "--set=train.steps=300",
        "--set=train.batch=8",
        "--set=train.checkpoint_every=10",
    ]);
    args
}

#[test]
fn a_collection_stopped_by_a_signal_is_finished_by_the_same_command() {
    let place = Place::new();
    place.run(&collection("whole")).ok();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let data = place.path(signal);
        let cut = place.interrupt(&collection(signal), signal, || staged(&data) >= 5);
        assert_eq!(cut.code, code, "{}", cut.stderr);
        assert!(cut.stdout.is_empty());
        let resume = format!("housecat collect two-room --episodes 300 --steps 60 --out {signal}");
        assert!(cut.stderr.contains(&resume) && cut.stderr.contains("kept"), "{}", cut.stderr);
        let kept = staged(&data);
        assert!((5..300).contains(&kept), "{kept}");
        // What is not sealed is no dataset yet, and the message says what to do.
        place.run(&["train", signal, "--out", "model"]).fails(1, &["not sealed", "repair"]);
        let on = place.run(&collection(signal)).ok();
        assert!(
            on.stderr.contains(&format!("{kept} of 300 episodes are already")),
            "{}",
            on.stderr
        );
        assert_same(&place.path("whole"), &data);
    }
}

#[test]
fn a_collection_killed_again_and_again_ends_with_the_same_bytes() {
    let place = Place::new();
    place.run(&collection("whole")).ok();
    let data = place.path("cut");
    for goal in [1, 20, 60, 110, 200] {
        let kept = staged(&data);
        let cut = place.interrupt(&collection("cut"), "KILL", || staged(&data) >= goal.max(kept));
        assert_eq!(cut.code, 137);
        assert!(!cut.stderr.contains("damaged"), "a torn file: {}", cut.stderr);
        assert!(staged(&data) >= kept, "an acknowledged episode is lost");
    }
    let last = place.run(&collection("cut")).ok();
    assert!(!last.stderr.contains("damaged"), "a torn file: {}", last.stderr);
    assert_same(&place.path("whole"), &data);
}

#[test]
fn an_interrupted_collection_can_be_sealed_as_it_is() {
    let place = Place::new();
    let data = place.path("cut");
    place.interrupt(&collection("cut"), "INT", || staged(&data) >= 5);
    let kept = staged(&data);
    let sealed = place.run(&["repair", "cut", "--json"]).ok().json();
    assert_eq!(sealed["report"]["episodes"], kept);
    assert_eq!(place.run(&["verify", "cut", "--json"]).ok().json()["sound"], true);
}

#[test]
fn a_training_stopped_by_a_signal_goes_on_bit_for_bit() {
    let place = Place::new();
    place.collect("two-room");
    place.run(&training("whole")).ok();
    for (signal, code) in [("INT", 130), ("TERM", 143), ("KILL", 137)] {
        let last = place.path(signal).join("checkpoints/last");
        let cut = place.interrupt(&training(signal), signal, || last.join("state.json").is_file());
        assert_eq!(cut.code, code, "{}", cut.stderr);
        if signal != "KILL" {
            let resume = format!("housecat train data --out {signal} --resume");
            assert!(cut.stderr.contains(&resume), "{}", cut.stderr);
        }
        checkpoints_are_whole(&place.path(signal).join("checkpoints"));
        let on = place.run(&training(signal)).ok();
        assert!(on.stderr.contains("continuing from step"), "{}", on.stderr);
        let [whole, cut] = ["whole", signal].map(|run| place.path(run).join("checkpoints/300"));
        assert_same(&whole, &cut);
        let [whole, cut] =
            ["whole", signal].map(|run| fs::read(place.path(run).join("metrics.jsonl")).unwrap());
        assert!(whole == cut, "{signal}: other metrics");
    }
}

#[test]
fn a_run_killed_in_any_stage_is_finished_by_the_same_command() {
    let place = Place::new();
    let args = |name: &'static str| {
        vec![
            "run",
            "cart-pole",
            "--name",
            name,
            "--json",
            "--set=collect.episodes=20",
            "--set=train.batch=8",
            "--set=train.steps=60",
            "--set=train.checkpoint_every=10",
            "--set=eval.pairs=2",
            "--set=eval.seeds=[0]",
            "--set=planner.samples=16",
            "--set=oracle.samples=16",
        ]
    };
    let whole = place.run(&args("whole")).ok().json();
    let run = place.path("runs/cart-pole/cut");
    let stages: [&dyn Fn() -> bool; 5] = [
        &|| run.join("config.toml").is_file(),
        &|| staged(&run.join("dataset")) >= 3,
        &|| run.join("checkpoints/20/state.json").is_file(),
        &|| run.join("checkpoints/60/state.json").is_file(),
        &|| run.join("eval/moderate.json").is_file(),
    ];
    for ready in stages {
        assert_eq!(place.interrupt(&args("cut"), "KILL", ready).code, 137);
    }
    let cut = place.run(&args("cut")).ok().json();
    assert_eq!(
        crate::support::timeless(cut["eval"].clone()),
        crate::support::timeless(whole["eval"].clone())
    );
    assert!(run.join("provenance.toml").is_file() && run.join("report.html").is_file());
    assert_same(&place.path("runs/cart-pole/whole/dataset"), &run.join("dataset"));
    assert_same(&place.path("runs/cart-pole/whole/checkpoints/60"), &run.join("checkpoints/60"));
}

/// What stands under a final name is complete.
fn checkpoints_are_whole(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        for file in ["model.safetensors", "config.json", "optimizer.safetensors", "state.json"] {
            let size = fs::metadata(entry.path().join(file)).map_or(0, |data| data.len());
            assert!(size > 0, "{}", entry.path().join(file).display());
        }
    }
}
