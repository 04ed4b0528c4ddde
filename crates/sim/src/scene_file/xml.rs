//! XML in which nothing is overlooked: whoever reads an element *takes* its attributes and children,
//! and what is left untaken is refused by name or becomes a notice.

use super::notices::Notices;
use crate::SimError;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Elements may be nested this deeply; bodies of any robot are far shallower.
const DEEPEST: usize = 200;

/// Where something stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub file: Rc<Path>,
    pub line: u32,
}

impl Place {
    /// Something is supported, but its value makes no sense.
    pub fn wrong(&self, problem: impl Display) -> SimError {
        SimError::Invalid {
            path: self.file.to_path_buf(),
            line: self.line,
            problem: problem.to_string(),
        }
    }

    /// Something would be dropped in silence.
    pub fn refuse(&self, what: impl Display, fix: &str) -> SimError {
        SimError::Unsupported {
            path: self.file.to_path_buf(),
            line: self.line,
            what: what.to_string(),
            fix: fix.to_owned(),
        }
    }

    /// A file that is named here cannot be read.
    pub fn unreadable(&self, part: &Path, source: std::io::Error) -> SimError {
        SimError::Part {
            path: self.file.to_path_buf(),
            line: self.line,
            part: part.to_owned(),
            source,
        }
    }
}

/// An attribute, with the place of its element.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub name: Rc<str>,
    pub value: Rc<str>,
    pub place: Place,
}

/// An element of a file, or of one that it includes.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub tag: Rc<str>,
    pub attributes: Vec<Attribute>,
    pub children: Vec<Element>,
    pub place: Place,
}

impl Element {
    /// The root element of a file; `included` is where the file is named, unless it is the main one.
    pub fn load(path: &Path, included: Option<&Place>) -> Result<Self, SimError> {
        let text = std::fs::read_to_string(path).map_err(|source| match included {
            Some(place) => place.unreadable(path, source),
            None => SimError::Read { path: path.to_owned(), source },
        })?;
        Self::parse(path, &text)
    }

    /// The root element of a text that stands in `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SimError> {
        let malformed = |message| SimError::Xml { path: path.to_owned(), message };
        if depth(text) > DEEPEST {
            return Err(malformed(format!("elements are nested more than {DEEPEST} deep")));
        }
        // Other parsers do not mind a declaration that is not at the very beginning, or a NUL at the end.
        let text = text.trim_end_matches('\0');
        let declared = text.find("<?xml").filter(|&at| at > 0 && text[..at].trim().is_empty());
        let blank = declared.map(|at| "\n".repeat(text[..at].matches('\n').count()) + &text[at..]);
        let text = match &blank {
            Some(text) => text.replacen("<?xml", "<!--", 1).replacen("?>", "-->", 1),
            None => text.to_owned(),
        };
        let document =
            roxmltree::Document::parse(&text).map_err(|error| malformed(error.to_string()))?;
        let lines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let file: Rc<Path> = Rc::from(path);
        let place = |node: roxmltree::Node| Place {
            file: file.clone(),
            line: 1 + lines.partition_point(|&at| at < node.range().start) as u32,
        };
        Ok(Self::convert(document.root_element(), &place))
    }

    fn convert(node: roxmltree::Node, place: &impl Fn(roxmltree::Node) -> Place) -> Self {
        let here = place(node);
        let attribute = |attribute: roxmltree::Attribute| Attribute {
            name: attribute.name().into(),
            value: attribute.value().into(),
            place: here.clone(),
        };
        let children = node.children().filter(roxmltree::Node::is_element);
        let macros = node.tag_name().namespace().is_some_and(|uri| uri.contains("xacro"));
        let name = node.tag_name().name();
        Self {
            tag: if macros { format!("xacro:{name}").into() } else { name.into() },
            attributes: node.attributes().map(attribute).collect(),
            children: children.map(|child| Self::convert(child, place)).collect(),
            place: here,
        }
    }

    /// An attribute of the element itself.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|found| &*found.name == name).map(|found| &*found.value)
    }

    /// Reads the element: `build` takes what has an effect; attributes listed in `harmless` (`*`
    /// is all) are noticed, and anything else that is left is refused.
    pub fn read<'a, T>(
        &'a self,
        notices: &Notices,
        harmless: &[&str],
        build: impl FnOnce(&mut Attributes<'a>) -> Result<T, SimError>,
    ) -> Result<T, SimError> {
        self.read_over(&[], notices, harmless, build)
    }

    /// The same, with elements whose attributes hold where this one is silent, the weakest first.
    pub fn read_over<'a, T>(
        &'a self,
        defaults: &'a [Element],
        notices: &Notices,
        harmless: &[&str],
        build: impl FnOnce(&mut Attributes<'a>) -> Result<T, SimError>,
    ) -> Result<T, SimError> {
        let layers = defaults.iter().chain([self]).enumerate();
        let slots = layers.flat_map(|(layer, element)| {
            element.attributes.iter().map(move |attribute| Slot { attribute, layer, taken: false })
        });
        let mut attributes =
            Attributes { element: self, slots: slots.collect(), children_taken: false };
        let built = build(&mut attributes)?;
        attributes.finish(notices, harmless)?;
        Ok(built)
    }

    /// The error for an element that nobody understands here.
    pub fn refuse(&self, parent: &str, fix: &str) -> SimError {
        self.place.refuse(format!("<{}> in <{parent}>", self.tag), fix)
    }
}

