//! Bad input: an error that names the place and the fix, exit code 1, no panic, nothing lost.

use crate::support::{Place, TINY, assert_same, copy_folder, tree};
use std::fs;

const DATA: &str = "data/data/chunk-000/file-000.parquet";

#[test]
fn unknown_names_are_met_with_the_known_ones() {
    let place = Place::new();
    place.run(&["run", "two_room"]).fails(1, &["two_room", "two-room", "reacher", "did you mean"]);
    place.run(&["run", "./nowhere"]).fails(1, &["nowhere", "sim.toml"]);
    let set = |value: &str| place.run(&["run", "two-room", "--set", value]);
    set("train.stepz=3").fails(1, &["train.toml", "stepz", "expected one of", "`steps`"]);
    set("trian.steps=3").fails(1, &["trian.steps=3", "known are", "train"]);
    set("train.steps").fails(1, &["key.path=value"]);
    set("train.steps=many").fails(1, &["train.toml", "steps", "many"]);
    set("train.steps=0").fails(1, &["train.steps", "at least one"]);
    set("train.batch=1").fails(1, &["train.batch", "at least 4"]);
    set("eval.seeds=[]").fails(1, &["eval.seeds"]);
    set("collect.mix.0.policy=wild").fails(1, &["wild", "scripted"]);
    set("planner.solver.kind=magic").fails(1, &["magic", "cem"]);
    set("model.encoder.kind=mlp").fails(1, &["train.toml", "keypoints", "hidden"]);
    set("model.encoder={kind='mlp', hidden=8}")
        .fails(1, &["model.encoder.kind", "mlp", "keypoint"]);
    let collect = ["collect", "two-room", "--out", "data", "--policy", "wild"];
    place.run(&collect).fails(1, &["wild", "scripted", "oracle"]);
    let collect = ["collect", "reacher", "--out", "data", "--policy", "scripted"];
    place.run(&collect).fails(1, &["no [scripted] policy", "random"]);
    let collect = ["collect", "reacher", "--out", "data", "--episodes", "0"];
    place.run(&collect).fails(1, &["--episodes", "at least 1"]);
    let run = |flag: &str, value: &str| place.run(&["run", "two-room", flag, value]);
    run("--device", "cuda:0").fails(1, &["--device cuda:0", "--device cpu"]);
    run("--threads", "0").fails(1, &["--threads 0", "at least one"]);
    run("--seed", "18446744073709551615").fails(1, &["--seed", "9223372036854775807"]);
    assert!(!place.path("data").exists(), "a refused collection left a folder");
    // No refused run may stand in the way of the right one.
    place.tiny(&["run", "two-room"]).ok();
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let place = Place::new();
    place.collect("cart-pole");
    fs::write(place.path("file"), "not a folder").unwrap();
    place.tiny(&["collect", "cart-pole", "--out", "file/data"]).fails(1, &["file/data"]);
    place.tiny(&["run", "cart-pole", "--out", "file"]).fails(1, &["file/cart-pole"]);
    place.tiny(&["train", "data", "--out", "file/model"]).fails(1, &["file/model"]);
    place.run(&["view", "cart-pole", "--save", "file/look.rrd"]).fails(1, &["file/look.rrd"]);
    place.run(&["merge", "data", "data", "--out", "file/both"]).fails(1, &["file/both"]);
    place.run(&["collect", "cart-pole", "--out", "/proc/nothing"]).fails(1, &["/proc/nothing"]);
    fs::create_dir(place.path("full")).unwrap();
    fs::write(place.path("full/thesis.txt"), "precious").unwrap();
    place.run(&["collect", "cart-pole", "--out", "full"]).fails(1, &["full", "thesis.txt"]);
    assert_eq!(fs::read_to_string(place.path("full/thesis.txt")).unwrap(), "precious");
}

#[test]
fn what_is_finished_is_not_overwritten() {
    let place = Place::new();
    place.tiny(&["run", "cart-pole"]).ok();
    let before = tree(&place.path("runs"));
    let args = ["run", "cart-pole", "--set", "train.steps=21"];
    place.run(&args).fails(1, &["runs/cart-pole/default", "another configuration", "name"]);
    place.tiny(&["run", "cart-pole", "--seed", "5"]).fails(1, &["another configuration"]);
    let dataset = "runs/cart-pole/default/dataset";
    place.tiny(&["collect", "cart-pole", "--out", dataset]).fails(1, &["already holds a finished"]);
    let train = ["train", dataset, "--out", "runs/cart-pole/default"];
    place.tiny(&train).fails(1, &["already holds a trained model", "--resume"]);
    place.run(&["merge", dataset, "--out", dataset]).fails(1, &[dataset]);
    assert!(before == tree(&place.path("runs")), "something was overwritten");
}

