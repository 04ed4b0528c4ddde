//! The scripted collection policy: it wanders between random waypoints, through the door.

use crate::SimError;
use crate::resolver::Resolver;
use crate::spec;
use crate::start::draw;
use housecat_core::{Actor, Decision, Env, EnvError, Observation, Rng, State};
use std::sync::Arc;

/// A `[scripted]` table on indices into the privileged state.
#[derive(Debug)]
pub(crate) struct Script {
    features: Vec<usize>,
    spec: spec::Scripted,
    door: Option<Door>,
}

/// A doorway; `axis` and the indices in `centre` count the script's features.
#[derive(Debug)]
struct Door {
    axis: usize,
    at: f64,
    clearance: f64,
    centre: Vec<(usize, f64)>,
    slack: f64,
}

impl Script {
    /// Resolves the names of a spec.
    pub(crate) fn new(spec: &spec::Scripted, names: &Resolver) -> Result<Self, SimError> {
        let features = names.states("scripted.features", &spec.features)?;
        let count = features.len();
        if count != names.machine.action_names().len() || spec.waypoints.len() != count {
            return names
                .wrong("scripted", "needs one feature and one list of intervals an actuator");
        }
        for intervals in &spec.waypoints {
            if intervals.is_empty() || intervals.iter().any(|[low, high]| low > high) {
                return names
                    .wrong("scripted.waypoints", "needs intervals [low, high] with low <= high");
            }
        }
        let spec::Scripted {
            reach, gain, speed: [slow, fast], noise_std, noise_rho, careless, ..
        } = *spec;
        let sound = reach > 0.0
            && gain > 0.0
            && 0.0 < slow
            && slow <= fast
            && noise_std >= 0.0
            && (0.0..1.0).contains(&noise_rho)
            && (0.0..=1.0).contains(&careless);
        if !sound {
            return names.wrong(
                "scripted",
                "needs reach, gain and speed above 0, noise_std not below, noise_rho in [0, 1) and careless in [0, 1]",
            );
        }
        let door = spec.door.as_ref().map(|door| {
            let known = || spec.features.iter().map(String::as_str);
            let index = |name: &str| names.find("scripted.door", "scripted feature", name, known());
            Ok::<_, SimError>(Door {
                axis: index(&door.feature)?,
                at: door.at,
                clearance: door.clearance,
                centre: (door.centre.iter())
                    .map(|(name, &value)| Ok((index(name)?, value)))
                    .collect::<Result<_, SimError>>()?,
                slack: door.slack,
            })
        });
        Ok(Self { features, spec: spec.clone(), door: door.transpose()? })
    }
}

impl Door {
    /// Where to head for on the way from `from` to `to`.
    fn route(&self, from: &[f64], to: &[f64]) -> Vec<f64> {
        let side = if to[self.axis] > self.at { 1.0 } else { -1.0 };
        let beyond = (from[self.axis] - self.at) * side;
        if beyond >= self.clearance {
            return to.to_vec();
        }
        let aligned =
            self.centre.iter().all(|&(index, centre)| (from[index] - centre).abs() <= self.slack);
        let mut heading = to.to_vec();
        if aligned || beyond < 0.0 {
            self.centre.iter().for_each(|&(index, centre)| heading[index] = centre);
            let ahead = if aligned { side } else { -side };
            heading[self.axis] = self.at + ahead * self.clearance * 1.5;
        }
        heading
    }
}

/// A wandering policy for collection; it sees the privileged state.
///
/// It heads for a random waypoint with a random speed and correlated noise, through the doorway if the
/// sim has one, except that now and then it goes straight and meets the walls.
#[derive(Clone, Debug)]
pub struct Scripted {
    script: Arc<Script>,
    waypoint: Vec<f64>,
    age: u32,
    speed: f32,
    careless: bool,
    noise: Vec<f32>,
}

impl Scripted {
    pub(crate) fn new(script: Arc<Script>) -> Self {
        let count = script.features.len();
        Self {
            script,
            waypoint: Vec::new(),
            age: 0,
            speed: 0.0,
            careless: false,
            noise: vec![0.0; count],
        }
    }

    /// The next action, each component in [-1, 1], at a privileged state of the sim.
    fn act(&mut self, state: &State, rng: &mut Rng) -> Vec<f32> {
        let script = self.script.clone();
        let spec = &script.spec;
        let here: Vec<f64> = script
            .features
            .iter()
            .map(|&index| state.0.get(index).copied().unwrap_or(0.0))
            .collect();
        self.age += 1;
        if self.waypoint.is_empty()
            || self.age > spec.patience
            || distance(&here, &self.waypoint) < spec.reach
        {
            self.waypoint = spec.waypoints.iter().map(|intervals| draw(intervals, rng)).collect();
            self.age = 0;
            self.speed = rng.uniform(spec.speed[0], spec.speed[1]);
            self.careless = rng.chance(spec.careless);
        }
        let heading = match &script.door {
            Some(door) if !self.careless => door.route(&here, &self.waypoint),
            _ => self.waypoint.clone(),
        };
        let wish: Vec<f32> =
            heading.iter().zip(&here).map(|(to, from)| spec.gain * (to - from) as f32).collect();
        let length = wish.iter().map(|value| value * value).sum::<f32>().sqrt();
        let shorten = if length > self.speed { self.speed / length } else { 1.0 };
        let fresh = spec.noise_std * (1.0 - spec.noise_rho * spec.noise_rho).max(0.0).sqrt();
        wish.iter()
            .zip(&mut self.noise)
            .map(|(wish, noise)| {
                *noise = spec.noise_rho * *noise + fresh * rng.normal();
                (wish * shorten + *noise).clamp(-1.0, 1.0)
            })
            .collect()
    }
}

impl Actor for Scripted {
    fn reset(&mut self) {
        *self = Self::new(self.script.clone());
    }

    fn decide(
        &mut self,
        env: &dyn Env,
        _: &Observation,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError> {
        Ok(Decision { action: self.act(&env.state(), rng), plan: None })
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
