//! The one matrix product: in f32 a thin, safe cover over the `gemm` crate (candle's own kernels), in bf16 our own.

use super::bf16;
use crate::config::Precision;

/// How a row-major buffer is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout2 {
    /// As stored.
    Normal,
    /// Transposed.
    Transposed,
}

/// A matrix within a buffer: element (i, j) is `values[i * row + j * column]`, and one of both distances is 1.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that lie so far apart.
    pub(super) fn rows(values: &'a [f32], row: usize) -> Self {
        Self { values, row, column: 1 }
    }

    pub(super) fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    /// A matrix `[rows, columns]` as it is stored.
    pub(super) fn of((values, layout): (&'a [f32], Layout2), rows: usize, columns: usize) -> Self {
        match layout {
            Layout2::Normal => Self::rows(values, columns),
            Layout2::Transposed => Self::rows(values, rows).transposed(),
        }
    }

    /// What lies to the right of and below this element.
    pub(super) fn part(self, row: usize, column: usize) -> Self {
        Self { values: &self.values[row * self.row + column * self.column..], ..self }
    }

    /// Values that a matrix of this size needs.
    fn reach(&self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row + (columns - 1) * self.column + 1
    }
}

/// Where a product goes: rows that lie so far apart.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub out: *mut f32,
    pub row: usize,
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// Nothing; the target need not be initialised.
    Zero,
    /// What is in the target.
    Target,
    /// The same row everywhere; the target need not be initialised.
    Row(&'a [f32]),
}

/// `out [m, n] (+)= a [m, k] b [k, n]`, each row-major; a transposed operand is stored `[k, m]` or
/// `[n, k]`. In f32, single-threaded.
///
/// # Panics
/// If a buffer is too short: the caller's shapes are wrong.
pub(crate) fn matmul(
    size: [usize; 3],
    a: (&[f32], Layout2),
    b: (&[f32], Layout2),
    out: &mut [f32],
    accumulate: bool,
) {
    let [m, k, n] = size;
    let (a, b) = (Matrix::of(a, m, k), Matrix::of(b, k, n));
    product(Precision::F32, size, a, b, (out, n), accumulate);
}

/// The same in this precision, into a buffer whose values do not matter.
///
/// # Panics
/// If a buffer is too short: the caller's shapes are wrong.
pub(crate) fn matmul_in(
    precision: Precision,
    size: [usize; 3],
    a: (&[f32], Layout2),
    b: (&[f32], Layout2),
    out: &mut [f32],
) {
    let [m, k, n] = size;
    product(precision, size, Matrix::of(a, m, k), Matrix::of(b, k, n), (out, n), false);
}

/// The same of matrices within buffers and in this precision; the rows of `out` are `out_row` apart.
///
/// # Panics
/// If a buffer is too short, or rows of `out` overlap: the caller's shapes are wrong.
pub(super) fn product(
    precision: Precision,
    [m, k, n]: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    (out, out_row): (&mut [f32], usize),
    accumulate: bool,
) {
    if m * n == 0 {
        return;
    }
    assert!(out_row >= n && out.len() >= (m - 1) * out_row + n, "matmul target");
    let start = if accumulate { Start::Target } else { Start::Zero };
    let target = Target { out: out.as_mut_ptr(), row: out_row };
    // SAFETY: the target was checked to hold the result; it is initialised.
    unsafe { checked(precision, [m, k, n], a, b, target, start) };
}

/// The product in a buffer of its own, each row added to `bias` if there is one.
///
/// # Panics
/// If a buffer is too short: the caller's shapes are wrong.
pub(super) fn fresh(
    precision: Precision,
    size: [usize; 3],
    a: (&[f32], Layout2),
    b: (&[f32], Layout2),
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let [m, k, n] = size;
    // Clearing it first would take as long as a fourth of the product.
    let mut out = Vec::with_capacity(m * n);
    if m * n > 0 {
        let start = bias.map_or(Start::Zero, |bias| Start::Row(&bias[..n]));
        let target = Target { out: out.as_mut_ptr(), row: n };
        // SAFETY: there is room for the result, which is written without being read.
        unsafe {
            checked(precision, size, Matrix::of(a, m, k), Matrix::of(b, k, n), target, start);
            out.set_len(m * n);
        }
    }
    out
}

/// # Safety
/// The target must have room for `[m, n]`, more than nothing, initialised if it is what the product is added to.
unsafe fn checked(
    precision: Precision,
    [m, k, n]: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    target: Target,
    start: Start<'_>,
) {
    let whole = k == 0 || (a.values.len() >= a.reach(m, k) && b.values.len() >= b.reach(k, n));
    let dense = |x: &Matrix<'_>| x.row == 1 || x.column == 1;
    assert!(whole && dense(&a) && dense(&b), "matmul buffers");
    // SAFETY: the buffers were checked to hold the matrices; the target is the caller's.
    unsafe {
        match precision {
            Precision::F32 => product_f32([m, k, n], a, b, target, start),
            Precision::Bf16 => bf16::product([m, k, n], a, b, target, start),
        }
    }
}

/// # Safety
/// The buffers must hold what the sizes say.
pub(super) unsafe fn product_f32(
    [m, k, n]: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    target: Target,
    start: Start<'_>,
) {
    if let Start::Row(values) = start {
        for row in 0..m {
            // SAFETY: the target has m rows of n.
            unsafe {
                let to = target.out.add(row * target.row);
                std::ptr::copy_nonoverlapping(values.as_ptr(), to, n);
            }
        }
    }
    // SAFETY: the caller's; without `accumulate` the target is not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.out,
            1,
            target.row as isize,
            !matches!(start, Start::Zero),
            a.values.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.values.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_agree() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [2, 3]
        let at = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]; // stored [3, 2]
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 1.0]; // [3, 2]
        let want = [5.0, 5.0, 14.0, 11.0];
        for precision in [Precision::F32, Precision::Bf16] {
            let (normal, transposed) = (Layout2::Normal, Layout2::Transposed);
            let mut out = [0.0; 4];
            let (left, right) = (Matrix::of((&at, transposed), 2, 3), Matrix::rows(&b, 2));
            product(precision, [2, 3, 2], Matrix::rows(&a, 3), right, (&mut out, 2), false);
            assert_eq!(out, want);
            product(precision, [2, 3, 2], left, right, (&mut out, 2), true);
            assert_eq!(out, want.map(|value| 2.0 * value));
            let bias = [1.0, 2.0];
            let got = fresh(precision, [2, 3, 2], (&a, normal), (&b, normal), Some(&bias));
            assert_eq!(got, [6.0, 7.0, 15.0, 13.0]);
        }
    }
}
