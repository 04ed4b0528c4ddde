//! How far ahead a model predicts.

use super::{HeldOut, finite, geometry};

/// Windows rolled, at most.
const WINDOWS: usize = 512;

/// Blocks of history that are given; predictors use what they have a memory for.
const HISTORY: usize = 8;

/// Predicts from a latent, what came before it (latents and blocks, oldest first), and so many blocks: the latents
/// `[H, D]`.
pub(super) type Roll<'a> =
    dyn FnMut(&[f32], Option<(&[f32], &[f32])>, &[f32], usize) -> Vec<f32> + 'a;

/// Mean squared errors by blocks ahead, of the prediction and of "nothing changes", in variances of the latents. All
/// are over the same windows, each of them a whole horizon long: the one asked for, or else the longest that fits
/// into an episode.
pub(super) fn errors(
    held_out: &HeldOut,
    [d, block]: [usize; 2],
    horizon: usize,
    roll: &mut Roll<'_>,
) -> (Vec<f64>, Vec<f64>) {
    let HeldOut { latents, blocks, episodes, .. } = held_out;
    let longest = episodes.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    let horizon = horizon.min(longest.saturating_sub(1));
    let windows: Vec<(usize, usize)> = episodes
        .iter()
        .flat_map(|rows| {
            (rows.start..rows.end.saturating_sub(horizon)).map(|row| (rows.start, row))
        })
        .collect();
    let stride = windows.len().div_ceil(WINDOWS).max(1);
    let row = |at: usize| &latents[at * d..(at + 1) * d];
    let apart = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    };
    let (mut predicted, mut copied) = (vec![0.0; horizon], vec![0.0; horizon]);
    let mut count = 0.0;
    for &(first, now) in windows.iter().step_by(stride) {
        let past = first.max(now.saturating_sub(HISTORY))..now;
        let before =
            (&latents[past.start * d..past.end * d], &blocks[past.start * block..past.end * block]);
        let before = (!past.is_empty()).then_some(before);
        let plan = &blocks[now * block..(now + horizon) * block];
        let path = if horizon > 0 { roll(row(now), before, plan, horizon) } else { Vec::new() };
        for (ahead, latent) in path.chunks_exact(d).enumerate() {
            let truth = row(now + 1 + ahead);
            predicted[ahead] += apart(latent, truth);
            copied[ahead] += apart(row(now), truth);
        }
        count += 1.0;
    }
    let variance: f64 = geometry::stds(latents, d).iter().map(|std| std * std).sum();
    let scaled = |errors: Vec<f64>| {
        let each = count * variance.max(f64::MIN_POSITIVE);
        errors.into_iter().map(|error| finite(error / each)).collect()
    };
    (scaled(predicted), scaled(copied))
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    /// Walks that add their block to their latent.
    fn walks() -> HeldOut {
        let mut rng = Seed::new(2).rng();
        let mut held_out = HeldOut::default();
        for episode in 0..100 {
            let mut z = [rng.normal(), rng.normal()];
            for _ in 0..10 {
                let block = [0.1 * rng.normal(), 0.1 * rng.normal()];
                held_out.latents.extend(z);
                held_out.blocks.extend(block);
                z = [z[0] + block[0], z[1] + block[1]];
            }
            held_out.episodes.push(episode * 10..episode * 10 + 10);
        }
        held_out
    }

    #[test]
    fn the_true_model_is_exact_and_a_copy_errs_with_time() {
        let held_out = walks();
        let mut longest_past = 0;
        let mut exact = |start: &[f32], before: Option<(&[f32], &[f32])>, plan: &[f32], _| {
            let past = before.map_or(0, |(latents, blocks)| {
                // History ends where the window begins.
                let n = latents.len();
                assert!((latents[n - 2] + blocks[n - 2] - start[0]).abs() < 1e-5);
                n / 2
            });
            longest_past = past.max(longest_past);
            let mut z = start.to_vec();
            let mut path = Vec::new();
            for block in plan.chunks_exact(2) {
                z.iter_mut().zip(block).for_each(|(z, b)| *z += b);
                path.extend_from_slice(&z);
            }
            path
        };
        let (predicted, copied) = errors(&held_out, [2, 2], 5, &mut exact);
        assert_eq!((predicted.len(), copied.len()), (5, 5));
        assert!(predicted.iter().all(|&error| error < 1e-9), "{predicted:?}");
        assert_eq!(longest_past, 4, "of ten rows, five lie ahead");
        // A random walk strays in proportion to time: 0.02 k by a variance of about 2 in all.
        for (k, error) in copied.iter().enumerate() {
            let expected = 0.01 * (k + 1) as f64;
            assert!((error / expected - 1.0).abs() < 0.35, "{k}: {error} of {expected}");
        }
    }

    #[test]
    fn the_mean_errs_by_one_variance_and_nothing_is_infinite() {
        let held_out = walks();
        let mut mean =
            |_: &[f32], _: Option<(&[f32], &[f32])>, _: &[f32], ahead: usize| vec![0.0; 2 * ahead];
        let (predicted, _) = errors(&held_out, [2, 2], 3, &mut mean);
        assert!(predicted.iter().all(|error| (0.8..1.2).contains(error)), "{predicted:?}");
        // Episodes are shorter than the horizon, and the prediction explodes.
        let mut endless = |_: &[f32], _: Option<(&[f32], &[f32])>, _: &[f32], ahead: usize| {
            vec![f32::INFINITY; 2 * ahead]
        };
        let (predicted, copied) = errors(&held_out, [2, 2], 50, &mut endless);
        assert_eq!(predicted, [f64::MAX; 9]);
        assert!(copied.iter().all(|error| *error < 1.0));
        let (none, _) = errors(&HeldOut::default(), [2, 2], 5, &mut mean);
        assert!(none.is_empty());
    }
}
