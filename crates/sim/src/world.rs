//! The physics of a sim: its model, how it is stepped and driven, and what can be read from a world.

use housecat_core::Pose;
use housecat_physics::{JointKind, Model, Pose as Frame, State, Workspace};
use nalgebra::{Quaternion, Translation3, UnitQuaternion};

/// Everything that moves or remembers. A clone continues with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    pub(crate) state: State,
    /// Where the bodies are.
    frames: Vec<Frame>,
    /// Lengths of the tendons, m.
    lengths: Vec<f64>,
}

/// A joint, as the sim's files name it.
#[derive(Clone, Debug)]
pub(crate) struct Joint {
    pub name: String,
    pub kind: JointKind,
}

/// What a component of the action means for its actuator.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Command {
    /// -1 and 1 are the ends of the control range.
    #[default]
    Absolute,
    /// A step from where the actuator's transmission is: its length plus the scaled action.
    Relative { scale: f64 },
    /// No component of the action: the control is constant.
    Hold { value: f64 },
}

/// An actuator.
#[derive(Clone, Debug)]
pub(crate) struct Drive {
    pub name: String,
    /// Control at action -1 and +1.
    pub control: [f64; 2],
    pub command: Command,
}

/// Where a joint is put.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placement {
    /// A slide or hinge: coordinate (m, rad) and velocity.
    Joint { joint: usize, coordinate: f64, rate: f64 },
    /// A free joint: pose in the world, at rest.
    Free { joint: usize, pose: Frame },
}

/// What does not change: how the world is stepped and read.
pub(crate) struct Machine {
    pub model: Model,
    /// Physics steps in a control step.
    pub substeps: usize,
    pub joints: Vec<Joint>,
    /// The actuators, in the order of the scene.
    pub drives: Vec<Drive>,
    pub body_names: Vec<String>,
    pub site_names: Vec<String>,
    pub tendon_names: Vec<String>,
    /// The body and the pose in its frame of each site.
    pub sites: Vec<(usize, Frame)>,
    /// The world as the scene file has it.
    pub pristine: World,
}

/// Depth of contact that counts as touching, m: less is what rounding leaves of a gap.
const TOUCH: f64 = 1e-4;

impl World {
    /// A state whose frames and lengths are yet to be found.
    pub(crate) fn at(state: State) -> Self {
        Self { state, frames: Vec::new(), lengths: Vec::new() }
    }
}

impl Machine {
    /// Room in which a world is stepped.
    pub(crate) fn workspace(&self) -> Workspace {
        Workspace::new(&self.model)
    }

    /// Whether a drive is part of the action.
    pub(crate) fn is_driven(drive: &Drive) -> bool {
        !matches!(drive.command, Command::Hold { .. })
    }

    /// Names of the action's components.
    pub(crate) fn action_names(&self) -> Vec<String> {
        let driven = self.drives.iter().filter(|drive| Self::is_driven(drive));
        driven.map(|drive| drive.name.clone()).collect()
    }

    /// The world at a state.
    pub(crate) fn world(&self, state: State, work: &mut Workspace) -> World {
        let mut world = World::at(state);
        self.settle(&mut world, work);
        world
    }

    /// Makes the frames and lengths follow the state.
    fn settle(&self, world: &mut World, work: &mut Workspace) {
        self.model.locate(&world.state, work);
        world.frames.clear();
        world.frames.extend((0..self.body_names.len()).map(|body| *work.pose(body)));
        world.lengths.clear();
        let tendons = 0..self.tendon_names.len();
        world.lengths.extend(tendons.map(|tendon| work.tendon_length(tendon)));
    }

    /// Advances one control step. `actions` has one component in [-1, 1] an action name.
    pub(crate) fn advance(&self, world: &mut World, work: &mut Workspace, actions: &[f32]) {
        self.command(world, work, actions);
        for _ in 0..self.substeps {
            self.model.step(&mut world.state, work);
        }
        self.settle(world, work);
    }

    /// Turns the action into controls, which stay for the whole control step.
    fn command(&self, world: &mut World, work: &mut Workspace, actions: &[f32]) {
        if self.drives.iter().any(|drive| matches!(drive.command, Command::Relative { .. })) {
            self.model.locate(&world.state, work);
        }
        let mut actions = actions.iter().map(|&action| f64::from(action));
        let mut next = || actions.next().unwrap_or(0.0);
        for (index, drive) in self.drives.iter().enumerate() {
            let [low, high] = drive.control;
            world.state.control[index] = match drive.command {
                Command::Absolute => low + (next() + 1.0) * 0.5 * (high - low),
                Command::Relative { scale } => {
                    (work.actuator_length(index) + scale * next()).clamp(low, high)
                }
                Command::Hold { value } => value,
            };
        }
    }

