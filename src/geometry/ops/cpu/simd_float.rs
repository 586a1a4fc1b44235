//! Float types of loops over pairs of vectors, and functions that the compiler can vectorise.

use burn::tensor::Element;
use num_traits::{AsPrimitive, Float};

use crate::geometry::scalar::distance::TangentPair;
use crate::geometry::scalar::even::{at_least, at_most, nan_unless_finite};

/// `f32` or `f64`: an element of a SIMD register. The functions have neither branches nor calls, so that
/// the compiler turns loops over them into vector instructions.
pub trait SimdFloat: Element + Float + AsPrimitive<f64> {
    fn of(value: f64) -> Self;

    /// a · b + c, as one fused instruction if `FUSED`. Set it only for processors that have the instruction:
    /// on others a fused product is a function call.
    fn multiply_add<const FUSED: bool>(a: Self, b: Self, c: Self) -> Self;

    /// Upper limit of the z = cq at which arsinhc(z) is computed by its power series.
    const SERIES_BELOW: Self;

    /// ln(1 + u) for u ≥ 0, to 1.5 units in the last place: 1 + u = 2ᵉ m with m in [√½, √2), and
    /// ln m = 2 artanh((m − 1)/(m + 1)).
    fn ln_1p<const FUSED: bool>(u: Self) -> Self;

    /// d = 2√q arsinh(√(cq))/√(cq).
    #[inline(always)]
    fn distance<const FUSED: bool>(q: Self, c: Self) -> Self {
        let one = Self::one();
        let z = c * q;
        let t = z.sqrt();
        // arsinh(t) = ln(1 + u).
        let u = t + z / (one + (one + z).sqrt());
        let quotient = <Self as SimdFloat>::ln_1p::<FUSED>(u) / t;
        let [sixth, fortieths] = [1.0 / 6.0, 0.075].map(Self::of);
        let series = one - z * (sixth - z * fortieths);
        let arsinhc_z = if z < Self::SERIES_BELOW {
            series
        } else {
            quotient
        };
        let sqrt_q = q.sqrt();
        (sqrt_q + sqrt_q) * arsinhc_z
    }
}

/// 2⁵² + 2⁵¹. A sum of it and a number below 2⁵¹ is rounded to an integer, which its last bits contain.
const ROUNDING_SHIFT: f64 = 6_755_399_441_055_744.0;

/// eʸ for −700 ≤ y ≤ 700, to eleven digits.
#[inline(always)]
fn exp(y: f64) -> f64 {
    // y = k ln 2 + r with |r| ≤ ½ ln 2.
    let shifted = y * std::f64::consts::LOG2_E + ROUNDING_SHIFT;
    let r = y - (shifted - ROUNDING_SHIFT) * std::f64::consts::LN_2;
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    let mut sum = 1.0 + r / 10.0;
    for order in [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        sum = 1.0 + r * sum * (1.0 / order);
    }
    sum * power
}

/// tanh(√z)/√z for z ≥ 0 and its derivative; NaN for an infinite z, which has no direction.
#[inline(always)]
pub fn tanhc(z: f64) -> [f64; 2] {
    /// From this t on tanh(t) is 1 to all digits, and 1 − tanh²(t) is negligible beside tanh(t)/t.
    const SATURATED_FROM: f64 = 60.0;
    const SERIES_BELOW: f64 = 1e-2;

    let t = z.sqrt();
    let exp_minus_2t = exp(-2.0 * at_most(t, SATURATED_FROM));
    let reciprocal = 1.0 / (1.0 + exp_minus_2t);
    let value = (1.0 - exp_minus_2t) * reciprocal / t;
    let slope = (4.0 * exp_minus_2t * reciprocal * reciprocal - value) / (z + z);

    let [a, b, d] = [-1.0 / 3.0, 2.0 / 15.0, -17.0 / 315.0];
    let [e, f] = [62.0 / 2835.0, -1382.0 / 155_925.0];
    let series = 1.0 + z * (a + z * (b + z * (d + z * (e + z * f))));
    let series_slope = a + z * (2.0 * b + z * (3.0 * d + z * (4.0 * e + z * 5.0 * f)));
    let small = z < SERIES_BELOW;
    let nan_or_zero = nan_unless_finite(z);
    [
        if small { series } else { value } + nan_or_zero,
        if small { series_slope } else { slope } + nan_or_zero,
    ]
}

