//! Spatial soft-argmax (Finn et al. 2016, "Deep spatial autoencoders"): each feature map becomes the
//! expected image position under a softmax over its pixels.

use super::lanes::{LANES, load, store};
use super::math::exp;
use super::simd;

/// The coordinate of pixel `index` of `count`, in [-1, 1].
#[inline(always)]
fn coordinate(index: usize, count: usize) -> f32 {
    if count < 2 { 0.0 } else { 2.0 * index as f32 / (count - 1) as f32 - 1.0 }
}

simd! {
    /// One image: from x `[h * w, k]` the softmax's weights, of the same size, and out `[2 k]`: the k horizontal
    /// positions in [-1, 1], then the k vertical ones.
    pub(super) fn forward(
        x: &[f32],
        temperature: f32,
        size: [usize; 2],
        weights: &mut [f32],
        out: &mut [f32],
    ) {
        let k = out.len() / 2;
        let [height, width] = size;
        let (xs, ys) = out.split_at_mut(k);
        for at in (0..k).step_by(LANES) {
            let mut peak = [f32::NEG_INFINITY; LANES];
            for row in x.chunks_exact(k) {
                let row = load(row, at);
                for i in 0..LANES {
                    peak[i] = peak[i].max(row[i] * temperature);
                }
            }
            let mut total = [0.0_f32; LANES];
            let (mut across, mut down) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            let lines = x.chunks_exact(width * k).zip(weights.chunks_exact_mut(width * k));
            for (y, (line, weights)) in lines.enumerate() {
                let cy = coordinate(y, height);
                let pixels = line.chunks_exact(k).zip(weights.chunks_exact_mut(k));
                for (x, (pixel, weights)) in pixels.enumerate() {
                    let cx = coordinate(x, width);
                    let mut weight = load(pixel, at);
                    for i in 0..LANES {
                        weight[i] = exp(weight[i] * temperature - peak[i]);
                        total[i] += weight[i];
                        across[i] += weight[i] * cx;
                        down[i] += weight[i] * cy;
                    }
                    store(weights, at, &weight);
                }
            }
            for i in 0..LANES {
                total[i] = 1.0 / total[i];
                across[i] *= total[i];
                down[i] *= total[i];
            }
            store(xs, at, &across);
            store(ys, at, &down);
            for row in weights.chunks_exact_mut(k) {
                let mut weight = load(row, at);
                for i in 0..LANES {
                    weight[i] *= total[i];
                }
                store(row, at, &weight);
            }
        }
    }
}

simd! {
    /// Turns one image's weights into the gradient by x, and adds to `slope[k]` the share of the temperature's.
    pub(super) fn backward(
        x: &[f32],
        temperature: f32,
        size: [usize; 2],
        out: &[f32],
        grad_out: &[f32],
        weights: &mut [f32],
        slope: &mut [f32],
    ) {
        let [height, width] = size;
        let k = out.len() / 2;
        let ((xs, ys), (by_xs, by_ys)) = (out.split_at(k), grad_out.split_at(k));
        for at in (0..k).step_by(LANES) {
            let (xs, ys, by_xs, by_ys) = (load(xs, at), load(ys, at), load(by_xs, at), load(by_ys, at));
            let mut own_slope = load(slope, at);
            let lines = x.chunks_exact(width * k).zip(weights.chunks_exact_mut(width * k));
            for (y, (line, weights)) in lines.enumerate() {
                let cy = coordinate(y, height);
                let pixels = line.chunks_exact(k).zip(weights.chunks_exact_mut(k));
                for (x, (pixel, weights)) in pixels.enumerate() {
                    let cx = coordinate(x, width);
                    let (pixel, mut scaled) = (load(pixel, at), load(weights, at));
                    for i in 0..LANES {
                        let pull = by_xs[i] * (cx - xs[i]) + by_ys[i] * (cy - ys[i]);
                        scaled[i] = scaled[i] * pull * temperature;
                        own_slope[i] += scaled[i] * pixel[i];
                    }
                    store(weights, at, &scaled);
                }
            }
            store(slope, at, &own_slope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_found() {
        let mut x = vec![0.0_f32; 16];
        x[4 + 3] = 100.0; // row 1, column 3 of 4 x 4
        let (mut weights, mut out) = ([0.0; 16], [9.0; 2]);
        forward(&x, 1.0, [4, 4], &mut weights, &mut out);
        assert!((out[0] - 1.0).abs() < 1e-6 && (out[1] + 1.0 / 3.0).abs() < 1e-6);
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
