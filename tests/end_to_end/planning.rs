//! Planners compared, hurried, constrained and explained.

use crate::support::{Place, timeless};
use serde_json::Value;

/// A trained model of two-room, and a comparison of four contenders on it.
const ARMS: &[&str] =
    &["compare", "two-room", "--model", "model,oracle", "--planner", "cem,icem", "--pairs", "2"];
const FEW: &[&str] = &["--samples", "24", "--iterations", "2", "--seeds", "0,1", "--json"];

fn names(comparison: &Value) -> Vec<&str> {
    let standings = comparison["standings"].as_array().unwrap();
    standings.iter().map(|standing| standing["name"].as_str().unwrap()).collect()
}

/// What does not depend on the clock: the order of equals does.
fn results(comparison: Value) -> Vec<String> {
    let standings = comparison["standings"].as_array().unwrap();
    let mut rows: Vec<String> = (standings.iter())
        .map(|s| format!("{} {} {} {}", s["name"], s["moderate"], s["strict"], s["env_steps_mean"]))
        .collect();
    rows.sort();
    rows
}

#[test]
fn a_comparison_resumes_and_is_the_same_at_any_number_of_threads() {
    let place = Place::new();
    place.train("two-room");
    let compare = |more: &[&str]| place.run(&[ARMS, FEW, more].concat()).ok();
    let first = compare(&["--out", "one", "--threads", "1"]).json();
    assert_eq!(first["standings"].as_array().unwrap().len(), 4);
    for name in ["model cem samples=24 iterations=2", "oracle icem samples=24 iterations=2"] {
        assert!(names(&first).contains(&name), "{:?}", names(&first));
    }
    // Every pair of contenders, by both protocols.
    assert_eq!(first["differences"].as_array().unwrap().len(), 2 * 6);
    assert!(first["pair_difficulty"][0]["median"].as_f64().unwrap() > 0.1);
    let page = std::fs::read_to_string(place.path("one/compare.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("McNemar"));

    let second = compare(&["--out", "two", "--threads", "2"]).json();
    assert_eq!(results(first.clone()), results(second));

    // Nothing is done twice: the times, too, are those of the first run.
    assert_eq!(first, compare(&["--out", "one"]).json());
    // As if the machine had died in the middle of a line.
    let outcomes = std::fs::read_dir(place.path("one/outcomes")).unwrap();
    let file = outcomes.flatten().next().unwrap().file_name();
    place.truncate(&format!("one/outcomes/{}", file.to_str().unwrap()));
    assert_eq!(results(first), results(compare(&["--out", "one"]).json()));
}

#[test]
fn reward_tasks_are_compared_by_return() {
    let place = Place::new();
    let arms = ["compare", "pendulum", "--planner", "mppi,predictive_sampling", "--pairs", "2"];
    let sizes = ["--budget-steps", "20", "--horizon", "3", "--grid", "cost.effort=0,0.1"];
    let comparison = place.run(&[&arms[..], &sizes, FEW].concat()).ok().json();
    assert_eq!(comparison["standings"].as_array().unwrap().len(), 4);
    assert!(comparison["standings"][0]["returns"]["mean"].is_f64());
    assert_eq!(comparison["differences"][0]["by"], "return");
    let text = place.run(&[&arms[..], &sizes, &FEW[..FEW.len() - 1]].concat()).ok().stdout;
    assert!(text.contains("return") && text.contains("difference"), "{text}");
    assert!(place.path("runs/pendulum/compare/compare.json").is_file());
}

#[test]
fn a_plan_is_explained_and_recorded_whatever_the_solver() {
    let place = Place::new();
    place.train("two-room");
    let solvers = [
        "cem",
        "icem",
        "mppi",
        "predictive_sampling",
        "categorical_cem",
        "adam",
        "projected_gradient",
        "hybrid",
        "lagrangian",
    ];
    for solver in solvers {
        let args = ["plan", "model", "--planner", solver, "--json"];
        // Enough for every solver's elites, in either arm.
        let sizes = ["--set=planner.samples=32", "--set=oracle.samples=32"];
        let plan = place.run(&[&args[..], &sizes].concat()).ok().json();
        assert_eq!(plan["planner"]["solver"]["kind"], solver);
        let path = plan["path"].as_array().unwrap();
        assert_eq!(path.len(), 6, "the start and five blocks");
        assert_eq!(path[0]["latent_error"], 0.0);
        assert!(path[5]["simulated_goal_distance"].is_f64() && path[5]["goal_errors"].is_array());
    }
    let text = place.run(&["plan", "model", "--pair", "1", "--save", "plan.rrd"]).ok().stdout;
    for part in ["rank correlation", "to goal, imagined", "position (m)", "rerun plan.rrd"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(std::fs::read(place.path("plan.rrd")).unwrap().starts_with(b"RRF"));
}

#[test]
fn a_deadline_cuts_the_search_and_is_reported() {
    let place = Place::new();
    place.train("two-room");
    let sizes = ["--set=planner.samples=2000", "--set=planner.iterations=1000"];
    let hurried = ["plan", "model", "--deadline-ms", "30", "--json"];
    let plan = place.run(&[&hurried[..], &sizes].concat()).ok().json();
    assert!(plan["cut"].as_f64().unwrap() > 0.5, "{plan}");
    assert!(!plan["best"].as_array().unwrap().is_empty());

    let eval = ["eval", "model", "--pairs", "1", "--deadline-ms", "10", "--json"];
    let report = place.run(&[&eval[..], &sizes].concat()).ok().json();
    assert!(report["moderate"]["cut"].as_f64().unwrap() > 0.5);
}

#[test]
fn control_goes_on_while_the_planner_thinks() {
    let place = Place::new();
    place.train("two-room");
    let overlap = ["eval", "model", "--pairs", "1", "--set=planner.control=overlap", "--json"];
    let [one, two] = [(); 2].map(|()| timeless(place.run(&overlap).ok().json()));
    assert_eq!(one, two);
    assert_eq!(one["moderate"]["planner"]["control"], "overlap");

    // By the clock on the wall an episode of 12 steps takes over a second, and a plan is due every half second. One
    // that takes longer is not waited for.
    let hurried = ["eval", "model", "--pairs", "1", "--real-time", "--set=eval.budget_steps=12"];
    let slow =
        ["--set=planner.samples=2000", "--set=planner.iterations=9000", "--deadline-ms", "1500"];
    let late = place.run(&[&hurried[..], &slow, &["--json"]].concat()).ok().json();
    assert!(late["moderate"]["fallbacks"].as_u64().unwrap() > 0, "{late}");
}

#[test]
fn proposals_subgoals_and_a_distance_come_from_the_experience_of_the_run() {
    let place = Place::new();
    place.train("two-room");
    assert!(place.path("model/memory.safetensors").is_file());
    let with = [
        "eval",
        "model",
        "--pairs",
        "1",
        "--set=planner.proposals={recalled=4,prior=2}",
        "--set=planner.subgoals=3",
        "--set=planner.cost.change=2",
        "--json",
    ];
    let [one, two] = [(); 2].map(|()| timeless(place.run(&with).ok().json()));
    assert_eq!(one, two);
    assert_eq!(one["moderate"]["planner"]["proposals"]["recalled"], 4);
    std::fs::remove_file(place.path("model/memory.safetensors")).unwrap();
    place.run(&with).fails(1, &["proposals", "memory.safetensors", "--resume"]);
    std::fs::remove_file(place.path("model/checkpoints/last/distance.safetensors")).unwrap();
    let in_change = [&with[..4], &with[6..]].concat();
    place.run(&in_change).fails(1, &["cost.change", "distance.safetensors", "--resume"]);
}

#[test]
fn constraints_are_kept_or_refused() {
    let place = Place::new();
    place.train("two-room");
    let limit = "--set=planner.constraints={limits=[{kind='action_limit',limit=0.4}]}";
    let solver = "--set=planner.solver={kind='lagrangian'}";
    let plan = place.run(&["plan", "model", limit, solver, "--set=planner.samples=64"]).ok();
    assert!(plan.stdout.contains("constraint action_limit"), "{}", plan.stdout);
    place.run(&["plan", "model", limit]).fails(1, &["constraints", "lagrangian"]);
    let zone = "{features=['x','y'],centre=[0.0,0.0],radius=0.2}";
    let keep_out = |arm: &str| format!("--set={arm}.constraints={{keep_out=[{zone}]}}");
    place.run(&["plan", "model", &keep_out("planner"), solver]).fails(1, &["not told where"]);
    let oracle = ["compare", "two-room", "--pairs", "1", "--seeds", "0", &keep_out("oracle")];
    let lagrangian = "--set=oracle.solver={kind='lagrangian'}";
    place.run(&[&oracle[..], &[lagrangian, "--set=oracle.samples=32"]].concat()).ok();
}

#[test]
fn nonsense_is_refused_with_what_would_work() {
    let place = Place::new();
    let compare = |more: &[&str]| place.run(&[&["compare", "reacher"][..], more].concat());
    compare(&["--planner", "cme"]).fails(1, &["--planner cme", "known planners are cem, icem"]);
    compare(&["--grid", "solver.stdd=1"]).fails(1, &["solver.stdd=1", "expected one of", "`std`"]);
    compare(&["--grid", "std"]).fails(1, &["--grid std", "key=value,value"]);
    compare(&["--deadline-ms", "0"]).fails(1, &["deadline_ms", "between 0 and 60000"]);
    compare(&["--samples", "4"]).fails(1, &["samples=4", "elites"]);
    compare(&["--model", "nowhere"]).fails(1, &["nowhere"]);
}
