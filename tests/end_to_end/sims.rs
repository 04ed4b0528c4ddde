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

/// Sims on which the planner on the truth has never failed, in hundreds of problems.
const SOLVED: [&str; 3] = ["two-room", "reacher", "cart-pole"];

#[test]
fn every_sim_is_judged_and_the_oracle_solves_the_easy_ones() {
    for sim in sim_names() {
        let place = Place::new();
        let solved = SOLVED.contains(&sim.as_str());
        // A tiny model; on the easy sims the planner on the truth is that of the sim's own recipe.
        let mut sizes = vec![
            "--set=train.steps=4",
            "--set=train.batch=8",
            "--set=planner.samples=16",
            "--set=planner.iterations=1",
            "--set=planner.warm_iterations=1",
        ];
        if !solved {
            sizes.extend([
                "--set=oracle.samples=16",
                "--set=oracle.iterations=1",
                "--set=oracle.warm_iterations=1",
            ]);
        }
        place.run(&["collect", &sim, "--episodes", "4", "--out", "data"]).ok();
        place.run(&[&["train", "data", "--out", "model"][..], &sizes].concat()).ok();
        let pairs = if solved { "4" } else { "1" };
        let args =
            ["eval", "model", "--pairs", pairs, "--seeds", "0", "--protocol", "moderate", "--json"];
        let report = place.run(&args).ok().json();
        if solved {
            assert_eq!(report["success"]["oracle"]["rate"], 1.0, "{sim}: {:#}", report["success"]);
            assert_eq!(report["success"]["still"]["rate"], 0.0, "{sim}: {:#}", report["success"]);
        }
        for arm in ["model", "random", "still", "oracle"] {
            assert_eq!(report["success"][arm]["n"], report["success"]["model"]["n"], "{sim} {arm}");
        }
    }
}
