//! Operations on two tensors of one shape.

use burn_cubecl::cubecl::{self, prelude::*};

use super::formulas::{
    Slopes, TangentPair, dist, dist_expmap0, dist_expmap0_slopes, dist_slopes, sum_factors,
    sum_gradient,
};
use super::vectors::{Part, Sharing, Sums, part, sum_over_units};
use crate::geometry::ops::backend::PairOp;

const EPSILON: f64 = f64::EPSILON;

/// Number of partial sums that an operation needs.
fn count_of(op: PairOp, with_grad: bool) -> usize {
    match (op, with_grad) {
        (PairOp::DistExpmap0, _) => 4,
        (PairOp::Dist, _) | (_, false) => 3,
        _ => 5,
    }
}

/// The sign of x in the formulas: −1 for the logarithm, logₓ(y) being a function of −x and y.
fn sign_of(op: PairOp) -> f64 {
    if op == PairOp::Logmap { -1.0 } else { 1.0 }
}

/// The sums of a unit's vectors: ‖x‖², ‖y‖², `pair_sum`, `dot_sum` and `g_x`.
///
/// | | `pair_sum` | `dot_sum` | `g_x` |
/// |---|---|---|---|
/// | distances | ‖x − y‖² | ⟨x − y, x + y⟩ | |
/// | ⊕, log | ‖±x + y‖² | ⟨g, ±x + y⟩ | ⟨g, ±x⟩ |
/// | exp | ⟨x, y⟩ | ⟨g, y⟩ | ⟨g, x⟩ |
#[cube]
#[allow(clippy::too_many_arguments)]
fn pair_sums<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    grad: &Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    #[comptime] op: PairOp,
    #[comptime] with_grad: bool,
    #[comptime] sharing: Sharing,
) -> Sums {
    let part = part(n, inner, sharing);
    let mut xx = 0.0f64.runtime();
    let mut yy = 0.0f64.runtime();
    let mut pair_sum = 0.0f64.runtime();
    let mut dot_sum = 0.0f64.runtime();
    let mut g_x = 0.0f64.runtime();
    if part.vector < count {
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let x = f64::cast_from(x[at]) * comptime!(sign_of(op)).runtime();
            let y = f64::cast_from(y[at]);
            xx += x * x;
            yy += y * y;
            if comptime!(op.is_distance()) {
                pair_sum += (x - y) * (x - y);
                if comptime!(op == PairOp::DistExpmap0) {
                    dot_sum += (x - y) * (x + y);
                }
            } else {
                let mut sum_or_y = y;
                if comptime!(op == PairOp::Expmap) {
                    pair_sum += x * y;
                } else {
                    sum_or_y = x + y;
                    pair_sum += sum_or_y * sum_or_y;
                }
                if comptime!(with_grad) {
                    let g = f64::cast_from(grad[at]);
                    dot_sum += g * sum_or_y;
                    g_x += g * x;
                }
            }
            k += sharing.lanes;
        }
    }
    let sums = Sums {
        a: xx,
        b: yy,
        c: pair_sum,
        d: dot_sum,
        e: g_x,
    };
    sum_over_units(sums, comptime!(count_of(op, with_grad)), sharing)
}

/// The tangent pair from its sums. The coordinates are read again only for vectors on nearly one ray, where
/// ‖u − v‖² − (‖u‖ − ‖v‖)² would be mostly rounding.
#[cube]
fn tangent_pair<T: Float>(
    u: &Array<T>,
    v: &Array<T>,
    sums: Sums,
    n: usize,
    part: Part,
) -> TangentPair {
    let norm_u = sums.a.sqrt();
    let norm_v = sums.b.sqrt();
    let norm_sum = norm_u + norm_v;
    let radial = select(
        norm_sum > 0.0f64,
        sums.d / select(norm_sum > 0.0f64, norm_sum, 1.0f64),
        0.0f64,
    );
    let mut tangential = sums.c - radial * radial;
    if tangential < sums.c * 0.0625f64 && norm_u > 0.0f64 && norm_v > 0.0f64 {
        tangential = off_ray::<T>(u, v, sums, n, part) * (norm_u / norm_v);
    }
    TangentPair {
        norm_u,
        norm_v,
        radial,
        tangential,
    }
}

