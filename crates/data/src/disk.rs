//! Durable steps on the file system: whole files and folders appear under their names, or not at all.

use crate::DataError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Ending of files that are being written; whatever still has it was never acknowledged.
pub(crate) const TEMPORARY: &str = "tmp";

/// Writes a file by temporary name, fsync, rename and fsync of its folder. On any error nothing
/// remains under either name that was not there before.
pub(crate) fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut File) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file =
            File::create(&temporary).map_err(|error| DataError::io("create", path, error))?;
        fill(&mut file)?;
        file.sync_all().map_err(|error| DataError::io("write", path, error))?;
        fs::rename(&temporary, path).map_err(|error| DataError::io("name", path, error))
    })();
    if written.is_err() {
        // Best effort: the error that brought us here is the one to report.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_parent(path)
}

/// Writes a file of these bytes as [`write_file`] does.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    write_file(path, |file| {
        io::Write::write_all(file, bytes).map_err(|error| DataError::io("write", path, error))
    })
}

/// Creates a folder and its parents, durably.
pub(crate) fn create_folder(path: &Path) -> Result<(), DataError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(DataError::io("create the folder", path, error))
        }
        _ => sync_parent(path),
    }
}

/// Renames a file or folder within one file system, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), DataError> {
    fs::rename(from, to).map_err(|error| DataError::io("move into place", to, error))?;
    sync_parent(to)?;
    sync_parent(from)
}

/// Removes a folder with all it holds, if it exists.
pub(crate) fn remove_folder(path: &Path) -> Result<(), DataError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DataError::io("remove", path, error))
        }
        Err(_) => Ok(()),
        Ok(()) => sync_parent(path),
    }
}

/// The entries of a folder, sorted by name; empty if it does not exist.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| DataError::io("list", folder, error))?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| DataError::io("list", folder, error))?;
    paths.sort();
    Ok(paths)
}

fn sync_parent(path: &Path) -> Result<(), DataError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| DataError::io("sync the folder", parent, error))
}
