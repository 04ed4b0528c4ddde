//! Spatial soft-argmax (Finn et al. 2016, "Deep spatial autoencoders"): each feature map becomes the
//! expected image position under a softmax over its pixels.

use super::math::exp;
use super::{Values, argument, simd};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use std::sync::Mutex;

/// Maps x `[n, h, w, k]` and a log temperature `[1]` to coordinates `[n, 2 k]`: the k horizontal
/// positions in [-1, 1], then the k vertical ones.
pub(crate) fn soft_argmax(x: &Tensor, log_temperature: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(log_temperature, SoftArgmax { weights: Mutex::default() })
}

struct SoftArgmax {
    /// The softmax `[n, h * w, k]`, kept for the backward pass.
    weights: Mutex<Vec<f32>>,
}

/// The coordinate of pixel `index` of `count`, in [-1, 1].
#[inline(always)]
fn coordinate(index: usize, count: usize) -> f32 {
    if count < 2 { 0.0 } else { 2.0 * index as f32 / (count - 1) as f32 - 1.0 }
}

simd! {
    /// One image: x and weights `[h * w, k]`, out `[2 k]`.
    fn forward(x: &[f32], temperature: f32, height: usize, width: usize, weights: &mut [f32], out: &mut [f32]) {
        let k = out.len() / 2;
        let (xs, ys) = out.split_at_mut(k);
        let mut peak = vec![f32::NEG_INFINITY; k];
        for row in x.chunks_exact(k) {
            for i in 0..k {
                peak[i] = peak[i].max(row[i] * temperature);
            }
        }
        let mut total = vec![0.0_f32; k];
        for y in 0..height {
            let cy = coordinate(y, height);
            for x_index in 0..width {
                let cx = coordinate(x_index, width);
                let at = (y * width + x_index) * k;
                for i in 0..k {
                    let weight = exp(x[at + i] * temperature - peak[i]);
                    weights[at + i] = weight;
                    total[i] += weight;
                    xs[i] += weight * cx;
                    ys[i] += weight * cy;
                }
            }
        }
        for i in 0..k {
            total[i] = 1.0 / total[i];
            xs[i] *= total[i];
            ys[i] *= total[i];
        }
        for row in weights.chunks_exact_mut(k) {
            for i in 0..k {
                row[i] *= total[i];
            }
        }
    }
}

simd! {
    /// One image's gradient with respect to x, and `slope[k]`, its share of the temperature's.
    fn backward(
        x: &[f32],
        weights: &[f32],
        temperature: f32,
        height: usize,
        width: usize,
        out: &[f32],
        grad_out: &[f32],
        grad: &mut [f32],
        slope: &mut [f32],
    ) {
        let k = out.len() / 2;
        for y in 0..height {
            let cy = coordinate(y, height);
            for x_index in 0..width {
                let cx = coordinate(x_index, width);
                let at = (y * width + x_index) * k;
                for i in 0..k {
                    let pull = grad_out[i] * (cx - out[i]) + grad_out[k + i] * (cy - out[k + i]);
                    let scaled = weights[at + i] * pull * temperature;
                    grad[at + i] = scaled;
                    slope[i] += scaled * x[at + i];
                }
            }
        }
    }
}

impl CustomOp2 for SoftArgmax {
    fn name(&self) -> &'static str {
        "soft_argmax"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        log_temperature: &CpuStorage,
        temperature_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, height, width, k) = x_layout.shape().dims4()?;
        let x = argument(x, x_layout)?;
        let temperature = exp(argument(log_temperature, temperature_layout)?[0]);
        let image = height * width * k;
        let mut weights = vec![0.0; x.len()];
        let mut out = vec![0.0; n * 2 * k];
        let images = x.chunks_exact(image).zip(weights.chunks_exact_mut(image));
        for ((x, weights), out) in images.zip(out.chunks_exact_mut(2 * k)) {
            forward(x, temperature, height, width, weights, out);
        }
        if let Ok(mut saved) = self.weights.lock() {
            *saved = weights;
        }
        Ok((CpuStorage::F32(out), (n, 2 * k).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        log_temperature: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, height, width, k) = x.dims4()?;
        let temperature = exp(Values::of(log_temperature)?[0]);
        let grad_out = grad.contiguous()?;
        let (x_values, out, grad_out) = (Values::of(x)?, Values::of(out)?, Values::of(&grad_out)?);
        let weights =
            self.weights.lock().map(|mut saved| std::mem::take(&mut *saved)).unwrap_or_default();
        let mut grad_x = vec![0.0; x_values.len()];
        let mut slope = vec![0.0; k];
        let image = height * width * k;
        for index in 0..n {
            let pixels = index * image..(index + 1) * image;
            let points = index * 2 * k..(index + 1) * 2 * k;
            backward(
                &x_values[pixels.clone()],
                &weights[pixels.clone()],
                temperature,
                height,
                width,
                &out[points.clone()],
                &grad_out[points],
                &mut grad_x[pixels],
                &mut slope,
            );
        }
        let total = slope.iter().map(|&value| f64::from(value)).sum::<f64>() as f32;
        Ok((
            Some(Tensor::from_vec(grad_x, x.dims(), &Device::Cpu)?),
            Some(Tensor::from_vec(vec![total], 1, &Device::Cpu)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use candle_core::Var;

    #[test]
    fn gradients_match_differences() {
        let x = check::normal("x", &[2, 4, 5, 3]);
        let temperature =
            Var::from_tensor(&Tensor::from_vec(vec![0.3_f32], 1, &Device::Cpu).unwrap()).unwrap();
        let target = check::normal("target", &[2, 6]);
        check::gradients(&[&x, &temperature], 1e-2, 2e-2, &|| {
            (soft_argmax(&x, &temperature)? * target.as_tensor())?.sum_all()
        });
    }

    #[test]
    fn a_peak_is_found() {
        let mut x = vec![0.0_f32; 16];
        x[4 + 3] = 100.0; // row 1, column 3 of 4 x 4
        let x = Tensor::from_vec(x, (1, 4, 4, 1), &Device::Cpu).unwrap();
        let t = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap();
        let out = soft_argmax(&x, &t).unwrap().to_vec2::<f32>().unwrap();
        assert!((out[0][0] - 1.0).abs() < 1e-6 && (out[0][1] + 1.0 / 3.0).abs() < 1e-6);
    }
}
