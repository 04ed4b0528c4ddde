//! Cooperative interruption: long work asks this flag between units of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// A flag that a signal handler raises and that long-running loops poll between durable units.
///
/// Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicI32>);

impl Interrupt {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag; `code` is the exit code the process should end with (130 or 143).
    pub fn raise(&self, code: i32) {
        self.0.store(code, Ordering::SeqCst);
    }

    /// Whether the work should stop at the next safe point.
    pub fn is_raised(&self) -> bool {
        self.code().is_some()
    }

    /// The exit code it was raised with, if raised.
    pub fn code(&self) -> Option<i32> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            code => Some(code),
        }
    }
}
