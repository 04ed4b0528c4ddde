//! Linear probes from latents to physical quantities, fitted for display and the report only.

use nalgebra::DMatrix;

/// Ridge regression from latents `[n, D]` to targets `[n, P]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LinearProbe {
    /// `[P, D + 1]`, the last column the offset.
    weights: Vec<Vec<f32>>,
    /// Correlation of prediction and target per target, on the rows kept out of the fit.
    pub correlation: Vec<f32>,
    /// Root mean square error per target, on the same rows.
    pub rmse: Vec<f32>,
}

impl LinearProbe {
    /// Fits on the first four fifths of the rows and judges on the rest, which are other episodes when rows
    /// are in the order of episodes. `None` with fewer than `10 D` rows, or where
    /// a value is not finite.
    pub fn fit(latents: &[f32], dim: usize, targets: &[f32], outputs: usize) -> Option<Self> {
        let rows = latents.len() / dim.max(1);
        if dim == 0 || outputs == 0 || rows < 10 * dim {
            return None;
        }
        let size = dim + 1;
        let input =
            |row: usize, i: usize| if i < dim { f64::from(latents[row * dim + i]) } else { 1.0 };
        let held_out = |row: usize| 5 * row >= 4 * rows;
        let fitted: Vec<usize> = (0..rows).filter(|&row| !held_out(row)).collect();
        let x = DMatrix::from_fn(fitted.len(), size, |i, column| input(fitted[i], column));
        let y = DMatrix::from_fn(fitted.len(), outputs, |i, p| {
            f64::from(targets[fitted[i] * outputs + p])
        });
        let gram = x.tr_mul(&x) + DMatrix::identity(size, size) * (1e-4 * rows as f64);
        let solution = gram.cholesky()?.solve(&x.tr_mul(&y));
        let weights: Vec<Vec<f32>> = solution
            .column_iter()
            .map(|column| column.iter().map(|&value| value as f32).collect())
            .collect();
        let mut probe = Self { weights, correlation: Vec::new(), rmse: Vec::new() };
        let test: Vec<usize> = (0..rows).filter(|&row| held_out(row)).collect();
        let guesses: Vec<Vec<f32>> =
            test.iter().map(|&row| probe.predict(&latents[row * dim..(row + 1) * dim])).collect();
        for p in 0..outputs {
            let pairs: Vec<(f32, f32)> = test
                .iter()
                .zip(&guesses)
                .map(|(&row, guess)| (targets[row * outputs + p], guess[p]))
                .collect();
            let square: f64 = pairs.iter().map(|(a, b)| f64::from(a - b).powi(2)).sum();
            probe.correlation.push(correlation(&pairs));
            probe.rmse.push((square / pairs.len().max(1) as f64).sqrt() as f32);
        }
        Some(probe)
    }

    /// The quantities `[P]` of a latent `[D]`.
    pub fn predict(&self, latent: &[f32]) -> Vec<f32> {
        self.weights
            .iter()
            .map(|row| {
                let (offset, slopes) = row.split_last().unwrap_or((&0.0, &[]));
                offset + slopes.iter().zip(latent).map(|(slope, value)| slope * value).sum::<f32>()
            })
            .collect()
    }
}

/// Pearson's correlation; 0 when a side is constant.
fn correlation(pairs: &[(f32, f32)]) -> f32 {
    let n = pairs.len().max(1) as f64;
    let mean = |of: &dyn Fn(&(f32, f32)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(&|p| f64::from(p.0)), mean(&|p| f64::from(p.1)));
    let product = |of: &dyn Fn(f64, f64) -> f64| {
        pairs.iter().map(|p| of(f64::from(p.0) - mean_a, f64::from(p.1) - mean_b)).sum::<f64>()
    };
    let (aa, bb, ab) = (product(&|a, _| a * a), product(&|_, b| b * b), product(&|a, b| a * b));
    if aa <= 0.0 || bb <= 0.0 { 0.0 } else { (ab / (aa * bb).sqrt()) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    #[test]
    fn recovers_a_linear_map() {
        let mut latents = vec![0.0; 400 * 3];
        Seed::new(0).rng().fill_normal(&mut latents);
        let targets: Vec<f32> =
            latents.chunks(3).flat_map(|z| [2.0 * z[0] - z[2] + 1.0, z[1]]).collect();
        let probe = LinearProbe::fit(&latents, 3, &targets, 2).unwrap();
        assert!(probe.correlation.iter().all(|&r| r > 0.999));
        let guess = probe.predict(&[1.0, 2.0, 3.0]);
        assert!(guess[0].abs() < 1e-2 && (guess[1] - 2.0).abs() < 1e-2, "{guess:?}");
        assert!(LinearProbe::fit(&latents[..30], 3, &targets[..20], 2).is_none());
    }
}
