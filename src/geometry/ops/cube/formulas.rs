//! The operations as functions of sums over the coordinates: the formulas of
//! [`scalar`](crate::geometry::scalar), where they are explained, in the language of the kernels.

use burn_cubecl::cubecl::{self, prelude::*};

use super::functions::{
    arsinhc, artanhc, exp, exprel_neg, ln, log_sinhc_slope, nan_unless_finite, scaled_tanhc, tanhc,
};
use crate::geometry::ops::backend::PairOp;

/// A map y = f x that only changes the length of a vector; z = c‖x‖².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Radial {
    /// exp₀: f = tanh(√z)/√z.
    Exp,
    /// log₀: f = artanh(√z)/√z.
    Log,
    /// r ⊗ x: f = tanh(r artanh(√z))/√z.
    Scale,
    /// Projection into the ball with the margin m: f = min(1, (1 − m)/√z).
    Project,
    /// Clip to the length r: f = min(1, r/‖x‖).
    Clip,
}

/// 1 − c‖x‖², clamped to `min_denominator` from below; NaN for a coordinate that is NaN or infinite.
#[cube]
pub fn one_minus_cn2(norm_squared: f64, c: f64, min_denominator: f64) -> f64 {
    let z = c * norm_squared;
    max(1.0f64 - z, min_denominator) + nan_unless_finite(z)
}

/// The factor f of a radial map, and its derivatives.
#[derive(CubeType, Clone, Copy)]
pub struct Factor {
    /// f.
    pub value: f64,
    /// ∂f/∂‖x‖².
    pub by_norm_squared: f64,
    /// ∂f/∂c.
    pub by_c: f64,
}

/// The factor from ‖x‖²; `parameter` is r of ⊗, the margin of a projection or the radius of a clip. NaN
/// unless all arguments are finite.
#[cube]
pub fn radial(
    norm_squared: f64,
    c: f64,
    parameter: f64,
    min_denominator: f64,
    #[comptime] map: Radial,
) -> Factor {
    let factor = radial_of_finite(norm_squared, c, parameter, min_denominator, map);
    let nan_or_zero = nan_unless_finite(c * norm_squared) + nan_unless_finite(parameter);
    Factor {
        value: factor.value + nan_or_zero,
        by_norm_squared: factor.by_norm_squared + nan_or_zero,
        by_c: factor.by_c + nan_or_zero,
    }
}

/// `radial` for finite arguments.
#[cube]
fn radial_of_finite(
    norm_squared: f64,
    c: f64,
    parameter: f64,
    min_denominator: f64,
    #[comptime] map: Radial,
) -> Factor {
    let z = c * norm_squared;
    let one_minus_cn2 = one_minus_cn2(norm_squared, c, min_denominator);
    let clamped_z = min(z, 1.0f64 - one_minus_cn2);
    // log₀ and ⊗ of a point beyond the boundary are those of the last point inside on its ray.
    let beyond_boundary = z >= 1.0f64;
    let safe_z = select(beyond_boundary, z, 1.0f64);
    let ratio = select(beyond_boundary, (clamped_z / safe_z).sqrt(), 1.0f64);
    if comptime!(map == Radial::Exp) {
        let tanhc_z = tanhc(z);
        Factor {
            value: tanhc_z.value,
            by_norm_squared: c * tanhc_z.slope,
            by_c: norm_squared * tanhc_z.slope,
        }
    } else if comptime!(map == Radial::Log) {
        let artanhc_z = artanhc(clamped_z, one_minus_cn2);
        let value = artanhc_z.value * ratio;
        let slope = select(beyond_boundary, -value / (safe_z + safe_z), artanhc_z.slope);
        Factor {
            value,
            by_norm_squared: c * slope,
            by_c: norm_squared * slope,
        }
    } else if comptime!(map == Radial::Scale) {
        let scaled_tanhc_z = scaled_tanhc(parameter, clamped_z, one_minus_cn2);
        let value = scaled_tanhc_z.value * ratio;
        let slope = select(
            beyond_boundary,
            -value / (safe_z + safe_z),
            scaled_tanhc_z.slope,
        );
        Factor {
            value,
            by_norm_squared: c * slope,
            by_c: norm_squared * slope,
        }
    } else if comptime!(map == Radial::Project) {
        let limit = 1.0f64 - parameter * 0.75f64;
        let beyond_limit = z > limit * limit;
        let safe_z = select(beyond_limit, z, 1.0f64);
        let value = (1.0f64 - parameter) / safe_z.sqrt();
        let slope = select(beyond_limit, -value / (safe_z + safe_z), 0.0f64);
        Factor {
            value: select(beyond_limit, value, 1.0f64),
            by_norm_squared: c * slope,
            by_c: norm_squared * slope,
        }
    } else {
        let beyond_radius = norm_squared > parameter * parameter;
        let safe_norm_squared = select(beyond_radius, norm_squared, 1.0f64);
        let value = parameter / safe_norm_squared.sqrt();
        Factor {
            value: select(beyond_radius, value, 1.0f64),
            by_norm_squared: select(
                beyond_radius,
                -value / (safe_norm_squared + safe_norm_squared),
                0.0f64,
            ),
            by_c: 0.0f64.runtime(),
        }
    }
}