#[test]
fn sims_with_mistakes_are_refused_by_file_and_field() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("sim.toml", "[time]", "[tiem]", &["sim.toml", "tiem"]),
        ("sim.toml", "control_hz = 10", "control_hz = 10\nspeed = 3", &["sim.toml", "speed"]),
        ("sim.toml", "control_hz = 10", "control_hz = 0", &["sim.toml", "control_hz"]),
        ("sim.toml", "[time]", "[time", &["sim.toml", "line"]),
        ("sim.toml", "joint = \"x\"", "joint = \"xx\"", &["sim.toml", "joint `xx`", "known: x, y"]),
        ("sim.toml", "camera = \"top\"", "camera = \"tip\"", &["sim.toml", "camera `tip`", "top"]),
        ("train.toml", "steps = 700", "steps = 700\npace = 2", &["train.toml", "pace"]),
        ("train.toml", "[collect]", "[collect", &["train.toml", "TOML"]),
        ("train.toml", "kind = \"sigreg\"", "kind = \"sigregg\"", &["train.toml", "sigregg"]),
        ("scene.xml", "</mujoco>", "</mujoko>", &["scene.xml", "XML"]),
        (
            "scene.xml",
            "<worldbody>",
            "<worldbody><geom type='blob' size='1'/>",
            &["scene.xml", "blob"],
        ),
        ("scene.xml", "<worldbody>", "<worldbody><geom size='nan'/>", &["scene.xml"]),
        (
            "scene.xml",
            "<actuator>",
            "<tendon><spatial/></tendon><actuator>",
            &["scene.xml", "<spatial>"],
        ),
        ("scene.xml", "joint=\"x\"", "joint=\"nowhere\"", &["scene.xml", "nowhere"]),
    ];
    for (file, old, new, says) in cases {
        let place = Place::with_own_sims();
        place.edit(&format!("sims/two-room/{file}"), old, new);
        place.tiny(&["run", "two-room"]).fails(1, says);
        assert!(!place.path("runs").exists(), "a refused run left a folder");
    }
    let place = Place::with_own_sims();
    place.truncate("sims/two-room/scene.xml");
    place.tiny(&["run", "two-room"]).fails(1, &["scene.xml", "XML"]);
    place.run(&["doctor"]).fails(1, &["checks failed"]);
    fs::remove_file(place.path("sims/two-room/scene.xml")).unwrap();
    place.tiny(&["run", "two-room"]).fails(1, &["scene.xml"]);
    fs::remove_file(place.path("sims/reacher/train.toml")).unwrap();
    place.tiny(&["run", "reacher"]).fails(1, &["train.toml", "copy one"]);
}

