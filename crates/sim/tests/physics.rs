//! The physics does what the scene files say.

mod common;

use common::{altered, blind, same, sim, swap, value};
use housecat_core::{Env, ResetOptions, Seed, TaskKind};
use housecat_sim::ViewOptions;
use std::f64::consts::TAU;

#[test]
fn reacher_speed_settles_at_gear_over_damping() {
    let (_folder, sim) = altered("reacher", swap("range=\"-160 160\"", ""), same);
    let mut env = blind(&sim.unwrap(), 0);
    // The motor of the wrist acts between the links: alone it spins the wrist at gear / damping.
    for _ in 0..400 {
        env.advance(&[1.0, 0.0]).unwrap();
    }
    let rate = value(&env, "shoulder_rate");
    assert!((rate - 5.0).abs() < 0.01, "shoulder at {rate} rad/s");
    for _ in 0..400 {
        env.advance(&[0.0, -0.5]).unwrap();
    }
    let rate = value(&env, "wrist_rate");
    assert!((rate + 2.5).abs() < 0.05, "wrist at {rate} rad/s");
}

#[test]
fn reacher_wrist_stays_in_its_limits() {
    let sim = sim("reacher");
    let limit = 160_f64.to_radians();
    let mut extreme: f64 = 0.0;
    for seed in 0..20 {
        let mut env = blind(&sim, seed);
        let push = if seed % 2 == 0 { 1.0 } else { -1.0 };
        for step in 0..200 {
            let shoulder = if step % 40 < 20 { 1.0 } else { -1.0 };
            env.advance(&[shoulder, push]).unwrap();
            extreme = extreme.max(value(&env, "wrist").abs());
        }
    }
    assert!(extreme > limit - 0.05, "the limit was never reached: {extreme}");
    assert!(extreme < limit + 0.05, "the wrist reached {extreme} rad");
}

#[test]
fn reacher_fingertip_follows_from_the_joints() {
    let mut env = blind(&sim("reacher"), 3);
    for _ in 0..20 {
        env.advance(&[0.4, -0.7]).unwrap();
        let (shoulder, wrist) = (value(&env, "shoulder"), value(&env, "wrist"));
        let x = 0.12 * (shoulder.cos() + (shoulder + wrist).cos());
        let y = 0.12 * (shoulder.sin() + (shoulder + wrist).sin());
        assert!((value(&env, "tip_x") - x).abs() < 1e-4);
        assert!((value(&env, "tip_y") - y).abs() < 1e-4);
    }
}

#[test]
fn reacher_judges_whole_turns_as_none() {
    let mut env = blind(&sim("reacher"), 1);
    let mut goal = env.state();
    goal.0[0] += TAU;
    env.set_goal(Some(&goal)).unwrap();
    assert!(env.goal_errors().iter().all(|error| error.value < 1e-6));
    let start = env.state();
    assert!(!env.admits(&start, &goal), "solved at the start");
    goal.0[1] += 0.5;
    assert!(env.admits(&start, &goal));
}

/// The cart-pole without friction and ends of the rail, the cart held by a huge mass when `heavy`.
fn ideal(heavy: bool) -> housecat_sim::SimEnv {
    let scene = move |text: String| {
        let ends = "range=\"-1.8 1.8\" damping=\"5e-4\"";
        let text = text.replace(ends, "").replace("damping=\"2e-6\"", "");
        if heavy { text.replace("mass=\"1\"", "mass=\"1e5\"") } else { text }
    };
    let start = |text: String| {
        let (head, _) = text.split_once("[evaluation]").unwrap();
        let (_, tail) = text.split_once("\n\n# The smooth").unwrap();
        format!(
            "{head}[evaluation]\nslider = {{ position = [[0.0, 0.0]] }}\nhinge = {{ position = [[3.0415927, 3.0415927]] }}\n# {tail}"
        )
    };
    let (_folder, sim) = altered("cart-pole", scene, start);
    let mut env = sim.unwrap().env(&ViewOptions::default()).unwrap();
    env.reset(Seed::new(0), &ResetOptions { evaluation: true, ..ResetOptions::default() }).unwrap();
    env
}

