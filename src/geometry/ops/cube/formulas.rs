//! The operations as functions of sums over the coordinates: the formulas of
//! [`scalar`](crate::geometry::scalar), where they are explained, in the language of the kernels.

use burn_cubecl::cubecl::{self, prelude::*};

use super::functions::{
    arsinhc, artanhc, decayed, exp, ln, log_sinhc_slope, nan_unless_finite, scaled_tanhc, tanhc,
};
use crate::geometry::ops::backend::PairOp;

/// A map that only changes the length of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Radial {
    Exp,
    Log,
    Scale,
    Project,
    Clip,
}

/// 1 − c‖x‖², clamped to the least value that the type can tell from the boundary; NaN for a coordinate that is
/// NaN or infinite.
#[cube]
pub fn one_minus_cn2(norm_squared: f64, c: f64, least: f64) -> f64 {
    let z = c * norm_squared;
    max(1.0f64 - z, least) + nan_unless_finite(z)
}

/// The factor of a radial map, and its derivatives.
#[derive(CubeType, Clone, Copy)]
pub struct Factor {
    pub value: f64,
    pub by_norm: f64,
    pub by_c: f64,
}

/// The factor from ‖x‖²; `parameter` is r of ⊗, the margin of a projection, the radius of a clip. NaN
/// unless all are finite.
#[cube]
pub fn radial(
    norm_squared: f64,
    c: f64,
    parameter: f64,
    least: f64,
    #[comptime] map: Radial,
) -> Factor {
    let factor = radial_of_finite(norm_squared, c, parameter, least, map);
    let lost = nan_unless_finite(c * norm_squared) + nan_unless_finite(parameter);
    Factor {
        value: factor.value + lost,
        by_norm: factor.by_norm + lost,
        by_c: factor.by_c + lost,
    }
}

#[cube]
fn radial_of_finite(
    norm_squared: f64,
    c: f64,
    parameter: f64,
    least: f64,
    #[comptime] map: Radial,
) -> Factor {
    let z = c * norm_squared;
    let one_minus_cn2 = one_minus_cn2(norm_squared, c, least);
    let inside = min(z, 1.0f64 - one_minus_cn2);
    // Beyond the boundary: the last point inside on the same ray.
    let held = z >= 1.0f64;
    let beyond = select(held, z, 1.0f64);
    let ratio = select(held, (inside / beyond).sqrt(), 1.0f64);
    if comptime!(map == Radial::Exp) {
        let at = tanhc(z);
        Factor {
            value: at.value,
            by_norm: c * at.slope,
            by_c: norm_squared * at.slope,
        }
    } else if comptime!(map == Radial::Log) {
        let at = artanhc(inside, one_minus_cn2);
        let value = at.value * ratio;
        let slope = select(held, -value / (beyond + beyond), at.slope);
        Factor {
            value,
            by_norm: c * slope,
            by_c: norm_squared * slope,
        }
    } else if comptime!(map == Radial::Scale) {
        let at = scaled_tanhc(parameter, inside, one_minus_cn2);
        let value = at.value * ratio;
        let slope = select(held, -value / (beyond + beyond), at.slope);
        Factor {
            value,
            by_norm: c * slope,
            by_c: norm_squared * slope,
        }
    } else if comptime!(map == Radial::Project) {
        let limit = 1.0f64 - parameter * 0.75f64;
        let out = z > limit * limit;
        let z = select(out, z, 1.0f64);
        let value = (1.0f64 - parameter) / z.sqrt();
        let slope = select(out, -value / (z + z), 0.0f64);
        Factor {
            value: select(out, value, 1.0f64),
            by_norm: c * slope,
            by_c: norm_squared * slope,
        }
    } else {
        let long = norm_squared > parameter * parameter;
        let square = select(long, norm_squared, 1.0f64);
        let value = parameter / square.sqrt();
        Factor {
            value: select(long, value, 1.0f64),
            by_norm: select(long, -value / (square + square), 0.0f64),
            by_c: 0.0f64.runtime(),
        }
    }
}