/// ‖v − ‖v‖û‖² with û = u/‖u‖, or 0 if it is not larger than its rounding; see `off_ray` of the scalar
/// formulas.
#[cube]
fn off_ray<T: Float>(u: &Array<T>, v: &Array<T>, sums: Sums, n: usize, part: Part) -> f64 {
    let ratio = sums.b.sqrt() / sums.a.sqrt();
    let mut u_delta = 0.0f64.runtime();
    let mut delta_squared = 0.0f64.runtime();
    for k in 0..n {
        let at = part.start + k * part.step;
        let u = f64::cast_from(u[at]);
        let delta = fma(-ratio, u, f64::cast_from(v[at]));
        u_delta += u * delta;
        delta_squared += delta * delta;
    }
    if delta_squared <= sums.b * EPSILON {
        let projection = u_delta / sums.a;
        let mut orthogonal_squared = 0.0f64.runtime();
        for k in 0..n {
            let at = part.start + k * part.step;
            let u = f64::cast_from(u[at]);
            let delta = fma(-ratio, u, f64::cast_from(v[at]));
            let orthogonal = fma(-projection, u, delta);
            orthogonal_squared += orthogonal * orthogonal;
        }
        delta_squared = select(
            orthogonal_squared > 256.0f64 * EPSILON * EPSILON * delta_squared,
            orthogonal_squared,
            0.0f64,
        );
    }
    delta_squared
}

/// The derivatives of the distance of a unit's pair.
#[cube]
#[allow(clippy::too_many_arguments)]
fn slopes<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    sums: Sums,
    n: usize,
    part: Part,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
) -> Slopes {
    if comptime!(op == PairOp::Dist) {
        dist_slopes(sums.a, sums.b, sums.c, c, min_denominator)
    } else {
        dist_expmap0_slopes(tangent_pair::<T>(x, y, sums, n, part), c)
    }
}

/// d(x, y) or d(exp₀(x), exp₀(y)) of each pair.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn distance<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, x, n, inner, count, op, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count && part.lane == 0 {
        if comptime!(op == PairOp::Dist) {
            out[part.vector] = T::cast_from(dist(sums.a, sums.b, sums.c, c, min_denominator));
        } else {
            let pair = tangent_pair::<T>(x, y, sums, n, part);
            out[part.vector] = T::cast_from(dist_expmap0(pair, c));
        }
    }
}

/// The gradients of the distances: 2 g (∂d/∂‖x‖² x + ∂d/∂‖x − y‖² (x − y)) by x, and the same by y.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn distance_backward<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    grad: &Array<T>,
    by_x: &mut Array<T>,
    by_y: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, x, n, inner, count, op, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let slopes = slopes::<T>(x, y, sums, n, part, c, min_denominator, op);
        let two_g = 2.0f64 * f64::cast_from(grad[part.vector]);
        let of_x = two_g * slopes.by_xx;
        let of_y = two_g * slopes.by_yy;
        let of_difference = two_g * slopes.by_squared_distance;
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let x = f64::cast_from(x[at]);
            let y = f64::cast_from(y[at]);
            let difference_term = of_difference * (x - y);
            by_x[at] = T::cast_from(of_x * x + difference_term);
            by_y[at] = T::cast_from(of_y * y - difference_term);
            k += sharing.lanes;
        }
    }
}

/// x ⊕ y, logₓ(y) or expₓ(y) of each pair.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn sum_map<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, x, n, inner, count, op, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let factors = sum_factors(sums.a, sums.b, sums.c, c, min_denominator, op);
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let x = f64::cast_from(x[at]) * comptime!(sign_of(op)).runtime();
            let y = f64::cast_from(y[at]);
            out[at] = T::cast_from(factors.of_sum * (x + y) + factors.of_x * x);
            k += sharing.lanes;
        }
    }
}

/// The gradients of ⊕, log and exp.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn sum_map_backward<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    grad: &Array<T>,
    by_x: &mut Array<T>,
    by_y: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, grad, n, inner, count, op, true, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let by = sum_gradient(
            sums.a,
            sums.b,
            sums.c,
            sums.d,
            sums.e,
            c,
            min_denominator,
            op,
        );
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let sign = comptime!(sign_of(op)).runtime();
            let x = f64::cast_from(x[at]) * sign;
            let y = f64::cast_from(y[at]);
            let g = f64::cast_from(grad[at]);
            let sum_term = by.of_sum * (x + y);
            by_x[at] = T::cast_from((by.of_g_in_x * g + by.of_x * x + sum_term) * sign);
            by_y[at] = T::cast_from(by.of_g_in_y * g + by.of_y * y + sum_term);
            k += sharing.lanes;
        }
    }
}

/// The contribution of each pair to the derivative by c.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn pair_by_c<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    grad: &Array<T>,
    out: &mut Array<f64>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    min_denominator: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(
        x,
        y,
        grad,
        n,
        inner,
        count,
        op,
        comptime!(!op.is_distance()),
        sharing,
    );
    let part = part(n, inner, sharing);
    if part.vector < count && part.lane == 0 {
        if comptime!(op.is_distance()) {
            let by_c = slopes::<T>(x, y, sums, n, part, c, min_denominator, op).by_c;
            out[part.vector] = by_c * f64::cast_from(grad[part.vector]);
        } else {
            let by = sum_gradient(
                sums.a,
                sums.b,
                sums.c,
                sums.d,
                sums.e,
                c,
                min_denominator,
                op,
            );
            out[part.vector] = by.by_c;
        }
    }
}
