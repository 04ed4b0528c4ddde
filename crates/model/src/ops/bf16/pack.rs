//! Blocks of matrices as pairs of bfloat16: the two values of a pair are neighbours along the inner dimension.
//!
//! Columns go to panels of 16, each `[pairs, 16]`. Rows go to tiles of 12: `[12, pairs]` where the inner dimension is
//! contiguous, `[pairs, 12]` where the rows are; the kernel reads either, so neither is turned around.

use super::super::matmul::Matrix;
use super::{BLOCK_COLUMNS, BLOCK_ROWS, DEPTH, PANEL, ROWS};
use std::arch::x86_64::*;
use std::cell::RefCell;

/// Pairs of a whole block.
pub(super) const PAIRS: usize = DEPTH / 2;

/// Distances between tiles and between panels, in pairs: a cache line off what would put them all into a few sets.
pub(super) const TILE: usize = ROWS * PAIRS + PANEL;
pub(super) const PANEL_STEP: usize = PAIRS * PANEL + PANEL;

/// A cache line of pairs.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; PANEL]);

thread_local! {
    /// Kept, since a product of a few microseconds would otherwise clear half a megabyte first.
    static SCRATCH: RefCell<[Vec<Line>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Room for the tiles and for the panels of the largest blocks.
pub(super) fn with_scratch(use_it: impl FnOnce(*mut u32, *mut u32)) {
    SCRATCH.with_borrow_mut(|[tiles, panels]| {
        tiles.resize(BLOCK_ROWS / ROWS * TILE / PANEL, Line([0; PANEL]));
        panels.resize(BLOCK_COLUMNS / PANEL * PANEL_STEP / PANEL, Line([0; PANEL]));
        use_it(tiles.as_mut_ptr().cast(), panels.as_mut_ptr().cast());
    });
}

/// The first `left` of 16 lanes.
#[inline(always)]
pub(super) fn first(left: usize) -> __mmask16 {
    if left >= 16 { !0 } else { (1 << left) - 1 }
}

/// 32 values as pairs of neighbours.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn neighbours(low: __m512, high: __m512) -> __m512i {
    // SAFETY: 64 bytes either way.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// 16 values each paired with the one of another row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn paired(upper: __m512, lower: __m512) -> __m512i {
    #[rustfmt::skip]
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
        23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0,
    );
    _mm512_permutexvar_epi16(order, neighbours(upper, lower))
}

/// `left` of the 16 values from here, then zeros. What is not loaded need not exist.
///
/// # Safety
/// So many values must be there.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(from: *const f32, left: usize) -> __m512 {
    // SAFETY: the caller's.
    unsafe { _mm512_maskz_loadu_ps(first(left), from) }
}

/// Asks for what a later pair is made of: rows are too short for the processor to guess the next.
#[inline(always)]
fn fetch_ahead(from: *const f32, row: usize) {
    const PAIRS_AHEAD: usize = 4;
    for line in [2 * PAIRS_AHEAD, 2 * PAIRS_AHEAD + 1] {
        // SAFETY: a hint, whose address need not exist.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(line * row).cast()) };
    }
}

/// Rows `[rows, depth]` to tiles.
///
/// # Safety
/// The matrix must hold them, and the tiles have room.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn rows(x: Matrix<'_>, [rows, depth]: [usize; 2], tiles: *mut u32) {
    let from = x.values.as_ptr();
    // SAFETY: the caller's.
    unsafe {
        if x.column == 1 {
            for row in 0..rows {
                let to = tiles.add(row / ROWS * TILE + row % ROWS * PAIRS);
                along(from.add(row * x.row), depth, to);
            }
            return;
        }
        for pair in 0..depth.div_ceil(2) {
            let upper = from.add(2 * pair * x.column);
            let lower = upper.wrapping_add(x.column);
            let both = 2 * pair + 1 < depth;
            for (tile, row) in (0..rows).step_by(ROWS).enumerate() {
                fetch_ahead(upper.wrapping_add(row), x.column);
                let left = ROWS.min(rows - row);
                let second = load(lower.wrapping_add(row), if both { left } else { 0 });
                let pairs = paired(load(upper.add(row), left), second);
                let to = tiles.add(tile * TILE + pair * ROWS);
                _mm512_mask_storeu_epi32(to.cast(), first(ROWS), pairs);
            }
        }
    }
}

