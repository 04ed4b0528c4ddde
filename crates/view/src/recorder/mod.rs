//! Episodes in rerun.
//!
//! | entity | what |
//! |---|---|
//! | `world/<body>/<shape>` | the scene; bodies move |
//! | `path/executed`, `path/imagined` | where the tracked point went, and where the plan expects it to go |
//! | `path/candidates` | where other candidates of the search would have it go, coloured by their cost |
//! | `path/success/<protocol>` | where each protocol's criterion was first met |
//! | `camera/<name>`, `goal/image` | what the policy sees and is asked for |
//! | `imagination/film` | what the plan expects to see, block by block, the present first |
//! | `imagination/now` | what was expected to be seen now |
//! | `action`, `state`, `reward`, `goal/distance` | plots, one line per component |
//! | `goal/error/<term>` | errors against the goal, each in its unit |
//! | `plan/cost/best`, `plan/cost/elites`, `plan/milliseconds` | what the planner found, and how long it took |
//! | `plan/search` | the lowest cost by round of the search |
//! | `plan/uncertainty`, `plan/surprise` | how far an ensemble disagrees along the plan, and how far the model was off with the last one |
//! | `train/*`, `validation/*` | the curves of training |
//! | `log` | what happened, in words |
//!
//! Timelines: `step` (control steps, counting on from episode to episode), `sim_time` (simulated
//! seconds, likewise) and `episode` (the index in the episode's header); for training, `train_step`.

mod batch;
mod blueprint;
mod layout;
mod plan;
mod rrd;
mod scene;
mod stream;
mod training;

pub use blueprint::Purpose;
pub use plan::{Fan, Imagination, Painter, Probe};
pub use stream::Sink;

use crate::ViewError;
use blueprint::{Part, Parts};
use housecat_core::{
    EpisodeHeader, EpisodeSummary, Geometry, GoalError, Image, Observation, Pose, Protocol,
    Recorder, Scene, Spaces, State, StepRecord, Success, Transition,
};
use layout::Layout;
use rerun::{EntityPath, Radius, TextLogLevel, archetypes};
use scene::{Eye, Stagehand};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stream::{Door, Stream};

/// The world position in metres whose path is drawn, from the poses of the scene's bodies and the
/// privileged state.
pub type Tracked = Box<dyn Fn(&[Pose], &State) -> [f32; 3] + Send>;

/// Points kept of the executed path; what is older fades from view.
const TRAIL: usize = 400;

const EXECUTED: [u8; 3] = [64, 160, 255];
const SUCCESS: [u8; 3] = [60, 200, 90];

/// What is recorded: the world as its environment describes it.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// Name of the sim.
    pub sim: &'a str,
    /// Its shapes, cameras and bodies.
    pub scene: &'a Scene,
    /// What it accepts and shows.
    pub spaces: &'a Spaces,
}

/// Records episodes for the rerun viewer.
///
/// A recorder cannot stop an episode: the first error silences it and is reported by
/// [`finish`](Self::finish). A file recorder that is dropped unfinished leaves no file.
pub struct RerunRecorder {
    door: Door,
    stream: Stream,
    error: Option<ViewError>,
    stagehand: Stagehand,
    scene: Scene,
    spaces: Spaces,
    sim: String,
    imagination: Imagination,
    /// What plans expect to be seen, by step of the episode.
    expected: BTreeMap<u64, Image>,
    tracked: Option<Tracked>,
    eye: Option<Eye>,
    /// What there is to show, and what the last layout sent shows.
    purpose: Purpose,
    parts: Parts,
    arranged: Option<Parts>,
    /// An episode has begun.
    begun: bool,
    /// Entities of plots whose lines have their names.
    named: BTreeSet<EntityPath>,
    clock: Clock,
    executed: Vec<[f32; 3]>,
    /// Criteria met in this episode.
    met: Success,
    /// Those of the last action, whose place is known only with the next look at the world.
    unmarked: Vec<Protocol>,
}

/// Where the present episode stands on the timelines.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// `step` and `sim_time` at which it began.
    first_step: u64,
    first_secs: f64,
    /// `step` and `sim_time` after its last record.
    step: u64,
    secs: f64,
    episode: u64,
}

