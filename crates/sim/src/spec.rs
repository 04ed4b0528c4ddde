//! `sim.toml` as it is written. Everything a sim needs beside its scene; names are resolved later.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// One line for people.
    pub description: String,
    /// Whether it was made up for a bare scene file, which may have nothing that moves.
    #[serde(skip)]
    pub bare: bool,
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
    /// Where episodes start.
    #[serde(default)]
    pub reset: Reset,
    /// Where evaluation episodes start; like `reset` when absent.
    pub evaluation: Option<Reset>,
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

/// A component of a unit quaternion.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    W,
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
    /// World coordinate of the way from the site `from` to another, m.
    Offset { site: String, from: String, axis: Axis },
    /// Length of a tendon, m.
    Length { tendon: String },
    /// Where a body's own x axis points, seen from above: rad from the world's x axis, in [-pi, pi].
    Heading { body: String },
    /// World coordinate of one of a body's own unit axes: an entry of its rotation matrix.
    Direction { body: String, of: Axis, axis: Axis },
    /// Component of a body's rotation as a unit quaternion, of whose two signs w >= 0 is taken.
    Rotation { body: String, part: Part },
}

/// Where episodes start. A joint that is not named starts as the keyframe has it, else
/// at rest as the scene has it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Reset {
    /// The scene's keyframe from which the joints' coordinates and rates are taken, if any.
    pub keyframe: Option<String>,
    /// Draw again until nothing touches anything.
    #[serde(default)]
    pub apart: bool,
    /// Every other key is the name of a joint.
    #[serde(flatten)]
    pub joints: BTreeMap<String, Spread>,
}

/// Start of a joint: each number uniform over a union of intervals, or as the keyframe or scene has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spread {
    /// Coordinate of a slide or hinge, m or rad.
    #[serde(default)]
    pub position: Vec<[f64; 2]>,
    /// Its rate, m/s or rad/s.
    #[serde(default)]
    pub velocity: Vec<[f64; 2]>,
    /// World coordinate of a free body, m.
    #[serde(default)]
    pub x: Vec<[f64; 2]>,
    /// World coordinate of a free body, m.
    #[serde(default)]
    pub y: Vec<[f64; 2]>,
    /// World coordinate of a free body, m.
    #[serde(default)]
    pub z: Vec<[f64; 2]>,
    /// Turn of a free body about the vertical, away from how the scene has it, rad.
    #[serde(default)]
    pub yaw: Vec<[f64; 2]>,
}

/// One term of the goal: the norm of the differences of its features, or the angle between two rotations.
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
    /// The features are a unit quaternion, w first, and the error is the angle between two rotations.
    pub rotation: Option<Symmetry>,
    /// A goal that is always the same, one value a feature.
    pub target: Option<Vec<f64>>,
}

/// Which rotations look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Symmetry {
    /// None do.
    Plain,
    /// The 24 that map a cube to itself.
    Cube,
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
    /// Start and goal lie on different sides of at least one of these lines.
    pub opposite: Vec<Side>,
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

/// A collection policy in data. All of them see the privileged state.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Scripted {
    Waypoints(Waypoints),
    Push(Push),
    Pick(Pick),
    Gait(Gait),
}

/// Noise on each component of the action, correlated from step to step.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noise {
    /// Its standard deviation.
    pub std: f32,
    /// Its correlation from one step to the next.
    pub rho: f32,
}

/// How points are approached: the action is `gain` times the way, shortened to a random speed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approach {
    /// Distance at which a point counts as reached.
    pub reach: f64,
    /// Control steps after which one is given up.
    pub patience: u32,
    /// Action per metre (or radian) of distance.
    pub gain: f64,
    /// Length of the action at most, drawn for each point.
    pub speed: [f64; 2],
}

/// It wanders between random waypoints; component i of the action drives feature i.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waypoints {
    /// Position, one feature a component of the action.
    pub features: Vec<String>,
    /// Where waypoints are drawn: a union of intervals a feature.
    pub waypoints: Vec<Vec<[f64; 2]>>,
    pub approach: Approach,
    pub noise: Noise,
    /// Chance that a waypoint is pursued in a straight line, walls or not.
    pub careless: f32,
    /// The doorways to pass on the way to the other side.
    #[serde(default)]
    pub doors: Vec<Door>,
}

/// A doorway in a line.
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

/// In the plane, it goes around an object to a random point behind it and pushes it from there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    /// The pusher's x and y, driven by the two components of the action.
    pub pusher: [String; 2],
    /// The object's x and y.
    pub object: [String; 2],
    /// Where pushes should begin and end: an interval for x and one for y.
    pub area: [[f64; 2]; 2],
    /// Distance from the object's middle at which a push begins and at which it is passed by, m.
    pub around: f64,
    /// How far beside the object's middle a push aims at most, m.
    pub beside: f64,
    /// How far beyond the object's middle a push ends, m.
    pub beyond: [f64; 2],
    pub approach: Approach,
    pub noise: Noise,
    /// Chance that it goes straight to where a push begins, whatever is between.
    pub careless: f32,
}

/// It picks an object up and puts it down elsewhere. The first three components of the action drive the
/// hand, the last opens it (+1) and closes it (-1).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pick {
    /// The hand's x, y and z.
    pub hand: [String; 3],
    /// The object's x, y and z.
    pub object: [String; 3],
    /// Where it is put down: an interval for x and one for y.
    pub area: [[f64; 2]; 2],
    /// Height of the hand on its way, m.
    pub height: [f64; 2],
    /// Height of the hand when it grasps and releases, m.
    pub low: f64,
    /// Control steps that it takes to close and to open.
    pub grasp: u32,
    pub approach: Approach,
    pub noise: Noise,
    /// Chance that it reaches beside the object ...
    pub careless: f32,
    /// ... at most this far from it along x and y, m.
    pub miss: f64,
}

/// Every actuator swings: its action is `offset + (amplitude + forward a + turn b) sin(2 pi f t + phase)`,
/// with random f, a and b that stay for a random time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gait {
    /// Range of f, Hz.
    pub frequency: [f64; 2],
    /// Range of a.
    pub forward: [f64; 2],
    /// Range of b.
    pub turn: [f64; 2],
    /// Control steps for which they stay.
    pub steps: [u32; 2],
    pub noise: Noise,
    /// By actuator.
    pub swings: BTreeMap<String, Swing>,
}

/// How an actuator swings, in units of the action and rad; see [`Gait`].
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Swing {
    pub offset: f64,
    pub amplitude: f64,
    pub forward: f64,
    pub turn: f64,
    pub phase: f64,
}
