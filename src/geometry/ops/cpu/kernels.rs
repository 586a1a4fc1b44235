//! The operations on the elements of a tensor, given as a slice.

use super::simd_float::{self, SimdFloat};
use super::vectors::{Real, map, reduce};
use crate::geometry::ops::backend::{PairOp, PointOp};
use crate::geometry::ops::layout::Vectors;
use crate::geometry::scalar::addition::{AddPair, ExpPair, SumGradient};
use crate::geometry::scalar::distance::{BallPair, Slopes};
use crate::geometry::scalar::radial::Radial;
use crate::geometry::scalar::{boundary, exp_sum_squared, tangent_pair};

fn radial(op: PointOp) -> Option<Radial> {
    match op {
        PointOp::Expmap0 => Some(Radial::Exp),
        PointOp::Logmap0 => Some(Radial::Log),
        PointOp::ScalarMul(r) => Some(Radial::Scale(r)),
        PointOp::Project(margin) => Some(Radial::Project(margin)),
        PointOp::Clip(radius) => Some(Radial::Clip(radius)),
        PointOp::OneMinusCn2 => None,
    }
}

#[inline(always)]
fn one_minus_cn2<T: Real>(
    vectors: Vectors,
    x: &[T],
    vector: usize,
    norm_squared: f64,
    c: f64,
) -> f64 {
    boundary::one_minus_cn2(
        norm_squared,
        c,
        T::MIN_DENOMINATOR,
        vectors.coordinates(x, vector),
    )
}

pub fn point<T: Real>(op: PointOp, vectors: Vectors, x: &[T], c: f64) -> Vec<T> {
    let square = |[x]: [f64; 1]| [x * x];
    let one_minus_cn2 = |vector, norm_squared| one_minus_cn2(vectors, x, vector, norm_squared, c);
    let Some(op) = radial(op) else {
        let one_minus_cn2 =
            |vector, [norm_squared]: [f64; 1]| [one_minus_cn2(vector, norm_squared)];
        return reduce(vectors, [x], square, one_minus_cn2, as_is);
    };
    let write = |[x]: [f64; 1], [f]: [f64; 1]| [f * x];
    let [out] = if op == Radial::Exp && T::AT_MOST_F32 {
        let factor = |_, [norm_squared]: [f64; 1]| [simd_float::tanhc(c * norm_squared)[0]];
        map(vectors, [x], square, factor, write)
    } else {
        let factor = |vector, [norm_squared]: [f64; 1]| {
            [op.at(norm_squared, one_minus_cn2(vector, norm_squared), c)
                .value]
        };
        map(vectors, [x], square, factor, write)
    };
    out
}

pub fn point_backward<T: Real>(
    op: PointOp,
    vectors: Vectors,
    x: &[T],
    grad: &[T],
    c: f64,
) -> Vec<T> {
    let one_minus_cn2 = |vector, norm_squared| one_minus_cn2(vectors, x, vector, norm_squared, c);
    let Some(op) = radial(op) else {
        // 1 − c‖x‖² is clamped at the boundary and beyond, and its gradient is 0 there.
        let factor = |vector: usize, [norm_squared]: [f64; 1]| {
            let clamped = one_minus_cn2(vector, norm_squared) <= T::MIN_DENOMINATOR;
            let grad: f64 = grad[vector].as_();
            [if clamped { 0.0 } else { -2.0 * c * grad }]
        };
        let [out] = map(vectors, [x], |[x]| [x * x], factor, |[x], [f]| [f * x]);
        return out;
    };
    let factors = |vector, [norm_squared, g_x]: [f64; 2]| {
        let factor = op.at(norm_squared, one_minus_cn2(vector, norm_squared), c);
        [factor.value, 2.0 * factor.by_norm_squared * g_x]
    };
    let terms = |[x, g]: [f64; 2]| [x * x, g * x];
    let write = |[x, g]: [f64; 2], [of_grad, of_x]: [f64; 2]| [of_grad * g + of_x * x];
    let [out] = if op == Radial::Exp && T::AT_MOST_F32 {
        let factors = |_, [norm_squared, g_x]: [f64; 2]| {
            let [value, slope] = simd_float::tanhc(c * norm_squared);
            [value, 2.0 * c * slope * g_x]
        };
        map(vectors, [x, grad], terms, factors, write)
    } else {
        map(vectors, [x, grad], terms, factors, write)
    };
    out
}

