//! Factors of variation: each changes what it says, and nothing else does.

mod common;

use common::{action, altered, bits, root, same, sim, swap};
use housecat_core::{Env, ImageSpec, Level, Levels, Observation, ResetOptions, Seed};
use housecat_sim::{Factor, Sim, SimEnv, ViewOptions, find_sims};

/// All cameras of a sim, small.
fn every_camera(sim: &Sim) -> ViewOptions {
    let camera = |camera: &housecat_core::Camera| ImageSpec {
        camera: camera.name.clone(),
        width: 64,
        height: 64,
    };
    ViewOptions { images: sim.scene().cameras.iter().map(camera).collect(), state: true }
}

/// What an episode of random action brings: the first observation, and the states.
fn episode(env: &mut SimEnv, seed: u64, steps: usize) -> (Observation, Vec<Vec<u64>>) {
    let first = env.reset(Seed::new(seed), &ResetOptions::default()).unwrap();
    let mut rng = Seed::new(seed).child("actor", 0).rng();
    let mut states = vec![bits(&env.state())];
    for _ in 0..steps {
        let action = action(env, &mut rng);
        env.advance(&action).unwrap();
        states.push(bits(&env.state()));
    }
    (first, states)
}

/// The ends of a factor's range, or its alternatives, as they are asked for; without the default.
fn ends(factor: &Factor) -> Vec<String> {
    let ends = match &factor.levels {
        Levels::Range(ends) => ends.iter().map(f64::to_string).collect(),
        Levels::Choices(names) => names.clone(),
    };
    ends.into_iter().filter(|end| *end != factor.default.to_string()).collect()
}

#[test]
fn every_factor_of_every_sim_changes_the_picture_or_the_physics() {
    for (name, _) in find_sims(&root()).unwrap() {
        let sim = sim(&name);
        let kinds: Vec<_> = sim.factors().iter().map(|factor| factor.kind).collect();
        for kind in ["light", "colour", "camera", "start"] {
            assert!(kinds.contains(&kind), "{name} does not vary its {kind}");
        }
        assert!(["friction", "mass", "damping"].iter().any(|kind| kinds.contains(kind)), "{name}");
        let view = every_camera(&sim);
        let (seen, went) = episode(&mut sim.env(&view).unwrap(), 3, 60);
        for factor in sim.factors() {
            let ends = ends(factor);
            assert!(!ends.is_empty(), "{name}: {} has nothing to vary", factor.name);
            for end in ends {
                let asked = format!("{}={end}", factor.name);
                let mut env = sim.varied(&[&asked]).unwrap().env(&view).unwrap();
                let (other, path) = episode(&mut env, 3, 60);
                assert_eq!(env.variation()[&factor.name].level.to_string(), end);
                let pictures = seen.images != other.images;
                match factor.kind {
                    "light" | "colour" | "camera" | "texture" => {
                        assert!(pictures, "{name}: {asked} shows in no picture");
                        assert_eq!(went, path, "{name}: {asked} changes the physics");
                    }
                    "size" | "shape" => {
                        assert!(pictures, "{name}: {asked} shows in no picture");
                    }
                    "start" => assert_ne!(went[0], path[0], "{name}: {asked} moves nothing"),
                    "goal" => assert_ne!(env.goal_spread(), 1.0),
                    _ => {
                        assert!(!pictures, "{name}: {asked} changes the picture");
                        assert_eq!(went[0], path[0], "{name}: {asked} changes the start");
                        assert_ne!(went, path, "{name}: {asked} does not change the physics");
                    }
                }
            }
        }
    }
}

