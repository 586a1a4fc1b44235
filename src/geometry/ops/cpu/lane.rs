//! The float types that loops over pairs of vectors compute in.

use burn::tensor::Element;
use num_traits::{AsPrimitive, Float};

use crate::geometry::scalar::distance::TangentPair;
use crate::geometry::scalar::even::{at_least, at_most, nan_unless_finite};

/// `f32` or `f64`: what the compiler puts into the lanes of a vector register.
pub trait Lane: Element + Float + AsPrimitive<f64> {
    fn of(value: f64) -> Self;

    /// a · b + c; fused where `FUSED` says that the processor can, for elsewhere that is a function
    /// call.
    fn product_sum<const FUSED: bool>(a: Self, b: Self, c: Self) -> Self;

    /// cq below which the distance is taken from its series.
    const SERIES_BELOW: Self;

    /// ln(1 + u) for u ≥ 0, to 1.5 units in the last place: 1 + u = 2ᵉ m with m in [√½, √2), and
    /// ln m = 2 artanh((m − 1)/(m + 1)).
    fn ln_1p<const FUSED: bool>(u: Self) -> Self;

    /// 2√q arsinh(√(cq))/√(cq), without branches and calls, so that a loop of it is a loop of vector
    /// instructions.
    #[inline(always)]
    fn distance<const FUSED: bool>(q: Self, c: Self) -> Self {
        let one = Self::one();
        let z = c * q;
        let t = z.sqrt();
        // arsinh(t) = ln(1 + u).
        let u = t + z / (one + (one + z).sqrt());
        let quotient = <Self as Lane>::ln_1p::<FUSED>(u) / t;
        let [sixth, fortieths] = [1.0 / 6.0, 0.075].map(Self::of);
        let series = one - z * (sixth - z * fortieths);
        let stretch = if z < Self::SERIES_BELOW {
            series
        } else {
            quotient
        };
        let root = q.sqrt();
        (root + root) * stretch
    }
}

/// 2⁵² + 2⁵¹: the last bits of such a number are an integer.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// eʸ for −700 ≤ y ≤ 700, to eleven digits and, like all that follows, without branches and calls.
#[inline(always)]
fn exp(y: f64) -> f64 {
    // y = k ln 2 + r with |r| ≤ ½ ln 2.
    let shifted = y * std::f64::consts::LOG2_E + WHOLE;
    let r = y - (shifted - WHOLE) * std::f64::consts::LN_2;
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
    /// From here on tanh is 1, and its derivative nothing beside 1/t.
    const FLAT: f64 = 60.0;
    const SERIES_BELOW: f64 = 1e-2;

    let t = z.sqrt();
    let decay = exp(-2.0 * at_most(t, FLAT));
    let whole = 1.0 / (1.0 + decay);
    let value = (1.0 - decay) * whole / t;
    let slope = (4.0 * decay * whole * whole - value) / (z + z);

    let [a, b, d] = [-1.0 / 3.0, 2.0 / 15.0, -17.0 / 315.0];
    let [e, f] = [62.0 / 2835.0, -1382.0 / 155_925.0];
    let series = 1.0 + z * (a + z * (b + z * (d + z * (e + z * f))));
    let series_slope = a + z * (2.0 * b + z * (3.0 * d + z * (4.0 * e + z * 5.0 * f)));
    let small = z < SERIES_BELOW;
    let lost = nan_unless_finite(z);
    [
        if small { series } else { value } + lost,
        if small { series_slope } else { slope } + lost,
    ]
}

/// sinh(t)/t for 0 ≤ t ≤ 700.
#[inline(always)]
fn sinhc(t: f64) -> f64 {
    const SERIES_BELOW: f64 = 0.2;

    let grown = exp(t);
    let quotient = (grown - 1.0 / grown) / (t + t);
    let z = t * t;
    let cubic = 1.0 / 120.0 + z * (1.0 / 5040.0 + z * (1.0 / 362_880.0));
    let series = 1.0 + z * (1.0 / 6.0 + z * cubic);
    if t < SERIES_BELOW { series } else { quotient }
}

/// Intermediate values of [`dist_expmap0`]: the norms, the radial and the tangential part of a pair. A pair
/// whose hyperbolic sines would be too large has its distance here, in the place of the last part,
/// and −1 in the place of the first.
#[inline(always)]
pub fn tangent_parts(pair: &TangentPair<f64>, c: f64) -> [f64; 4] {
    const FAR: f64 = 30.0;

    let [u, v] = pair.norms;
    if c.sqrt() * (u + v) < FAR {
        [u, v, pair.radial, pair.tangential]
    } else {
        [-1.0, 0.0, 0.0, pair.distance(c)]
    }
}

