//! `[vary]` on indices.

use super::Factor;
use super::apply::{Change, Form, View, Wear};
use crate::SimError;
use crate::resolver::Resolver;
use crate::scene_file::SceneFile;
use crate::spec::{self, Range, Vary};
use housecat_core::{Level, Levels, Texture, TextureKind, TextureMap};
use housecat_physics::{Shape, Vec3};
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// What a number changes about a camera.
type Part = fn(f64) -> View;
/// Makes a texture of a name.
type Weave = fn(&str) -> Texture;
/// Ends between which any declared range must lie.
type Bounds = [f64; 2];

const ANY: Bounds = [f64::MIN, f64::MAX];
const NOT_NEGATIVE: Bounds = [0.0, f64::MAX];
/// What mass and size cannot do without.
const SOME: Bounds = [1e-3, 1e3];
const COLOUR: Bounds = [0.0, 1.0];
const TURN: Bounds = [-PI, PI];
/// A camera sees something, and not all around.
const VIEW: Bounds = [0.1, 2.0];

/// Resolves the names of all tables.
pub(crate) fn resolve(
    tables: &BTreeMap<String, Vary>,
    file: &SceneFile,
    goals: bool,
    names: &Resolver,
) -> Result<Vec<Factor>, SimError> {
    let mut factors = Vec::new();
    for (table, vary) in tables {
        let before = factors.len();
        let mut one = Table { table, file, names, factors: &mut factors };
        one.read(vary, goals)?;
        if factors.len() == before {
            return names.wrong(&format!("vary.{table}"), "varies nothing; give a key a range");
        }
    }
    Ok(factors)
}

/// A table as it is resolved.
struct Table<'a> {
    table: &'a str,
    file: &'a SceneFile,
    names: &'a Resolver<'a>,
    factors: &'a mut Vec<Factor>,
}

/// Where a geom is in the description (its body, its index there) and its shapes in the scene.
struct Found {
    geoms: Vec<[usize; 2]>,
    shapes: Vec<usize>,
}

