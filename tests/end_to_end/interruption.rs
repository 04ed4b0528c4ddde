//! Stopped at any moment, by a signal or by force: what was done is kept, and the same command ends
//! where an uninterrupted one does, to the bit.

use crate::kit::*;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts the binary, waits until `ready`, sends the signal, and waits for the end.
fn stop(cwd: &Path, args: &[&str], signal: &str, ready: impl Fn() -> bool) -> Output {
    let mut child: Child = command(cwd, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing appeared");
        let early = child.try_wait().unwrap();
        assert!(early.is_none(), "it ended before the signal: {early:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    Output { code: status.code().unwrap_or(-9), stdout: String::new(), stderr }
}

fn staged(dataset: &Path) -> usize {
    let names = std::fs::read_dir(dataset.join(".staging")).into_iter().flatten().flatten();
    names.filter(|entry| entry.path().extension().is_some_and(|end| end == "parquet")).count()
}

/// The arguments of the command that a message tells to resume with.
fn resume_command(output: &Output) -> Vec<String> {
    let line = output.stderr.lines().rev().find(|line| line.trim().starts_with("housecat "));
    let line = line.unwrap_or_else(|| panic!("no command to resume: {}", output.stderr));
    line.split_whitespace().skip(1).map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[test]
fn an_interrupted_collection_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let collect = |out| ["collect", "reacher", "--episodes", "600", "--steps", "100", "--out", out];
    run(here, &collect("whole")).exits(0);
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-KILL", -9)] {
        let out = here.join(signal.trim_start_matches('-'));
        let args = collect(text(&out));
        let stopped = stop(here, &args, signal, || staged(&out) >= 3).exits(code);
        let kept = staged(&out);
        assert!((3..600).contains(&kept), "{kept} episodes are kept");
        assert!(!out.join("meta/info.json").exists(), "sealed although incomplete");
        let command: Vec<String> = match code {
            -9 => args.iter().map(|&word| word.to_owned()).collect(),
            _ => resume_command(&stopped),
        };
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        assert_eq!(command, args);
        run(here, &command).exits(0).says(&[&format!("continuing: {kept} of 600")]);
        assert_same(&here.join("whole"), &out);
        std::fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn an_interrupted_collection_can_be_sealed_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let out = here.join("d");
    let args =
        ["collect", "reacher", "--episodes", "600", "--steps", "100", "--out", text(&out)];
    stop(here, &args, "-KILL", || staged(&out) >= 3);
    run(here, &tiny(&["train", text(&out), "--out", "r"]))
        .exits(1)
        .says(&["not sealed", "repair"]);
    let kept = staged(&out);
    let repaired = run(here, &["repair", text(&out), "--json"]).exits(0).json();
    assert_eq!(repaired["report"]["episodes"], kept);
    run(here, &["verify", text(&out)]).exits(0);
}

#[test]
fn interrupted_training_goes_on_to_the_same_bytes() {
    let dataset = trained("two-room").0.join("dataset");
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let train = |out| {
        let mut args = tiny(&["train", text(&dataset), "--out", out]);
        args.extend(["--set=train.steps=60", "--set=train.checkpoint_every=20"]);
        args
    };
    run(here, &train("whole")).exits(0);
    let weights = |out: &Path| bytes(&out.join("checkpoints/last/model.safetensors"));
    for (signal, code) in [("-INT", 130), ("-KILL", -9)] {
        let out = here.join(signal.trim_start_matches('-'));
        let args = train(text(&out));
        let first = out.join("checkpoints/20");
        let stopped = stop(here, &args, signal, || first.exists()).exits(code);
        let command = match code {
            -9 => [&args[..], &["--resume"]].concat().into_iter().map(str::to_owned).collect(),
            _ => resume_command(&stopped),
        };
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        run(here, &command).exits(0).says(&["continuing from step"]);
        for name in ["20", "40", "60", "last"] {
            let checkpoint = Path::new("checkpoints").join(name);
            if first.exists() {
                assert_same(&here.join("whole").join(&checkpoint), &out.join(&checkpoint));
            }
        }
        assert!(weights(&here.join("whole")) == weights(&out));
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_results() {
    let (whole, document) = trained("reacher");
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let args = tiny(&["run", "reacher", "--json"]);
    let out = here.join("runs/reacher/default");
    let stopped = stop(here, &args, "-TERM", || out.join("checkpoints/10").exists()).exits(143);
    let command = resume_command(&stopped);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    assert_eq!(command, args);
    let again = run(here, &command).exits(0).json();
    assert_same(&whole.join("dataset"), &out.join("dataset"));
    assert_same(&whole.join("checkpoints/20"), &out.join("checkpoints/20"));
    assert_eq!(
        again["eval"]["moderate"]["episodes"],
        document["eval"]["moderate"]["episodes"]
    );
}
