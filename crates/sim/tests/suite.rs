//! The standard suite: each world does what its README says.

mod common;

use common::{action, altered, blind, same, sim, value};
use housecat_core::{Actor, Env, Observation, Quantity, ResetOptions, Seed, State};
use housecat_sim::{SimEnv, ViewOptions};

/// The states of an episode of the scripted policy.
fn scripted(name: &str, seed: u64, steps: usize) -> (SimEnv, Vec<State>) {
    let sim = sim(name);
    let mut env = blind(&sim, seed);
    let mut policy = sim.scripted().unwrap();
    let mut rng = Seed::new(seed).child("policy", 0).rng();
    let mut states = vec![env.state()];
    for _ in 0..steps {
        let action = policy.decide(&env, &Observation::default(), &mut rng).unwrap().action;
        assert!(action.iter().all(|value| (-1.0..=1.0).contains(value)));
        env.advance(&action).unwrap();
        states.push(env.state());
    }
    (env, states)
}

/// Does nothing for a while.
fn rest(env: &mut dyn Env, steps: usize) {
    let still = vec![0.0; env.spaces().action.dim()];
    for _ in 0..steps {
        env.advance(&still).unwrap();
    }
}

/// The largest error of a goal term between the first state and any other.
fn farthest(env: &dyn Env, states: &[State], term: &str) -> f64 {
    let error = |state: &State| {
        let errors = env.displacement(&states[0], state);
        errors.iter().find(|error| error.name == term).unwrap().value
    };
    states.iter().map(error).fold(0.0, f64::max)
}

/// What evaluators are told about the privileged state, in the order of its names.
#[test]
fn states_say_what_they_measure() {
    use Quantity::{Angle, AngularVelocity, Length, Number, Velocity};
    let quantities = |name| blind(&sim(name), 0).state_quantities();
    assert_eq!(
        quantities("cart-pole"),
        [Length, Angle, Number, Number, Velocity, AngularVelocity, Length, Length]
    );
    assert_eq!(quantities("push-t"), [Length, Length, Length, Length, Angle]);
    // A heading is an angle, how upright something is has no unit, and hinges turn.
    let quadruped = quantities("quadruped");
    assert_eq!(quadruped[..5], [Length, Length, Length, Angle, Number]);
    assert!(quadruped[5..].iter().all(|&quantity| quantity == Angle));
}

#[test]
fn push_t_is_quasi_static() {
    let sim = sim("push-t");
    for seed in 0..20 {
        let mut env = blind(&sim, seed);
        let tee = |env: &dyn Env| ["tee_x", "tee_y", "tee_angle"].map(|name| value(env, name));
        // Nothing overlaps at the start, so the T stays where it is.
        let start = tee(&env);
        env.advance(&[0.0, 0.0]).unwrap();
        assert_eq!(start, tee(&env));
        let mut rng = Seed::new(seed).rng();
        for _ in 0..60 {
            let action = action(&env, &mut rng);
            env.advance(&action).unwrap();
            assert!(tee(&env)[..2].iter().all(|x| x.abs() < 0.18), "the T left: {:?}", tee(&env));
        }
        // The pusher stands still within half a second, and the T with it.
        rest(&mut env, 5);
        let rest = tee(&env);
        env.advance(&[0.0, 0.0]).unwrap();
        let [dx, dy, turn] = [0, 1, 2].map(|i| (tee(&env)[i] - rest[i]).abs());
        assert!(dx.hypot(dy) < 0.001 && turn < 0.02, "the T drifts: {dx} m, {dy} m, {turn} rad");
    }
}

#[test]
fn scripted_episodes_move_the_object() {
    for (name, term, at_least) in [("push-t", "tee", 18), ("cube", "cube", 18)] {
        let moved = (0..20).filter(|&seed| {
            let (env, states) = scripted(name, seed, 100);
            farthest(&env, &states, term) > 0.01
        });
        let moved = moved.count();
        assert!(moved >= at_least, "{name}: moved in {moved} of 20 episodes");
    }
}

#[test]
fn the_grasp_holds_the_cube() {
    let height = |state: &State| state.0[6];
    let lifted = (0..20).filter(|&seed| {
        let (_, states) = scripted("cube", seed, 60);
        states.windows(5).any(|some| some.iter().all(|state| height(state) > 0.05))
    });
    let lifted = lifted.count();
    assert!(lifted >= 15, "lifted in {lifted} of 20 episodes");
}

#[test]
fn the_hand_goes_where_it_is_told() {
    let mut env = blind(&sim("cube"), 0);
    for _ in 0..10 {
        env.advance(&[0.0, 0.0, 1.0, 1.0]).unwrap();
    }
    let hand = |env: &dyn Env| ["hand_x", "hand_y", "hand_z"].map(|name| value(env, name));
    let before = hand(&env);
    for _ in 0..2 {
        env.advance(&[-0.5, 0.5, 0.0, 1.0]).unwrap();
    }
    env.advance(&[0.0, 0.0, 0.0, 1.0]).unwrap();
    let [x, y, z] = [0, 1, 2].map(|i| hand(&env)[i] - before[i]);
    assert!((x + 0.04).abs() < 0.02 && (y - 0.04).abs() < 0.02 && z.abs() < 0.01, "{x} {y} {z}");
    assert!((value(&env, "grip") - 0.04).abs() < 0.002);
}

