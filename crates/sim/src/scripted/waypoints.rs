//! Wandering between random waypoints, through doors.

use super::{check_interval, distance, pick};
use crate::SimError;
use crate::resolver::Resolver;
use crate::spec;
use crate::start::draw;
use housecat_core::Rng;

/// A table of kind `waypoints` on indices.
#[derive(Debug)]
pub(crate) struct Script {
    features: Vec<usize>,
    spec: spec::Waypoints,
    doors: Vec<Door>,
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

/// The waypoint pursued.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    waypoint: Vec<f64>,
    age: u32,
    speed: f64,
    careless: bool,
}

impl Script {
    pub(crate) fn new(spec: &spec::Waypoints, names: &Resolver) -> Result<Self, SimError> {
        let features = names.states("scripted.features", &spec.features)?;
        let count = features.len();
        if count != names.machine.action_names().len() || spec.waypoints.len() != count {
            let needs = "needs one feature and one list of intervals a component of the action";
            return names.wrong("scripted", needs);
        }
        for intervals in &spec.waypoints {
            if intervals.is_empty() {
                return names.wrong("scripted.waypoints", "needs an interval for every feature");
            }
            for &interval in intervals {
                check_interval("scripted.waypoints", interval, names)?;
            }
        }
        spec.approach.check(names)?;
        let index = |name: &str| {
            let known = spec.features.iter().map(String::as_str);
            names.find("scripted.doors", "scripted feature", name, known)
        };
        let door = |door: &spec::Door| {
            let centre = door.centre.iter().map(|(name, &value)| Ok((index(name)?, value)));
            Ok::<_, SimError>(Door {
                axis: index(&door.feature)?,
                at: door.at,
                clearance: door.clearance,
                centre: centre.collect::<Result<_, SimError>>()?,
                slack: door.slack,
            })
        };
        let doors = spec.doors.iter().map(door).collect::<Result<_, _>>()?;
        Ok(Self { features, spec: spec.clone(), doors })
    }

    pub(crate) fn noise(&self) -> spec::Noise {
        self.spec.noise
    }

    pub(crate) fn act(&self, progress: &mut Progress, state: &[f64], rng: &mut Rng) -> Vec<f32> {
        let spec = &self.spec;
        let here: Vec<f64> = self.features.iter().map(|&index| pick(state, [index])[0]).collect();
        progress.age += 1;
        if progress.waypoint.is_empty()
            || spec.approach.is_over(&here, &progress.waypoint, progress.age)
        {
            *progress = Progress {
                waypoint: spec.waypoints.iter().map(|intervals| draw(intervals, rng)).collect(),
                age: 0,
                speed: spec.approach.pace(rng),
                careless: rng.chance(spec.careless),
            };
        }
        let heading = match self.next_door(&here, &progress.waypoint) {
            Some(door) if !progress.careless => door.route(&here, &progress.waypoint),
            _ => progress.waypoint.clone(),
        };
        spec.approach.towards(&here, &heading, progress.speed)
    }

    /// The door to make for on the way: the one being passed, else the nearest in a line that divides
    /// `from` and `to` and that no other line hides.
    fn next_door(&self, from: &[f64], to: &[f64]) -> Option<&Door> {
        if let Some(door) = self.doors.iter().find(|door| door.holds(from, to)) {
            return Some(door);
        }
        let open = |door: &&Door| {
            let hidden = |other: &Door| {
                let centre = door.centre.iter().find(|&&(index, _)| index == other.axis);
                centre.is_some_and(|&(_, centre)| {
                    (centre > other.at) != (from[other.axis] > other.at)
                })
            };
            door.divides(from, to) && !self.doors.iter().any(hidden)
        };
        let way = |door: &Door| {
            let mut centre = from.to_vec();
            centre[door.axis] = door.at;
            door.centre.iter().for_each(|&(index, value)| centre[index] = value);
            distance(from, &centre)
        };
        self.doors.iter().filter(open).min_by(|a, b| way(a).total_cmp(&way(b)))
    }
}

