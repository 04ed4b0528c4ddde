//! Temporally correlated noise.

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
}