#[test]
fn the_quadruped_stands_and_walks() {
    let sim = sim("quadruped");
    for seed in 0..5 {
        let mut env = blind(&sim, seed);
        let at = |env: &dyn Env| ["x", "y", "heading"].map(|name| value(env, name));
        let start = at(&env);
        rest(&mut env, 75);
        let [dx, dy, turn] = [0, 1, 2].map(|i| (at(&env)[i] - start[i]).abs());
        assert!(dx < 0.01 && dy < 0.01 && turn < 0.01, "moved {dx} {dy} {turn}");
        assert!(value(&env, "upright") > 0.99 && (value(&env, "z") - 0.16).abs() < 0.02);
    }
    let walked = (0..10).filter(|&seed| {
        let (env, states) = scripted("quadruped", seed, 200);
        assert!(states.iter().all(|state| state.0[4] > 0.8), "it fell over");
        farthest(&env, &states, "position") > 0.4
    });
    assert!(walked.count() >= 8);
}

#[test]
fn four_rooms_are_left_by_doors_only() {
    // The middle of each door beside its wall, by the axis that the wall crosses.
    let doors = [[0.6, -0.9], [-0.5, 1.0]];
    let mut crossings = 0;
    for seed in 0..30 {
        let (_, states) = scripted("four-room", seed, 200);
        for pair in states.windows(2) {
            let (from, to) = (&pair[0].0, &pair[1].0);
            for axis in 0..2 {
                if (from[axis] > 0.0) != (to[axis] > 0.0) {
                    crossings += 1;
                    let beside = to[1 - axis];
                    let lawful = doors[axis].iter().any(|door| (beside - door).abs() < 0.2);
                    assert!(lawful, "crossed at {to:?}");
                }
            }
        }
    }
    assert!(crossings > 60, "only {crossings} crossings");
    let env = blind(&sim("four-room"), 0);
    let [here, beside, across] =
        [[0.5, 0.5], [1.2, 0.5], [-0.5, -0.5]].map(|point| State(point.to_vec()));
    assert!(!env.admits(&here, &beside) && env.admits(&here, &across));
}

#[test]
fn the_pendulum_is_pumped_up() {
    let mut env = sim("pendulum").env(&ViewOptions::default()).unwrap();
    env.reset(Seed::new(0), &ResetOptions { evaluation: true, ..ResetOptions::default() }).unwrap();
    assert!(value(&env, "cos") < -0.99);
    let up = (0..300).find(|_| {
        let push = if value(&env, "rate") > 0.0 { 1.0 } else { -1.0 };
        env.advance(&[push]).unwrap();
        value(&env, "cos") > 0.95
    });
    // One push does not do it: it takes several swings.
    assert!(up.is_some_and(|step| step > 60), "{up:?}");
}

#[test]
fn the_string_holds_the_ball_and_the_cup_catches_it() {
    let sim = sim("ball-in-cup");
    for seed in 0..10 {
        let mut env = blind(&sim, seed);
        let mut rng = Seed::new(seed).rng();
        for _ in 0..100 {
            let action = action(&env, &mut rng);
            env.advance(&action).unwrap();
            let length = value(&env, "string");
            assert!(length < 0.32, "the string is {length} m long");
            // It is tied 0.058 m below the middle of the cup.
            let (beside, above) = (value(&env, "beside"), value(&env, "above") + 0.058);
            assert!((beside.hypot(above) - length).abs() < 1e-9);
        }
    }
    let inside = |text: String| {
        text.replace(
            "ball_x = { position = [[-0.2, 0.2]] }",
            "ball_x = { position = [[0.0, 0.0]] }",
        )
        .replace("ball_z = { position = [[0.1, 0.25]] }", "ball_z = { position = [[0.36, 0.36]] }")
    };
    let (_folder, sim) = altered("ball-in-cup", same, inside);
    let mut env = sim.unwrap().env(&ViewOptions::default()).unwrap();
    env.reset(Seed::new(0), &ResetOptions { evaluation: true, ..ResetOptions::default() }).unwrap();
    let mut last = env.advance(&[0.0, 0.0]).unwrap();
    (0..60).for_each(|_| last = env.advance(&[0.0, 0.0]).unwrap());
    assert!(last.success.unwrap().strict && last.reward > 0.99);
}

#[test]
fn starts_are_taken_from_keyframes() {
    let scene = |text: String| {
        let key = "<keyframe><key name=\"side\" qpos=\"1.5\" qvel=\"-2\"/></keyframe></mujoco>";
        text.replace("</mujoco>", key)
    };
    let spec = |text: String| {
        let (head, rest) = text.split_once("[reset]").unwrap();
        let (_, tail) = rest.split_once("[evaluation]").unwrap();
        format!("{head}[reset]\nkeyframe = \"side\"\n[evaluation]\nkeyframe = \"side\"\n{tail}")
    };
    let (_folder, sim) = altered("pendulum", scene, spec);
    let sim = sim.unwrap();
    let env = blind(&sim, 0);
    assert_eq!([value(&env, "angle"), value(&env, "rate")], [1.5, -2.0]);
    // A spread goes before it.
    let mut env = sim.env(&ViewOptions::default()).unwrap();
    env.reset(Seed::new(0), &ResetOptions { evaluation: true, ..ResetOptions::default() }).unwrap();
    assert!((3.0..3.3).contains(&value(&env, "angle")) && value(&env, "rate").abs() <= 0.01);
}
