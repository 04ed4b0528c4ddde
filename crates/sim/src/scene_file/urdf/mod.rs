//! URDF.
use super::SceneFile;
use super::xml::Element;
use crate::SimError;
use std::path::Path;

pub(super) fn read(_path: &Path, root: &Element, _free_base: bool) -> Result<SceneFile, SimError> {
    Err(root.place.wrong("URDF is not read yet"))
}
