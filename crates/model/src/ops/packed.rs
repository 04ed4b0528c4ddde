//! Products with weights that were packed once: the planner multiplies the same matrices by new rows
//! many thousand times, so packing them in every call, as a general product does, is a waste.
//!
//! Each element of a result is one chain of multiply-adds over the inputs, in order, whatever the
//! number of rows: the bits depend neither on how the rows are cut into chunks nor on how many threads
//! work on them.

use std::ops::Deref;

/// Columns of a panel: one or two vectors, depending on the machine.
pub(super) const PANEL: usize = 16;

/// Inputs worked off at a time when there are many: a panel's share of them stays in the L1 cache.
const BLOCK: usize = 256;

/// Rows of the largest tile.
const TILE: usize = 12;

/// Values that start on a cache line, so that no vector load crosses one.
#[derive(Clone, Default)]
struct Aligned(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; PANEL]);

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a `Line` is exactly its 16 floats (C layout, size equal to its alignment).
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * PANEL) }
    }
}

/// The distance between rows of a buffer of so many columns: whole panels, and off the powers of two
/// whose rows would all fall into the same few sets of the cache.
pub(crate) fn stride(columns: usize) -> usize {
    padded(columns) + PANEL
}

/// The columns rounded up to whole panels.
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(PANEL)
}

/// A matrix `[inputs, outputs]` in panels of 16 columns, each `[inputs, 16]`, zero beyond the last.
#[derive(Clone, Default)]
pub(crate) struct Packed {
    inputs: usize,
    outputs: usize,
    panels: Aligned,
}

/// Rows to multiply: row i is `values[i * stride..][..width]`, and meets the weights' rows from `row` on.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub values: &'a [f32],
    /// Distance between rows; 0 repeats the first.
    pub stride: usize,
    pub width: usize,
    pub row: usize,
}

/// Rows added to the result: row i is `values[i * stride..][..outputs]`; a stride of 0 repeats one (a bias).
#[derive(Clone, Copy)]
pub(crate) struct Addend<'a> {
    pub values: &'a [f32],
    pub stride: usize,
}

impl<'a> Addend<'a> {
    /// The same for every row.
    pub(crate) fn bias(values: &'a [f32]) -> Self {
        Self { values, stride: 0 }
    }
}

impl Packed {
    /// Packs a row-major matrix.
    pub(crate) fn new(weight: &[f32], inputs: usize, outputs: usize) -> Self {
        Self::gather(inputs, outputs, |row, column| weight[row * outputs + column])
    }

    /// Packs the transpose of a row-major `[outputs, inputs]` matrix.
    pub(crate) fn transposed(weight: &[f32], inputs: usize, outputs: usize) -> Self {
        Self::gather(inputs, outputs, |row, column| weight[column * inputs + row])
    }

    fn gather(inputs: usize, outputs: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut lines = vec![Line([0.0; PANEL]); inputs * outputs.div_ceil(PANEL)];
        for (index, line) in lines.iter_mut().enumerate() {
            let (panel, row) = (index / inputs, index % inputs);
            for (lane, value) in line.0.iter_mut().enumerate() {
                let column = panel * PANEL + lane;
                if column < outputs {
                    *value = at(row, column);
                }
            }
        }
        Self { inputs, outputs, panels: Aligned(lines) }
    }

