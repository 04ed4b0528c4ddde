//! The bits of an episode are the same in every build, on every number of threads, in every version of the source that
//! does not mean to change them.
//!
//! `bits.txt` holds them. A change that means to change them writes the file anew:
//! `HOUSECAT_BLESS=1 cargo test -p housecat-sim --test bits`.

mod common;

use common::{action, bits, root};
use housecat_core::{Env, ResetOptions, Seed};
use housecat_sim::{Sim, ViewOptions, find_sims};
use std::path::Path;

/// Fowler, Noll and Vo's hash (FNV-1a), 64 bits.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The bits of an episode of a hundred random steps: states, rewards and pictures.
fn episode(sim: &Sim) -> u64 {
    let mut env = sim.env(&ViewOptions { state: true, ..sim.default_view() }).unwrap();
    let mut rng = Seed::new(11).rng();
    let mut bytes = Vec::new();
    let first = env.reset(Seed::new(7), &ResetOptions::default()).unwrap();
    first.images.iter().for_each(|image| bytes.extend_from_slice(&image.pixels));
    for _ in 0..100 {
        let action = action(&env, &mut rng);
        let step = env.step(&action).unwrap();
        bits(&env.state()).iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes.extend(step.transition.reward.to_le_bytes());
        step.observation.images.iter().for_each(|image| bytes.extend_from_slice(&image.pixels));
    }
    hash(bytes)
}

#[test]
fn episodes_have_the_bits_they_had() {
    let now: String = find_sims(&root())
        .unwrap()
        .iter()
        .map(|(name, folder)| format!("{name} {:016x}\n", episode(&Sim::load(folder).unwrap())))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bits.txt");
    if std::env::var_os("HOUSECAT_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let then = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        now, then,
        "the bits of episodes changed; if that is meant, see this file's first lines"
    );
}