/// A contiguous row to its pairs.
///
/// # Safety
/// As [`rows`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn along(from: *const f32, depth: usize, to: *mut u32) {
    for at in (0..depth).step_by(32) {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_si512(to.add(at / 2).cast(), stretch(from.add(at), depth - at)) };
    }
}

/// `left` of the next 32 values of a contiguous row as pairs.
///
/// # Safety
/// As [`load`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn stretch(from: *const f32, left: usize) -> __m512i {
    // SAFETY: the caller's.
    unsafe { neighbours(load(from, left), load(from.wrapping_add(16), left.saturating_sub(16))) }
}

/// Columns `[depth, columns]` to panels.
///
/// # Safety
/// The matrix must hold them, and the panels have room.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn columns(x: Matrix<'_>, [depth, columns]: [usize; 2], panels: *mut u32) {
    let from = x.values.as_ptr();
    // SAFETY: the caller's.
    unsafe {
        if x.column != 1 {
            for (panel, column) in (0..columns).step_by(PANEL).enumerate() {
                let from = from.add(column * x.column);
                let lines = PANEL.min(columns - column);
                for at in (0..depth).step_by(32) {
                    let mut square = [_mm512_setzero_si512(); PANEL];
                    for (line, pairs) in square.iter_mut().enumerate().take(lines) {
                        *pairs = stretch(from.add(line * x.column + at), depth - at);
                    }
                    let to = panels.add(panel * PANEL_STEP + at / 2 * PANEL);
                    for (index, pairs) in transpose(square).into_iter().enumerate() {
                        _mm512_storeu_si512(to.add(index * PANEL).cast(), pairs);
                    }
                }
            }
            return;
        }
        for pair in 0..depth.div_ceil(2) {
            let upper = from.add(2 * pair * x.row);
            let lower = upper.wrapping_add(x.row);
            let both = 2 * pair + 1 < depth;
            for (panel, column) in (0..columns).step_by(PANEL).enumerate() {
                fetch_ahead(upper.wrapping_add(column), x.row);
                let left = columns - column;
                let second = load(lower.wrapping_add(column), if both { left } else { 0 });
                let pairs = paired(load(upper.add(column), left), second);
                let to = panels.add(panel * PANEL_STEP + pair * PANEL);
                _mm512_storeu_si512(to.cast(), pairs);
            }
        }
    }
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(x: [__m512i; PANEL]) -> [__m512i; PANEL] {
    let zero = _mm512_setzero_si512();
    let (mut two, mut four, mut out) = ([zero; PANEL], [zero; PANEL], [zero; PANEL]);
    for i in 0..8 {
        two[2 * i] = _mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
        two[2 * i + 1] = _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
    }
    for i in 0..4 {
        let of = &two[4 * i..4 * i + 4];
        four[4 * i] = _mm512_unpacklo_epi64(of[0], of[2]);
        four[4 * i + 1] = _mm512_unpackhi_epi64(of[0], of[2]);
        four[4 * i + 2] = _mm512_unpacklo_epi64(of[1], of[3]);
        four[4 * i + 3] = _mm512_unpackhi_epi64(of[1], of[3]);
    }
    // Quarter q of `four[4 i + j]` has column 4 q + j of rows 4 i to 4 i + 3.
    for j in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(four[j], four[4 + j]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(four[j], four[4 + j]);
        let even_later = _mm512_shuffle_i32x4::<0x88>(four[8 + j], four[12 + j]);
        let odd_later = _mm512_shuffle_i32x4::<0xdd>(four[8 + j], four[12 + j]);
        out[j] = _mm512_shuffle_i32x4::<0x88>(even, even_later);
        out[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even, even_later);
        out[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd, odd_later);
        out[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_later);
    }
    out
}
