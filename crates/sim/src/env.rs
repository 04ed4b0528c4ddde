//! The environment that a sim's folder becomes.

use crate::feature::Feature;
use crate::sim::Inner;
use crate::task::{Judge, reward};
use crate::vary::{Asked, Variant};
use crate::world::{Machine, World};
use crate::{SimError, ViewOptions};
use housecat_core::{
    ActionSpace, DepthImage, Env, EnvError, GoalError, Image, ImageSpec, Observation,
    ObservationSpace, Pose, Quantity, ResetOptions, Scene, Seed, SegmentationImage, Snapshot,
    Spaces, State, TaskKind, Transition, Variation,
};
use housecat_physics::Workspace;
use housecat_render::Renderer;
use std::sync::Arc;

/// A running world of a [`Sim`](crate::Sim).
pub struct SimEnv {
    inner: Arc<Inner>,
    /// What is drawn anew at each reset.
    asked: Arc<[Asked]>,
    spaces: Spaces,
    renderers: Vec<Renderer>,
    /// Scratch memory of the physics; holds nothing from one step to the next.
    work: Workspace,
    moment: Moment,
    /// Buffers that every step reuses.
    actions: Vec<f32>,
    poses: Vec<Pose>,
}

/// What a camera sees now, three ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// The picture.
    pub rgb: Image,
    /// How far everything is along the camera's axis, m.
    pub depth: DepthImage,
    /// Which shape of [`Env::scene`] is where.
    pub segmentation: SegmentationImage,
}

/// All that a snapshot holds.
#[derive(Clone)]
struct Moment {
    /// Whose state `world` is.
    variant: Arc<Variant>,
    world: World,
    step: u64,
    state: Vec<f64>,
    goal: Option<Vec<f64>>,
    judge: Judge,
}

/// A frozen moment, with the sim it belongs to.
struct Frozen {
    inner: Arc<Inner>,
    moment: Moment,
}

impl SimEnv {
    pub(crate) fn new(
        inner: Arc<Inner>,
        asked: Arc<[Asked]>,
        view: &ViewOptions,
    ) -> Result<Self, SimError> {
        let variant = inner.nominal.clone();
        let renderers = renderers(&inner, &variant, &view.images)?;
        let spaces = Spaces {
            action: ActionSpace { names: variant.machine.action_names() },
            observation: ObservationSpace {
                state: if view.state { inner.observed_names.clone() } else { Vec::new() },
                images: view.images.clone(),
            },
            control_hz: f64::from(inner.time.control_hz),
        };
        let mut env = Self {
            moment: Moment {
                world: variant.machine.pristine.clone(),
                step: 0,
                state: vec![0.0; inner.privileged.len()],
                goal: None,
                judge: Judge::default(),
                variant,
            },
            actions: vec![0.0; spaces.action.dim()],
            poses: Vec::new(),
            work: inner.nominal.machine.workspace(),
            inner,
            asked,
            spaces,
            renderers,
        };
        env.begin();
        Ok(env)
    }

    /// Looks once through any camera, at any size from 1 to the renderer's limit; the observation is not touched.
    ///
    /// # Errors
    /// An unknown camera, or a size that the renderer refuses.
    pub fn look(&self, image: &ImageSpec) -> Result<Look, SimError> {
        let mut renderers =
            renderers(&self.inner, &self.moment.variant, std::slice::from_ref(image))?;
        let poses = self.poses();
        let mut look = Look::default();
        for renderer in &mut renderers {
            renderer.render(&poses, &mut look.rgb);
            renderer.depth(&poses, &mut look.depth);
            renderer.segmentation(&poses, &mut look.segmentation);
        }
        Ok(look)
    }

    /// Starts judging the world as it is, for the sim's fixed goal if it has one.
    fn begin(&mut self) {
        self.measure();
        self.moment.step = 0;
        self.moment.goal = self.inner.task.fixed_goal(self.moment.state.len());
        self.inner.task.begin(&mut self.moment.judge, &self.moment.state);
    }

    /// Updates the privileged state.
    fn measure(&mut self) {
        for (slot, feature) in self.moment.state.iter_mut().zip(&self.inner.privileged) {
            *slot = feature.measure(&self.moment.variant.machine, &self.moment.world);
        }
    }

    fn machine(&self) -> &Machine {
        &self.moment.variant.machine
    }

