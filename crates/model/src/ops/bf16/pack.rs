//! Blocks of matrices as pairs of bfloat16: the two values of a pair are neighbours along the inner dimension.
//!
//! Columns go to panels of 16, each `[pairs, 16]`. Rows go to tiles of 12: `[12, pairs]` where the inner dimension is
//! contiguous, `[pairs, 12]` where the rows are; the kernel reads either, so neither is turned around. AMX takes squares of 16
//! rows, always `[16, pairs]`.

use super::super::lanes::Bf16;
use super::super::matmul::Matrix;
use super::{BLOCK_COLUMNS, BLOCK_ROWS, DEPTH, PANEL, ROWS};
use std::arch::x86_64::*;
use std::cell::RefCell;

/// Pairs of a whole block.
pub(super) const PAIRS: usize = DEPTH / 2;

/// Distances between tiles, between squares and between panels, in pairs: a cache line off what would put them all into a few
/// sets.
pub(super) const TILE: usize = ROWS * PAIRS + PANEL;
pub(super) const SQUARE: usize = PANEL * PAIRS + PANEL;
pub(super) const PANEL_STEP: usize = PAIRS * PANEL + PANEL;

/// A cache line of pairs.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub(super) struct Line(pub [u32; PANEL]);

/// Makes room for so many pairs. What no one has written yet is zero, and all is some number.
pub(super) fn room(lines: &mut Vec<Line>, pairs: usize) {
    if lines.len() * PANEL < pairs {
        lines.resize(pairs.div_ceil(PANEL), Line::default());
    }
}

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

/// Rows `[rows, depth]` to squares of 16.
///
/// # Safety
/// As [`rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn square(x: Matrix<'_>, [rows, depth]: [usize; 2], squares: *mut u32) {
    let from = x.values.as_ptr();
    // SAFETY: the caller's.
    unsafe {
        if x.column == 1 {
            for row in 0..rows {
                let to = squares.add(row / PANEL * SQUARE + row % PANEL * PAIRS);
                along(from.add(row * x.row), depth, to);
            }
            return;
        }
        for (square, row) in (0..rows).step_by(PANEL).enumerate() {
            let left = PANEL.min(rows - row);
            for at in (0..depth).step_by(2 * PANEL) {
                let mut lines = [_mm512_setzero_si512(); PANEL];
                let pairs = (depth - at).div_ceil(2);
                for (pair, line) in lines.iter_mut().enumerate().take(pairs) {
                    let inner = at + 2 * pair;
                    let upper = from.add(row + inner * x.column);
                    let both = inner + 1 < depth;
                    let second = load(upper.wrapping_add(x.column), if both { left } else { 0 });
                    *line = paired(load(upper, left), second);
                }
                let to = squares.add(square * SQUARE + at / 2);
                for (index, line) in transpose(lines).into_iter().enumerate() {
                    _mm512_storeu_si512(to.add(index * PAIRS).cast(), line);
                }
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

/// `left` of the 32 values from here, then zeros. What is not loaded need not exist.
///
/// # Safety
/// So many values must be there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn load_narrow(from: *const Bf16, left: usize) -> __m512i {
    let mask = if left >= 32 { !0 } else { (1 << left) - 1 };
    // SAFETY: the caller's.
    unsafe { _mm512_maskz_loadu_epi16(mask, from.cast()) }
}

/// The first 16 of 32 values, or the others, each paired with that of another row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn zip<const OTHERS: bool>(upper: __m512i, lower: __m512i) -> __m512i {
    #[rustfmt::skip]
    let first = _mm512_set_epi16(
        47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
        39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0,
    );
    let order = if OTHERS { _mm512_add_epi16(first, _mm512_set1_epi16(16)) } else { first };
    _mm512_permutex2var_epi16(upper, order, lower)
}

/// Each value paired with the one `step` further, and zeros behind them up to `until`.
///
/// # Safety
/// There must be room for 31 pairs more than values, or than `until`.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn pair(values: &[Bf16], step: usize, until: usize, to: *mut u32) {
    let from = values.as_ptr();
    for at in (0..values.len().max(until)).step_by(2 * PANEL) {
        let left = values.len().saturating_sub(at);
        let (near, far) = (from.wrapping_add(at), from.wrapping_add(at + step));
        // SAFETY: the caller's; what is not left is not loaded.
        unsafe {
            let (near, far) =
                (load_narrow(near, left), load_narrow(far, left.saturating_sub(step)));
            _mm512_storeu_si512(to.add(at).cast(), zip::<false>(near, far));
            _mm512_storeu_si512(to.add(at + PANEL).cast(), zip::<true>(near, far));
        }
    }
}

/// The 16 columns of so many pixels, at most 32 and `step` apart: a line a column of 16 pairs of pixels, zero where there is none.
///
/// # Safety
/// The columns must be there, and room for 16 lines.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn turn(from: *const Bf16, step: usize, pixels: usize, to: *mut u32) {
    let mut square = [_mm512_setzero_si512(); PANEL];
    for (pair, pairs) in square.iter_mut().enumerate().take(pixels.div_ceil(2)) {
        let upper = from.wrapping_add(2 * pair * step);
        let both = 2 * pair + 1 < pixels;
        // SAFETY: the caller's; what is not there is not loaded.
        unsafe {
            let lower = load_narrow(upper.wrapping_add(step), if both { PANEL } else { 0 });
            *pairs = zip::<false>(load_narrow(upper, PANEL), lower);
        }
    }
    for (column, pairs) in transpose(square).into_iter().enumerate() {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_si512(to.add(column * PANEL).cast(), pairs) };
    }
}

/// Columns `[depth, columns]` to panels, zero up to a whole square of 16 pairs.
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
        for pair in 0..depth.div_ceil(2).next_multiple_of(PANEL) {
            let upper = from.wrapping_add(2 * pair * x.row);
            let lower = upper.wrapping_add(x.row);
            let (one, both) = (2 * pair < depth, 2 * pair + 1 < depth);
            for (panel, column) in (0..columns).step_by(PANEL).enumerate() {
                fetch_ahead(upper.wrapping_add(column), x.row);
                let left = columns - column;
                let first = load(upper.wrapping_add(column), if one { left } else { 0 });
                let second = load(lower.wrapping_add(column), if both { left } else { 0 });
                let pairs = paired(first, second);
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
