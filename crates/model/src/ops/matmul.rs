//! The one matrix product: a thin, safe cover over the `gemm` crate (candle's own kernels).

/// How a row-major buffer is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout2 {
    /// As stored.
    Normal,
    /// Transposed.
    Transposed,
}

/// A matrix within a buffer: element (i, j) is `values[i * row + j * column]`.
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

    /// Values that a matrix of this size needs.
    fn reach(&self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row + (columns - 1) * self.column + 1
    }
}

/// `out [m, n] (+)= a [m, k] b [k, n]`, each row-major; a transposed operand is stored `[k, m]` or
/// `[n, k]`. Single-threaded.
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
    let matrix = |(values, layout), rows: usize, columns: usize| match layout {
        Layout2::Normal => Matrix::rows(values, columns),
        Layout2::Transposed => Matrix::rows(values, rows).transposed(),
    };
    product(size, matrix(a, m, k), matrix(b, k, n), (out, n), accumulate);
}

/// The same of matrices within buffers; the rows of `out` are `out_row` apart.
///
/// # Panics
/// If a buffer is too short, or rows of `out` overlap: the caller's shapes are wrong.
pub(super) fn product(
    [m, k, n]: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    (out, out_row): (&mut [f32], usize),
    accumulate: bool,
) {
    if m * n == 0 {
        return;
    }
    let whole = k == 0 || (a.values.len() >= a.reach(m, k) && b.values.len() >= b.reach(k, n));
    assert!(whole && out_row >= n && out.len() >= (m - 1) * out_row + n, "matmul buffers");
    // SAFETY: the buffers were checked to hold the matrices these strides walk.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_row as isize,
            accumulate,
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
        let mut out = [0.0; 4];
        matmul([2, 3, 2], (&a, Layout2::Normal), (&b, Layout2::Normal), &mut out, false);
        assert_eq!(out, want);
        matmul([2, 3, 2], (&at, Layout2::Transposed), (&b, Layout2::Normal), &mut out, true);
        assert_eq!(out, want.map(|value| 2.0 * value));
    }
}
