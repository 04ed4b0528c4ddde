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
    let scale = f32::from_bits(((n as i32 + 127) << 23) as u32);
    value * scale
}

/// The logistic function.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
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
}
