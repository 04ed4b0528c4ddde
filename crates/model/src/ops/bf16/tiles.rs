//! Sums of small tiles over operands that lie anywhere: what convolutions are made of, and all that AMX does.

use super::PANEL;
use std::arch::x86_64::*;

/// Rows of a tile and pairs of a step, at most.
pub(super) const SIDE: usize = 16;

/// How often the operands move on, and how far each time: rows by bytes, columns by pairs.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    pub count: usize,
    pub a: usize,
    pub b: usize,
}

/// One or two tiles of rows times one or two panels of 16 columns: for every step of the outer walk and every one of
/// the inner walk, `out += a [rows, pairs] b [pairs, 16]`.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub rows: usize,
    pub pairs: usize,
    pub tall: usize,
    pub wide: usize,
    /// Pairs of bfloat16; rows are `a_row` bytes apart, tiles `a_tile`.
    pub a: *const u8,
    pub a_row: usize,
    pub a_tile: usize,
    /// Lines of 16 pairs; lines are `b_row` pairs apart, panels `b_panel`.
    pub b: *const u32,
    pub b_row: usize,
    pub b_panel: usize,
    pub outer: Walk,
    pub inner: Walk,
    /// Rows are `out_row` apart, tiles `out_tile`, panels 16.
    pub out: *mut f32,
    pub out_row: usize,
    pub out_tile: usize,
    /// What the sums start from, its rows and tiles apart likewise; null for zero.
    pub start: *const f32,
    pub start_row: usize,
    pub start_tile: usize,
}

/// Most rows of 2 vectors that leave registers for what is multiplied.
const MOST: usize = 12;

/// The job with products of vectors.
///
/// # Safety
/// The processor must have AVX-512 BF16, and everything that the job speaks of must be there.
pub(super) unsafe fn dot(job: &Job) {
    let part = if job.rows > MOST { job.rows.div_ceil(2) } else { job.rows };
    for tile in 0..job.tall {
        for row in (0..job.rows).step_by(part) {
            // SAFETY: the caller's.
            unsafe {
                let mut part_of = *job;
                part_of.rows = part.min(job.rows - row);
                part_of.a = job.a.add(tile * job.a_tile + row * job.a_row);
                part_of.out = job.out.add(tile * job.out_tile + row * job.out_row);
                part_of.start = job.start.wrapping_add(tile * job.start_tile + row * job.start_row);
                let fresh = job.start.is_null();
                match job.wide {
                    1 => by_rows::<1>(&part_of, fresh),
                    _ => by_rows::<2>(&part_of, fresh),
                }
            }
        }
    }
}

/// # Safety
/// As [`dot`].
unsafe fn by_rows<const V: usize>(job: &Job, fresh: bool) {
    // SAFETY: the caller's.
    unsafe {
        match job.rows {
            1 => vectors::<1, V>(job, fresh),
            2 => vectors::<2, V>(job, fresh),
            3 => vectors::<3, V>(job, fresh),
            4 => vectors::<4, V>(job, fresh),
            5 => vectors::<5, V>(job, fresh),
            6 => vectors::<6, V>(job, fresh),
            7 => vectors::<7, V>(job, fresh),
            8 => vectors::<8, V>(job, fresh),
            9 => vectors::<9, V>(job, fresh),
            10 => vectors::<10, V>(job, fresh),
            11 => vectors::<11, V>(job, fresh),
            _ => vectors::<MOST, V>(job, fresh),
        }
    }
}

/// R rows by V vectors.
///
/// # Safety
/// As [`dot`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn vectors<const R: usize, const V: usize>(job: &Job, fresh: bool) {
    // SAFETY: the caller's; bits of pairs are pairs of bfloat16.
    unsafe {
        let pairs = |bits: __m512i| std::mem::transmute::<__m512i, __m512bh>(bits);
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        if !fresh {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_loadu_ps(job.start.add(r * job.start_row + v * PANEL));
                }
            }
        }
        for outer in 0..job.outer.count {
            for inner in 0..job.inner.count {
                let mut a = job.a.add(outer * job.outer.a + inner * job.inner.a);
                let mut b = job.b.add(outer * job.outer.b + inner * job.inner.b);
                for _ in 0..job.pairs {
                    let mut line = [_mm512_setzero_si512(); V];
                    for (v, line) in line.iter_mut().enumerate() {
                        *line = _mm512_loadu_si512(b.add(v * job.b_panel).cast());
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let pair = a.add(r * job.a_row).cast::<i32>().read_unaligned();
                        let value = _mm512_set1_epi32(pair);
                        for (sum, line) in sums.iter_mut().zip(line) {
                            *sum = _mm512_dpbf16_ps(*sum, pairs(value), pairs(line));
                        }
                    }
                    a = a.add(4);
                    // Wrapping, since the last line's step may lead past the operand.
                    b = b.wrapping_add(job.b_row);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(job.out.add(r * job.out_row + v * PANEL), *sum);
            }
        }
    }
}