/// sinh(t)/t for 0 ≤ t ≤ 700.
#[inline(always)]
fn sinhc(t: f64) -> f64 {
    const SERIES_BELOW: f64 = 0.2;

    let exp_t = exp(t);
    let quotient = (exp_t - 1.0 / exp_t) / (t + t);
    let z = t * t;
    let cubic = 1.0 / 120.0 + z * (1.0 / 5040.0 + z * (1.0 / 362_880.0));
    let series = 1.0 + z * (1.0 / 6.0 + z * cubic);
    if t < SERIES_BELOW { series } else { quotient }
}

/// Input of [`dist_expmap0`]: ‖u‖, ‖v‖, `radial` and `tangential` of a pair. For a pair whose hyperbolic
/// sines would overflow, the first value is −1 and the last one the distance.
#[inline(always)]
pub fn tangent_parts(pair: &TangentPair<f64>, c: f64) -> [f64; 4] {
    const LOGARITHMS_FROM: f64 = 30.0;

    let [norm_u, norm_v] = pair.norms;
    if c.sqrt() * (norm_u + norm_v) < LOGARITHMS_FROM {
        [norm_u, norm_v, pair.radial, pair.tangential]
    } else {
        [-1.0, 0.0, 0.0, pair.distance(c)]
    }
}

/// d(exp₀u, exp₀v), as [`TangentPair::distance`].
#[inline(always)]
pub fn dist_expmap0([norm_u, norm_v, radial, tangential]: [f64; 4], c: f64) -> f64 {
    let sqrt_c = c.sqrt();
    let overflows = norm_u < 0.0;
    let sinh_radial = sinhc(sqrt_c * radial.abs()) * radial;
    let sinhc_product = sinhc(2.0 * sqrt_c * at_least(norm_u, 0.0)) * sinhc(2.0 * sqrt_c * norm_v);
    let s_squared = sinh_radial * sinh_radial + sinhc_product * at_least(tangential, 0.0);
    let distance = f64::distance::<false>(s_squared, c);
    if overflows { tangential } else { distance }
}

impl SimdFloat for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn multiply_add<const FUSED: bool>(a: Self, b: Self, c: Self) -> Self {
        if FUSED { a.mul_add(b, c) } else { a * b + c }
    }

    const SERIES_BELOW: Self = 1e-5;

    #[inline(always)]
    fn ln_1p<const FUSED: bool>(u: Self) -> Self {
        /// The bits of √½.
        const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
        /// ln 2 in two parts; the first has zeros at the end, so that its multiples are exact.
        const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];

        let one_plus_u = 1.0 + u;
        let shifted = one_plus_u.to_bits().wrapping_sub(SQRT_HALF_BITS);
        let exponent = f64::from_bits(ROUNDING_SHIFT.to_bits() + (shifted >> 52)) - ROUNDING_SHIFT;
        let mantissa = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + SQRT_HALF_BITS);
        let (m_minus_1, correction) = reduced_argument(u, one_plus_u, exponent, mantissa);
        let s = m_minus_1 / (2.0 + m_minus_1);
        let ss = s * s;
        let mut sum = 2.0 / 19.0;
        for odd in [17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
            sum = f64::multiply_add::<FUSED>(sum, ss, 2.0 / odd);
        }
        let log = f64::multiply_add::<FUSED>(s * ss, sum, s + s);
        exponent * LN_2[0] + (log + (correction + exponent * LN_2[1]))
    }
}

