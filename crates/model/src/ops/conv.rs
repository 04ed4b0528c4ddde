//! 2-D convolution over padded `[h, w, c]` images, without unfolding them: a window is a few runs of
//! consecutive values, so each tile of the product reads its windows where they lie.
//!
//! A sum over a window, or over the windows of an image, is one chain of multiply-adds in order.

use super::packed::{Kernel, PANEL, Packed};

/// The shape of a convolution with square kernels; the padding is less than the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Kernel rows and columns.
    pub kernel: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

impl ConvShape {
    /// Output rows (or columns) for so many input rows (or columns).
    pub(crate) fn output(self, input: usize) -> usize {
        (input + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1
    }
}

/// Where the pixels of a grid lie in a buffer: that of row y and column x at `start + y * row + x * step`.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub height: usize,
    pub width: usize,
    pub start: usize,
    pub row: usize,
    pub step: usize,
}

impl Grid {
    pub(super) fn pixels(&self) -> usize {
        self.height * self.width
    }

    pub(super) fn at(&self, (y, x): (usize, usize)) -> usize {
        self.start + y * self.row + x * self.step
    }

    /// The first value behind the last pixel, if pixels are so long.
    pub(super) fn end(&self, length: usize) -> usize {
        self.start + (self.height - 1) * self.row + (self.width - 1) * self.step + length
    }
}

/// The windows of a grid: each is `runs` runs of `run` values, `next` apart.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub grid: Grid,
    pub runs: usize,
    pub run: usize,
    pub next: usize,
}

impl Windows {
    /// Values in a window.
    pub(super) fn len(&self) -> usize {
        self.runs * self.run
    }

    pub(super) fn end(&self) -> usize {
        self.grid.end((self.runs - 1) * self.next + self.run)
    }
}

/// Pixels (or window values) of the largest tile: sums enough to hide a multiply-add's latency even in a single panel.
const TILE: usize = 8;