impl RerunRecorder {
    /// Opens a recording about `purpose` and logs the scene.
    ///
    /// # Errors
    /// [`ViewError::Write`] if the file cannot be created, [`ViewError::Viewer`] if no viewer can be
    /// started, [`ViewError::Scene`] if a shape sits on a body that the scene lacks.
    pub fn new(sink: Sink, stage: &Stage<'_>, purpose: Purpose) -> Result<Self, ViewError> {
        let door = Door::open(sink)?;
        let (stream, stagehand) = set_up(&door, stage, purpose)?;
        let mut this = Self {
            door,
            stream,
            error: None,
            stagehand,
            scene: stage.scene.clone(),
            spaces: stage.spaces.clone(),
            sim: stage.sim.to_owned(),
            imagination: Imagination::default(),
            expected: BTreeMap::new(),
            tracked: None,
            eye: None,
            purpose,
            parts: Parts::new(),
            arranged: None,
            begun: false,
            named: BTreeSet::new(),
            clock: Clock::default(),
            executed: Vec::new(),
            met: Success::default(),
            unmarked: Vec::new(),
        };
        this.arrange_beforehand()?;
        Ok(this)
    }

    /// From now on it is about this: in a recording of its own, because the viewer keeps a layout and a timeline for each
    /// recording.
    pub fn set_purpose(&mut self, purpose: Purpose) {
        if purpose != self.purpose {
            self.attempt(|this| this.turn_to(purpose));
        }
    }

    fn turn_to(&mut self, purpose: Purpose) -> Result<(), ViewError> {
        let stage = Stage { sim: &self.sim, scene: &self.scene, spaces: &self.spaces };
        let (stream, stagehand) = set_up(&self.door, &stage, purpose)?;
        self.door.end(std::mem::replace(&mut self.stream, stream))?;
        (self.purpose, self.stagehand, self.clock) = (purpose, stagehand, Clock::default());
        self.begun = false;
        self.named.clear();
        self.arrange_beforehand()
    }

    /// Shows what plans imagine from now on through this.
    pub fn set_imagination(&mut self, imagination: Imagination) {
        self.imagination = imagination;
    }

    /// Draws the path of this point.
    pub fn with_tracked(mut self, tracked: Tracked) -> Self {
        self.tracked = Some(tracked);
        self
    }

    /// The page on which a browser shows this, if one is served.
    pub fn page(&self) -> Option<&str> {
        self.door.page()
    }

