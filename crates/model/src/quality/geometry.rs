//! The shape of latents: how straight their paths are, how many directions they use, how far they spread.

use nalgebra::DMatrix;
use std::ops::Range;

/// Least, middle and largest.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// Least.
    pub min: f64,
    /// Middle.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

/// Mean cosine of consecutive steps of the paths, those of length 0 left out; 0 if there are none.
pub(super) fn straightness(latents: &[f32], d: usize, episodes: &[Range<usize>]) -> f64 {
    let row = |at: usize| &latents[at * d..(at + 1) * d];
    let step = |at: usize| {
        row(at).iter().zip(row(at + 1)).map(|(a, b)| f64::from(b - a)).collect::<Vec<f64>>()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (mut sum, mut count) = (0.0, 0.0);
    for episode in episodes {
        let steps: Vec<Vec<f64>> =
            (episode.start..episode.end.saturating_sub(1)).map(step).collect();
        for pair in steps.windows(2) {
            let lengths = (dot(&pair[0], &pair[0]) * dot(&pair[1], &pair[1])).sqrt();
            if lengths > 0.0 {
                sum += dot(&pair[0], &pair[1]) / lengths;
                count += 1.0;
            }
        }
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Means of the columns of `[N, D]`.
pub(super) fn means(rows: &[f32], d: usize) -> Vec<f64> {
    let n = (rows.len() / d).max(1) as f64;
    let mut means = vec![0.0; d];
    for row in rows.chunks_exact(d) {
        for (mean, &value) in means.iter_mut().zip(row) {
            *mean += f64::from(value);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= n);
    means
}

/// Standard deviations of the columns.
pub(super) fn stds(rows: &[f32], d: usize) -> Vec<f64> {
    let n = (rows.len() / d).max(1) as f64;
    let means = means(rows, d);
    let mut variances = vec![0.0; d];
    for row in rows.chunks_exact(d) {
        for ((variance, &value), mean) in variances.iter_mut().zip(row).zip(&means) {
            *variance += (f64::from(value) - mean).powi(2);
        }
    }
    variances.into_iter().map(|variance| (variance / n).sqrt()).collect()
}

pub(super) fn spread(rows: &[f32], d: usize) -> Spread {
    let mut stds = stds(rows, d);
    stds.sort_by(f64::total_cmp);
    Spread { min: stds[0], median: stds[d / 2], max: stds[d - 1] }
}

/// Eigenvalues of the covariance of the columns, in no order.
pub(super) fn eigenvalues(rows: &[f32], d: usize) -> Vec<f64> {
    let (n, means) = (rows.len() / d, means(rows, d));
    let centred = DMatrix::from_fn(n, d, |i, j| f64::from(rows[i * d + j]) - means[j]);
    let covariance = centred.tr_mul(&centred) / n as f64;
    covariance.symmetric_eigenvalues().iter().copied().collect()
}

/// exp of the entropy of the normalised eigenvalues; 1, the least there is, if all are 0.
pub(super) fn effective_rank(eigenvalues: &[f64]) -> f64 {
    // Rounding leaves some a little below 0.
    let positive = || eigenvalues.iter().filter(|value| **value > 0.0);
    let sum: f64 = positive().sum();
    let entropy = positive().map(|value| -(value / sum) * (value / sum).ln()).sum::<f64>();
    entropy.exp().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;
    use std::slice::from_ref;

    #[test]
    fn a_line_is_straight_a_corner_is_not_and_episodes_are_apart() {
        let line = [0.0, 0.0, 1.0, 2.0, 2.0, 4.0, 3.0, 6.0];
        assert!((straightness(&line, 2, from_ref(&(0..4))) - 1.0).abs() < 1e-12);
        let there_and_back = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        assert!((straightness(&there_and_back, 2, from_ref(&(0..3))) + 1.0).abs() < 1e-12);
        let corner = [0.0, 0.0, 1.0, 0.0, 1.0, 5.0];
        assert!(straightness(&corner, 2, from_ref(&(0..3))).abs() < 1e-12);
        // The way from one episode to the next is none, and neither is standing still.
        let both = [line, line].concat();
        assert!((straightness(&both, 2, &[0..4, 4..8]) - 1.0).abs() < 1e-12);
        assert_eq!(straightness(&[0.5; 8], 2, from_ref(&(0..4))), 0.0);
        assert_eq!(straightness(&line, 2, &[0..2, 2..4]), 0.0);
    }

    #[test]
    fn the_effective_rank_counts_directions() {
        let mut rng = Seed::new(3).rng();
        let mut factors = vec![0.0_f32; 5000 * 3];
        rng.fill_normal(&mut factors);
        // Three directions of equal variance, turned into eight dimensions by orthogonal columns.
        let rows: Vec<f32> = factors
            .chunks_exact(3)
            .flat_map(|f| [f[0], f[0], f[1], -f[1], f[2], f[2], 0.0, 0.0])
            .collect();
        let rank = effective_rank(&eigenvalues(&rows, 8));
        assert!((rank - 3.0).abs() < 0.01, "{rank}");
        // Unequal variances count less: p = (0.8, 0.2), exp of the entropy 1.6493.
        let rows: Vec<f32> =
            factors.chunks_exact(3).flat_map(|f| [2.0 * f[0], f[1], 0.0]).collect();
        let rank = effective_rank(&eigenvalues(&rows, 3));
        assert!((rank - 1.6493).abs() < 0.05, "{rank}");
        assert_eq!(effective_rank(&eigenvalues(&[7.0; 30], 3)), 1.0);
    }

    #[test]
    fn a_collapsed_component_shows() {
        let rows: Vec<f32> =
            (0..100).flat_map(|i| [(i % 2) as f32, 5.0, (i % 2) as f32 * 4.0]).collect();
        assert_eq!(spread(&rows, 3), Spread { min: 0.0, median: 0.5, max: 2.0 });
    }
}
