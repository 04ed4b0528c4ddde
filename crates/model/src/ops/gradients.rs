//! Where operations leave the gradients by their variables.

use super::Buffers;
use super::matmul::{Layout2, Matrix, fresh, product};
use crate::config::Precision;
use candle_core::{Tensor, TensorId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Gradients by variables, beside the graph: in it each costs a cleared buffer, an addition and a copy, which for millions
/// of weights is memory's time.
#[derive(Clone, Default)]
pub(crate) struct Gradients(Arc<Mutex<HashMap<TensorId, Vec<f32>>>>);

impl Gradients {
    /// Adds to the gradient by a variable, which is empty at first; of what is none nothing is asked.
    pub(crate) fn add(&self, variable: &Tensor, add: impl FnOnce(&mut Vec<f32>)) {
        if variable.is_variable() {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            add(all.entry(variable.id()).or_default());
        }
    }

    /// The gradient by a variable, if any was left.
    pub(crate) fn take(&self, variable: &Tensor) -> Option<Vec<f32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&variable.id())
    }
}

/// How layers multiply, and where they leave gradients and find memory.
#[derive(Clone, Default)]
pub(crate) struct Products {
    pub precision: Precision,
    /// Nothing but training has it.
    pub gradients: Option<Gradients>,
    /// Where large results go.
    pub buffers: Buffers,
}

/// Adds a product to what may be empty.
pub(super) fn add_product(
    precision: Precision,
    size: [usize; 3],
    a: (&[f32], Layout2),
    b: (&[f32], Layout2),
    sum: &mut Vec<f32>,
) {
    let [m, k, n] = size;
    if sum.is_empty() {
        *sum = fresh(precision, size, a, b, None);
    } else {
        product(precision, size, Matrix::of(a, m, k), Matrix::of(b, k, n), (sum, n), true);
    }
}
