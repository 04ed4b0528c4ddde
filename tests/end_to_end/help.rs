//! The command line explains itself.

use crate::support::Place;

#[test]
fn every_command_has_help() {
    let place = Place::new();
    let top = place.run(&["--help"]).ok().stdout;
    assert!(top.contains("housecat run two-room"), "{top}");
    let commands = [
        ("run", "Examples:"),
        ("collect", "Examples:"),
        ("train", "Examples:"),
        ("eval", "Examples:"),
        ("report", "Examples:"),
        ("compare", "Examples:"),
        ("plan", "Examples:"),
        ("bench", "Measure this machine's throughput"),
        ("view", "Examples:"),
        ("sims", "List the sims"),
        ("simulate", "Examples:"),
        ("inspect", "Say what a run, a checkpoint or a dataset holds"),
        ("verify", "Check every byte of a dataset"),
        ("repair", "Seal an interrupted dataset"),
        ("merge", "Join datasets"),
        ("convert", "read and not executed"),
        ("doctor", "Check this machine"),
    ];
    for (command, explanation) in commands {
        assert!(top.contains(&format!("  {command} ")), "{top}");
        let help = place.run(&[command, "--help"]).ok().stdout;
        assert!(help.contains(explanation), "{help}");
        for flag in ["--seed", "--threads", "--device", "--set", "--json", "--quiet", "--verbose"] {
            assert!(help.contains(flag), "{command}: {flag}");
        }
    }
    assert!(place.run(&["--version"]).ok().stdout.starts_with("housecat "));
}

#[test]
fn wrong_usage_exits_with_two() {
    let place = Place::new();
    for args in [
        &[][..],
        &["fly"],
        &["run"],
        &["collect", "two-room"],
        &["run", "two-room", "--fast"],
        &["eval", "model", "--protocol", "lenient"],
        &["eval", "model", "--pairs", "many"],
        &["run", "two-room", "--seed", "-1"],
        &["train", "data", "--out", "x", "--resume", "--init", "y"],
        &["bench", "everything"],
    ] {
        let output = place.run(args);
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        assert!(output.stdout.is_empty() && output.stderr.contains("--help"), "{}", output.stderr);
    }
}
