//! Watching: every stage can be recorded while it runs, and the viewer is checked.

use crate::support::{Place, assert_same};

fn is_recording(place: &Place, name: &str) -> bool {
    std::fs::read(place.path(name)).is_ok_and(|bytes| bytes.starts_with(b"RRF"))
}

#[test]
fn every_stage_can_be_watched_and_does_the_same() {
    let place = Place::new();
    let watched = |args: &[&str], file: &str| {
        let view = format!("--view={file}");
        let output = place.tiny(&[args, &[&view, "--json"]].concat()).ok();
        output.json();
        assert!(output.stderr.contains("--view: "), "{}", output.stderr);
        assert!(is_recording(&place, file), "{file}");
        output
    };
    watched(&["collect", "two-room", "--out", "data"], "collect.rrd");
    place.tiny(&["collect", "two-room", "--out", "unwatched"]).ok();
    assert_same(&place.path("data"), &place.path("unwatched"));
    watched(&["train", "data", "--out", "model"], "train.rrd");
    watched(&["eval", "model"], "eval.rrd");
    watched(&["run", "two-room"], "run.rrd");
    place.run(&["demo", "--pairs=1", "--view=demo.rrd"]).ok();
    assert!(is_recording(&place, "demo.rrd"));
    // A plan is made first and shown then.
    place.run(&["plan", "model", "--view=plan.rrd"]).ok();
    assert!(is_recording(&place, "plan.rrd"));
    place.run(&["view", "model", "--training", "--save", "curves.rrd"]).ok();
    assert!(is_recording(&place, "curves.rrd"));
}

#[test]
fn what_cannot_show_anything_is_refused() {
    let place = Place::new();
    let collect = |flags: &[&str]| {
        place.tiny(&[&["collect", "two-room", "--out", "data"][..], flags].concat())
    };
    let usage = collect(&["--view=somewhere"]);
    assert_eq!(usage.code, 2, "{}", usage.stderr);
    assert!(usage.stderr.contains("connect:HOST:PORT"), "{}", usage.stderr);
    collect(&["--view=look.rrd", "--view-hz=0"]).fails(1, &["--view-hz 0", "above 0"]);
    collect(&["--view=nowhere/at/all.rrd"]).fails(1, &["nowhere/at/all.rrd"]);
    collect(&["--view=connect:not an address"]).fails(1, &["viewer", "save a recording"]);
    assert!(!place.path("data").exists(), "a refused collection left a folder");
    collect(&[]).ok();
    place.run(&["view", "data", "--training", "--save", "a.rrd"]).fails(1, &["--training", "data"]);
}

/// A viewer that vanishes takes nothing with it.
#[test]
fn work_does_not_fail_with_its_viewer() {
    let place = Place::new();
    // Nothing listens there.
    let args = ["collect", "two-room", "--out", "data", "--view=connect:127.0.0.1:9"];
    let output = place.tiny(&args).ok();
    assert!(output.stderr.contains("--view: the rerun viewer did not take"), "{}", output.stderr);
    place.run(&["verify", "data"]).ok();
}

#[test]
fn the_doctor_compares_the_viewer_with_ours() {
    let place = Place::new();
    let doctor = |version: Option<&str>| {
        let bin = place.path("bin");
        std::fs::create_dir_all(&bin).unwrap();
        if let Some(version) = version {
            place.program("bin/rerun", &format!("echo 'rerun-cli {version} [rustc 1.95.0]'"));
        }
        let output = place.run_with(&["doctor", "--json"], &[("PATH", &bin)]).ok();
        let checks = output.json()["checks"].clone();
        let viewer = checks.as_array().unwrap().iter().find(|check| check["what"] == "viewer");
        viewer.unwrap().clone()
    };
    let missing = doctor(None);
    let detail = missing["detail"].as_str().unwrap();
    let (_, ours) = detail.split_once("pip install rerun-sdk==").unwrap();
    assert_eq!(missing["state"], "missing");
    assert!(detail.contains("not installed"), "{detail}");

    let other = doctor(Some("0.1.2"));
    assert_eq!(other["state"], "missing");
    let detail = other["detail"].as_str().unwrap();
    for part in ["rerun 0.1.2", ours, &format!("pip install rerun-sdk=={ours}")] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert_eq!(doctor(Some(ours))["state"], "ok");
    // And it is not started either.
    place.program("bin/rerun", "echo 'rerun-cli 0.1.2 [rustc 1.95.0]'");
    let view = ["view", "two-room", "--serve"];
    place.run_with(&view, &[("PATH", &place.path("bin"))]).fails(1, &["0.1.2", ours]);
}
