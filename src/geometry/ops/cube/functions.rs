//! The transcendental functions of the kernels in f64, and the even quotients f(√z)/√z of them.
//!
//! They consist of additions, multiplications, divisions and roots, because SPIR-V has no exponential of an
//! f64; so all devices compute the same. They have no branches: all cases are computed and one is selected.

// The expanded code of the macro contains the constants in a form that triggers this lint.
#![allow(clippy::excessive_precision)]

use std::f64::consts::{LOG2_E, SQRT_2};

use burn_cubecl::cubecl::{self, prelude::*};

/// The value and the derivative of a function at one argument.
#[derive(CubeType, Clone, Copy)]
pub struct ValueSlope {
    /// f(z).
    pub value: f64,
    /// f′(z).
    pub slope: f64,
}

/// 0 for a finite number, NaN for one that is infinite or NaN. Added to a result, it passes that NaN on. It
/// looks at the bits, because drivers may compute as if there were no such numbers, and comparisons, minima
/// and maxima ignore a NaN.
#[cube]
pub fn nan_unless_finite(value: f64) -> f64 {
    let exponent = u64::reinterpret(value) & 0x7ff0_0000_0000_0000u64;
    let finite = exponent != 0x7ff0_0000_0000_0000u64;
    f64::reinterpret(select(finite, 0u64, 0x7ff8_0000_0000_0000u64))
}

/// eʸ for y ≤ 700; 0 below −700.
#[cube]
pub fn exp(y: f64) -> f64 {
    let clamped = clamp(y, -700.0f64, 700.0f64);
    // y = k ln 2 + r with |r| ≤ ½ ln 2; the cast cuts towards zero, hence the shift.
    let k = i32::cast_from(clamped * LOG2_E + 1024.5f64) - 1024i32;
    let k_float = f64::cast_from(k);
    let r = (clamped - k_float * 6.931_471_803_691_238e-1f64)
        - k_float * 1.908_214_929_270_587_7e-10f64;
    // The terms of the power series up to r¹³/13!.
    let mut sum = r / 13.0f64 + 1.0f64;
    sum = r / 12.0f64 * sum + 1.0f64;
    sum = r / 11.0f64 * sum + 1.0f64;
    sum = r / 10.0f64 * sum + 1.0f64;
    sum = r / 9.0f64 * sum + 1.0f64;
    sum = r / 8.0f64 * sum + 1.0f64;
    sum = r / 7.0f64 * sum + 1.0f64;
    sum = r / 6.0f64 * sum + 1.0f64;
    sum = r / 5.0f64 * sum + 1.0f64;
    sum = r / 4.0f64 * sum + 1.0f64;
    sum = r / 3.0f64 * sum + 1.0f64;
    sum = r * 0.5f64 * sum + 1.0f64;
    sum = r * sum + 1.0f64;
    let power = f64::reinterpret(u64::cast_from(k + 1023i32) << 52u64);
    select(y < -700.0f64, 0.0f64, sum * power)
}

/// ln y for y > 0. `y_minus_1` is y − 1 with more digits than the difference has; it is used for y in
/// [√½, √2).
#[cube]
fn ln_of(y: f64, y_minus_1: f64) -> f64 {
    // The bits less those of √½, so that the exponent changes there, and plus those of 1, so that
    // they stay positive.
    let shifted = u64::reinterpret(y) + 0x0009_5f61_9980_c433u64;
    let exponent = f64::cast_from(i32::cast_from(shifted >> 52u64) - 1023i32);
    let mantissa =
        f64::reinterpret((shifted & 0x000f_ffff_ffff_ffffu64) + 0x3fe6_a09e_667f_3bcdu64);
    let m_minus_1 = select(exponent == 0.0f64, y_minus_1, mantissa - 1.0f64);
    // ln m = 2 artanh(s), s = (m − 1)/(m + 1).
    let s = m_minus_1 / (m_minus_1 + 2.0f64);
    let ss = s * s;
    let mut sum = ss * 0.105_263_157_894_736_84f64 + 0.117_647_058_823_529_41f64;
    sum = sum * ss + 0.133_333_333_333_333_33f64;
    sum = sum * ss + 0.153_846_153_846_153_85f64;
    sum = sum * ss + 0.181_818_181_818_181_82f64;
    sum = sum * ss + 0.222_222_222_222_222_22f64;
    sum = sum * ss + 0.285_714_285_714_285_71f64;
    sum = sum * ss + 0.4f64;
    sum = sum * ss + 0.666_666_666_666_666_67f64;
    let log = s * ss * sum + (s + s);
    exponent * 6.931_471_803_691_238e-1f64 + (log + exponent * 1.908_214_929_270_587_7e-10f64)
}

