//! The MJCF scene: every element and attribute is either honoured or refused by name, before the
//! loaders of rapier see the file; then cameras and lights, which those loaders ignore, are read here.

mod audit;
mod sight;

pub(crate) use sight::{Sight, sight};

use crate::SimError;
use rapier3d_mjcf::mjcf_rs::Model;
use std::path::Path;

/// A scene file that has passed the audit.
pub(crate) struct SceneFile {
    /// The model as `mjcf-rs` resolves it (classes applied, angles in radians).
    pub model: Model,
    /// Cameras, lights and background.
    pub sight: Sight,
    /// What the file says that makes no difference here, one warning each.
    pub notices: Vec<String>,
}

/// Reads and audits `scene.xml`.
pub(crate) fn read(path: &Path) -> Result<SceneFile, SimError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SimError::Read { path: path.to_owned(), source })?;
    let document = roxmltree::Document::parse(&text)
        .map_err(|error| SimError::Xml { path: path.to_owned(), message: error.to_string() })?;
    let notices = audit::audit(path, &document)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let model = Model::from_str(&text, folder)
        .map_err(|error| SimError::Scene { path: path.to_owned(), problem: error.to_string() })?;
    let sight = sight(path, &document, &model)?;
    Ok(SceneFile { model, sight, notices })
}