/// Derivatives of a distance by ‖x‖², ‖y‖², ‖x − y‖² and c.
#[derive(CubeType, Clone, Copy)]
pub struct Slopes {
    pub by_x: f64,
    pub by_y: f64,
    pub by_difference: f64,
    pub by_c: f64,
}

/// NaN for a pair with a coordinate that is NaN or infinite, else 0.
#[cube]
fn lost_in_pair(xx: f64, yy: f64, c: f64) -> f64 {
    nan_unless_finite(c * xx) + nan_unless_finite(c * yy)
}

/// d from ‖x‖², ‖y‖² and ‖x − y‖² of points of the ball.
#[cube]
pub fn dist(xx: f64, yy: f64, difference: f64, c: f64, least: f64) -> f64 {
    let q = difference / (one_minus_cn2(xx, c, least) * one_minus_cn2(yy, c, least));
    2.0f64 * q.sqrt() * arsinhc(c * q).value + lost_in_pair(xx, yy, c)
}

/// Its derivatives: none through 1 − c‖x‖² where it is clamped, none at all for equal points.
#[cube]
pub fn dist_slopes(xx: f64, yy: f64, difference: f64, c: f64, least: f64) -> Slopes {
    let a = one_minus_cn2(xx, c, least);
    let b = one_minus_cn2(yy, c, least);
    let apart = difference > 0.0f64;
    let squared_distance = select(apart, difference, 1.0f64);
    let q = squared_distance / (a * b);
    let root = q.sqrt();
    let by_q_times_q = select(apart, root / (c * q + 1.0f64).sqrt(), 0.0f64);
    let of_x = select(a <= least, 0.0f64, 1.0f64 / a);
    let of_y = select(b <= least, 0.0f64, 1.0f64 / b);
    let stretch = select(apart, 2.0f64 * root * q * arsinhc(c * q).slope, 0.0f64);
    let lost = lost_in_pair(xx, yy, c);
    Slopes {
        by_x: c * by_q_times_q * of_x + lost,
        by_y: c * by_q_times_q * of_y + lost,
        by_difference: by_q_times_q / squared_distance + lost,
        by_c: by_q_times_q * (xx * of_x + yy * of_y) + stretch + lost,
    }
}

/// Sums of a pair of tangent vectors at the origin.
#[derive(CubeType, Clone, Copy)]
pub struct Tangents {
    pub u: f64,
    pub v: f64,
    pub radial: f64,
    pub tangential: f64,
}

/// S² = R + W, scaled by e^(−2m) with m = √c(‖u‖ + ‖v‖).
#[derive(CubeType, Clone, Copy)]
struct Scaled {
    radial: f64,
    weight: f64,
    tangential: f64,
    exponent: f64,
}

#[cube]
fn scaled(at: Tangents, c: f64) -> Scaled {
    let s = c.sqrt();
    let exponent = s * (at.u + at.v);
    let r = at.radial.abs();
    let root = r * exp(min(s * r - exponent, 0.0f64)) * decayed((s + s) * r);
    let weight = decayed(4.0f64 * s * at.u) * decayed(4.0f64 * s * at.v);
    Scaled {
        radial: root * root,
        weight,
        tangential: weight * max(at.tangential, 0.0f64),
        exponent,
    }
}

/// Whether d = 2|‖u‖ − ‖v‖| for every c.
#[cube]
fn on_one_ray(at: Tangents) -> bool {
    at.tangential <= 0.0f64 && at.u > 0.0f64 && at.v > 0.0f64
}

