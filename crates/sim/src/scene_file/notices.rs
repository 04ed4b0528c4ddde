//! What has no effect, said once each.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Collects notices while a file is read.
#[derive(Default)]
pub(super) struct Notices {
    plain: RefCell<Vec<String>>,
    attributes: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Notices {
    /// A sentence, once however often it comes.
    pub fn say(&self, text: impl Into<String>) {
        let (text, mut plain) = (text.into(), self.plain.borrow_mut());
        if !plain.contains(&text) {
            plain.push(text);
        }
    }

    /// An attribute that has no effect.
    pub fn attribute(&self, tag: &str, name: &str) {
        let mut attributes = self.attributes.borrow_mut();
        let names = attributes.entry(tag.to_owned()).or_default();
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }

    /// An element that has no effect, whatever it holds.
    pub fn element(&self, tag: &str) {
        self.say(format!("<{tag}> has no effect"));
    }

    /// All of them: the sentences in order, then one for each tag with ineffective attributes.
    pub fn finish(self) -> Vec<String> {
        let mut all = self.plain.into_inner();
        for (tag, mut names) in self.attributes.into_inner() {
            names.sort();
            let verb = if names.len() == 1 { "has" } else { "have" };
            all.push(format!("<{tag}>: {} {verb} no effect", names.join(", ")));
        }
        all
    }
}
