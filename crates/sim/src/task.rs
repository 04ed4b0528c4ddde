//! What a sim asks for: goals and their protocols, admissible pairs, rewards.

use crate::spec::{self, Sigmoid, Symmetry, Unit};
use crate::{SimError, resolver::Resolver};
use housecat_core::{GoalError, Success};
use std::f64::consts::{PI, TAU};

/// A sim's task, on indices into the privileged state.
#[derive(Debug, Default)]
pub(crate) struct Task {
    pub terms: Vec<Term>,
    moderate: Option<Criterion>,
    strict: Option<Criterion>,
    /// Start and goal lie on different sides of one of them, if there are any.
    opposite: Vec<Line>,
    pub reward: Vec<Factor>,
}

/// A goal term.
#[derive(Debug)]
pub(crate) struct Term {
    pub name: String,
    features: Vec<usize>,
    unit: Unit,
    scale: Option<f64>,
    periodic: bool,
    rotation: Option<Symmetry>,
    target: Option<Vec<f64>>,
}

impl Term {
    /// The norm of the differences of the features of two states, or the angle between two rotations.
    fn error(&self, state: &[f64], goal: &[f64]) -> f64 {
        if let (Some(symmetry), &[w, x, y, z]) = (self.rotation, &self.features[..]) {
            let of = |state: &[f64]| [state[w], state[x], state[y], state[z]];
            return angle(of(state), of(goal), symmetry);
        }
        let differences = self.features.iter().map(|&index| state[index] - goal[index]);
        let wrapped = differences.map(|d| if self.periodic { wrap(d) } else { d });
        wrapped.map(|d| d * d).sum::<f64>().sqrt()
    }

    fn describe(&self, value: f64) -> GoalError {
        let unit = match self.unit {
            Unit::M => "m",
            Unit::Rad => "rad",
        };
        GoalError { name: self.name.clone(), unit: unit.to_owned(), value }
    }
}

/// The angle's equal in [-pi, pi).
fn wrap(angle: f64) -> f64 {
    (angle + PI).rem_euclid(TAU) - PI
}

/// Angle of the turn between two rotations that look alike under a symmetry, rad. Quaternions, w first.
fn angle(a: [f64; 4], b: [f64; 4], symmetry: Symmetry) -> f64 {
    let ([aw, ax, ay, az], [bw, bx, by, bz]) = (a, b);
    // conj(a) b, of which only sizes count.
    let mut turn = [
        aw * bw + ax * bx + ay * by + az * bz,
        aw * bx - ax * bw - ay * bz + az * by,
        aw * by + ax * bz - ay * bw - az * bx,
        aw * bz - ax * by + ay * bx - az * bw,
    ]
    .map(f64::abs);
    let length = turn.iter().map(|part| part * part).sum::<f64>().sqrt();
    let cosine = match symmetry {
        Symmetry::Plain => turn[0],
        // The rotations of a cube are the quaternions whose one, two or four parts other than 0 have
        // equal size, so the nearest of them follows from the largest parts.
        Symmetry::Cube => {
            turn.sort_by(|a, b| b.total_cmp(a));
            let two = (turn[0] + turn[1]) * std::f64::consts::FRAC_1_SQRT_2;
            let four = (turn[0] + turn[1] + turn[2] + turn[3]) * 0.5;
            turn[0].max(two).max(four)
        }
    };
    2.0 * libm::acos((cosine / length).min(1.0))
}

#[derive(Clone, Copy, Debug)]
struct Line {
    feature: usize,
    at: f64,
}

impl Line {
    fn side(self, state: &[f64]) -> bool {
        state[self.feature] > self.at
    }
}

#[derive(Debug)]
struct Gate {
    line: Line,
    through: Vec<(usize, [f64; 2])>,
}

impl Gate {
    /// Whether the straight way from `from` to `to`, which lie on different sides, passes the opening.
    fn passes(&self, from: &[f64], to: &[f64]) -> bool {
        let Line { feature, at } = self.line;
        let part = (at - from[feature]) / (to[feature] - from[feature]);
        self.through.iter().all(|&(index, [low, high])| {
            let value = from[index] + part * (to[index] - from[index]);
            (low..=high).contains(&value)
        })
    }
}

#[derive(Debug)]
struct Criterion {
    within: Vec<(usize, f64)>,
    hold: u32,
    gate: Option<Gate>,
}

/// How a judgement stands. Part of every snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    /// The state at the last step, once judging has begun.
    last: Option<Vec<f64>>,
    held: [u32; 2],
    /// Whether the gate's line was ever crossed beside its opening.
    trespassed: [bool; 2],
    pub verdict: Success,
}

