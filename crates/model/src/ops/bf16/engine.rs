//! What multiplies pairs of bfloat16 on this machine.

use super::super::matmul::{Start, Target};
use super::pack::{PAIRS, PANEL_STEP, SQUARE};
use super::tiles::{Job, SIDE, Walk, dot};
use super::{PANEL, amx, kernel};
use crate::config::Precision;

/// Instructions for products of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Engine {
    /// Tiles of AMX.
    Amx,
    /// Vectors of AVX-512 BF16.
    Dot,
}

impl Engine {
    /// Every engine that this machine has, the fastest first. Packing takes AVX-512 BF16, which all with AMX have.
    pub(in super::super) fn all() -> impl Iterator<Item = Self> {
        let vectors = kernel::available();
        let amx = (vectors && amx::available()).then_some(Self::Amx);
        amx.into_iter().chain(vectors.then_some(Self::Dot))
    }

    pub(in super::super) fn of_machine() -> Option<Self> {
        Self::all().next()
    }

    /// What products of this precision are left to.
    pub(in super::super) fn for_precision(precision: Precision) -> Option<Self> {
        if precision.is_f32() { None } else { Self::of_machine() }
    }

    /// Ready for jobs of so many rows and pairs a step.
    ///
    /// # Safety
    /// The machine must have the engine, and this thread no other session.
    pub(super) unsafe fn begin(self, rows: usize, pairs: usize) -> Session {
        match self {
            // SAFETY: the caller's.
            Self::Amx => Session::Amx(unsafe { amx::Tiles::new(rows, pairs) }),
            Self::Dot => Session::Dot,
        }
    }
}

/// An engine set up for a size of tiles.
pub(super) enum Session {
    Amx(amx::Tiles),
    Dot,
}

impl Session {
    /// # Safety
    /// The job must have the session's size, and everything that it speaks of must be there.
    pub(super) unsafe fn run(&self, job: &Job) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Amx(tiles) => tiles.run(job),
                Self::Dot => dot(job),
            }
        }
    }

    /// The product of a block `[height, depth]` in squares with one `[depth, width]` in panels.
    ///
    /// # Safety
    /// The session must be of 16 rows and pairs, the blocks packed and the target's block there.
    pub(super) unsafe fn block(
        &self,
        [height, depth, width]: [usize; 3],
        squares: *const u32,
        panels: *const u32,
        target: Target,
        start: Start<'_>,
    ) {
        let mut scratch = [0.0_f32; 4 * SIDE * PANEL];
        for column in (0..width).step_by(2 * PANEL) {
            for row in (0..height).step_by(2 * SIDE) {
                let (rows, columns) =
                    ((2 * SIDE).min(height - row), (2 * PANEL).min(width - column));
                // SAFETY: the caller's; what does not fill its tiles takes a detour through scratch.
                unsafe {
                    let out = target.out.add(row * target.row + column);
                    let (from, from_row) = match start {
                        Start::Zero => (std::ptr::null(), 0),
                        Start::Target => (out.cast_const(), target.row),
                        Start::Row(values) => (values[column..].as_ptr(), 0),
                    };
                    let mut job = Job {
                        rows: SIDE,
                        pairs: SIDE,
                        tall: rows.div_ceil(SIDE),
                        wide: columns.div_ceil(PANEL),
                        a: squares.add(row / SIDE * SQUARE).cast(),
                        a_row: 4 * PAIRS,
                        a_tile: 4 * SQUARE,
                        b: panels.add(column / PANEL * PANEL_STEP),
                        b_row: PANEL,
                        b_panel: PANEL_STEP,
                        outer: Walk { count: 1, a: 0, b: 0 },
                        inner: Walk {
                            count: depth.div_ceil(2 * SIDE),
                            a: 4 * SIDE,
                            b: SIDE * PANEL,
                        },
                        out,
                        out_row: target.row,
                        out_tile: SIDE * target.row,
                        start: from,
                        start_row: from_row,
                        start_tile: SIDE * from_row,
                    };
                    let whole = rows.is_multiple_of(SIDE) && columns.is_multiple_of(PANEL);
                    if whole {
                        self.run(&job);
                        continue;
                    }
                    let line = 2 * PANEL;
                    if !from.is_null() {
                        for (row, to) in scratch.chunks_exact_mut(line).enumerate().take(rows) {
                            let from = from.add(row * from_row);
                            from.copy_to_nonoverlapping(to.as_mut_ptr(), columns);
                        }
                        job.start = scratch.as_ptr();
                        (job.start_row, job.start_tile) = (line, SIDE * line);
                    }
                    job.out = scratch.as_mut_ptr();
                    (job.out_row, job.out_tile) = (line, SIDE * line);
                    self.run(&job);
                    for (row, from) in scratch.chunks_exact(line).enumerate().take(rows) {
                        let to = out.add(row * target.row);
                        from.as_ptr().copy_to_nonoverlapping(to, columns);
                    }
                }
            }
        }
    }
}