/// d(exp₀(u), exp₀(v)).
#[cube]
pub fn dist_expmap0(at: Tangents, c: f64) -> f64 {
    let scaled = scaled(at, c);
    let sum = scaled.radial + scaled.tangential;
    let near = scaled.exponent < 30.0f64;
    let root = sum.sqrt() * exp(select(near, scaled.exponent, 0.0f64));
    let plain = 2.0f64 * root * arsinhc(c * root * root).value;
    // Further out by logarithms: arsinh(e^L), which is L + ln 2 to all digits from 20 on.
    let s = select(near, 1.0f64, c.sqrt());
    let apart = sum > 0.0f64;
    let log = scaled.exponent + ln(select(apart, s * sum.sqrt(), 1.0f64));
    let t = exp(min(log, 20.0f64));
    let angle = t * arsinhc(t * t).value + max(log - 20.0f64, 0.0f64);
    let far = select(apart, 2.0f64 * angle / s, 0.0f64);
    let bent = select(near, plain, far);
    select(on_one_ray(at), 2.0f64 * at.radial.abs(), bent) + lost_in_pair(at.u, at.v, c)
}

/// Its derivatives; `by_x` is by ‖u‖² at a fixed ‖u − v‖².
#[cube]
pub fn dist_expmap0_slopes(at: Tangents, c: f64) -> Slopes {
    let scaled = scaled(at, c);
    let whole = scaled.radial + scaled.tangential;
    let apart = whole > 0.0f64;
    let sum = select(apart, whole, 1.0f64);
    let shrink = exp(-2.0f64 * scaled.exponent);
    let by_square = select(apart, 1.0f64 / (sum * (shrink + c * sum)).sqrt(), 0.0f64);
    let r = at.radial;
    let rr = r * r;
    let kappa = log_sinhc_slope(c * rr);
    let moved = r != 0.0f64;
    let by_radial =
        2.0f64 * scaled.radial / select(moved, r, 1.0f64) * (2.0f64 * c * rr * kappa + 1.0f64);
    let along = select(moved, by_radial, 0.0f64) - 2.0f64 * r * scaled.weight;
    let kappa_u = log_sinhc_slope(4.0f64 * c * at.u * at.u);
    let kappa_v = log_sinhc_slope(4.0f64 * c * at.v * at.v);
    let bend = 8.0f64 * c * scaled.tangential;
    let of_u = by_square * (along + bend * at.u * kappa_u)
        / (2.0f64 * select(at.u > 0.0f64, at.u, 1.0f64));
    let of_v = by_square * (bend * at.v * kappa_v - along)
        / (2.0f64 * select(at.v > 0.0f64, at.v, 1.0f64));
    // By c through S, and at a fixed S through 2/√c arsinh(√c S).
    let squares = 4.0f64 * (kappa_u * at.u * at.u + kappa_v * at.v * at.v);
    let through = by_square * (2.0f64 * kappa * rr * scaled.radial + squares * scaled.tangential);
    let near = scaled.exponent < 30.0f64;
    let square = sum / select(near, shrink, 1.0f64);
    let small = near && c * square < 1e-2f64;
    let series = 2.0f64 * square * square.sqrt() * arsinhc(select(small, c * square, 0.0f64)).slope;
    let root = sum.sqrt();
    let quotient = (root / (shrink + c * sum).sqrt() - dist_expmap0(at, c) * 0.5f64)
        / select(small, 1.0f64, c);
    let explicit = select(apart, select(small, series, quotient), 0.0f64);
    let straight = on_one_ray(at);
    let ahead = select(r > 0.0f64, 1.0f64, 0.0f64);
    let sign = ahead - select(r < 0.0f64, 1.0f64, 0.0f64);
    let of_u = select(straight, sign / select(straight, at.u, 1.0f64), of_u);
    let of_v = select(straight, -sign / select(straight, at.v, 1.0f64), of_v);
    let lost = lost_in_pair(at.u, at.v, c);
    Slopes {
        by_x: select(at.u > 0.0f64, of_u, 0.0f64) + lost,
        by_y: select(at.v > 0.0f64, of_v, 0.0f64) + lost,
        by_difference: select(straight, 0.0f64, by_square * scaled.weight) + lost,
        by_c: select(straight, 0.0f64, through + explicit) + lost,
    }
}

