//! Exponential and sine/cosine that vectorise and give the same bits on every machine.

/// e^x by range reduction and a degree-6 polynomial (Cephes); relative error below 2e-7 on
/// [-87, 88], clamped outside.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding and subtracting rounds to nearest
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    // The low bits of `shifted` are n; a conversion that minds every float would cost more than the rest.
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    value * scale
}

/// The logistic function.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// exp(-x^2 / 2) and the standard normal distribution function, the latter within 1e-7 (Abramowitz &
/// Stegun 7.1.26).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let size = x.abs();
    let bell = exp(-0.5 * size * size);
    // erf(|x| / sqrt 2) = 1 - 2 tail
    let t = 1.0 / (1.0 + 0.231_641_9 * size);
    let mut p = 0.530_702_7;
    p = p * t - 0.726_576;
    p = p * t + 0.710_706_9;
    p = p * t - 0.142_248_37;
    p = p * t + 0.127_414_8;
    let tail = p * t * bell;
    (bell, if x < 0.0 { tail } else { 1.0 - tail })
}

/// x times the standard normal distribution function of x.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    x * normal(x).1
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(crate) fn gelu_slope(x: f32) -> f32 {
    const DENSITY: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
    let (bell, below) = normal(x);
    below + x * bell * DENSITY
}

/// (sin x, cos x) for |x| below about 1e4: reduction to [-pi/4, pi/4] and Cephes' polynomials.
#[inline(always)]
pub(crate) fn sin_cos(x: f32) -> (f32, f32) {
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::FRAC_2_PI + ROUND;
    let n = shifted - ROUND;
    let quadrant = n as i32;
    let r = ((x - n * 1.570_312_5) - n * 4.837_513e-4) - n * 7.549_79e-8;
    let r2 = r * r;
    let s = ((-1.951_529_6e-4 * r2 + 8.332_161e-3) * r2 - 1.666_665_5e-1) * r2 * r + r;
    let c =
        ((2.443_315_7e-5 * r2 - 1.388_731_6e-3) * r2 + 4.166_664_6e-2) * r2 * r2 - 0.5 * r2 + 1.0;
    let swap = quadrant & 1 == 1;
    let (sine, cosine) = (if swap { c } else { s }, if swap { s } else { c });
    let sine = if quadrant & 2 == 2 { -sine } else { sine };
    let cosine = if (quadrant + 1) & 2 == 2 { -cosine } else { cosine };
    (sine, cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_standard_library() {
        for i in -4000..4000 {
            let x = i as f32 * 0.02;
            let want = x.exp();
            assert!((exp(x) - want).abs() <= 4e-7 * want, "exp({x})");
            let (s, c) = sin_cos(x);
            assert!((s - x.sin()).abs() < 2e-6 && (c - x.cos()).abs() < 2e-6, "sin_cos({x})");
        }
        assert!(exp(-1e9) > 0.0 && exp(1e9).is_finite());
    }

    #[test]
    fn gelu_is_close() {
        // Values of the exact function.
        for (x, want) in [
            (-4.0, -1.266_850_6e-4),
            (-2.0, -0.045_500_264),
            (-1.0, -0.158_655_25),
            (-0.5, -0.154_268_77),
            (0.0, 0.0),
            (0.5, 0.345_731_23),
            (1.0, 0.841_344_7),
            (3.0, 2.995_950_3),
        ] {
            assert!((gelu(x) - want).abs() < 3e-7, "gelu({x}) = {}", gelu(x));
            let slope = (gelu(x + 1e-2) - gelu(x - 1e-2)) / 2e-2;
            assert!((gelu_slope(x) - slope).abs() < 1e-4, "slope at {x}");
        }
    }
}