/// Derivatives of a distance d.
#[derive(CubeType, Clone, Copy)]
pub struct Slopes {
    /// ∂d/∂‖x‖².
    pub by_xx: f64,
    /// ∂d/∂‖y‖².
    pub by_yy: f64,
    /// ∂d/∂‖x − y‖².
    pub by_squared_distance: f64,
    /// ∂d/∂c.
    pub by_c: f64,
}

/// 0, or NaN if a norm (or its square) of the pair is NaN or infinite.
#[cube]
fn nan_unless_finite_pair(norm_x: f64, norm_y: f64, c: f64) -> f64 {
    nan_unless_finite(c * norm_x) + nan_unless_finite(c * norm_y)
}

/// d = 2 √q arsinh(√(cq))/√(cq) of points of the ball, q = ‖x − y‖²/((1 − c‖x‖²)(1 − c‖y‖²)).
#[cube]
pub fn dist(xx: f64, yy: f64, squared_distance: f64, c: f64, min_denominator: f64) -> f64 {
    let q = squared_distance
        / (one_minus_cn2(xx, c, min_denominator) * one_minus_cn2(yy, c, min_denominator));
    2.0f64 * q.sqrt() * arsinhc(c * q).value + nan_unless_finite_pair(xx, yy, c)
}

/// The derivatives of `dist`. The derivative of a clamped 1 − c‖x‖² is 0; for equal points all are 0.
#[cube]
pub fn dist_slopes(
    xx: f64,
    yy: f64,
    squared_distance: f64,
    c: f64,
    min_denominator: f64,
) -> Slopes {
    let a = one_minus_cn2(xx, c, min_denominator);
    let b = one_minus_cn2(yy, c, min_denominator);
    let distinct = squared_distance > 0.0f64;
    let safe_squared_distance = select(distinct, squared_distance, 1.0f64);
    let q = safe_squared_distance / (a * b);
    let sqrt_q = q.sqrt();
    let by_q_times_q = select(distinct, sqrt_q / (c * q + 1.0f64).sqrt(), 0.0f64);
    // 1/α and 1/β; 0 where these are clamped.
    let half_lambda_x = select(a <= min_denominator, 0.0f64, 1.0f64 / a);
    let half_lambda_y = select(b <= min_denominator, 0.0f64, 1.0f64 / b);
    let by_c_at_fixed_q = select(distinct, 2.0f64 * sqrt_q * q * arsinhc(c * q).slope, 0.0f64);
    let nan_or_zero = nan_unless_finite_pair(xx, yy, c);
    Slopes {
        by_xx: c * by_q_times_q * half_lambda_x + nan_or_zero,
        by_yy: c * by_q_times_q * half_lambda_y + nan_or_zero,
        by_squared_distance: by_q_times_q / safe_squared_distance + nan_or_zero,
        by_c: by_q_times_q * (xx * half_lambda_x + yy * half_lambda_y)
            + by_c_at_fixed_q
            + nan_or_zero,
    }
}

/// Sums of a pair of tangent vectors at the origin.
#[derive(CubeType, Clone, Copy)]
pub struct TangentPair {
    /// ‖u‖.
    pub norm_u: f64,
    /// ‖v‖.
    pub norm_v: f64,
    /// ‖u‖ − ‖v‖.
    pub radial: f64,
    /// ‖u − v‖² − (‖u‖ − ‖v‖)²; 0 for vectors on one ray.
    pub tangential: f64,
}

