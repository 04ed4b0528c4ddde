//! Where episodes start.

use crate::SimError;
use crate::resolver::Resolver;
use crate::spec::Spread;
use crate::world::Placement;
use housecat_core::Rng;
use std::collections::BTreeMap;

/// The spread of every joint that does not start as the scene has it.
#[derive(Debug)]
pub(crate) struct Start(Vec<(usize, Spread)>);

impl Start {
    /// Resolves the joints' names.
    pub(crate) fn new(
        table: &str,
        spreads: &BTreeMap<String, Spread>,
        names: &Resolver,
    ) -> Result<Self, SimError> {
        let mut joints = Vec::new();
        for (name, spread) in spreads {
            let field = format!("{table}.{name}");
            let sound =
                |&[low, high]: &[f64; 2]| low.is_finite() && high.is_finite() && low <= high;
            if !spread.position.iter().chain(&spread.velocity).all(sound) {
                return names.wrong(&field, "needs finite intervals [low, high] with low <= high");
            }
            joints.push((names.joint(&field, name)?, spread.clone()));
        }
        Ok(Self(joints))
    }

    /// Draws a placement for each; `at` gives the coordinate in the scene.
    pub(crate) fn draw(&self, rng: &mut Rng, at: impl Fn(usize) -> f64) -> Vec<Placement> {
        self.0
            .iter()
            .map(|(joint, spread)| {
                let coordinate = match spread.position.is_empty() {
                    true => at(*joint),
                    false => draw(&spread.position, rng),
                };
                Placement::Joint { joint: *joint, coordinate, rate: draw(&spread.velocity, rng) }
            })
            .collect()
    }
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
