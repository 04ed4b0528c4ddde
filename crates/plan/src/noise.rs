//! Temporally correlated noise: autoregressive, or of a power law in frequency.

use housecat_core::Rng;

/// Fills `out` `[H, A]` with unit-variance first-order autoregressive noise: each component's value at
/// a step is `rho` times the one before plus fresh noise. `rho` 0 is white.
pub(crate) fn autoregressive(out: &mut [f32], action_dim: usize, rho: f32, rng: &mut Rng) {
    let fresh = (1.0 - rho * rho).max(0.0).sqrt();
    for index in 0..out.len() {
        let draw = rng.normal();
        out[index] = match index.checked_sub(action_dim) {
            Some(before) => rho * out[before] + fresh * draw,
            None => draw,
        };
    }
}

/// Noise whose power falls with frequency f as 1 / f^beta (Timmer and König 1995, "On generating power law
/// noise"): 0 is white, 1 pink, 2 red. The inverse Fourier transform over the horizon is written out as a
/// matrix, because horizons are short; every step has unit variance.
pub(crate) struct Coloured {
    horizon: usize,
    /// `[H, H]`: how much of each draw is in each step.
    waves: Vec<f32>,
}

impl Coloured {
    /// Of exponent `beta`, for sequences of `horizon` steps.
    pub(crate) fn new(horizon: usize, beta: f32) -> Self {
        // The constant part would have infinite power; it gets that of the lowest frequency.
        let power = |k: usize| libm::pow(k.max(1) as f64, -f64::from(beta));
        let total: f64 = (0..=horizon / 2).map(power).sum();
        let mut waves = Vec::with_capacity(horizon * horizon);
        for step in 0..horizon {
            // One draw for the constant, then one for the cosine and one for the sine of each frequency; of the
            // highest one that an even horizon knows there is only the cosine.
            waves.extend((0..horizon).map(|draw| {
                let k = draw.div_ceil(2);
                let turn = ((k * step) % horizon) as f64 / horizon as f64;
                let angle = std::f64::consts::TAU * turn;
                let sine = draw > 0 && draw % 2 == 0;
                let wave = if sine { libm::sin(angle) } else { libm::cos(angle) };
                ((power(k) / total).sqrt() * wave) as f32
            }));
        }
        Self { horizon, waves }
    }

    /// Fills `out` `[H, A]`, every component with noise of its own.
    pub(crate) fn fill(&self, out: &mut [f32], rng: &mut Rng) {
        let action_dim = out.len() / self.horizon;
        let mut draws = vec![0.0; out.len()];
        rng.fill_normal(&mut draws);
        let steps = out.chunks_exact_mut(action_dim).zip(self.waves.chunks_exact(self.horizon));
        for (step, waves) in steps {
            step.fill(0.0);
            for (wave, draws) in waves.iter().zip(draws.chunks_exact(action_dim)) {
                for (value, draw) in step.iter_mut().zip(draws) {
                    *value += wave * draw;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    #[test]
    fn variance_is_one_and_correlation_is_rho() {
        let mut rng = Seed::new(2).rng();
        let mut values = vec![0.0; 40_000];
        autoregressive(&mut values, 2, 0.8, &mut rng);
        let n = values.len() as f32;
        let var = values.iter().map(|v| v * v).sum::<f32>() / n;
        let lag = values.windows(3).map(|w| w[0] * w[2]).sum::<f32>() / n;
        assert!((var - 1.0).abs() < 0.1 && (lag / var - 0.8).abs() < 0.05, "{var} {lag}");
    }

    #[test]
    fn colours_have_unit_variance_at_every_step_and_their_power_law() {
        for horizon in [1, 2, 7, 12, 31] {
            for beta in [0.0, 0.5, 2.0, 3.5] {
                let Coloured { waves, .. } = Coloured::new(horizon, beta);
                for row in waves.chunks_exact(horizon) {
                    let variance: f32 = row.iter().map(|w| w * w).sum();
                    assert!((variance - 1.0).abs() < 1e-5, "{horizon} {beta}: {variance}");
                }
            }
        }
        // White noise is uncorrelated; the redder, the more a step tells of the next.
        let lag = |beta| {
            let Coloured { waves, .. } = Coloured::new(16, beta);
            (0..16).map(|draw| waves[draw] * waves[16 + draw]).sum::<f32>()
        };
        assert!(lag(0.0).abs() < 0.1 && lag(1.0) > 0.4 && lag(2.0) > lag(1.0), "{}", lag(0.0));
    }

    #[test]
    fn a_frequency_has_the_power_of_its_law() {
        let (horizon, beta) = (24, 2.0);
        let noise = Coloured::new(horizon, beta);
        let mut rng = Seed::new(3).rng();
        let mut power = [0.0_f64; 3];
        for _ in 0..4000 {
            let mut values = vec![0.0; horizon];
            noise.fill(&mut values, &mut rng);
            for (sum, k) in power.iter_mut().zip([1, 2, 4]) {
                let wave = |t: usize| (std::f64::consts::TAU * (k * t) as f64 / 24.0).cos();
                let part: f64 = (0..horizon).map(|t| f64::from(values[t]) * wave(t)).sum();
                *sum += part * part;
            }
        }
        for ratio in [power[0] / power[1], power[1] / power[2]] {
            assert!((ratio - 4.0).abs() < 0.5, "{power:?}");
        }
    }
}