/// The terms R and W of S² = R + W (see `dist_expmap0`), both scaled by e^(−2m), m = √c(‖u‖ + ‖v‖).
#[derive(CubeType, Clone, Copy)]
struct ScaledTerms {
    /// R e^(−2m) = ((sinh(√c r)/√c) e^(−m))², r = ‖u‖ − ‖v‖.
    radial_term: f64,
    /// shc(2√c‖u‖) shc(2√c‖v‖) e^(−2m).
    sinhc_product: f64,
    /// W e^(−2m) = `sinhc_product` (‖u − v‖² − r²).
    tangential_term: f64,
    /// m.
    exponent: f64,
}

/// R, W and m.
#[cube]
fn scaled_terms(pair: TangentPair, c: f64) -> ScaledTerms {
    let sqrt_c = c.sqrt();
    let exponent = sqrt_c * (pair.norm_u + pair.norm_v);
    let r = pair.radial.abs();
    let scaled_sinh_radial =
        r * exp(min(sqrt_c * r - exponent, 0.0f64)) * exprel_neg((sqrt_c + sqrt_c) * r);
    let sinhc_product =
        exprel_neg(4.0f64 * sqrt_c * pair.norm_u) * exprel_neg(4.0f64 * sqrt_c * pair.norm_v);
    ScaledTerms {
        radial_term: scaled_sinh_radial * scaled_sinh_radial,
        sinhc_product,
        tangential_term: sinhc_product * max(pair.tangential, 0.0f64),
        exponent,
    }
}

/// Whether u and v lie on one ray, so that d = 2|‖u‖ − ‖v‖| for every c.
#[cube]
fn on_one_ray(pair: TangentPair) -> bool {
    pair.tangential <= 0.0f64 && pair.norm_u > 0.0f64 && pair.norm_v > 0.0f64
}

/// d(exp₀(u), exp₀(v)) = 2/√c arsinh(√c S), with shc(t) = sinh(t)/t, r = ‖u‖ − ‖v‖ and S² = R + W,
/// R = (sinh(√c r)/√c)², W = shc(2√c‖u‖) shc(2√c‖v‖) (‖u − v‖² − r²).
#[cube]
pub fn dist_expmap0(pair: TangentPair, c: f64) -> f64 {
    let scaled = scaled_terms(pair, c);
    let scaled_s_squared = scaled.radial_term + scaled.tangential_term;
    let no_overflow = scaled.exponent < 30.0f64;
    let s = scaled_s_squared.sqrt() * exp(select(no_overflow, scaled.exponent, 0.0f64));
    let direct = 2.0f64 * s * arsinhc(c * s * s).value;
    // For long vectors arsinh(e^L), L = m + ln(√c S e^(−m)); it is L + ln 2 to all digits from 20 on.
    let sqrt_c = select(no_overflow, 1.0f64, c.sqrt());
    let distinct = scaled_s_squared > 0.0f64;
    let log = scaled.exponent + ln(select(distinct, sqrt_c * scaled_s_squared.sqrt(), 1.0f64));
    let t = exp(min(log, 20.0f64));
    let arsinh = t * arsinhc(t * t).value + max(log - 20.0f64, 0.0f64);
    let by_logarithms = select(distinct, 2.0f64 * arsinh / sqrt_c, 0.0f64);
    let general = select(no_overflow, direct, by_logarithms);
    select(on_one_ray(pair), 2.0f64 * pair.radial.abs(), general)
        + nan_unless_finite_pair(pair.norm_u, pair.norm_v, c)
}

