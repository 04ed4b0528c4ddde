//! `<include>`: the children of another file's root, in place.

use crate::SimError;
use crate::scene_file::notices::Notices;
use crate::scene_file::xml::{Element, path_of};
use std::path::{Path, PathBuf};

/// Replaces every include below `element`, which stands in a file of `folder`. A path counts from the
/// folder of the file that names it, or else from the main file's. Each file may be included once, as in
/// MuJoCo: names must be unique, and a cycle would never end.
pub(super) fn expand(
    element: &mut Element,
    folder: &Path,
    main: &Path,
    seen: &mut Vec<PathBuf>,
    notices: &Notices,
) -> Result<(), SimError> {
    let mut children = Vec::with_capacity(element.children.len());
    for mut child in std::mem::take(&mut element.children) {
        if &*child.tag != "include" {
            expand(&mut child, folder, main, seen, notices)?;
            children.push(child);
            continue;
        }
        let named = child.read(notices, &[], |a| a.need("file").map(path_of))?;
        let beside = folder.join(&named);
        let path = if beside.exists() { beside } else { main.join(&named) };
        let known = path.canonicalize().map_err(|error| child.place.unreadable(&path, error))?;
        if seen.contains(&known) {
            let problem = format!("{} is included twice", path.display());
            return Err(child.place.wrong(problem));
        }
        seen.push(known);
        let mut included = Element::load(&path, Some(&child.place))?;
        let folder = path.parent().unwrap_or(main);
        expand(&mut included, folder, main, seen, notices)?;
        children.append(&mut included.children);
    }
    element.children = children;
    Ok(())
}