impl Task {
    /// Resolves the names of a spec.
    pub(crate) fn new(spec: &spec::Spec, names: &Resolver) -> Result<Self, SimError> {
        let mut terms = Vec::new();
        for goal in &spec.goal {
            let field = format!("goal {}", goal.name);
            let features = names.states(&format!("{field}: features"), &goal.features)?;
            if goal.target.as_ref().is_some_and(|target| target.len() != features.len()) {
                return names.wrong(&format!("{field}: target"), "needs one value a feature");
            }
            if goal.rotation.is_some()
                && (features.len() != 4 || goal.periodic || matches!(goal.unit, Unit::M))
            {
                let needs = "needs the four features w, x, y, z of a `rotation`, the unit rad, and no `periodic`";
                return names.wrong(&format!("{field}: rotation"), needs);
            }
            if goal.scale.is_some_and(|scale| scale.is_nan() || scale <= 0.0) {
                return names.wrong(&format!("{field}: scale"), "must be positive");
            }
            terms.push(Term {
                name: goal.name.clone(),
                features,
                unit: goal.unit,
                scale: goal.scale,
                periodic: goal.periodic,
                rotation: goal.rotation,
                target: goal.target.clone(),
            });
        }
        let fixed = terms.iter().filter(|term| term.target.is_some()).count();
        if fixed != 0 && fixed != terms.len() {
            return names
                .wrong("goal", "has a `target` in some terms only; give it to all or to none");
        }
        let criterion = |field: &str, spec: &spec::Criterion| -> Result<Criterion, SimError> {
            let mut within = Vec::new();
            for (name, &limit) in &spec.within {
                let known = terms.iter().map(|term| term.name.as_str());
                within.push((
                    names.find(&format!("{field}.within"), "goal term", name, known)?,
                    limit,
                ));
            }
            let positive = within.iter().all(|&(_, limit)| limit > 0.0);
            if within.is_empty() || !positive || spec.hold == 0 {
                return names
                    .wrong(field, "needs positive limits in `within` and a `hold` of at least 1");
            }
            let gate = spec.gate.as_ref().map(|gate| -> Result<Gate, SimError> {
                let field = format!("{field}.gate");
                let line = Line { feature: names.state(&field, &gate.feature)?, at: gate.at };
                let through = gate
                    .through
                    .iter()
                    .map(|(name, &range)| Ok((names.state(&field, name)?, range)))
                    .collect::<Result<_, SimError>>()?;
                Ok(Gate { line, through })
            });
            Ok(Criterion { within, hold: spec.hold, gate: gate.transpose()? })
        };
        let protocol = |name: &str, pick: fn(&spec::Protocols) -> &spec::Criterion| {
            spec.protocol
                .as_ref()
                .map(|p| criterion(&format!("protocol.{name}"), pick(p)))
                .transpose()
        };
        let (moderate, strict) =
            (protocol("moderate", |p| &p.moderate)?, protocol("strict", |p| &p.strict)?);
        let mut opposite = Vec::new();
        for side in spec.pairs.iter().flat_map(|pairs| &pairs.opposite) {
            let feature = names.state("pairs.opposite", &side.feature)?;
            opposite.push(Line { feature, at: side.at });
        }
        if terms.is_empty() == moderate.is_some() {
            return names.wrong("protocol", "and [[goal]] belong together; write both or neither");
        }
        let mut reward = Vec::new();
        for factor in &spec.reward {
            reward.push(Factor::new(factor, names)?);
        }
        if terms.is_empty() && reward.is_empty() && !spec.bare {
            return names.wrong("goal", "is missing; a sim has a [[goal]] or a [[reward]]");
        }
        Ok(Self { terms, moderate, strict, opposite, reward })
    }

    /// The goal that never changes, if the terms have targets.
    pub(crate) fn fixed_goal(&self, dim: usize) -> Option<Vec<f64>> {
        let mut goal = vec![0.0; dim];
        for term in &self.terms {
            for (&index, &value) in term.features.iter().zip(term.target.as_ref()?) {
                goal[index] = value;
            }
        }
        (!self.terms.is_empty()).then_some(goal)
    }

    /// Root of the summed squares of the scaled errors.
    pub(crate) fn distance(&self, state: &[f64], goal: &[f64]) -> f64 {
        let scaled =
            self.terms.iter().filter_map(|term| Some(term.error(state, goal) / term.scale?));
        scaled.map(|value| value * value).sum::<f64>().sqrt()
    }

    /// Each term's error, with its name.
    pub(crate) fn errors(&self, state: &[f64], goal: &[f64]) -> Vec<GoalError> {
        self.terms.iter().map(|term| term.describe(term.error(state, goal))).collect()
    }