/// The derivatives of `dist_expmap0`; `by_xx` is ∂d/∂‖u‖² at a fixed ‖u − v‖².
#[cube]
pub fn dist_expmap0_slopes(pair: TangentPair, c: f64) -> Slopes {
    let scaled = scaled_terms(pair, c);
    let scaled_s_squared = scaled.radial_term + scaled.tangential_term;
    let distinct = scaled_s_squared > 0.0f64;
    let safe_scaled_s_squared = select(distinct, scaled_s_squared, 1.0f64);
    let exp_minus_2m = exp(-2.0f64 * scaled.exponent);
    let by_s_squared = select(
        distinct,
        1.0f64 / (safe_scaled_s_squared * (exp_minus_2m + c * safe_scaled_s_squared)).sqrt(),
        0.0f64,
    );
    let r = pair.radial;
    let rr = r * r;
    let kappa = log_sinhc_slope(c * rr);
    let norms_differ = r != 0.0f64;
    let radial_term_slope = 2.0f64 * scaled.radial_term / select(norms_differ, r, 1.0f64)
        * (2.0f64 * c * rr * kappa + 1.0f64);
    let by_radial =
        select(norms_differ, radial_term_slope, 0.0f64) - 2.0f64 * r * scaled.sinhc_product;
    let kappa_u = log_sinhc_slope(4.0f64 * c * pair.norm_u * pair.norm_u);
    let kappa_v = log_sinhc_slope(4.0f64 * c * pair.norm_v * pair.norm_v);
    let eight_c_tangential_term = 8.0f64 * c * scaled.tangential_term;
    let by_uu = by_s_squared * (by_radial + eight_c_tangential_term * pair.norm_u * kappa_u)
        / (2.0f64 * select(pair.norm_u > 0.0f64, pair.norm_u, 1.0f64));
    let by_vv = by_s_squared * (eight_c_tangential_term * pair.norm_v * kappa_v - by_radial)
        / (2.0f64 * select(pair.norm_v > 0.0f64, pair.norm_v, 1.0f64));
    // ∂d/∂c is the sum of two parts: through S, and at a fixed S.
    let log_sinhc_product_by_c =
        4.0f64 * (kappa_u * pair.norm_u * pair.norm_u + kappa_v * pair.norm_v * pair.norm_v);
    let by_c_through_s = by_s_squared
        * (2.0f64 * kappa * rr * scaled.radial_term
            + log_sinhc_product_by_c * scaled.tangential_term);
    let no_overflow = scaled.exponent < 30.0f64;
    let s_squared = safe_scaled_s_squared / select(no_overflow, exp_minus_2m, 1.0f64);
    let small = no_overflow && c * s_squared < 1e-2f64;
    let series =
        2.0f64 * s_squared * s_squared.sqrt() * arsinhc(select(small, c * s_squared, 0.0f64)).slope;
    let sqrt_scaled_s_squared = safe_scaled_s_squared.sqrt();
    let quotient = (sqrt_scaled_s_squared / (exp_minus_2m + c * safe_scaled_s_squared).sqrt()
        - dist_expmap0(pair, c) * 0.5f64)
        / select(small, 1.0f64, c);
    let by_c_at_fixed_s = select(distinct, select(small, series, quotient), 0.0f64);
    let one_ray = on_one_ray(pair);
    let positive = select(r > 0.0f64, 1.0f64, 0.0f64);
    let sign = positive - select(r < 0.0f64, 1.0f64, 0.0f64);
    let by_uu = select(one_ray, sign / select(one_ray, pair.norm_u, 1.0f64), by_uu);
    let by_vv = select(one_ray, -sign / select(one_ray, pair.norm_v, 1.0f64), by_vv);
    let nan_or_zero = nan_unless_finite_pair(pair.norm_u, pair.norm_v, c);
    Slopes {
        by_xx: select(pair.norm_u > 0.0f64, by_uu, 0.0f64) + nan_or_zero,
        by_yy: select(pair.norm_v > 0.0f64, by_vv, 0.0f64) + nan_or_zero,
        by_squared_distance: select(one_ray, 0.0f64, by_s_squared * scaled.sinhc_product)
            + nan_or_zero,
        by_c: select(one_ray, 0.0f64, by_c_through_s + by_c_at_fixed_s) + nan_or_zero,
    }
}

/// x ⊕ y, log₋ₓ(y) and expₓ(y) as linear combinations of x and the sum σ = x + y: the factors.
#[derive(CubeType, Clone, Copy)]
pub struct SumFactors {
    pub of_sum: f64,
    pub of_x: f64,
}