/// The factors of the sum σ = x + y and of x in x ⊕ y, log₋ₓ(y) and expₓ(y).
#[derive(CubeType, Clone, Copy)]
pub struct SumFactors {
    pub of_sum: f64,
    pub of_x: f64,
}

/// `third` is ‖x + y‖² for ⊕ and log, ⟨x, y⟩ for exp.
#[cube]
pub fn sum_factors(
    xx: f64,
    yy: f64,
    third: f64,
    c: f64,
    least: f64,
    #[comptime] op: PairOp,
) -> SumFactors {
    let a = one_minus_cn2(xx, c, least);
    let lost = lost_in_pair(xx, yy, c);
    if comptime!(op == PairOp::Expmap) {
        let added = added(xx, yy, third, a, c, least);
        let of_v = a * added.factor / added.whole + lost;
        SumFactors {
            of_sum: of_v,
            of_x: (a + c * added.sum) / added.whole - of_v,
        }
    } else {
        let b = one_minus_cn2(yy, c, least);
        let bend = c * third;
        let whole = a * b + bend;
        if comptime!(op == PairOp::Logmap) {
            let scale = a * artanhc(bend / whole, a * b / whole).value / whole + lost;
            SumFactors {
                of_sum: a * scale,
                of_x: bend * scale,
            }
        } else {
            SumFactors {
                of_sum: a / whole + lost,
                of_x: bend / whole + lost,
            }
        }
    }
}

/// x ⊕ w, where w = `factor` v is the tangent vector v moved to the origin and mapped.
#[derive(CubeType, Clone, Copy)]
struct Added {
    factor: f64,
    one_minus_cn2: f64,
    sum: f64,
    whole: f64,
}

#[cube]
fn added(xx: f64, vv: f64, product: f64, a: f64, c: f64, least: f64) -> Added {
    let reach = vv / (a * a);
    let factor = tanhc(c * reach).value / a;
    let sum = max(xx + factor * (product + product + factor * vv), 0.0f64);
    let t = (c * reach).sqrt();
    let decay = exp(-(t + t));
    let half_cosh = decay + 1.0f64;
    let one_minus_cn2 = max(4.0f64 * decay / (half_cosh * half_cosh), least);
    Added {
        factor,
        one_minus_cn2,
        sum,
        whole: a * one_minus_cn2 + c * sum,
    }
}

/// Gradients of the inputs from the gradient g of such a combination: ∂x = `of_g_x` g + `of_x` x +
/// `of_sum` σ, and the same for y.
#[derive(CubeType, Clone, Copy)]
pub struct SumGradient {
    pub of_g_x: f64,
    pub of_g_y: f64,
    pub of_x: f64,
    pub of_y: f64,
    pub of_sum: f64,
    pub by_c: f64,
}

