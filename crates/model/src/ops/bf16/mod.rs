//! Products of matrices whose values are rounded to bfloat16 (f32 without the last 16 bits), added up in f32.
//!
//! A processor with AVX-512 BF16 multiplies pairs of values along the inner dimension in one instruction, one with AMX whole
//! tiles of them. Blocks of both matrices are rounded into the layout that it wants, small enough for the caches. Without either,
//! nothing is rounded: f32 alone is faster than rounding first.
//!
//! The cuts along the inner dimension depend on its length only, and so do the bits of a result on one kind of processor.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
pub(super) mod conv;
#[cfg(target_arch = "x86_64")]
mod engine;
#[cfg(target_arch = "x86_64")]
mod kernel;
#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(target_arch = "x86_64")]
mod rounded;
#[cfg(target_arch = "x86_64")]
mod tiles;

#[cfg(target_arch = "x86_64")]
pub(super) use engine::Engine;
#[cfg(target_arch = "x86_64")]
pub(super) use rounded::Rounded;

use super::matmul::{Matrix, Start, Target, product_f32};
use crate::config::Precision;

/// Rows of the largest tile, columns of a panel. A tile of 12 x 2 vectors leaves registers for what is multiplied.
#[cfg(target_arch = "x86_64")]
const ROWS: usize = 12;
#[cfg(target_arch = "x86_64")]
const PANEL: usize = 16;

/// Inner values in a block: two panels and a tile of them stay in the L1 cache.
#[cfg(target_arch = "x86_64")]
const DEPTH: usize = 384;

/// Blocks are a multiple of so many inner values, but the last.
#[cfg(target_arch = "x86_64")]
const UNIT: usize = 2 * PANEL;

/// Rows in a block, most columns and most values of columns: both blocks stay in the L2 cache.
#[cfg(target_arch = "x86_64")]
const BLOCK_ROWS: usize = 20 * ROWS;
#[cfg(target_arch = "x86_64")]
const BLOCK_COLUMNS: usize = 1024;
#[cfg(target_arch = "x86_64")]
const BLOCK_VALUES: usize = 512 * DEPTH;

/// `target (+)= a b`, both rounded if the machine multiplies such values.
///
/// # Safety
/// The buffers must hold what the sizes say.
pub(super) unsafe fn product(
    size: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    target: Target,
    start: Start<'_>,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(engine) = Engine::of_machine()
        && size[1] > 0
    {
        // SAFETY: the instructions are there; the rest is the caller's.
        return unsafe { blocked(engine, size, a, b, target, start) };
    }
    // SAFETY: the caller's.
    unsafe { product_f32(size, a, b, target, start) };
}

/// The precision itself, or f32 if the machine does not multiply such values.
pub(crate) fn possible(precision: Precision) -> Precision {
    #[cfg(target_arch = "x86_64")]
    if Engine::of_machine().is_some() {
        return precision;
    }
    let _ = precision;
    Precision::F32
}

/// To the nearest bfloat16, to the even one of two; what is not a number stays so.
#[cfg(any(test, target_arch = "x86_64"))]
pub(super) fn round(value: f32) -> f32 {
    let bits = value.to_bits();
    match value.is_nan() {
        true => f32::from_bits((bits | 0x40_0000) & 0xffff_0000),
        false => f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000),
    }
}

/// The bits of the nearest bfloat16.
#[cfg(target_arch = "x86_64")]
fn bits(value: f32) -> u32 {
    round(value).to_bits() >> 16
}

/// Parts of at most `largest`, all multiples of `unit` but the last, as even as can be.
#[cfg(target_arch = "x86_64")]
fn parts(whole: usize, largest: usize, unit: usize) -> impl Iterator<Item = (usize, usize)> {
    let part = whole.div_ceil(whole.div_ceil(largest)).next_multiple_of(unit);
    (0..whole).step_by(part).map(move |from| (from, part.min(whole - from)))
}

