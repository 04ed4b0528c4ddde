//! Fused operations with their own backward passes, where candle's generic ones are slow on a CPU or
//! cut the graph: convolution blocks with soft-argmax, batch and layer normalisation, linear
//! layers, attention, activations, SIGReg, covariances and painting; and products of matrices in f32 and bf16.
//!
//! All of them are single-threaded and add in a fixed order; the trainer gets its parallelism from
//! replicas. Element-wise loops are compiled for the baseline, AVX2 and AVX-512 (without fused
//! multiply-add, so that all give the same bits), and dispatched at run time.

mod activation;
mod attention;
mod batch_norm;
mod bf16;
mod buffers;
mod conv;
mod conv_stack;
mod covariance;
mod gradients;
pub(crate) mod lanes;
mod layer_norm;
mod linear;
mod math;
mod matmul;
mod packed;
mod painting;
mod residual;
mod sigreg;
mod soft_argmax;
mod weights;

pub(crate) use activation::{activate, gelu_backward, gelu_in_place};
pub(crate) use attention::{AttentionShape, attention, softmax};
pub(crate) use batch_norm::{BatchStats, batch_norm, normalise};
pub(crate) use bf16::possible;
pub(crate) use buffers::Buffers;
pub(crate) use conv::ConvShape;
pub(crate) use conv_stack::{Block, conv_stack, conv_stack_with};
pub(crate) use covariance::covariance;
pub(crate) use gradients::{Gradients, Products};
pub(crate) use layer_norm::{dot, layer_norm, moments};
pub(crate) use linear::{Activation, linear, silu, silu_backward, silu_in_place};
pub(crate) use matmul::{Layout2, matmul, matmul_in};
pub(crate) use packed::{Addend, Packed, Source, padded, stride};
pub(crate) use painting::{Targets, over, painting_error, sigmoid_in_place};
pub(crate) use residual::{Step, residual};
pub(crate) use sigreg::{SigRegShape, sigreg};
pub(crate) use weights::Weights;

use candle_core::{CpuStorage, Device, Layout, Result, Storage, Tensor};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

/// Compiles a function for the baseline, AVX2 and AVX-512 and picks one at run time.
macro_rules! simd {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident$(<$($of:ident: $bound:ident),*>)?($($arg:ident: $ty:ty),* $(,)?) $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name$(<$($of: $bound),*>)?($($arg: $ty),*) {
            #[inline(always)]
            fn body$(<$($of: $bound),*>)?($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn widest$(<$($of: $bound),*>)?($($arg: $ty),*) {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn wide$(<$($of: $bound),*>)?($($arg: $ty),*) {
                    body($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: the features were detected on the lines above; `avx512f` is part of each.
                    return unsafe { widest($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the feature was detected on the line above.
                    return unsafe { wide($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use simd;

/// The values of a contiguous f32 tensor on the CPU, borrowed.
pub(crate) struct Values<'a> {
    storage: candle_core::StorageRef<'a>,
    start: usize,
    len: usize,
}

impl<'a> Values<'a> {
    /// Borrows the tensor, which must be contiguous.
    pub(crate) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("a fused operation was given a tensor that is not contiguous")
        };
        match &*storage {
            Storage::Cpu(CpuStorage::F32(_)) => Ok(Self { storage, start, len: end - start }),
            _ => candle_core::bail!(
                "a fused operation was given a tensor that is not f32 on the CPU"
            ),
        }
    }
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.start..self.start + self.len],
            _ => &[],
        }
    }
}

/// A gradient that falls out of the forward pass of a scalar, kept for its backward pass.
#[derive(Default)]
struct Saved(Mutex<Vec<f32>>);

impl Saved {
    fn keep(&self, grad: Vec<f32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = grad;
    }

    /// The gradient by `z`, where that by the scalar is `upstream`.
    fn take(&self, z: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let scale = Values::of(&upstream.contiguous()?)?[0];
        let mut grad = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        grad.iter_mut().for_each(|value| *value *= scale);
        Ok(Some(Tensor::from_vec(grad, z.dims(), &Device::Cpu)?))
    }
}

/// A byte of an image as a number in [-1, 1].
#[inline(always)]
pub(crate) fn brightness(byte: u8) -> f32 {
    f32::from(byte) * (2.0 / 255.0) - 1.0
}

/// The values of an operation's argument, which must be contiguous.
fn argument<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => candle_core::bail!("a fused operation takes contiguous f32 tensors"),
    }
}

#[cfg(test)]
pub(crate) mod check {
    use super::Gradients;
    use candle_core::{Device, Result, Tensor, Var};
    use housecat_core::Seed;

    /// A variable of standard normal values.
    pub(crate) fn normal(name: &str, shape: &[usize]) -> Var {
        let mut values = vec![0.0; shape.iter().product()];
        Seed::new(3).child(name, 0).rng().fill_normal(&mut values);
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
    }

    /// Compares the gradient of `loss` by backpropagation with central differences, for every
    /// variable, on up to 24 components each.
    pub(crate) fn gradients(
        vars: &[&Var],
        epsilon: f32,
        tolerance: f32,
        loss: &dyn Fn() -> Result<Tensor>,
    ) {
        gradients_left(vars, epsilon, tolerance, &|| Ok((loss()?, None)));
    }

    /// The same where gradients may be left beside the graph.
    pub(crate) fn gradients_left(
        vars: &[&Var],
        epsilon: f32,
        tolerance: f32,
        loss: &dyn Fn() -> Result<(Tensor, Option<Gradients>)>,
    ) {
        let (value, left) = loss().unwrap();
        let (grads, left) = (value.backward().unwrap(), left.unwrap_or_default());
        let loss = || loss().unwrap().0;
        for (which, var) in vars.iter().enumerate() {
            let grad = left.take(var).unwrap_or_else(|| {
                let grad = grads.get(var.as_tensor()).expect("every variable gets a gradient");
                grad.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            });
            let start = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let stride = start.len().div_ceil(24);
            for index in (0..start.len()).step_by(stride) {
                let at = |delta: f32| {
                    let mut moved = start.clone();
                    moved[index] += delta;
                    var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
                    loss().to_scalar::<f32>().unwrap()
                };
                let numeric = (at(epsilon) - at(-epsilon)) / (2.0 * epsilon);
                let scale = 1.0_f32.max(numeric.abs());
                assert!(
                    (numeric - grad[index]).abs() <= tolerance * scale,
                    "variable {which}, component {index}: differences give {numeric}, backward {}",
                    grad[index]
                );
            }
            var.set(&Tensor::from_vec(start, var.dims(), &Device::Cpu).unwrap()).unwrap();
        }
    }
}
