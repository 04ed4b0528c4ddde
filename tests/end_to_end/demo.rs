//! The demo, on the model that comes with the source.

use crate::support::Place;

#[test]
fn the_demo_beats_its_floors() {
    let place = Place::new();
    let output = place.run(&["demo", "--pairs=6", "--json"]).ok();
    assert_eq!(output.stderr.matches("problem ").count(), 6, "{}", output.stderr);
    let document = output.json();
    let rate = |arm: &str| document["moderate"]["success"][arm]["rate"].as_f64().unwrap();
    assert!(rate("model") >= 0.5, "{document}");
    assert!(rate("model") > rate("random") && rate("model") > rate("still"), "{document}");
    let again = place.run(&["demo", "--pairs=6", "--json", "--threads=1"]).ok().json();
    for protocol in ["moderate", "strict"] {
        let success = |of: &serde_json::Value| of[protocol]["success"].clone();
        assert_eq!(success(&document), success(&again), "threads change nothing");
    }
}

#[test]
fn the_demo_wants_a_problem() {
    Place::new().run(&["demo", "--pairs=0"]).fails(1, &["`eval.pairs` = 0", "at least one pair"]);
}
