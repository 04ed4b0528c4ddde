//! What a decoder is trained on: pictures, what does not move in them, and how much each of their pixels counts.

use super::canvas::Canvas;
use crate::ops::Targets;
use std::sync::Arc;

/// Pictures that the median and the shares are taken of, at most.
const SAMPLE: usize = 501;

/// The pictures.
pub(super) struct TrainingSet {
    /// Each `[leaves, 3]`.
    pictures: Vec<Vec<u8>>,
    /// Their median and their mean, `[leaves, 3]` in [0, 1].
    pub background: Arc<[f32]>,
    pub mean: Vec<f32>,
    /// Which leaves lie within the picture.
    inside: Vec<bool>,
    /// How much the squared error of a pixel like the background counts, and how many times as much one that differs by 1
    /// counts beside.
    weight: f32,
    emphasis: f32,
}

impl TrainingSet {
    /// Of pictures `[leaves, 3]`, of which there is at least one.
    pub fn new(canvas: &Canvas, pictures: Vec<Vec<u8>>) -> Self {
        let stride = pictures.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<&Vec<u8>> = pictures.iter().step_by(stride).collect();
        let median = |at: usize| {
            let mut values: Vec<u8> = sample.iter().map(|picture| picture[at]).collect();
            let middle = values.len() / 2;
            f32::from(*values.select_nth_unstable(middle).1) / 255.0
        };
        let mut sums = vec![0_u64; canvas.leaves() * 3];
        for picture in &pictures {
            sums.iter_mut().zip(picture).for_each(|(sum, &byte)| *sum += u64::from(byte));
        }
        let scale = 255.0 * pictures.len() as f64;
        let background: Arc<[f32]> = (0..sums.len()).map(median).collect();
        let inside: Vec<bool> = canvas.inside().collect();
        let differences: Vec<[f32; 2]> =
            sample.iter().flat_map(|picture| differences(picture, &background)).collect();
        let sum = |of: &dyn Fn(&[f32; 2]) -> f32| -> f64 {
            differences.iter().map(|pixel| f64::from(of(pixel))).sum()
        };
        let pixels = sample.len() * inside.iter().filter(|inside| **inside).count();
        // The inverse root of the share that differs: what is rare is not lost, and not all that counts.
        let emphasis = (1.0 / (sum(&|[most, _]| *most) / pixels as f64).max(1e-6).sqrt()) as f32;
        let blank = sum(&|[most, square]| (1.0 + emphasis * most) * square);
        let weight = (sample.len() as f64 / blank.max(1e-6)) as f32;
        let mean = sums.iter().map(|&sum| (sum as f64 / scale) as f32).collect();
        Self { background, mean, inside, weight, emphasis, pictures }
    }

    /// Those pictures, with weights. The error of painting nothing is about 1.
    pub fn targets(&self, drawn: &[usize]) -> Targets {
        let (mut target, mut weight) = (Vec::new(), Vec::new());
        let base = self.weight / drawn.len() as f32;
        for picture in drawn.iter().map(|&index| &self.pictures[index]) {
            target.extend(picture.iter().map(|&byte| f32::from(byte) / 255.0));
            let differences = differences(picture, &self.background);
            weight.extend(differences.zip(&self.inside).map(|([most, _], &inside)| {
                if inside { base * (1.0 + self.emphasis * most) } else { 0.0 }
            }));
        }
        Targets { background: Arc::clone(&self.background), target, weight }
    }
}

/// By how much each pixel differs from the background: the most in a channel, and the squares summed.
fn differences<'a>(
    picture: &'a [u8],
    background: &'a [f32],
) -> impl Iterator<Item = [f32; 2]> + 'a {
    picture.chunks_exact(3).zip(background.chunks_exact(3)).map(|(pixel, under)| {
        let (mut most, mut square) = (0.0_f32, 0.0);
        for (&byte, under) in pixel.iter().zip(under) {
            let apart = (f32::from(byte) / 255.0 - under).abs();
            most = most.max(apart);
            square += apart * apart;
        }
        [most, square]
    })
}

/// Rows whose columns have mean 0 and standard deviation 1, and what they were.
pub(super) struct Standard {
    /// Of which the columns are as said.
    pub rows: Vec<f32>,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Standard {
    /// Of rows of so many columns.
    pub fn of(rows: &[f32], columns: usize) -> Self {
        let count = (rows.len() / columns) as f64;
        let column =
            |at: usize| rows.iter().skip(at).step_by(columns).map(|&value| f64::from(value));
        let moments = |at: usize| {
            let mean = column(at).sum::<f64>() / count;
            let square = column(at).map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            // A constant column stays harmless.
            let std = if square > 1e-12 { square.sqrt() } else { 1.0 };
            (mean as f32, std as f32)
        };
        let (mean, std): (Vec<f32>, Vec<f32>) = (0..columns).map(moments).unzip();
        let scaled = |(at, value): (usize, &f32)| (value - mean[at % columns]) / std[at % columns];
        let rows = rows.iter().enumerate().map(scaled).collect();
        Self { rows, mean, std }
    }

    /// Makes a layer on these rows one on the rows that they were.
    pub fn fold_into(&self, (weight, bias): &mut (Vec<f32>, Vec<f32>)) {
        let outputs = bias.len();
        for (row, (mean, std)) in
            weight.chunks_exact_mut(outputs).zip(self.mean.iter().zip(&self.std))
        {
            for (weight, bias) in row.iter_mut().zip(bias.iter_mut()) {
                *weight /= std;
                *bias -= *weight * mean;
            }
        }
    }
}