/// The factors; `pair_sum` is ‖x + y‖² for ⊕ and log, ⟨x, y⟩ for exp.
#[cube]
pub fn sum_factors(
    xx: f64,
    yy: f64,
    pair_sum: f64,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
) -> SumFactors {
    let a = one_minus_cn2(xx, c, min_denominator);
    let nan_or_zero = nan_unless_finite_pair(xx, yy, c);
    if comptime!(op == PairOp::Expmap) {
        let terms = exp_intermediates(xx, yy, pair_sum, a, c, min_denominator);
        let of_v = a * terms.factor / terms.denominator + nan_or_zero;
        SumFactors {
            of_sum: of_v,
            of_x: (a + c * terms.sum_squared) / terms.denominator - of_v,
        }
    } else {
        let b = one_minus_cn2(yy, c, min_denominator);
        let c_sum2 = c * pair_sum;
        let denominator = a * b + c_sum2;
        if comptime!(op == PairOp::Logmap) {
            let scale = a * artanhc(c_sum2 / denominator, a * b / denominator).value / denominator
                + nan_or_zero;
            SumFactors {
                of_sum: a * scale,
                of_x: c_sum2 * scale,
            }
        } else {
            SumFactors {
                of_sum: a / denominator + nan_or_zero,
                of_x: c_sum2 / denominator + nan_or_zero,
            }
        }
    }
}

/// Intermediate quantities of expₓ(v) = x ⊕ w.
#[derive(CubeType, Clone, Copy)]
struct ExpIntermediates {
    /// tanhc(c‖v‖²/α²)/α, so that w = `factor` v.
    factor: f64,
    /// 1 − c‖w‖² = sech²(t) = 4e^(−2t)/(1 + e^(−2t))², t = √c‖v‖/α.
    one_minus_cw2: f64,
    /// ‖x + w‖².
    sum_squared: f64,
    /// α(1 − c‖w‖²) + c‖x + w‖².
    denominator: f64,
}

/// The intermediate quantities from ‖x‖², ‖v‖², ⟨x, v⟩ and α.
#[cube]
fn exp_intermediates(
    xx: f64,
    vv: f64,
    product: f64,
    a: f64,
    c: f64,
    min_denominator: f64,
) -> ExpIntermediates {
    let vv_over_a2 = vv / (a * a);
    let factor = tanhc(c * vv_over_a2).value / a;
    let sum_squared = max(xx + factor * (product + product + factor * vv), 0.0f64);
    let t = (c * vv_over_a2).sqrt();
    let exp_minus_2t = exp(-(t + t));
    let one_plus_exp = exp_minus_2t + 1.0f64;
    let one_minus_cw2 = max(
        4.0f64 * exp_minus_2t / (one_plus_exp * one_plus_exp),
        min_denominator,
    );
    ExpIntermediates {
        factor,
        one_minus_cw2,
        sum_squared,
        denominator: a * one_minus_cw2 + c * sum_squared,
    }
}

/// Gradients by x, y and c, from the gradient g by such a linear combination:
/// ∂x = `of_g_in_x` g + `of_x` x + `of_sum` σ, ∂y = `of_g_in_y` g + `of_y` y + `of_sum` σ, ∂c = `by_c`.
#[derive(CubeType, Clone, Copy)]
pub struct SumGradient {
    pub of_g_in_x: f64,
    pub of_g_in_y: f64,
    pub of_x: f64,
    pub of_y: f64,
    pub of_sum: f64,
    pub by_c: f64,
}

/// The gradient of ⊕, log or exp from `g_sum` = ⟨g, σ⟩ (⟨g, v⟩ for exp) and `g_x` = ⟨g, x⟩. The derivative of
/// a clamped 1 − c‖x‖² is 0. NaN for a coordinate that is NaN or infinite.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn sum_gradient(
    xx: f64,
    yy: f64,
    pair_sum: f64,
    g_sum: f64,
    g_x: f64,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
) -> SumGradient {
    let by = sum_gradient_of_finite(xx, yy, pair_sum, g_sum, g_x, c, min_denominator, op);
    let nan_or_zero = nan_unless_finite_pair(xx, yy, c);
    SumGradient {
        of_g_in_x: by.of_g_in_x + nan_or_zero,
        of_g_in_y: by.of_g_in_y + nan_or_zero,
        of_x: by.of_x + nan_or_zero,
        of_y: by.of_y + nan_or_zero,
        of_sum: by.of_sum + nan_or_zero,
        by_c: by.by_c + nan_or_zero,
    }
}

