//! What can be read from a latent: regressions to physical quantities, fitted on some episodes, judged on others.

use super::perceptron::Perceptron;
use super::{HeldOut, finite, geometry};
use crate::ModelError;
use housecat_core::{Quantity, Seed};
use nalgebra::DMatrix;
use std::ops::Range;

/// How well one quantity is read.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Probe {
    /// The quantity.
    pub name: String,
    /// `"m"`, `"deg"`, `"m/s"`, `"rad/s"`, or nothing for a plain number.
    pub unit: String,
    /// Root mean square deviation from its mean (of an angle, its circular mean), in `unit`: the error of one who
    /// knows nothing.
    pub spread: f64,
    /// By ridge regression.
    pub linear: Reading,
    /// By a perceptron with one hidden layer of 128.
    pub mlp: Reading,
}

/// How well it is read in one way.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    /// Pearson's correlation of the read and the true value, in [-1, 1]; of an angle, that of its sine and cosine
    /// taken together. 0 where a side is constant.
    pub r: f64,
    /// Root mean square error, in `unit`.
    pub rmse: f64,
}

/// Share of the episodes that is fitted on.
const FITTED: f64 = 0.75;

/// Ridge penalty per row, on standardised inputs.
const PENALTY: f64 = 1e-3;

/// Fits both kinds of probe on the first three quarters of the episodes and judges them on the rest. Without at
/// least two episodes there are none.
pub(super) fn fit(held_out: &HeldOut, d: usize, seed: Seed) -> Result<Vec<Probe>, ModelError> {
    let HeldOut { latents, quantities, truth, episodes, .. } = held_out;
    let fitted = (episodes.len() as f64 * FITTED) as usize;
    let (Some(known), Some(all)) = (episodes[..fitted].last(), episodes.last()) else {
        return Ok(Vec::new());
    };
    let (split, end) = (known.end, all.end);
    if quantities.is_empty() || split == 0 || split == end {
        return Ok(Vec::new());
    }
    let columns = columns(quantities);
    let count = columns.last().map_or(0, |last| last.end);
    let truth_of = |row: usize| &truth[row * quantities.len()..(row + 1) * quantities.len()];
    let targets: Vec<f32> = (0..end).flat_map(|row| targets(quantities, truth_of(row))).collect();
    let (inputs, outputs) =
        (Standard::of(&latents[..split * d], d), Standard::of(&targets[..split * count], count));
    let (x, unseen) = (inputs.apply(&latents[..split * d]), inputs.apply(&latents[split * d..]));
    let y = outputs.apply(&targets[..split * count]);
    let linear = outputs.undo(&ridge(&x, &y, [d, count], &unseen));
    let perceptron = Perceptron::fit(&x, &y, [d, count], seed)?;
    let mlp = outputs.undo(&perceptron.predict(&unseen)?);
    let targets = &targets[split * count..];
    let judge = |(index, (name, quantity)): (usize, &(String, Quantity))| {
        let values: Vec<f64> = (split..end).map(|row| truth_of(row)[index]).collect();
        let own = |rows: &[f32]| -> Vec<f32> {
            rows.chunks_exact(count).flat_map(|row| row[columns[index].clone()].to_vec()).collect()
        };
        let targets = own(targets);
        let read = |guesses: &[f32]| {
            let guesses = own(guesses);
            Reading {
                r: correlation(&targets, &guesses, columns[index].len()),
                rmse: finite(rmse(*quantity, &values, &guesses)),
            }
        };
        let width = columns[index].len();
        // The mean sine and cosine point to the circular mean.
        let mean: Vec<f32> =
            geometry::means(&targets, width).iter().map(|&value| value as f32).collect();
        Probe {
            name: name.clone(),
            unit: unit(*quantity).to_owned(),
            spread: rmse(*quantity, &values, &mean.repeat(values.len())),
            linear: read(&linear),
            mlp: read(&mlp),
        }
    };
    Ok(quantities.iter().enumerate().map(judge).collect())
}

