//! The product of packed blocks, tile by tile.

use super::super::matmul::{Start, Target};
use super::pack::{PAIRS, PANEL_STEP, TILE, first};
use super::{PANEL, ROWS};
use std::arch::x86_64::*;

/// Whether this processor has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// One tile of a product.
struct Job {
    pairs: usize,
    rows: *const u32,
    panel: *const u32,
    out: *mut f32,
    out_row: usize,
    /// What the sums start from; null for zero.
    start: *const f32,
    start_row: usize,
    /// Lanes of the last vector that are columns.
    last: __mmask16,
}

/// All tiles of a block `[height, depth] [depth, width]`; `across` says which layout the tiles have.
///
/// # Safety
/// The kernel must be available, the blocks packed and the target's block there.
pub(super) unsafe fn tiles(
    [height, depth, width]: [usize; 3],
    across: bool,
    tiles: *const u32,
    panels: *const u32,
    target: Target,
    start: Start<'_>,
) {
    // A pair of panels stays near while all tiles pass.
    for column in (0..width).step_by(2 * PANEL) {
        let left = width - column;
        for row in (0..height).step_by(ROWS) {
            // SAFETY: the caller's; the tile lies within the block.
            unsafe {
                let out = target.out.add(row * target.row + column);
                let (start, start_row) = match start {
                    Start::Zero => (std::ptr::null(), 0),
                    Start::Target => (out.cast_const(), target.row),
                    Start::Row(values) => (values[column..].as_ptr(), 0),
                };
                let job = Job {
                    pairs: depth.div_ceil(2),
                    rows: tiles.add(row / ROWS * TILE),
                    panel: panels.add(column / PANEL * PANEL_STEP),
                    out,
                    out_row: target.row,
                    start,
                    start_row,
                    last: first(if left > PANEL { left - PANEL } else { left }),
                };
                let rows = ROWS.min(height - row);
                match (left > PANEL, across) {
                    (true, false) => run::<2, PAIRS, 1>(rows, &job),
                    (true, true) => run::<2, 1, ROWS>(rows, &job),
                    (false, false) => run::<1, PAIRS, 1>(rows, &job),
                    (false, true) => run::<1, 1, ROWS>(rows, &job),
                }
            }
        }
    }
}

/// # Safety
/// As [`tiles`].
unsafe fn run<const V: usize, const ROW: usize, const STEP: usize>(rows: usize, job: &Job) {
    // SAFETY: the caller's.
    unsafe {
        match rows {
            1 => tile::<1, V, ROW, STEP>(job),
            2 => tile::<2, V, ROW, STEP>(job),
            3 => tile::<3, V, ROW, STEP>(job),
            4 => tile::<4, V, ROW, STEP>(job),
            5 => tile::<5, V, ROW, STEP>(job),
            6 => tile::<6, V, ROW, STEP>(job),
            7 => tile::<7, V, ROW, STEP>(job),
            8 => tile::<8, V, ROW, STEP>(job),
            9 => tile::<9, V, ROW, STEP>(job),
            10 => tile::<10, V, ROW, STEP>(job),
            11 => tile::<11, V, ROW, STEP>(job),
            _ => tile::<ROWS, V, ROW, STEP>(job),
        }
    }
}

/// R rows by V vectors; `ROW` and `STEP` are the distances of rows and of pairs.
///
/// # Safety
/// As [`tiles`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn tile<const R: usize, const V: usize, const ROW: usize, const STEP: usize>(job: &Job) {
    // SAFETY: the caller's; bits of pairs are pairs of bfloat16.
    unsafe {
        let pairs = |bits: __m512i| std::mem::transmute::<__m512i, __m512bh>(bits);
        let lanes = |v: usize| if v + 1 == V { job.last } else { !0 };
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        if !job.start.is_null() {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let from = job.start.add(r * job.start_row + v * PANEL);
                    *sum = _mm512_maskz_loadu_ps(lanes(v), from);
                }
            }
        }
        let (mut rows, mut panel) = (job.rows, job.panel);
        for _ in 0..job.pairs {
            let mut line = [_mm512_setzero_si512(); V];
            for (v, line) in line.iter_mut().enumerate() {
                *line = _mm512_loadu_si512(panel.add(v * PANEL_STEP).cast());
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let value = _mm512_set1_epi32(*rows.add(r * ROW) as i32);
                for (sum, line) in sums.iter_mut().zip(line) {
                    *sum = _mm512_dpbf16_ps(*sum, pairs(value), pairs(line));
                }
            }
            rows = rows.add(STEP);
            panel = panel.add(PANEL);
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let to = job.out.add(r * job.out_row + v * PANEL);
                _mm512_mask_storeu_ps(to, lanes(v), *sum);
            }
        }
    }
}