/// Rows of the next tile when so many are left. AVX2 has registers for 6.
fn tile(kernel: Kernel, left: usize) -> usize {
    match left {
        8.. if kernel.pairs() => 8,
        6.. => 6,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

/// The pixels of `to` in `out`, `outputs` long, become `windows weights`.
///
/// # Panics
/// If a buffer is too short: the caller's shapes are wrong.
pub(super) fn convolve(
    image: &[f32],
    windows: Windows,
    weights: &Packed,
    out: &mut [f32],
    to: Grid,
) {
    let (pixels, outputs) = (windows.grid.pixels(), weights.outputs());
    assert!(windows.len() == weights.inputs() && windows.end() <= image.len(), "windows");
    assert!((to.height, to.width) == (windows.grid.height, windows.grid.width), "grids");
    assert!(to.end(outputs) <= out.len(), "convolution's output");
    let kernel = Kernel::of_machine();
    let mut scratch = [0.0_f32; TILE * PANEL];
    let (mut pixel, mut next) = (0, (0, 0));
    while pixel < pixels {
        let count = tile(kernel, pixels - pixel);
        let mut rows = [image.as_ptr(); TILE];
        let mut places = [0; TILE];
        for (row, place) in rows.iter_mut().zip(&mut places).take(count) {
            *row = image[windows.grid.at(next)..].as_ptr();
            *place = to.at(next);
            next = if next.1 + 1 < to.width { (next.0, next.1 + 1) } else { (next.0 + 1, 0) };
        }
        let mut column = 0;
        while column < outputs {
            let panels = if kernel.pairs() && column + 2 * PANEL <= outputs { 2 } else { 1 };
            let width = (panels * PANEL).min(outputs - column);
            // A panel that is cut off takes a detour through scratch.
            let whole = width == panels * PANEL;
            let mut targets = [scratch.as_mut_ptr(); TILE];
            let lines = scratch.chunks_exact_mut(PANEL);
            for ((target, place), line) in targets.iter_mut().zip(places).zip(lines).take(count) {
                *target = match whole {
                    true => out[place + column..].as_mut_ptr(),
                    false => line.as_mut_ptr(),
                };
            }
            let job = Forward {
                rows,
                windows,
                weights: weights.panel(column / PANEL).as_ptr(),
                step: weights.inputs() * PANEL,
                targets,
            };
            // SAFETY: the windows end within the image and the pixels within `out` or scratch, as was checked.
            unsafe { kernel.forward(count, panels, &job) };
            if !whole {
                for (place, line) in places.iter().zip(scratch.chunks_exact(PANEL)).take(count) {
                    out[place + column..][..width].copy_from_slice(&line[..width]);
                }
            }
            column += width;
        }
        pixel += count;
    }
}

/// Adds to `sums [window, columns]` the products of each window's values with its pixel's gradient: the
/// pixels of `grads` are `columns` long, whole panels.
///
/// # Panics
/// If a buffer is too short: the caller's shapes are wrong.
pub(super) fn correlate(
    image: &[f32],
    windows: Windows,
    grads: &[f32],
    grid: Grid,
    columns: usize,
    sums: &mut [f32],
) {
    assert!(windows.end() <= image.len() && grid.end(columns) <= grads.len(), "windows");
    assert!((grid.height, grid.width) == (windows.grid.height, windows.grid.width), "grids");
    assert!(columns.is_multiple_of(PANEL) && sums.len() >= windows.len() * columns, "sums");
    let kernel = Kernel::of_machine();
    let mut column = 0;
    while column < columns {
        let panels = if kernel.pairs() && column + 2 * PANEL <= columns { 2 } else { 1 };
        for run in 0..windows.runs {
            let mut value = 0;
            while value < windows.run {
                let count = tile(kernel, windows.run - value);
                let at = (run * windows.run + value) * columns + column;
                let job = Backward {
                    image: image[windows.grid.start + run * windows.next + value..].as_ptr(),
                    from: windows.grid,
                    grads: grads[grid.start + column..].as_ptr(),
                    grid,
                    sums: sums[at..].as_mut_ptr(),
                    stride: columns,
                };
                // SAFETY: both grids end within their buffers and the tile within `sums`, as was checked.
                unsafe { kernel.backward(count, panels, &job) };
                value += count;
            }
        }
        column += panels * PANEL;
    }
}

/// One tile of [`convolve`].
struct Forward {
    rows: [*const f32; TILE],
    windows: Windows,
    /// The first panel; the next lies `step` further.
    weights: *const f32,
    step: usize,
    targets: [*mut f32; TILE],
}

/// One tile of [`correlate`].
struct Backward {
    image: *const f32,
    from: Grid,
    grads: *const f32,
    grid: Grid,
    sums: *mut f32,
    stride: usize,
}

/// Calls a kernel of so many rows.
macro_rules! by_rows {
    ($rows:expr, $kernel:ident, $panels:literal, $job:expr) => {
        match $rows {
            8 => $kernel::<8, $panels>($job),
            6 => $kernel::<6, $panels>($job),
            4 => $kernel::<4, $panels>($job),
            2 => $kernel::<2, $panels>($job),
            _ => $kernel::<1, $panels>($job),
        }
    };
}

impl Kernel {
    /// # Safety
    /// The tile's pointers must hold `count` rows of `panels` panels, and the machine must have the instructions.
    unsafe fn forward(self, count: usize, panels: usize, job: &Forward) {
        #[cfg(target_arch = "x86_64")]
        use x86::{forward_avx2, forward_avx512};
        // SAFETY: the caller's.
        unsafe {
            match (self, panels) {
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 2) => by_rows!(count, forward_avx512, 2, job),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, _) => by_rows!(count, forward_avx512, 1, job),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, _) => by_rows!(count, forward_avx2, 2, job),
                (Self::Portable, _) => by_rows!(count, forward_portable, 1, job),
            }
        }
    }

    /// # Safety
    /// As [`Kernel::forward`].
    unsafe fn backward(self, count: usize, panels: usize, job: &Backward) {
        #[cfg(target_arch = "x86_64")]
        use x86::{backward_avx2, backward_avx512};
        // SAFETY: the caller's.
        unsafe {
            match (self, panels) {
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 2) => by_rows!(count, backward_avx512, 2, job),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, _) => by_rows!(count, backward_avx512, 1, job),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, _) => by_rows!(count, backward_avx2, 2, job),
                (Self::Portable, _) => by_rows!(count, backward_portable, 1, job),
            }
        }
    }
}

