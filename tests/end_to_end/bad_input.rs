//! Whatever is wrong is named, with its place and the fix; nothing panics and nothing is lost.

use crate::kit::*;
use std::fs;
use std::path::Path;

/// Runs over altered sims.
fn altered_run(sim: &str, file: &str, from: &str, to: &str, args: &[&str]) -> Output {
    let sims = altered(sim, file, from, to);
    let folder = tempfile::tempdir().unwrap();
    run_with_sims(folder.path(), sims.path(), args).exits(1)
}

#[test]
fn usage_errors_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["nonsense"][..],
        &["run"],
        &["collect", "two-room"],
        &["eval", "runs/x", "--protocol", "easy"],
        &["bench", "everything"],
        &["run", "two-room", "--threads", "many"],
        &["run", "two-room", "--seed", "18446744073709551615"],
        &["train", "d", "--out", "r", "--resume", "--init", "c"],
        &["view", "two-room", "--save", "a.rrd", "--connect", "url"],
    ] {
        run(folder.path(), args).exits(2).says(&["error:"]);
    }
    assert!(tree(folder.path()).is_empty());
}

#[test]
fn flags_with_impossible_values_are_refused() {
    let (run_dir, _) = trained("two-room");
    let run_dir = text(&run_dir);
    let folder = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (&["run", "two-rom"], &["two-rom", "two-room", "reacher", "cart-pole"]),
        (&["run", "no/such/folder"], &["no/such/folder"]),
        (&["run", "two-room", "--device", "cuda:0"], &["--device cuda:0", "--device cpu"]),
        (&["collect", "two-room", "--out", "d", "--threads", "0"], &["--threads 0", "at least one"]),
        (&["run", "two-room", "--set", "train.stps=3"], &["train.stps=3", "known are", "steps"]),
        (&["run", "two-room", "--set", "train.steps"], &["train.steps", "key.path=value"]),
        (&["run", "two-room", "--set", "train.steps=many"], &["train.toml", "many"]),
        (&["run", "two-room", "--set", "train.steps=0"], &["steps", "0"]),
        (&["run", "two-room", "--set", "train.batch=0"], &["batch"]),
        (&["run", "two-room", "--set", "eval.pairs=0"], &["eval.pairs"]),
        (&["run", "two-room", "--set", "eval.seeds=[]"], &["eval.seeds"]),
        (&["run", "two-room", "--set", "planner.samples=4"], &["elites"]),
        (&["run", "two-room", "--set", "collect.steps=0"], &["collect.steps", "at least 1"]),
        (&["collect", "two-room", "--episodes", "0", "--out", "d"], &["--episodes", "at least 1"]),
        (&["collect", "two-room", "--policy", "clever", "--out", "d"], &["clever", "scripted"]),
        (&["collect", "reacher", "--policy", "scripted", "--out", "d"], &["scripted", "reacher"]),
        (&["eval", run_dir, "--planner", "magic"], &["magic", "cem", "mppi"]),
        (&["eval", run_dir, "--sim", "reacher"], &["two-room", "reacher"]),
        (&["eval", run_dir, "--pairs", "0", "--out", "e"], &["eval.pairs"]),
        (&["eval", run_dir, "--goal-offset", "1000", "--out", "e"], &["eval.goal_offset"]),
        (&["eval", "nowhere"], &["nowhere", "train"]),
        (&["plan", "nowhere"], &["nowhere"]),
        (&["train", "nowhere", "--out", "r"], &["nowhere", "collect"]),
        (&["train", run_dir, "--out", "r"], &["no dataset"]),
        (&["view", "nowhere", "--save", "a.rrd"], &["nowhere"]),
        (&["view", "two-room", "--save", "a.rrd", "--episodes", "0"], &["--episodes"]),
        (&["inspect", "nowhere"], &["nowhere"]),
        (&["verify", "nowhere"], &["nowhere"]),
        (&["repair", "nowhere"], &["nowhere"]),
        (&["merge", "nowhere", "--out", "m"], &["nowhere"]),
    ];
    for (args, parts) in cases {
        run(folder.path(), args).exits(1).says(parts).says(&["error:"]);
    }
    let mut left = tree(folder.path());
    left.retain(|name, _| name.to_string_lossy().contains("checkpoints"));
    assert!(left.is_empty(), "a refused command left {:?}", left.keys());
}

