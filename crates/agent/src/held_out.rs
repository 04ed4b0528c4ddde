//! Episodes that no training has seen, as the model under test sees them: what the figures of its quality are
//! measured on.

use crate::AgentError;
use crate::evaluate::Evaluator;
use housecat_core::{Env, Image, Observation, Quantity, Seed};
use housecat_model::{Decoder, HeldOut, Quality, Reconstruction, WorldModel};

/// Looks in all, about.
const LOOKS: usize = 4000;

/// Episodes, at least and at most: a few long ones say little about other episodes, many short ones take long.
const EPISODES: [usize; 2] = [8, 200];

/// Rows of one episode.
struct Rows {
    latents: Vec<f32>,
    blocks: Vec<f32>,
    truth: Vec<f64>,
    /// See [`Decoder::errors`].
    painted: [f64; 2],
}

impl Evaluator<'_> {
    /// Figures of the model's quality, on some 4000 looks at episodes that are recorded here and now as those of the
    /// training were, on a stream of seeds that neither training nor the evaluation's problems draw from. Without a
    /// model, or without anything to measure, there are none. A decoder is judged on the same looks. The result does not
    /// depend on the number of threads.
    ///
    /// # Errors
    /// If the environment or the model fails, or the user interrupts.
    pub fn quality(
        &self,
        decoder: Option<&Decoder>,
        seed: Seed,
    ) -> Result<Option<Quality>, AgentError> {
        let Some(model) = self.model else { return Ok(None) };
        let seed = seed.child("quality", 0);
        let each = self.episode_steps.div_ceil(model.spec().model.action_repeat).max(1);
        let count = (LOOKS / each).clamp(EPISODES[0], EPISODES[1]);
        let env = (self.new_env)()?;
        let velocities = lacks_velocities(&env.state_quantities());
        let mut held_out =
            HeldOut { quantities: quantities(&*env, velocities), ..HeldOut::default() };
        let episodes = self.spread(count, &|env, index| {
            self.look_at(env, (model, decoder), velocities, seed.child("episode", index as u64))
        })?;
        let mut painted = [0.0; 2];
        for rows in episodes {
            let first = held_out.episodes.last().map_or(0, |rows| rows.end);
            let count = rows.latents.len() / model.latent_dim();
            held_out.episodes.push(first..first + count);
            held_out.latents.extend(rows.latents);
            held_out.blocks.extend(rows.blocks);
            held_out.truth.extend(rows.truth);
            painted.iter_mut().zip(rows.painted).for_each(|(sum, error)| *sum += error);
        }
        let horizon = self.planner.search.horizon;
        let mut quality = Quality::measure(model, &held_out, horizon, seed)?;
        if let (Some(quality), Some(_)) = (&mut quality, decoder) {
            quality.decoder = Some(Reconstruction::of(painted, quality.frames));
        }
        Ok(quality)
    }

    /// Records an episode and looks at it wherever a block begins. The first block begins after the first control
    /// step, so that each look has one before it to take velocities from.
    fn look_at(
        &self,
        env: &mut dyn Env,
        (model, decoder): (&WorldModel, Option<&Decoder>),
        velocities: bool,
        seed: Seed,
    ) -> Result<Rows, AgentError> {
        let (repeat, hz) = (model.spec().model.action_repeat, env.spaces().control_hz);
        let kinds = env.state_quantities();
        let (mut actor, mut rng) = (self.collector)(env, seed)?;
        let (mut seen, mut actions) = (Vec::new(), Vec::new());
        let mut truth: Vec<f64> = Vec::new();
        let mut before = env.state();
        for step in 0..=self.episode_steps {
            let now = env.state();
            if step % repeat == 1 % repeat && step > 0 {
                seen.push(env.observe());
                truth.extend(&now.0);
                if velocities {
                    truth.extend(changes(&kinds, &before.0, &now.0).map(|change| change * hz));
                }
            }
            if step == self.episode_steps {
                break;
            }
            let decision = actor.decide(env, &Observation::default(), &mut rng)?;
            let transition = env.advance(&decision.action)?;
            if step > 0 {
                actions.extend(decision.action);
            }
            if transition.terminated || transition.truncated {
                break;
            }
            before = now;
        }
        // The last look's block may have been cut short, and is not used.
        actions.resize(seen.len() * model.spec().block_dim(), 0.0);
        let latents = model.encode(&seen.iter().collect::<Vec<_>>())?;
        let pictures: Vec<&Image> = seen.iter().filter_map(|seen| seen.images.first()).collect();
        let painted = match decoder {
            Some(decoder) => decoder.errors(&latents, &pictures)?,
            None => [0.0; 2],
        };
        Ok(Rows { latents, blocks: actions, truth, painted })
    }
}

