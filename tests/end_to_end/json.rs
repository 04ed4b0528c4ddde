//! `--json`: stdout is exactly one JSON document, whatever the command.

use crate::support::Place;

#[test]
fn every_command_prints_one_document() {
    let place = Place::new();
    let sim = "cart-pole";
    let collected = place.tiny(&["collect", sim, "--out", "data", "--json"]).ok().json();
    assert_eq!(collected["episodes"], 8);
    assert_eq!(collected["sim"], sim);
    place.tiny(&["collect", sim, "--out", "more", "--seed", "1", "--policy", "random"]).ok();
    let trained = place.tiny(&["train", "data", "--out", "model", "--json"]).ok().json();
    assert_eq!(trained["steps"], 20);
    assert!(trained["loss"].is_f64() && trained["parameters"].is_u64());

    let evaluated = place.run(&["eval", "model", "--pairs", "2", "--json"]).ok().json();
    assert_eq!(evaluated["moderate"]["pairs"], 2);
    assert_eq!(evaluated["strict"]["protocol"], "strict");
    let args =
        ["eval", "model", "--pairs", "1", "--protocol", "strict", "--planner", "mppi", "--json"];
    let one = place.run(&args).ok().json();
    assert_eq!(one["protocol"], "strict");
    assert_eq!(one["planner"]["solver"]["kind"], "mppi");

    let plan = place.run(&["plan", "model", "--json"]).ok().json();
    let elites = plan["elite_costs"].as_array().unwrap().len();
    assert!(elites > 1 && plan["simulated_costs"].as_array().unwrap().len() == elites);
    assert!(plan["plan_ms"].as_f64().unwrap() > 0.0);

    for what in ["physics", "render", "collect", "train", "plan"] {
        let rows = place.run(&["bench", what, sim, "--seconds", "0.1", "--json"]).ok().json();
        let row = &rows[0];
        let [min, median, max] = ["min", "median", "max"].map(|key| row[key].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{row}");
    }

    let sims = place.run(&["sims", "--json"]).ok().json();
    assert!(sims.as_array().unwrap().iter().any(|row| row["sim"] == sim));
    assert_eq!(place.run(&["sims", sim, "--json"]).ok().json()["sim"], sim);

    let dataset = place.run(&["inspect", "data", "--json"]).ok().json();
    assert_eq!(dataset["episodes"], 8);
    assert_eq!(dataset["features"]["sim"], sim);
    let model = place.run(&["inspect", "model", "--json"]).ok().json();
    assert_eq!(model["spec"]["sim"], sim);

    assert_eq!(place.run(&["verify", "data", "--json"]).ok().json()["sound"], true);
    let repaired = place.run(&["repair", "data", "--json"]).ok().json();
    assert_eq!(repaired["report"]["actions"], serde_json::json!([]));
    let merged = place.run(&["merge", "data", "more", "--out", "both", "--json"]).ok().json();
    assert_eq!(merged["episodes"], 16);
    assert_eq!(place.run(&["verify", "both", "--json"]).ok().json()["sound"], true);

    for thing in [sim, "data", "model"] {
        let args = ["view", thing, "--save", "look.rrd", "--episodes", "1", "--json"];
        assert_eq!(place.run(&args).ok().json()["thing"], thing);
        assert!(std::fs::read(place.path("look.rrd")).unwrap().starts_with(b"RRF"));
        std::fs::remove_file(place.path("look.rrd")).unwrap();
    }
    let doctor = place.run(&["doctor", "--json"]).ok().json();
    assert!(doctor["checks"].as_array().unwrap().iter().all(|check| check["state"] != "failed"));
}

#[test]
fn a_model_collects_its_own_experience() {
    let place = Place::new();
    place.train("two-room");
    let args = [
        "collect",
        "two-room",
        "--out",
        "own",
        "--policy",
        "model",
        "--episodes",
        "2",
        "--steps",
        "10",
    ];
    assert!(place.run(&[&args[..], &["--json"]].concat()).ok().json()["episodes"] == 2);
    let args = ["train", "data", "--out", "second", "--init", "model/checkpoints/last"];
    place.tiny(&args).ok();
    let args = [
        "collect",
        "reacher",
        "--out",
        "oracles",
        "--policy",
        "oracle",
        "--episodes",
        "2",
        "--steps",
        "10",
    ];
    place.tiny(&args).ok();
}

#[test]
fn quiet_is_quiet() {
    let place = Place::new();
    let output = place.tiny(&["collect", "two-room", "--out", "data", "-q"]).ok();
    assert_eq!(output.stderr, "");
    assert!(output.stdout.contains("8 episodes"));
}
