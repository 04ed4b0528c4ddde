//! Where episodes start.

use crate::SimError;
use crate::resolver::Resolver;
use crate::scene_file::Keyframe;
use crate::spec::{Reset, Spread};
use crate::world::{Machine, Placement, World};
use housecat_core::Rng;
use housecat_physics::{JointKind, Pose, Workspace};
use nalgebra::{Translation3, UnitQuaternion, Vector3};

/// Draws after which a start in which something touches is taken all the same.
const TRIES: usize = 1000;

/// A `[reset]` table on indices.
#[derive(Debug)]
pub(crate) struct Start {
    /// What the spreads do not say.
    base: World,
    apart: bool,
    joints: Vec<(usize, Spread)>,
}

impl Start {
    /// Resolves the names of the keyframe and the joints.
    pub(crate) fn new(
        table: &str,
        reset: &Reset,
        keyframes: &[Keyframe],
        names: &Resolver,
    ) -> Result<Self, SimError> {
        let mut base = names.machine.pristine.clone();
        if let Some(name) = &reset.keyframe {
            let known = keyframes.iter().map(|keyframe| keyframe.name.as_str());
            let index = names.find(&format!("{table}.keyframe"), "keyframe", name, known)?;
            let Keyframe { position, velocity, activation, .. } = &keyframes[index];
            let state = &mut base.state;
            let take = |to: &mut Vec<f64>, from: &Option<Vec<f64>>| {
                if let Some(values) = from {
                    to.clone_from(values);
                }
            };
            take(&mut state.position, position);
            take(&mut state.velocity, velocity);
            take(&mut state.activation, activation);
        }
        let mut joints = Vec::new();
        for (name, spread) in &reset.joints {
            let field = format!("{table}.{name}");
            let joint = names.joint(&field, name)?;
            let Spread { position, velocity, x, y, z, yaw } = spread;
            let (free, scalar) = ([x, y, z, yaw], [position, velocity]);
            match names.machine.joints[joint].kind {
                JointKind::Slide | JointKind::Hinge if free.iter().any(|list| !list.is_empty()) => {
                    return names
                        .wrong(&field, "is a slide or hinge; it takes `position` and `velocity`");
                }
                JointKind::Free if scalar.iter().any(|list| !list.is_empty()) => {
                    return names
                        .wrong(&field, "is a free joint; it takes `x`, `y`, `z` and `yaw`");
                }
                JointKind::Ball => {
                    return names
                        .wrong(&field, "is a ball joint, which has no spread; leave it out");
                }
                _ => {}
            }
            let sound =
                |&[low, high]: &[f64; 2]| low.is_finite() && high.is_finite() && low <= high;
            if !free.into_iter().chain(scalar).flatten().all(sound) {
                return names.wrong(&field, "needs finite intervals [low, high] with low <= high");
            }
            joints.push((joint, spread.clone()));
        }
        Ok(Self { base, apart: reset.apart, joints })
    }

    /// A world at a random start. `width` is a factor on every interval, about its middle.
    pub(crate) fn begin(
        &self,
        machine: &Machine,
        work: &mut Workspace,
        width: f64,
        rng: &mut Rng,
    ) -> World {
        let mut world = self.base.clone();
        for _ in 0..TRIES {
            world = self.base.clone();
            let place =
                |(joint, spread): &(usize, Spread)| self.place(machine, *joint, spread, width, rng);
            let placements: Vec<_> = self.joints.iter().map(place).collect();
            machine.place(&mut world, &placements, work);
            if !(self.apart && machine.touching(&world, work)) {
                break;
            }
        }
        world
    }

    /// Draws the state of a joint.
    fn place(
        &self,
        machine: &Machine,
        joint: usize,
        spread: &Spread,
        width: f64,
        rng: &mut Rng,
    ) -> Placement {
        let mut either = |intervals: &[[f64; 2]], base: f64| match intervals {
            [] => base,
            _ if width == 1.0 => draw(intervals, rng),
            _ => draw(&intervals.iter().map(|ends| widened(*ends, width)).collect::<Vec<_>>(), rng),
        };
        if machine.joints[joint].kind == JointKind::Free {
            let pose = machine.free_pose(&self.base, joint);
            let at = pose.translation;
            let shift = Translation3::new(
                either(&spread.x, at.x),
                either(&spread.y, at.y),
                either(&spread.z, at.z),
            );
            let half = 0.5 * either(&spread.yaw, 0.0);
            let up = Vector3::z() * libm::sin(half);
            let turn = UnitQuaternion::new_unchecked(nalgebra::Quaternion::from_parts(
                libm::cos(half),
                up,
            ));
            return Placement::Free { joint, pose: Pose::from_parts(shift, turn * pose.rotation) };
        }
        let coordinate = either(&spread.position, machine.coordinate(&self.base, joint));
        let rate = either(&spread.velocity, machine.rate(&self.base, joint));
        Placement::Joint { joint, coordinate, rate }
    }
}

/// An interval with its width scaled, about the same middle.
fn widened([low, high]: [f64; 2], factor: f64) -> [f64; 2] {
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low) * factor);
    [middle - half, middle + half]
}

/// Uniform over a union of disjoint intervals; 0 if there are none.
pub(crate) fn draw(intervals: &[[f64; 2]], rng: &mut Rng) -> f64 {
    let total: f64 = intervals.iter().map(|[low, high]| high - low).sum();
    let mut rest = rng.uniform_f64(0.0, total);
    for &[low, high] in intervals {
        if rest <= high - low {
            return low + rest;
        }
        rest -= high - low;
    }
    intervals.last().map_or(0.0, |interval| interval[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    #[test]
    fn draws_stay_in_the_intervals_and_reach_both() {
        let mut rng = Seed::new(0).rng();
        let intervals = [[-1.0, -0.5], [0.5, 2.0]];
        let draws: Vec<_> = (0..1000).map(|_| draw(&intervals, &mut rng)).collect();
        assert!(draws.iter().all(|x| intervals.iter().any(|i| (i[0]..=i[1]).contains(x))));
        let low = draws.iter().filter(|x| **x < 0.0).count();
        assert!((200..300).contains(&low), "{low}");
        assert_eq!(draw(&[], &mut rng), 0.0);
    }
}
