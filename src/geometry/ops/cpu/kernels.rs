//! The operations on slices of whole tensors.

use super::lane::{self, Lane};
use super::vectors::{Real, map, reduce};
use crate::geometry::ops::backend::{PairOp, PointOp};
use crate::geometry::ops::layout::Vectors;
use crate::geometry::scalar::addition::{AddPair, ExpPair, SumGradient};
use crate::geometry::scalar::distance::{BallPair, Slopes};
use crate::geometry::scalar::radial::Radial;
use crate::geometry::scalar::{boundary, exp_sum, tangent_pair};

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
    let one_minus_cn2 = |vector, norm| one_minus_cn2(vectors, x, vector, norm, c);
    let Some(op) = radial(op) else {
        let one_minus_cn2 = |vector, [norm]: [f64; 1]| [one_minus_cn2(vector, norm)];
        return reduce(vectors, [x], square, one_minus_cn2, as_is);
    };
    let write = |[x]: [f64; 1], [f]: [f64; 1]| [f * x];
    let [out] = if op == Radial::Exp && T::HALF {
        let factor = |_, [norm]: [f64; 1]| [lane::tanhc(c * norm)[0]];
        map(vectors, [x], square, factor, write)
    } else {
        let factor = |vector, [norm]: [f64; 1]| [op.at(norm, one_minus_cn2(vector, norm), c).value];
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
    let one_minus_cn2 = |vector, norm| one_minus_cn2(vectors, x, vector, norm, c);
    let Some(op) = radial(op) else {
        // Held at the boundary and beyond, where the slope is 0.
        let factor = |vector: usize, [norm]: [f64; 1]| {
            let held = one_minus_cn2(vector, norm) <= T::MIN_DENOMINATOR;
            let grad: f64 = grad[vector].as_();
            [if held { 0.0 } else { -2.0 * c * grad }]
        };
        let [out] = map(vectors, [x], |[x]| [x * x], factor, |[x], [f]| [f * x]);
        return out;
    };
    let factors = |vector, [norm, along]: [f64; 2]| {
        let factor = op.at(norm, one_minus_cn2(vector, norm), c);
        [factor.value, 2.0 * factor.by_norm * along]
    };
    let terms = |[x, g]: [f64; 2]| [x * x, g * x];
    let write = |[x, g]: [f64; 2], [of_grad, of_x]: [f64; 2]| [of_grad * g + of_x * x];
    let [out] = if op == Radial::Exp && T::HALF {
        let factors = |_, [norm, along]: [f64; 2]| {
            let [value, slope] = lane::tanhc(c * norm);
            [value, 2.0 * c * slope * along]
        };
        map(vectors, [x, grad], terms, factors, write)
    } else {
        map(vectors, [x, grad], terms, factors, write)
    };
    out
}

