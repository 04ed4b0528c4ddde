//! Maps of a batch between one way over its images and the next, in f32 or rounded to bfloat16: the batch is far larger than
//! the caches, and what goes to memory is what a step waits for.

use super::super::{Buffers, simd};
use crate::config::Precision;

/// So many values of every image.
pub(super) struct Maps {
    values: Values,
    /// Of an image.
    length: usize,
    /// Room for an image in f32, where its values are not.
    room: Vec<f32>,
}

enum Values {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

impl Maps {
    /// Of n images, with whatever values.
    pub(super) fn new(precision: Precision, n: usize, length: usize, buffers: &Buffers) -> Self {
        let (values, room) = match precision {
            Precision::F32 => (Values::F32(buffers.singles.take(n * length)), Vec::new()),
            Precision::Bf16 => (Values::Bf16(buffers.halves.take(n * length)), vec![0.0; length]),
        };
        Self { values, length, room }
    }

    /// Leaves the memory to others.
    pub(super) fn give(self, buffers: &Buffers) {
        match self.values {
            Values::F32(values) => buffers.singles.give(values),
            Values::Bf16(values) => buffers.halves.give(values),
        }
    }

    /// An image's.
    pub(super) fn read(&mut self, index: usize) -> &[f32] {
        let at = index * self.length..(index + 1) * self.length;
        match &self.values {
            Values::F32(values) => &values[at],
            Values::Bf16(values) => {
                widen(&values[at], &mut self.room);
                &self.room
            }
        }
    }

    /// Has an image's written, all of them; gives what was written.
    pub(super) fn write(&mut self, index: usize, write: impl FnOnce(&mut [f32])) -> &[f32] {
        let at = index * self.length..(index + 1) * self.length;
        match &mut self.values {
            Values::F32(values) => {
                write(&mut values[at.clone()]);
                &values[at]
            }
            Values::Bf16(values) => {
                write(&mut self.room);
                narrow(&self.room, &mut values[at]);
                &self.room
            }
        }
    }

    /// Has an image's changed.
    pub(super) fn change(&mut self, index: usize, change: impl FnOnce(&mut [f32])) {
        if let Values::Bf16(values) = &self.values {
            widen(&values[index * self.length..(index + 1) * self.length], &mut self.room);
        }
        self.write(index, change);
    }
}

simd! {
    /// bfloat16 is the upper half of an f32.
    fn widen(from: &[u16], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = f32::from_bits(u32::from(*from) << 16);
        }
    }
}

simd! {
    /// To the nearest, as [`super::super::bf16::round`] does.
    fn narrow(from: &[f32], to: &mut [u16]) {
        for (to, from) in to.iter_mut().zip(from) {
            let bits = from.to_bits();
            let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
            *to = if from.is_nan() { bits >> 16 | 0x40 } else { rounded } as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{bf16, check};
    use super::*;

    #[test]
    fn values_are_kept_but_for_rounding() {
        let buffers = Buffers::default();
        let mut values = check::normal("x", &[35]).to_vec1::<f32>().unwrap();
        (values[3], values[8], values[34]) = (f32::NAN, f32::INFINITY, 1.0 + 1.0 / 256.0);
        for precision in [Precision::F32, Precision::Bf16] {
            let kept = |value: f32| match precision {
                Precision::F32 => value,
                Precision::Bf16 => bf16::round(value),
            };
            let mut maps = Maps::new(precision, 7, 5, &buffers);
            for (index, values) in values.chunks_exact(5).enumerate() {
                maps.write(index, |image| image.copy_from_slice(values));
            }
            maps.change(1, |image| image.iter_mut().for_each(|value| *value *= 2.0));
            for (index, values) in values.chunks_exact(5).enumerate() {
                for (&got, &value) in maps.read(index).iter().zip(values) {
                    let value = kept(value);
                    let want = if index == 1 { 2.0 * value } else { value };
                    assert!(got == want || got.is_nan() && want.is_nan(), "{got} {want}");
                }
            }
            maps.give(&buffers);
        }
        assert_eq!(buffers.singles.take(35).len(), 35);
    }
}
