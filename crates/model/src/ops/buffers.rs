//! Memory that one training step leaves to the next.

#[cfg(target_arch = "x86_64")]
use super::lanes::Bf16;
use std::sync::{Arc, Mutex, PoisonError};

/// Large buffers that are not cleared between steps: a new one would cost a pass over memory before anything is written.
#[derive(Clone, Default)]
pub(crate) struct Buffers {
    pub singles: Free<f32>,
    #[cfg(target_arch = "x86_64")]
    pub halves: Free<Bf16>,
}

/// Those of one kind.
#[derive(Clone, Default)]
pub(crate) struct Free<T>(Arc<Mutex<Vec<Vec<T>>>>);

impl<T: Clone + Default> Free<T> {
    /// A buffer of so many values, whatever they are.
    pub(crate) fn take(&self, len: usize) -> Vec<T> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().position(|buffer| buffer.len() == len) {
            Some(index) => free.swap_remove(index),
            None => vec![T::default(); len],
        }
    }

    /// Leaves a buffer to whoever needs as long a one.
    pub(crate) fn give(&self, buffer: Vec<T>) {
        if !buffer.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_again_by_who_needs_as_much() {
        let free = Free::default();
        free.give(vec![1.0; 3]);
        assert_eq!(free.take(2), [0.0; 2]);
        assert_eq!(free.take(3), [1.0; 3]);
        assert_eq!(free.take(3), [0.0; 3]);
    }
}
