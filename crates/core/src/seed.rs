//! Randomness: a tree of named seeds over ChaCha streams.
//!
//! There is no global generator. Whoever needs randomness is handed a [`Seed`] or an [`Rng`], and
//! names the children it hands on, so that the same root seed gives the same bits whatever the
//! number of threads or the order in which they run.

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use serde::{Deserialize, Serialize};

/// A node in the tree of seeds: 256 bits from which a stream or further seeds are derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root of a tree, from the number a user gives with `--seed`.
    pub fn new(root: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&root.to_le_bytes());
        Self(bytes).child("root", 0)
    }

    /// The child called `name` with number `index`; distinct names or numbers give independent seeds.
    ///
    /// Derivation: 32 bytes of the ChaCha8 key stream keyed by the parent, on the stream numbered by
    /// the FNV-1a hash of the name, at block `index`.
    pub fn child(&self, name: &str, index: u64) -> Self {
        let mut stream = ChaCha8Rng::from_seed(self.0);
        stream.set_stream(fnv1a(name));
        stream.set_word_pos(u128::from(index) * 16);
        let mut bytes = [0; 32];
        stream.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The random stream of this seed.
    pub fn rng(&self) -> Rng {
        Rng(ChaCha8Rng::from_seed(self.0))
    }
}

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A random stream; serialising it saves its exact position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Uniform in `[low, high)`; `low` when the interval is empty.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.random::<f32>()
    }

    /// Uniform in `[low, high)` in double precision.
    pub fn uniform_f64(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// A standard normal draw.
    pub fn normal(&mut self) -> f32 {
        StandardNormal.sample(&mut self.0)
    }

    /// Fills `out` with standard normal draws.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        out.iter_mut().for_each(|value| *value = self.normal());
    }

    /// A whole number in `0..count`.
    ///
    /// # Panics
    /// If `count` is zero: there is nothing to choose from.
    pub fn index(&mut self, count: usize) -> usize {
        self.0.random_range(0..count as u64) as usize
    }

    /// `true` with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.0.random::<f32>() < probability
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }

    /// A seed drawn from this stream.
    pub fn seed(&mut self) -> Seed {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        Seed(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_path_gives_the_same_bits() {
        let draw = |root| {
            let mut rng = Seed::new(root).child("worker", 3).rng();
            [rng.normal(), rng.normal(), rng.uniform(0.0, 1.0)].map(f32::to_bits)
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn names_and_numbers_separate_streams() {
        let root = Seed::new(0);
        let children = [
            root.child("a", 0),
            root.child("a", 1),
            root.child("b", 0),
            root.child("a", 0).child("a", 0),
        ];
        for (i, left) in children.iter().enumerate() {
            for right in &children[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }

    #[test]
    fn a_generator_resumes_where_it_was() {
        let mut rng = Seed::new(1).rng();
        rng.normal();
        let mut copy = rng.clone();
        assert_eq!(rng.normal().to_bits(), copy.normal().to_bits());
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        Seed::new(5).rng().shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