    /// The matrix, row-major.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn plain(&self) -> Vec<f32> {
        let at = |index: usize| {
            let (row, column) = (index / self.outputs, index % self.outputs);
            self.panel(column / PANEL)[row * PANEL + column % PANEL]
        };
        (0..self.inputs * self.outputs).map(at).collect()
    }

    /// Rows of the matrix.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The columns from `index * 16` on, `[inputs, 16]` and what lies behind.
    pub(super) fn panel(&self, index: usize) -> &[f32] {
        &self.panels[index * self.inputs * PANEL..]
    }

    /// Columns of the result.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `out[i] = sum of addends[i] + sum over sources of source[i] W[row..row + width]` for each of
    /// `rows` rows; rows of `out` are `out_stride` apart.
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    pub(crate) fn product(
        &self,
        rows: usize,
        sources: &[Source<'_>],
        addends: [Option<Addend<'_>>; 2],
        out: &mut [f32],
        out_stride: usize,
    ) {
        let needs = |stride: usize, width: usize| match rows {
            0 => 0,
            _ => (rows - 1) * stride + width,
        };
        assert!(out_stride >= self.outputs && out.len() >= needs(out_stride, self.outputs));
        for source in sources {
            assert!(source.values.len() >= needs(source.stride, source.width), "product source");
            assert!(source.row + source.width <= self.inputs, "product weights");
        }
        for addend in addends.iter().flatten() {
            assert!(addend.values.len() >= needs(addend.stride, self.outputs), "product addend");
        }
        if rows == 0 {
            return;
        }
        let total: usize = sources.iter().map(|source| source.width).sum();
        if total <= 2 * BLOCK {
            self.pass(rows, sources, addends, false, out, out_stride);
            return;
        }
        let mut first = true;
        for source in sources {
            for begin in (0..source.width).step_by(BLOCK) {
                let part = Source {
                    values: &source.values[begin..],
                    width: BLOCK.min(source.width - begin),
                    row: source.row + begin,
                    ..*source
                };
                let addends = if first { addends } else { [None; 2] };
                self.pass(rows, &[part], addends, !first, out, out_stride);
                first = false;
            }
        }
    }

    /// One pass over few enough inputs; `resume` continues the sums that `out` holds.
    fn pass(
        &self,
        rows: usize,
        sources: &[Source<'_>],
        addends: [Option<Addend<'_>>; 2],
        resume: bool,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let mut raw = [Raw { rows: std::ptr::null(), stride: 0, width: 0, weights: 0 }; 6];
        assert!(sources.len() <= raw.len(), "too many sources of one product");
        for (raw, source) in raw.iter_mut().zip(sources) {
            *raw = Raw {
                rows: source.values.as_ptr(),
                stride: source.stride,
                width: source.width,
                weights: source.row * PANEL,
            };
        }
        let total: usize = sources.iter().map(|source| source.width).sum();
        let kernel = Kernel::of_machine();
        let mut scratch = [0.0_f32; TILE * 2 * PANEL];
        let mut edge = [[0.0_f32; TILE * PANEL]; 2];
        let mut column = 0;
        while column < self.outputs {
            let panels = if kernel.pairs() && column + 2 * PANEL <= self.outputs { 2 } else { 1 };
            let width = (panels * PANEL).min(self.outputs - column);
            let weights = self.panels[column * self.inputs..].as_ptr();
            let mut raw = raw;
            let used = &mut raw[..sources.len()];
            // The next panel is on its way from memory while this one is multiplied.
            let next = used.first().map_or(0, |raw| (column + width) * self.inputs + raw.weights);
            let ahead = self.panels.get(next..).unwrap_or_default();
            // A few rows are done before it could arrive.
            let lines = if rows > 2 * TILE { total } else { 0 };
            let ahead = &ahead[..ahead.len().min(lines * PANEL)];
            let mut row = 0;
            while row < rows {
                let count = kernel.tile(rows - row);
                let share = |row: usize| ahead.len() * row / rows;
                fetch_ahead(&ahead[share(row)..share(row + count)]);
                // A tile starts from what was there, or from the addends, and is written back whole; a
                // panel that is cut off by the matrix's edge takes a detour through the scratch tile.
                let whole = width == panels * PANEL;
                let at = row * out_stride + column;
                let start = if resume { None } else { Some(addends) };
                let mut lines = [std::ptr::null::<f32>(); 2];
                let mut strides = [0; 2];
                if let Some(addends) = start {
                    for (index, addend) in addends.iter().enumerate() {
                        let Some(addend) = addend else { continue };
                        let from = row * addend.stride + column;
                        if whole {
                            lines[index] = addend.values[from..].as_ptr();
                            strides[index] = addend.stride;
                        } else {
                            for r in 0..count {
                                let from = from + r * addend.stride;
                                edge[index][r * PANEL..r * PANEL + width]
                                    .copy_from_slice(&addend.values[from..from + width]);
                            }
                            lines[index] = edge[index].as_ptr();
                            strides[index] = PANEL;
                        }
                    }
                } else if !whole {
                    let held = &out[at..];
                    for r in 0..count {
                        scratch[r * 2 * PANEL..r * 2 * PANEL + width]
                            .copy_from_slice(&held[r * out_stride..r * out_stride + width]);
                    }
                }
                let (tile, tile_stride) = match whole {
                    true => (out[at..].as_mut_ptr(), out_stride),
                    false => (scratch.as_mut_ptr(), 2 * PANEL),
                };
                let job = Tile {
                    sources: used,
                    weights,
                    step: self.inputs * PANEL,
                    resume,
                    addends: lines,
                    addend_strides: strides,
                    out: tile,
                    out_stride: tile_stride,
                };
                // SAFETY: the buffers were checked by `product`; the tile lies within them or in scratch.
                unsafe { kernel.run(count, panels, &job) };
                if !whole {
                    for r in 0..count {
                        let to = at + r * out_stride;
                        out[to..to + width].copy_from_slice(&scratch[r * 2 * PANEL..][..width]);
                    }
                }
                for raw in used.iter_mut() {
                    // Wrapping, since the last tile's step leads past the rows.
                    raw.rows = raw.rows.wrapping_add(count * raw.stride);
                }
                row += count;
            }
            column += width;
        }
    }
}

/// Asks for these values to be brought near.
#[inline]
fn fetch_ahead(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(PANEL) {
        // SAFETY: a hint about values that are there.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(
                line.as_ptr().cast(),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// A source as the kernels see it.
#[derive(Clone, Copy)]
struct Raw {
    rows: *const f32,
    stride: usize,
    width: usize,
    /// Offset of the first weight within a panel.
    weights: usize,
}

/// One tile of a product.
struct Tile<'a> {
    sources: &'a [Raw],
    /// The first panel; the next lies `step` further.
    weights: *const f32,
    step: usize,
    /// Whether to start from `out` instead of from the addends.
    resume: bool,
    /// Null where there is none.
    addends: [*const f32; 2],
    addend_strides: [usize; 2],
    out: *mut f32,
    out_stride: usize,
}

/// The instruction set that the tiles are computed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    pub(super) fn of_machine() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("fma")
            {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Whether a tile spans two panels.
    pub(super) fn pairs(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Avx512 {
            return true;
        }
        false
    }

    /// Rows of the next tile when so many are left.
    fn tile(self, left: usize) -> usize {
        let largest = if self.pairs() { TILE } else { TILE / 2 };
        match left {
            _ if left >= largest => largest,
            6.. => 6,
            4.. => 4,
            2.. => 2,
            _ => 1,
        }
    }

    /// # Safety
    /// The tile's pointers must hold `rows` rows, and the machine must have the instructions.
    unsafe fn run(self, rows: usize, panels: usize, tile: &Tile<'_>) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => match (rows, panels) {
                    (12, 2) => x86::avx512::<12, 2>(tile),
                    (6, 2) => x86::avx512::<6, 2>(tile),
                    (4, 2) => x86::avx512::<4, 2>(tile),
                    (2, 2) => x86::avx512::<2, 2>(tile),
                    (_, 2) => x86::avx512::<1, 2>(tile),
                    (12, _) => x86::avx512::<12, 1>(tile),
                    (6, _) => x86::avx512::<6, 1>(tile),
                    (4, _) => x86::avx512::<4, 1>(tile),
                    (2, _) => x86::avx512::<2, 1>(tile),
                    _ => x86::avx512::<1, 1>(tile),
                },
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => match rows {
                    6 => x86::avx2::<6, 2>(tile),
                    4 => x86::avx2::<4, 2>(tile),
                    2 => x86::avx2::<2, 2>(tile),
                    _ => x86::avx2::<1, 2>(tile),
                },
                Self::Portable => match rows {
                    6 => portable::<6>(tile),
                    4 => portable::<4>(tile),
                    2 => portable::<2>(tile),
                    _ => portable::<1>(tile),
                },
            }
        }
    }
}

/// # Safety
/// As [`Kernel::run`].
unsafe fn portable<const R: usize>(tile: &Tile<'_>) {
    // SAFETY: the caller's; a panel holds 16 columns.
    unsafe {
        let mut sums = [[0.0_f32; PANEL]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (lane, sum) in sums.iter_mut().enumerate() {
                if tile.resume {
                    *sum = *tile.out.add(r * tile.out_stride + lane);
                    continue;
                }
                for (line, stride) in tile.addends.iter().zip(tile.addend_strides) {
                    if !line.is_null() {
                        *sum += *line.add(r * stride + lane);
                    }
                }
            }
        }
        for source in tile.sources {
            let weights = tile.weights.add(source.weights);
            for k in 0..source.width {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = *source.rows.add(r * source.stride + k);
                    for (lane, sum) in sums.iter_mut().enumerate() {
                        *sum += value * *weights.add(k * PANEL + lane);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (lane, sum) in sums.iter().enumerate() {
                *tile.out.add(r * tile.out_stride + lane) = *sum;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{PANEL, Tile};
    use std::arch::x86_64::*;

    /// The same tile for two widths of vectors: R rows of V vectors, whose weights lie `step` apart.
    macro_rules! kernel {
        ($name:ident, $feature:literal, $lanes:literal, $step:expr, $zero:ident, $load:ident,
         $store:ident, $broadcast:ident, $add:ident, $fma:ident) => {
            /// # Safety
            /// As [`super::Kernel::run`].
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn $name<const R: usize, const V: usize>(tile: &Tile<'_>) {
                // SAFETY: the caller's.
                unsafe {
                    let step = $step(tile);
                    let mut sums = [[$zero(); V]; R];
                    for r in 0..R {
                        for v in 0..V {
                            if tile.resume {
                                sums[r][v] = $load(tile.out.add(r * tile.out_stride + v * $lanes));
                                continue;
                            }
                            for i in 0..2 {
                                if !tile.addends[i].is_null() {
                                    let from = r * tile.addend_strides[i] + v * $lanes;
                                    let line = $load(tile.addends[i].add(from));
                                    sums[r][v] = $add(sums[r][v], line);
                                }
                            }
                        }
                    }
                    for source in tile.sources {
                        let mut weights = tile.weights.add(source.weights);
                        let mut row = source.rows;
                        for _ in 0..source.width {
                            let mut line = [$zero(); V];
                            for v in 0..V {
                                line[v] = $load(weights.add(v * step));
                            }
                            for r in 0..R {
                                let value = $broadcast(*row.add(r * source.stride));
                                for v in 0..V {
                                    sums[r][v] = $fma(value, line[v], sums[r][v]);
                                }
                            }
                            weights = weights.add(PANEL);
                            row = row.add(1);
                        }
                    }
                    for r in 0..R {
                        for v in 0..V {
                            $store(tile.out.add(r * tile.out_stride + v * $lanes), sums[r][v]);
                        }
                    }
                }
            }
        };
    }

    kernel!(
        avx2,
        "avx2,fma",
        8,
        |_: &Tile<'_>| 8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps
    );
    kernel!(
        avx512,
        "avx512f",
        16,
        |tile: &Tile<'_>| tile.step,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    fn normal(count: usize, name: &str) -> Vec<f32> {
        let mut values = vec![0.0; count];
        Seed::new(7).child(name, 0).rng().fill_normal(&mut values);
        values
    }

    #[test]
    fn agrees_with_the_definition_at_any_size_and_cut() {
        for (rows, [first, second], outputs) in
            [(1, [3, 2], 5), (13, [4, 7], 33), (31, [17, 1], 48), (6, [700, 9], 20)]
        {
            let inputs = first + second;
            let (x, y) = (normal(rows * first, "x"), normal(rows * (second + 3), "y"));
            let (weight, bias) = (normal(inputs * outputs, "w"), normal(outputs, "b"));
            let base = normal(rows * outputs, "base");
            let packed = Packed::new(&weight, inputs, outputs);
            let out_stride = stride(outputs);
            let multiply = |from: usize, count: usize| {
                let mut out = vec![0.0; count * out_stride];
                packed.product(
                    count,
                    &[
                        Source { values: &x[from * first..], stride: first, width: first, row: 0 },
                        Source {
                            values: &y[from * (second + 3)..],
                            stride: second + 3,
                            width: second,
                            row: first,
                        },
                    ],
                    [
                        Some(Addend::bias(&bias)),
                        Some(Addend { values: &base[from * outputs..], stride: outputs }),
                    ],
                    &mut out,
                    out_stride,
                );
                out
            };
            let whole = multiply(0, rows);
            for row in 0..rows {
                for column in 0..outputs {
                    let input = |k: usize| match k < first {
                        true => x[row * first + k],
                        false => y[row * (second + 3) + k - first],
                    };
                    let sum: f64 = (0..inputs)
                        .map(|k| f64::from(input(k)) * f64::from(weight[k * outputs + column]))
                        .sum();
                    let want = sum + f64::from(bias[column] + base[row * outputs + column]);
                    let got = f64::from(whole[row * out_stride + column]);
                    assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{got} {want}");
                }
                let alone = multiply(row, 1);
                let there = &whole[row * out_stride..row * out_stride + outputs];
                assert_eq!(&alone[..outputs], there, "bits depend on the number of rows");
            }
        }
    }

    #[test]
    fn a_transpose_is_one() {
        let weight = normal(5 * 3, "w");
        let packed = Packed::transposed(&weight, 3, 5);
        let mut out = [0.0; 5];
        let x = [1.0, 0.0, 2.0];
        let source = Source { values: &x, stride: 3, width: 3, row: 0 };
        packed.product(1, &[source], [None; 2], &mut out, 5);
        for (column, value) in out.iter().enumerate() {
            assert!((value - weight[3 * column] - 2.0 * weight[3 * column + 2]).abs() < 1e-6);
        }
    }
}
