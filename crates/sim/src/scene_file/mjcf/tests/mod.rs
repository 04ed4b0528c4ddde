//! What a file says is what is read, to the bit; and what is not honoured is named.

mod actuators;
mod bodies;
mod constraints;
mod files;
mod options;
mod refusals;
mod sight;

use crate::SimError;
use crate::scene_file::SceneFile;
use crate::scene_file::xml::Element;
use housecat_physics::{Body, Geom, Joint};
use std::path::Path;

/// Reads a file with this text.
fn try_read(text: &str) -> Result<SceneFile, SimError> {
    let path = Path::new("scene.xml");
    super::read(path, Element::parse(path, text)?)
}

/// Reads a file with this between `<mujoco>` and `</mujoco>`.
fn read(inside: &str) -> SceneFile {
    try_read(&format!("<mujoco>{inside}</mujoco>")).unwrap()
}

/// Why such a file is refused.
fn refused(inside: &str) -> String {
    match try_read(&format!("<mujoco>{inside}</mujoco>")) {
        Ok(_) => panic!("{inside} should be refused"),
        Err(error) => error.to_string(),
    }
}

/// Reads a file with this in its world.
fn world(inside: &str) -> SceneFile {
    read(&format!("<compiler angle='radian'/><worldbody>{inside}</worldbody>"))
}

fn body<'a>(file: &'a SceneFile, name: &str) -> &'a Body {
    file.description.bodies.iter().find(|body| body.name == name).unwrap()
}

fn joint<'a>(file: &'a SceneFile, name: &str) -> &'a Joint {
    let mut joints = file.description.bodies.iter().flat_map(|body| &body.joints);
    joints.find(|joint| joint.name == name).unwrap()
}

fn geom<'a>(file: &'a SceneFile, name: &str) -> &'a Geom {
    let mut geoms = file.description.bodies.iter().flat_map(|body| &body.geoms);
    geoms.find(|geom| geom.name == name).unwrap()
}

/// Within rounding of what trigonometry gives.
fn near(one: impl IntoIterator<Item = f64>, other: impl IntoIterator<Item = f64>) {
    let (one, other): (Vec<_>, Vec<_>) = (one.into_iter().collect(), other.into_iter().collect());
    let close = one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close && one.len() == other.len(), "{one:?} is not {other:?}");
}
