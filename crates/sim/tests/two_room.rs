//! The two rooms: walls hold, the door lets through, the protocol judges.

mod common;

use common::{blind, sim};
use housecat_core::{Actor, Env, Observation, Seed, State};
use std::f32::consts::TAU;

const RADIUS: f64 = 0.07;

/// How deep the disc is in a wall, at a centre.
fn depth(x: f64, y: f64) -> f64 {
    let outer = x.abs().max(y.abs()) + RADIUS - 1.12;
    // The dividing wall above and below the door.
    let inner = [(-1.12, 0.15), (0.55, 1.12)].map(|(low, high)| {
        let (dx, dy) = (x.abs() - 0.05, (low - y).max(y - high));
        let distance = if dx > 0.0 && dy > 0.0 { dx.hypot(dy) } else { dx.max(dy) };
        RADIUS - distance
    });
    inner.into_iter().fold(outer, f64::max)
}

#[test]
fn nothing_passes_a_wall() {
    let sim = sim("two-room");
    let mut deepest: f64 = 0.0;
    let mut crossings = 0;
    for seed in 0..200 {
        let mut env = blind(&sim, seed);
        let mut rng = Seed::new(seed).child("push", 0).rng();
        let mut angle = rng.uniform(0.0, TAU);
        let mut last = env.state().0;
        for step in 0..200 {
            if step % 20 == 0 {
                angle = rng.uniform(0.0, TAU);
            }
            env.advance(&[2.0 * angle.cos(), 2.0 * angle.sin()]).unwrap();
            let state = env.state().0;
            deepest = deepest.max(depth(state[0], state[1]));
            let moved = (state[0] - last[0]).hypot(state[1] - last[1]);
            assert!(moved < 0.1055, "moved {moved} m in a step");
            if (state[0] > 0.0) != (last[0] > 0.0) {
                crossings += 1;
                assert!((0.15..0.55).contains(&state[1]), "crossed at {state:?}");
            }
            last = state;
        }
    }
    assert!(deepest < 0.001, "the disc sank {deepest} m into a wall");
    assert!(crossings > 20, "only {crossings} crossings");
}

#[test]
fn the_disc_moves_as_told_and_slides_along_walls() {
    let sim = sim("two-room");
    let mut env = blind(&sim, 0);
    let towards = |env: &mut dyn Env, action: [f32; 2], steps: usize| {
        for _ in 0..steps {
            env.advance(&action).unwrap();
        }
        env.state().0
    };
    // Into the south-east or south-west corner, then along the south wall's normal.
    let side = if env.state().0[0] > 0.0 { 1.0 } else { -1.0 };
    let corner = towards(&mut env, [side, -1.0], 60);
    assert!((corner[1] + 1.05).abs() < 0.01, "{corner:?}");
    let up = towards(&mut env, [0.0, 1.0], 1);
    let up = towards(&mut env, [0.0, 1.0], 5)[1] - up[1];
    assert!((up - 5.0 * 0.105).abs() < 0.01, "rose {up} m in 5 steps");
    // Pressed obliquely against the outer wall, it still makes way along it.
    let before = env.state().0[1];
    let after = towards(&mut env, [side, 0.3], 3)[1];
    assert!(after - before > 0.05, "stuck: {before} to {after}");
}

#[test]
fn the_protocol_wants_the_other_room_by_the_door() {
    let sim = sim("two-room");
    let mut env = blind(&sim, 0);
    let (left, right) = (State(vec![-0.5, 0.35]), State(vec![0.5, 0.35]));
    assert!(env.admits(&left, &right));
    assert!(!env.admits(&left, &State(vec![-0.9, -0.9])));
    // Walk to the left of the door, then through it.
    let walk = |env: &mut dyn Env, to: [f64; 2]| {
        let mut last = None;
        for _ in 0..40 {
            let state = env.state().0;
            let action = [0, 1].map(|i| (8.0 * (to[i] - state[i])) as f32);
            last = env.advance(&action).unwrap().success;
        }
        last
    };
    let side = if env.state().0[0] > 0.0 { 0.5 } else { -0.5 };
    walk(&mut env, [side, 0.35]);
    let goal = if side > 0.0 { &left } else { &right };
    env.set_goal(Some(goal)).unwrap();
    assert_eq!(env.goal_errors()[0].unit, "m");
    let verdict = walk(&mut env, [-side, 0.35]).unwrap();
    assert!(verdict.moderate && verdict.strict);
    assert!(env.set_goal(Some(&State(vec![0.0]))).is_err());
    assert!(env.set_goal(Some(&State(vec![0.0, f64::NAN]))).is_err());
}

#[test]
fn the_scripted_policy_visits_both_rooms() {
    let sim = sim("two-room");
    let mut policy = sim.scripted().unwrap();
    let (mut admitted, count) = (0, 200);
    for seed in 0..count {
        let mut env = blind(&sim, seed);
        let mut rng = Seed::new(seed).child("policy", 0).rng();
        policy.reset();
        let mut states = vec![env.state()];
        for _ in 0..60 {
            let action = policy.decide(&env, &Observation::default(), &mut rng).unwrap().action;
            assert!(action.iter().all(|value| (-1.0..=1.0).contains(value)));
            env.advance(&action).unwrap();
            states.push(env.state());
        }
        let start = rng.index(35);
        admitted += usize::from(env.admits(&states[start], &states[start + 25]));
    }
    assert!(admitted * 10 > count as usize * 3, "{admitted} of {count} pairs are admitted");
}
