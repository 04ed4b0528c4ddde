//! `--recipe` and `image`: another method, and another size of the camera's picture, on a sim that stays as it is.

use crate::support::{Place, TINY};
use serde_json::Value;
use std::fs;

/// The recipe `lewm`, small enough for a test.
const SMALL: &[&str] = &[
    "--recipe=lewm",
    "--set=image=32",
    "--set=model.latent_dim=8",
    "--set=model.encoder.patch=8",
    "--set=model.encoder.depth=1",
    "--set=model.encoder.width=12",
    "--set=model.encoder.mlp=16",
    "--set=model.encoder.projector=16",
    "--set=model.predictor.depth=1",
    "--set=model.predictor.heads=2",
    "--set=model.predictor.head_dim=4",
    "--set=model.predictor.mlp=16",
    "--set=train.loss.1.projections=16",
    "--set=train.steps=10",
    "--set=planner.solver.elites=4",
    "--set=eval.pairs=2",
];

/// Width and height of the image in a document.
fn size(image: &Value) -> [Option<u64>; 2] {
    ["width", "height"].map(|key| image[key].as_u64())
}

fn dataset_size(place: &Place, dataset: &str) -> [Option<u64>; 2] {
    let dataset = place.run(&["inspect", dataset, "--json"]).ok().json();
    size(&dataset["features"]["spaces"]["observation"]["images"][0])
}

fn model_size(place: &Place, run: &str) -> [Option<u64>; 2] {
    size(&place.run(&["inspect", run, "--json"]).ok().json()["spec"]["input"]["image"])
}

#[test]
fn a_recipe_replaces_the_method_and_not_the_sim() {
    let place = Place::new();
    let args = [&["run", "two-room", "--json"][..], TINY, SMALL].concat();
    let done = place.run(&args).ok().json();
    for protocol in ["moderate", "strict"] {
        let report = &done["eval"][protocol];
        assert_eq!(report["pairs"], 2);
        assert_eq!(report["success"]["model"]["n"], 2.0);
        assert_eq!(report["planner"]["execute"], 5, "not the recipe's planner");
        assert_eq!(report["quality"]["latent_dim"], 8);
    }
    let run = "runs/two-room/default";
    let spec = place.run(&["inspect", run, "--json"]).ok().json()["spec"].clone();
    assert_eq!(size(&spec["input"]["image"]), [Some(32); 2]);
    assert_eq!(spec["model"]["encoder"]["kind"], "vit");
    assert_eq!(spec["model"]["predictor"]["kind"], "transformer");
    assert_eq!(dataset_size(&place, &format!("{run}/dataset")), [Some(32); 2]);
    let config = fs::read_to_string(place.path(run).join("config.toml")).unwrap();
    assert!(config.contains("image = 32") && config.contains("policy = \"scripted\""), "{config}");

    let again = place.run(&args).ok();
    assert!(!again.stderr.contains("trained 1") || !again.stderr.contains("evaluated"));
    let sim_own = [&["run", "two-room"][..], TINY].concat();
    place.run(&sim_own).fails(1, &["another configuration"]);
}

#[test]
fn a_recipe_may_be_a_file_and_images_any_size() {
    let place = Place::new();
    fs::write(place.path("mine.toml"), "image = 32\n").unwrap();
    place.tiny(&["collect", "two-room", "--out", "data", "--recipe", "mine.toml"]).ok();
    assert_eq!(dataset_size(&place, "data"), [Some(32); 2]);
    let train = |out: &str, more: &[&str]| {
        place.run(&[&["train", "data", "--out", out][..], TINY, more].concat())
    };
    // What is not asked for is as recorded.
    train("model", &[]).ok();
    assert_eq!(model_size(&place, "model"), [Some(32); 2]);
    place.tiny(&["eval", "model"]).ok();
    train("small", SMALL).ok();
    assert_eq!(model_size(&place, "small"), [Some(32); 2]);

    let says = ["data", "32x32", "224x224", "image", "collect anew"];
    train("large", &["--recipe", "pldm"]).fails(1, &says);
    train("large", &["--set=image=48"]).fails(1, &["32x32", "48x48"]);
    assert!(!place.path("large").exists(), "a refused training left a folder");
    // Who acts sees what it has learned to see.
    let own = ["collect", "two-room", "--out", "own", "--policy", "model"];
    place.run(&[&own[..], TINY, &["--set=image=48"]].concat()).fails(1, &["32x32", "48", "acts"]);
    place.tiny(&own).ok();
    assert_eq!(dataset_size(&place, "own"), [Some(32); 2]);
}

#[test]
fn recipes_with_mistakes_are_refused_by_name() {
    let place = Place::new();
    let run = |sim: &str, more: &[&str]| place.run(&[&["run", sim][..], TINY, more].concat());
    run("two-room", &["--recipe", "lewn"]).fails(1, &["lewn", "lewm, pldm, dino-wm"]);
    let small = |more: &[&str]| run("two-room", &[SMALL, more].concat());
    small(&["--set=image=30"]).fails(1, &["model.encoder.patch", "30x30", "`image`"]);
    small(&["--set=image=0"]).fails(1, &["`image` is 0", "at least 1"]);
    small(&["--set=image=wide"]).fails(1, &["image", "wide"]);
    // The weights it names are elsewhere.
    run("two-room", &["--recipe", "dino-wm"]).fails(1, &["dinov2-small.safetensors"]);
    let solver = "--set=planner.solver.elites=4";
    run("cart-pole", &["--recipe", "lewm", solver]).fails(1, &["cart-pole", "reward"]);
    for (text, says) in [
        ("[model", ["mine.toml", "not valid TOML"]),
        ("seed = 3", ["mine.toml", "`seed` is not for this file"]),
        ("[modle]", ["mine.toml", "modle"]),
        ("[planner]\nhorizont = 3", ["mine.toml", "horizont"]),
    ] {
        fs::write(place.path("mine.toml"), text).unwrap();
        run("two-room", &["--recipe", "mine.toml"]).fails(1, &says);
    }
    assert!(!place.path("runs").exists(), "a refused run left a folder");
}