/// Moment of inertia of the pole (a capsule of 0.1 kg) about its middle.
fn pole_inertia() -> f64 {
    let (r, length) = (0.045_f64, 1.0_f64);
    let (cylinder, ball) = (r * r * length, 4.0 / 3.0 * r * r * r);
    let density = 0.1 / (cylinder + ball);
    let (cylinder, ball) = (cylinder * density, ball * density);
    cylinder * (length * length / 12.0 + r * r / 4.0)
        + ball * (0.4 * r * r + length * length / 4.0 + 3.0 / 8.0 * length * r)
}

#[test]
fn cart_pole_swings_with_the_period_of_a_pendulum() {
    let mut env = ideal(true);
    let (mass, arm) = (0.1, 0.5);
    let small = TAU * ((pole_inertia() + mass * arm * arm) / (mass * 9.81 * arm)).sqrt();
    let want = small * (1.0 + 0.1_f64.powi(2) / 16.0);
    // Times of downward passages, interpolated.
    let mut passages = Vec::new();
    let mut last = value(&env, "pole") - TAU / 2.0;
    for _ in 0..500 {
        let transition = env.advance(&[0.0]).unwrap();
        let now = value(&env, "pole") - TAU / 2.0;
        if last < 0.0 && now >= 0.0 {
            passages.push(transition.time_secs - 0.04 * now / (now - last));
        }
        last = now;
    }
    let periods = passages.len() - 1;
    let period = (passages[periods] - passages[0]) / periods as f64;
    assert!((period / want - 1.0).abs() < 0.001, "period {period} s, analytic {want} s");
}

#[test]
fn cart_pole_keeps_its_energy() {
    let mut env = ideal(false);
    let inertia = pole_inertia();
    let energy = |env: &dyn Env| {
        let (cos, v, w) = (value(env, "cos"), value(env, "cart_velocity"), value(env, "pole_rate"));
        0.5 * 1.1 * v * v + 0.5 * (inertia + 0.025) * w * w + 0.05 * v * w * cos + 0.4905 * cos
    };
    // Swing it up by force, then let it go for ten seconds.
    for step in 0..60 {
        let push = if (step / 12) % 2 == 0 { 0.3 } else { -0.3 };
        env.advance(&[push]).unwrap();
    }
    let start = energy(&env);
    let mut drift: f64 = 0.0;
    for _ in 0..250 {
        env.advance(&[0.0]).unwrap();
        drift = drift.max((energy(&env) - start).abs());
    }
    assert!(drift < 0.001, "the energy changed by {drift} J from {start} J");
}

#[test]
fn cart_pole_cart_stops_at_the_end_of_the_rail() {
    let mut env = blind(&sim("cart-pole"), 2);
    for _ in 0..250 {
        env.advance(&[1.0]).unwrap();
        assert!(value(&env, "cart").abs() < 1.85, "{}", value(&env, "cart"));
    }
    assert!(value(&env, "cart") > 1.7);
}

#[test]
fn cart_pole_rewards_the_upright_pole() {
    let upright = |text: String| {
        let (head, rest) = text.split_once("[evaluation]").unwrap();
        let (_, tail) = rest.split_once("\n\n# The smooth").unwrap();
        format!("{head}[evaluation]\nhinge = {{ position = [[0.0, 0.0]] }}\n# {tail}")
    };
    let (_folder, sim) = altered("cart-pole", same, upright);
    let mut env = sim.unwrap().env(&ViewOptions::default()).unwrap();
    let evaluation = ResetOptions { evaluation: true, ..ResetOptions::default() };
    env.reset(Seed::new(0), &evaluation).unwrap();
    assert_eq!(env.task(), TaskKind::Reward);
    let mut verdicts = Vec::new();
    for _ in 0..50 {
        let transition = env.advance(&[0.0]).unwrap();
        assert!(transition.reward > 0.99);
        verdicts.push(transition.success.unwrap());
    }
    assert!(!verdicts[23].moderate && verdicts[24].moderate);
    assert!(!verdicts[48].strict && verdicts[49].strict);

    let mut hanging = common::sim("cart-pole").env(&ViewOptions::default()).unwrap();
    hanging.reset(Seed::new(0), &evaluation).unwrap();
    assert!(value(&hanging, "cos") < -0.99);
    let transition = hanging.advance(&[0.0]).unwrap();
    assert!(transition.reward < 0.01 && !transition.success.unwrap().moderate);
    // Full force costs a fifth.
    let quiet = env.advance(&[0.0]).unwrap().reward;
    let loud = env.advance(&[1.0]).unwrap().reward;
    assert!(loud < 0.85 * quiet);
}

