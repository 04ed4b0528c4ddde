//! The geometry of a block: where windows, outputs and gradients lie, and how an image gets there.

use super::super::conv::{ConvShape, Grid, Windows};
use super::super::padded;
use super::Block;
use super::factor::{Factor, Room, Weights};
use candle_core::{Result, Tensor};
use std::ops::Range;

/// Sizes of a block, and where its variables lie in the flat vector of them all: weight, bias, gamma, beta.
#[derive(Clone, Copy)]
pub(super) struct Layer {
    shape: ConvShape,
    pub relu: bool,
    bias: bool,
    /// Of the input.
    height: usize,
    width: usize,
    pub channels: usize,
    pub outputs: usize,
    pub start: usize,
}

/// The sizes of the blocks for images like x, and all variables in one vector, the log temperature last if there is one.
pub(super) fn layers(
    x: &Tensor,
    blocks: &[Block<'_>],
    log_temperature: Option<&Tensor>,
) -> Result<(Vec<Layer>, Tensor)> {
    let (_, mut height, mut width, mut channels) = x.dims4()?;
    let (mut layers, mut variables, mut start) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        let (window, outputs) = block.weight.dims2()?;
        let ConvShape { kernel, padding, .. } = block.shape;
        if window != kernel * kernel * channels || padding >= kernel {
            candle_core::bail!(
                "a convolution of windows of {window} values was given {channels} channels"
            )
        }
        let bias = block.bias.is_some();
        let shape = block.shape;
        let layer =
            Layer { shape, relu: block.relu, bias, height, width, channels, outputs, start };
        variables.push(block.weight.flatten_all()?);
        variables.extend(block.bias.cloned());
        variables.extend([block.gamma.clone(), block.beta.clone()]);
        start = layer.end();
        (height, width, channels) = (shape.output(height), shape.output(width), outputs);
        layers.push(layer);
    }
    variables.extend(log_temperature.cloned());
    Ok((layers, Tensor::cat(&variables, 0)?))
}

impl Layer {
    pub(super) fn window(&self) -> usize {
        self.shape.kernel * self.shape.kernel * self.channels
    }

    pub(super) fn gamma(&self) -> usize {
        self.start + self.window() * self.outputs + if self.bias { self.outputs } else { 0 }
    }

    pub(super) fn end(&self) -> usize {
        self.gamma() + 2 * self.outputs
    }

    pub(super) fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub(super) fn output_len(&self) -> usize {
        let (height, width) = self.output();
        height * width * self.outputs
    }

    /// Rows and columns of the output.
    pub(super) fn output(&self) -> (usize, usize) {
        (self.shape.output(self.height), self.shape.output(self.width))
    }

    /// The output's pixels, one behind the other.
    pub(super) fn output_grid(&self) -> Grid {
        let (height, width) = self.output();
        Grid { height, width, start: 0, row: width * self.outputs, step: self.outputs }
    }

    /// Values in a row of the padded input.
    pub(super) fn padded_row(&self) -> usize {
        (self.width + 2 * self.shape.padding) * self.channels
    }

    /// A padded input, all zero.
    pub(super) fn padded_image<F: Factor>(&self) -> Room<F> {
        Room::new((self.height + 2 * self.shape.padding) * self.padded_row())
    }

    /// The windows of the padded input.
    pub(super) fn windows(&self) -> Windows {
        let ConvShape { kernel, stride, .. } = self.shape;
        let row = self.padded_row();
        let grid = Grid {
            height: self.shape.output(self.height),
            width: self.shape.output(self.width),
            start: 0,
            row: stride * row,
            step: stride * self.channels,
        };
        Windows { grid, runs: kernel, run: kernel * self.channels, next: row }
    }

