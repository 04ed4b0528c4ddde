//! Statistics of columns, as LeRobot keeps them: per episode, and merged over the dataset.

use crate::column::Column;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The quantiles that LeRobot keeps, with their keys.
pub(crate) const QUANTILES: [(&str, f64); 5] =
    [("q01", 0.01), ("q10", 0.10), ("q50", 0.50), ("q90", 0.90), ("q99", 0.99)];

/// Statistics of one column, one entry per component (or colour channel, scaled to [0, 1]).
///
/// All in f64 and from whole columns, so that the bits do not depend on threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Smallest value.
    pub min: Vec<f64>,
    /// Largest value.
    pub max: Vec<f64>,
    /// Mean.
    pub mean: Vec<f64>,
    /// Standard deviation of the population.
    pub std: Vec<f64>,
    /// Frames counted.
    pub count: u64,
    /// Quantiles 0.01, 0.10, 0.50, 0.90, 0.99. Exact for an episode (linear between order statistics);
    /// for a dataset the frame-weighted mean of the episodes' quantiles, as LeRobot merges them.
    pub quantiles: [Vec<f64>; 5],
}

impl Stats {
    /// Statistics of `[rows, dim]` values.
    pub(crate) fn of_values(
        values: impl ExactSizeIterator<Item = f64> + Clone,
        dim: usize,
    ) -> Self {
        let rows = values.len() / dim;
        let mut stats = Self { count: rows as u64, ..Self::default() };
        for component in 0..dim {
            let mut column: Vec<f64> = values.clone().skip(component).step_by(dim).collect();
            let mean = column.iter().sum::<f64>() / rows as f64;
            let variance = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            column.sort_unstable_by(f64::total_cmp);
            stats.min.push(column[0]);
            stats.max.push(column[rows - 1]);
            stats.mean.push(mean);
            stats.std.push((variance / rows as f64).sqrt());
            for (slot, (_, q)) in stats.quantiles.iter_mut().zip(QUANTILES) {
                slot.push(between(q, rows as u64, |at| column[at as usize]));
            }
        }
        stats
    }

    /// Statistics over the episodes of one column, in the order given: LeRobot's weighted means and
    /// parallel variance.
    pub(crate) fn merge<'a>(parts: impl Iterator<Item = &'a Stats> + Clone) -> Self {
        let Some(first) = parts.clone().next() else { return Self::default() };
        let count: u64 = parts.clone().map(|part| part.count).sum();
        let mut merged = Self { count, ..Self::default() };
        for component in 0..first.mean.len() {
            let weighted = |value: &dyn Fn(&Stats) -> f64| {
                parts.clone().map(|part| value(part) * part.count as f64).sum::<f64>()
                    / count as f64
            };
            let mean = weighted(&|part| part.mean[component]);
            let variance = weighted(&|part| {
                part.std[component].powi(2) + (part.mean[component] - mean).powi(2)
            });
            let minima = parts.clone().map(|part| part.min[component]);
            let maxima = parts.clone().map(|part| part.max[component]);
            merged.min.push(minima.fold(f64::INFINITY, f64::min));
            merged.max.push(maxima.fold(f64::NEG_INFINITY, f64::max));
            merged.mean.push(mean);
            merged.std.push(variance.sqrt());
            for (which, slot) in merged.quantiles.iter_mut().enumerate() {
                slot.push(weighted(&|part| part.quantiles[which][component]));
            }
        }
        merged
    }

    /// The named statistics of floats, in LeRobot's order.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &Vec<f64>)> {
        [("min", &self.min), ("max", &self.max), ("mean", &self.mean), ("std", &self.std)]
            .into_iter()
            .chain(QUANTILES.iter().map(|(key, _)| *key).zip(&self.quantiles))
    }

    /// The place of a named statistic, to fill when reading.
    pub(crate) fn named_mut(&mut self, name: &str) -> Option<&mut Vec<f64>> {
        match name {
            "min" => Some(&mut self.min),
            "max" => Some(&mut self.max),
            "mean" => Some(&mut self.mean),
            "std" => Some(&mut self.std),
            quantile => {
                let at = QUANTILES.iter().position(|(key, _)| *key == quantile)?;
                Some(&mut self.quantiles[at])
            }
        }
    }

    /// The entry in `meta/stats.json`; channels of images have the shape (3, 1, 1).
    pub(crate) fn json(&self, column: &Column) -> Value {
        let shaped = |values: &Vec<f64>| match column.is_image() {
            true => values.iter().map(|value| json!([[value]])).collect::<Vec<_>>().into(),
            false => json!(values),
        };
        let mut entry: serde_json::Map<_, _> =
            self.named().map(|(name, values)| (name.to_owned(), shaped(values))).collect();
        entry.insert("count".into(), json!([self.count]));
        Value::Object(entry)
    }
}