    /// Prepares for another world of the same sim, which is then to be put into the moment.
    fn enter(&mut self, variant: &Variant) -> Result<(), EnvError> {
        let now = &self.moment.variant;
        if !Arc::ptr_eq(&now.scene, &variant.scene) {
            self.renderers = renderers(&self.inner, variant, &self.spaces.observation.images)
                .map_err(|error| self.unbuildable(variant, &error))?;
        }
        if !Arc::ptr_eq(&self.moment.variant.machine, &variant.machine) {
            self.work = variant.machine.workspace();
        }
        Ok(())
    }

    fn unbuildable(&self, variant: &Variant, error: &SimError) -> EnvError {
        let mut problem = error.to_string();
        for (name, varied) in &variant.varied {
            problem.push_str(&format!(", {name} = {}", varied.level));
        }
        EnvError::Variation { sim: self.inner.name.clone(), problem }
    }

    /// Clamps the action into the buffer, and shortens the groups that share a unit ball.
    fn prepare(&mut self, action: &[f32]) -> Result<(), EnvError> {
        if action.len() != self.actions.len() || !action.iter().all(|value| value.is_finite()) {
            return Err(EnvError::BadAction { got: action.to_vec(), want: self.actions.len() });
        }
        for (slot, value) in self.actions.iter_mut().zip(action) {
            *slot = value.clamp(-1.0, 1.0);
        }
        for group in &self.inner.unit_balls {
            let length =
                group.iter().map(|&i| self.actions[i] * self.actions[i]).sum::<f32>().sqrt();
            if length > 1.0 {
                group.iter().for_each(|&i| self.actions[i] /= length);
            }
        }
        Ok(())
    }

    fn check_finite(&self) -> Result<(), EnvError> {
        match self.machine().broken(&self.moment.world) {
            None => Ok(()),
            Some(what) => Err(EnvError::NotFinite {
                sim: self.inner.name.clone(),
                step: self.moment.step,
                what,
            }),
        }
    }

    fn fits(&self, state: &State) -> bool {
        state.0.len() == self.inner.privileged.len()
    }
}

impl Env for SimEnv {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    fn scene(&self) -> &Scene {
        &self.moment.variant.scene
    }

    fn poses(&self) -> Vec<Pose> {
        self.machine().poses(&self.moment.world).collect()
    }

    fn task(&self) -> TaskKind {
        if self.inner.task.reward.is_empty() { TaskKind::Goal } else { TaskKind::Reward }
    }

    fn max_steps(&self) -> usize {
        self.inner.time.max_steps
    }

    fn reset(&mut self, seed: Seed, options: &ResetOptions) -> Result<Observation, EnvError> {
        if !self.asked.is_empty() {
            let seed = options.variation.unwrap_or(seed);
            let variant = self.inner.nominal.draw(&self.inner.blueprint, &self.asked, seed);
            let variant = variant.map_err(|error| self.unbuildable(&self.inner.nominal, &error))?;
            self.enter(&variant)?;
            self.moment.variant = Arc::new(variant);
        }
        let start = match &self.inner.evaluation {
            Some(evaluation) if options.evaluation => evaluation,
            _ => &self.inner.start,
        };
        let mut rng = seed.child("reset", 0).rng();
        let Variant { machine, start: width, .. } = &*self.moment.variant;
        self.moment.world = start.begin(machine, &mut self.work, *width, &mut rng);
        self.begin();
        self.check_finite()?;
        Ok(self.observe())
    }

    fn advance(&mut self, action: &[f32]) -> Result<Transition, EnvError> {
        self.prepare(action)?;
        let inner = self.inner.clone();
        let moment = &mut self.moment;
        moment.variant.machine.advance(&mut moment.world, &mut self.work, &self.actions);
        moment.step += 1;
        self.check_finite()?;
        self.measure();
        let moment = &mut self.moment;
        let mut transition = Transition {
            reward: reward(&inner.task.reward, &moment.state, &self.actions) as f32,
            terminated: false,
            truncated: moment.step >= inner.time.max_steps as u64,
            time_secs: moment.step as f64 / self.spaces.control_hz,
            goal_distance: None,
            success: None,
        };
        if let Some(goal) = &moment.goal {
            inner.task.judge(&mut moment.judge, &moment.state, goal);
            transition.goal_distance = Some(inner.task.distance(&moment.state, goal) as f32);
            transition.success = Some(moment.judge.verdict);
        }
        Ok(transition)
    }