#[test]
fn mistakes_in_a_sims_files_are_named() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("sim.toml", "control_hz = 10", "control_hz = 10\ncolour = 1", &["sim.toml", "colour"]),
        ("sim.toml", "joint = \"x\"", "joint = \"q\"", &["sim.toml", "`q`", "x"]),
        ("sim.toml", "camera = \"top\"", "camera = \"tap\"", &["tap", "did you mean `top`"]),
        ("sim.toml", "[time]", "[time", &["sim.toml", "line"]),
        ("scene.xml", "</worldbody>", "</wordbody>", &["scene.xml"]),
        ("scene.xml", "<worldbody>", "<worldbody><gem/>", &["scene.xml", "gem"]),
        ("train.toml", "batch = 128", "batch = 128\ncolour = 1", &["train.toml", "colour"]),
        ("train.toml", "[train]", "[train", &["train.toml", "not valid TOML"]),
        ("train.toml", "input = \"pixels\"", "input = \"smell\"", &["train.toml", "smell", "state"]),
        ("train.toml", "input = \"pixels\"", "", &["train.toml", "input"]),
        ("train.toml", "\"next_latent\"", "\"next\"", &["train.toml", "next_latent"]),
    ];
    for (file, from, to, parts) in cases {
        let args = ["collect", "two-room", "--out", "d"];
        altered_run("two-room", file, from, to, &args).says(parts);
    }
    let sims = altered("two-room", "train.toml", "[train]", "[train]");
    fs::remove_file(sims.path().join("two-room/train.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    run_with_sims(folder.path(), sims.path(), &["run", "two-room"])
        .exits(1)
        .says(&["two-room/train.toml", "copy one"]);
    run_with_sims(folder.path(), Path::new("/nowhere"), &["sims"])
        .exits(1)
        .says(&["HOUSECAT_SIMS", "/nowhere"]);
}

/// Spoils one file of a copy and says what a command makes of it.
fn spoil(path: &Path, how: impl Fn(&mut Vec<u8>)) {
    let mut content = bytes(path);
    how(&mut content);
    fs::write(path, content).unwrap();
}

fn truncate(content: &mut Vec<u8>) {
    content.truncate(content.len() / 2);
}

fn scramble(content: &mut Vec<u8>) {
    let middle = content.len() / 2;
    content[middle..].iter_mut().take(64).for_each(|byte| *byte ^= 0x5a);
}

#[test]
fn damaged_datasets_are_reported_and_never_trained_on() {
    for file in ["data/chunk-000/file-000.parquet", "meta/info.json", "meta/housecat.json"] {
        for how in [truncate, scramble] {
            let (folder, copied) = trained_copy("two-room");
            let dataset = copied.join("dataset");
            spoil(&dataset.join(file), how);
            let args = tiny(&["train", text(&dataset), "--out", "r"]);
            let name = file.rsplit('/').next().unwrap();
            run(folder.path(), &args).exits(1).says(&[name]);
            assert!(!folder.path().join("r/checkpoints/last").exists());
            let verdict = run(folder.path(), &["verify", text(&dataset), "--json"]).exits(1);
            assert_eq!(verdict.json()["sound"], false);
        }
    }
}

#[test]
fn damaged_checkpoints_are_reported() {
    let nan = |content: &mut Vec<u8>| {
        let end = content.len();
        content[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    };
    let empty = |content: &mut Vec<u8>| content.clear();
    let code = |content: &mut Vec<u8>| *content = b"{\"format\": 1, \"code\": \"os.system\"}".to_vec();
    let hows: [(&str, &dyn Fn(&mut Vec<u8>)); 7] = [
        ("model.safetensors", &truncate),
        ("model.safetensors", &nan),
        ("model.safetensors", &empty),
        ("config.json", &truncate),
        ("config.json", &scramble),
        ("config.json", &empty),
        ("config.json", &code),
    ];
    for (file, how) in hows {
        let (folder, copied) = trained_copy("two-room");
        spoil(&copied.join("checkpoints/20").join(file), how);
        for command in ["eval", "plan", "inspect"] {
            run(folder.path(), &[command, text(&copied)]).exits(1).says(&[file, "train again"]);
        }
    }
    for file in ["optimizer.safetensors", "state.json"] {
        let (folder, copied) = trained_copy("two-room");
        spoil(&copied.join("checkpoints/20").join(file), truncate);
        let dataset = copied.join("dataset");
        let args = tiny(&["train", text(&dataset), "--out", text(&copied), "--resume"]);
        run(folder.path(), &args).exits(1).says(&[file]);
    }
}

#[test]
fn a_run_is_not_mixed_with_another() {
    let (folder, copied) = trained_copy("two-room");
    let before = tree(&copied);
    let dataset = copied.join("dataset");
    let (data, out) = (text(&dataset), text(&copied));
    run(folder.path(), &tiny(&["train", data, "--out", out])).exits(1).says(&["--resume"]);
    run(folder.path(), &tiny(&["train", data, "--out", out, "--resume", "--seed", "3"]))
        .exits(1)
        .says(&["another configuration", "another name"]);
    run(folder.path(), &tiny(&["collect", "two-room", "--out", data]))
        .exits(1)
        .says(&["already holds a finished dataset"]);
    run(folder.path(), &tiny(&["collect", "two-room", "--out", out])).exits(1).says(&["no dataset"]);
    assert!(before == tree(&copied), "a refused command changed the run");

    // The other sim's checkpoint under this run's configuration.
    let other = trained("reacher").0.join("checkpoints/20");
    fs::remove_dir_all(copied.join("checkpoints/20")).unwrap();
    copy(&other, &copied.join("checkpoints/20"));
    run(folder.path(), &["eval", out]).exits(1).says(&["reacher", "two-room"]);
    let args = tiny(&["train", data, "--out", "r", "--init", text(&other)]);
    run(folder.path(), &args).exits(1);
}

#[test]
fn unwritable_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let (run_dir, _) = trained("two-room");
    let dataset = run_dir.join("dataset");
    for args in [
        &["run", "two-room", "--out", "file/runs"][..],
        &["collect", "two-room", "--out", "file/d"],
        &["train", text(&dataset), "--out", "file/r"],
        &["eval", text(&run_dir), "--out", "file/e"],
        &["view", "two-room", "--save", "file/a.rrd"],
        &["merge", text(&dataset), "--out", "file/m"],
    ] {
        run(folder.path(), &tiny(args)).exits(1).says(&["file/"]);
    }
}

#[test]
fn a_world_that_explodes_is_quarantined_and_reported() {
    let sims = altered("two-room", "scene.xml", "ctrlrange=\"-1.05 1.05\"", "ctrlrange=\"-1e38 1e38\"");
    let scene = sims.path().join("two-room/scene.xml");
    let all = fs::read_to_string(&scene).unwrap().replace("-1.05 1.05", "-1e38 1e38");
    fs::write(&scene, all).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let args = ["collect", "two-room", "--episodes", "2", "--policy", "random", "--out", "d"];
    run_with_sims(folder.path(), sims.path(), &args)
        .exits(1)
        .says(&["quarantined episode", "not finite", "exploded 20 times"]);
    assert!(!folder.path().join("d/meta/info.json").exists());
}

#[test]
fn a_loss_that_is_not_a_number_stops_training_with_advice() {
    let (run_dir, _) = trained("two-room");
    let dataset = run_dir.join("dataset");
    let folder = tempfile::tempdir().unwrap();
    let args = ["train", text(&dataset), "--out", "r", "--set=train.optimizer.learning_rate=1e30"];
    let mut args = tiny(&args);
    args.push("--set=train.steps=200");
    run(folder.path(), &args).exits(1).says(&["skipped", "learning_rate", "checkpoint"]);
}