/// Counts of each byte value per colour channel, from which an image column's statistics are exact.
pub(crate) struct Histogram {
    counts: Box<[[u64; 256]; 3]>,
    frames: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: Box::new([[0; 256]; 3]), frames: 0 }
    }

    /// Counts the pixels of one image.
    pub fn add(&mut self, pixels: &[u8]) {
        self.frames += 1;
        let [red, green, blue] = &mut *self.counts;
        for pixel in pixels.chunks_exact(3) {
            red[usize::from(pixel[0])] += 1;
            green[usize::from(pixel[1])] += 1;
            blue[usize::from(pixel[2])] += 1;
        }
    }

    /// The statistics, scaled to [0, 1].
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { count: self.frames, ..Stats::default() };
        for counts in self.counts.iter() {
            let total: u64 = counts.iter().sum();
            let levels = || counts.iter().enumerate().map(|(level, &count)| (level as f64, count));
            let sum: f64 = levels().map(|(level, count)| level * count as f64).sum();
            let mean = sum / total as f64;
            let spread: f64 =
                levels().map(|(level, count)| (level - mean).powi(2) * count as f64).sum();
            let level_at = |rank: u64| {
                let mut seen = 0;
                let found = counts.iter().position(|count| {
                    seen += count;
                    seen > rank
                });
                found.unwrap_or(0) as f64
            };
            stats.min.push(level_at(0) / 255.0);
            stats.max.push(level_at(total.saturating_sub(1)) / 255.0);
            stats.mean.push(mean / 255.0);
            stats.std.push((spread / total as f64).sqrt() / 255.0);
            for (slot, (_, q)) in stats.quantiles.iter_mut().zip(QUANTILES) {
                slot.push(between(q, total, level_at) / 255.0);
            }
        }
        stats
    }
}

/// The quantile `q` of `count` sorted values: linear between the two neighbouring ranks.
fn between(q: f64, count: u64, value_at: impl Fn(u64) -> f64) -> f64 {
    let place = q * (count - 1) as f64;
    let rank = place.floor();
    let low = value_at(rank as u64);
    let high = value_at((rank as u64 + 1).min(count - 1));
    low + (high - low) * (place - rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_values_by_hand() {
        let values = [1.0, 10.0, 2.0, 10.0, 3.0, 10.0, 4.0, 10.0, 5.0, 10.0];
        let stats = Stats::of_values(values.into_iter(), 2);
        assert_eq!(stats.count, 5);
        assert_eq!((stats.min[0], stats.max[0], stats.mean[0]), (1.0, 5.0, 3.0));
        assert_eq!(stats.std, [2.0_f64.sqrt(), 0.0]);
        assert_eq!(stats.quantiles[2], [3.0, 10.0]);
        assert!((stats.quantiles[1][0] - 1.4).abs() < 1e-15);
    }

    #[test]
    fn merging_equals_the_whole() {
        let values: Vec<f64> = (0..30).map(|at| (at * at % 17) as f64).collect();
        let part =
            |range: std::ops::Range<usize>| Stats::of_values(values[range].iter().copied(), 1);
        let (whole, parts) = (part(0..30), [part(0..7), part(7..30)]);
        let merged = Stats::merge(parts.iter());
        assert_eq!((merged.count, &merged.min, &merged.max), (30, &whole.min, &whole.max));
        assert!((merged.mean[0] - whole.mean[0]).abs() < 1e-12);
        assert!((merged.std[0] - whole.std[0]).abs() < 1e-12);
    }

    #[test]
    fn histogram_equals_values() {
        let pixels: Vec<u8> = (0..90).map(|at| (at * 89 % 251) as u8).collect();
        let mut histogram = Histogram::new();
        histogram.add(&pixels);
        let (got, want) = (
            histogram.stats(),
            Stats::of_values(pixels.iter().map(|&byte| f64::from(byte) / 255.0), 3),
        );
        for ((_, got), (_, want)) in got.named().zip(want.named()) {
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() < 1e-12, "{got} {want}");
            }
        }
        assert_eq!(got.count, 1);
    }
}
