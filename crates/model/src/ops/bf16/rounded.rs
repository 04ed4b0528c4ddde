//! A matrix that is rounded and packed once, for many products.

use super::super::matmul::{Matrix, Start, Target};
use super::pack::{self, Line, PANEL_STEP};
use super::tiles::SIDE;
use super::{BLOCK_ROWS, DEPTH, Engine, PANEL, UNIT, parts};
use std::sync::Arc;

/// The right factor of products, in blocks along the inner dimension.
#[derive(Clone)]
pub(in super::super) struct Rounded {
    engine: Engine,
    /// Of each the first inner value, how many there are, and the panels of all columns.
    blocks: Arc<Vec<(usize, usize, Vec<Line>)>>,
    size: [usize; 2],
}

impl Rounded {
    /// Of a row-major matrix.
    pub(in super::super) fn new(engine: Engine, values: &[f32], size: [usize; 2]) -> Self {
        let [inputs, columns] = size;
        assert!(values.len() >= inputs * columns, "matrix");
        let block = |(inner, depth)| {
            let panels = columns.div_ceil(PANEL);
            let mut lines = vec![Line::default(); panels * PANEL_STEP.div_ceil(PANEL)];
            let part = Matrix::rows(values, columns).part(inner, 0);
            // SAFETY: the part holds so much, the lines have room, and the machine has the engine.
            unsafe { pack::columns(part, [depth, columns], lines.as_mut_ptr().cast()) };
            (inner, depth, lines)
        };
        let blocks = match inputs * columns {
            0 => Vec::new(),
            _ => parts(inputs, DEPTH, UNIT).map(block).collect(),
        };
        Self { engine, blocks: Arc::new(blocks), size }
    }

    /// The product of `rows` rows, `stride` apart.
    ///
    /// # Safety
    /// The rows must be there, and the target have room for the result, initialised if it is added to.
    pub(in super::super) unsafe fn product(
        &self,
        rows: usize,
        (values, stride): (&[f32], usize),
        target: Target,
        start: Start<'_>,
    ) {
        let [_, columns] = self.size;
        // SAFETY: the machine has the engine.
        let session = unsafe { self.engine.begin(SIDE, SIDE) };
        pack::with_scratch(|squares, _| {
            for (index, (inner, depth, lines)) in self.blocks.iter().enumerate() {
                let start = if index > 0 { Start::Target } else { start };
                for (row, height) in parts(rows, BLOCK_ROWS, SIDE) {
                    let part = Matrix::rows(values, stride).part(row, *inner);
                    // SAFETY: the part lies within the rows, its target within the target.
                    unsafe {
                        pack::square(part, [height, *depth], squares);
                        let out = target.out.add(row * target.row);
                        let corner = Target { out, row: target.row };
                        let size = [height, *depth, columns];
                        session.block(size, squares, lines.as_ptr().cast(), corner, start);
                    }
                }
            }
        });
    }
}