/// ⟨grad, ∂/∂c⟩ of an operation on points.
pub fn point_by_c<T: Real>(op: PointOp, vectors: Vectors, x: &[T], grad: &[T], c: f64) -> f64 {
    let one_minus_cn2 = |vector, norm_squared| one_minus_cn2(vectors, x, vector, norm_squared, c);
    let parts: Vec<f64> = match radial(op) {
        None => {
            let part = |vector: usize, [norm_squared]: [f64; 1]| {
                let clamped = one_minus_cn2(vector, norm_squared) <= T::MIN_DENOMINATOR;
                let grad: f64 = grad[vector].as_();
                [if clamped { 0.0 } else { -norm_squared * grad }]
            };
            reduce(vectors, [x], |[x]| [x * x], part, as_is)
        }
        Some(op) => {
            let part = |vector, [norm_squared, g_x]: [f64; 2]| {
                [g_x * op
                    .at(norm_squared, one_minus_cn2(vector, norm_squared), c)
                    .by_c]
            };
            reduce(vectors, [x, grad], |[x, g]| [x * x, g * x], part, as_is)
        }
    };
    parts.iter().sum()
}

pub fn pair<T: Real>(op: PairOp, vectors: Vectors, x: &[T], y: &[T], c: f64) -> Vec<T> {
    let inputs = [x, y];
    let write = |[x, y]: [f64; 2], [of_sum, of_x]: [f64; 2]| [of_sum * (x + y) + of_x * x];
    let [out] = match op {
        PairOp::Dist => {
            let quotient = |vector, sums| [ball_pair(vectors, inputs, vector, sums, c).quotient()];
            let distance = |[q]: [f64; 1]| f64::distance::<false>(q, c);
            [reduce(vectors, inputs, ball_terms, quotient, distance)]
        }
        PairOp::DistExpmap0 => {
            let pair = |vector, sums| tangent_pair(sums, || coordinates(vectors, inputs, vector));
            if T::AT_MOST_F32 {
                let parts = |vector, sums| simd_float::tangent_parts(&pair(vector, sums), c);
                [reduce(
                    vectors,
                    inputs,
                    tangent_terms,
                    parts,
                    // Without this the closure is a call, compiled for the baseline of the target.
                    #[inline(always)]
                    |parts| simd_float::dist_expmap0(parts, c),
                )]
            } else {
                let distance = |vector, sums| [pair(vector, sums).distance(c)];
                [reduce(vectors, inputs, tangent_terms, distance, as_is)]
            }
        }
        PairOp::MobiusAdd => {
            let factors = |vector, sums| add_pair(vectors, inputs, vector, sums, c).factors(c);
            map(vectors, inputs, sum_terms, factors, write)
        }
        PairOp::Logmap => {
            let factors = |vector, sums| add_pair(vectors, inputs, vector, sums, c).log_factors(c);
            let write = |[x, y]: [f64; 2], factors| write([-x, y], factors);
            map(vectors, inputs, difference_terms, factors, write)
        }
        PairOp::Expmap => {
            let factors = |vector, sums| {
                let pair = exp_pair(vectors, inputs, vector, sums, c);
                let sum_squared =
                    exp_sum_squared(&pair, c, || coordinates(vectors, inputs, vector));
                pair.factors(sum_squared, c)
            };
            map(vectors, inputs, exp_terms, factors, write)
        }
        PairOp::PairwiseDist => unreachable!("has a kernel of its own"),
    };
    out
}

pub fn pair_backward<T: Real>(
    op: PairOp,
    vectors: Vectors,
    [x, y]: [&[T]; 2],
    grad: &[T],
    c: f64,
) -> [Vec<T>; 2] {
    let inputs = [x, y];
    if op.is_distance() {
        // 2 g (∂d/∂‖x‖² x + ∂d/∂‖x − y‖² (x − y)), and the same for y.
        let times_two_g = |vector: usize, slopes: Slopes<f64>| {
            let grad: f64 = grad[vector].as_();
            [slopes.by_xx, slopes.by_yy, slopes.by_squared_distance].map(|slope| slope * 2.0 * grad)
        };
        let write = |[x, y]: [f64; 2], [of_x, of_y, of_difference]: [f64; 3]| {
            let difference_term = of_difference * (x - y);
            [of_x * x + difference_term, of_y * y - difference_term]
        };
        return if op == PairOp::Dist {
            let slopes = |vector, sums| ball_slopes(vectors, inputs, vector, sums, c);
            let factors = |vector, sums| times_two_g(vector, slopes(vector, sums));
            map(vectors, inputs, ball_terms, factors, write)
        } else {
            let factors = |vector, sums| {
                let pair = tangent_pair(sums, || coordinates(vectors, inputs, vector));
                times_two_g(vector, pair.slopes(c))
            };
            map(vectors, inputs, tangent_terms, factors, write)
        };
    }
    let factors = |vector, sums| {
        let by = sum_gradient(op, vectors, inputs, vector, sums, c);
        let [of_g_in_x, of_g_in_y] = by.of_g;
        [of_g_in_x, of_g_in_y, by.of_x, by.of_y, by.of_sum]
    };
    let write = |[x, y, g]: [f64; 3], [of_g_in_x, of_g_in_y, of_x, of_y, of_sum]: [f64; 5]| {
        let sum_term = of_sum * (x + y);
        [
            of_g_in_x * g + of_x * x + sum_term,
            of_g_in_y * g + of_y * y + sum_term,
        ]
    };
    let inputs = [x, y, grad];
    match op {
        PairOp::Logmap => {
            let write = |[x, y, g]: [f64; 3], factors| {
                let [by_x, by_y] = write([-x, y, g], factors);
                [-by_x, by_y]
            };
            map(vectors, inputs, log_gradient_terms, factors, write)
        }
        PairOp::Expmap => map(vectors, inputs, exp_gradient_terms, factors, write),
        _ => map(vectors, inputs, add_gradient_terms, factors, write),
    }
}