    /// Whether a pair is on different sides where it should be, and not solved at the start.
    pub(crate) fn admits(&self, start: &[f64], goal: &[f64]) -> bool {
        let mut lines = self.opposite.iter();
        let apart =
            self.opposite.is_empty() || lines.any(|line| line.side(start) != line.side(goal));
        apart && self.moderate.as_ref().is_some_and(|moderate| !self.near(moderate, start, goal))
    }

    fn near(&self, criterion: &Criterion, state: &[f64], goal: &[f64]) -> bool {
        criterion.within.iter().all(|&(term, limit)| self.terms[term].error(state, goal) <= limit)
    }

    /// Begins to judge at `state`.
    pub(crate) fn begin(&self, judge: &mut Judge, state: &[f64]) {
        *judge = Judge { last: Some(state.to_vec()), ..Judge::default() };
    }

    /// Judges the next state.
    pub(crate) fn judge(&self, judge: &mut Judge, state: &[f64], goal: &[f64]) {
        let criteria = [&self.moderate, &self.strict];
        let mut met = [false; 2];
        for (index, criterion) in criteria.into_iter().enumerate() {
            let Some(criterion) = criterion else { continue };
            let mut lawful = true;
            if let (Some(gate), Some(last)) = (&criterion.gate, &judge.last) {
                let crossed = gate.line.side(last) != gate.line.side(state);
                judge.trespassed[index] |= crossed && !gate.passes(last, state);
                lawful = !judge.trespassed[index] && gate.line.side(state) == gate.line.side(goal);
            }
            let near = lawful && self.near(criterion, state, goal);
            judge.held[index] = if near { judge.held[index].saturating_add(1) } else { 0 };
            met[index] = judge.held[index] >= criterion.hold;
        }
        if let Some(last) = &mut judge.last {
            last.copy_from_slice(state);
        }
        judge.verdict = Success { moderate: met[0], strict: met[1] };
    }
}

/// A factor of the reward.
#[derive(Debug)]
pub(crate) struct Factor {
    source: Source,
    bounds: [f64; 2],
    margin: f64,
    value_at_margin: f64,
    shape: Sigmoid,
    mix: f64,
}

#[derive(Debug)]
enum Source {
    State(usize),
    Action(usize),
}

impl Factor {
    fn new(spec: &spec::Reward, names: &Resolver) -> Result<Self, SimError> {
        let source = match (&spec.feature, &spec.action) {
            (Some(name), None) => Source::State(names.state("reward.feature", name)?),
            (None, Some(name)) => Source::Action(names.drive("reward.action", name)?),
            _ => return names.wrong("reward", "needs either `feature` or `action`"),
        };
        let range = if spec.shape == Sigmoid::Gaussian { 1e-9..1.0 } else { 0.0..1.0 };
        if !range.contains(&spec.value_at_margin) {
            return names
                .wrong("reward.value_at_margin", "must be in [0, 1), above 0 for a gaussian");
        }
        if spec.margin.is_nan() || spec.margin <= 0.0 || spec.bounds[0] > spec.bounds[1] {
            return names.wrong("reward", "needs a positive `margin` and `bounds` in order");
        }
        if !(0.0..=1.0).contains(&spec.mix) {
            return names.wrong("reward.mix", "must be in [0, 1]");
        }
        Ok(Self {
            source,
            bounds: spec.bounds,
            margin: spec.margin,
            value_at_margin: spec.value_at_margin,
            shape: spec.shape,
            mix: spec.mix,
        })
    }

    /// Its value in [0, 1].
    fn value(&self, state: &[f64], action: &[f32]) -> f64 {
        let value = match self.source {
            Source::State(index) => state[index],
            Source::Action(index) => f64::from(action[index]),
        };
        1.0 - self.mix + self.mix * self.tolerance(value)
    }

    /// dm_control's `rewards.tolerance`: 1 within the bounds, falling off outside.
    fn tolerance(&self, value: f64) -> f64 {
        let [low, high] = self.bounds;
        let outside = (low - value).max(value - high).max(0.0) / self.margin;
        match self.shape {
            Sigmoid::Gaussian => libm::exp(outside * outside * libm::log(self.value_at_margin)),
            Sigmoid::Linear => (1.0 - outside * (1.0 - self.value_at_margin)).max(0.0),
            Sigmoid::Quadratic => (1.0 - outside * outside * (1.0 - self.value_at_margin)).max(0.0),
        }
    }
}