impl SimdFloat for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn multiply_add<const FUSED: bool>(a: Self, b: Self, c: Self) -> Self {
        if FUSED { a.mul_add(b, c) } else { a * b + c }
    }

    const SERIES_BELOW: Self = 1e-3;

    #[inline(always)]
    fn ln_1p<const FUSED: bool>(u: Self) -> Self {
        /// The bits of √½.
        const SQRT_HALF_BITS: u32 = 0x3f35_04f3;

        let one_plus_u = 1.0 + u;
        let shifted = one_plus_u.to_bits().wrapping_sub(SQRT_HALF_BITS);
        let exponent = (shifted as i32 >> 23) as f32;
        let mantissa = f32::from_bits((shifted & 0x007f_ffff) + SQRT_HALF_BITS);
        let (m_minus_1, correction) = reduced_argument(u, one_plus_u, exponent, mantissa);
        let s = m_minus_1 / (2.0 + m_minus_1);
        let ss = s * s;
        let mut sum = 2.0 / 9.0;
        for odd in [7.0, 5.0, 3.0] {
            sum = f32::multiply_add::<FUSED>(sum, ss, 2.0 / odd);
        }
        let log = f32::multiply_add::<FUSED>(s * ss, sum, s + s);
        f32::multiply_add::<FUSED>(exponent, std::f32::consts::LN_2, log + correction)
    }
}

/// m − 1, and the correction of ln(1 + u) for the rounding of the sum 1 + u. The exponent e is 0 for
/// 1 + u < √2; then m − 1 is u itself, which has no rounding.
#[inline(always)]
fn reduced_argument<T: SimdFloat>(u: T, one_plus_u: T, exponent: T, mantissa: T) -> (T, T) {
    if exponent == T::zero() {
        (u, T::zero())
    } else {
        (
            mantissa - T::one(),
            (u - (one_plus_u - T::one())) / one_plus_u,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::scalar::even::arsinhc;

    fn check<T: SimdFloat>(to: f64, tolerance: f64) {
        for c in [0.0, 1e-6, 0.01, 1.0, 10.0] {
            let mut q = 1e-20;
            while q < to {
                let (q_rounded, c_rounded) = (T::of(q), T::of(c));
                let (q_exact, c_exact): (f64, f64) = (q_rounded.as_(), c_rounded.as_());
                let expected = 2.0 * q_exact.sqrt() * arsinhc(c_exact * q_exact).value;
                for ours in [T::distance::<false>, T::distance::<true>] {
                    let ours: f64 = ours(q_rounded, c_rounded).as_();
                    let error = (ours - expected).abs() / expected;
                    assert!(error < tolerance, "c = {c}, q = {q}: {error:e}");
                }
                q *= 1.037;
            }
            assert!(T::distance::<true>(T::zero(), T::of(c)) == T::zero());
        }
    }

    #[test]
    fn tanhc_to_ten_digits() {
        let mut z = 1e-30;
        while z < 1e30 {
            let exact = crate::geometry::scalar::even::tanhc(z);
            let [value, slope] = tanhc(z);
            assert!((value / exact.value - 1.0).abs() < 1e-11, "{z:e}: {value}");
            assert!((slope / exact.slope - 1.0).abs() < 1e-9, "{z:e}: {slope}");
            z *= 1.037;
        }
        assert_eq!(tanhc(0.0), [1.0, -1.0 / 3.0]);
    }

    #[test]
    fn dist_expmap0_to_ten_digits() {
        let lengths = [0.0, 1e-9, 1e-3, 0.05, 0.11, 0.7, 3.0, 9.0, 20.0, 400.0];
        for c in [0.0, 1e-9, 0.01, 1.0, 10.0] {
            for (u, v) in lengths.iter().flat_map(|u| lengths.map(|v| (*u, v))) {
                for part in [0.0, 1e-9, 0.3, 2.0] {
                    let pair = TangentPair {
                        norms: [u, v],
                        radial: u - v,
                        tangential: part * u * v,
                    };
                    let expected = pair.distance(c);
                    let ours = dist_expmap0(tangent_parts(&pair, c), c);
                    let error = (ours - expected).abs();
                    assert!(error <= 1e-10 * expected, "{c} {pair:?}: {ours} {expected}");
                }
            }
        }
    }

    #[test]
    fn distance_to_the_last_digits() {
        check::<f32>(1e13, 3e-7);
        check::<f64>(1e40, 8e-16);
    }
}
