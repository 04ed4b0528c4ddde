//! Picking an object up and putting it down elsewhere.

use super::{check_interval, indices, pick};
use crate::SimError;
use crate::resolver::Resolver;
use crate::spec;
use housecat_core::Rng;

/// A table of kind `pick` on indices.
#[derive(Debug)]
pub(crate) struct Script {
    hand: [usize; 3],
    object: [usize; 3],
    spec: spec::Pick,
}

/// What the hand does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Above,
    Down,
    Close,
    Lift,
    Carry,
    Lower,
    Open,
    Rise,
}

impl Phase {
    fn next(self) -> Self {
        match self {
            Self::Above => Self::Down,
            Self::Down => Self::Close,
            Self::Close => Self::Lift,
            Self::Lift => Self::Carry,
            Self::Carry => Self::Lower,
            Self::Lower => Self::Open,
            Self::Open => Self::Rise,
            Self::Rise => Self::Above,
        }
    }

    /// Whether the hand is open in it.
    fn is_open(self) -> bool {
        matches!(self, Self::Above | Self::Down | Self::Open | Self::Rise)
    }
}

/// Where the hand is in its round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    phase: Phase,
    age: u32,
    /// What was drawn for this round; `None` before the first.
    round: Option<Round>,
}

/// One pick and place.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Where it grasps, from the object's middle.
    miss: [f64; 2],
    /// Where it puts the object down.
    place: [f64; 2],
    height: f64,
    speed: f64,
    /// Where the hand began to close, open or rise.
    held: [f64; 2],
}

impl Script {
    pub(crate) fn new(spec: &spec::Pick, names: &Resolver) -> Result<Self, SimError> {
        if names.machine.action_names().len() != 4 {
            let needs =
                "is `pick`, which drives an action of four components: x, y, z and the grip";
            return names.wrong("scripted.kind", needs);
        }
        spec.approach.check(names)?;
        for interval in spec.area {
            check_interval("scripted.area", interval, names)?;
        }
        check_interval("scripted.height", spec.height, names)?;
        if !(spec.low < spec.height[0] && spec.miss >= 0.0) {
            return names
                .wrong("scripted", "needs `low` below `height` and a `miss` of at least 0");
        }
        Ok(Self {
            hand: indices("scripted.hand", &spec.hand, names)?,
            object: indices("scripted.object", &spec.object, names)?,
            spec: spec.clone(),
        })
    }

    pub(crate) fn noise(&self) -> spec::Noise {
        self.spec.noise
    }

    pub(crate) fn act(&self, progress: &mut Progress, state: &[f64], rng: &mut Rng) -> Vec<f32> {
        let (hand, object) = (pick(state, self.hand), pick(state, self.object));
        let approach = &self.spec.approach;
        let mut round = match progress.round {
            Some(round) => round,
            None => self.draw(hand, rng),
        };
        progress.age += 1;
        let over = match progress.phase {
            Phase::Close | Phase::Open => progress.age > self.spec.grasp,
            phase => approach.is_over(&hand, &self.target(phase, &round, object), progress.age),
        };
        if over {
            progress.phase = progress.phase.next();
            progress.age = 0;
            round.held = [hand[0], hand[1]];
            if progress.phase == Phase::Above {
                round = self.draw(hand, rng);
            }
        }
        progress.round = Some(round);
        let there = self.target(progress.phase, &round, object);
        let mut action = approach.towards(&hand, &there, round.speed);
        action.push(if progress.phase.is_open() { 1.0 } else { -1.0 });
        action
    }

    /// Where the hand should be in a phase.
    fn target(&self, phase: Phase, round: &Round, object: [f64; 3]) -> [f64; 3] {
        let [x, y] = match phase {
            Phase::Above | Phase::Down => [object[0] + round.miss[0], object[1] + round.miss[1]],
            Phase::Carry | Phase::Lower => round.place,
            Phase::Close | Phase::Lift | Phase::Open | Phase::Rise => round.held,
        };
        let low = matches!(phase, Phase::Down | Phase::Close | Phase::Lower | Phase::Open);
        [x, y, if low { self.spec.low } else { round.height }]
    }

    fn draw(&self, hand: [f64; 3], rng: &mut Rng) -> Round {
        let spec = &self.spec;
        let reach = if rng.chance(spec.careless) { spec.miss } else { 0.0 };
        Round {
            miss: [0, 1].map(|_| rng.uniform_f64(-reach, reach)),
            place: spec.area.map(|[low, high]| rng.uniform_f64(low, high)),
            height: rng.uniform_f64(spec.height[0], spec.height[1]),
            speed: spec.approach.pace(rng),
            held: [hand[0], hand[1]],
        }
    }
}