impl Table<'_> {
    fn read(&mut self, vary: &Vary, goals: bool) -> Result<(), SimError> {
        match vary {
            Vary::Light { intensity, turn } => {
                if self.file.scene.lights.is_empty() {
                    return self.wrong("kind", "is light, but the scene has none; add a <light>");
                }
                self.number(
                    "light",
                    "intensity",
                    1.0,
                    *intensity,
                    NOT_NEGATIVE,
                    Change::Intensity,
                )?;
                self.number("light", "turn", 0.0, *turn, TURN, Change::Sun)
            }
            Vary::Colour { geoms, r, g, b } => self.colour(geoms, [*r, *g, *b]),
            Vary::Camera { camera, x, y, z, yaw, pitch, roll, fovy } => {
                let known = self.file.scene.cameras.iter().map(|camera| camera.name.as_str());
                let camera = self.names.find(&self.field("camera"), "camera", camera, known)?;
                let parts: [(_, &Range, _, _, Part); 7] = [
                    ("x", x, 0.0, ANY, |d| View::Shift([d, 0.0, 0.0])),
                    ("y", y, 0.0, ANY, |d| View::Shift([0.0, d, 0.0])),
                    ("z", z, 0.0, ANY, |d| View::Shift([0.0, 0.0, d])),
                    ("yaw", yaw, 0.0, TURN, |angle| View::Turn([0.0, 1.0, 0.0], angle)),
                    ("pitch", pitch, 0.0, TURN, |angle| View::Turn([1.0, 0.0, 0.0], angle)),
                    ("roll", roll, 0.0, TURN, |angle| View::Turn([0.0, 0.0, 1.0], angle)),
                    ("fovy", fovy, 1.0, VIEW, View::Widen),
                ];
                for (key, range, default, bounds, part) in parts {
                    self.number(
                        "camera",
                        key,
                        default,
                        *range,
                        bounds,
                        Change::Camera { camera, part },
                    )?;
                }
                Ok(())
            }
            Vary::Texture { geoms, default, choices } => self.texture(geoms, default, choices),
            Vary::Friction { geoms, factor } => {
                let geoms = match geoms {
                    Some(names) => self.geoms(names)?.geoms,
                    None => self.all_geoms().map(|(at, _)| at).collect(),
                };
                if geoms.is_empty() {
                    return self.wrong("geoms", "takes geoms that touch; these are only seen");
                }
                self.factor("friction", *factor, NOT_NEGATIVE, Change::Friction(geoms))
            }
            Vary::Mass { bodies, factor } => {
                let bodies = self.bodies(bodies)?;
                self.factor("mass", *factor, SOME, Change::Mass(bodies))
            }
            Vary::Damping { joints, factor } => {
                let all = 0..self.names.machine.joints.len();
                let joints = match joints {
                    Some(list) => list
                        .iter()
                        .map(|name| self.names.joint(&self.field("joints"), name))
                        .collect::<Result<Vec<_>, _>>()?,
                    None => all.collect(),
                };
                self.factor("damping", *factor, NOT_NEGATIVE, Change::Damping(joints))
            }
            Vary::Size { geoms, bodies, factor } => {
                if geoms.is_empty() == bodies.is_empty() {
                    return self.wrong("geoms", "or `bodies` is needed, and not both");
                }
                let Found { geoms, shapes } = self.geoms(geoms)?;
                let bodies = self.bodies(bodies)?;
                self.factor("size", *factor, SOME, Change::Size { geoms, shapes, bodies })
            }
            Vary::Shape { default, choices } => self.shape(default, choices),
            Vary::Start { factor } => self.factor("start", *factor, NOT_NEGATIVE, Change::Start),
            Vary::Goal { .. } if !goals => self.wrong(
                "kind",
                "is goal, but this sim's goals are fixed by their targets; remove the table",
            ),
            Vary::Goal { factor } => self.factor("goal", *factor, NOT_NEGATIVE, Change::Goal),
            Vary::Gravity { factor } => self.factor("gravity", *factor, ANY, Change::Gravity),
        }
    }

    fn field(&self, key: &str) -> String {
        format!("vary.{}.{key}", self.table)
    }

    fn wrong<T>(&self, key: &str, problem: &str) -> Result<T, SimError> {
        self.names.wrong(&self.field(key), problem)
    }

    fn factor(
        &mut self,
        kind: &'static str,
        range: [f64; 2],
        bounds: Bounds,
        change: Change,
    ) -> Result<(), SimError> {
        self.number(kind, "factor", 1.0, Some(range), bounds, change)
    }

    /// Adds a factor that is a number, if it is given a range.
    fn number(
        &mut self,
        kind: &'static str,
        key: &str,
        default: f64,
        range: Range,
        [least, most]: Bounds,
        change: Change,
    ) -> Result<(), SimError> {
        let Some([low, high]) = range else { return Ok(()) };
        if !(least <= low && low <= high && high <= most) {
            let bounds = match (least, most) {
                (f64::MIN, _) => "finite".to_owned(),
                (_, f64::MAX) => format!("at least {least}"),
                _ => format!("in [{least}, {most}]"),
            };
            let problem = format!("is [{low}, {high}]; it needs [low, high], both {bounds}");
            return self.wrong(key, &problem);
        }
        self.add(kind, key, Level::Number(default), Levels::Range([low, high]), change);
        Ok(())
    }

    fn add(
        &mut self,
        kind: &'static str,
        key: &str,
        default: Level,
        levels: Levels,
        change: Change,
    ) {
        let name = format!("{}.{key}", self.table);
        self.factors.push(Factor { name, kind, default, levels, change });
    }

    fn colour(&mut self, names: &[String], ranges: [Range; 3]) -> Result<(), SimError> {
        let Found { shapes, .. } = self.geoms(names)?;
        let rgba = |&shape: &usize| self.file.scene.shapes[shape].rgba;
        let mut colours = shapes.iter().map(rgba);
        let Some(first) = colours.next() else {
            return self.wrong("geoms", "is empty; name at least one geom that is seen");
        };
        if !colours.all(|colour| colour[..3] == first[..3]) {
            return self
                .wrong("geoms", "have several colours; give each colour a table of its own");
        }
        for (channel, (key, range)) in ["r", "g", "b"].into_iter().zip(ranges).enumerate() {
            let change = Change::Colour { shapes: shapes.clone(), channel };
            self.number("colour", key, written(first[channel]), range, COLOUR, change)?;
        }
        Ok(())
    }

    fn texture(
        &mut self,
        names: &[String],
        default: &str,
        choices: &BTreeMap<String, spec::Cloth>,
    ) -> Result<(), SimError> {
        let Found { shapes, .. } = self.geoms(names)?;
        if shapes.is_empty() {
            return self.wrong("geoms", "is empty; name at least one geom that is seen");
        }
        let levels = self.levels(default, choices.keys())?;
        let (mut maps, mut textures) = (Vec::new(), Vec::new());
        for cloth in choices.values() {
            if !(cloth.repeat.is_finite() && cloth.repeat > 0.0) {
                return self.wrong("choices", "needs a positive `repeat`");
            }
            let known = &self.file.scene.textures;
            let own = known.iter().position(|texture| texture.name == cloth.texture);
            let texture = match own {
                Some(index) => index,
                None => {
                    let builtin = BUILTIN.iter().map(|(name, _)| *name);
                    let all = known.iter().map(|texture| texture.name.as_str()).chain(builtin);
                    let found =
                        self.names.find(&self.field("choices"), "texture", &cloth.texture, all)?;
                    textures.push(BUILTIN[found - known.len()].1(&cloth.texture));
                    known.len() + textures.len() - 1
                }
            };
            maps.push(TextureMap { texture, repeat: [cloth.repeat; 2], uniform: false });
        }
        // The scene's own textures keep their numbers; these are added behind.
        let change =
            Change::Texture(Wear { shapes, first: self.file.scene.textures.len(), textures, maps });
        self.add("texture", "choice", Level::Choice(default.to_owned()), levels, change);
        Ok(())
    }

    fn shape(
        &mut self,
        default: &str,
        choices: &BTreeMap<String, BTreeMap<String, spec::Form>>,
    ) -> Result<(), SimError> {
        let levels = self.levels(default, choices.keys())?;
        let mut forms = Vec::new();
        for (choice, changes) in choices {
            let mut list = Vec::new();
            for (name, form) in changes {
                let Found { geoms, shapes } = self.geoms(std::slice::from_ref(name))?;
                let pos = form.pos;
                if pos.is_some_and(|pos| !pos.iter().all(|value| value.is_finite())) {
                    return self.wrong("choices", "needs finite numbers in `pos`");
                }
                let shape = match (&form.size, geoms.first()) {
                    (None, _) => None,
                    (Some(size), Some(&[body, geom])) => {
                        let shape = &self.file.description.bodies[body].geoms[geom].shape;
                        match resized(shape, size) {
                            Some(shape) => Some(shape),
                            None => {
                                let problem = format!(
                                    "`{choice}` gives `{name}` a `size` that does not fit its type"
                                );
                                return self.wrong("choices", &problem);
                            }
                        }
                    }
                    (Some(_), None) => {
                        return self.wrong("choices", "gives a size to a geom that is only seen");
                    }
                };
                list.push(Form { geoms, shapes, pos, shape });
            }
            forms.push(list);
        }
        self.add(
            "shape",
            "choice",
            Level::Choice(default.to_owned()),
            levels,
            Change::Shape(forms),
        );
        Ok(())
    }

    /// Alternatives, the scene's own first.
    fn levels<'a>(
        &self,
        default: &str,
        choices: impl Iterator<Item = &'a String> + Clone,
    ) -> Result<Levels, SimError> {
        if choices.clone().any(|name| name == default) || choices.clone().next().is_none() {
            let problem = "needs alternatives to `default`, which is what the scene has";
            return self.wrong("choices", problem);
        }
        if choices.clone().any(|name| name.contains(['|', '='])) || default.contains(['|', '=']) {
            return self.wrong("choices", "has a name with `|` or `=`; use other characters");
        }
        Ok(Levels::Choices(std::iter::once(default.to_owned()).chain(choices.cloned()).collect()))
    }

    fn all_geoms(&self) -> impl Iterator<Item = ([usize; 2], &str)> + Clone {
        let bodies = self.file.description.bodies.iter().enumerate();
        bodies.flat_map(|(body, part)| {
            let geoms = part.geoms.iter().enumerate();
            geoms.map(move |(geom, part)| ([body, geom], part.name.as_str()))
        })
    }

    /// Geoms by name, in the physics and in the scene.
    fn geoms(&self, list: &[String]) -> Result<Found, SimError> {
        let mut found = Found { geoms: Vec::new(), shapes: Vec::new() };
        for name in list {
            let shapes = self.file.scene.shapes.iter();
            let seen = shapes.clone().map(|shape| shape.name.as_str());
            let known = seen.chain(self.all_geoms().map(|(_, name)| name));
            self.names.find(&self.field("geoms"), "geom", name, known)?;
            let named = self.all_geoms().filter(|(_, other)| other == name);
            found.geoms.extend(named.map(|(at, _)| at));
            let named = shapes.enumerate().filter(|(_, shape)| shape.name == *name);
            found.shapes.extend(named.map(|(index, _)| index));
        }
        Ok(found)
    }

    fn bodies(&self, list: &[String]) -> Result<Vec<usize>, SimError> {
        let known = self.names.machine.body_names.iter().map(String::as_str);
        let find =
            |name: &String| self.names.find(&self.field("bodies"), "body", name, known.clone());
        list.iter().map(find).collect()
    }
}