/// ln y for y > 0.
#[cube]
pub fn ln(y: f64) -> f64 {
    ln_of(y, y - 1.0f64)
}

/// ln(1 + u) for u ≥ 0.
#[cube]
pub fn ln_1p(u: f64) -> f64 {
    let one_plus_u = u + 1.0f64;
    // The correction for the rounding of the sum 1 + u; for 1 + u < √2 it is not needed.
    let correction = (u - (one_plus_u - 1.0f64)) / one_plus_u;
    let correction = select(one_plus_u < SQRT_2, 0.0f64, correction);
    ln_of(one_plus_u, u) + correction
}

/// exprel(−t) = (1 − e^(−t))/t for t ≥ 0, where exprel(x) = (eˣ − 1)/x as in SciPy.
#[cube]
pub fn exprel_neg(t: f64) -> f64 {
    let u = -min(t, 0.5f64);
    let mut sum = u / 15.0f64 + 1.0f64;
    sum = u / 14.0f64 * sum + 1.0f64;
    sum = u / 13.0f64 * sum + 1.0f64;
    sum = u / 12.0f64 * sum + 1.0f64;
    sum = u / 11.0f64 * sum + 1.0f64;
    sum = u / 10.0f64 * sum + 1.0f64;
    sum = u / 9.0f64 * sum + 1.0f64;
    sum = u / 8.0f64 * sum + 1.0f64;
    sum = u / 7.0f64 * sum + 1.0f64;
    sum = u / 6.0f64 * sum + 1.0f64;
    sum = u / 5.0f64 * sum + 1.0f64;
    sum = u / 4.0f64 * sum + 1.0f64;
    sum = u / 3.0f64 * sum + 1.0f64;
    sum = u * 0.5f64 * sum + 1.0f64;
    let clamped = max(t, 0.5f64);
    select(t < 0.5f64, sum, (1.0f64 - exp(-clamped)) / clamped)
}

/// tanh(t) for t ≥ 0 as `value`, and its derivative 1 − tanh² as `slope`.
#[cube]
fn tanh(t: f64) -> ValueSlope {
    let exp_minus_2t = exp(-(t + t));
    let one_plus_exp = exp_minus_2t + 1.0f64;
    ValueSlope {
        value: (t + t) * exprel_neg(t + t) / one_plus_exp,
        slope: 4.0f64 * exp_minus_2t / (one_plus_exp * one_plus_exp),
    }
}

/// The power series a + b z + … + i z⁸ and its derivative.
#[cube]
#[allow(clippy::too_many_arguments)]
fn series(
    z: f64,
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    e: f64,
    f: f64,
    g: f64,
    h: f64,
    i: f64,
) -> ValueSlope {
    let mut slope = i;
    let mut value = i * z + h;
    slope = slope * z + value;
    value = value * z + g;
    slope = slope * z + value;
    value = value * z + f;
    slope = slope * z + value;
    value = value * z + e;
    slope = slope * z + value;
    value = value * z + d;
    slope = slope * z + value;
    value = value * z + c;
    slope = slope * z + value;
    value = value * z + b;
    slope = slope * z + value;
    value = value * z + a;
    ValueSlope { value, slope }
}

/// The power series for z < 0.01, else f(t)/t and its derivative in z, where t = √z, `f` = f(t) and
/// `derivative` = f′(t).
#[cube]
fn series_or_quotient(
    z: f64,
    power_series: ValueSlope,
    t: f64,
    f: f64,
    derivative: f64,
) -> ValueSlope {
    let value = f / t;
    let slope = (derivative - value) / (z + z);
    let small = z < 0.01f64;
    ValueSlope {
        value: select(small, power_series.value, value),
        slope: select(small, power_series.slope, slope),
    }
}

/// tanh(√z)/√z for z ≥ 0.
#[cube]
pub fn tanhc(z: f64) -> ValueSlope {
    let power_series = series(
        z,
        1.0f64,
        -0.333_333_333_333_333_33f64,
        0.133_333_333_333_333_33f64,
        -0.053_968_253_968_253_97f64,
        0.021_869_488_536_155_203f64,
        -0.008_863_235_529_902_197f64,
        0.003_592_128_036_572_481f64,
        -0.001_455_834_387_051_318_3f64,
        0.000_590_027_440_945_586f64,
    );
    let clamped = max(z, 0.01f64);
    let t = clamped.sqrt();
    let tanh_t = tanh(t);
    series_or_quotient(z, power_series, t, tanh_t.value, tanh_t.slope)
}