#[test]
fn the_defaults_change_no_bit() {
    for (name, _) in find_sims(&root()).unwrap() {
        let sim = sim(&name);
        let view = every_camera(&sim);
        let asked: Vec<_> = (sim.factors().iter())
            .filter(|factor| match (&factor.levels, &factor.default) {
                (Levels::Range([low, high]), Level::Number(value)) => (low..=high).contains(&value),
                _ => true,
            })
            .map(|factor| format!("{}={}", factor.name, factor.default))
            .collect();
        let mut plain = sim.env(&view).unwrap();
        let mut varied = sim.varied(&asked).unwrap().env(&view).unwrap();
        for seed in 0..2 {
            assert!(episode(&mut plain, seed, 40) == episode(&mut varied, seed, 40), "{name}");
            assert_eq!(plain.observe(), varied.observe(), "{name}");
        }
        assert!(plain.variation().is_empty());
        assert_eq!(varied.variation().len(), asked.len());
    }
}

#[test]
fn every_episode_draws_anew_and_its_seed_decides() {
    let sim = sim("push-t").varied(&["all"]).unwrap();
    let view = every_camera(&sim);
    let mut env = sim.env(&view).unwrap();
    let mut seen = Vec::new();
    for seed in 0..20 {
        seen.push((episode(&mut env, seed, 5), env.variation()));
    }
    for (seed, (episode_seen, variation)) in seen.iter().enumerate() {
        let mut fresh = sim.env(&view).unwrap();
        assert!(*episode_seen == episode(&mut fresh, seed as u64, 5));
        let levels: Vec<_> = variation.values().map(|varied| varied.level.clone()).collect();
        assert_eq!(levels, sim.levels(Seed::new(seed as u64)).into_values().collect::<Vec<_>>());
        for factor in sim.factors() {
            match (&factor.levels, &variation[&factor.name].level) {
                (Levels::Range([low, high]), Level::Number(value)) => {
                    assert!((low..=high).contains(&value));
                }
                (Levels::Choices(names), Level::Choice(name)) => assert!(names.contains(name)),
                other => panic!("{other:?}"),
            }
        }
    }
    for shape in ["T", "L", "plus"] {
        let of = |variation: &housecat_core::Variation| variation["shape.choice"].level.to_string();
        assert!(seen.iter().any(|(_, variation)| of(variation) == shape));
    }
    // A factor's levels do not depend on what else varies; several resets can share a world.
    let alone = common::sim("push-t").varied(&["size"]).unwrap();
    let seed = Seed::new(4);
    assert_eq!(alone.levels(seed)["size.factor"], sim.levels(seed)["size.factor"]);
    let shared = ResetOptions { variation: Some(seed), ..ResetOptions::default() };
    env.reset(Seed::new(99), &shared).unwrap();
    assert_eq!(env.variation(), seen[4].1);
}

#[test]
fn snapshots_and_forks_have_their_variation() {
    for name in ["push-t", "cube"] {
        let sim = sim(name).varied(&["all"]).unwrap();
        let view = every_camera(&sim);
        let mut env = sim.env(&view).unwrap();
        episode(&mut env, 7, 10);
        let (frozen, picture, variation) = (env.snapshot(), env.observe(), env.variation());
        let mut fork = env.fork();
        let go_on = |env: &mut dyn Env| {
            let mut rng = Seed::new(5).rng();
            let mut go = || {
                let action = action(env, &mut rng);
                env.advance(&action).unwrap();
                bits(&env.state())
            };
            (0..50).map(|_| go()).collect::<Vec<_>>()
        };
        let path = go_on(&mut env);
        let last = env.observe();
        assert_eq!(go_on(&mut *fork), path, "{name}: a fork goes elsewhere");
        // Another world in between, and an environment that does not vary by itself.
        episode(&mut env, 8, 10);
        assert_ne!(env.variation(), variation);
        for env in [&mut env, &mut common::sim(name).varied(&["all"]).unwrap().env(&view).unwrap()]
        {
            if env.restore(&frozen).is_err() {
                continue; // A separately loaded sim refuses, as ever.
            }
            assert_eq!(env.variation(), variation);
            assert!(env.observe() == picture, "{name}: a restored world looks different");
            assert_eq!(go_on(env), path, "{name}: a restored world goes elsewhere");
            assert!(env.observe() == last);
        }
        let mut unvaried = sim.varied::<&str>(&[]).unwrap().env(&view).unwrap();
        unvaried.restore(&frozen).unwrap();
        assert!(unvaried.observe() == picture);
        assert_eq!(go_on(&mut unvaried), path);
    }
}