/// ⟨grad, ∂/∂c⟩ of an operation on points.
pub fn point_by_c<T: Real>(op: PointOp, vectors: Vectors, x: &[T], grad: &[T], c: f64) -> f64 {
    let one_minus_cn2 = |vector, norm| one_minus_cn2(vectors, x, vector, norm, c);
    let parts: Vec<f64> = match radial(op) {
        None => {
            let part = |vector: usize, [norm]: [f64; 1]| {
                let held = one_minus_cn2(vector, norm) <= T::MIN_DENOMINATOR;
                let grad: f64 = grad[vector].as_();
                [if held { 0.0 } else { -norm * grad }]
            };
            reduce(vectors, [x], |[x]| [x * x], part, as_is)
        }
        Some(op) => {
            let part = |vector, [norm, along]: [f64; 2]| {
                [along * op.at(norm, one_minus_cn2(vector, norm), c).by_c]
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
            if T::HALF {
                let parts = |vector, sums| lane::tangent_parts(&pair(vector, sums), c);
                [reduce(
                    vectors,
                    inputs,
                    tangent_terms,
                    parts,
                    // Without this it is a call, compiled for the least processor.
                    #[inline(always)]
                    |parts| lane::dist_expmap0(parts, c),
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
                let sum = exp_sum(&pair, c, || coordinates(vectors, inputs, vector));
                pair.factors(sum, c)
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
        let scaled = |vector: usize, slopes: Slopes<f64>| {
            let grad: f64 = grad[vector].as_();
            [slopes.by_x, slopes.by_y, slopes.by_difference].map(|slope| slope * 2.0 * grad)
        };
        let write = |[x, y]: [f64; 2], [of_x, of_y, of_gap]: [f64; 3]| {
            let across = of_gap * (x - y);
            [of_x * x + across, of_y * y - across]
        };
        return if op == PairOp::Dist {
            let slopes = |vector, sums| ball_slopes(vectors, inputs, vector, sums, c);
            let factors = |vector, sums| scaled(vector, slopes(vector, sums));
            map(vectors, inputs, ball_terms, factors, write)
        } else {
            let factors = |vector, sums| {
                let pair = tangent_pair(sums, || coordinates(vectors, inputs, vector));
                scaled(vector, pair.slopes(c))
            };
            map(vectors, inputs, tangent_terms, factors, write)
        };
    }
    let factors = |vector, sums| {
        let by = sum_gradient(op, vectors, inputs, vector, sums, c);
        let [of_g_x, of_g_y] = by.of_gradient;
        [of_g_x, of_g_y, by.of_x, by.of_y, by.of_sum]
    };
    let write = |[x, y, g]: [f64; 3], [g_x, g_y, of_x, of_y, of_sum]: [f64; 5]| {
        let along = of_sum * (x + y);
        [g_x * g + of_x * x + along, g_y * g + of_y * y + along]
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
    let of_sums = |vector, sums| [sum_gradient(op, vectors, inputs, vector, sums, c).by_c];
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
        PairOp::Logmap => reduce(vectors, [x, y, grad], log_gradient_terms, of_sums, as_is),
        PairOp::Expmap => reduce(vectors, [x, y, grad], exp_gradient_terms, of_sums, as_is),
        _ => reduce(vectors, [x, y, grad], add_gradient_terms, of_sums, as_is),
    };
    parts.iter().sum()
}

/// The gradient of Möbius addition, expₓ or logₓ. A clamped 1 − c‖x‖² has no slope.
fn sum_gradient<T: Real>(
    op: PairOp,
    vectors: Vectors,
    inputs: [&[T]; 2],
    vector: usize,
    [xx, yy, third, g_sum, g_x]: [f64; 5],
    c: f64,
) -> SumGradient<f64> {
    if op == PairOp::Expmap {
        let pair = exp_pair(vectors, inputs, vector, [xx, yy, third], c);
        let sum = exp_sum(&pair, c, || coordinates(vectors, inputs, vector));
        return pair.gradient(sum, g_x, g_sum, c);
    }
    let pair = add_pair(vectors, inputs, vector, [xx, yy, third], c);
    let mut by = match op {
        PairOp::Logmap => pair.log_gradient(g_sum, g_x, c),
        _ => pair.gradient(g_sum, g_x, c),
    };
    let held = pair
        .one_minus_cn2s
        .map(|one_minus_cn2| one_minus_cn2 <= T::MIN_DENOMINATOR);
    by.of_x = if held[0] { 0.0 } else { by.of_x };
    by.of_y = if held[1] { 0.0 } else { by.of_y };
    by
}

#[inline(always)]
fn as_is([value]: [f64; 1]) -> f64 {
    value
}

#[inline(always)]
fn ball_terms([x, y]: [f64; 2]) -> [f64; 3] {
    [x * x, y * y, (x - y) * (x - y)]
}

#[inline(always)]
fn tangent_terms([u, v]: [f64; 2]) -> [f64; 4] {
    let difference = u - v;
    [u * u, v * v, difference * difference, difference * (u + v)]
}

#[inline(always)]
fn sum_terms([x, y]: [f64; 2]) -> [f64; 3] {
    [x * x, y * y, (x + y) * (x + y)]
}

/// Of −x and y.
#[inline(always)]
fn difference_terms([x, y]: [f64; 2]) -> [f64; 3] {
    [x * x, y * y, (y - x) * (y - x)]
}

#[inline(always)]
fn exp_terms([x, v]: [f64; 2]) -> [f64; 3] {
    [x * x, v * v, x * v]
}

#[inline(always)]
fn add_gradient_terms([x, y, g]: [f64; 3]) -> [f64; 5] {
    let sum = x + y;
    [x * x, y * y, sum * sum, g * sum, g * x]
}

/// Of −x and y.
#[inline(always)]
fn log_gradient_terms([x, y, g]: [f64; 3]) -> [f64; 5] {
    add_gradient_terms([-x, y, g])
}

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
    [xx, yy, difference]: [f64; 3],
    c: f64,
) -> BallPair<f64> {
    let one_minus_cn2s = one_minus_cn2s(vectors, inputs, vector, [xx, yy], c);
    BallPair {
        squares: moving::<T>([xx, yy], one_minus_cn2s),
        one_minus_cn2s,
        difference,
    }
}

/// The squares through which 1 − c‖x‖² depends on c: 0 where it is clamped.
fn moving<T: Real>([xx, yy]: [f64; 2], [a, b]: [f64; 2]) -> [f64; 2] {
    let moving = |square, one_minus_cn2| {
        if one_minus_cn2 <= T::MIN_DENOMINATOR {
            0.0
        } else {
            square
        }
    };
    [moving(xx, a), moving(yy, b)]
}

/// Slopes of the distance. A clamped 1 − c‖x‖² has no slope.
fn ball_slopes<T: Real>(
    vectors: Vectors,
    inputs: [&[T]; 2],
    vector: usize,
    sums: [f64; 3],
    c: f64,
) -> Slopes<f64> {
    let pair = ball_pair(vectors, inputs, vector, sums, c);
    let mut slopes = pair.slopes(c);
    let held = pair
        .one_minus_cn2s
        .map(|one_minus_cn2| one_minus_cn2 <= T::MIN_DENOMINATOR);
    slopes.by_x = if held[0] { 0.0 } else { slopes.by_x };
    slopes.by_y = if held[1] { 0.0 } else { slopes.by_y };
    slopes
}

fn add_pair<T: Real>(
    vectors: Vectors,
    inputs: [&[T]; 2],
    vector: usize,
    [xx, yy, sum]: [f64; 3],
    c: f64,
) -> AddPair<f64> {
    let one_minus_cn2s = one_minus_cn2s(vectors, inputs, vector, [xx, yy], c);
    AddPair {
        squares: moving::<T>([xx, yy], one_minus_cn2s),
        one_minus_cn2s,
        sum,
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
        least: T::MIN_DENOMINATOR,
    }
}
