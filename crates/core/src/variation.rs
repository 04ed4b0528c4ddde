//! Factors of variation: what may differ between the episodes of one world.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a factor is in one episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Level {
    /// A number, in the factor's own unit.
    Number(f64),
    /// One of several alternatives.
    Choice(String),
}

/// What a factor is drawn from: uniform, one draw an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Levels {
    /// Everything from the first number to the second.
    Range([f64; 2]),
    /// Alternatives.
    Choices(Vec<String>),
}

/// A factor that varies: what it is now, and what it was drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Varied {
    /// What it is in this episode.
    pub level: Level,
    /// What it could have been.
    pub among: Levels,
}

/// The factors that vary, by name.
pub type Variation = BTreeMap<String, Varied>;

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Choice(name) => f.write_str(name),
        }
    }
}

impl std::fmt::Display for Levels {
    /// As it is written on the command line: `0.5..1.5`, or `T|L|plus`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Range([low, high]) if low == high => write!(f, "{low}"),
            Self::Range([low, high]) => write!(f, "{low}..{high}"),
            Self::Choices(names) => f.write_str(&names.join("|")),
        }
    }
}
