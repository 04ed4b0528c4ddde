//! Names are unique among things of a kind; what has none gets one.

use super::xml::Attributes;
use crate::SimError;
use std::cell::RefCell;
use std::collections::HashSet;

/// The names that are taken.
#[derive(Default)]
pub(super) struct Names(RefCell<HashSet<(&'static str, String)>>);

impl Names {
    /// Takes the `name` of an element; empty if it has none.
    pub fn add(&self, a: &mut Attributes, kind: &'static str) -> Result<String, SimError> {
        let name = a.word("name").unwrap_or_default().to_owned();
        if !name.is_empty() && !self.0.borrow_mut().insert((kind, name.clone())) {
            return Err(a.wrong(format!("has the name `{name}`, as another {kind}; rename one")));
        }
        Ok(name)
    }

    /// Whether a name was taken for this kind, which takes it.
    pub fn claim(&self, kind: &'static str, name: &str) -> bool {
        self.0.borrow_mut().insert((kind, name.to_owned()))
    }

    /// Calls what has no name by its kind and number.
    pub fn complete<'a>(&self, kind: &'static str, names: impl Iterator<Item = &'a mut String>) {
        for (index, name) in names.enumerate().filter(|(_, name)| name.is_empty()) {
            *name = self.free(kind, format!("{kind} {index}"));
        }
    }

    /// A name like `wish` that is not taken, and then is.
    pub fn free(&self, kind: &'static str, mut wish: String) -> String {
        while !self.claim(kind, &wish) {
            wish.push('\'');
        }
        wish
    }
}
