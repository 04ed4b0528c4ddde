//! What is written under `[planner]`.

use housecat_plan::{PlanError, PlannerConfig};

/// A solver from its kind and further keys in JSON.
fn parse(kind: &str, keys: &str) -> Result<PlannerConfig, serde_json::Error> {
    let comma = if keys.is_empty() { "" } else { "," };
    serde_json::from_str(&format!("{{\"kind\": \"{kind}\"{comma} {keys}}}"))
}

fn refusal(config: &PlannerConfig) -> Option<PlanError> {
    config.build(32, 5, 2).err()
}

#[test]
fn every_kind_has_a_name_defaults_and_a_file_form() {
    let names: Vec<&str> = PlannerConfig::all().iter().map(PlannerConfig::name).collect();
    let expected = [
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
    assert_eq!(names, expected);
    for config in PlannerConfig::all() {
        assert_eq!(parse(config.name(), "").unwrap(), config);
        assert_eq!(PlannerConfig::named(config.name()).as_ref(), Some(&config));
        let written = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<PlannerConfig>(&written).unwrap(), config);
        let unknown = parse(config.name(), "\"tempo\": 1").unwrap_err().to_string();
        assert!(unknown.contains("tempo"), "{unknown}");
        assert!(refusal(&config).is_none());
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    for (kind, keys, says) in [
        ("cem", "\"elites\": 1000", "`planner.elites` = 1000"),
        ("cem", "\"keep\": 32", "`planner.keep` = 32"),
        ("mppi", "\"temperature\": -1", "`planner.temperature` = -1"),
        ("icem", "\"elites\": 17", "half of `planner.samples`"),
        ("icem", "\"elites\": 0", "`planner.elites` = 0"),
        ("icem", "\"keep\": 11", "`planner.keep` = 11"),
        ("icem", "\"noise_beta\": -1", "`planner.noise_beta` = -1"),
        ("icem", "\"decay\": 0.5", "`planner.decay` = 0.5"),
        ("icem", "\"momentum\": 1", "`planner.momentum` = 1"),
        ("icem", "\"std\": 0", "`planner.std` = 0"),
        ("predictive_sampling", "\"std\": -0.1", "`planner.std` = -0.1"),
        ("categorical_cem", "\"levels\": 1", "`planner.levels` = 1"),
        ("categorical_cem", "\"elites\": 33", "`planner.elites` = 33"),
        ("categorical_cem", "\"momentum\": -1", "`planner.momentum` = -1"),
        ("categorical_cem", "\"floor\": 1", "`planner.floor` = 1"),
        ("categorical_cem", "\"reopen\": 1.5", "`planner.reopen` = 1.5"),
        ("adam", "\"learning_rate\": 0", "`planner.learning_rate` = 0"),
        ("adam", "\"beta1\": 1", "`planner.beta1` = 1"),
        ("adam", "\"beta2\": 1", "`planner.beta2` = 1"),
        ("adam", "\"epsilon\": 0", "`planner.epsilon` = 0"),
        ("adam", "\"starts\": 1", "`planner.starts` = 1"),
        ("adam", "\"restarts\": 2", "`planner.restarts` = 2"),
        ("adam", "\"rho\": 1", "`planner.rho` = 1"),
        ("projected_gradient", "\"step\": 0", "`planner.step` = 0"),
        ("projected_gradient", "\"shrink\": 1", "`planner.shrink` = 1"),
        ("projected_gradient", "\"grow\": 0.5", "`planner.grow` = 0.5"),
        ("projected_gradient", "\"std\": 0", "`planner.std` = 0"),
        ("hybrid", "\"sample_rounds\": 0", "`planner.sample_rounds` = 0"),
        ("hybrid", "\"cem\": {\"elites\": 0}", "in `planner.cem`: `planner.elites` = 0"),
        ("hybrid", "\"beta2\": -1", "`planner.beta2` = -1"),
        ("lagrangian", "\"penalty\": 0", "`planner.penalty` = 0"),
        ("lagrangian", "\"growth\": 0.5", "`planner.growth` = 0.5"),
        ("lagrangian", "\"progress\": 2", "`planner.progress` = 2"),
        (
            "lagrangian",
            "\"inner\": {\"kind\": \"mppi\", \"decay\": 0}",
            "in `planner.inner`: `planner.decay` = 0",
        ),
    ] {
        let error = refusal(&parse(kind, keys).unwrap());
        let error = error.unwrap_or_else(|| panic!("{kind} takes {keys}")).to_string();
        assert!(error.contains(says), "{kind} {keys}: {error}");
    }
}

#[test]
fn a_lagrangian_takes_solvers_that_sample_only() {
    for config in PlannerConfig::all() {
        let name = config.name();
        let around = parse("lagrangian", &format!("\"inner\": {{\"kind\": \"{name}\"}}")).unwrap();
        let samples =
            ["cem", "icem", "mppi", "predictive_sampling", "categorical_cem"].contains(&name);
        match refusal(&around) {
            None => assert!(samples, "{name}"),
            Some(error) => {
                assert!(!samples, "{error}");
                assert!(
                    error.to_string().contains(&format!("`planner.inner` = {name}")),
                    "{error}"
                );
            }
        }
    }
}