    /// How long what is held back may still be; `None` if there is nothing, or it goes to a file.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.stream.patience()
    }

    /// Sends what is held back.
    pub(crate) fn release(&mut self) {
        self.attempt(|this| this.stream.release());
    }

    /// Processor time for each second of the thread that records, rerun's own threads included.
    pub(crate) fn weight(&self) -> f64 {
        self.door.weight()
    }

    /// Notes something in the log.
    pub fn note(&mut self, words: String) {
        self.attempt(|this| this.say(TextLogLevel::WARN, words));
    }

    /// Writes what is left and closes; a file gets its final name only now.
    ///
    /// # Errors
    /// The first error met while recording, or [`ViewError::Write`] / [`ViewError::Lost`] if the
    /// rest cannot be delivered.
    pub fn finish(self) -> Result<(), ViewError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.door.end(self.stream)?;
        self.door.close()
    }

    /// Runs a piece of recording unless an earlier one failed.
    fn attempt(&mut self, record: impl FnOnce(&mut Self) -> Result<(), ViewError>) {
        if self.error.is_none() {
            self.error = record(self).err();
        }
    }

    fn log_begin(&mut self, header: &EpisodeHeader) -> Result<(), ViewError> {
        let mut clock = Clock { episode: header.index, ..Clock::default() };
        if std::mem::replace(&mut self.begun, true) {
            // One free step between episodes: there the lines of the plots end, which a clearance at
            // the first step of the new episode would not achieve.
            let dt = 1.0 / self.spaces.control_hz.max(1e-3);
            self.stream.at(self.clock.step + 1, self.clock.secs + dt, self.clock.episode);
            for entity in ["plan", "action", "state", "reward", "goal"] {
                self.stream.clear(entity)?;
            }
            clock.first_step = self.clock.step + 2;
            clock.first_secs = self.clock.secs + 2.0 * dt;
        }
        self.clock = Clock { step: clock.first_step, secs: clock.first_secs, ..clock };
        self.executed.clear();
        self.expected.clear();
        self.met = Success::default();
        self.unmarked.clear();
        self.set_time();
        for entity in ["path", "goal/image", "imagination"] {
            self.stream.clear(entity)?;
        }
        if let Some(goal) = &header.goal_image {
            self.stream.show("goal/image", &picture("goal", goal)?)?;
            self.parts.insert(Part::GoalImage);
        }
        self.say(TextLogLevel::INFO, format!("episode {}: {}", header.index, header.task))
    }

    fn log_step(&mut self, record: StepRecord) -> Result<(), ViewError> {
        self.clock.step = self.clock.first_step + record.step;
        self.clock.secs = self.clock.first_secs + record.time_secs;
        self.set_time();
        let transition = &record.transition;
        if self.eye.is_none() {
            let camera = self.spaces.observation.images.first();
            let camera = camera.and_then(|image| self.scene.camera(&image.camera));
            self.eye = Some(scene::eye(&self.scene, camera, &record.poses));
        }
        self.log_world(&record.observation, &record.poses, &record.state)?;
        self.log_scalars("action", &record.action)?;
        if !record.action.is_empty() {
            self.parts.insert(Part::Action);
        }
        if let Some(plan) = &record.plan {
            self.log_plan(record.step, plan)?;
        }
        self.log_expected(record.step)?;
        // The outcome belongs to the moment after the action.
        self.clock.step += 1;
        self.clock.secs = self.clock.first_secs + transition.time_secs;
        self.set_time();
        self.log_outcome(transition)?;
        self.log_errors(&record.goal_errors)?;
        self.arrange()
    }

    fn log_end(&mut self, summary: &EpisodeSummary) -> Result<(), ViewError> {
        // The last steps may not have been shown.
        let missed = (self.clock.first_step + summary.steps).saturating_sub(self.clock.step);
        self.clock.step += missed;
        self.clock.secs += missed as f64 / self.spaces.control_hz.max(1e-3);
        self.set_time();
        self.log_world(&summary.last_observation, &summary.last_poses, &summary.last_state)?;
        let mut words = format!("{} steps", summary.steps);
        if summary.total_reward != 0.0 {
            words += &format!(", return {:.3}", summary.total_reward);
        }
        for (protocol, step) in Protocol::ALL.iter().zip(summary.first_success) {
            if let Some(step) = step {
                words += &format!(", {} success at step {step}", protocol.name());
            }
        }
        for error in &summary.final_errors {
            words += &format!(", {} off by {:.4} {}", error.name, error.value, error.unit);
        }
        self.say(TextLogLevel::INFO, format!("episode {} ended: {words}", self.clock.episode))
    }

    /// Sends a layout before there is anything in it: until one comes, viewers arrange what there is by themselves, and the
    /// first line of training may be a minute away.
    fn arrange_beforehand(&mut self) -> Result<(), ViewError> {
        self.arranged = None;
        self.parts = match self.purpose {
            Purpose::Train => [Part::Loss].into(),
            _ => Parts::new(),
        };
        self.arrange()
    }

    /// Sends a layout, first of all and again whenever there is more to show.
    fn arrange(&mut self) -> Result<(), ViewError> {
        if self.arranged.as_ref() == Some(&self.parts) {
            return Ok(());
        }
        let is_floor = |geometry: &Geometry| matches!(geometry, Geometry::Plane { .. });
        let layout = Layout {
            sim: self.sim.clone(),
            eye: self.eye.unwrap_or_else(|| scene::eye(&self.scene, None, &[])),
            floor: self.scene.shapes.iter().any(|shape| is_floor(&shape.geometry)),
            control_hz: self.spaces.control_hz,
        };
        layout.send(&self.stream, self.purpose, &self.parts)?;
        self.arranged = Some(self.parts.clone());
        Ok(())
    }

    fn log_world(
        &mut self,
        observation: &Observation,
        poses: &[Pose],
        state: &State,
    ) -> Result<(), ViewError> {
        self.stagehand.pose(&self.stream, poses)?;
        for (spec, image) in self.spaces.observation.images.iter().zip(&observation.images) {
            self.stream.show(camera_entity(&spec.camera), &picture(&spec.camera, image)?)?;
            self.parts.insert(Part::Camera(spec.camera.clone()));
        }
        if !observation.state.is_empty() {
            self.log_scalars("state", &observation.state)?;
            self.parts.insert(Part::State);
        }
        if let Some(tracked) = &self.tracked {
            if self.executed.len() == TRAIL {
                self.executed.remove(0);
            }
            self.executed.push(tracked(poses, state));
            if self.executed.len() > 1 {
                self.stream.show("path/executed", &strip(&self.executed, EXECUTED, "executed"))?;
            }
        }
        for protocol in std::mem::take(&mut self.unmarked) {
            if let Some(&here) = self.executed.last() {
                let mark = archetypes::Points3D::new([here])
                    .with_colors([SUCCESS])
                    .with_radii([Radius::new_ui_points(6.0)])
                    .with_labels([format!("{} success", protocol.name())])
                    .with_show_labels(false);
                self.stream.log(format!("path/success/{}", protocol.name()), &mark)?;
            }
        }
        Ok(())
    }

    fn log_outcome(&mut self, transition: &Transition) -> Result<(), ViewError> {
        if let Some(distance) = transition.goal_distance {
            self.log_scalars("goal/distance", &[distance])?;
            self.parts.insert(Part::GoalDistance);
        }
        if transition.reward != 0.0 {
            self.parts.insert(Part::Reward);
        }
        if self.parts.contains(&Part::Reward) {
            self.log_scalars("reward", &[transition.reward])?;
        }
        if let Some(success) = transition.success {
            for protocol in Protocol::ALL {
                if success.of(protocol) && !self.met.of(protocol) {
                    self.unmarked.push(protocol);
                    self.say(TextLogLevel::INFO, format!("{} success", protocol.name()))?;
                }
            }
            self.met.moderate |= success.moderate;
            self.met.strict |= success.strict;
        }
        Ok(())
    }

    fn log_errors(&mut self, errors: &[GoalError]) -> Result<(), ViewError> {
        for GoalError { name, unit, value } in errors {
            let entity = path(&["goal", "error", name]);
            self.name_line(&entity, format!("{name} ({unit})"))?;
            self.log_scalars(entity, &[*value as f32])?;
            self.parts.insert(Part::GoalError);
        }
        Ok(())
    }

    /// Names the line of a plot, once.
    fn name_line(&mut self, entity: &EntityPath, name: String) -> Result<(), ViewError> {
        if self.named.insert(entity.clone()) {
            self.stream
                .fixed(entity.clone(), &archetypes::SeriesLines::new().with_names([name]))?;
        }
        Ok(())
    }

    fn say(&self, level: &str, words: String) -> Result<(), ViewError> {
        self.stream.log("log", &archetypes::TextLog::new(words).with_level(level))
    }

    fn log_scalars(&self, entity: impl Into<EntityPath>, values: &[f32]) -> Result<(), ViewError> {
        if values.is_empty() {
            return Ok(());
        }
        let values = values.iter().map(|&value| f64::from(value));
        self.stream.log(entity, &archetypes::Scalars::new(values))
    }

    fn set_time(&self) {
        let Clock { step, secs, episode, .. } = self.clock;
        self.stream.at(step, secs, episode);
    }
}

