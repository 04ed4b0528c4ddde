//! Sims: folders, loaded and checked.

use crate::bare;
use crate::env::SimEnv;
use crate::error::{SimError, find, suggestions};
use crate::feature::{self, Feature};
use crate::resolver::Resolver;
use crate::scene_file::{self, SceneFile};
use crate::scripted::{Script, Scripted};
use crate::spec::{self, Base, Spec, Time};
use crate::start::Start;
use crate::task::Task;
use crate::vary::{self, Asked, Blueprint, Factor, Variant};
use housecat_core::{ImageSpec, Level, Levels, Scene, Seed};
use housecat_physics::{Description, Model, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an environment shows. Any part may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewOptions {
    /// The images, in order.
    pub images: Vec<ImageSpec>,
    /// Whether the state vector is shown.
    pub state: bool,
}

/// A loaded and checked sim folder, with the factors that vary from episode to episode. Clones share it.
#[derive(Clone)]
pub struct Sim {
    inner: Arc<Inner>,
    asked: Arc<[Asked]>,
}

/// One world coordinate of the point whose path displays draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coordinate {
    /// Metres.
    Fixed(f32),
    /// The component of the privileged state with this index.
    State(usize),
}

/// What all environments of a sim share.
pub(crate) struct Inner {
    pub name: String,
    folder: PathBuf,
    description: String,
    bare: bool,
    notices: Vec<String>,
    image: ImageSpec,
    pub time: Time,
    pub blueprint: Blueprint,
    /// The world as the files have it.
    pub nominal: Arc<Variant>,
    pub observed: Vec<Feature>,
    pub observed_names: Vec<String>,
    pub privileged: Vec<Feature>,
    pub privileged_names: Vec<String>,
    pub unit_balls: Vec<Vec<usize>>,
    pub start: Start,
    pub evaluation: Option<Start>,
    pub task: Task,
    script: Option<Arc<Script>>,
    track: Option<[Coordinate; 3]>,
}

impl Inner {
    /// Index of a camera.
    pub(crate) fn camera(&self, field: &str, name: &str) -> Result<usize, SimError> {
        let names = self.nominal.scene.cameras.iter().map(|camera| camera.name.as_str());
        find(&self.folder.join(SCENE), field, "camera", name, names)
    }
}

const SCENE: &str = "scene.xml";
const SPEC: &str = "sim.toml";

impl Sim {
    /// Loads a folder with a `sim.toml` and its scene, or a bare MJCF or URDF file with defaults
    /// (module `bare`). The folder's or file's name is the sim's.
    ///
    /// # Errors
    /// Anything that could not be honoured to the letter, with the file, the place and the fix.
    pub fn load(path: &Path) -> Result<Self, SimError> {
        if path.is_file() && path.file_name().is_none_or(|name| name != SPEC) {
            let file = scene_file::read(path, false)?;
            let spec = bare::spec(&file);
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let folder = path.parent().unwrap_or(Path::new("."));
            return Self::build(name, folder, path, path, spec, file);
        }
        let folder = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
        let path = folder.join(SPEC);
        let text = std::fs::read_to_string(&path)
            .map_err(|source| SimError::Read { path: path.clone(), source })?;
        let spec: Spec = toml::from_str(&text)
            .map_err(|source| SimError::Toml { path: path.clone(), source: Box::new(source) })?;
        check_numbers(&path, &spec)?;
        let scene_path = folder.join(spec.scene.as_deref().unwrap_or(SCENE));
        let file = scene_file::read(&scene_path, spec.base == Base::Free)?;
        let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = resolved.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::build(name, folder, &path, &scene_path, spec, file)
    }