/// d(exp₀u, exp₀v), as [`TangentPair::distance`].
#[inline(always)]
pub fn dist_expmap0([u, v, radial, tangential]: [f64; 4], c: f64) -> f64 {
    let s = c.sqrt();
    let far = u < 0.0;
    let straight = sinhc(s * radial.abs()) * radial;
    let weight = sinhc(2.0 * s * at_least(u, 0.0)) * sinhc(2.0 * s * v);
    let square = straight * straight + weight * at_least(tangential, 0.0);
    let near = f64::distance::<false>(square, c);
    if far { tangential } else { near }
}

impl Lane for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn product_sum<const FUSED: bool>(a: Self, b: Self, c: Self) -> Self {
        if FUSED { a.mul_add(b, c) } else { a * b + c }
    }

    const SERIES_BELOW: Self = 1e-5;

    #[inline(always)]
    fn ln_1p<const FUSED: bool>(u: Self) -> Self {
        /// The bits of √½.
        const LOW: u64 = 0x3fe6_a09e_667f_3bcd;
        /// ln 2 in two parts; the first has zeros at the end, so that its multiples are exact.
        const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];

        let whole = 1.0 + u;
        let shifted = whole.to_bits().wrapping_sub(LOW);
        let exponent = f64::from_bits(WHOLE.to_bits() + (shifted >> 52)) - WHOLE;
        let mantissa = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + LOW);
        let (above, lost) = parts(u, whole, exponent, mantissa);
        let s = above / (2.0 + above);
        let ss = s * s;
        let mut sum = 2.0 / 19.0;
        for odd in [17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
            sum = f64::product_sum::<FUSED>(sum, ss, 2.0 / odd);
        }
        let log = f64::product_sum::<FUSED>(s * ss, sum, s + s);
        exponent * LN_2[0] + (log + (lost + exponent * LN_2[1]))
    }
}

impl Lane for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn product_sum<const FUSED: bool>(a: Self, b: Self, c: Self) -> Self {
        if FUSED { a.mul_add(b, c) } else { a * b + c }
    }

    const SERIES_BELOW: Self = 1e-3;

    #[inline(always)]
    fn ln_1p<const FUSED: bool>(u: Self) -> Self {
        /// The bits of √½.
        const LOW: u32 = 0x3f35_04f3;

        let whole = 1.0 + u;
        let shifted = whole.to_bits().wrapping_sub(LOW);
        let exponent = (shifted as i32 >> 23) as f32;
        let mantissa = f32::from_bits((shifted & 0x007f_ffff) + LOW);
        let (above, lost) = parts(u, whole, exponent, mantissa);
        let s = above / (2.0 + above);
        let ss = s * s;
        let mut sum = 2.0 / 9.0;
        for odd in [7.0, 5.0, 3.0] {
            sum = f32::product_sum::<FUSED>(sum, ss, 2.0 / odd);
        }
        let log = f32::product_sum::<FUSED>(s * ss, sum, s + s);
        f32::product_sum::<FUSED>(exponent, std::f32::consts::LN_2, log + lost)
    }
}

/// m − 1, and the part of ln(1 + u) that 1 + u lost by its rounding. Below √2 that sum is not
/// needed, and its rounding does not matter.
#[inline(always)]
fn parts<T: Lane>(u: T, whole: T, exponent: T, mantissa: T) -> (T, T) {
    if exponent == T::zero() {
        (u, T::zero())
    } else {
        (mantissa - T::one(), (u - (whole - T::one())) / whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::scalar::even::arsinhc;

    fn check<T: Lane>(to: f64, tolerance: f64) {
        for c in [0.0, 1e-6, 0.01, 1.0, 10.0] {
            let mut q = 1e-20;
            while q < to {
                let (q_lane, c_lane) = (T::of(q), T::of(c));
                let (q_exact, c_exact): (f64, f64) = (q_lane.as_(), c_lane.as_());
                let expected = 2.0 * q_exact.sqrt() * arsinhc(c_exact * q_exact).value;
                for ours in [T::distance::<false>, T::distance::<true>] {
                    let ours: f64 = ours(q_lane, c_lane).as_();
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
