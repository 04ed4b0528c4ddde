//! 2-D convolution over `[n, h, w, c]` images: one unfolded image at a time times the weights.

use super::{Layout2, Values, argument, matmul};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};

/// The shape of a convolution with square kernels.
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

/// Convolves x `[n, h, w, c]` with weight `[kernel * kernel * c, out]` into `[n, oh, ow, out]`.
///
/// `input_grad` says whether the gradient with respect to `x` is wanted; the first layer does not.
pub(crate) fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    shape: ConvShape,
    input_grad: bool,
) -> Result<Tensor> {
    x.contiguous()?.apply_op2(weight, Conv { shape, input_grad })
}

struct Conv {
    shape: ConvShape,
    input_grad: bool,
}

/// One image's worth of buffers.
struct Unfolder {
    shape: ConvShape,
    width: usize,
    channels: usize,
    out_height: usize,
    out_width: usize,
    padded: Vec<f32>,
    columns: Vec<f32>,
}

impl Unfolder {
    fn new(shape: ConvShape, [height, width, channels]: [usize; 3]) -> Self {
        let (out_height, out_width) = (shape.output(height), shape.output(width));
        let pad = 2 * shape.padding;
        Self {
            shape,
            width,
            channels,
            out_height,
            out_width,
            padded: vec![0.0; (height + pad) * (width + pad) * channels],
            columns: vec![0.0; out_height * out_width * shape.kernel * shape.kernel * channels],
        }
    }

    fn windows(&self) -> usize {
        self.out_height * self.out_width
    }

    fn window_len(&self) -> usize {
        self.shape.kernel * self.shape.kernel * self.channels
    }

    fn padded_row(&self) -> usize {
        (self.width + 2 * self.shape.padding) * self.channels
    }

    /// Where, in the padded image, row `ky` of the window at (oy, ox) starts.
    fn source(&self, oy: usize, ox: usize, ky: usize) -> usize {
        (oy * self.shape.stride + ky) * self.padded_row() + ox * self.shape.stride * self.channels
    }

    /// Unfolds an image into `[oh * ow, kernel * kernel * c]`.
    fn unfold(&mut self, image: &[f32]) -> &[f32] {
        let row = self.width * self.channels;
        let (padded_row, offset) = (self.padded_row(), self.shape.padding * self.channels);
        for (y, source) in image.chunks_exact(row).enumerate() {
            let start = (y + self.shape.padding) * padded_row + offset;
            self.padded[start..start + row].copy_from_slice(source);
        }
        let run = self.shape.kernel * self.channels;
        let mut at = 0;
        for oy in 0..self.out_height {
            for ox in 0..self.out_width {
                for ky in 0..self.shape.kernel {
                    let source = self.source(oy, ox, ky);
                    self.columns[at..at + run].copy_from_slice(&self.padded[source..source + run]);
                    at += run;
                }
            }
        }
        &self.columns
    }

    /// Adds unfolded gradients back onto the image they came from.
    fn fold(&mut self, columns: &[f32], image: &mut [f32]) {
        self.padded.fill(0.0);
        let run = self.shape.kernel * self.channels;
        let mut at = 0;
        for oy in 0..self.out_height {
            for ox in 0..self.out_width {
                for ky in 0..self.shape.kernel {
                    let source = self.source(oy, ox, ky);
                    let target = &mut self.padded[source..source + run];
                    for (sum, &value) in target.iter_mut().zip(&columns[at..at + run]) {
                        *sum += value;
                    }
                    at += run;
                }
            }
        }
        let row = self.width * self.channels;
        let (padded_row, offset) = (self.padded_row(), self.shape.padding * self.channels);
        for (y, target) in image.chunks_exact_mut(row).enumerate() {
            let start = (y + self.shape.padding) * padded_row + offset;
            target.copy_from_slice(&self.padded[start..start + row]);
        }
        self.padded.fill(0.0);
    }
}

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, height, width, channels) = x_layout.shape().dims4()?;
        let (window, outputs) = weight_layout.shape().dims2()?;
        let mut unfolder = Unfolder::new(self.shape, [height, width, channels]);
        if window != unfolder.window_len() {
            candle_core::bail!(
                "a convolution of windows of {window} values was given {channels} channels"
            )
        }
        let (x, weight) = (argument(x, x_layout)?, argument(weight, weight_layout)?);
        let windows = unfolder.windows();
        let mut out = vec![0.0; n * windows * outputs];
        let images = x.chunks_exact(height * width * channels);
        for (image, out) in images.zip(out.chunks_exact_mut(windows * outputs)) {
            let columns = unfolder.unfold(image);
            matmul(
                [windows, window, outputs],
                (columns, Layout2::Normal),
                (weight, Layout2::Normal),
                out,
                false,
            );
        }
        Ok((CpuStorage::F32(out), (n, unfolder.out_height, unfolder.out_width, outputs).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, height, width, channels) = x.dims4()?;
        let (window, outputs) = weight.dims2()?;
        let mut unfolder = Unfolder::new(self.shape, [height, width, channels]);
        let windows = unfolder.windows();
        let grad = grad.contiguous()?;
        let (x_values, weight_values, grad) =
            (Values::of(x)?, Values::of(weight)?, Values::of(&grad)?);
        let image_len = height * width * channels;
        let mut grad_weight = vec![0.0; window * outputs];
        let mut grad_x = vec![0.0; if self.input_grad { n * image_len } else { 0 }];
        let mut grad_columns = vec![0.0; if self.input_grad { windows * window } else { 0 }];
        for index in 0..n {
            let grad = &grad[index * windows * outputs..(index + 1) * windows * outputs];
            let columns = unfolder.unfold(&x_values[index * image_len..(index + 1) * image_len]);
            matmul(
                [window, windows, outputs],
                (columns, Layout2::Transposed),
                (grad, Layout2::Normal),
                &mut grad_weight,
                index > 0,
            );
            if self.input_grad {
                matmul(
                    [windows, outputs, window],
                    (grad, Layout2::Normal),
                    (&weight_values, Layout2::Transposed),
                    &mut grad_columns,
                    false,
                );
                unfolder
                    .fold(&grad_columns, &mut grad_x[index * image_len..(index + 1) * image_len]);
            }
        }
        let grad_x = match self.input_grad {
            true => Some(Tensor::from_vec(grad_x, x.dims(), &Device::Cpu)?),
            false => None,
        };
        Ok((grad_x, Some(Tensor::from_vec(grad_weight, (window, outputs), &Device::Cpu)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradients_match_differences() {
        let x = check::normal("x", &[2, 5, 7, 2]);
        for (kernel, stride, padding) in [(3, 1, 1), (4, 2, 1), (1, 1, 0)] {
            let w = check::normal("w", &[kernel * kernel * 2, 3]);
            let shape = ConvShape { kernel, stride, padding };
            check::gradients(&[&x, &w], 1e-2, 2e-2, &|| {
                conv2d(&x, &w, shape, true)?.sqr()?.mean_all()
            });
        }
    }

    #[test]
    fn a_delta_kernel_copies_the_image() {
        let x = check::normal("x", &[1, 4, 4, 1]);
        let mut kernel = vec![0.0_f32; 9];
        kernel[4] = 1.0;
        let w = Tensor::from_vec(kernel, (9, 1), &Device::Cpu).unwrap();
        let y = conv2d(&x, &w, ConvShape { kernel: 3, stride: 1, padding: 1 }, false).unwrap();
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(flat(&y), flat(&x));
    }
}
