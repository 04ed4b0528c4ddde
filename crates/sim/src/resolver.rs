//! Names in `sim.toml` that refer to other names.

use crate::SimError;
use crate::error::find;
use crate::feature::Feature;
use crate::world::Machine;
use std::collections::BTreeMap;
use std::path::Path;

/// Resolves names and reports the ones that do not exist.
pub(crate) struct Resolver<'a> {
    pub path: &'a Path,
    pub features: &'a BTreeMap<String, Feature>,
    pub privileged: &'a [String],
    pub machine: &'a Machine,
}

impl Resolver<'_> {
    /// A feature by name.
    pub(crate) fn feature(&self, field: &str, name: &str) -> Result<Feature, SimError> {
        self.find(field, "feature", name, self.features.keys().map(String::as_str))?;
        Ok(self.features[name])
    }

    /// Index of a feature in the privileged state.
    pub(crate) fn state(&self, field: &str, name: &str) -> Result<usize, SimError> {
        self.find(field, "privileged feature", name, self.privileged.iter().map(String::as_str))
    }

    /// Indices of several.
    pub(crate) fn states(&self, field: &str, names: &[String]) -> Result<Vec<usize>, SimError> {
        if names.is_empty() {
            return self.wrong(field, "is empty; name at least one");
        }
        names.iter().map(|name| self.state(field, name)).collect()
    }

    /// Index of a joint.
    pub(crate) fn joint(&self, field: &str, name: &str) -> Result<usize, SimError> {
        self.find(field, "joint", name, self.machine.joints.iter().map(|joint| joint.name.as_str()))
    }

    /// Index of an actuator in the action.
    pub(crate) fn drive(&self, field: &str, name: &str) -> Result<usize, SimError> {
        let names = self.machine.action_names();
        self.find(field, "actuator", name, names.iter().map(String::as_str))
    }

    /// Index among any names.
    pub(crate) fn find<'a>(
        &self,
        field: &str,
        kind: &'static str,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<usize, SimError> {
        find(self.path, field, kind, name, known)
    }

    /// An error about a field.
    pub(crate) fn wrong<T>(&self, field: &str, problem: &str) -> Result<T, SimError> {
        let (path, field) = (self.path.to_owned(), field.to_owned());
        Err(SimError::Field { path, field, problem: problem.to_owned() })
    }
}
