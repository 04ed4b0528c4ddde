//! Pushing an object about in the plane.

use super::{check_interval, distance, indices, pick};
use crate::SimError;
use crate::resolver::Resolver;
use crate::spec;
use housecat_core::Rng;
use std::f64::consts::{PI, TAU};

/// Draws of a push; the last is taken if none stays in the area.
const TRIES: usize = 20;
/// How far the pusher looks ahead on its way around the object, rad.
const AHEAD: f64 = 0.7;

/// A table of kind `push` on indices.
#[derive(Debug)]
pub(crate) struct Script {
    pusher: [usize; 2],
    object: [usize; 2],
    spec: spec::Push,
}

/// A push, or the way to where it begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Where the push begins and ends; `None` before the first.
    push: Option<[[f64; 2]; 2]>,
    begun: bool,
    age: u32,
    speed: f64,
    careless: bool,
}

impl Script {
    pub(crate) fn new(spec: &spec::Push, names: &Resolver) -> Result<Self, SimError> {
        if names.machine.action_names().len() != 2 {
            return names
                .wrong("scripted.kind", "is `push`, which drives an action of two components");
        }
        spec.approach.check(names)?;
        for interval in spec.area {
            check_interval("scripted.area", interval, names)?;
        }
        check_interval("scripted.beyond", spec.beyond, names)?;
        if !(spec.around > 0.0 && (0.0..=spec.around).contains(&spec.beside)) {
            return names.wrong("scripted", "needs 0 <= beside <= around and around > 0");
        }
        Ok(Self {
            pusher: indices("scripted.pusher", &spec.pusher, names)?,
            object: indices("scripted.object", &spec.object, names)?,
            spec: spec.clone(),
        })
    }

    pub(crate) fn noise(&self) -> spec::Noise {
        self.spec.noise
    }

    pub(crate) fn act(&self, progress: &mut Progress, state: &[f64], rng: &mut Rng) -> Vec<f32> {
        let (here, object) = (pick(state, self.pusher), pick(state, self.object));
        let approach = &self.spec.approach;
        progress.age += 1;
        let over = |[_, end]: [[f64; 2]; 2]| {
            progress.age > approach.patience || (progress.begun && approach.is_over(&here, &end, 0))
        };
        let [start, end] = match progress.push {
            Some(push) if !over(push) => push,
            _ => self.next(progress, object, rng),
        };
        if !progress.begun && distance(&here, &start) < approach.reach {
            progress.begun = true;
            progress.age = 0;
        }
        let heading = match (progress.begun, progress.careless) {
            (true, _) => end,
            (false, true) => start,
            (false, false) => around(here, start, object, self.spec.around),
        };
        approach.towards(&here, &heading, progress.speed)
    }

    /// Draws a push of the object where it is now.
    fn next(&self, progress: &mut Progress, object: [f64; 2], rng: &mut Rng) -> [[f64; 2]; 2] {
        let spec = &self.spec;
        let mut push = [object; 2];
        for _ in 0..TRIES {
            let angle = rng.uniform_f64(-PI, PI);
            let (along, beside) = ([libm::cos(angle), libm::sin(angle)], spec.beside);
            let beside = rng.uniform_f64(-beside, beside);
            let beyond = rng.uniform_f64(spec.beyond[0], spec.beyond[1]);
            let at = |way: f64| {
                [
                    object[0] + way * along[0] - beside * along[1],
                    object[1] + way * along[1] + beside * along[0],
                ]
            };
            push = [at(-spec.around), at(beyond)];
            let inside = |point: &[f64; 2]| {
                point.iter().zip(spec.area).all(|(x, [low, high])| (low..=high).contains(x))
            };
            if push.iter().all(inside) {
                break;
            }
        }
        *progress = Progress {
            push: Some(push),
            begun: false,
            age: 0,
            speed: spec.approach.pace(rng),
            careless: rng.chance(spec.careless),
        };
        push
    }
}

/// Where to head for on the way to `to` that keeps a distance from the object.
fn around(from: [f64; 2], to: [f64; 2], object: [f64; 2], radius: f64) -> [f64; 2] {
    let out = |point: [f64; 2]| [point[0] - object[0], point[1] - object[1]];
    let ([fx, fy], [tx, ty]) = (out(from), out(to));
    // The point of the straight way that is nearest to the object.
    let (dx, dy) = (tx - fx, ty - fy);
    let along = (-(fx * dx + fy * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
    if libm::hypot(fx + along * dx, fy + along * dy) >= 0.8 * radius {
        return to;
    }
    let (have, want) = (libm::atan2(fy, fx), libm::atan2(ty, tx));
    let turn = (want - have + PI).rem_euclid(TAU) - PI;
    let angle = have + turn.clamp(-AHEAD, AHEAD);
    let radius = 1.1 * radius;
    [object[0] + radius * libm::cos(angle), object[1] + radius * libm::sin(angle)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_around_the_object() {
        let object = [0.1, -0.2];
        let to = [object[0] + 0.1, object[1]];
        let mut at = [object[0] - 0.15, object[1] + 0.01];
        for step in 0.. {
            assert!(distance(&at, &object) > 0.075, "{at:?}");
            if distance(&at, &to) < 0.005 {
                break;
            }
            let heading = around(at, to, object, 0.1);
            let way = distance(&at, &heading).max(1e-9);
            at = [0, 1].map(|i| at[i] + (heading[i] - at[i]) * (0.01 / way).min(1.0));
            assert!(step < 100, "stuck at {at:?}");
        }
    }
}
