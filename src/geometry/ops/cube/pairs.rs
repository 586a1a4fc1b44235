//! Operations on two tensors of one shape.

use burn_cubecl::cubecl::{self, prelude::*};

use super::formulas::{
    Slopes, Tangents, dist, dist_expmap0, dist_expmap0_slopes, dist_slopes, sum_factors,
    sum_gradient,
};
use super::vectors::{Part, Sharing, Sums, part, whole};
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

/// −1 for the logarithm, which is made of −x and y.
fn sign_of(op: PairOp) -> f64 {
    if op == PairOp::Logmap { -1.0 } else { 1.0 }
}

/// The sums of a unit's vectors: ‖x‖², ‖y‖², then ‖x − y‖² and ⟨x − y, x + y⟩ of distances, else
/// ‖±x + y‖² (⟨x, y⟩ for exp), ⟨g, ±x + y⟩ (⟨g, y⟩) and ⟨g, ±x⟩.
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
    let mut third = 0.0f64.runtime();
    let mut fourth = 0.0f64.runtime();
    let mut fifth = 0.0f64.runtime();
    if part.vector < count {
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let x = f64::cast_from(x[at]) * comptime!(sign_of(op)).runtime();
            let y = f64::cast_from(y[at]);
            xx += x * x;
            yy += y * y;
            if comptime!(op.is_distance()) {
                third += (x - y) * (x - y);
                if comptime!(op == PairOp::DistExpmap0) {
                    fourth += (x - y) * (x + y);
                }
            } else {
                let mut along = y;
                if comptime!(op == PairOp::Expmap) {
                    third += x * y;
                } else {
                    along = x + y;
                    third += along * along;
                }
                if comptime!(with_grad) {
                    let g = f64::cast_from(grad[at]);
                    fourth += g * along;
                    fifth += g * x;
                }
            }
            k += sharing.lanes;
        }
    }
    let sums = Sums {
        a: xx,
        b: yy,
        c: third,
        d: fourth,
        e: fifth,
    };
    whole(sums, comptime!(count_of(op, with_grad)), sharing)
}

/// The tangent pair of a distance. For vectors on nearly one ray ‖u − v‖² − (‖u‖ − ‖v‖)² would be
/// mostly rounding: the coordinates are read again.
#[cube]
fn tangents<T: Float>(u: &Array<T>, v: &Array<T>, sums: Sums, n: usize, part: Part) -> Tangents {
    let norm_u = sums.a.sqrt();
    let norm_v = sums.b.sqrt();
    let reach = norm_u + norm_v;
    let radial = select(
        reach > 0.0f64,
        sums.d / select(reach > 0.0f64, reach, 1.0f64),
        0.0f64,
    );
    let mut tangential = sums.c - radial * radial;
    if tangential < sums.c * 0.0625f64 && norm_u > 0.0f64 && norm_v > 0.0f64 {
        tangential = off_ray::<T>(u, v, sums, n, part) * (norm_u / norm_v);
    }
    Tangents {
        u: norm_u,
        v: norm_v,
        radial,
        tangential,
    }
}

/// ‖v − ‖v‖û‖², or 0 if all of it is rounding; see `off_ray` of the scalar formulas.
#[cube]
fn off_ray<T: Float>(u: &Array<T>, v: &Array<T>, sums: Sums, n: usize, part: Part) -> f64 {
    let ratio = sums.b.sqrt() / sums.a.sqrt();
    let mut along = 0.0f64.runtime();
    let mut square = 0.0f64.runtime();
    for k in 0..n {
        let at = part.start + k * part.step;
        let u = f64::cast_from(u[at]);
        let off = fma(-ratio, u, f64::cast_from(v[at]));
        along += u * off;
        square += off * off;
    }
    if square <= sums.b * EPSILON {
        along /= sums.a;
        let mut rest = 0.0f64.runtime();
        for k in 0..n {
            let at = part.start + k * part.step;
            let u = f64::cast_from(u[at]);
            let off = fma(-ratio, u, f64::cast_from(v[at]));
            let off = fma(-along, u, off);
            rest += off * off;
        }
        square = select(rest > 256.0f64 * EPSILON * EPSILON * square, rest, 0.0f64);
    }
    square
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn slopes<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    sums: Sums,
    n: usize,
    part: Part,
    c: f64,
    least: f64,
    #[comptime] op: PairOp,
) -> Slopes {
    if comptime!(op == PairOp::Dist) {
        dist_slopes(sums.a, sums.b, sums.c, c, least)
    } else {
        dist_expmap0_slopes(tangents::<T>(x, y, sums, n, part), c)
    }
}

/// Distances.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn distance<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    least: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, x, n, inner, count, op, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count && part.lane == 0 {
        if comptime!(op == PairOp::Dist) {
            out[part.vector] = T::cast_from(dist(sums.a, sums.b, sums.c, c, least));
        } else {
            let at = tangents::<T>(x, y, sums, n, part);
            out[part.vector] = T::cast_from(dist_expmap0(at, c));
        }
    }
}

/// 2 g (∂d/∂‖x‖² x + ∂d/∂‖x − y‖² (x − y)), and the same for y.
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
    least: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, x, n, inner, count, op, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let slopes = slopes::<T>(x, y, sums, n, part, c, least, op);
        let twice = 2.0f64 * f64::cast_from(grad[part.vector]);
        let of_x = twice * slopes.by_x;
        let of_y = twice * slopes.by_y;
        let of_gap = twice * slopes.by_difference;
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let x = f64::cast_from(x[at]);
            let y = f64::cast_from(y[at]);
            let across = of_gap * (x - y);
            by_x[at] = T::cast_from(of_x * x + across);
            by_y[at] = T::cast_from(of_y * y - across);
            k += sharing.lanes;
        }
    }
}

/// x ⊕ y, log and exp.
#[cube(launch_unchecked, address_type = "dynamic")]
pub fn sum_map<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    out: &mut Array<T>,
    n: usize,
    inner: usize,
    count: usize,
    c: f64,
    least: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, x, n, inner, count, op, false, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let factors = sum_factors(sums.a, sums.b, sums.c, c, least, op);
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

/// Their gradients.
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
    least: f64,
    #[comptime] op: PairOp,
    #[comptime] sharing: Sharing,
    #[define(T)] _dtype: StorageType,
) {
    let sums = pair_sums::<T>(x, y, grad, n, inner, count, op, true, sharing);
    let part = part(n, inner, sharing);
    if part.vector < count {
        let by = sum_gradient(sums.a, sums.b, sums.c, sums.d, sums.e, c, least, op);
        let mut k = part.lane;
        while k < n {
            let at = part.start + k * part.step;
            let sign = comptime!(sign_of(op)).runtime();
            let x = f64::cast_from(x[at]) * sign;
            let y = f64::cast_from(y[at]);
            let g = f64::cast_from(grad[at]);
            let along = by.of_sum * (x + y);
            by_x[at] = T::cast_from((by.of_g_x * g + by.of_x * x + along) * sign);
            by_y[at] = T::cast_from(by.of_g_y * g + by.of_y * y + along);
            k += sharing.lanes;
        }
    }
}

/// The part of each vector, or pair of them, in the derivative by c.
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
    least: f64,
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
            let by_c = slopes::<T>(x, y, sums, n, part, c, least, op).by_c;
            out[part.vector] = by_c * f64::cast_from(grad[part.vector]);
        } else {
            let by = sum_gradient(sums.a, sums.b, sums.c, sums.d, sums.e, c, least, op);
            out[part.vector] = by.by_c;
        }
    }
}
