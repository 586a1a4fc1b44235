//! 1 − c‖x‖² with all its digits.

use num_traits::Float;

use super::even::{at_least, constant, nan_unless_finite};

/// The c‖x‖² from which 1 − c‖x‖² is computed by [`exact`]: the plain sum loses more than three bits there.
const EXACT_FROM: f64 = 0.875;

/// 1 − c‖x‖² from ‖x‖², or, near the boundary, from the coordinates by [`exact`].
///
/// Clamped to `min_denominator` from below, the value of points that the float type cannot tell from the
/// boundary. NaN for a coordinate that is NaN or infinite.
#[inline(always)]
pub(crate) fn one_minus_cn2<T: Float>(
    norm_squared: T,
    c: T,
    min_denominator: T,
    x: impl Iterator<Item = T>,
) -> T {
    let z = c * norm_squared;
    let one_minus_cn2 = T::one() - z;
    let one_minus_cn2 = if z > constant(EXACT_FROM) && one_minus_cn2 > -constant::<T>(EXACT_FROM) {
        exact(c, x)
    } else {
        one_minus_cn2
    };
    at_least(one_minus_cn2, min_denominator) + nan_unless_finite(z)
}

/// 1 − c‖x‖² by a compensated sum: the rounding errors of all squares and additions are summed too.
#[cold]
#[inline(never)]
fn exact<T: Float>(c: T, x: impl Iterator<Item = T>) -> T {
    let (mut high, mut low) = (T::zero(), T::zero());
    for x in x {
        let square = x * x;
        let square_error = x.mul_add(x, -square);
        let sum = high + square;
        let square_added = sum - high;
        let sum_error = (high - (sum - square_added)) + (square - square_added);
        high = sum;
        low = low + sum_error + square_error;
    }
    let z = c * high;
    let z_error = c.mul_add(high, -z) + c * low;
    (T::one() - z) - z_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_digits_at_the_boundary() {
        // 1 − (1 − 2⁻³⁰)² = 2⁻²⁹ − 2⁻⁶⁰, in a direction where no square is exact.
        let x = 1.0 - (-30.0_f64).exp2();
        let (cos, sin) = (0.28_f64 * x, 0.96 * x);
        let plain = 1.0 - (cos * cos + sin * sin);
        let ours = one_minus_cn2(cos * cos + sin * sin, 1.0, 0.0, [cos, sin].into_iter());
        // The reference in integers: cos and sin are multiples of 2⁻⁵⁶.
        let scale = 56.0_f64.exp2();
        let (i, j) = ((cos * scale) as i128, (sin * scale) as i128);
        let expected = ((1_i128 << 112) - i * i - j * j) as f64 / scale / scale;
        approx::assert_relative_eq!(ours, expected, max_relative = 1e-15);
        assert!((plain - expected).abs() > 1e-9 * expected);
    }
}
