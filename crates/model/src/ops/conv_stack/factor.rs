//! What convolutions multiply: f32 or, where that is asked for and the machine has it, bfloat16.
//!
//! Maps wait in the same 16 or 32 bits from one way over the images to the next: a batch is far larger than the caches, and what
//! goes to memory is what a step waits for.

#[cfg(target_arch = "x86_64")]
use super::super::bf16;
use super::super::buffers::Free;
use super::super::conv::{Grid, Windows, convolve, correlate};
#[cfg(target_arch = "x86_64")]
use super::super::lanes::Bf16;
use super::super::lanes::Value;
use super::super::{Buffers, Packed, brightness, padded, simd};
use std::ops::{Deref, DerefMut};

/// A value of a window, a weight or a gradient.
pub(super) trait Factor: Value {
    /// What multiplies them.
    type Engine: Copy + Send + Sync;
    type Weights: Weights<Self>;
    type ByWeight: ByWeight<Self>;

    /// Buffers of steps before.
    fn free(buffers: &Buffers) -> &Free<Self>;

    /// Has all of them written, in `room` if need be, and gives what was written before it was rounded.
    fn write<'a>(
        values: &'a mut [Self],
        room: &'a mut Vec<f32>,
        write: impl FnOnce(&mut [f32]),
    ) -> &'a [f32];

    /// Has them changed.
    fn change(values: &mut [Self], room: &mut Vec<f32>, change: impl FnOnce(&mut [f32]));
}

/// Weights to multiply windows with, packed.
pub(super) trait Weights<F: Factor> {
    /// Of a matrix `[window, outputs]` for windows like these.
    fn new(engine: F::Engine, weight: &[f32], windows: &Windows, outputs: usize) -> Self;

    /// The pixels of `to` in `out` become `windows weights`. The image is a [`Room`].
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    fn convolve(&self, image: &[F], windows: Windows, out: &mut [f32], to: Grid);
}

/// The gradient by the weights: sums over pixels of products of their windows with their gradients.
pub(super) trait ByWeight<F: Factor> {
    /// Nothing yet, of windows like these and so many outputs.
    fn new(engine: F::Engine, windows: &Windows, outputs: usize) -> Self;

    /// Adds an image's. The pixels of `grads` are as long as whole panels of the outputs.
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    fn add(&mut self, image: &[F], windows: Windows, grads: &[F], grid: Grid);

    /// Writes the sums `[window, outputs]`.
    fn store(&self, to: &mut [f32]);
}

impl Factor for f32 {
    type Engine = ();
    type Weights = Packed;
    type ByWeight = PlainSums;

    fn free(buffers: &Buffers) -> &Free<Self> {
        &buffers.singles
    }

    fn write<'a>(
        values: &'a mut [Self],
        _: &'a mut Vec<f32>,
        write: impl FnOnce(&mut [f32]),
    ) -> &'a [f32] {
        write(values);
        values
    }

    fn change(values: &mut [Self], _: &mut Vec<f32>, change: impl FnOnce(&mut [f32])) {
        change(values);
    }
}

impl Weights<f32> for Packed {
    fn new((): (), weight: &[f32], windows: &Windows, outputs: usize) -> Self {
        Self::new(weight, windows.len(), outputs)
    }

    fn convolve(&self, image: &[f32], windows: Windows, out: &mut [f32], to: Grid) {
        convolve(image, windows, self, out, to);
    }
}

/// Sums `[window, whole panels of outputs]`.
pub(super) struct PlainSums {
    values: Vec<f32>,
    outputs: usize,
}

impl ByWeight<f32> for PlainSums {
    fn new((): (), windows: &Windows, outputs: usize) -> Self {
        Self { values: vec![0.0; windows.len() * padded(outputs)], outputs }
    }

    fn add(&mut self, image: &[f32], windows: Windows, grads: &[f32], grid: Grid) {
        correlate(image, windows, grads, grid, padded(self.outputs), &mut self.values);
    }