impl Recorder for RerunRecorder {
    fn begin(&mut self, header: &EpisodeHeader) {
        self.attempt(|this| this.log_begin(header));
    }

    fn record(&mut self, step: StepRecord) {
        self.attempt(|this| this.log_step(step));
    }

    fn end(&mut self, summary: &EpisodeSummary) {
        self.attempt(|this| this.log_end(summary));
    }
}

/// Begins a recording, and logs what does not change in it.
fn set_up(
    door: &Door,
    stage: &Stage<'_>,
    purpose: Purpose,
) -> Result<(Stream, Stagehand), ViewError> {
    let stream = door.begin(stage.sim, purpose)?;
    let stagehand = Stagehand::build(&stream, stage.scene)?;
    let Spaces { action, observation, .. } = stage.spaces;
    for (entity, names) in [("action", &action.names), ("state", &observation.state)] {
        if !names.is_empty() {
            let lines = archetypes::SeriesLines::new().with_names(names.iter().cloned());
            stream.fixed(entity, &lines)?;
        }
    }
    Ok((stream, stagehand))
}

fn camera_entity(name: &str) -> EntityPath {
    path(&["camera", name])
}

/// The path of these parts, whatever characters are in them.
fn path(parts: &[&str]) -> EntityPath {
    let part = |name: &&str| rerun::external::re_log_types::EntityPathPart::new(*name);
    EntityPath::from_iter(parts.iter().map(part))
}

fn picture(name: &str, image: &Image) -> Result<archetypes::Image, ViewError> {
    if image.pixels.len() != image.width * image.height * 3 {
        return Err(ViewError::Image {
            name: name.to_owned(),
            width: image.width,
            height: image.height,
            got: image.pixels.len(),
        });
    }
    let size = [image.width as u32, image.height as u32];
    Ok(archetypes::Image::from_rgb24(image.pixels.clone(), size))
}

fn strip(points: &[[f32; 3]], color: [u8; 3], label: &str) -> archetypes::LineStrips3D {
    archetypes::LineStrips3D::new([points.iter().copied()])
        .with_colors([color])
        .with_radii([Radius::new_ui_points(2.0)])
        .with_labels([label])
        .with_show_labels(false)
}

#[cfg(test)]
mod tests;