#[test]
fn an_exploding_world_is_reported() {
    let gain = swap("ctrlrange=\"-1.05 1.05\"", "ctrlrange=\"-1e38 1e38\"");
    let (_folder, sim) = altered("two-room", gain, same);
    let mut env = blind(&sim.unwrap(), 0);
    let error = (0..300).find_map(|_| env.advance(&[1.0, -1.0]).err()).expect("an explosion");
    let message = error.to_string();
    assert!(message.contains("not finite") && message.contains("joint"), "{message}");
}

#[test]
fn meshes_are_drawn_and_weighed() {
    let folder = tempfile::tempdir().unwrap();
    let cube = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";
    std::fs::write(folder.path().join("corner.obj"), cube).unwrap();
    let scene = "<mujoco><asset><mesh name='corner' file='corner.obj' scale='0.1 0.1 0.1'/></asset>
        <worldbody><camera name='top' pos='0 0 1'/><geom type='plane' size='0 0 1' pos='0 0 -0.5'/>
        <body name='b'><joint name='j' type='slide' axis='0 0 1' stiffness='1'/>
        <geom type='mesh' mesh='corner' rgba='1 0 0 1' pos='0 0.05 0'/></body></worldbody>
        <actuator><position name='p' joint='j' kp='50' kv='5' ctrlrange='0 0.2'/></actuator></mujoco>";
    std::fs::write(folder.path().join("scene.xml"), scene).unwrap();
    let spec = "description = 'a mesh on a slide'\nprivileged = ['height']\n
        time = { control_hz = 10, physics_hz = 100, max_steps = 9 }
        observation = { camera = 'top', width = 32, height = 32, state = ['height'] }
        features = { height = { kind = 'body', body = 'b', axis = 'z' } }
        goal = [{ name = 'height', features = ['height'], unit = 'm' }]
        protocol = { moderate = { within = { height = 0.1 } }, strict = { within = { height = 0.1 } } }";
    std::fs::write(folder.path().join("sim.toml"), spec).unwrap();
    let sim = housecat_sim::Sim::load(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let mesh = &sim.scene().shapes[1];
    let housecat_core::Geometry::Mesh { vertices, triangles } = &mesh.geometry else {
        panic!("{mesh:?}")
    };
    assert_eq!(triangles.len(), 4);
    assert!(vertices.iter().flatten().all(|x| (0.0..=0.1001).contains(x)));
    let mut env = sim.env(&sim.default_view()).unwrap();
    let still = env.reset(Seed::new(0), &ResetOptions::default()).unwrap();
    let red =
        |image: &housecat_core::Image| image.pixels.chunks(3).filter(|p| p[0] / 2 > p[1]).count();
    assert!(red(&still.images[0]) > 3, "the mesh is not in the picture");
    for _ in 0..100 {
        env.advance(&[1.0]).unwrap();
    }
    // Servo and spring share: kp (0.2 - q) = k q + m g, with m = 1000 / 6000 kg.
    let want = (50.0 * 0.2 - 9.81 / 6.0) / 51.0;
    assert!((value(&env, "height") - want).abs() < 1e-3, "{} not {want}", value(&env, "height"));
}