/// A number of single precision as it was written: 0.1 stays 0.1.
fn written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// The textures that need no file.
const BUILTIN: [(&str, Weave); 3] = [
    ("checker", |name| Texture::checker(name, TextureKind::Sheet, LIGHT, DARK, 64, 64)),
    ("gradient", |name| Texture::gradient(name, TextureKind::Sheet, LIGHT, DARK, 64, 64)),
    ("dots", |name| {
        let plain = Texture::flat(name, TextureKind::Sheet, LIGHT, DARK, 64, 64);
        plain.marked(housecat_core::Mark::Random(0.2), DARK)
    }),
];
/// Textures are multiplied with the colour of what wears them.
const LIGHT: [f32; 3] = [1.0; 3];
const DARK: [f32; 3] = [0.6; 3];

/// A shape of the same type with another size, if that has the right numbers.
fn resized(shape: &Shape, size: &[f64]) -> Option<Shape> {
    if !size.iter().all(|value| value.is_finite() && *value > 0.0) {
        return None;
    }
    Some(match (shape, size) {
        (Shape::Sphere { .. }, &[radius]) => Shape::Sphere { radius },
        (Shape::Capsule { .. }, &[radius, half_length]) => Shape::Capsule { radius, half_length },
        (Shape::Cylinder { .. }, &[radius, half_length]) => Shape::Cylinder { radius, half_length },
        (Shape::Ellipsoid { .. }, &[x, y, z]) => Shape::Ellipsoid { radii: Vec3::new(x, y, z) },
        (Shape::Box { .. }, &[x, y, z]) => Shape::Box { half: Vec3::new(x, y, z) },
        _ => return None,
    })
}
