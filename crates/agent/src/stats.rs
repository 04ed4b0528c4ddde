//! The statistics of success.

use housecat_core::Seed;
use serde::{Deserialize, Serialize};

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % score interval (Wilson 1927) for `successes` of `n`; the whole of [0, 1] for n = 0.
pub fn wilson(successes: usize, n: usize) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (count, p) = (n as f64, successes as f64 / n as f64);
    let z2 = Z * Z / count;
    let centre = (p + z2 / 2.0) / (1.0 + z2);
    let half = Z / (1.0 + z2) * (p * (1.0 - p) / count + z2 / (4.0 * count)).sqrt();
    // At the ends the formula gives exactly 0 and 1, but for rounding.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == n { 1.0 } else { (centre + half).min(1.0) };
    Interval { low, high }
}

/// The mean and its normal 95 % interval.
pub fn mean_interval(values: &[f64]) -> (f64, Interval) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let var = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = Z * (var / n).sqrt();
    (mean, Interval { low: mean - half, high: mean + half })
}

/// The value below which this share of the values lie (nearest rank); 0 for none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

/// The middle value; 0 for none.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The median (the mean of the middle two of an even number) and its 95 % interval by order statistics, which
/// supposes nothing about the values (Conover 1999, "Practical nonparametric statistics", 3.2): from all of them
/// where there are fewer than six. `None` for none.
pub fn median_interval(values: &[f64]) -> Option<(f64, Interval)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let last = n.checked_sub(1)?;
    // The most values that may be left out at each end: as many of n fair coins fall heads, or fewer, with a
    // probability of 2.5 % at most. By logarithms: n may be large.
    let (mut log_choose, mut tail, mut outside) = (0.0, 0.0, 0);
    for k in 0..n / 2 {
        if k > 0 {
            log_choose += ((n - k + 1) as f64).ln() - (k as f64).ln();
        }
        tail += (log_choose - n as f64 * std::f64::consts::LN_2).exp();
        if tail > 0.025 {
            break;
        }
        outside = k;
    }
    let median = (sorted[last / 2] + sorted[n / 2]) / 2.0;
    Some((median, Interval { low: sorted[outside], high: sorted[last - outside] }))
}

/// Spearman's rank correlation, ties sharing their mean rank; `None` if a side is constant.
pub fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let dot =
        |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let scale = (dot(&a, &a) * dot(&b, &b)).sqrt();
    (scale > 0.0).then(|| dot(&a, &b) / scale)
}

fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        let shared = (start + end - 1) as f64 / 2.0;
        order[start..end].iter().for_each(|&index| ranks[index] = shared);
        start = end;
    }
    ranks
}

/// McNemar's exact two-sided test (McNemar 1947): how likely two arms that are equally good would disagree
/// at least as unevenly as these did, where one alone succeeded on `first` problems and the other on `second`.
pub fn mcnemar(first: usize, second: usize) -> f64 {
    let (n, fewer) = (first + second, first.min(second));
    // Binomial coefficients by their logarithms: n may be large.
    let mut log_choose = 0.0;
    let mut tail = 0.0;
    for k in 0..=fewer {
        if k > 0 {
            log_choose += ((n - k + 1) as f64).ln() - (k as f64).ln();
        }
        tail += (log_choose - n as f64 * std::f64::consts::LN_2).exp();
    }
    (2.0 * tail).min(1.0)
}

/// The paired permutation test (Fisher 1935) by random flips of sign: how likely the mean of the differences
/// would lie as far from 0 if either sign of each were as likely. The flips depend on nothing but `differences`.
pub fn sign_flip(differences: &[f64]) -> f64 {
    const DRAWS: usize = 10_000;
    let observed = differences.iter().sum::<f64>().abs();
    let mut rng = Seed::new(0).child("sign-flip", differences.len() as u64).rng();
    let mut as_far = 1;
    for _ in 0..DRAWS {
        let flip = |value: &f64| if rng.uniform(0.0, 1.0) < 0.5 { -*value } else { *value };
        let sum: f64 = differences.iter().map(flip).sum();
        // Rounding must not decide between sums that are equal.
        as_far += usize::from(sum.abs() >= observed * (1.0 - 1e-12));
    }
    as_far as f64 / (DRAWS + 1) as f64
}

/// Holm's correction (1979): the p-values of several tests made together, each adjusted so that "below 0.05"
/// keeps its meaning for all of them at once.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max((p[index] * (p.len() - rank) as f64).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        // 81 of 263 (Newcombe 1998, method 3): 0.2553 to 0.3662.
        let interval = wilson(81, 263);
        assert!((interval.low - 0.2553).abs() < 1e-4 && (interval.high - 0.3662).abs() < 1e-4);
        assert!(wilson(0, 20).low == 0.0 && (wilson(0, 20).high - 0.1611).abs() < 1e-4);
        assert_eq!(wilson(0, 0), Interval { low: 0.0, high: 1.0 });
    }

    #[test]
    fn rank_correlation() {
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[10.0, 20.0, 90.0]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 1.0, 1.0], &[3.0, 2.0, 1.0]), None);
        assert!(
            (spearman(&[1.0, 2.0, 2.0, 4.0], &[1.0, 2.0, 3.0, 4.0]).unwrap() - 0.9487).abs() < 1e-4
        );
    }

    #[test]
    fn percentiles() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!(median(&values), 3.0);
        assert_eq!(percentile(&values, 1.0), 5.0);
        assert_eq!(percentile(&values, 0.0), 1.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn medians_have_intervals() {
        let first = |n: usize| (1..=n).map(|value| value as f64).collect::<Vec<f64>>();
        // Tables of the sign test: from the 6th to the 15th of 20, from the 40th to the 61st of 100.
        let (median, interval) = median_interval(&first(20)).unwrap();
        assert_eq!((median, interval), (10.5, Interval { low: 6.0, high: 15.0 }));
        let (median, interval) = median_interval(&first(100)).unwrap();
        assert_eq!((median, interval), (50.5, Interval { low: 40.0, high: 61.0 }));
        assert_eq!(median_interval(&first(3)).unwrap().1, Interval { low: 1.0, high: 3.0 });
        assert_eq!(median_interval(&[7.0]).unwrap(), (7.0, Interval { low: 7.0, high: 7.0 }));
        assert_eq!(median_interval(&[]), None);
        assert!(median_interval(&first(3000)).unwrap().1.low > 1400.0);
    }

    #[test]
    fn paired_tests_agree_with_published_values() {
        // 2 (C(10,0) + C(10,1) + C(10,2)) / 2^10 = 112 / 1024.
        assert!((mcnemar(2, 8) - 0.109_375).abs() < 1e-12 && mcnemar(8, 2) == mcnemar(2, 8));
        assert!(mcnemar(0, 0) == 1.0 && mcnemar(5, 5) == 1.0 && mcnemar(0, 300) < 1e-80);
        // All of six differences positive: 2 of 64 assignments are as extreme.
        let p = sign_flip(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!((p - 2.0 / 64.0).abs() < 0.006, "{p}");
        assert!(sign_flip(&[1.0, -1.0, 2.0, -2.0]) > 0.99);
        // Holm 1979, with the values of Wikipedia's example.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        assert_eq!(adjusted, [0.03, 0.06, 0.06, 0.02]);
    }
}
