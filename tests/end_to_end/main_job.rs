//! `housecat run`: the whole loop on every sim, and what it leaves.

use crate::support::{Place, sim_names, timeless, tree};
use serde_json::Value;

#[test]
fn run_leaves_a_whole_run_directory_on_every_sim_and_repeats_nothing() {
    let place = Place::new();
    for sim in sim_names() {
        let args = ["run", &sim, "--json"];
        let first = place.tiny(&args).ok().json();
        let run = place.path(&format!("runs/{sim}/default"));
        for file in [
            "config.toml",
            "provenance.toml",
            "dataset/meta/info.json",
            "dataset/meta/stats.json",
            "dataset/meta/tasks.parquet",
            "dataset/data/chunk-000/file-000.parquet",
            "metrics.jsonl",
            "checkpoints/last/model.safetensors",
            "checkpoints/last/config.json",
            "checkpoints/last/optimizer.safetensors",
            "checkpoints/last/state.json",
            "checkpoints/10/model.safetensors",
            "checkpoints/20/model.safetensors",
            "probe.json",
            "eval/moderate.json",
            "eval/strict.json",
            "recording.rrd",
            "report.html",
        ] {
            let size = std::fs::metadata(run.join(file)).map_or(0, |data| data.len());
            assert!(size > 0, "{sim}: {file}");
        }
        let before = tree(&run);
        assert!(
            before.keys().any(|name| name.contains("tfevents")),
            "{sim}: no TensorBoard events"
        );
        assert!(!before.keys().any(|name| name.contains("partial")), "{sim}: {:?}", before.keys());
        assert!(!run.join("dataset/.staging").exists());
        for line in std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["step"].is_u64() && line["train/loss"].is_f64(), "{line}");
        }
        for protocol in ["moderate", "strict"] {
            let text = std::fs::read(run.join(format!("eval/{protocol}.json"))).unwrap();
            let written: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(first["eval"][protocol], written);
            has_the_documented_fields(&sim, protocol, &written);
        }
        assert_eq!(first["sim"], *sim);

        // The same command again: the same document, and not a byte on disk changes.
        let again = place.tiny(&args).ok();
        assert_eq!(timeless(again.json()), timeless(first));
        assert!(!again.stderr.contains("collected") && !again.stderr.contains("evaluated"));
        let after = tree(&run);
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        assert!(before == after, "{sim}: a file was rewritten");
        imagination_is_shown(&place, &sim, &args);
    }
}

/// Where the model sees pictures, there is a decoder of them, and the report shows what plans imagined.
fn imagination_is_shown(place: &Place, sim: &str, args: &[&str]) {
    let run = format!("runs/{sim}/default");
    let file = format!("{run}/decoder.safetensors");
    let config = std::fs::read_to_string(place.path(&run).join("config.toml")).unwrap();
    let sees = config.contains("input = \"pixels\"");
    let report = std::fs::read_to_string(place.path(&run).join("report.html")).unwrap();
    assert_eq!(place.path(&file).is_file(), sees, "{sim}");
    let quality = place.tiny(args).ok().json()["eval"]["strict"]["quality"].clone();
    assert_eq!(quality["decoder"].is_object(), sees, "{sim}");
    for row in ["imagined", "simulated"] {
        assert_eq!(report.contains(&format!("{row}\">")), sees, "{sim}: {row}");
    }
    if !sees {
        return;
    }
    let decoder = &quality["decoder"];
    assert_eq!(decoder["frames"], quality["frames"]);
    let [mse, mean] = ["mse", "mean_frame_mse"].map(|key| decoder[key].as_f64().unwrap());
    assert!(0.0 < mse && 0.0 < mean && mean < 0.2, "{decoder}");
    if sim == "two-room" {
        // One that is damaged is named, and made anew with the same bits.
        let whole = std::fs::read(place.path(&file)).unwrap();
        place.truncate(&file);
        place.tiny(args).fails(1, &["decoder.safetensors", "delete it"]);
        std::fs::remove_file(place.path(&file)).unwrap();
        place.tiny(args).ok();
        assert!(whole == std::fs::read(place.path(&file)).unwrap());
    }
}