/// The regression's columns for each quantity: sine and cosine for an angle, else one.
fn columns(quantities: &[(String, Quantity)]) -> Vec<Range<usize>> {
    let mut end = 0;
    let of = |(_, quantity): &(String, Quantity)| {
        let start = end;
        end += if *quantity == Quantity::Angle { 2 } else { 1 };
        start..end
    };
    quantities.iter().map(of).collect()
}

fn targets(quantities: &[(String, Quantity)], truth: &[f64]) -> Vec<f32> {
    let of = |((_, quantity), value): (&(String, Quantity), &f64)| match quantity {
        Quantity::Angle => vec![value.sin() as f32, value.cos() as f32],
        _ => vec![*value as f32],
    };
    quantities.iter().zip(truth).flat_map(of).collect()
}

/// The unit of errors.
fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Length => "m",
        Quantity::Angle => "deg",
        Quantity::Velocity => "m/s",
        Quantity::AngularVelocity => "rad/s",
        Quantity::Number => "",
    }
}

/// Root mean square error of guesses `[N, columns]`, for angles the shorter way round and in degrees.
fn rmse(quantity: Quantity, values: &[f64], guesses: &[f32]) -> f64 {
    let errors = values.iter().enumerate().map(|(row, value)| match quantity {
        Quantity::Angle => {
            let guess = f64::from(guesses[2 * row]).atan2(f64::from(guesses[2 * row + 1]));
            let error = value - guess;
            error.sin().atan2(error.cos()).to_degrees()
        }
        _ => value - f64::from(guesses[row]),
    });
    (errors.map(|error| error * error).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// Pearson's correlation, of several columns that of all their deviations together; 0 when a side is constant.
fn correlation(a: &[f32], b: &[f32], columns: usize) -> f64 {
    let centred = |rows: &[f32]| -> Vec<f64> {
        let means = geometry::means(rows, columns);
        rows.iter().enumerate().map(|(at, &value)| f64::from(value) - means[at % columns]).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (dot(&a, &a) * dot(&b, &b)).sqrt();
    if scale > 1e-12 && scale.is_finite() { dot(&a, &b) / scale } else { 0.0 }
}

/// Means and standard deviations of columns.
struct Standard {
    means: Vec<f64>,
    stds: Vec<f64>,
}

impl Standard {
    fn of(rows: &[f32], columns: usize) -> Self {
        // A constant column stays harmless.
        let floored = |std: f64| if std > 1e-9 { std } else { 1.0 };
        let stds = geometry::stds(rows, columns).into_iter().map(floored).collect();
        Self { means: geometry::means(rows, columns), stds }
    }

    fn map(&self, rows: &[f32], of: impl Fn(f64, f64, f64) -> f64) -> Vec<f32> {
        let columns = self.means.len();
        rows.iter()
            .enumerate()
            .map(|(at, &value)| {
                of(f64::from(value), self.means[at % columns], self.stds[at % columns]) as f32
            })
            .collect()
    }

    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        self.map(rows, |value, mean, std| (value - mean) / std)
    }

    fn undo(&self, rows: &[f32]) -> Vec<f32> {
        self.map(rows, |value, mean, std| value * std + mean)
    }
}

/// Ridge regression of outputs `[N, P]` on inputs `[N, D]`, both standardised; what it says of other inputs, `[M, P]`.
fn ridge(x: &[f32], y: &[f32], [d, outputs]: [usize; 2], unseen: &[f32]) -> Vec<f32> {
    let matrix = |rows: &[f32], columns: usize| {
        DMatrix::from_row_iterator(
            rows.len() / columns,
            columns,
            rows.iter().map(|&value| f64::from(value)),
        )
    };
    let (x, y, unseen) = (matrix(x, d), matrix(y, outputs), matrix(unseen, d));
    let gram = x.tr_mul(&x) + DMatrix::identity(d, d) * (PENALTY * x.nrows() as f64);
    // Positive definite by the penalty.
    let Some(factor) = gram.cholesky() else { return vec![0.0; unseen.nrows() * outputs] };
    let guesses = unseen * factor.solve(&x.tr_mul(&y));
    guesses.transpose().iter().map(|&value| value as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Quantity::{Angle, AngularVelocity, Length};

    /// Episodes of a latent world with an angle: its latent is a turned and stretched picture of the point on the
    /// circle, of a place, and of a quantity of which only the square is in the latent's fourth component.
    fn world(episodes: usize) -> HeldOut {
        let mut rng = Seed::new(5).rng();
        let mut held_out = HeldOut {
            quantities: [
                ("place", Length),
                ("angle", Angle),
                ("squared", Length),
                ("noise", AngularVelocity),
            ]
            .map(|(name, quantity)| (name.to_owned(), quantity))
            .to_vec(),
            ..HeldOut::default()
        };
        for episode in 0..episodes {
            for _ in 0..20 {
                let place = 0.3 * f64::from(rng.normal());
                let angle = rng.uniform_f64(-20.0, 20.0);
                let hidden = rng.uniform_f64(-1.0, 1.0);
                let (sin, cos) = angle.sin_cos();
                held_out.latents.extend(
                    [place + sin, 2.0 * cos - sin, 3.0 * sin + 1.0, hidden, place - hidden]
                        .map(|value| value as f32),
                );
                let noise = f64::from(rng.normal());
                held_out.truth.extend([place, angle, hidden * hidden, noise]);
            }
            held_out.episodes.push(episode * 20..episode * 20 + 20);
        }
        held_out
    }

    #[test]
    fn linear_probes_read_what_is_linear_and_perceptrons_what_is_there() {
        let probes = fit(&world(100), 5, Seed::new(0)).unwrap();
        let [place, angle, squared, noise] = &probes[..] else { panic!("{probes:?}") };
        assert_eq!((place.unit.as_str(), angle.unit.as_str()), ("m", "deg"));
        assert!(place.linear.r > 0.999 && place.linear.rmse < 0.01, "{place:?}");
        assert!((place.spread - 0.3).abs() < 0.03, "{place:?}");
        assert!(place.mlp.r > 0.99 && place.mlp.rmse < 0.05, "{place:?}");
        // Whole turns do not matter, and errors are in degrees: an ignorant guess is off by 180 / sqrt(3).
        assert!(angle.linear.r > 0.999 && angle.linear.rmse < 1.0, "{angle:?}");
        assert!((angle.spread - 104.0).abs() < 10.0, "{angle:?}");
        assert!(angle.mlp.r > 0.99 && angle.mlp.rmse < 10.0, "{angle:?}");
        // The square is no linear function of anything in the latent.
        assert!(
            squared.linear.r.abs() < 0.2 && squared.linear.rmse > 0.9 * squared.spread,
            "{squared:?}"
        );
        assert!(squared.mlp.r > 0.97 && squared.mlp.rmse < 0.3 * squared.spread, "{squared:?}");
        // What is not there is read by nobody: the judged episodes are not those fitted.
        assert!(noise.linear.r.abs() < 0.15 && noise.mlp.r.abs() < 0.15, "{noise:?}");
        assert_eq!(probes, fit(&world(100), 5, Seed::new(0)).unwrap(), "the same seed, other bits");
    }

    #[test]
    fn odd_data_do_no_harm() {
        assert!(fit(&HeldOut::default(), 5, Seed::new(0)).unwrap().is_empty());
        assert!(fit(&world(1), 5, Seed::new(0)).unwrap().is_empty());
        // Constant latents and truth.
        let mut held_out = world(8);
        held_out.latents.fill(0.7);
        held_out.truth.fill(0.2);
        for probe in fit(&held_out, 5, Seed::new(0)).unwrap() {
            assert!(probe.linear.r == 0.0 && probe.mlp.r == 0.0, "{probe:?}");
            assert!(probe.spread < 1e-3 && probe.linear.rmse < 1e-3, "{probe:?}");
        }
    }
}
