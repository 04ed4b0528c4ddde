//! Episodes in rerun.
//!
//! | entity | what |
//! |---|---|
//! | `world/<body>/<shape>` | the scene; bodies move |
//! | `path/executed`, `path/imagined` | where the tracked point went, and where the plan expects it to go |
//! | `path/success/<protocol>` | where each protocol's criterion was first met |
//! | `camera/<name>`, `goal/image` | what the policy sees and is asked for |
//! | `imagination/film` | what the plan expects to see, block by block, the present first |
//! | `action`, `state`, `reward`, `goal/distance` | plots, one line per component |
//! | `plan/cost/best`, `plan/cost/elites`, `plan/milliseconds` | what the planner found, and how long it took |
//! | `log` | what happened, in words |
//!
//! Timelines: `step` (control steps, counting on from episode to episode), `sim_time` (simulated
//! seconds, likewise) and `episode` (the index in the episode's header).

mod layout;
mod rrd;
mod scene;
mod stream;

pub use stream::Sink;

use crate::ViewError;
use crate::png::film_strip;
use housecat_core::{
    EpisodeHeader, EpisodeSummary, Geometry, Image, Observation, PlanTrace, Pose, Protocol,
    Recorder, Scene, Spaces, State, StepRecord, Success, Transition,
};
use layout::{Contents, Layout};
use rerun::{EntityPath, Radius, TextLogLevel, archetypes};
use scene::Stagehand;
use stream::Stream;

/// Maps a latent `[D]` of [`PlanTrace::latents`] to a world position in metres, for display only.
pub type Probe = Box<dyn Fn(&[f32]) -> [f32; 3] + Send>;

/// Paints latents `[n, D]` of [`PlanTrace::latents`] as pictures, for display only.
pub type Painter = Box<dyn Fn(&[f32]) -> Vec<Image> + Send>;

/// The world position in metres whose path is drawn, from the poses of the scene's bodies and the
/// privileged state.
pub type Tracked = Box<dyn Fn(&[Pose], &State) -> [f32; 3] + Send>;

/// Points kept of the executed path; what is older fades from view.
const TRAIL: usize = 400;