/// From ⟨g, σ⟩ (⟨g, v⟩ for exp) and ⟨g, x⟩. A clamped 1 − c‖x‖² has no slope. NaN for a coordinate
/// that is NaN or infinite.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn sum_gradient(
    xx: f64,
    yy: f64,
    third: f64,
    g_sum: f64,
    g_x: f64,
    c: f64,
    least: f64,
    #[comptime] op: PairOp,
) -> SumGradient {
    let by = sum_gradient_of_finite(xx, yy, third, g_sum, g_x, c, least, op);
    let lost = lost_in_pair(xx, yy, c);
    SumGradient {
        of_g_x: by.of_g_x + lost,
        of_g_y: by.of_g_y + lost,
        of_x: by.of_x + lost,
        of_y: by.of_y + lost,
        of_sum: by.of_sum + lost,
        by_c: by.by_c + lost,
    }
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn sum_gradient_of_finite(
    xx: f64,
    yy: f64,
    third: f64,
    g_sum: f64,
    g_x: f64,
    c: f64,
    least: f64,
    #[comptime] op: PairOp,
) -> SumGradient {
    let a = one_minus_cn2(xx, c, least);
    if comptime!(op == PairOp::Expmap) {
        let added = added(xx, yy, third, a, c, least);
        let reach = yy / (a * a);
        let stretch = tanhc(c * reach);
        let of_x = (a + c * added.sum) / added.whole;
        let of_v = a * added.factor / added.whole;
        let by_whole = -(g_x * of_x + g_sum * of_v) / added.whole;
        let by_bend = g_x / added.whole + by_whole;
        let by_sum = c * by_bend;
        let by_factor = g_sum * a / added.whole + 2.0f64 * by_sum * (third + added.factor * yy);
        let by_z =
            by_factor / a * stretch.slope - a * by_whole * stretch.value * added.one_minus_cn2;
        let by_reach = c * by_z;
        let by_one_minus_cn2 =
            g_x / added.whole + g_sum * added.factor / added.whole + added.one_minus_cn2 * by_whole
                - (by_factor * added.factor + 2.0f64 * by_reach * reach) / a;
        let by_one_minus_cn2 = select(a <= least, 0.0f64, by_one_minus_cn2);
        let by_xx = by_sum - c * by_one_minus_cn2;
        let by_vv = by_sum * added.factor * added.factor + by_reach / (a * a);
        let by_product = 2.0f64 * added.factor * by_sum;
        SumGradient {
            of_g_x: of_x,
            of_g_y: of_v,
            of_x: 2.0f64 * by_xx - by_product,
            of_y: 2.0f64 * by_vv - by_product,
            of_sum: by_product,
            by_c: added.sum * by_bend - xx * by_one_minus_cn2 + reach * by_z,
        }
    } else {
        let b = one_minus_cn2(yy, c, least);
        let bend = c * third;
        let whole = a * b + bend;
        if comptime!(op == PairOp::Logmap) {
            let z = bend / whole;
            let stretch = artanhc(z, a * b / whole);
            let scale = a * stretch.value / whole;
            let by_scale = g_sum * a + g_x * bend;
            let by_z = by_scale * a / whole * stretch.slope;
            let by_whole = -(by_scale * scale + by_z * z) / whole;
            let by_bend = g_x * scale + by_z / whole + by_whole;
            let by_a = g_sum * scale + by_scale * scale / a + b * by_whole;
            collect(
                xx,
                yy,
                third,
                a,
                b,
                a * scale,
                bend * scale,
                by_a,
                a * by_whole,
                by_bend,
                c,
                least,
            )
        } else {
            let of_sum = a / whole;
            let of_x = bend / whole;
            let along = b * g_x - g_sum;
            let by_bend = of_sum / whole * along;
            let by_a = -of_x / whole * along;
            let by_b = -of_sum * (of_sum * g_sum + of_x * g_x);
            collect(
                xx, yy, third, a, b, of_sum, of_x, by_a, by_b, by_bend, c, least,
            )
        }
    }
}

/// From derivatives by the one_minus_cn2s and by c‖σ‖².
#[cube]
#[allow(clippy::too_many_arguments)]
fn collect(
    xx: f64,
    yy: f64,
    sum: f64,
    a: f64,
    b: f64,
    of_sum: f64,
    of_x: f64,
    by_a: f64,
    by_b: f64,
    by_bend: f64,
    c: f64,
    least: f64,
) -> SumGradient {
    let by_a = select(a <= least, 0.0f64, by_a);
    let by_b = select(b <= least, 0.0f64, by_b);
    SumGradient {
        of_g_x: of_sum + of_x,
        of_g_y: of_sum,
        of_x: -2.0f64 * c * by_a,
        of_y: -2.0f64 * c * by_b,
        of_sum: 2.0f64 * c * by_bend,
        by_c: sum * by_bend - by_a * xx - by_b * yy,
    }
}