/// `sum_gradient` for finite coordinates.
#[cube]
#[allow(clippy::too_many_arguments)]
fn sum_gradient_of_finite(
    xx: f64,
    yy: f64,
    pair_sum: f64,
    g_sum: f64,
    g_x: f64,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
) -> SumGradient {
    let a = one_minus_cn2(xx, c, min_denominator);
    if comptime!(op == PairOp::Expmap) {
        let terms = exp_intermediates(xx, yy, pair_sum, a, c, min_denominator);
        let vv_over_a2 = yy / (a * a);
        let tanhc_z = tanhc(c * vv_over_a2);
        let of_x = (a + c * terms.sum_squared) / terms.denominator;
        let of_v = a * terms.factor / terms.denominator;
        let by_denominator = -(g_x * of_x + g_sum * of_v) / terms.denominator;
        let by_c_sum2 = g_x / terms.denominator + by_denominator;
        let by_sum_squared = c * by_c_sum2;
        let by_factor = g_sum * a / terms.denominator
            + 2.0f64 * by_sum_squared * (pair_sum + terms.factor * yy);
        let by_z = by_factor / a * tanhc_z.slope
            - a * by_denominator * tanhc_z.value * terms.one_minus_cw2;
        let by_vv_over_a2 = c * by_z;
        let by_a = g_x / terms.denominator
            + g_sum * terms.factor / terms.denominator
            + terms.one_minus_cw2 * by_denominator
            - (by_factor * terms.factor + 2.0f64 * by_vv_over_a2 * vv_over_a2) / a;
        let by_a = select(a <= min_denominator, 0.0f64, by_a);
        let by_xx = by_sum_squared - c * by_a;
        let by_vv = by_sum_squared * terms.factor * terms.factor + by_vv_over_a2 / (a * a);
        let by_product = 2.0f64 * terms.factor * by_sum_squared;
        SumGradient {
            of_g_in_x: of_x,
            of_g_in_y: of_v,
            of_x: 2.0f64 * by_xx - by_product,
            of_y: 2.0f64 * by_vv - by_product,
            of_sum: by_product,
            by_c: terms.sum_squared * by_c_sum2 - xx * by_a + vv_over_a2 * by_z,
        }
    } else {
        let b = one_minus_cn2(yy, c, min_denominator);
        let c_sum2 = c * pair_sum;
        let denominator = a * b + c_sum2;
        if comptime!(op == PairOp::Logmap) {
            let z = c_sum2 / denominator;
            let artanhc_z = artanhc(z, a * b / denominator);
            let scale = a * artanhc_z.value / denominator;
            let by_scale = g_sum * a + g_x * c_sum2;
            let by_z = by_scale * a / denominator * artanhc_z.slope;
            let by_denominator = -(by_scale * scale + by_z * z) / denominator;
            let by_c_sum2 = g_x * scale + by_z / denominator + by_denominator;
            let by_a = g_sum * scale + by_scale * scale / a + b * by_denominator;
            apply_chain_rule(
                xx,
                yy,
                pair_sum,
                a,
                b,
                a * scale,
                c_sum2 * scale,
                by_a,
                a * by_denominator,
                by_c_sum2,
                c,
                min_denominator,
            )
        } else {
            let of_sum = a / denominator;
            let of_x = c_sum2 / denominator;
            let b_g_x_minus_g_sum = b * g_x - g_sum;
            let by_c_sum2 = of_sum / denominator * b_g_x_minus_g_sum;
            let by_a = -of_x / denominator * b_g_x_minus_g_sum;
            let by_b = -of_sum * (of_sum * g_sum + of_x * g_x);
            apply_chain_rule(
                xx,
                yy,
                pair_sum,
                a,
                b,
                of_sum,
                of_x,
                by_a,
                by_b,
                by_c_sum2,
                c,
                min_denominator,
            )
        }
    }
}

/// The gradients by x, y and c from the factors of σ and x and the derivatives by α, β and c‖σ‖².
#[cube]
#[allow(clippy::too_many_arguments)]
fn apply_chain_rule(
    xx: f64,
    yy: f64,
    sum_squared: f64,
    a: f64,
    b: f64,
    of_sum: f64,
    of_x: f64,
    by_a: f64,
    by_b: f64,
    by_c_sum2: f64,
    c: f64,
    min_denominator: f64,
) -> SumGradient {
    let by_a = select(a <= min_denominator, 0.0f64, by_a);
    let by_b = select(b <= min_denominator, 0.0f64, by_b);
    SumGradient {
        of_g_in_x: of_sum + of_x,
        of_g_in_y: of_sum,
        of_x: -2.0f64 * c * by_a,
        of_y: -2.0f64 * c * by_b,
        of_sum: 2.0f64 * c * by_c_sum2,
        by_c: sum_squared * by_c_sum2 - by_a * xx - by_b * yy,
    }
}
