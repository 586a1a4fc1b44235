//! Quotients f(√z)/√z of odd functions: smooth in z through 0, which √z is not.
//!
//! With z = c‖x‖² they make every formula of the ball smooth at the origin and at c = 0.

use num_traits::Float;

/// The value and the derivative of a function of z at one z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueSlope<T> {
    /// f(z).
    pub value: T,
    /// f′(z).
    pub slope: T,
}

/// Upper limit of the z at which the power series are used. The terms after the ninth are below 1e-18
/// there; above it the quotients, which cancel near 0, lose at most two digits.
const SERIES_BELOW: f64 = 1e-2;

/// The number as a `T`; NaN if `T` cannot represent it.
pub(crate) fn constant<T: Float>(value: f64) -> T {
    T::from(value).unwrap_or_else(T::nan)
}

/// `value`, or `least` if it is less. NaN stays NaN, which `Float::max` would replace.
#[inline(always)]
pub(crate) fn at_least<T: Float>(value: T, least: T) -> T {
    if value < least { least } else { value }
}

/// `value`, or `most` if it is more. NaN stays NaN, which `Float::min` would replace.
#[inline(always)]
pub(crate) fn at_most<T: Float>(value: T, most: T) -> T {
    if value > most { most } else { value }
}

/// 0 for a finite number, NaN for one that is infinite or NaN. Added to a result, it passes
/// that NaN on.
#[inline(always)]
pub(crate) fn nan_unless_finite<T: Float>(value: T) -> T {
    value * T::zero()
}

/// The power series Σ aₖ zᵏ with these coefficients, and its derivative.
fn series<T: Float, const N: usize>(z: T, coefficients: [f64; N]) -> ValueSlope<T> {
    let (mut value, mut slope) = (T::zero(), T::zero());
    for coefficient in coefficients.into_iter().rev() {
        slope = slope * z + value;
        value = value * z + constant(coefficient);
    }
    ValueSlope { value, slope }
}

/// f(t)/t and its derivative in z, where t = √z, `f` = f(t) and `derivative` = f′(t).
#[inline]
fn quotient<T: Float>(z: T, t: T, f: T, derivative: T) -> ValueSlope<T> {
    let value = f / t;
    let slope = (derivative - value) / (z + z);
    ValueSlope { value, slope }
}

/// tanh(t) for t ≥ 0 and its derivative 1 − tanh²(t) = 4e^(−2t)/(1 + e^(−2t))², which does not cancel.
#[inline]
fn tanh<T: Float>(t: T) -> (T, T) {
    let expm1 = (-(t + t)).exp_m1();
    let one_plus_exp = constant::<T>(2.0) + expm1;
    let derivative = constant::<T>(4.0) * (T::one() + expm1) / (one_plus_exp * one_plus_exp);
    (-expm1 / one_plus_exp, derivative)
}

/// tanh(√z)/√z for z ≥ 0.
pub fn tanhc<T: Float>(z: T) -> ValueSlope<T> {
    if z < constant(SERIES_BELOW) {
        let coefficients = [
            1.0,
            -1.0 / 3.0,
            2.0 / 15.0,
            -17.0 / 315.0,
            62.0 / 2835.0,
            -1382.0 / 155_925.0,
            21_844.0 / 6_081_075.0,
            -929_569.0 / 638_512_875.0,
            6_404_582.0 / 10_854_718_875.0,
        ];
        return series(z, coefficients);
    }
    let t = z.sqrt();
    let (tanh, derivative) = tanh(t);
    quotient(z, t, tanh, derivative)
}

/// artanh(√z)/√z for 0 ≤ z < 1, given 1 − z with all its digits.
pub fn artanhc<T: Float>(z: T, one_minus_cn2: T) -> ValueSlope<T> {
    if z < constant(SERIES_BELOW) {
        return series(
            z,
            std::array::from_fn::<f64, 9, _>(|k| 1.0 / (2.0 * k as f64 + 1.0)),
        );
    }
    let t = z.sqrt();
    let half = constant::<T>(0.5);
    // ½ ln((1 + t)/(1 − t)) = ln(1 + t) − ½ ln(1 − t²).
    quotient(
        z,
        t,
        t.ln_1p() - half * one_minus_cn2.ln(),
        one_minus_cn2.recip(),
    )
}

/// arsinh(√z)/√z for z ≥ 0.
#[inline]
pub fn arsinhc<T: Float>(z: T) -> ValueSlope<T> {
    if z < constant(SERIES_BELOW) {
        let coefficients = [
            1.0,
            -1.0 / 6.0,
            3.0 / 40.0,
            -5.0 / 112.0,
            35.0 / 1152.0,
            -63.0 / 2816.0,
            231.0 / 13_312.0,
            -143.0 / 10_240.0,
            6435.0 / 557_056.0,
        ];
        return series(z, coefficients);
    }
    let t = z.sqrt();
    let sqrt_one_plus_z = (T::one() + z).sqrt();
    // t + z/(1 + √(1 + z)) is t + √(1 + z) − 1 without its cancellation.
    quotient(
        z,
        t,
        (t + z / (T::one() + sqrt_one_plus_z)).ln_1p(),
        sqrt_one_plus_z.recip(),
    )
}

