//! Every folder in `sims/`: it loads, stays finite, and repeats itself to the bit.

mod common;

use common::{action, bits, blind, root};
use housecat_core::{Env, ResetOptions, Seed, Transition};
use housecat_sim::{Sim, find_sims};

fn sims() -> Vec<Sim> {
    let sims = find_sims(&root()).unwrap();
    assert!(sims.len() >= 3);
    sims.iter()
        .map(|(_, folder)| Sim::load(folder).unwrap_or_else(|error| panic!("{error}")))
        .collect()
}

fn random_steps(env: &mut dyn Env, seed: u64, count: usize) -> Vec<(Vec<u64>, u32)> {
    let mut rng = Seed::new(seed).rng();
    (0..count)
        .map(|_| {
            let action = action(env, &mut rng);
            let Transition { reward, .. } = env.advance(&action).unwrap();
            (bits(&env.state()), reward.to_bits())
        })
        .collect()
}

#[test]
fn three_hundred_random_steps_stay_finite_and_repeat() {
    for sim in sims() {
        let run = |seed| random_steps(&mut blind(&sim, seed), seed, 300);
        let first = run(1);
        let finite = |bits: &u64| f64::from_bits(*bits).is_finite();
        assert!(first.iter().all(|(state, _)| state.iter().all(finite)), "{}", sim.name());
        assert!(first.iter().all(|(_, reward)| (0.0..=1.0).contains(&f32::from_bits(*reward))));
        assert_eq!(first, run(1), "{}", sim.name());
        assert_ne!(first, run(2), "{}", sim.name());
        // A second loading of the folder, and an environment with a past, change nothing.
        let again = Sim::load(sim.folder()).unwrap();
        let mut used = blind(&again, 5);
        random_steps(&mut used, 6, 50);
        used.reset(Seed::new(1), &ResetOptions::default()).unwrap();
        assert_eq!(first, random_steps(&mut used, 1, 300), "{}", sim.name());
    }
}

#[test]
fn threads_change_nothing() {
    for sim in sims() {
        let alone = random_steps(&mut blind(&sim, 3), 3, 100);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let sim = sim.clone();
                std::thread::spawn(move || random_steps(&mut blind(&sim, 3), 3, 100))
            })
            .collect();
        for thread in threads {
            assert_eq!(alone, thread.join().unwrap());
        }
    }
}

#[test]
fn snapshots_continue_to_the_bit() {
    for sim in sims() {
        let mut env = blind(&sim, 4);
        random_steps(&mut env, 7, 40);
        let frozen = env.snapshot();
        let mut fork = env.fork();
        let straight = random_steps(&mut env, 8, 1000);
        assert_eq!(straight, random_steps(fork.as_mut(), 8, 1000), "fork of {}", sim.name());
        env.restore(&frozen).unwrap();
        assert_eq!(straight, random_steps(&mut env, 8, 1000), "restored {}", sim.name());
        let mut other = blind(&sim, 99);
        other.restore(&frozen).unwrap();
        assert_eq!(straight, random_steps(&mut other, 8, 1000), "other env of {}", sim.name());
    }
}

#[test]
fn snapshots_of_strangers_are_refused() {
    let sims = sims();
    let frozen = blind(&sims[0], 0).snapshot();
    let message = blind(&sims[1], 0).restore(&frozen).unwrap_err().to_string();
    assert!(message.contains(sims[0].name()) && message.contains(sims[1].name()), "{message}");
}

#[test]
fn observations_fit_their_space() {
    for sim in sims() {
        let mut env = sim.env(&sim.default_view()).unwrap();
        let observation = env.reset(Seed::new(0), &ResetOptions::default()).unwrap();
        let space = env.spaces().observation.clone();
        assert_eq!(observation.state.len(), space.state.len());
        assert_eq!(observation.images.len(), space.images.len());
        for (image, spec) in observation.images.iter().zip(&space.images) {
            assert_eq!((image.width, image.height), (spec.width, spec.height));
            assert!(image.pixels.iter().any(|&value| value != image.pixels[0]), "{}", sim.name());
        }
        assert_eq!(env.poses().len(), env.scene().bodies.len());
        assert_eq!(env.state().0.len(), env.state_names().len());
        let wrong = vec![0.0; env.spaces().action.dim() + 1];
        assert!(env.advance(&wrong).is_err());
        let nan = vec![f32::NAN; env.spaces().action.dim()];
        assert!(env.advance(&nan).is_err());
    }
}

#[test]
fn episodes_are_truncated_at_their_limit() {
    for sim in sims() {
        let mut env = blind(&sim, 0);
        let still = vec![0.0; env.spaces().action.dim()];
        for step in 1..=env.max_steps() {
            let transition = env.advance(&still).unwrap();
            assert_eq!(transition.truncated, step == env.max_steps());
        }
    }
}

#[test]
fn every_sim_says_what_it_is() {
    for sim in sims() {
        assert!(!sim.description().is_empty());
        assert!(sim.notices().is_empty(), "{}: {:?}", sim.name(), sim.notices());
        let readme = std::fs::read_to_string(sim.folder().join("README.md")).unwrap();
        assert!(readme.starts_with(&format!("# {}", sim.name())));
    }
}