    fn store(&self, to: &mut [f32]) {
        let lines = self.values.chunks_exact(padded(self.outputs));
        for (to, line) in to.chunks_exact_mut(self.outputs).zip(lines) {
            to.copy_from_slice(&line[..self.outputs]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Factor for Bf16 {
    type Engine = bf16::Engine;
    type Weights = bf16::conv::Panels;
    type ByWeight = bf16::conv::Correlation;

    fn free(buffers: &Buffers) -> &Free<Self> {
        &buffers.halves
    }

    fn write<'a>(
        values: &'a mut [Self],
        room: &'a mut Vec<f32>,
        write: impl FnOnce(&mut [f32]),
    ) -> &'a [f32] {
        room.resize(values.len(), 0.0);
        write(room);
        convert(room, values);
        room
    }

    fn change(values: &mut [Self], room: &mut Vec<f32>, change: impl FnOnce(&mut [f32])) {
        room.resize(values.len(), 0.0);
        convert(values, room);
        Self::write(values, room, change);
    }
}

#[cfg(target_arch = "x86_64")]
impl Weights<Bf16> for bf16::conv::Panels {
    fn new(engine: bf16::Engine, weight: &[f32], windows: &Windows, outputs: usize) -> Self {
        Self::new(engine, weight, windows, outputs)
    }

    fn convolve(&self, image: &[Bf16], windows: Windows, out: &mut [f32], to: Grid) {
        self.convolve(image, windows, out, to);
    }
}

#[cfg(target_arch = "x86_64")]
impl ByWeight<Bf16> for bf16::conv::Correlation {
    fn new(engine: bf16::Engine, windows: &Windows, outputs: usize) -> Self {
        Self::new(engine, windows, outputs)
    }

    fn add(&mut self, image: &[Bf16], windows: Windows, grads: &[Bf16], grid: Grid) {
        self.add(image, windows, grads, grid);
    }

    fn store(&self, to: &mut [f32]) {
        self.store(to);
    }
}

simd! {
    /// To the nearest.
    pub(super) fn convert<V: Value, W: Value>(from: &[V], to: &mut [W]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = W::of(from.wide());
        }
    }
}

simd! {
    /// Bytes to [-1, 1].
    pub(super) fn brighten<V: Value>(bytes: &[u8], to: &mut [V]) {
        for (to, byte) in to.iter_mut().zip(bytes) {
            *to = V::of(brightness(*byte));
        }
    }
}

/// Room for an image at the beginning of a cache line, all zero, and zeros behind it: whoever multiplies may read on where
/// weights are zero.
pub(super) struct Room<V> {
    values: Vec<V>,
    start: usize,
}

/// Zeros behind an image, at least.
const BEHIND: usize = 32;

impl<V: Value> Room<V> {
    pub(super) fn new(len: usize) -> Self {
        let lane = 64 / size_of::<V>();
        let values = vec![V::default(); len + BEHIND + lane];
        let start = values.as_ptr().align_offset(64);
        // Where the offset is not known, any will do.
        Self { values, start: if start < lane { start } else { 0 } }
    }
}

impl<V> Deref for Room<V> {
    type Target = [V];

    fn deref(&self) -> &[V] {
        &self.values[self.start..]
    }
}

impl<V> DerefMut for Room<V> {
    fn deref_mut(&mut self) -> &mut [V] {
        &mut self.values[self.start..]
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::super::{bf16, check};
    use super::*;

    #[test]
    fn values_are_kept_but_for_rounding() {
        let mut values = check::normal("x", &[35]).to_vec1::<f32>().unwrap();
        (values[3], values[8], values[34]) = (f32::NAN, f32::INFINITY, 1.0 + 1.0 / 256.0);
        let same = |got: f32, want: f32| got == want || got.is_nan() && want.is_nan();
        let (mut room, mut kept) = (Vec::new(), [Bf16::default(); 35]);
        let written = Bf16::write(&mut kept, &mut room, |room| room.copy_from_slice(&values));
        assert!(written.iter().zip(&values).all(|(&got, &want)| same(got, want)));
        Bf16::change(&mut kept[..5], &mut room, |room| room.iter_mut().for_each(|x| *x *= 2.0));
        for (index, got) in kept.iter().map(|kept| kept.wide()).enumerate() {
            let want = bf16::round(values[index]);
            let want = if index < 5 { 2.0 * want } else { want };
            assert!(same(got, want), "{got} {want}");
        }
    }
}
