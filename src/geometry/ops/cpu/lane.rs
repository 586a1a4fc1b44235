//! The float types that loops over pairs of vectors compute in.

use num_traits::{AsPrimitive, Float};

use crate::geometry::scalar::even::arsinhc;

/// `f32` or `f64`: what the compiler puts into the lanes of a vector register.
pub trait Lane: Float + AsPrimitive<f64> + Send + Sync + 'static {
    fn of(value: f64) -> Self;

    /// a · b + c; fused where `FUSED` says that the processor can, for elsewhere that is a function
    /// call.
    fn product_sum<const FUSED: bool>(a: Self, b: Self, c: Self) -> Self;

    /// 2√q arsinh(√(cq))/√(cq).
    fn distance<const FUSED: bool>(q: Self, c: Self) -> Self;
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

    #[inline(always)]
    fn distance<const FUSED: bool>(q: Self, c: Self) -> Self {
        2.0 * q.sqrt() * arsinhc(c * q).value
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

    /// Without branches and calls, so that a loop of it is a loop of vector instructions.
    #[inline(always)]
    fn distance<const FUSED: bool>(q: Self, c: Self) -> Self {
        let z = c * q;
        let t = z.sqrt();
        // arsinh(t) = ln(1 + u).
        let u = t + z / (1.0 + (1.0 + z).sqrt());
        let quotient = ln_1p::<FUSED>(u) / t;
        let series = 1.0 - z * (1.0 / 6.0 - z * 0.075);
        let stretch = if z < 1e-3 { series } else { quotient };
        2.0 * q.sqrt() * stretch
    }
}

/// ln(1 + u) for u ≥ 0, to 1.5 units in the last place: 1 + u = 2ᵉ m with m in [√½, √2), and
/// ln m = 2 artanh((m − 1)/(m + 1)).
#[inline(always)]
fn ln_1p<const FUSED: bool>(u: f32) -> f32 {
    /// The bits of √½.
    const LOW: u32 = 0x3f35_04f3;

    let whole = 1.0 + u;
    let shifted = whole.to_bits().wrapping_sub(LOW);
    let exponent = (shifted as i32 >> 23) as f32;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff) + LOW);
    // Below √2 the sum 1 + u is not needed, and its rounding does not matter.
    let above = if exponent == 0.0 { u } else { mantissa - 1.0 };
    let lost = if exponent == 0.0 {
        0.0
    } else {
        (u - (whole - 1.0)) / whole
    };
    let s = above / (2.0 + above);
    let ss = s * s;
    let mut sum = 2.0 / 9.0;
    for term in [2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0] {
        sum = f32::product_sum::<FUSED>(sum, ss, term);
    }
    let log = f32::product_sum::<FUSED>(s * ss, sum, s + s);
    f32::product_sum::<FUSED>(exponent, std::f32::consts::LN_2, log + lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_to_the_last_digits() {
        for c in [0.0, 1e-6, 0.01, 1.0, 10.0] {
            let mut q = 1e-20_f32;
            while q < 1e13 {
                let expected = f64::distance::<false>(q.into(), c);
                for ours in [
                    f32::distance::<false>(q, c as f32),
                    f32::distance::<true>(q, c as f32),
                ] {
                    let error = (f64::from(ours) - expected).abs() / expected;
                    assert!(error < 3e-7, "c = {c}, q = {q}: {error:e}");
                }
                q *= 1.37;
            }
            assert_eq!(f32::distance::<true>(0.0, c as f32), 0.0);
        }
    }
}