    /// Coordinate of a slide (m) or hinge (rad, turns are counted).
    pub(crate) fn coordinate(&self, world: &World, joint: usize) -> f64 {
        world.state.position[self.model.position_index(joint)]
    }

    /// Velocity of a slide (m/s) or hinge (rad/s).
    pub(crate) fn rate(&self, world: &World, joint: usize) -> f64 {
        world.state.velocity[self.model.velocity_index(joint)]
    }

    /// Pose of what a free joint moves.
    pub(crate) fn free_pose(&self, world: &World, joint: usize) -> Frame {
        let at = self.model.position_index(joint);
        let p = &world.state.position[at..at + 7];
        let turn = Quaternion::new(p[3], p[4], p[5], p[6]);
        Frame::from_parts(Translation3::new(p[0], p[1], p[2]), UnitQuaternion::new_unchecked(turn))
    }

    /// Puts joints where they should be.
    pub(crate) fn place(&self, world: &mut World, placements: &[Placement], work: &mut Workspace) {
        let state = &mut world.state;
        for placement in placements {
            match *placement {
                Placement::Joint { joint, coordinate, rate } => {
                    state.position[self.model.position_index(joint)] = coordinate;
                    state.velocity[self.model.velocity_index(joint)] = rate;
                }
                Placement::Free { joint, pose } => {
                    let at = self.model.position_index(joint);
                    let (p, q) = (pose.translation.vector, pose.rotation);
                    state.position[at..at + 7]
                        .copy_from_slice(&[p.x, p.y, p.z, q.w, q.i, q.j, q.k]);
                    let at = self.model.velocity_index(joint);
                    state.velocity[at..at + 6].fill(0.0);
                }
            }
        }
        state.forget();
        self.settle(world, work);
    }

    /// Whether geoms overlap.
    pub(crate) fn touching(&self, world: &World, work: &mut Workspace) -> bool {
        self.model.overlaps(&world.state, TOUCH, work)
    }

    /// The first part whose state is not a number that a world can have.
    pub(crate) fn broken(&self, world: &World) -> Option<String> {
        if world.state.is_sane() {
            return None;
        }
        let state = &world.state;
        let next = |joint: usize| {
            let (positions, velocities) = self.model.sizes();
            if joint + 1 < self.joints.len() {
                (self.model.position_index(joint + 1), self.model.velocity_index(joint + 1))
            } else {
                (positions, velocities)
            }
        };
        let broken = |joint: usize| {
            let (position, velocity) = next(joint);
            let positions = &state.position[self.model.position_index(joint)..position];
            let velocities = &state.velocity[self.model.velocity_index(joint)..velocity];
            positions.iter().chain(velocities).any(|value| !State::is_sane_number(*value))
        };
        let joint = (0..self.joints.len()).find(|&joint| broken(joint));
        let named = |joint: usize| format!("the joint `{}`", self.joints[joint].name);
        Some(joint.map_or_else(|| "an actuator's activation".to_owned(), named))
    }

    /// Pose of a body in the world.
    pub(crate) fn body_pose(&self, world: &World, body: usize) -> Frame {
        world.frames[body]
    }

    /// Length of a tendon, m (of a fixed one, in the units of its joints).
    pub(crate) fn tendon_length(&self, world: &World, tendon: usize) -> f64 {
        world.lengths[tendon]
    }

    /// Pose of a site in the world.
    pub(crate) fn site_pose(&self, world: &World, site: usize) -> Frame {
        let (body, pose) = self.sites[site];
        world.frames[body] * pose
    }

    /// Poses of all bodies, in the project's terms.
    pub(crate) fn poses<'a>(&self, world: &'a World) -> impl Iterator<Item = Pose> + use<'a> {
        world.frames.iter().map(pose)
    }

    /// Whether a body can never move.
    pub(crate) fn is_fixed(&self, body: usize) -> bool {
        self.model.is_fixed(body)
    }
}

/// A frame in the project's terms.
fn pose(frame: &Frame) -> Pose {
    let (p, q) = (frame.translation.vector, frame.rotation);
    Pose {
        position: [p.x as f32, p.y as f32, p.z as f32],
        rotation: [q.i as f32, q.j as f32, q.k as f32, q.w as f32],
    }
}