    /// Checks a spec against its scene.
    fn build(
        name: String,
        folder: &Path,
        path: &Path,
        scene_path: &Path,
        spec: Spec,
        file: SceneFile,
    ) -> Result<Self, SimError> {
        let options =
            Options { timestep: 1.0 / f64::from(spec.time.physics_hz), ..file.description.options };
        let substeps = (spec.time.physics_hz / spec.time.control_hz) as usize;
        let commands = spec.action.commands(path, &file.description)?;
        let description = Description { options, ..file.description.clone() };
        let mut blueprint = Blueprint {
            path: scene_path.to_owned(),
            description,
            substeps,
            commands,
            factors: Vec::new(),
        };
        let nominal = Variant::nominal(&blueprint, file.scene.clone())?;
        let machine = &*nominal.machine;
        let features = feature::resolve(path, &spec.features, machine)?;
        let names = Resolver { path, features: &features, privileged: &spec.privileged, machine };
        let measured = |field: &str, list: &[String]| {
            list.iter().map(|name| names.feature(field, name)).collect::<Result<Vec<_>, _>>()
        };
        let privileged = measured("privileged", &spec.privileged)?;
        let observed = measured("observation.state", &spec.observation.state)?;
        let start = Start::new("reset", &spec.reset, &file.keyframes, &names)?;
        let evaluation = spec.evaluation.as_ref();
        let evaluation = evaluation
            .map(|table| Start::new("evaluation", table, &file.keyframes, &names))
            .transpose()?;
        let ball = |group: &Vec<String>| {
            group.iter().map(|name| names.drive("action.unit_ball", name)).collect::<Result<_, _>>()
        };
        let unit_balls = spec.action.unit_ball.iter().map(ball).collect::<Result<_, _>>()?;
        let task = Task::new(&spec, &names)?;
        let script = spec
            .scripted
            .as_ref()
            .map(|script| Script::new(script, spec.time.control_hz, &names))
            .transpose()?;
        let coordinate = |value: &spec::Coordinate| match value {
            spec::Coordinate::Fixed(metres) => Ok(Coordinate::Fixed(*metres)),
            spec::Coordinate::Feature(name) => {
                let index = names.state("track", name)?;
                Ok(Coordinate::State(index))
            }
        };
        let track = spec.track.as_ref().map(|track| {
            Ok::<_, SimError>([coordinate(&track.x)?, coordinate(&track.y)?, coordinate(&track.z)?])
        });
        let track = track.transpose()?;
        let cameras = file.scene.cameras.iter().map(|camera| camera.name.as_str());
        find(path, "observation.camera", "camera", &spec.observation.camera, cameras)?;
        let drawn = !spec.goal.is_empty() && spec.goal.iter().all(|goal| goal.target.is_none());
        blueprint.factors = vary::resolve(&spec.vary, &file, drawn, &names)?;
        let mut notices = file.notices.clone();
        for actuator in file.description.actuators.iter().filter(|one| one.control.is_none()) {
            notices.push(format!(
                "the actuator `{}` has no ctrlrange: its action is its control, from -1 to 1",
                actuator.name
            ));
        }
        let inner = Inner {
            name,
            folder: folder.to_owned(),
            description: spec.description,
            bare: spec.bare,
            notices,
            image: ImageSpec {
                camera: spec.observation.camera,
                width: spec.observation.width,
                height: spec.observation.height,
            },
            time: spec.time,
            blueprint,
            nominal: Arc::new(nominal),
            observed,
            observed_names: spec.observation.state,
            privileged,
            privileged_names: spec.privileged,
            unit_balls,
            start,
            evaluation,
            task,
            script: script.map(Arc::new),
            track,
        };
        Ok(Self { inner: Arc::new(inner), asked: Arc::new([]) })
    }

    /// Loads the sim called `name` below `root`, the folder of all sims.
    ///
    /// # Errors
    /// As [`Sim::load`]; an unknown name lists the sims there are.
    pub fn find(root: &Path, name: &str) -> Result<Self, SimError> {
        let sims = find_sims(root)?;
        let names = || sims.iter().map(|(name, _)| name.as_str());
        match sims.iter().find(|(other, _)| other == name) {
            Some((_, folder)) => Self::load(folder),
            None => Err(SimError::UnknownSim {
                name: name.to_owned(),
                root: root.to_owned(),
                have: suggestions(name, names()),
            }),
        }
    }

    /// The folder's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// One line for people.
    pub fn description(&self) -> &str {
        &self.inner.description
    }

    /// What the scene file says that has no effect here, one warning each.
    pub fn notices(&self) -> &[String] {
        &self.inner.notices
    }

    /// Whether it is a bare scene file, without a `sim.toml`.
    pub fn is_bare(&self) -> bool {
        self.inner.bare
    }

    /// The compiled physics.
    pub fn model(&self) -> &Model {
        &self.inner.nominal.machine.model
    }

    /// Physics steps in a control step.
    pub fn substeps(&self) -> usize {
        self.inner.nominal.machine.substeps
    }

    /// Ends of every actuator's control, in the scene's order.
    pub fn control_ranges(&self) -> Vec<[f64; 2]> {
        self.inner.nominal.machine.drives.iter().map(|drive| drive.control).collect()
    }

    /// Names of all bodies, the world's first, and of all joints and actuators.
    pub fn parts(&self) -> [Vec<String>; 3] {
        let machine = &self.inner.nominal.machine;
        let joints = machine.joints.iter().map(|joint| joint.name.clone());
        let drives = machine.drives.iter().map(|drive| drive.name.clone());
        [machine.body_names.clone(), joints.collect(), drives.collect()]
    }

    /// The shapes, cameras and lights.
    pub fn scene(&self) -> &Scene {
        &self.inner.nominal.scene
    }