const EXECUTED: [u8; 3] = [64, 160, 255];
const IMAGINED: [u8; 3] = [255, 150, 40];
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
    stream: Stream,
    error: Option<ViewError>,
    stagehand: Stagehand,
    scene: Scene,
    spaces: Spaces,
    sim: String,
    probe: Option<Probe>,
    painter: Option<Painter>,
    tracked: Option<Tracked>,
    layout: Option<Layout>,
    /// What there is to show, and what the last layout sent shows.
    contents: Contents,
    arranged: Option<Contents>,
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
    /// Opens a recording and logs the scene.
    ///
    /// # Errors
    /// [`ViewError::Write`] if the file cannot be created, [`ViewError::Viewer`] if no viewer can be
    /// started, [`ViewError::Scene`] if a shape sits on a body that the scene lacks.
    pub fn new(sink: Sink, stage: &Stage<'_>) -> Result<Self, ViewError> {
        let stream = Stream::open(sink, stage.sim)?;
        let stagehand = Stagehand::build(&stream, stage.scene)?;
        let Spaces { action, observation, .. } = stage.spaces;
        for (entity, names) in [("action", &action.names), ("state", &observation.state)] {
            if !names.is_empty() {
                let lines = archetypes::SeriesLines::new().with_names(names.iter().cloned());
                stream.fixed(entity, &lines)?;
            }
        }
        Ok(Self {
            stream,
            error: None,
            stagehand,
            scene: stage.scene.clone(),
            spaces: stage.spaces.clone(),
            sim: stage.sim.to_owned(),
            probe: None,
            painter: None,
            tracked: None,
            layout: None,
            contents: Contents::default(),
            arranged: None,
            clock: Clock::default(),
            executed: Vec::new(),
            met: Success::default(),
            unmarked: Vec::new(),
        })
    }

    /// Draws the paths that plans imagine through this probe.
    pub fn with_probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Shows what plans imagine as this painter paints it.
    pub fn with_painter(mut self, painter: Painter) -> Self {
        self.painter = Some(painter);
        self
    }

    /// Draws the path of this point.
    pub fn with_tracked(mut self, tracked: Tracked) -> Self {
        self.tracked = Some(tracked);
        self
    }

    /// Writes what is left and closes; a file gets its final name only now.
    ///
    /// # Errors
    /// The first error met while recording, or [`ViewError::Write`] / [`ViewError::Viewer`] if the
    /// rest cannot be delivered.
    pub fn finish(self) -> Result<(), ViewError> {
        match self.error {
            Some(error) => Err(error),
            None => self.stream.close(),
        }
    }

    /// Runs a piece of recording unless an earlier one failed.
    fn attempt(&mut self, record: impl FnOnce(&mut Self) -> Result<(), ViewError>) {
        if self.error.is_none() {
            self.error = record(self).err();
        }
    }

    fn log_begin(&mut self, header: &EpisodeHeader) -> Result<(), ViewError> {
        let clear = archetypes::Clear::new(true);
        let mut clock = Clock { episode: header.index, ..Clock::default() };
        if self.layout.is_some() {
            // One free step between episodes: there the lines of the plots end, which a clearance at
            // the first step of the new episode would not achieve.
            let dt = 1.0 / self.spaces.control_hz.max(1e-3);
            self.stream.at(self.clock.step + 1, self.clock.secs + dt, self.clock.episode);
            for entity in ["plan", "action", "state", "reward", "goal/distance"] {
                self.stream.log(entity, &clear)?;
            }
            clock.first_step = self.clock.step + 2;
            clock.first_secs = self.clock.secs + 2.0 * dt;
        }
        self.clock = Clock { step: clock.first_step, secs: clock.first_secs, ..clock };
        self.executed.clear();
        self.met = Success::default();
        self.unmarked.clear();
        self.set_time();
        for entity in ["path", "goal/image", "imagination"] {
            self.stream.log(entity, &clear)?;
        }
        if let Some(goal) = &header.goal_image {
            self.stream.log("goal/image", &picture("goal", goal)?)?;
            self.contents.goal_image = true;
        }
        self.say(TextLogLevel::INFO, format!("episode {}: {}", header.index, header.task))
    }

    fn log_step(&mut self, record: StepRecord) -> Result<(), ViewError> {
        self.clock.step = self.clock.first_step + record.step;
        self.clock.secs = self.clock.first_secs + record.time_secs;
        self.set_time();
        let transition = &record.transition;
        self.contents = self.contents.or(Contents {
            goal_image: false,
            goal_distance: transition.goal_distance.is_some(),
            reward: transition.reward != 0.0,
            plan: record.plan.is_some(),
            film: record.plan.is_some() && self.painter.is_some(),
        });
        self.arrange(&record.poses)?;
        self.log_world(&record.observation, &record.poses, &record.state)?;
        self.log_scalars("action", &record.action)?;
        if let Some(plan) = &record.plan {
            self.log_plan(plan)?;
        }
        // The outcome belongs to the moment after the action.
        self.clock.step += 1;
        self.clock.secs = self.clock.first_secs + transition.time_secs;
        self.set_time();
        self.log_outcome(transition)
    }

    fn log_end(&mut self, summary: &EpisodeSummary) -> Result<(), ViewError> {
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

    /// Sends a layout, first of all and again whenever there is more to show.
    fn arrange(&mut self, poses: &[Pose]) -> Result<(), ViewError> {
        if self.arranged.replace(self.contents) == Some(self.contents) {
            return Ok(());
        }
        let layout = self.layout.get_or_insert_with(|| {
            let images = &self.spaces.observation.images;
            let camera = images.first().and_then(|image| self.scene.camera(&image.camera));
            let is_floor = |geometry: &Geometry| matches!(geometry, Geometry::Plane { .. });
            Layout {
                sim: self.sim.clone(),
                eye: scene::eye(&self.scene, camera, poses),
                floor: self.scene.shapes.iter().any(|shape| is_floor(&shape.geometry)),
                cameras: images.iter().map(|image| image.camera.clone()).collect(),
                state: !self.spaces.observation.state.is_empty(),
                control_hz: self.spaces.control_hz,
            }
        });
        layout.send(&self.stream, self.contents)
    }

    fn log_world(
        &mut self,
        observation: &Observation,
        poses: &[Pose],
        state: &State,
    ) -> Result<(), ViewError> {
        self.stagehand.pose(&self.stream, poses)?;
        for (spec, image) in self.spaces.observation.images.iter().zip(&observation.images) {
            self.stream.log(camera_entity(&spec.camera), &picture(&spec.camera, image)?)?;
        }
        self.log_scalars("state", &observation.state)?;
        if let Some(tracked) = &self.tracked {
            if self.executed.len() == TRAIL {
                self.executed.remove(0);
            }
            self.executed.push(tracked(poses, state));
            if self.executed.len() > 1 {
                self.stream.log("path/executed", &strip(&self.executed, EXECUTED, "executed"))?;
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

    fn log_plan(&self, plan: &PlanTrace) -> Result<(), ViewError> {
        self.log_scalars("plan/cost/best", &[plan.best_cost])?;
        if let Some(last) = plan.iterations.last() {
            self.log_scalars("plan/cost/elites", &[last.elite_mean])?;
        }
        self.log_scalars("plan/milliseconds", &[(plan.plan_secs * 1e3) as f32])?;
        if let Some(probe) = &self.probe
            && plan.latents.len() > 1
        {
            let points: Vec<_> = plan.latents.iter().map(|latent| probe(latent)).collect();
            self.stream.log("path/imagined", &strip(&points, IMAGINED, "imagined"))?;
        }
        self.log_imagination(plan)
    }

    /// Logs the film of what a plan expects to see, block by block, the present first.
    fn log_imagination(&self, plan: &PlanTrace) -> Result<(), ViewError> {
        let Some(painter) = &self.painter else { return Ok(()) };
        if plan.latents.is_empty() {
            return Ok(());
        }
        let film = film_strip(&painter(&plan.latents.concat()))?;
        self.stream.log("imagination/film", &picture("imagination", &film)?)
    }

    fn log_outcome(&mut self, transition: &Transition) -> Result<(), ViewError> {
        if let Some(distance) = transition.goal_distance {
            self.log_scalars("goal/distance", &[distance])?;
        }
        if self.contents.reward {
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

    fn say(&self, level: &str, words: String) -> Result<(), ViewError> {
        self.stream.log("log", &archetypes::TextLog::new(words).with_level(level))
    }

    fn log_scalars(&self, entity: &str, values: &[f32]) -> Result<(), ViewError> {
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

fn camera_entity(name: &str) -> EntityPath {
    EntityPath::from_iter(["camera", name].map(rerun::external::re_log_types::EntityPathPart::new))
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