/// Whether velocities have to be taken from differences of positions.
fn lacks_velocities(kinds: &[Quantity]) -> bool {
    !kinds.iter().any(|kind| matches!(kind, Quantity::Velocity | Quantity::AngularVelocity))
}

/// What the kind of a quantity's change is; `None` for what has no velocity.
fn rate_of(kind: Quantity) -> Option<Quantity> {
    match kind {
        Quantity::Length => Some(Quantity::Velocity),
        Quantity::Angle => Some(Quantity::AngularVelocity),
        _ => None,
    }
}

/// The privileged state's components and, if asked for, the velocities of those that have one.
fn quantities(env: &dyn Env, velocities: bool) -> Vec<(String, Quantity)> {
    let own: Vec<_> = env.state_names().into_iter().zip(env.state_quantities()).collect();
    let rate = |(name, kind): &(String, Quantity)| {
        rate_of(*kind).filter(|_| velocities).map(|rate| (format!("{name}_velocity"), rate))
    };
    let rates: Vec<_> = own.iter().filter_map(rate).collect();
    own.into_iter().chain(rates).collect()
}

/// Changes from one state to the next of the components that have a velocity; of angles, the shorter way round.
fn changes(kinds: &[Quantity], before: &[f64], now: &[f64]) -> impl Iterator<Item = f64> {
    let change = |(kind, (before, now)): (&Quantity, (&f64, &f64))| {
        rate_of(*kind)?;
        let change: f64 = now - before;
        Some(if *kind == Quantity::Angle { change.sin().atan2(change.cos()) } else { change })
    };
    kinds.iter().zip(before.iter().zip(now)).filter_map(change)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::acting::Control;
    use crate::actors::RandomPolicy;
    use crate::constraints::Constraints;
    use crate::cost::CostShape;
    use crate::evaluate::{Proposals, Search};
    use housecat_core::{
        ActionSpace, EnvError, GoalError, Interrupt, ObservationSpace, Pose, ResetOptions, Scene,
        Snapshot, Spaces, State, TaskKind, Transition,
    };
    use housecat_model::{
        EncoderConfig, ModelConfig, ModelInput, ModelSpec, Precision, PredictorConfig,
    };
    use housecat_plan::{ActionTime, PlannerConfig, SearchConfig};

    const HZ: f64 = 4.0;

    /// A point on a line, and a needle that turns as it goes: an action moves it at once.
    #[derive(Clone)]
    struct Line {
        spaces: Spaces,
        x: f64,
        step: usize,
        /// Control steps after which the task ends.
        ends: usize,
    }

    impl Line {
        fn new(ends: usize) -> Self {
            let spaces = Spaces {
                action: ActionSpace { names: vec!["push".into()] },
                observation: ObservationSpace { state: vec!["x".into()], images: Vec::new() },
                control_hz: HZ,
            };
            Self { spaces, x: 0.0, step: 0, ends }
        }
    }

    impl Env for Line {
        fn name(&self) -> &str {
            "line"
        }
        fn spaces(&self) -> &Spaces {
            &self.spaces
        }
        fn scene(&self) -> &Scene {
            unreachable!("nobody draws it")
        }
        fn poses(&self) -> Vec<Pose> {
            Vec::new()
        }
        fn task(&self) -> TaskKind {
            TaskKind::Goal
        }
        fn max_steps(&self) -> usize {
            1000
        }
        fn reset(&mut self, seed: Seed, _: &ResetOptions) -> Result<Observation, EnvError> {
            (self.x, self.step) = (f64::from(seed.rng().uniform(-5.0, 5.0)), 0);
            Ok(self.observe())
        }
        fn advance(&mut self, action: &[f32]) -> Result<Transition, EnvError> {
            self.x += f64::from(action[0]);
            self.step += 1;
            let terminated = self.step == self.ends;
            Ok(Transition { terminated, ..Transition::default() })
        }
        fn observe(&mut self) -> Observation {
            Observation { state: vec![self.x as f32], images: Vec::new() }
        }
        fn snapshot(&self) -> Snapshot {
            Snapshot::new(self.clone())
        }
        fn restore(&mut self, _: &Snapshot) -> Result<(), EnvError> {
            Ok(())
        }
        fn fork(&self) -> Box<dyn Env> {
            Box::new(self.clone())
        }
        fn state(&self) -> State {
            State(vec![self.x, (2.5 * self.x).rem_euclid(std::f64::consts::TAU)])
        }
        fn state_names(&self) -> Vec<String> {
            vec!["x".into(), "needle".into()]
        }
        fn state_quantities(&self) -> Vec<Quantity> {
            vec![Quantity::Length, Quantity::Angle]
        }
        fn set_goal(&mut self, _: Option<&State>) -> Result<(), EnvError> {
            Ok(())
        }
        fn goal_errors(&self) -> Vec<GoalError> {
            Vec::new()
        }
        fn displacement(&self, _: &State, _: &State) -> Vec<GoalError> {
            Vec::new()
        }
        fn admits(&self, _: &State, _: &State) -> bool {
            true
        }
    }

    fn model() -> WorldModel {
        let spec = ModelSpec {
            format: ModelSpec::FORMAT,
            sim: "line".into(),
            input: ModelInput::State { names: vec!["x".into()] },
            actions: vec!["push".into()],
            model: ModelConfig {
                latent_dim: 3,
                action_repeat: 4,
                encoder: EncoderConfig::Mlp { hidden: 64 },
                predictor: PredictorConfig::Residual { hidden: 8, depth: 2, action_dim: 2 },
                ensemble: 1,
                reward: None,
                inverse_dynamics: None,
            },
        };
        WorldModel::new(spec, Seed::new(3)).unwrap()
    }

    /// A search that is soon done, three blocks ahead, of which one is executed.
    pub(crate) fn search() -> Search {
        Search {
            search: SearchConfig {
                horizon: 3,
                samples: 8,
                iterations: 1,
                warm_iterations: 1,
                execute: 1,
                time: ActionTime::default(),
                deadline_ms: None,
            },
            solver: PlannerConfig::named("cem").unwrap(),
            precision: Precision::F32,
            cost: CostShape {
                last: 1.0,
                min: 0.0,
                mean: 0.0,
                reward: 1.0,
                effort: 0.0,
                smoothness: 0.0,
                uncertainty: 0.0,
                change: 0.0,
            },
            block: None,
            replan: None,
            control: Control::Wait,
            proposals: Proposals::default(),
            subgoals: 0,
            constraints: Constraints::default(),
        }
    }

    /// Hands over an evaluator of episodes of `steps` in worlds that end after `ends`.
    fn with_evaluator<T>(
        model: &WorldModel,
        (steps, ends): (usize, usize),
        threads: usize,
        use_it: impl FnOnce(&Evaluator<'_>) -> T,
    ) -> T {
        let search = search();
        use_it(&Evaluator {
            new_env: &|| Ok(Box::new(Line::new(ends))),
            collector: &|env, seed| {
                env.reset(seed, &ResetOptions::default())?;
                Ok((Box::new(RandomPolicy::new(1)), seed.child("actor", 0).rng()))
            },
            episode_steps: steps,
            model: Some(model),
            memory: None,
            planner: &search,
            oracle: &search,
            block: 4,
            real_time: false,
            threads,
            interrupt: &Interrupt::default(),
            progress: &|_, _| (),
            watch: &|_| Box::new(housecat_core::NoRecorder),
        })
    }

    #[test]
    fn no_more_of_a_plan_is_executed_than_there_is() {
        let replan = |steps| Search { replan: Some(steps), ..search() };
        // Three blocks of two control steps.
        assert!(search().fits(2).is_ok() && replan(6).fits(2).is_ok());
        let error = replan(7).fits(2).unwrap_err().to_string();
        assert!(error.contains("replan") && error.contains("6 control steps"), "{error}");
        assert!(replan(0).validate().is_err());
        // What is planned for later begins where a block ends.
        assert!(replan(4).foreseeable(2).is_ok() && replan(3).foreseeable(2).is_err());
    }

    #[test]
    fn rows_belong_together() {
        let model = model();
        let mut env = Line::new(1000);
        let look = |steps, ends| {
            let look = |evaluator: &Evaluator<'_>| {
                evaluator.look_at(&mut Line::new(ends), (&model, None), true, Seed::new(7)).unwrap()
            };
            with_evaluator(&model, (steps, ends), 1, look)
        };
        let rows = look(18, 1000);
        // After steps 1, 5, 9, 13 and 17.
        assert_eq!(rows.truth.len(), 5 * 4);
        assert_eq!((rows.latents.len(), rows.blocks.len()), (5 * 3, 5 * 4));
        let truth: Vec<&[f64]> = rows.truth.chunks_exact(4).collect();
        for (index, row) in truth.iter().enumerate() {
            env.x = row[0];
            let latent = model.encode(&[&env.observe()]).unwrap();
            let found = &rows.latents[3 * index..3 * index + 3];
            assert!(found.iter().zip(&latent).all(|(a, b)| (a - b).abs() < 1e-5), "{index}");
            let block = &rows.blocks[4 * index..4 * index + 4];
            if let Some(next) = truth.get(index + 1) {
                let way: f32 = block.iter().sum();
                assert!((row[0] + f64::from(way) - next[0]).abs() < 1e-5, "{index}");
                // The last action of a block is the velocity at its end, and turns the needle.
                let push = f64::from(block[3]);
                assert!((next[2] - HZ * push).abs() < 1e-5, "{next:?} {push}");
                assert!((next[3] - HZ * 2.5 * push).abs() < 1e-5, "{next:?} {push}");
            }
        }
        // Steps 1, 5 and the last, 9; and an episode that its task ends in the midst of a block.
        assert_eq!(look(9, 1000).truth.len(), 3 * 4);
        assert_eq!(look(18, 7).truth.len(), 2 * 4);
    }

    #[test]
    fn quality_is_the_same_on_any_number_of_threads() {
        let model = model();
        let measure = |threads| {
            with_evaluator(&model, (40, 1000), threads, |evaluator| {
                evaluator.quality(None, Seed::new(1)).unwrap().unwrap()
            })
        };
        let quality = measure(1);
        assert_eq!(quality, measure(3));
        assert_eq!((quality.episodes, quality.frames), (200, 2000));
        assert_eq!((quality.open_loop.len(), quality.copy.len()), (3, 3));
        let names: Vec<&str> = quality.probes.iter().map(|probe| probe.name.as_str()).collect();
        assert_eq!(names, ["x", "needle", "x_velocity", "needle_velocity"]);
        let units: Vec<&str> = quality.probes.iter().map(|probe| probe.unit.as_str()).collect();
        assert_eq!(units, ["m", "deg", "m/s", "rad/s"]);
        // Even an untrained encoder of x says where x is.
        assert!(quality.probes[0].mlp.r > 0.9, "{quality:?}");
        assert!((1.0..=3.0).contains(&quality.effective_rank), "{quality:?}");
    }
}