    /// What the sim shows unless asked otherwise: its default image, and its state vector.
    pub fn default_view(&self) -> ViewOptions {
        ViewOptions { images: vec![self.inner.image.clone()], state: true }
    }

    /// A new environment. Its world is as the scene file has it until the first reset.
    ///
    /// # Errors
    /// An unknown camera, or an image that the renderer refuses.
    pub fn env(&self, view: &ViewOptions) -> Result<SimEnv, SimError> {
        SimEnv::new(self.inner.clone(), self.asked.clone(), view)
    }

    /// The factors of variation that `sim.toml` declares.
    pub fn factors(&self) -> &[Factor] {
        &self.inner.blueprint.factors
    }

    /// The same sim, in whose environments factors are drawn anew at each reset, from its seed. Each text
    /// asks for one: `all`, or the name of a factor (or of its table, which asks for all factors in it) and,
    /// after `=`, a value, a range `LOW..HIGH` or alternatives `A|B`; without these, whatever is declared.
    /// A later text overrides an earlier one. Snapshots fit all environments of a sim, varied or not, and
    /// restore the variation too.
    ///
    /// # Errors
    /// A factor that is not declared, or a level beyond its range.
    pub fn varied<T: AsRef<str>>(&self, texts: &[T]) -> Result<Self, SimError> {
        let factors = self.factors();
        let mut asked = vec![None; factors.len()];
        for text in texts {
            for one in vary::ask(self.name(), factors, text.as_ref())? {
                let slot = one.factor;
                asked[slot] = Some(one);
            }
        }
        Ok(Self { inner: self.inner.clone(), asked: asked.into_iter().flatten().collect() })
    }

    /// The factors that vary, and over what.
    pub fn varying(&self) -> BTreeMap<String, Levels> {
        let name = |asked: &Asked| self.factors()[asked.factor].name.clone();
        self.asked.iter().map(|asked| (name(asked), asked.levels.clone())).collect()
    }

    /// The levels of the episodes whose variation comes from this seed
    /// ([`ResetOptions::variation`](housecat_core::ResetOptions::variation), or else the reset's seed).
    pub fn levels(&self, seed: Seed) -> BTreeMap<String, Level> {
        let factors = self.factors();
        let level = |asked: &Asked| (factors[asked.factor].name.clone(), asked.draw(factors, seed));
        self.asked.iter().map(level).collect()
    }

    /// The scripted collection policy, if `sim.toml` describes one.
    pub fn scripted(&self) -> Option<Scripted> {
        self.inner.script.clone().map(Scripted::new)
    }

    /// Where, in the privileged state, the point is found whose path displays draw.
    pub fn track(&self) -> Option<[Coordinate; 3]> {
        self.inner.track
    }
}

/// Compiles the physics of a bare scene file, without a task. `adjust` may change how time goes on. Also returns what
/// the file says that has no effect.
///
/// # Errors
/// As [`Sim::load`].
pub fn load_model(
    path: &Path,
    free_base: bool,
    adjust: impl FnOnce(&mut Options),
) -> Result<(Model, Vec<String>), SimError> {
    let SceneFile { mut description, notices, .. } = scene_file::read(path, free_base)?;
    adjust(&mut description.options);
    let model = Model::new(&description)
        .map_err(|error| SimError::Scene { path: path.to_owned(), problem: error.to_string() })?;
    Ok((model, notices))
}

/// The sims below `root`: every folder that holds a `sim.toml`, by name in alphabetical order.
///
/// # Errors
/// If `root` cannot be read.
pub fn find_sims(root: &Path) -> Result<Vec<(String, PathBuf)>, SimError> {
    let read = |source| SimError::Read { path: root.to_owned(), source };
    let mut sims = Vec::new();
    for entry in std::fs::read_dir(root).map_err(read)? {
        let entry = entry.map_err(read)?;
        if entry.path().join(SPEC).is_file() {
            sims.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    sims.sort();
    Ok(sims)
}

fn check_numbers(path: &Path, spec: &Spec) -> Result<(), SimError> {
    let Time { control_hz, physics_hz, max_steps } = spec.time;
    let wrong = |field: &str, problem: String| {
        Err(SimError::Field { path: path.to_owned(), field: field.to_owned(), problem })
    };
    if control_hz == 0 {
        return wrong("time.control_hz", "must be at least 1".to_owned());
    }
    if physics_hz == 0 || !physics_hz.is_multiple_of(control_hz) {
        let problem =
            format!("is {physics_hz}; it must be a multiple of control_hz = {control_hz}");
        return wrong("time.physics_hz", problem);
    }
    if max_steps == 0 {
        return wrong("time.max_steps", "must be at least 1".to_owned());
    }
    if spec.privileged.is_empty() {
        return wrong(
            "privileged",
            "is empty; name the features that make up the state".to_owned(),
        );
    }
    Ok(())
}