fn has_the_documented_fields(sim: &str, protocol: &str, report: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{sim}: {report:#}"));
    assert_eq!(report["sim"], *sim);
    assert_eq!(report["protocol"], protocol);
    assert_eq!(report["pairs"], 3);
    assert_eq!(report["seeds"], serde_json::json!([0]));
    assert_eq!(report["planner"]["samples"], 16);
    assert!(report["planner"]["solver"]["kind"].is_string());
    let budget = number(&report["budget_steps"]);
    assert!(budget >= 50.0);
    assert!(number(&report["action_repeat"]) >= 1.0);
    for arm in ["model", "random", "still", "oracle"] {
        let success = &report["success"][arm];
        let [rate, low, high, n, successes] =
            ["rate", "low", "high", "n", "successes"].map(|key| number(&success[key]));
        assert_eq!(n, 3.0);
        assert_eq!(rate, successes / n);
        assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0, "{success}");
        assert!(high - low > 0.3, "three problems cannot tell this much: {success}");
    }
    let [median, p95, max] = ["median", "p95", "max"].map(|key| number(&report["plan_ms"][key]));
    assert!(0.0 < median && median <= p95 && p95 <= max);
    assert!((1.0..=budget).contains(&number(&report["env_steps_mean"])));
    let correlation = &report["elite_rank_correlation"];
    assert!(correlation.is_null() || (-1.0..=1.0).contains(&number(correlation)));
    for row in report["pair_difficulty"].as_array().unwrap() {
        assert!(row["name"].is_string() && ["m", "rad"].contains(&row["unit"].as_str().unwrap()));
        assert!(number(&row["median"]) > 0.0);
    }
    let median = &report["elite_rank_correlation_median"];
    assert_eq!(median.is_null(), correlation.is_null());
    if !median.is_null() {
        let [low, middle, high] = ["low", "median", "high"].map(|key| number(&median[key]));
        assert!(-1.0 <= low && low <= middle && middle <= high && high <= 1.0, "{median}");
        assert!((1.0..=3.0).contains(&number(&median["n"])));
    }
    has_figures_of_quality(sim, &report["quality"], &report["planner"]["horizon"]);
    let goal = report["task"] == "goal";
    assert_eq!(goal, !report["pair_difficulty"].as_array().unwrap().is_empty());
    let episodes = report["episodes"].as_array().unwrap();
    assert_eq!(episodes.len(), 3);
    for (index, episode) in episodes.iter().enumerate() {
        assert_eq!(episode["seed"], 0);
        assert_eq!(episode["pair"], index);
        assert!(episode["success"].is_boolean());
        assert!((0.0..=budget).contains(&number(&episode["steps"])));
        for error in episode["final_error"].as_array().unwrap() {
            assert!(number(&error["value"]) >= 0.0);
        }
    }
}

fn has_figures_of_quality(sim: &str, quality: &Value, horizon: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{sim}: {quality:#}"));
    let list = |key: &str| quality[key].as_array().unwrap_or_else(|| panic!("{sim}: {quality:#}"));
    assert!(number(&quality["episodes"]) >= 8.0);
    assert!(number(&quality["frames"]) > number(&quality["episodes"]));
    for key in ["open_loop", "copy"] {
        // Episodes of forty steps may be shorter than the horizon, but not than a few blocks.
        assert!((3..=horizon.as_u64().unwrap() as usize).contains(&list(key).len()), "{quality:#}");
        assert!(list(key).iter().all(|error| number(error) >= 0.0));
    }
    assert_eq!(list("open_loop").len(), list("copy").len());
    assert!((-1.0..=1.0).contains(&number(&quality["straightness"])));
    let dim = number(&quality["latent_dim"]);
    assert!((1.0..=dim).contains(&number(&quality["effective_rank"])));
    let [low, middle, high] = ["min", "median", "max"].map(|key| number(&quality["std"][key]));
    assert!(0.0 <= low && low <= middle && middle <= high);
    assert!(!list("probes").is_empty());
    let mut units = Vec::new();
    for probe in list("probes") {
        units.push(probe["unit"].as_str().unwrap());
        assert!(probe["name"].is_string() && number(&probe["spread"]) >= 0.0);
        for way in ["linear", "mlp"] {
            assert!((-1.0..=1.0).contains(&number(&probe[way]["r"])), "{probe}");
            assert!(number(&probe[way]["rmse"]) >= 0.0);
        }
    }
    // Everything moves, whether the sim's state says how fast or not.
    assert!(units.iter().any(|unit| unit.ends_with("/s")), "{sim}: {units:?}");
}
