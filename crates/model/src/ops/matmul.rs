//! The one matrix product: a thin, safe cover over the `gemm` crate (candle's own kernels).

/// How a row-major buffer is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout2 {
    /// As stored.
    Normal,
    /// Transposed.
    Transposed,
}

/// `out [m, n] (+)= a [m, k] b [k, n]`, each row-major; a transposed operand is stored `[k, m]` or
/// `[n, k]`. Single-threaded.
///
/// # Panics
/// If a buffer is too short: the caller's shapes are wrong.
pub(crate) fn matmul(
    [m, k, n]: [usize; 3],
    a: (&[f32], Layout2),
    b: (&[f32], Layout2),
    out: &mut [f32],
    accumulate: bool,
) {
    assert!(a.0.len() >= m * k && b.0.len() >= k * n && out.len() >= m * n, "matmul buffers");
    let strides = |layout, rows: usize, columns: usize| match layout {
        Layout2::Normal => (1, columns as isize),
        Layout2::Transposed => (rows as isize, 1),
    };
    let (a_cs, a_rs) = strides(a.1, m, k);
    let (b_cs, b_rs) = strides(b.1, k, n);
    // SAFETY: the buffers were checked to hold the matrices these strides walk.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.0.as_ptr(),
            a_cs,
            a_rs,
            b.0.as_ptr(),
            b_cs,
            b_rs,
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
