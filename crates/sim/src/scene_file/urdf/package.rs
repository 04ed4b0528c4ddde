//! Where the files lie that a URDF names.

use crate::scene_file::xml::path_of;
use std::path::{Path, PathBuf};

/// How many folders above the file's own are searched.
const ABOVE: usize = 6;

/// Finds a file named as `package://robot/meshes/arm.stl`, `file:///...` or a path: the longest end of
/// the path that exists below the folder of the URDF file or one of those above it.
pub(super) fn resolve(folder: &Path, named: &str) -> Option<PathBuf> {
    let path = path_of(named.split_once("://").map_or(named, |(_, path)| path));
    if path.is_absolute() && path.is_file() {
        return Some(path);
    }
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let parts: Vec<_> = path.iter().filter(|part| *part != "/").collect();
    (0..parts.len()).find_map(|skipped| {
        let end: PathBuf = parts[skipped..].iter().collect();
        // A bare name is looked for beside the URDF file only.
        let above = if skipped + 1 == parts.len() { 0 } else { ABOVE };
        let folders = absolute.ancestors().take(above + 1);
        folders.map(|folder| folder.join(&end)).find(|path| path.is_file())
    })
}