/// ⟨grad, ∂/∂c⟩ of an operation on pairs.
pub fn pair_by_c<T: Real>(
    op: PairOp,
    vectors: Vectors,
    [x, y]: [&[T]; 2],
    grad: &[T],
    c: f64,
) -> f64 {
    let inputs = [x, y];
    let by_c = |vector, sums| [sum_gradient(op, vectors, inputs, vector, sums, c).by_c];
    let times_grad = |vector: usize, by_c: f64| {
        let grad: f64 = grad[vector].as_();
        [by_c * grad]
    };
    let parts: Vec<f64> = match op {
        PairOp::Dist => {
            let part = |vector, sums| {
                let pair = ball_pair(vectors, inputs, vector, sums, c);
                times_grad(vector, pair.by_c(c))
            };
            reduce(vectors, inputs, ball_terms, part, as_is)
        }
        PairOp::DistExpmap0 => {
            let part = |vector, sums| {
                let pair = tangent_pair(sums, || coordinates(vectors, inputs, vector));
                times_grad(vector, pair.by_c(c))
            };
            reduce(vectors, inputs, tangent_terms, part, as_is)
        }
        PairOp::Logmap => reduce(vectors, [x, y, grad], log_gradient_terms, by_c, as_is),
        PairOp::Expmap => reduce(vectors, [x, y, grad], exp_gradient_terms, by_c, as_is),
        _ => reduce(vectors, [x, y, grad], add_gradient_terms, by_c, as_is),
    };
    parts.iter().sum()
}

/// The gradient of Möbius addition, expₓ or logₓ. The derivative of a clamped 1 − c‖x‖² is 0.
///
/// `pair_sum` is ‖x + y‖² for ⊕, ‖y − x‖² for log and ⟨x, v⟩ for exp; `g_sum` is ⟨g, x + y⟩, ⟨g, y − x⟩ and
/// ⟨g, v⟩; `g_x` is ⟨g, x⟩, ⟨g, −x⟩ and ⟨g, x⟩.
fn sum_gradient<T: Real>(
    op: PairOp,
    vectors: Vectors,
    inputs: [&[T]; 2],
    vector: usize,
    [xx, yy, pair_sum, g_sum, g_x]: [f64; 5],
    c: f64,
) -> SumGradient<f64> {
    if op == PairOp::Expmap {
        let pair = exp_pair(vectors, inputs, vector, [xx, yy, pair_sum], c);
        let sum_squared = exp_sum_squared(&pair, c, || coordinates(vectors, inputs, vector));
        return pair.gradient(sum_squared, g_x, g_sum, c);
    }
    let pair = add_pair(vectors, inputs, vector, [xx, yy, pair_sum], c);
    let mut by = match op {
        PairOp::Logmap => pair.log_gradient(g_sum, g_x, c),
        _ => pair.gradient(g_sum, g_x, c),
    };
    let clamped = pair
        .one_minus_cn2s
        .map(|one_minus_cn2| one_minus_cn2 <= T::MIN_DENOMINATOR);
    by.of_x = if clamped[0] { 0.0 } else { by.of_x };
    by.of_y = if clamped[1] { 0.0 } else { by.of_y };
    by
}

#[inline(always)]
fn as_is([value]: [f64; 1]) -> f64 {
    value
}

/// Summands of ‖x‖², ‖y‖² and ‖x − y‖².
#[inline(always)]
fn ball_terms([x, y]: [f64; 2]) -> [f64; 3] {
    [x * x, y * y, (x - y) * (x - y)]
}

/// Summands of ‖u‖², ‖v‖², ‖u − v‖² and ⟨u − v, u + v⟩.
#[inline(always)]
fn tangent_terms([u, v]: [f64; 2]) -> [f64; 4] {
    let difference = u - v;
    [u * u, v * v, difference * difference, difference * (u + v)]
}

/// Summands of ‖x‖², ‖y‖² and ‖x + y‖².
#[inline(always)]
fn sum_terms([x, y]: [f64; 2]) -> [f64; 3] {
    [x * x, y * y, (x + y) * (x + y)]
}