/// The product of the factors; 0 without any.
pub(crate) fn reward(factors: &[Factor], state: &[f64], action: &[f32]) -> f64 {
    if factors.is_empty() {
        return 0.0;
    }
    factors.iter().map(|factor| factor.value(state, action)).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_wrap() {
        assert!((wrap(TAU - 0.1) + 0.1).abs() < 1e-12);
        assert!((wrap(-PI - 0.1) - (PI - 0.1)).abs() < 1e-12);
    }

    #[test]
    fn rotations_are_judged_up_to_a_symmetry() {
        let about = |axis: usize, angle: f64| {
            let mut q = [(0.5 * angle).cos(), 0.0, 0.0, 0.0];
            q[axis] = (0.5 * angle).sin();
            q
        };
        let same = about(1, 0.0);
        for axis in 1..4 {
            for (turn, plain, cube) in
                [(0.3, 0.3, 0.3), (PI / 2.0, PI / 2.0, 0.0), (3.0, 3.0, PI - 3.0)]
            {
                let q = about(axis, turn);
                assert!((angle(same, q, Symmetry::Plain) - plain).abs() < 1e-7);
                assert!((angle(q, same, Symmetry::Cube) - cube).abs() < 1e-7, "{axis} {turn}");
                assert!(angle(q, q.map(|part| -part), Symmetry::Plain) < 1e-7);
            }
        }
        // A third of a turn about the diagonal of a cube.
        assert!(angle(same, [0.5; 4], Symmetry::Cube) < 1e-7);
        assert!((angle(same, [0.5; 4], Symmetry::Plain) - TAU / 3.0).abs() < 1e-7);
        // No rotation is further than this from a cube's own.
        let far = [0.6532814824, 0.2705980501, 0.2705980501, 0.6532814824];
        assert!(angle(same, far, Symmetry::Cube) < 1.0967);
    }

    #[test]
    fn tolerances_fall_to_their_value_at_the_margin() {
        for (shape, value_at_margin) in
            [(Sigmoid::Gaussian, 0.1), (Sigmoid::Linear, 0.2), (Sigmoid::Quadratic, 0.0)]
        {
            let bounds = [-1.0, 1.0];
            let factor = Factor {
                source: Source::State(0),
                bounds,
                margin: 2.0,
                value_at_margin,
                shape,
                mix: 1.0,
            };
            assert_eq!(factor.tolerance(0.5), 1.0);
            assert!((factor.tolerance(-3.0) - value_at_margin).abs() < 1e-12);
            assert!((factor.tolerance(3.0) - value_at_margin).abs() < 1e-12);
        }
    }

    fn corridor() -> Task {
        let term = Term {
            name: "p".into(),
            features: vec![0, 1],
            unit: Unit::M,
            scale: Some(0.1),
            periodic: false,
            rotation: None,
            target: None,
        };
        let line = Line { feature: 0, at: 0.0 };
        let gate = || Some(Gate { line, through: vec![(1, [0.2, 0.6])] });
        let criterion =
            |limit, hold, gate| Some(Criterion { within: vec![(0, limit)], hold, gate });
        Task {
            terms: vec![term],
            moderate: criterion(0.16, 1, None),
            strict: criterion(0.08, 2, gate()),
            opposite: vec![line],
            reward: Vec::new(),
        }
    }

    #[test]
    fn the_strict_protocol_wants_the_door_and_patience() {
        let (task, goal) = (corridor(), [0.3, 0.4]);
        let run = |path: &[[f64; 2]]| {
            let mut judge = Judge::default();
            task.begin(&mut judge, &path[0]);
            path[1..]
                .iter()
                .map(|state| {
                    task.judge(&mut judge, state, &goal);
                    judge.verdict.strict
                })
                .collect::<Vec<_>>()
        };
        let lawful = [[-0.1, 0.4], [0.1, 0.4], [0.3, 0.4], [0.3, 0.4]];
        assert_eq!(run(&lawful), [false, false, true]);
        let ghost = [[-0.1, 0.9], [0.1, 0.9], [0.3, 0.4], [0.3, 0.4], [0.3, 0.4]];
        assert_eq!(run(&ghost), [false; 4]);
    }

    #[test]
    fn pairs_lie_in_opposite_rooms() {
        let task = corridor();
        assert!(task.admits(&[-0.5, 0.0], &[0.5, 0.0]));
        assert!(!task.admits(&[-0.5, 0.0], &[-0.9, 0.0]));
        assert!(!task.admits(&[-0.05, 0.0], &[0.05, 0.0]), "solved at the start");
        assert!((task.distance(&[0.0, 0.0], &[0.3, 0.4]) - 5.0).abs() < 1e-12);
    }
}