impl Door {
    /// Whether its line is between two points.
    fn divides(&self, from: &[f64], to: &[f64]) -> bool {
        (from[self.axis] > self.at) != (to[self.axis] > self.at)
    }

    /// How far `from` is beyond the line, seen from the side where `to` is not.
    fn beyond(&self, from: &[f64], to: &[f64]) -> f64 {
        let side = if to[self.axis] > self.at { 1.0 } else { -1.0 };
        (from[self.axis] - self.at) * side
    }

    fn is_aligned(&self, from: &[f64]) -> bool {
        self.centre.iter().all(|&(index, centre)| (from[index] - centre).abs() <= self.slack)
    }

    /// Whether `from` is in the doorway, or just past it.
    fn holds(&self, from: &[f64], to: &[f64]) -> bool {
        self.is_aligned(from) && self.beyond(from, to).abs() < self.clearance
    }

    /// Where to head for on the way from `from` to `to`.
    fn route(&self, from: &[f64], to: &[f64]) -> Vec<f64> {
        let side = if to[self.axis] > self.at { 1.0 } else { -1.0 };
        let beyond = self.beyond(from, to);
        if beyond >= self.clearance {
            return to.to_vec();
        }
        let aligned = self.is_aligned(from);
        let mut heading = to.to_vec();
        if aligned || beyond < 0.0 {
            self.centre.iter().for_each(|&(index, centre)| heading[index] = centre);
            let ahead = if aligned { side } else { -side };
            heading[self.axis] = self.at + ahead * self.clearance * 1.5;
        }
        heading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four rooms about the origin with a door in each wall.
    fn rooms() -> Script {
        let door = |axis: usize, centre: f64| Door {
            axis,
            at: 0.0,
            clearance: 0.2,
            centre: vec![(1 - axis, centre)],
            slack: 0.1,
        };
        Script {
            features: vec![0, 1],
            spec: spec::Waypoints {
                features: vec!["x".into(), "y".into()],
                waypoints: vec![vec![[-1.0, 1.0]]; 2],
                approach: spec::Approach {
                    reach: 0.1,
                    patience: 100,
                    gain: 10.0,
                    speed: [1.0, 1.0],
                },
                noise: spec::Noise { std: 0.0, rho: 0.0 },
                careless: 0.0,
                doors: Vec::new(),
            },
            doors: vec![door(0, 0.6), door(0, -0.8), door(1, -0.5), door(1, 0.7)],
        }
    }

    #[test]
    fn the_way_leads_through_doors_only() {
        let rooms = rooms();
        let corners = [[0.9, 0.9], [-0.9, 0.9], [-0.9, -0.9], [0.9, -0.9]];
        for from in corners {
            for to in corners {
                let mut at = from;
                let mut steps = 0;
                while distance(&at, &to) > 0.05 {
                    let heading = match rooms.next_door(&at, &to) {
                        Some(door) => door.route(&at, &to),
                        None => to.to_vec(),
                    };
                    let way = distance(&at, &heading).max(1e-9);
                    let next = [0, 1].map(|i| at[i] + (heading[i] - at[i]) * (0.05 / way).min(1.0));
                    for axis in 0..2 {
                        if (next[axis] > 0.0) != (at[axis] > 0.0) {
                            let beside = next[1 - axis];
                            let doors = rooms.doors.iter().filter(|door| door.axis == axis);
                            let lawful =
                                doors.into_iter().any(|d| (d.centre[0].1 - beside).abs() < 0.2);
                            assert!(lawful, "crossed at {next:?} from {from:?} to {to:?}");
                        }
                    }
                    at = next;
                    steps += 1;
                    assert!(steps < 300, "stuck at {at:?} from {from:?} to {to:?}");
                }
            }
        }
    }
}