#[test]
fn damaged_datasets_are_refused_and_salvaged() {
    let place = Place::new();
    place.collect("two-room");
    let fresh = place.path("fresh");
    copy_folder(&place.path("data"), &fresh);
    let restore = || {
        fs::remove_dir_all(place.path("data")).unwrap();
        copy_folder(&fresh, &place.path("data"));
    };
    let train = || place.tiny(&["train", "data", "--out", "model"]);
    let verify = || place.run(&["verify", "data"]);

    place.truncate(DATA);
    train().fails(1, &["file-000.parquet", "repair"]);
    verify().fails(1, &["problem", "repair"]);
    restore();
    fs::write(place.path(DATA), "no parquet at all").unwrap();
    train().fails(1, &["file-000.parquet", "repair"]);
    verify().fails(1, &["problem"]);
    restore();
    fs::remove_file(place.path(DATA)).unwrap();
    train().fails(1, &["file-000.parquet"]);
    verify().fails(1, &["problem"]);
    restore();
    // Damage in the middle, past every header.
    let mut bytes = fs::read(place.path(DATA)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::write(place.path(DATA), bytes).unwrap();
    train().fails(1, &["file-000.parquet"]);
    verify().fails(1, &["problem"]);
    place.run(&["repair", "data"]).ok();
    let left = place.run(&["verify", "data", "--json"]).ok().json()["report"]["episodes"].as_u64();
    assert!((1..8).contains(&left.unwrap()), "{left:?}");
    restore();
    for file in ["data/meta/info.json", "data/meta/housecat.json"] {
        place.truncate(file);
        train().fails(1, &[file.rsplit('/').next().unwrap()]);
        verify().fails(1, &["problem"]);
        place.run(&["repair", "data"]).ok();
        assert_same(&fresh, &place.path("data"));
    }
    place.truncate("data/meta/episodes/chunk-000/file-000.parquet");
    train().fails(1, &["meta/episodes"]);
    place.run(&["repair", "data"]).ok();
    assert_same(&fresh, &place.path("data"));
    // Nothing of a failed training stands in the way of the right one.
    train().ok();
    place.run(&["train", "nowhere", "--out", "x"]).fails(1, &["no dataset at nowhere"]);
    place.run(&["inspect", "nowhere"]).fails(1, &["nowhere"]);
    place.run(&["verify", "nowhere"]).fails(1, &["nowhere"]);
}

#[test]
fn damaged_checkpoints_are_refused() {
    let place = Place::new();
    place.train("cart-pole");
    let fresh = place.path("fresh");
    copy_folder(&place.path("model"), &fresh);
    let restore = || {
        fs::remove_dir_all(place.path("model")).unwrap();
        copy_folder(&fresh, &place.path("model"));
    };
    let eval = || place.run(&["eval", "model", "--pairs", "1"]);
    for file in ["model.safetensors", "config.json"] {
        let path = format!("model/checkpoints/last/{file}");
        place.truncate(&path);
        eval().fails(1, &[file, "not a usable checkpoint"]);
        place.run(&["inspect", "model"]).fails(1, &[file]);
        fs::write(place.path(&path), [0xff; 4096]).unwrap();
        eval().fails(1, &[file, "not a usable checkpoint"]);
        restore();
    }
    place.edit("model/checkpoints/last/config.json", "\"format\": 1", "\"format\": 9");
    eval().fails(1, &["config.json", "format 9"]);
    restore();
    place.edit("model/checkpoints/last/config.json", "\"latent_dim\": 16", "\"latent_dim\": 17");
    eval().fails(1, &["model.safetensors", "wanted"]);
    restore();
    place.edit("model/config.toml", "[collect]", "[collect");
    eval().fails(1, &["config.toml", "TOML"]);
    restore();
    let train = ["train", "data", "--out", "model", "--resume"];
    for file in ["optimizer.safetensors", "state.json"] {
        place.truncate(&format!("model/checkpoints/last/{file}"));
        place.tiny(&train).fails(1, &[file, "not a usable checkpoint"]);
        restore();
    }
    place.run(&["eval", "nowhere"]).fails(1, &["nowhere", "no trained model", "train"]);
    place.run(&["eval", "model", "--planner", "magic"]).fails(1, &["magic", "cem", "mppi"]);
    place.run(&["eval", "model", "--pairs", "0"]).fails(1, &["eval.pairs"]);
}

#[test]
fn a_model_or_dataset_of_another_world_is_refused() {
    let place = Place::with_own_sims();
    place.train("two-room");
    place.run(&["eval", "model", "--sim", "reacher"]).fails(1, &["two-room", "reacher"]);
    let collect = ["collect", "reacher", "--out", "own", "--policy", "model"];
    place.run(&collect).fails(1, &["two-room", "reacher"]);
    place.tiny(&["collect", "reacher", "--out", "arm"]).ok();
    place.run(&["merge", "data", "arm", "--out", "both"]).fails(1, &["sim", "two-room", "reacher"]);
    assert!(!place.path("both/meta").exists());
    // A run that finds another sim's dataset in its folder.
    copy_folder(&place.path("arm"), &place.path("runs/two-room/default/dataset"));
    place.tiny(&["run", "two-room"]).fails(1, &["dataset", "reacher", "two-room"]);
    let init = ["train", "arm", "--out", "other", "--init", "model/checkpoints/last"];
    place.tiny(&init).fails(1, &["checkpoint"]);
    // A world whose actuators have other names since.
    for file in ["scene.xml", "sim.toml"] {
        place.edit(&format!("sims/two-room/{file}"), "drive_x", "push_x");
    }
    place.tiny(&["eval", "model"]).fails(1, &["drive_x", "push_x", "changed"]);
    place.tiny(&["train", "data", "--out", "again"]).fails(1, &["data", "drive_x", "push_x"]);
}

#[test]
fn a_world_that_explodes_is_quarantined_and_reported() {
    let place = Place::with_own_sims();
    let scene = "sims/two-room/scene.xml";
    place.edit(scene, "ctrlrange=\"-1.05 1.05\"", "ctrlrange=\"-1e38 1e38\"");
    let collect = ["collect", "two-room", "--out", "data", "--policy", "random"];
    let output = place.tiny(&collect).fails(1, &["exploded", "not finite", "quarantined", "joint"]);
    assert!(output.stderr.contains("data"), "{}", output.stderr);
    assert!(!place.path("data/meta").exists(), "it was sealed");
}

#[test]
fn a_loss_that_is_not_a_number_stops_training_with_a_way_out() {
    let place = Place::new();
    place.collect("cart-pole");
    let args = [&["train", "data", "--out", "model"][..], TINY, &["--set=train.steps=400"]];
    let args = [&args.concat()[..], &["--set=train.optimizer.learning_rate=1e30"]].concat();
    place.run(&args).fails(1, &["skipped", "loss became", "learning_rate"]);
    place.run(&args[..args.len() - 1]).fails(1, &["another configuration"]);
}

#[test]
fn a_sim_that_is_gone_is_named_with_those_there_are() {
    let place = Place::with_own_sims();
    place.train("cart-pole");
    fs::remove_dir_all(place.path("sims/cart-pole")).unwrap();
    let says = ["cart-pole", "there are", "two-room", "HOUSECAT_SIMS"];
    place.tiny(&["train", "data", "--out", "again"]).fails(1, &says);
    assert!(!place.path("again").exists(), "a refused training left a folder");
    place.tiny(&["eval", "model"]).fails(1, &says);
}
