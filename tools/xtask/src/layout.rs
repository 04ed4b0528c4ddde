//! The layout of the repository: what stands at the top, what a sim consists of, nothing big.

use anyhow::{Context as _, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What stands at the top, exactly.
const TOP: &[&str] = &[
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "assets",
    "clippy.toml",
    "crates",
    "rustfmt.toml",
    "sims",
    "tests",
    "tools",
];

/// What every folder in `sims/` holds; it may hold more.
const SIM: &[&str] = &["scene.xml", "sim.toml", "train.toml", "README.md"];

/// Bytes that a tracked file may have: the demo's model needs more than one million.
const LARGEST: u64 = 2_000_000;

/// A tracked file: its path from the root, with `/`, and its size in bytes.
pub type Tracked = (String, u64);

/// The files that git tracks and that are there.
///
/// # Errors
/// If git is missing or `root` is no checkout.
pub fn tracked(root: &Path) -> anyhow::Result<Vec<Tracked>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .context("git cannot be started")?;
    if !output.status.success() {
        bail!("`git ls-files`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8(output.stdout).context("a tracked name is not UTF-8")?;
    let files = names.split_terminator('\0').filter_map(|name| {
        // A file deleted but not yet committed has no size and breaks no rule.
        let size = root.join(name).symlink_metadata().ok()?.len();
        Some((name.to_owned(), size))
    });
    Ok(files.collect())
}

/// What is out of place, missing or too big.
pub fn violations(files: &[Tracked]) -> Vec<String> {
    let mut found = Vec::new();
    let top: BTreeSet<&str> = files.iter().map(|(path, _)| first(path).0).collect();
    for name in top.iter().filter(|name| !TOP.contains(name)) {
        found.push(format!(
            "`{name}` does not belong at the top: see ARCHITECTURE.md for its place"
        ));
    }
    for name in TOP.iter().filter(|name| !top.contains(*name)) {
        found.push(format!("`{name}` is missing at the top, or git does not track it"));
    }

    let in_sims = || files.iter().filter_map(|(path, _)| path.strip_prefix("sims/")).map(first);
    // What lies beside the folders (their README) is no sim.
    let sims: BTreeSet<&str> =
        in_sims().filter(|(_, rest)| rest.is_some()).map(|(sim, _)| sim).collect();
    for sim in sims {
        let has = |name: &str| in_sims().any(|(of, rest)| of == sim && rest == Some(name));
        for name in SIM.iter().filter(|name| !has(name)) {
            found.push(format!("sims/{sim}: `{name}` is missing"));
        }
    }

    for (path, size) in files.iter().filter(|(_, size)| *size > LARGEST) {
        found.push(format!("{path} has {size} bytes; a tracked file has at most {LARGEST}"));
    }
    found
}

/// The first part of a path, and the rest.
fn first(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidy() -> Vec<Tracked> {
        let top = TOP.iter().filter(|name| **name != "sims");
        let sim = SIM.iter().map(|name| format!("sims/maze/{name}"));
        top.map(|name| (*name).to_owned()).chain(sim).map(|path| (path, 10)).collect()
    }

    #[test]
    fn a_tidy_repository_passes() {
        assert_eq!(violations(&tidy()), Vec::<String>::new());
    }

    #[test]
    fn strays_gaps_and_weights_are_named() {
        let mut files = tidy();
        files.retain(|(path, _)| path != "LICENSE-MIT" && path != "sims/maze/train.toml");
        files.push(("notes.txt".into(), 10));
        files.push(("scripts/run.sh".into(), 10));
        files.push(("assets/film.mp4".into(), LARGEST + 1));
        let found = violations(&files);
        let named = ["`notes.txt`", "`scripts`", "`LICENSE-MIT`", "sims/maze", "assets/film.mp4"];
        assert_eq!(found.len(), named.len(), "{found:?}");
        for (line, name) in found.iter().zip(named) {
            assert!(line.starts_with(name), "{line}");
        }
    }
}