/// # Safety
/// As [`product`], and the engine must be the machine's.
#[cfg(target_arch = "x86_64")]
unsafe fn blocked(
    engine: Engine,
    [m, k, n]: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    target: Target,
    start: Start<'_>,
) {
    let deepest = k.div_ceil(k.div_ceil(DEPTH)).next_multiple_of(UNIT);
    let columns = (BLOCK_VALUES / deepest / (2 * PANEL) * 2 * PANEL).min(BLOCK_COLUMNS);
    // Blocks of whole tiles: those that are cut take a detour.
    let tile = match engine {
        Engine::Amx => tiles::SIDE,
        Engine::Dot => ROWS,
    };
    // SAFETY: the engine is the machine's.
    let session = unsafe { engine.begin(tiles::SIDE, tiles::SIDE) };
    pack::with_scratch(|tiles, panels| {
        for (column, width) in parts(n, columns, 2 * PANEL) {
            for (inner, depth) in parts(k, DEPTH, UNIT) {
                // SAFETY: blocks lie within the matrices, and scratch holds any of them.
                unsafe { pack::columns(b.part(inner, column), [depth, width], panels) };
                for (row, height) in parts(m, BLOCK_ROWS, tile) {
                    let corner = Target {
                        // SAFETY: within the target, as the block is.
                        out: unsafe { target.out.add(row * target.row + column) },
                        row: target.row,
                    };
                    let start = match start {
                        _ if inner > 0 => Start::Target,
                        Start::Row(values) => Start::Row(&values[column..]),
                        other => other,
                    };
                    // SAFETY: as above.
                    unsafe {
                        let block = a.part(row, inner);
                        let size = [height, depth, width];
                        if let Engine::Amx = engine {
                            pack::square(block, [height, depth], tiles);
                            session.block(size, tiles, panels, corner, start);
                            continue;
                        }
                        pack::rows(block, [height, depth], tiles);
                        kernel::tiles(size, block.column != 1, tiles, panels, corner, start);
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    fn normal(count: usize, name: &str) -> Vec<f32> {
        check::normal(name, &[count]).to_vec1::<f32>().unwrap()
    }

    /// Both rounded and multiplied in f32: what every engine gives up to the order of addition.
    ///
    /// # Safety
    /// As [`product`].
    unsafe fn portable(
        [m, k, n]: [usize; 3],
        a: Matrix<'_>,
        b: Matrix<'_>,
        target: Target,
        start: Start<'_>,
    ) {
        let rounded = |x: Matrix<'_>, rows: usize, columns: usize| -> Vec<f32> {
            let line = |i| (0..columns).map(move |j| round(x.values[i * x.row + j * x.column]));
            (0..rows).flat_map(line).collect()
        };
        let (a, b) = (rounded(a, m, k), rounded(b, k, n));
        // SAFETY: the caller's.
        unsafe { product_f32([m, k, n], Matrix::rows(&a, k), Matrix::rows(&b, n), target, start) };
    }

    type Way = unsafe fn([usize; 3], Matrix<'_>, Matrix<'_>, Target, Start<'_>);

    /// Every way to multiply rounded values that the machine has.
    fn ways() -> Vec<Way> {
        let mut ways: Vec<Way> = vec![portable];
        #[cfg(target_arch = "x86_64")]
        for engine in Engine::all() {
            // SAFETY: the machine has the engine; the rest is the caller's.
            ways.push(match engine {
                Engine::Amx => |size, a, b, target, start| unsafe {
                    blocked(Engine::Amx, size, a, b, target, start);
                },
                Engine::Dot => |size, a, b, target, start| unsafe {
                    blocked(Engine::Dot, size, a, b, target, start);
                },
            });
        }
        ways
    }

    /// `out += a b`, or `out = a b`.
    fn multiply(
        way: Way,
        [m, k, n]: [usize; 3],
        a: Matrix<'_>,
        b: Matrix<'_>,
        out: &mut [f32],
        start: Start<'_>,
    ) {
        assert!(a.values.len() >= m * k && b.values.len() >= k * n && out.len() >= m * n);
        let target = Target { out: out.as_mut_ptr(), row: n };
        // SAFETY: the buffers hold what the sizes say.
        unsafe { way([m, k, n], a, b, target, start) };
    }

    fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
        (0..columns).flat_map(|j| values.iter().skip(j).step_by(columns).copied()).collect()
    }

    #[test]
    fn agrees_with_the_definition_at_any_size_and_layout() {
        for [m, k, n] in [
            [1, 1, 1],
            [3, 5, 2],
            [12, 32, 32],
            [13, 33, 17],
            [24, 192, 70],
            [65, 64, 65],
            [250, 7, 530],
            [31, 801, 48],
        ] {
            let (a, b) = (normal(m * k, "a"), normal(k * n, "b"));
            let (at, bt) = (transpose(&a, k), transpose(&b, n));
            let lefts = [Matrix::rows(&a, k), Matrix::rows(&at, m).transposed()];
            let rights = [Matrix::rows(&b, n), Matrix::rows(&bt, k).transposed()];
            let base = normal(m * n, "base");
            let want = |i: usize, j: usize| -> f64 {
                let term = |p| f64::from(round(a[i * k + p])) * f64::from(round(b[p * n + j]));
                (0..k).map(term).sum()
            };
            let want: Vec<f64> = (0..m * n).map(|index| want(index / n, index % n)).collect();
            for (left, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let (left, right) = (lefts[left], rights[right]);
                for way in ways() {
                    for start in [Start::Zero, Start::Target, Start::Row(&base[..n])] {
                        let mut out = base.clone();
                        multiply(way, [m, k, n], left, right, &mut out, start);
                        for (index, got) in out.iter().enumerate() {
                            let before = match start {
                                Start::Zero => 0.0,
                                Start::Target => base[index],
                                Start::Row(values) => values[index % n],
                            };
                            let want = want[index] + f64::from(before);
                            let error = (f64::from(*got) - want).abs();
                            let bound = 1e-5 * (k as f64).sqrt().max(1.0);
                            assert!(error < bound, "{m} {k} {n}: {got} {want}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_have_the_same_bits_whatever_stands_beside_them() {
        let [m, k, n] = [29, 450, 40];
        let (a, b) = (normal(m * k, "a"), normal(k * n, "b"));
        for way in ways() {
            let product = |rows: std::ops::Range<usize>| {
                let part = &a[rows.start * k..rows.end * k];
                let (a, b) = (Matrix::rows(part, k), Matrix::rows(&b, n));
                let mut out = vec![f32::NAN; rows.len() * n];
                multiply(way, [rows.len(), k, n], a, b, &mut out, Start::Zero);
                out
            };
            let whole = product(0..m);
            for row in 0..m {
                assert_eq!(product(row..row + 1), &whole[row * n..(row + 1) * n]);
            }
        }
    }

    #[test]
    fn what_was_no_number_is_forgotten() {
        let [m, k, n] = [20, 70, 40];
        let (no, a, b) = (vec![f32::NAN; 4000], normal(m * k, "a"), normal(k * n, "b"));
        for way in ways() {
            let mut out = vec![0.0; m * n];
            multiply(
                way,
                [20, 90, 40],
                Matrix::rows(&no, 90),
                Matrix::rows(&no, 40),
                &mut out,
                Start::Zero,
            );
            assert!(out.iter().all(|value| value.is_nan()));
            let (a, b) = (Matrix::rows(&a, k), Matrix::rows(&b, n));
            multiply(way, [m, k, n], a, b, &mut out, Start::Zero);
            assert!(out.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn rounds_to_the_nearest_and_even() {
        assert_eq!(round(1.0), 1.0);
        assert_eq!(round(1.0 + 1.0 / 256.0), 1.0, "a tie goes to the even one");
        assert_eq!(round(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert_eq!(round(-1.003_907), -1.007_812_5);
        assert_eq!(round(f32::MAX), f32::INFINITY);
        assert!(round(f32::from_bits(0x7f80_0001)).is_nan());
        // As every way does: a product with 1 is rounding.
        for way in ways() {
            let times_one = |value: f32| {
                let (a, b, mut out) = ([value], [1.0], [0.0]);
                let [a, b] = [&a[..], &b[..]].map(|x| Matrix::rows(x, 1));
                multiply(way, [1, 1, 1], a, b, &mut out, Start::Zero);
                out[0]
            };
            for value in [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, -1.003_907, 3e38, f32::INFINITY] {
                assert_eq!(times_one(value), round(value));
            }
            assert!(times_one(f32::NAN).is_nan());
        }
    }
}
