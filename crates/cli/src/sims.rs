//! Finding sims on disk.

use anyhow::{Context as _, anyhow, bail};
use housecat_sim::{Sim, SimError};
use std::path::{Path, PathBuf};

/// The folder that holds the sims: `HOUSECAT_SIMS`, else `sims` in or above the working folder or the
/// binary's, else the source tree's.
///
/// # Errors
/// Says where it looked.
pub fn root() -> anyhow::Result<PathBuf> {
    if let Some(root) = std::env::var_os("HOUSECAT_SIMS") {
        let root = PathBuf::from(root);
        if !root.is_dir() {
            bail!("HOUSECAT_SIMS={} is not a folder", root.display());
        }
        return Ok(root);
    }
    let is_root = |place: &PathBuf| {
        std::fs::read_dir(place).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.path().join("sim.toml").is_file())
        })
    };
    match places("sims").into_iter().find(is_root) {
        Some(place) => Ok(place),
        None => {
            bail!("no folder `sims` in or above the working folder; set HOUSECAT_SIMS to its path")
        }
    }
}

/// A folder that comes with the source, known by a file in it; it is sought where the sims are.
///
/// # Errors
/// If it is nowhere.
pub fn shipped(folder: &str, file: &str) -> anyhow::Result<PathBuf> {
    let found = places(folder).into_iter().find(|place| place.join(file).is_file());
    found.with_context(|| {
        format!("no {folder}/{file} in or above the working folder; run this in the source tree")
    })
}

/// Where a folder that comes with the source may be.
fn places(folder: &str) -> Vec<PathBuf> {
    let above =
        |start: PathBuf| start.ancestors().map(|place| place.join(folder)).collect::<Vec<_>>();
    let mut places = std::env::current_dir().map(above).unwrap_or_default();
    places.extend(std::env::current_exe().map(above).unwrap_or_default());
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder));
    places
}

/// Loads a sim by name or path, and tells of what its files hold that is not honoured.
///
/// # Errors
/// If there is no such sim or it does not load.
pub fn load(name: &str) -> anyhow::Result<Sim> {
    let sim = load_quietly(name)?;
    for notice in sim.notices() {
        tracing::warn!("{}: {notice}", sim.name());
    }
    Ok(sim)
}

/// The same, without telling.
///
/// # Errors
/// As [`load`].
pub fn load_quietly(name: &str) -> anyhow::Result<Sim> {
    let path = Path::new(name);
    if path.join("sim.toml").is_file() || path.is_file() || name.contains('/') {
        return Ok(Sim::load(path)?);
    }
    let root = root()?;
    Sim::find(&root, name).map_err(|error| match error {
        SimError::UnknownSim { .. } => {
            anyhow!("{error}; if it is elsewhere, give its folder's path or set HOUSECAT_SIMS to the folder that holds it")
        }
        other => other.into(),
    })
}

/// What a run calls a sim, to find it again: the path by which it was asked for, or its name.
pub fn name_in_runs<'a>(sim: &'a Sim, asked: &'a str) -> &'a str {
    if asked.contains('/') || sim.is_bare() { asked } else { sim.name() }
}

/// Names and folders of all sims.
///
/// # Errors
/// If the folder of sims cannot be found or read.
pub fn all() -> anyhow::Result<Vec<(String, PathBuf)>> {
    let root = root()?;
    housecat_sim::find_sims(&root).with_context(|| root.display().to_string())
}
