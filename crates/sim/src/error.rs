//! What can be wrong with a sim's folder.

use std::path::{Path, PathBuf};

/// What can go wrong while a sim is loaded or an environment is built from it.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A file of the folder cannot be read.
    #[error("cannot read {}: {source}; a sim needs scene.xml and sim.toml", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No sim of this name.
    #[error("there is no sim `{name}` in {}; there are: {have}", root.display())]
    UnknownSim {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        root: PathBuf,
        /// The sims there are, and the one it resembles most.
        have: String,
    },
    /// `sim.toml` is not valid TOML, or has a key or value that it should not have.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        source: Box<toml::de::Error>,
    },
    /// A field of `sim.toml` has an impossible value.
    #[error("{}: `{field}` {problem}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, with the table it is in.
        field: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A field names something that does not exist.
    #[error("{}: `{field}` names the {kind} `{name}`, which does not exist; known: {have}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The field, with the table it is in.
        field: String,
        /// Joint, body, camera ...
        kind: &'static str,
        /// The name given.
        name: String,
        /// The names there are, and the one it resembles most.
        have: String,
    },
    /// `scene.xml` is not well-formed XML.
    #[error("{}: malformed XML: {message}", path.display())]
    Xml {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        message: String,
    },
    /// `scene.xml` holds something that the simulation would not honour.
    #[error("{}:{line}: {what} is not supported; {fix}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Line of the element.
        line: u32,
        /// The element or attribute.
        what: String,
        /// What to do instead.
        fix: String,
    },
    /// A file that the scene names cannot be read.
    #[error("{}:{line}: cannot read {}: {source}", path.display(), part.display())]
    Part {
        /// The file that names it.
        path: PathBuf,
        /// Line of the element that names it.
        line: u32,
        /// The file that is named.
        part: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An element of the scene makes no sense.
    #[error("{}:{line}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line of the element.
        line: u32,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// `scene.xml` is well-formed, but its content makes no sense.
    #[error("{}: {problem}", path.display())]
    Scene {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A variation that the sim does not have was asked for.
    #[error("`--vary {asked}` on the sim `{sim}`: {problem}")]
    Vary {
        /// Name of the sim.
        sim: String,
        /// What was asked for.
        asked: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The renderer refuses the scene.
    #[error("the scene of `{sim}` cannot be drawn: {source}")]
    Render {
        /// Name of the sim.
        sim: String,
        /// Why not.
        source: housecat_render::RenderError,
    },
}

/// Finds `name` among `known`, or says where it was named, what there is, and what was likely meant.
pub(crate) fn find<'a>(
    path: &Path,
    field: &str,
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<usize, SimError> {
    known.clone().position(|other| other == name).ok_or_else(|| SimError::Unknown {
        path: path.to_owned(),
        field: field.to_owned(),
        kind,
        name: name.to_owned(),
        have: suggestions(name, known),
    })
}

/// The names, for a message.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The known names, and which of them was likely meant.
pub(crate) fn suggestions<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(other) => format!("{} (did you mean `{other}`?)", listed(known)),
        None => listed(known),
    }
}

/// The known name closest to `name` by edit distance, if it is close at all.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|other| (edits(name, other), other))
        .filter(|&(distance, other)| distance <= name.len().max(other.len()) / 2)
        .min()
        .map(|(_, other)| other.to_owned())
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_close() {
        let known = ["two-room", "reacher", "cart-pole"];
        assert_eq!(nearest("two_room", known.into_iter()).as_deref(), Some("two-room"));
        assert_eq!(nearest("reach", known.into_iter()).as_deref(), Some("reacher"));
        assert_eq!(nearest("xyz", known.into_iter()), None);
    }
}
