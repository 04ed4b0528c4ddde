//! Every sim in `sims/`: it can be shown, watched, measured, and solved by the planner on the truth.

use crate::support::{Place, sim_names};

#[test]
fn every_sim_can_be_shown_and_measured() {
    let place = Place::new();
    let list = place.run(&["sims"]).ok().stdout;
    for sim in sim_names() {
        assert!(list.contains(&sim), "{list}");
        let shown = place.run(&["sims", &sim]).ok().stdout;
        for word in ["task", "actions", "state", "cameras", "control_hz"] {
            assert!(shown.contains(word), "{shown}");
        }
        place.run(&["view", &sim, "--save", "look.rrd", "--episodes", "1"]).ok();
        assert!(std::fs::metadata(place.path("look.rrd")).unwrap().len() > 10_000);
        let table = place.run(&["bench", "collect", &sim, "--seconds", "0.1"]).ok().stdout;
        assert!(table.contains("frames/s"), "{table}");
        let table = place.run(&["bench", "plan", &sim, "--seconds", "0.1"]).ok().stdout;
        assert!(table.contains("plan on the simulator"), "{table}");
    }
}

#[test]
fn the_oracle_solves_every_sim() {
    for sim in sim_names() {
        let place = Place::new();
        // A tiny model, but the planner on the truth is that of the sim's own recipe.
        let sizes = [
            "--set=train.steps=4",
            "--set=train.batch=8",
            "--set=planner.samples=16",
            "--set=planner.iterations=1",
            "--set=planner.warm_iterations=1",
        ];
        place.run(&["collect", &sim, "--episodes", "4", "--out", "data"]).ok();
        place.run(&[&["train", "data", "--out", "model"][..], &sizes].concat()).ok();
        let args =
            ["eval", "model", "--pairs", "4", "--seeds", "0", "--protocol", "moderate", "--json"];
        let report = place.run(&args).ok().json();
        let rate = |arm: &str| report["success"][arm]["rate"].as_f64().unwrap();
        // A walker that stops in mid-stride may drift to its goal.
        let most = if sim == "quadruped" { 0.25 } else { 0.0 };
        assert!(rate("oracle") == 1.0, "{sim}: {:#}", report["success"]);
        assert!(rate("still") <= most, "{sim}: {:#}", report["success"]);
    }
}