    /// The rows in the middle of a padded input, each with where it lies in one that is not.
    pub(super) fn middle<'a, F>(
        &self,
        padded: &'a mut [F],
    ) -> impl Iterator<Item = (Range<usize>, &'a mut [F])> {
        let (row, step) = (self.width * self.channels, self.padded_row());
        let offset = self.shape.padding * (step + self.channels);
        let rows = padded[offset..].chunks_mut(step).take(self.height).enumerate();
        rows.map(move |(y, to)| (y * row..(y + 1) * row, &mut to[..row]))
    }

    /// Columns of a gradient's pixel: whole panels.
    pub(super) fn columns(&self) -> usize {
        padded(self.outputs)
    }

    /// Zeros around a gradient, in pixels on each side: as far as a window of the input reaches.
    fn margin(&self) -> usize {
        self.shape.kernel.div_ceil(self.shape.stride)
    }

    /// Values in a row of the padded gradient.
    fn gradient_row(&self) -> usize {
        (self.output().1 + 2 * self.margin()) * self.columns()
    }

    /// A padded gradient, all zero.
    pub(super) fn gradient_image<F: Factor>(&self) -> Room<F> {
        Room::new((self.output().0 + 2 * self.margin()) * self.gradient_row())
    }

    /// The output's pixels in the padded gradient.
    pub(super) fn gradient_grid(&self) -> Grid {
        let ((height, width), row, step) = (self.output(), self.gradient_row(), self.columns());
        Grid { height, width, start: self.margin() * (row + step), row, step }
    }

    /// Places that a pixel may have between two windows.
    pub(super) fn places(&self) -> usize {
        self.shape.stride * self.shape.stride
    }

    /// The convolutions of the padded gradient that give the gradient by the input: one for each place that a pixel may
    /// have between two windows.
    pub(super) fn turned<F: Factor>(&self, engine: F::Engine, flat: &[f32]) -> Vec<Turned<F>> {
        let stride = self.shape.stride;
        let places = (0..self.places()).map(|i| (i / stride, i % stride));
        places.filter_map(|place| self.turned_at(engine, flat, place)).collect()
    }

    /// Of the pixels y rows and x columns behind a window's first: they met every `stride`-th row and column of the kernel.
    fn turned_at<F: Factor>(
        &self,
        engine: F::Engine,
        flat: &[f32],
        (y, x): (usize, usize),
    ) -> Option<Turned<F>> {
        let ConvShape { kernel, stride, padding } = self.shape;
        let (columns, row) = (self.columns(), self.gradient_row());
        // Of one axis: taps of the kernel, the first such pixel's window, and how many pixels there are.
        let axis = |offset: usize, size: usize| {
            let taps = kernel.saturating_sub(offset).div_ceil(stride);
            let first = padding.saturating_sub(offset).div_ceil(stride);
            let count =
                (size + padding).saturating_sub(offset).div_ceil(stride).saturating_sub(first);
            (taps, first, count)
        };
        let ((taps_y, first_y, height), (taps_x, first_x, width)) =
            (axis(y, self.height), axis(x, self.width));
        if [taps_y, taps_x, height, width].contains(&0) {
            return None;
        }
        let mut weight = vec![0.0; taps_y * taps_x * columns * self.channels];
        for (tap, part) in weight.chunks_exact_mut(columns * self.channels).enumerate() {
            // The last window that saw the pixel did so with the kernel's first row.
            let ky = y + stride * (taps_y - 1 - tap / taps_x);
            let kx = x + stride * (taps_x - 1 - tap % taps_x);
            for input in 0..self.channels {
                let from = self.start + ((ky * kernel + kx) * self.channels + input) * self.outputs;
                for output in 0..self.outputs {
                    part[output * self.channels + input] = flat[from + output];
                }
            }
        }
        let start = (first_y + 1 + self.margin() - taps_y) * row
            + (first_x + 1 + self.margin() - taps_x) * columns;
        let grid = Grid { height, width, start, row, step: columns };
        let pixel = |first: usize, offset: usize| stride * first + offset - padding;
        let line = self.width * self.channels;
        let windows = Windows { grid, runs: taps_y, run: taps_x * columns, next: row };
        Some(Turned {
            weights: F::Weights::new(engine, &weight, &windows, self.channels),
            windows,
            to: Grid {
                height,
                width,
                start: pixel(first_y, y) * line + pixel(first_x, x) * self.channels,
                row: stride * line,
                step: stride * self.channels,
            },
        })
    }
}

/// A convolution of the padded gradient: turned by half a turn, inputs and outputs swapped.
pub(super) struct Turned<F: Factor> {
    pub weights: F::Weights,
    pub windows: Windows,
    /// Its pixels of the input.
    pub to: Grid,
}

/// A block's convolution with its weights packed.
pub(super) struct Ready<F: Factor> {
    weights: F::Weights,
    bias: Option<Vec<f32>>,
}

impl<F: Factor> Ready<F> {
    pub(super) fn new(engine: F::Engine, layer: &Layer, flat: &[f32]) -> Self {
        let end = layer.start + layer.window() * layer.outputs;
        let weight = &flat[layer.start..end];
        Self {
            weights: F::Weights::new(engine, weight, &layer.windows(), layer.outputs),
            bias: layer.bias.then(|| flat[end..end + layer.outputs].to_vec()),
        }
    }

    pub(super) fn forward(&self, layer: &Layer, padded: &[F], out: &mut [f32]) {
        self.weights.convolve(padded, layer.windows(), out, layer.output_grid());
        if let Some(bias) = &self.bias {
            for row in out.chunks_exact_mut(layer.outputs) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                }
            }
        }
    }
}