/// Summands of ‖x‖², ‖y‖² and ‖y − x‖².
#[inline(always)]
fn difference_terms([x, y]: [f64; 2]) -> [f64; 3] {
    [x * x, y * y, (y - x) * (y - x)]
}

/// Summands of ‖x‖², ‖v‖² and ⟨x, v⟩.
#[inline(always)]
fn exp_terms([x, v]: [f64; 2]) -> [f64; 3] {
    [x * x, v * v, x * v]
}

/// Summands of ‖x‖², ‖y‖², ‖x + y‖², ⟨g, x + y⟩ and ⟨g, x⟩.
#[inline(always)]
fn add_gradient_terms([x, y, g]: [f64; 3]) -> [f64; 5] {
    let sum = x + y;
    [x * x, y * y, sum * sum, g * sum, g * x]
}

/// [`add_gradient_terms`] of −x and y.
#[inline(always)]
fn log_gradient_terms([x, y, g]: [f64; 3]) -> [f64; 5] {
    add_gradient_terms([-x, y, g])
}

/// Summands of ‖x‖², ‖v‖², ⟨x, v⟩, ⟨g, v⟩ and ⟨g, x⟩.
#[inline(always)]
fn exp_gradient_terms([x, v, g]: [f64; 3]) -> [f64; 5] {
    [x * x, v * v, x * v, g * v, g * x]
}

fn coordinates<'a, T: Real>(
    vectors: Vectors,
    [u, v]: [&'a [T]; 2],
    vector: usize,
) -> impl Iterator<Item = (f64, f64)> + use<'a, T> {
    let u = vectors.coordinates(u, vector);
    u.zip(vectors.coordinates(v, vector))
}

fn one_minus_cn2s<T: Real>(
    vectors: Vectors,
    [x, y]: [&[T]; 2],
    vector: usize,
    [xx, yy]: [f64; 2],
    c: f64,
) -> [f64; 2] {
    [
        one_minus_cn2(vectors, x, vector, xx, c),
        one_minus_cn2(vectors, y, vector, yy, c),
    ]
}

fn ball_pair<T: Real>(
    vectors: Vectors,
    inputs: [&[T]; 2],
    vector: usize,
    [xx, yy, squared_distance]: [f64; 3],
    c: f64,
) -> BallPair<f64> {
    let one_minus_cn2s = one_minus_cn2s(vectors, inputs, vector, [xx, yy], c);
    BallPair {
        squares: squares_unless_clamped::<T>([xx, yy], one_minus_cn2s),
        one_minus_cn2s,
        squared_distance,
    }
}

/// ‖x‖² and ‖y‖², the negative derivatives of 1 − c‖x‖² and 1 − c‖y‖² by c; 0 where these are clamped.
fn squares_unless_clamped<T: Real>([xx, yy]: [f64; 2], [a, b]: [f64; 2]) -> [f64; 2] {
    let unless_clamped = |square, one_minus_cn2| {
        if one_minus_cn2 <= T::MIN_DENOMINATOR {
            0.0
        } else {
            square
        }
    };
    [unless_clamped(xx, a), unless_clamped(yy, b)]
}

/// Derivatives of the distance. The derivative of a clamped 1 − c‖x‖² is 0.
fn ball_slopes<T: Real>(
    vectors: Vectors,
    inputs: [&[T]; 2],
    vector: usize,
    sums: [f64; 3],
    c: f64,
) -> Slopes<f64> {
    let pair = ball_pair(vectors, inputs, vector, sums, c);
    let mut slopes = pair.slopes(c);
    let clamped = pair
        .one_minus_cn2s
        .map(|one_minus_cn2| one_minus_cn2 <= T::MIN_DENOMINATOR);
    slopes.by_xx = if clamped[0] { 0.0 } else { slopes.by_xx };
    slopes.by_yy = if clamped[1] { 0.0 } else { slopes.by_yy };
    slopes
}

fn add_pair<T: Real>(
    vectors: Vectors,
    inputs: [&[T]; 2],
    vector: usize,
    [xx, yy, sum_squared]: [f64; 3],
    c: f64,
) -> AddPair<f64> {
    let one_minus_cn2s = one_minus_cn2s(vectors, inputs, vector, [xx, yy], c);
    AddPair {
        squares: squares_unless_clamped::<T>([xx, yy], one_minus_cn2s),
        one_minus_cn2s,
        sum_squared,
    }
}

fn exp_pair<T: Real>(
    vectors: Vectors,
    [x, _]: [&[T]; 2],
    vector: usize,
    [xx, vv, product]: [f64; 3],
    c: f64,
) -> ExpPair<f64> {
    ExpPair {
        squares: [xx, vv],
        product,
        one_minus_cn2: one_minus_cn2(vectors, x, vector, xx, c),
        min_denominator: T::MIN_DENOMINATOR,
    }
}
