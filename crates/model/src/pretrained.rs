//! Weights from elsewhere, turned into this crate's layouts.

use crate::ops::{Layout2, matmul};

/// Mean and standard deviation of ImageNet's colours, of bytes over 255, by which published vision models scale.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The name that Hugging Face's transformers gave an array of attention before version 5.
pub(crate) fn attention_name(name: &str) -> String {
    let renamed = [
        (".attention.q_proj.", ".attention.attention.query."),
        (".attention.k_proj.", ".attention.attention.key."),
        (".attention.v_proj.", ".attention.attention.value."),
        (".attention.o_proj.", ".attention.output.dense."),
    ];
    renamed.iter().fold(name.to_owned(), |name, (new, old)| name.replace(new, old))
}

/// `[rows, n]` to `[n, rows]`.
pub(crate) fn transpose(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows.max(1);
    (0..values.len()).map(|at| values[(at % rows) * columns + at / rows]).collect()
}

/// A patch projection `[W, 3, p, p]` of colours scaled by ImageNet's statistics, as one `[p * p * 3, W]` of colours in
/// [-1, 1]; the difference of the means goes into the bias.
pub(crate) fn fold_imagenet(
    weight: &[f32],
    [width, patch]: [usize; 2],
    bias: &mut [f32],
) -> Vec<f32> {
    let area = patch * patch;
    let mut folded = vec![0.0; weight.len()];
    for (out, bias) in bias.iter_mut().enumerate() {
        let mut shift = 0.0_f64;
        for colour in 0..3 {
            let start = (out * 3 + colour) * area;
            for (at, &value) in weight[start..start + area].iter().enumerate() {
                folded[(at * 3 + colour) * width + out] = value / (2.0 * STD[colour]);
                shift += f64::from(value) * f64::from((0.5 - MEAN[colour]) / STD[colour]);
            }
        }
        *bias += shift as f32;
    }
    folded
}

/// Position embeddings `[1 + side * side, W]` for a grid of another size, `[1 + rows * columns, W]`: the class token's is
/// kept, the others are interpolated by cubic convolution, as PyTorch's `interpolate` with `mode="bicubic"` does.
pub(crate) fn resize_positions(
    positions: &[f32],
    side: usize,
    [rows, columns]: [usize; 2],
    width: usize,
) -> Vec<f32> {
    if [rows, columns] == [side, side] {
        return positions.to_vec();
    }
    let (class, patches) = positions.split_at(width);
    let vertical = cubic(side, rows);
    let mut tall = vec![0.0; rows * side * width];
    let whole = Layout2::Normal;
    matmul([rows, side, side * width], (&vertical, whole), (patches, whole), &mut tall, false);
    let horizontal = cubic(side, columns);
    let mut out = class.to_vec();
    for row in tall.chunks_exact(side * width) {
        let mut wide = vec![0.0; columns * width];
        matmul([columns, side, width], (&horizontal, whole), (row, whole), &mut wide, false);
        out.extend(wide);
    }
    out
}

/// The weights `[to, from]` of cubic convolution (Keys 1981, a = -0.75), pixel centres at halves, borders repeated.
fn cubic(from: usize, to: usize) -> Vec<f32> {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let mut weights = vec![0.0; to * from];
    for (target, line) in weights.chunks_exact_mut(from).enumerate() {
        let source = (target as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let floor = source.floor();
        let t = source - floor;
        for (offset, weight) in
            [(-1.0, far(t + 1.0)), (0.0, near(t)), (1.0, near(1.0 - t)), (2.0, far(2.0 - t))]
        {
            let at = (floor + offset).clamp(0.0, (from - 1) as f64) as usize;
            line[at] += weight as f32;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposes() {
        assert_eq!(transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn folded_colours_give_what_scaled_colours_give() {
        let weight: Vec<f32> = (0..2 * 3 * 4).map(|i| (i as f32 * 0.7).sin()).collect();
        let mut bias = vec![0.3, -0.2];
        let folded = fold_imagenet(&weight, [2, 2], &mut bias);
        let pixel = |at: usize, colour: usize| ((at * 3 + colour) as f32 * 0.31).cos() * 0.5 + 0.5;
        for out in 0..2 {
            let (mut want, mut got) = ([0.3, -0.2][out], bias[out]);
            for at in 0..4 {
                for colour in 0..3 {
                    let value = pixel(at, colour);
                    want +=
                        weight[(out * 3 + colour) * 4 + at] * (value - MEAN[colour]) / STD[colour];
                    got += folded[(at * 3 + colour) * 2 + out] * (2.0 * value - 1.0);
                }
            }
            assert!((want - got).abs() < 1e-5, "{want} {got}");
        }
    }

    #[test]
    fn resized_positions_are_smooth_and_exact_on_the_grid() {
        // PyTorch 2: F.interpolate(torch.arange(4.0).reshape(1, 1, 1, 4), (1, 2), mode="bicubic") = [0.40625, 2.59375].
        let line = cubic(4, 2);
        let at = |row: usize| (0..4).map(|i| line[row * 4 + i] * i as f32).sum::<f32>();
        assert!((at(0) - 0.40625).abs() < 1e-6 && (at(1) - 2.59375).abs() < 1e-6, "{}", at(0));
        for (from, to) in [(37, 16), (3, 5), (5, 5)] {
            for line in cubic(from, to).chunks(from) {
                assert!((line.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
        let positions: Vec<f32> = (0..(1 + 9) * 2).map(|i| i as f32).collect();
        assert_eq!(resize_positions(&positions, 3, [3, 3], 2), positions);
        let wide = resize_positions(&positions, 3, [3, 6], 2);
        assert_eq!((wide.len(), &wide[..2]), ((1 + 18) * 2, &positions[..2]));
    }
}