/// (√z coth(√z) − 1)/(2z) for z ≥ 0: the derivative in z of ln(sinh(√z)/√z).
pub fn log_sinhc_slope<T: Float>(z: T) -> T {
    if z < constant(0.1) {
        let coefficients = [
            1.0 / 6.0,
            -1.0 / 90.0,
            1.0 / 945.0,
            -1.0 / 9450.0,
            1.0 / 93_555.0,
            -691.0 / 638_512_875.0,
            2.0 / 18_243_225.0,
            -3617.0 / 325_641_566_250.0,
        ];
        return series(z, coefficients).value;
    }
    let t = z.sqrt();
    let exp_minus_2t = (-(t + t)).exp();
    let coth = (T::one() + exp_minus_2t) / (T::one() - exp_minus_2t);
    (t * coth - T::one()) / (z + z)
}

/// tanh(r artanh(√z))/√z for 0 ≤ z < 1, given 1 − z with all its digits.
pub fn scaled_tanhc<T: Float>(r: T, z: T, one_minus_cn2: T) -> ValueSlope<T> {
    // In this order neither overflows for z = 0.
    let w = z * r * r;
    if z < constant(1e-5) && w < constant(1e-5) {
        let one_third = constant::<T>(1.0 / 3.0);
        let (one_fifth, two_fifteenths) = (constant::<T>(0.2), constant::<T>(2.0 / 15.0));
        let rr = r * r;
        return ValueSlope {
            value: r + r
                * ((z - w) * one_third
                    + z * (z * one_fifth - w * one_third)
                    + w * w * two_fifteenths),
            slope: r
                * ((T::one() - rr) * one_third
                    + (z + z) * (one_fifth - rr * one_third)
                    + (w + w) * rr * two_fifteenths),
        };
    }
    let t = z.sqrt();
    let r_artanh = r * artanhc(z, one_minus_cn2).value * t;
    let (tanh, derivative) = tanh(r_artanh.abs());
    quotient(
        z,
        t,
        tanh * r_artanh.signum(),
        r * derivative / one_minus_cn2,
    )
}

/// exprel(−t) = (1 − e^(−t))/t for t ≥ 0, where exprel(x) = (eˣ − 1)/x as in SciPy.
pub fn exprel_neg<T: Float>(t: T) -> T {
    if t == T::zero() {
        T::one()
    } else {
        -(-t).exp_m1() / t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both branches agree with the plain quotient, and slopes with central differences.
    #[test]
    fn match_their_definitions() {
        type Function = fn(f64) -> ValueSlope<f64>;
        type Definition = fn(f64) -> f64;
        let sinhc_slope: Function = |z| ValueSlope {
            value: ((z.sqrt().sinh() / z.sqrt()).ln()),
            slope: log_sinhc_slope(z),
        };
        let cases: [(Function, Definition); 6] = [
            (tanhc, |t| t.tanh() / t),
            (|z| artanhc(z, 1.0 - z), |t| t.atanh() / t),
            (arsinhc, |t| t.asinh() / t),
            (
                |z| scaled_tanhc(0.7, z, 1.0 - z),
                |t| (0.7 * t.atanh()).tanh() / t,
            ),
            (
                |z| scaled_tanhc(-3.0, z, 1.0 - z),
                |t| (-3.0 * t.atanh()).tanh() / t,
            ),
            (sinhc_slope, |t| (t.sinh() / t).ln()),
        ];
        for (function, definition) in cases {
            for z in [2e-6_f64, 9.9e-6, 1.1e-5, 9e-3, 1.1e-2, 0.09, 0.11, 0.5, 0.9] {
                let at = function(z);
                let expected = definition(z.sqrt());
                approx::assert_relative_eq!(
                    at.value,
                    expected,
                    max_relative = 4e-15,
                    epsilon = 1e-16
                );
                let h = 1e-4 * z;
                let slope = (definition((z + h).sqrt()) - definition((z - h).sqrt())) / (2.0 * h);
                // The quotient of differences is rounded by ε/h.
                let rounding = 4e-16 * expected.abs().max(1e-3) / h;
                approx::assert_relative_eq!(
                    at.slope,
                    slope,
                    max_relative = 1e-6,
                    epsilon = rounding
                );
            }
        }
        assert_eq!(
            tanhc(0.0),
            ValueSlope {
                value: 1.0,
                slope: -1.0 / 3.0
            }
        );
        assert_eq!(exprel_neg(0.0_f64), 1.0);
        assert_eq!(exprel_neg(1e-300_f64), 1.0);
    }
}
