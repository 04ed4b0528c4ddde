//! The products of a convolution, in f32 or, where that is asked for and the machine has it, of values rounded to bfloat16.

#[cfg(target_arch = "x86_64")]
use super::super::bf16;
use super::super::conv::{Grid, Windows, convolve, correlate};
use super::super::{Packed, padded};
use crate::config::Precision;

/// Weights to multiply windows with.
pub(super) enum Weights {
    F32(Packed),
    #[cfg(target_arch = "x86_64")]
    Bf16(bf16::conv::Panels),
}

impl Weights {
    /// Of a matrix `[window, outputs]` for windows like these.
    pub(super) fn new(
        precision: Precision,
        weight: &[f32],
        windows: &Windows,
        outputs: usize,
    ) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(engine) = bf16::Engine::for_precision(precision) {
            return Self::Bf16(bf16::conv::Panels::new(engine, weight, windows, outputs));
        }
        let _ = precision;
        Self::F32(Packed::new(weight, windows.len(), outputs))
    }

    /// The pixels of `to` in `out` become `windows weights`.
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    pub(super) fn convolve(&self, image: &[f32], windows: Windows, out: &mut [f32], to: Grid) {
        match self {
            Self::F32(weights) => convolve(image, windows, weights, out, to),
            #[cfg(target_arch = "x86_64")]
            Self::Bf16(weights) => weights.convolve(image, windows, out, to),
        }
    }
}

/// The gradient by the weights: sums over pixels of products of their windows with their gradients.
pub(super) enum ByWeight {
    F32(Vec<f32>),
    #[cfg(target_arch = "x86_64")]
    Bf16(bf16::conv::Correlation),
}

impl ByWeight {
    /// Nothing yet, of windows like these and so many outputs.
    pub(super) fn new(precision: Precision, windows: &Windows, outputs: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(engine) = bf16::Engine::for_precision(precision) {
            return Self::Bf16(bf16::conv::Correlation::new(engine, windows, padded(outputs)));
        }
        let _ = precision;
        Self::F32(vec![0.0; windows.len() * padded(outputs)])
    }

    /// Adds an image's. The pixels of `grads` are `columns` long, whole panels.
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    pub(super) fn add(
        &mut self,
        image: &[f32],
        windows: Windows,
        (grads, grid): (&[f32], Grid),
        columns: usize,
    ) {
        match self {
            Self::F32(sums) => correlate(image, windows, grads, grid, columns, sums),
            #[cfg(target_arch = "x86_64")]
            Self::Bf16(sums) => sums.add(image, windows, grads, grid),
        }
    }

    /// Writes the sums `[window, outputs]`.
    pub(super) fn store(&self, outputs: usize, to: &mut [f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Bf16(sums) => sums.store(outputs, to),
            Self::F32(sums) => {
                let lines = sums.chunks_exact(padded(outputs));
                for (to, line) in to.chunks_exact_mut(outputs).zip(lines) {
                    to.copy_from_slice(&line[..outputs]);
                }
            }
        }
    }
}