/// How deeply the elements of a text are nested. The parser recurses, so it must be known before.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut rest) = (0_usize, 0, text);
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let skipped =
            [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("</", ">"), ("<!", ">")]
                .into_iter()
                .find(|(open, _)| rest.starts_with(open));
        let end = match skipped {
            Some((open, close)) => {
                depth = depth.saturating_sub(usize::from(open == "</"));
                rest.find(close).map(|end| end + close.len())
            }
            None => {
                let mut quote = None;
                let end = rest.find(|letter| match quote {
                    Some(open) => {
                        quote = quote.filter(|_| letter != open);
                        false
                    }
                    None => {
                        quote = Some(letter).filter(|letter| matches!(letter, '"' | '\''));
                        letter == '>'
                    }
                });
                if end.is_none_or(|end| !rest[..end].ends_with('/')) {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                end
            }
        };
        let Some(end) = end else { break };
        rest = &rest[end..];
    }
    deepest
}

struct Slot<'a> {
    attribute: &'a Attribute,
    layer: usize,
    taken: bool,
}

/// The attributes of an element over those of its class, and its children, to be taken.
pub(super) struct Attributes<'a> {
    element: &'a Element,
    slots: Vec<Slot<'a>>,
    children_taken: bool,
}

impl<'a> Attributes<'a> {
    /// Where the element stands.
    pub fn place(&self) -> &'a Place {
        &self.element.place
    }

    /// The element's own tag.
    pub fn tag(&self) -> &'a str {
        &self.element.tag
    }

    /// The children, which the caller reads.
    pub fn children(&mut self) -> &'a [Element] {
        self.children_taken = true;
        &self.element.children
    }

    /// The error that the element has this problem.
    pub fn wrong(&self, problem: impl Display) -> SimError {
        self.place().wrong(format!("<{}> {problem}", self.element.tag))
    }

    /// The error that the element has this unsupported part.
    pub fn refuse(&self, what: impl Display, fix: &str) -> SimError {
        self.place().refuse(format!("{what} of <{}>", self.element.tag), fix)
    }

    /// How errors call an attribute.
    pub fn field(&self, name: &str) -> String {
        format!("line {}: <{} {name}>", self.element.place.line, self.element.tag)
    }

    /// Whether the attribute is there at all.
    pub fn has(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| &*slot.attribute.name == name)
    }

    /// Takes an attribute: all its layers count as read, the strongest decides.
    pub fn attribute(&mut self, name: &str) -> Option<&'a Attribute> {
        let mut found = None;
        for slot in self.slots.iter_mut().filter(|slot| &*slot.attribute.name == name) {
            slot.taken = true;
            found = Some(slot.attribute);
        }
        found
    }

    /// Takes whichever of some attributes is strongest; two in one layer contradict each other.
    pub fn one_of(&mut self, names: &[&str]) -> Result<Option<&'a Attribute>, SimError> {
        let mut found: Option<(usize, &Attribute)> = None;
        for slot in &mut self.slots {
            if !names.contains(&&*slot.attribute.name) {
                continue;
            }
            slot.taken = true;
            if let Some((layer, other)) = found
                && layer == slot.layer
            {
                return Err(slot.attribute.place.wrong(format!(
                    "<{}> has both `{}` and `{}`; keep one",
                    self.element.tag, other.name, slot.attribute.name
                )));
            }
            found = Some((slot.layer, slot.attribute));
        }
        Ok(found.map(|(_, attribute)| attribute))
    }

    /// Words; an empty attribute is as good as none.
    pub fn word(&mut self, name: &str) -> Option<&'a str> {
        self.attribute(name).map(|found| &*found.value).filter(|value| !value.is_empty())
    }

    /// Words that must be there.
    pub fn need(&mut self, name: &str) -> Result<&'a str, SimError> {
        self.word(name).ok_or_else(|| self.wrong(format!("needs `{name}`")))
    }

    /// One of some words, with what each stands for.
    pub fn keyword<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, SimError> {
        let Some(found) = self.attribute(name) else { return Ok(None) };
        let meant = words.iter().find(|(word, _)| *word == &*found.value);
        meant.map(|&(_, value)| Some(value)).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|&(word, _)| word).collect();
            found.place.refuse(
                format!("{name}=\"{}\" of <{}>", found.value, self.element.tag),
                &format!("write one of: {}", words.join(", ")),
            )
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, SimError> {
        self.keyword(name, &[("true", true), ("false", false)])
    }

    /// `true`, `false` or `auto`, which is `None`.
    pub fn tristate(&mut self, name: &str) -> Result<Option<bool>, SimError> {
        let words = [("true", Some(true)), ("false", Some(false)), ("auto", None)];
        Ok(self.keyword(name, &words)?.flatten())
    }

    /// Any number of finite numbers.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<f64>>, SimError> {
        let Some(found) = self.attribute(name) else { return Ok(None) };
        self.parse(found).map(Some)
    }

    /// One finite number.
    pub fn number(&mut self, name: &str) -> Result<Option<f64>, SimError> {
        Ok(self.numbers(name)?.map(|[value]| value))
    }

    /// One finite number, not below zero.
    pub fn positive(&mut self, name: &str) -> Result<Option<f64>, SimError> {
        let value = self.number(name)?;
        if value.is_some_and(|value| value < 0.0) {
            return Err(self.wrong(format!("has a negative `{name}`")));
        }
        Ok(value)
    }

    /// One whole number.
    pub fn integer(&mut self, name: &str) -> Result<Option<i32>, SimError> {
        let Some(found) = self.attribute(name) else { return Ok(None) };
        let wrong = || {
            let problem = format!("needs one whole number in `{name}`, not \"{}\"", found.value);
            found.place.wrong(format!("<{}> {problem}", self.element.tag))
        };
        found.value.trim().parse().map(Some).map_err(|_| wrong())
    }

    /// Exactly so many finite numbers.
    pub fn numbers<const N: usize>(&mut self, name: &str) -> Result<Option<[f64; N]>, SimError> {
        let Some(found) = self.attribute(name) else { return Ok(None) };
        let values: [f64; N] =
            self.parse(found)?.try_into().map_err(|_| self.count(found, &N.to_string()))?;
        Ok(Some(values))
    }

    /// At most so many finite numbers; each layer overwrites as many as it gives.
    pub fn partial<const N: usize>(
        &mut self,
        name: &str,
        mut values: [f64; N],
    ) -> Result<[f64; N], SimError> {
        for index in 0..self.slots.len() {
            let found = self.slots[index].attribute;
            if &*found.name != name {
                continue;
            }
            self.slots[index].taken = true;
            let given = self.parse(found)?;
            values
                .get_mut(..given.len())
                .ok_or_else(|| self.count(found, &format!("at most {N}")))?
                .copy_from_slice(&given);
        }
        Ok(values)
    }

    fn parse(&self, found: &Attribute) -> Result<Vec<f64>, SimError> {
        let word = |word: &str| word.parse::<f64>().ok().filter(|value| value.is_finite());
        found.value.split_ascii_whitespace().map(word).collect::<Option<_>>().ok_or_else(|| {
            found.place.refuse(
                format!("{}=\"{}\" of <{}>", found.name, shortened(&found.value), self.element.tag),
                "write finite numbers separated by spaces",
            )
        })
    }

    fn count(&self, found: &Attribute, wanted: &str) -> SimError {
        found.place.wrong(format!(
            "<{}> needs {wanted} numbers in `{}`, not \"{}\"",
            self.element.tag,
            found.name,
            shortened(&found.value)
        ))
    }

    fn finish(self, notices: &Notices, harmless: &[&str]) -> Result<(), SimError> {
        let tag = self.element.tag.as_ref();
        for slot in self.slots.iter().filter(|slot| !slot.taken) {
            let name = slot.attribute.name.as_ref();
            if !harmless.contains(&name) && harmless != ["*"] {
                return Err(slot
                    .attribute
                    .place
                    .refuse(format!("attribute `{name}` of <{tag}>"), advice(name)));
            }
            notices.attribute(tag, name);
        }
        match self.element.children.first() {
            Some(child) if !self.children_taken => Err(child.refuse(tag, advice(&child.tag))),
            _ => Ok(()),
        }
    }
}

/// The beginning of a long value.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(60) {
        Some((end, _)) => format!("{} ...", &value[..end]),
        None => value.to_owned(),
    }
}

/// What to do instead of an attribute or element that is refused wherever it stands.
pub(super) fn advice(name: &str) -> &'static str {
    match name {
        "fluidshape" | "fluidcoef" => "leave it out: the medium acts on the inertia box",
        "shellinertia" => "give the body an <inertial>",
        "plugin" | "extension" => "plugins are code for another engine; leave it out",
        "actuatorgravcomp" => "compensate gravity with gravcomp alone",
        "attach" | "model" => "use <include> or write the bodies out",
        "flexcomp" | "composite" | "flex" | "deformable" => "only rigid bodies are simulated",
        "muscle" | "adhesion" | "dcmotor" | "pid" | "orientation" => {
            "use a motor, position, velocity, intvelocity, damper, cylinder or general actuator"
        }
        "slidersite" | "cranksite" | "cranklength" => "drive the joint, tendon or site directly",
        _ => "it would be dropped in silence; remove it or model it otherwise",
    }
}

/// A path that stands in a file, which may use either kind of slash.
pub(super) fn path_of(text: &str) -> PathBuf {
    PathBuf::from(text.replace('\\', "/"))
}
