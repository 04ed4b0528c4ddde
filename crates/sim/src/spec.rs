//! `sim.toml` as it is written. Everything a sim needs beside its scene; names are resolved later.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// One line for people.
    pub description: String,
    /// The scene file, if it is not `scene.xml`: MJCF or URDF.
    pub scene: Option<String>,
    /// Whether the base of a URDF robot is fixed to the world.
    #[serde(default)]
    pub base: Base,
    /// Features that make up the privileged state.
    pub privileged: Vec<String>,
    pub time: Time,
    pub observation: Observation,
    #[serde(default)]
    pub action: Action,
    /// What can be measured, by name.
    pub features: BTreeMap<String, Feature>,
    /// Where episodes start, by joint. A joint that is not named starts at rest as the scene has it.
    #[serde(default)]
    pub reset: BTreeMap<String, Spread>,
    /// Where evaluation episodes start; like `reset` when absent.
    pub evaluation: Option<BTreeMap<String, Spread>>,
    #[serde(default)]
    pub goal: Vec<Goal>,
    pub protocol: Option<Protocols>,
    pub pairs: Option<Pairs>,
    #[serde(default)]
    pub reward: Vec<Reward>,
    pub scripted: Option<Scripted>,
    /// The point whose path displays draw.
    pub track: Option<Track>,
}

/// World coordinates of a point: privileged features, or numbers in metres.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Track {
    pub x: Coordinate,
    pub y: Coordinate,
    pub z: Coordinate,
}

/// One coordinate of a tracked point.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Coordinate {
    /// Metres.
    Fixed(f32),
    /// A privileged feature.
    Feature(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    /// Control steps a second.
    pub control_hz: u32,
    /// Physics steps a second, a multiple of `control_hz`.
    pub physics_hz: u32,
    /// Control steps in an episode.
    pub max_steps: usize,
}

/// How the base of a URDF robot is held; MJCF says so itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Base {
    /// Fixed to the world.
    #[default]
    Fixed,
    /// It moves freely.
    Free,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observation {
    /// Camera of the default image.
    pub camera: String,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Features in the observed state vector.
    pub state: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    /// Actuators whose action is a step from where they are: the length of one, in the actuator's units.
    #[serde(default)]
    pub relative: BTreeMap<String, f64>,
    /// Actuators that are no part of the action, and their constant controls.
    #[serde(default)]
    pub hold: BTreeMap<String, f64>,
    /// Groups of actuators whose action vector is shortened to unit length.
    #[serde(default)]
    pub unit_ball: Vec<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Axis {
    X,
    Y,
    Z,
}

/// A measurable scalar.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Feature {
    /// Joint coordinate: m for a slide, rad for a hinge (turns are counted).
    Joint { joint: String },
    /// Joint velocity: m/s or rad/s.
    Rate { joint: String },
    /// Cosine of a hinge.
    Cos { joint: String },
    /// Sine of a hinge.
    Sin { joint: String },
    /// World coordinate of a body's origin, m.
    Body { body: String, axis: Axis },
    /// World coordinate of a site, m.
    Site { site: String, axis: Axis },
}

/// Start of a joint: uniform over a union of intervals.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spread {
    #[serde(default)]
    pub position: Vec<[f64; 2]>,
    #[serde(default)]
    pub velocity: Vec<[f64; 2]>,
}

/// One term of the goal: the norm of the differences of its features.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goal {
    pub name: String,
    pub features: Vec<String>,
    /// `m` or `rad`.
    pub unit: Unit,
    /// Error that counts 1 in the goal distance; a term without it is judged but does not count.
    pub scale: Option<f64>,
    /// Differences are taken around the circle.
    #[serde(default)]
    pub periodic: bool,
    /// A goal that is always the same, one value a feature.
    pub target: Option<Vec<f64>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    M,
    Rad,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Protocols {
    pub moderate: Criterion,
    pub strict: Criterion,
}

/// When a protocol counts a success.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Criterion {
    /// Limit of each named goal term; all must be met.
    pub within: BTreeMap<String, f64>,
    /// Consecutive control steps for which they must be.
    #[serde(default = "one")]
    pub hold: u32,
    /// The way that leads to the other side.
    pub gate: Option<Gate>,
}

fn one() -> u32 {
    1
}

/// A line that may be crossed in one place only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    /// Feature that tells the side.
    pub feature: String,
    /// Its value on the line.
    pub at: f64,
    /// Range of other features within which a crossing is legal.
    pub through: BTreeMap<String, [f64; 2]>,
}

/// Which pairs of start and goal the protocol admits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pairs {
    pub opposite: Side,
}

/// A line that divides the world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    pub feature: String,
    pub at: f64,
}

/// One factor of the reward: `1 - mix + mix * tolerance`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reward {
    /// What is judged: a feature ...
    pub feature: Option<String>,
    /// ... or an actuator's action.
    pub action: Option<String>,
    /// Where the tolerance is 1.
    pub bounds: [f64; 2],
    /// Distance from the bounds at which it has fallen to `value_at_margin`.
    pub margin: f64,
    #[serde(default = "tenth")]
    pub value_at_margin: f64,
    #[serde(default)]
    pub shape: Sigmoid,
    #[serde(default = "full")]
    pub mix: f64,
}

fn tenth() -> f64 {
    0.1
}

fn full() -> f64 {
    1.0
}

/// How a tolerance falls off, as in dm_control's `rewards.tolerance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sigmoid {
    #[default]
    Gaussian,
    Linear,
    Quadratic,
}

/// A policy that wanders between random waypoints; component i of the action drives feature i.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scripted {
    /// Position, one feature an actuator.
    pub features: Vec<String>,
    /// Where waypoints are drawn: a union of intervals a feature.
    pub waypoints: Vec<Vec<[f64; 2]>>,
    /// Distance at which a waypoint counts as reached.
    pub reach: f64,
    /// Control steps after which one is given up.
    pub patience: u32,
    /// Action per metre (or radian) of distance.
    pub gain: f32,
    /// Length of the action at most, drawn for each waypoint.
    pub speed: [f32; 2],
    /// Noise added to each component.
    pub noise_std: f32,
    /// Its correlation from step to step.
    pub noise_rho: f32,
    /// Chance that a waypoint is pursued in a straight line, walls or not.
    pub careless: f32,
    /// The doorway to pass on the way to the other side.
    pub door: Option<Door>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Door {
    /// Feature that tells the side.
    pub feature: String,
    /// Its value in the middle of the doorway.
    pub at: f64,
    /// Distance from there at which the doorway is behind.
    pub clearance: f64,
    /// Middle of the doorway in each other feature.
    pub centre: BTreeMap<String, f64>,
    /// How well the other features must be aligned before passing.
    pub slack: f64,
}