/// artanh(√z)/√z for 0 ≤ z < 1, given 1 − z with all its digits.
#[cube]
pub fn artanhc(z: f64, one_minus_cn2: f64) -> ValueSlope {
    let power_series = series(
        z,
        1.0f64,
        0.333_333_333_333_333_33f64,
        0.2f64,
        0.142_857_142_857_142_86f64,
        0.111_111_111_111_111_11f64,
        0.090_909_090_909_090_91f64,
        0.076_923_076_923_076_92f64,
        0.066_666_666_666_666_67f64,
        0.058_823_529_411_764_7f64,
    );
    let clamped = max(z, 0.01f64);
    let t = clamped.sqrt();
    series_or_quotient(
        z,
        power_series,
        t,
        ln_1p(t) - ln(one_minus_cn2) * 0.5f64,
        1.0f64 / one_minus_cn2,
    )
}

/// arsinh(√z)/√z for z ≥ 0.
#[cube]
pub fn arsinhc(z: f64) -> ValueSlope {
    let power_series = series(
        z,
        1.0f64,
        -0.166_666_666_666_666_67f64,
        0.075f64,
        -0.044_642_857_142_857_144f64,
        0.030_381_944_444_444_444f64,
        -0.022_372_159_090_909_09f64,
        0.017_352_764_423_076_924f64,
        -0.013_964_843_75f64,
        0.011_551_800_896_139_705f64,
    );
    let clamped = max(z, 0.01f64);
    let t = clamped.sqrt();
    let sqrt_one_plus_z = (clamped + 1.0f64).sqrt();
    series_or_quotient(
        z,
        power_series,
        t,
        ln_1p(t + clamped / (sqrt_one_plus_z + 1.0f64)),
        1.0f64 / sqrt_one_plus_z,
    )
}

/// (√z coth(√z) − 1)/(2z) for z ≥ 0: the derivative in z of ln(sinh(√z)/√z).
#[cube]
pub fn log_sinhc_slope(z: f64) -> f64 {
    let power_series = series(
        z,
        0.166_666_666_666_666_67f64,
        -0.011_111_111_111_111_112f64,
        0.001_058_201_058_201_058_2f64,
        -0.000_105_820_105_820_105_82f64,
        1.068_889_957_778_846_7e-5f64,
        -1.082_202_140_403_198_6e-6f64,
        1.096_297_392_593_688_9e-7f64,
        -1.110_730_439_498_983_9e-8f64,
        1.125_392_325_840_449_7e-9f64,
    );
    let clamped = max(z, 0.1f64);
    let t = clamped.sqrt();
    let exp_minus_2t = exp(-(t + t));
    let coth = (exp_minus_2t + 1.0f64) / (1.0f64 - exp_minus_2t);
    select(
        z < 0.1f64,
        power_series.value,
        (t * coth - 1.0f64) / (clamped + clamped),
    )
}

/// tanh(r artanh(√z))/√z for 0 ≤ z < 1, given 1 − z with all its digits.
#[cube]
pub fn scaled_tanhc(r: f64, z: f64, one_minus_cn2: f64) -> ValueSlope {
    let one_third = 0.333_333_333_333_333_33f64;
    let rr = r * r;
    // In this order it does not overflow for z = 0.
    let w = z * r * r;
    let small = z < 1e-5f64 && w < 1e-5f64;
    let second_order = z * (z * 0.2f64 - w * one_third) + w * w * 0.133_333_333_333_333_33f64;
    let series_value = r + r * ((z - w) * one_third + second_order);
    let series_slope = r
        * ((1.0f64 - rr) * one_third
            + (z + z) * (0.2f64 - rr * one_third)
            + (w + w) * rr * 0.133_333_333_333_333_33f64);
    let safe_z = select(small, 0.5f64, z);
    let t = safe_z.sqrt();
    let r_artanh = r * artanhc(safe_z, select(small, 0.5f64, one_minus_cn2)).value * t;
    let tanh_abs = tanh(r_artanh.abs());
    let value = select(r_artanh < 0.0f64, -tanh_abs.value, tanh_abs.value) / t;
    let slope = (r * tanh_abs.slope / one_minus_cn2 - value) / (safe_z + safe_z);
    ValueSlope {
        value: select(small, series_value, value),
        slope: select(small, series_slope, slope),
    }
}