#[test]
fn what_cannot_be_varied_is_refused_with_what_can() {
    let sim = sim("push-t");
    let refusal = |text: &str| sim.varied(&[text]).err().unwrap().to_string();
    for (text, says) in [
        ("lihgt", "did you mean `light`"),
        ("light.intensity=9", "`light.intensity` has the range 0.2..1"),
        ("light=1.0..0.6", "the lower end first"),
        ("light=bright", "needs a number, or two: LOW..HIGH"),
        ("light=NaN", "has the range"),
        ("tee=0.5", "several factors take no common value; name one of tee.r, tee.g, tee.b"),
        ("shape=S", "`shape.choice` is not `S`; it is one of T, L, plus"),
        ("all=1", "several factors"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(says) && refusal.contains(text), "{text}: {refusal}");
    }
    let asked = sim.varied(&["light=0.7..0.9", "shape=L|plus", "light=0.8"]).unwrap().varying();
    let texts: Vec<_> = asked.iter().map(|(name, levels)| format!("{name}={levels}")).collect();
    assert_eq!(texts, ["light.intensity=0.8", "shape.choice=L|plus"]);
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    let with = |table: &'static str| {
        let (_folder, sim) =
            altered("pendulum", same, move |text| format!("{text}\n[vary.new]\n{table}\n"));
        sim.err().unwrap_or_else(|| panic!("{table} loads")).to_string()
    };
    for (table, says) in [
        ("kind = \"colour\"\ngeoms = [\"bobb\"]\nr = [0, 1]", "did you mean `bob`"),
        ("kind = \"colour\"\ngeoms = [\"bob\", \"pole\"]\nr = [0, 1]", "several colours"),
        ("kind = \"colour\"\ngeoms = [\"bob\"]\nr = [0, 2]", "`vary.new.r` is [0, 2]; it needs"),
        ("kind = \"colour\"\ngeoms = [\"bob\"]", "varies nothing"),
        ("kind = \"colour\"\ngeoms = [\"bob\"]\nred = [0, 1]", "unknown field `red`"),
        ("kind = \"hue\"", "unknown variant `hue`"),
        ("kind = \"camera\"\ncamera = \"top\"\nx = [0, 1]", "camera `top`, which does not exist"),
        ("kind = \"mass\"\nbodies = [\"bob\"]\nfactor = [0.5, 1]", "body `bob`"),
        ("kind = \"mass\"\nbodies = [\"pole\"]\nfactor = [0.0, 1]", "both in [0.001, 1000]"),
        ("kind = \"friction\"\nfactor = [2, 1]", "is [2, 1]"),
        ("kind = \"damping\"\njoints = [\"elbow\"]\nfactor = [0.5, 1]", "joint `elbow`"),
        ("kind = \"goal\"\nfactor = [0.5, 1]", "fixed by their targets"),
        ("kind = \"size\"\nfactor = [0.5, 1]", "is needed"),
        (
            "kind = \"texture\"\ngeoms = [\"bob\"]\ndefault = \"plain\"\nchoices.a = { texture = \"chequer\" }",
            "did you mean `checker`",
        ),
        (
            "kind = \"shape\"\ndefault = \"long\"\nchoices.short = { pole = { size = [0.02] } }",
            "a `size` that does not fit its type",
        ),
        ("kind = \"shape\"\ndefault = \"long\"\nchoices = {}", "needs alternatives"),
    ] {
        let refusal = with(table);
        assert!(refusal.contains(says), "{table}: {refusal}");
    }
    let dark = swap("<light name=\"sun\"", "<!-- <light name=\"sun\"");
    let dark = move |text: String| dark(text).replace("ambient=\"0.4 0.4 0.4\"/>", "-->");
    let (_folder, sim) = altered("pendulum", dark, same);
    assert!(sim.err().unwrap().to_string().contains("add a <light>"));
}
