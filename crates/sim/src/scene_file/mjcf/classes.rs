//! `<default>`: named classes of attributes that elements take where they are silent.

use crate::SimError;
use crate::error::find;
use crate::scene_file::xml::{Element, advice};

/// The tags of elements that take defaults; `<fixed>` and `<spatial>` take those of `<tendon>`, and all
/// equality constraints those of `<equality>`.
const TAGS: [&str; 10] =
    ["mesh", "material", "texture", "joint", "geom", "site", "camera", "light", "pair", "equality"];
/// The kinds of actuators share one set of defaults.
pub(super) const ACTUATORS: [&str; 13] = [
    "general",
    "motor",
    "position",
    "velocity",
    "intvelocity",
    "damper",
    "cylinder",
    "muscle",
    "adhesion",
    "orientation",
    "pid",
    "dcmotor",
    "plugin",
];

/// All classes of a file; the first is the one that holds where none is named.
#[derive(Default)]
pub(super) struct Classes(Vec<Class>);

struct Class {
    name: String,
    /// What the class says, after all that its parents say.
    elements: Vec<Element>,
}

impl Classes {
    /// Reads the `<default>` sections at the top of a file.
    pub fn read(root: &Element) -> Result<Self, SimError> {
        let mut classes = Self(vec![Class { name: "main".to_owned(), elements: Vec::new() }]);
        for section in root.children.iter().filter(|child| &*child.tag == "default") {
            if let Some(name) = section.get("class") {
                classes.0[0].name = name.to_owned();
            }
            classes.fill(0, section)?;
        }
        Ok(classes)
    }

    fn fill(&mut self, class: usize, section: &Element) -> Result<(), SimError> {
        if let Some(other) = section.attributes.iter().find(|other| &*other.name != "class") {
            let what = format!("attribute `{}` of <default>", other.name);
            return Err(section.place.refuse(what, advice(&other.name)));
        }
        for child in section.children.iter().filter(|child| &*child.tag != "default") {
            let tag = &*child.tag;
            if !TAGS.contains(&tag) && !ACTUATORS.contains(&tag) && tag != "tendon" {
                return Err(child.refuse("default", advice(tag)));
            }
            if let Some(grandchild) = child.children.first() {
                return Err(grandchild.refuse(tag, advice(&grandchild.tag)));
            }
            self.0[class].elements.push(child.clone());
        }
        for child in section.children.iter().filter(|child| &*child.tag == "default") {
            let name = child.get("class").filter(|name| !name.is_empty());
            let name = name
                .ok_or_else(|| child.place.wrong("a <default> in another needs a `class`"))?
                .to_owned();
            if self.0.iter().any(|other| other.name == name) {
                return Err(child.place.wrong(format!("two classes are called `{name}`")));
            }
            let elements = self.0[class].elements.clone();
            self.0.push(Class { name, elements });
            self.fill(self.0.len() - 1, child)?;
        }
        Ok(())
    }

    /// The defaults of an element, the weakest first: of its own class, else of the nearest `childclass`,
    /// else of the main class.
    pub fn of(
        &self,
        element: &Element,
        inherited: Option<&str>,
        tags: &[&str],
    ) -> Result<Vec<Element>, SimError> {
        let class = match element.get("class").filter(|name| !name.is_empty()).or(inherited) {
            Some(name) => self.check(element, name)?,
            None => 0,
        };
        let elements = self.0[class].elements.iter();
        Ok(elements.filter(|found| tags.contains(&&*found.tag)).cloned().collect())
    }

    /// The class that `element` names.
    pub fn check(&self, element: &Element, name: &str) -> Result<usize, SimError> {
        if name == "main" {
            return Ok(0);
        }
        let field = format!("line {}: <{}>", element.place.line, element.tag);
        let names = self.0.iter().map(|class| class.name.as_str());
        find(&element.place.file, &field, "class", name, names)
    }
}
