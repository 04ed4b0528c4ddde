//! What people read stays as it is until somebody has looked: help texts, tables and errors, word for word.
//!
//! `HOUSECAT_BLESS=1 cargo test -p housecat-cli --test end_to_end snapshots` accepts what is printed now.

use crate::support::{Place, copy_folder, repository_sims};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Compares with `snapshots/<name>.txt`, or writes it anew.
#[track_caller]
fn assert_snapshot(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/end_to_end/snapshots");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("HOUSECAT_BLESS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "tests/end_to_end/snapshots/{name}.txt differs: `-` as it was, `+` as it is now. HOUSECAT_BLESS=1 accepts it.\n{}",
        difference(&kept, text)
    );
}

/// The lines that were dropped and added, each group with its place.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // Length of the longest common subsequence of what follows two places.
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut text, mut fresh) = (0, 0, String::new(), true);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j, fresh) = (i + 1, j + 1, true);
            continue;
        }
        if fresh {
            writeln!(text, "line {}:", i + 1).unwrap();
            fresh = false;
        }
        if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            writeln!(text, "  - {}", old[i]).unwrap();
            i += 1;
        } else {
            writeln!(text, "  + {}", new[j]).unwrap();
            j += 1;
        }
    }
    text
}

/// The words of an output that depends on clocks and processors: numbers are `#` with their sign, curves `~`, and
/// columns two spaces apart. What line names the worst probe is left out.
fn words(text: &str) -> String {
    let mut words = String::new();
    for line in text.lines().filter(|line| !line.starts_with("probes")) {
        let letters: Vec<char> = line.trim_end().chars().collect();
        let mut at = 0;
        while at < letters.len() {
            let rest = &letters[at..];
            let run = |is: &dyn Fn(char) -> bool| rest.iter().take_while(|c| is(**c)).count();
            let number =
                usize::from(rest[0] == '-' && rest.get(1).is_some_and(char::is_ascii_digit));
            let number = number
                + rest[number..].iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
            let (curve, spaces) = (run(&|c| ('▁'..='█').contains(&c)), run(&|c| c == ' '));
            let (step, seen) = match (number, curve, spaces) {
                (1.., _, _) if rest[..number].iter().any(char::is_ascii_digit) => (number, "#"),
                (_, 1.., _) => (curve, "~"),
                (_, _, 2..) if at > 0 => (spaces, "  "),
                _ => (1, ""),
            };
            match seen {
                "" => words.push(rest[0]),
                _ => words.push_str(seen),
            }
            at += step;
        }
        words.push('\n');
    }
    words
}

#[test]
fn help_texts() {
    let place = Place::new();
    let mut text = place.run(&["--help"]).ok().stdout;
    for command in [
        "run",
        "collect",
        "train",
        "eval",
        "report",
        "compare",
        "plan",
        "bench",
        "view",
        "sims",
        "sims check",
        "sims look",
        "simulate",
        "inspect",
        "verify",
        "repair",
        "merge",
        "convert",
        "doctor",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = place.run(&args).ok().stdout;
        // The common options are the same everywhere.
        let (own, common) = help.split_once("\nCommon options:\n").unwrap();
        let after = common.rsplit_once("Print version\n").map_or("", |(_, after)| after);
        write!(text, "\n======== housecat {command}\n{own}{after}").unwrap();
    }
    assert_snapshot("help", &text);
}

#[test]
fn errors() {
    let place = Place::new();
    let sims = repository_sims();
    let mut text = String::new();
    for command in [
        "run two_room",
        "run ./nowhere",
        "run two-room --set train.stepz=3",
        "run two-room --set trian.steps=3",
        "run two-room --set train.steps",
        "run two-room --set train.batch=1",
        "run two-room --set model.encoder={kind='mlp',hidden=8}",
        "run two-room --recipe lewn",
        "run two-room --vary lihgt",
        "run two-room --device cuda:0",
        "run two-room --fast",
        "collect reacher --out data --policy scripted",
        "collect two-room --out data --policy wild",
        "train nowhere --out model",
        "eval nowhere",
        "eval nowhere --protocol lenient",
        "report nowhere",
        "report",
        "plan nowhere --planner magic",
        "compare two-room --planner magic",
        "view nowhere",
        "sims nowhere",
        "inspect nowhere",
        "verify nowhere",
        "simulate nowhere.xml",
        "merge nowhere --out both",
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        let output = place.run(&args);
        assert_ne!(output.code, 0, "{command}: {}", output.stdout);
        let said = format!("{}{}", output.stdout, output.stderr);
        let said = said.replace(sims.to_str().unwrap(), "SIMS");
        write!(text, "$ housecat {command}\n{said}(exit code {})\n\n", output.code).unwrap();
    }
    assert_snapshot("errors", &text);
}

#[test]
fn tables() {
    let place = Place::new();
    place.train("cart-pole");
    let mut text = String::new();
    for command in ["sims", "sims cart-pole", "inspect data", "verify data"] {
        let output = place.run(&command.split(' ').collect::<Vec<_>>()).ok();
        write!(text, "$ housecat {command}\n{}\n", output.stdout).unwrap();
    }
    let folder = repository_sims().display().to_string();
    assert_snapshot("facts", &text.replace(&folder, "SIMS"));

    let mut text = String::new();
    copy_folder(&place.path("model"), &place.path("other"));
    place.edit("other/config.toml", "batch = 8", "batch = 9");
    for command in [
        "train data --out model --resume",
        "eval other",
        "eval model",
        "inspect model",
        "plan model",
        "report model",
        "report model other --out both.html",
        "compare cart-pole --planner cem --pairs 2 --seeds 0",
    ] {
        let output = place.tiny(&command.split(' ').collect::<Vec<_>>()).ok();
        write!(text, "$ housecat {command}\n{}\n", words(&output.stdout)).unwrap();
    }
    assert_snapshot("results", &text);
}
