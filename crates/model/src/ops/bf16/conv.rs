//! Convolutions of images, weights and gradients in bfloat16, added up in f32.
//!
//! As with [`super::super::conv`], windows are read where they lie: of the image for the product with the
//! weights, and for the gradient by the weights of an image in which each value is paired with the one a window further.

use super::super::conv::{Grid, Windows};
use super::super::lanes::Bf16;
use super::super::padded;
use super::pack::{self, Line};
use super::tiles::{Job, SIDE, Walk};
use super::{Engine, PANEL, bits};
use std::cell::RefCell;

thread_local! {
    /// The image in pairs, and the gradient with its pixels in pairs.
    static SCRATCH: RefCell<[Vec<Line>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Bytes of a chunk of rows that all jobs of a correlation go over: some two thirds of the cache.
const L1: usize = 32 << 10;

/// Values of one step along a window.
const STEP: usize = 2 * SIDE;

/// Weights `[runs * run, outputs]` for windows of so many runs of so many values: for every panel of 16 outputs, and every step
/// of 32 values along a run, 16 lines of 16 pairs; zero where there is nothing.
pub(in super::super) struct Panels {
    engine: Engine,
    lines: Vec<Line>,
    runs: usize,
    run: usize,
    outputs: usize,
}

impl Panels {
    pub(in super::super) fn new(
        engine: Engine,
        weight: &[f32],
        windows: &Windows,
        outputs: usize,
    ) -> Self {
        let Windows { runs, run, .. } = *windows;
        let steps = run.div_ceil(STEP);
        let mut lines = vec![Line::default(); outputs.div_ceil(PANEL) * runs * steps * SIDE];
        for (index, line) in lines.iter_mut().enumerate() {
            let (step, pair) = (index / SIDE % steps, index % SIDE);
            let (run_index, panel) = (index / SIDE / steps % runs, index / SIDE / steps / runs);
            for (lane, pairs) in line.0.iter_mut().enumerate() {
                let output = panel * PANEL + lane;
                let at = |value: usize| match value < run && output < outputs {
                    true => bits(weight[(run_index * run + value) * outputs + output]),
                    false => 0,
                };
                let value = step * STEP + 2 * pair;
                *pairs = at(value) | at(value + 1) << 16;
            }
        }
        Self { engine, lines, runs, run, outputs }
    }

    /// The pixels of `to` in `out`, `outputs` long, become `windows weights`. Behind the last window there must be
    /// 31 values more, numbers all.
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    pub(in super::super) fn convolve(
        &self,
        image: &[Bf16],
        windows: Windows,
        out: &mut [f32],
        to: Grid,
    ) {
        let outputs = self.outputs;
        assert!((windows.runs, windows.run) == (self.runs, self.run), "windows of the weights");
        // The last step along a run may read so far behind it, where weights are zero.
        assert!(windows.end() + STEP - 1 <= image.len(), "windows");
        assert!((to.height, to.width) == (windows.grid.height, windows.grid.width), "grids");
        assert!(to.end(outputs) <= out.len(), "convolution's output");
        // SAFETY: windows and pixels lie within the buffers, as was checked, and the engine has the instructions.
        unsafe { self.tiles(image.as_ptr().cast(), windows, out, to) };
    }

    /// # Safety
    /// The windows, and 31 values more, must lie in the image, the pixels in `out`.
    unsafe fn tiles(&self, image: *const u16, windows: Windows, out: &mut [f32], to: Grid) {
        // A row of pixels in equal tiles, of which the last overlaps the one before if it must.
        let across = to.width.div_ceil(SIDE);
        let rows = to.width.div_ceil(across);
        let place = |tile: usize| (tile / across, (tile % across * rows).min(to.width - rows));
        let steps = self.run.div_ceil(STEP);
        let panel = self.runs * steps * SIDE;
        // SAFETY: the engine has the instructions.
        let session = unsafe { self.engine.begin(rows, SIDE) };
        let mut scratch = [0.0_f32; 4 * SIDE * PANEL];
        for tile in (0..to.height * across).step_by(2) {
            let tall = 2.min(to.height * across - tile);
            let places = [place(tile), place(tile + tall - 1)];
            let [from, next] = places.map(|place| windows.grid.at(place));
            let [target, target_next] = places.map(|place| to.at(place));
            for column in (0..self.outputs).step_by(2 * PANEL) {
                let width = (2 * PANEL).min(self.outputs - column);
                // Panels that are cut off take a detour through scratch.
                let whole = width.is_multiple_of(PANEL);
                let (sums, out_row, out_tile) = match whole {
                    true => (out[target + column..].as_mut_ptr(), to.step, target_next - target),
                    false => (scratch.as_mut_ptr(), 2 * PANEL, 2 * SIDE * PANEL),
                };
                let job = Job {
                    rows,
                    pairs: SIDE,
                    tall,
                    wide: width.div_ceil(PANEL),
                    // SAFETY: the first window lies in the image.
                    a: unsafe { image.add(from) }.cast(),
                    a_row: 2 * windows.grid.step,
                    a_tile: 2 * (next - from),
                    b: self.lines[column / PANEL * panel..].as_ptr().cast(),
                    b_row: PANEL,
                    b_panel: panel * PANEL,
                    outer: Walk { count: self.runs, a: 2 * windows.next, b: steps * SIDE * PANEL },
                    inner: Walk { count: steps, a: 2 * STEP, b: SIDE * PANEL },
                    out: sums,
                    out_row,
                    out_tile,
                    start: std::ptr::null(),
                    start_row: 0,
                    start_tile: 0,
                };
                // SAFETY: the caller's.
                unsafe { session.run(&job) };
                if !whole {
                    for (place, tile) in [target, target_next]
                        .into_iter()
                        .zip(scratch.chunks_exact(out_tile))
                        .take(tall)
                    {
                        for (row, line) in tile.chunks_exact(out_row).enumerate().take(rows) {
                            let at = place + row * to.step + column;
                            out[at..at + width].copy_from_slice(&line[..width]);
                        }
                    }
                }
            }
        }
    }
}

/// Sums over pixels of products of their windows with their gradients.
pub(in super::super) struct Correlation {
    engine: Engine,
    /// `[columns, runs, run rounded up to 16]`.
    sums: Vec<f32>,
    columns: usize,
    outputs: usize,
    runs: usize,
    run: usize,
}

impl Correlation {
    /// Of windows like these with gradients of so many outputs.
    pub(in super::super) fn new(engine: Engine, windows: &Windows, outputs: usize) -> Self {
        let Windows { runs, run, .. } = *windows;
        let columns = padded(outputs);
        let sums = vec![0.0; columns * runs * run.next_multiple_of(PANEL)];
        Self { engine, sums, columns, outputs, runs, run }
    }

    /// Adds an image's; the pixels of `grads` are as long as whole panels of the outputs.
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    pub(in super::super) fn add(
        &mut self,
        image: &[Bf16],
        windows: Windows,
        grads: &[Bf16],
        grid: Grid,
    ) {
        assert!((windows.runs, windows.run) == (self.runs, self.run), "windows of the sums");
        assert!(windows.end() <= image.len() && grid.end(self.columns) <= grads.len(), "windows");
        assert!((grid.height, grid.width) == (windows.grid.height, windows.grid.width), "grids");
        assert!(self.columns.is_multiple_of(PANEL), "whole panels");
        let all = grid.width.div_ceil(2);
        let steps = all.div_ceil(SIDE);
        let pairs = all.div_ceil(steps);
        let wide = self.run.next_multiple_of(PANEL);
        let step = windows.grid.step;
        // Steps may lead past the last pixel, and lines past a window's end, where gradients or readers are none.
        let last = windows.grid.start
            + (self.runs - 1) * windows.next
            + (grid.height - 1) * windows.grid.row
            + (2 * pairs * steps - 1) * step
            + wide;
        let blocks = self.columns / PANEL;
        SCRATCH.with_borrow_mut(|[paired, turned]| {
            pack::room(paired, image.len().max(last) + 2 * PANEL);
            pack::room(turned, grid.height * steps * blocks * SIDE * PANEL);
            // SAFETY: there is room, the engine has the instructions, and the gradients are there.
            unsafe {
                pack::pair(image, step, last, paired.as_mut_ptr().cast());
                for y in 0..grid.height {
                    for part in 0..steps {
                        for block in 0..blocks {
                            let first = (2 * part * pairs).min(grid.width - 1);
                            let pixels =
                                (2 * pairs).min(grid.width.saturating_sub(2 * part * pairs));
                            let from = grads[grid.at((y, first)) + block * PANEL..].as_ptr();
                            let to = &mut turned[((y * steps + part) * blocks + block) * SIDE..];
                            pack::turn(from, grid.step, pixels, to.as_mut_ptr().cast());
                        }
                    }
                }
            }
            // SAFETY: the engine has the instructions.
            let session = unsafe { self.engine.begin(SIDE, pairs) };
            let stride = self.runs * wide;
            // So many rows at once that windows and gradients of all jobs stay in the L1 cache.
            let row = 4 * windows.grid.row + 4 * steps * blocks * SIDE * SIDE;
            let rows = (L1 / row).max(1);
            for top in (0..grid.height).step_by(rows) {
                for block in (0..blocks).step_by(2) {
                    for run in 0..self.runs {
                        for value in (0..wide).step_by(2 * PANEL) {
                            let at = block * PANEL * stride + run * wide + value;
                            let from = windows.grid.at((top, 0)) + run * windows.next + value;
                            let sums = self.sums[at..].as_mut_ptr();
                            let job = Job {
                                rows: SIDE,
                                pairs,
                                tall: 2.min(blocks - block),
                                wide: 2.min((wide - value) / PANEL),
                                a: turned[(top * steps * blocks + block) * SIDE..].as_ptr().cast(),
                                a_row: 4 * SIDE,
                                a_tile: 4 * SIDE * SIDE,
                                // SAFETY: windows lie in the image.
                                b: unsafe { paired.as_ptr().cast::<u32>().add(from) },
                                b_row: 2 * step,
                                b_panel: PANEL,
                                outer: Walk {
                                    count: rows.min(grid.height - top),
                                    a: 4 * steps * blocks * SIDE * SIDE,
                                    b: windows.grid.row,
                                },
                                inner: Walk {
                                    count: steps,
                                    a: 4 * blocks * SIDE * SIDE,
                                    b: 2 * pairs * step,
                                },
                                out: sums,
                                out_row: stride,
                                out_tile: PANEL * stride,
                                start: sums,
                                start_row: stride,
                                start_tile: PANEL * stride,
                            };
                            // SAFETY: gradients, windows and what lies behind them are in scratch, the tiles in the sums.
                            unsafe { session.run(&job) };
                        }
                    }
                }
            }
        });
    }

    /// The sums `[runs * run, outputs]`.
    pub(in super::super) fn store(&self, to: &mut [f32]) {
        let wide = self.run.next_multiple_of(PANEL);
        for (index, line) in
            to.chunks_exact_mut(self.outputs).enumerate().take(self.runs * self.run)
        {
            let at = index / self.run * wide + index % self.run;
            for (column, value) in line.iter_mut().enumerate() {
                *value = self.sums[column * self.runs * wide + at];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::conv::{convolve, correlate};
    use super::super::super::lanes::Value;
    use super::super::super::{Packed, check};
    use super::super::round;
    use super::*;

    const NAN: Bf16 = Bf16(0x7fc0);

    fn normal(count: usize, name: &str) -> Vec<f32> {
        check::normal(name, &[count]).to_vec1::<f32>().unwrap()
    }

    fn rounded(values: &[f32]) -> Vec<f32> {
        values.iter().copied().map(round).collect()
    }

    /// With zeros behind.
    fn narrow(values: &[f32]) -> Vec<Bf16> {
        let zeros = std::iter::repeat_n(0.0, STEP);
        values.iter().copied().chain(zeros).map(Bf16::of).collect()
    }

    /// Windows of an image, its size, and outputs.
    fn cases() -> Vec<(Windows, usize, usize)> {
        // Kernel, stride, channels, rows and columns of windows, outputs: runs shorter and longer than a step, rows that
        // are less and more than one tile, columns that do not fill a panel.
        [
            (3, 1, 2, 4, 5, 3),
            (3, 1, 16, 3, 24, 32),
            (3, 1, 32, 2, 17, 18),
            (8, 4, 3, 5, 7, 16),
            (1, 1, 40, 2, 33, 34),
            (2, 3, 5, 3, 1, 48),
            (4, 2, 3, 1, 70, 20),
        ]
        .into_iter()
        .map(|(kernel, stride, channels, height, width, outputs)| {
            let row = ((width - 1) * stride + kernel) * channels;
            let start = 0;
            let grid = Grid { height, width, start, row: stride * row, step: stride * channels };
            let windows = Windows { grid, runs: kernel, run: kernel * channels, next: row };
            (windows, ((height - 1) * stride + kernel) * row, outputs)
        })
        .collect()
    }

    #[test]
    fn agrees_with_the_convolution_of_rounded_values() {
        for engine in Engine::all() {
            for (windows, size, outputs) in cases() {
                let (image, weight) =
                    (normal(size, "image"), normal(windows.len() * outputs, "weight"));
                let Grid { height, width, .. } = windows.grid;
                let pixels = height * width;
                let to = Grid { height, width, start: 0, row: width * outputs, step: outputs };
                let packed = Packed::new(&rounded(&weight), windows.len(), outputs);
                let mut want = vec![0.0; pixels * outputs];
                convolve(&rounded(&image), windows, &packed, &mut want, to);
                let mut got = vec![f32::NAN; pixels * outputs];
                let panels = Panels::new(engine, &weight, &windows, outputs);
                panels.convolve(&narrow(&image), windows, &mut got, to);
                for (got, want) in got.iter().zip(&want) {
                    assert!((got - want).abs() < 1e-4, "{engine:?} {outputs}: {got} {want}");
                }

                let columns = padded(outputs);
                let grads = normal(pixels * columns, "grads");
                let grid = Grid { height, width, start: 0, row: width * columns, step: columns };
                let mut want = vec![0.0; windows.len() * columns];
                let mut sums = Correlation::new(engine, &windows, outputs);
                for _ in 0..2 {
                    let (exact, exact_grads) = (rounded(&image), rounded(&grads));
                    correlate(&exact, windows, &exact_grads, grid, columns, &mut want);
                    sums.add(&narrow(&image), windows, &narrow(&grads), grid);
                }
                let mut got = vec![f32::NAN; windows.len() * outputs];
                sums.store(&mut got);
                let want = want.chunks_exact(columns).flat_map(|line| &line[..outputs]);
                for (got, want) in got.iter().zip(want) {
                    assert!((got - want).abs() < 1e-4, "{engine:?} {outputs}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn what_was_no_number_is_forgotten() {
        for engine in Engine::all() {
            let (windows, size, outputs) = cases()[1];
            let (small, small_size, few) = cases()[0];
            let Grid { height, width, .. } = windows.grid;
            let to = Grid { height, width, start: 0, row: width * outputs, step: outputs };
            let weight = normal(windows.len() * outputs, "weight");
            let panels = Panels::new(engine, &weight, &windows, outputs);
            let mut out = vec![0.0; height * width * outputs];
            panels.convolve(&vec![NAN; size + STEP], windows, &mut out, to);
            let grads = vec![NAN; out.len()];
            let mut sums = Correlation::new(engine, &windows, outputs);
            sums.add(&vec![NAN; size], windows, &grads, to);
            assert!(out.iter().all(|value| value.is_nan()));

            let Grid { height, width, .. } = small.grid;
            let to = Grid { height, width, start: 0, row: width * few, step: few };
            let (image, weight) =
                (normal(small_size, "image"), normal(small.len() * few, "weight"));
            let mut out = vec![f32::NAN; height * width * few];
            let panels = Panels::new(engine, &weight, &small, few);
            panels.convolve(&narrow(&image), small, &mut out, to);
            assert!(out.iter().all(|value| value.is_finite()));
            let columns = padded(few);
            let to = Grid { height, width, start: 0, row: width * columns, step: columns };
            let mut sums = Correlation::new(engine, &small, few);
            let grads = narrow(&normal(height * width * columns, "grads"));
            sums.add(&narrow(&image), small, &grads, to);
            let mut got = vec![f32::NAN; small.len() * few];
            sums.store(&mut got);
            assert!(got.iter().all(|value| value.is_finite()));
        }
    }
}