/// # Safety
/// As [`Kernel::forward`].
unsafe fn forward_portable<const R: usize, const V: usize>(job: &Forward) {
    // SAFETY: the caller's; a panel holds 16 columns.
    unsafe {
        let mut sums = [[0.0_f32; PANEL]; R];
        let mut weights = job.weights;
        for run in 0..job.windows.runs {
            for k in 0..job.windows.run {
                for (sums, row) in sums.iter_mut().zip(job.rows) {
                    let value = *row.add(run * job.windows.next + k);
                    for (lane, sum) in sums.iter_mut().enumerate() {
                        *sum += value * *weights.add(lane);
                    }
                }
                weights = weights.add(PANEL);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (lane, sum) in sums.iter().enumerate() {
                *job.targets[r].add(lane) = *sum;
            }
        }
    }
}

/// # Safety
/// As [`Kernel::forward`].
unsafe fn backward_portable<const R: usize, const V: usize>(job: &Backward) {
    // SAFETY: the caller's; a panel holds 16 columns.
    unsafe {
        for y in 0..job.grid.height {
            for x in 0..job.grid.width {
                let values = job.image.add(y * job.from.row + x * job.from.step);
                let line = job.grads.add(y * job.grid.row + x * job.grid.step);
                for r in 0..R {
                    let value = *values.add(r);
                    for lane in 0..PANEL {
                        *job.sums.add(r * job.stride + lane) += value * *line.add(lane);
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Backward, Forward, PANEL};
    use std::arch::x86_64::*;

    /// Both tiles for two widths of vectors: R rows of V vectors.
    macro_rules! kernels {
        ($forward:ident, $backward:ident, $feature:literal, $lanes:literal, $step:expr, $zero:ident, $load:ident,
         $store:ident, $broadcast:ident, $fma:ident) => {
            /// # Safety
            /// As [`super::Kernel::forward`].
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn $forward<const R: usize, const V: usize>(job: &Forward) {
                // SAFETY: the caller's.
                unsafe {
                    let step = $step(job);
                    let mut sums = [[$zero(); V]; R];
                    let mut rows = [job.rows[0]; R];
                    rows.copy_from_slice(&job.rows[..R]);
                    let mut weights = job.weights;
                    for _ in 0..job.windows.runs {
                        for k in 0..job.windows.run {
                            let mut line = [$zero(); V];
                            for v in 0..V {
                                line[v] = $load(weights.add(v * step));
                            }
                            for r in 0..R {
                                let value = $broadcast(*rows[r].add(k));
                                for v in 0..V {
                                    sums[r][v] = $fma(value, line[v], sums[r][v]);
                                }
                            }
                            weights = weights.add(PANEL);
                        }
                        // Wrapping, since the last run's step may lead past the image.
                        rows = rows.map(|row| row.wrapping_add(job.windows.next));
                    }
                    for r in 0..R {
                        for v in 0..V {
                            $store(job.targets[r].add(v * $lanes), sums[r][v]);
                        }
                    }
                }
            }

            /// # Safety
            /// As [`super::Kernel::forward`].
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn $backward<const R: usize, const V: usize>(job: &Backward) {
                // SAFETY: the caller's.
                unsafe {
                    let mut sums = [[$zero(); V]; R];
                    for r in 0..R {
                        for v in 0..V {
                            sums[r][v] = $load(job.sums.add(r * job.stride + v * $lanes));
                        }
                    }
                    for y in 0..job.grid.height {
                        let mut values = job.image.add(y * job.from.row);
                        let mut grads = job.grads.add(y * job.grid.row);
                        for _ in 0..job.grid.width {
                            let mut line = [$zero(); V];
                            for v in 0..V {
                                line[v] = $load(grads.add(v * $lanes));
                            }
                            for r in 0..R {
                                let value = $broadcast(*values.add(r));
                                for v in 0..V {
                                    sums[r][v] = $fma(value, line[v], sums[r][v]);
                                }
                            }
                            // Wrapping, since the last pixel's step leads past the buffer.
                            values = values.wrapping_add(job.from.step);
                            grads = grads.wrapping_add(job.grid.step);
                        }
                    }
                    for r in 0..R {
                        for v in 0..V {
                            $store(job.sums.add(r * job.stride + v * $lanes), sums[r][v]);
                        }
                    }
                }
            }
        };
    }

    kernels!(
        forward_avx2,
        backward_avx2,
        "avx2,fma",
        8,
        |_: &Forward| 8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
    kernels!(
        forward_avx512,
        backward_avx512,
        "avx512f",
        16,
        |job: &Forward| job.step,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );
}
