//! `housecat report`: the page of one run, and of several.

use crate::support::{Place, copy_folder};
use std::fs;

#[test]
fn the_page_of_a_run_is_made_again_as_it_was() {
    let place = Place::new();
    for sim in ["two-room", "cart-pole"] {
        let run = format!("runs/{sim}/default");
        place.tiny(&["run", sim]).ok();
        let path = place.path(&format!("{run}/report.html"));
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.contains("How long it took") && page.contains("housecat run"), "{page}");
        fs::remove_file(&path).unwrap();
        let made = place.run(&["report", &run, "--json"]).ok().json();
        assert_eq!(made["report"], format!("{run}/report.html"));
        assert!(fs::read_to_string(&path).unwrap() == page, "{sim}: the page differs");
    }
}

#[test]
fn a_page_follows_the_last_evaluation() {
    let place = Place::new();
    place.train("two-room");
    place
        .run(&["report", "model"])
        .fails(1, &["model", "not been evaluated", "housecat eval model"]);
    assert!(!place.path("model/report.html").exists());
    let eval =
        ["eval", "model", "--pairs", "4", "--planner", "mppi", "--vary", "light.intensity=0.4..1"];
    let text = place.run(&eval).ok().stdout;
    assert!(text.contains("housecat report model"), "{text}");
    place.run(&["report", "model", "--out", "page.html"]).ok();
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    for part in ["Variation", "light.intensity", "0.400..0.600", "mppi", " / 4"] {
        assert!(page.contains(part), "{part}");
    }
    fs::write(place.path("model/eval/strict.json"), "{").unwrap();
    place.run(&["report", "model"]).fails(1, &["strict.json", "evaluate the run again"]);
}

#[test]
fn runs_stand_side_by_side_if_their_success_can_be_compared() {
    let place = Place::new();
    place.train("two-room");
    place.run(&["eval", "model"]).ok();
    copy_folder(&place.path("model"), &place.path("other"));
    place.edit("other/config.toml", "batch = 8", "batch = 9");
    let made = place.run(&["report", "model", "other", "--json"]).ok().json();
    assert_eq!(made["differences"], serde_json::json!({ "train.batch": ["8", "9"] }));
    assert_eq!(made["runs"][1]["name"], "other");
    // Configured otherwise than evaluated: what was evaluated counts.
    place.edit("other/config.toml", "pairs = 3", "pairs = 7");
    let made = place.run(&["report", "model", "other", "--json"]).ok().json();
    assert_eq!(made["differences"], serde_json::json!({ "train.batch": ["8", "9"] }));
    assert_eq!(made["runs"][0]["eval"]["strict"]["pairs"], 3);
    let page = fs::read_to_string(place.path("comparison.html")).unwrap();
    for part in ["model", "other", "train.batch", "straightness", "moderate", "strict", "minutes"] {
        assert!(page.contains(part), "{part}");
    }
    fs::remove_file(place.path("comparison.html")).unwrap();

    let refused = |says: &[&str]| {
        place.run(&["report", "model", "other"]).fails(1, says);
        assert!(!place.path("comparison.html").exists());
    };
    let eval = |args: &[&str]| place.run(&[&["eval", "other"][..], args].concat()).ok();
    eval(&["--goal-offset", "10"]);
    refused(&["model", "other", "goal_offset", "25 and 10"]);
    eval(&["--vary", "light.intensity"]);
    refused(&["varied", "light.intensity"]);
    eval(&[]);
    for protocol in ["moderate", "strict"] {
        let path = place.path(&format!("other/eval/{protocol}.json"));
        let mut report: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let median = report["pair_difficulty"][0]["median"].as_f64().unwrap();
        report["pair_difficulty"][0]["median"] = (1.2 * median).into();
        fs::write(path, report.to_string()).unwrap();
    }
    refused(&["not as hard", "pair_difficulty", "position"]);

    place.tiny(&["collect", "cart-pole", "--out", "cart"]).ok();
    place.tiny(&["train", "cart", "--out", "cart-pole"]).ok();
    place.run(&["eval", "cart-pole", "--pairs", "1"]).ok();
    place
        .run(&["report", "model", "cart-pole"])
        .fails(1, &["`two-room`", "`cart-pole`", "same sim"]);
}