    fn observe(&mut self) -> Observation {
        let machine = &*self.moment.variant.machine;
        let world = &self.moment.world;
        let mut observation = Observation::default();
        if !self.spaces.observation.state.is_empty() {
            observation.state = (self.inner.observed.iter())
                .map(|feature| feature.measure(machine, world) as f32)
                .collect();
        }
        if !self.renderers.is_empty() {
            self.poses.clear();
            self.poses.extend(machine.poses(world));
        }
        for (renderer, spec) in self.renderers.iter_mut().zip(&self.spaces.observation.images) {
            let mut image = Image::new(spec.width, spec.height);
            renderer.render(&self.poses, &mut image);
            observation.images.push(image);
        }
        observation
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::new(Frozen { inner: self.inner.clone(), moment: self.moment.clone() })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EnvError> {
        let foreign = |detail: String| EnvError::Foreign {
            sim: self.inner.name.clone(),
            what: "snapshot",
            detail,
        };
        let frozen = snapshot
            .get::<Frozen>()
            .ok_or_else(|| foreign("another kind of world made it".into()))?;
        if !Arc::ptr_eq(&frozen.inner, &self.inner) {
            return Err(foreign(format!(
                "a separately loaded sim `{}` made it",
                frozen.inner.name
            )));
        }
        self.enter(&frozen.moment.variant)?;
        self.moment = frozen.moment.clone();
        Ok(())
    }

    fn fork(&self) -> Box<dyn Env> {
        let mut spaces = self.spaces.clone();
        spaces.observation.images.clear();
        Box::new(Self {
            inner: self.inner.clone(),
            asked: self.asked.clone(),
            spaces,
            renderers: Vec::new(),
            work: self.machine().workspace(),
            moment: self.moment.clone(),
            actions: self.actions.clone(),
            poses: Vec::new(),
        })
    }

    fn state(&self) -> State {
        State(self.moment.state.clone())
    }

    fn state_names(&self) -> Vec<String> {
        self.inner.privileged_names.clone()
    }

    fn state_quantities(&self) -> Vec<Quantity> {
        let of = |feature: &Feature| feature.quantity(self.machine());
        self.inner.privileged.iter().map(of).collect()
    }

    fn set_goal(&mut self, goal: Option<&State>) -> Result<(), EnvError> {
        if let Some(goal) = goal {
            let want = &self.inner.privileged_names;
            if !self.fits(goal) || !goal.0.iter().all(|value| value.is_finite()) {
                return Err(EnvError::Foreign {
                    sim: self.inner.name.clone(),
                    what: "goal state",
                    detail: format!("it is {:?}; the sim's state is {}", goal.0, want.join(", ")),
                });
            }
        }
        let fixed = || self.inner.task.fixed_goal(self.moment.state.len());
        self.moment.goal = goal.map(|goal| goal.0.clone()).or_else(fixed);
        self.moment.step = 0;
        self.inner.task.begin(&mut self.moment.judge, &self.moment.state);
        Ok(())
    }

    fn goal_errors(&self) -> Vec<GoalError> {
        let goal = self.moment.goal.as_ref();
        goal.map(|goal| self.inner.task.errors(&self.moment.state, goal)).unwrap_or_default()
    }

    fn displacement(&self, start: &State, goal: &State) -> Vec<GoalError> {
        if self.fits(start) && self.fits(goal) {
            self.inner.task.errors(&start.0, &goal.0)
        } else {
            Vec::new()
        }
    }

    fn variation(&self) -> Variation {
        self.moment.variant.varied.clone()
    }

    fn goal_spread(&self) -> f64 {
        self.moment.variant.goal
    }

    fn admits(&self, start: &State, goal: &State) -> bool {
        self.fits(start) && self.fits(goal) && self.inner.task.admits(&start.0, &goal.0)
    }
}

/// One an image.
fn renderers(
    inner: &Inner,
    variant: &Variant,
    images: &[ImageSpec],
) -> Result<Vec<Renderer>, SimError> {
    let Variant { scene, machine, .. } = variant;
    let fixed: Vec<_> = (0..scene.bodies.len()).map(|body| machine.is_fixed(body)).collect();
    let renderer = |image: &ImageSpec| {
        let camera = inner.camera("image", &image.camera)?;
        Renderer::new(scene, &fixed, camera, image.width, image.height)
            .map_err(|source| SimError::Render { sim: inner.name.clone(), source })
    };
    images.iter().map(renderer).collect()
}
