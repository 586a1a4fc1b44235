//! The operations on slices of whole tensors.

use super::vectors::{Real, Vectors, map, reduce};
use crate::geometry::ops::backend::{PairOp, PointOp};
use crate::geometry::scalar::addition::AddPair;
use crate::geometry::scalar::distance::{BallPair, Slopes};
use crate::geometry::scalar::radial::Radial;
use crate::geometry::scalar::{rim, tangent_pair};

fn radial(op: PointOp) -> Option<Radial> {
    match op {
        PointOp::Expmap0 => Some(Radial::Exp),
        PointOp::Logmap0 => Some(Radial::Log),
        PointOp::ScalarMul(r) => Some(Radial::Scale(r)),
        PointOp::RimGap => None,
    }
}

fn gap<T: Real>(vectors: Vectors, x: &[T], vector: usize, norm_squared: f64, c: f64) -> f64 {
    rim::gap(
        norm_squared,
        c,
        T::LEAST_GAP,
        vectors.coordinates(x, vector),
    )
}

pub fn point<T: Real>(op: PointOp, vectors: Vectors, x: &[T], c: f64) -> Vec<T> {
    let square = |[x]: [f64; 1]| [x * x];
    let gap = |vector, norm| gap(vectors, x, vector, norm, c);
    let Some(op) = radial(op) else {
        return reduce(vectors, [x], square, |vector, [norm]| gap(vector, norm));
    };
    let factor = |vector, [norm]: [f64; 1]| [op.at(norm, gap(vector, norm), c).value];
    let [out] = map(vectors, [x], square, factor, |[x], [f]| [f * x]);
    out
}

pub fn point_backward<T: Real>(
    op: PointOp,
    vectors: Vectors,
    x: &[T],
    grad: &[T],
    c: f64,
) -> Vec<T> {
    let gap = |vector, norm| gap(vectors, x, vector, norm, c);
    let Some(op) = radial(op) else {
        // Held at the rim and beyond, where the slope is 0.
        let factor = |vector: usize, [norm]: [f64; 1]| {
            let held = gap(vector, norm) <= T::LEAST_GAP;
            let grad: f64 = grad[vector].as_();
            [if held { 0.0 } else { -2.0 * c * grad }]
        };
        let [out] = map(vectors, [x], |[x]| [x * x], factor, |[x], [f]| [f * x]);
        return out;
    };
    let factors = |vector, [norm, along]: [f64; 2]| {
        let factor = op.at(norm, gap(vector, norm), c);
        [factor.value, 2.0 * factor.by_norm * along]
    };
    let terms = |[x, g]: [f64; 2]| [x * x, g * x];
    let write = |[x, g]: [f64; 2], [of_grad, of_x]: [f64; 2]| [of_grad * g + of_x * x];
    let [out] = map(vectors, [x, grad], terms, factors, write);
    out
}

pub fn pair<T: Real>(op: PairOp, vectors: Vectors, x: &[T], y: &[T], c: f64) -> Vec<T> {
    let inputs = [x, y];
    match op {
        PairOp::Dist => reduce(vectors, inputs, ball_terms, |vector, sums| {
            ball_pair(vectors, inputs, vector, sums, c).distance(c)
        }),
        PairOp::DistExpmap0 => reduce(vectors, inputs, tangent_terms, |vector, sums| {
            tangent_pair(sums, || coordinates(vectors, inputs, vector)).distance(c)
        }),
        PairOp::MobiusAdd => {
            let terms = |[x, y]: [f64; 2]| [x * x, y * y, (x + y) * (x + y)];
            let factors = |vector, sums| add_pair(vectors, inputs, vector, sums, c).factors(c);
            let write = |[x, y]: [f64; 2], [of_sum, of_x]: [f64; 2]| [of_sum * (x + y) + of_x * x];
            let [out] = map(vectors, inputs, terms, factors, write);
            out
        }
    }
}

pub fn pair_backward<T: Real>(
    op: PairOp,
    vectors: Vectors,
    [x, y]: [&[T]; 2],
    grad: &[T],
    c: f64,
) -> [Vec<T>; 2] {
    let inputs = [x, y];
    // 2 g (∂d/∂‖x‖² x + ∂d/∂‖x − y‖² (x − y)), and the same for y.
    let scaled = |vector: usize, slopes: Slopes<f64>| {
        let grad: f64 = grad[vector].as_();
        [slopes.by_x, slopes.by_y, slopes.by_difference].map(|slope| slope * 2.0 * grad)
    };
    let write = |[x, y]: [f64; 2], [of_x, of_y, of_gap]: [f64; 3]| {
        let across = of_gap * (x - y);
        [of_x * x + across, of_y * y - across]
    };
    match op {
        PairOp::Dist => {
            let factors = |vector, sums| {
                let pair = ball_pair(vectors, inputs, vector, sums, c);
                let mut slopes = pair.slopes(c);
                // A gap that is held does not change.
                let held = pair.gaps.map(|gap| gap <= T::LEAST_GAP);
                slopes.by_x = if held[0] { 0.0 } else { slopes.by_x };
                slopes.by_y = if held[1] { 0.0 } else { slopes.by_y };
                scaled(vector, slopes)
            };
            map(vectors, inputs, ball_terms, factors, write)
        }
        PairOp::DistExpmap0 => {
            let factors = |vector, sums| {
                let pair = tangent_pair(sums, || coordinates(vectors, inputs, vector));
                scaled(vector, pair.slopes(c))
            };
            map(vectors, inputs, tangent_terms, factors, write)
        }
        PairOp::MobiusAdd => {
            let terms = |[x, y, g]: [f64; 3]| {
                let sum = x + y;
                [x * x, y * y, sum * sum, g * sum, g * x]
            };
            let factors = |vector, [xx, yy, ss, g_sum, g_x]: [f64; 5]| {
                let pair = add_pair(vectors, inputs, vector, [xx, yy, ss], c);
                let held = pair.gaps.map(|gap| gap <= T::LEAST_GAP);
                let by = pair.gradient(g_sum, g_x, c);
                let [of_g_x, of_g_y] = by.of_gradient;
                let of_x = if held[0] { 0.0 } else { by.of_x };
                let of_y = if held[1] { 0.0 } else { by.of_y };
                [of_g_x, of_g_y, of_x, of_y, by.of_sum]
            };
            let write = |[x, y, g]: [f64; 3], [g_x, g_y, of_x, of_y, of_sum]: [f64; 5]| {
                let along = of_sum * (x + y);
                [g_x * g + of_x * x + along, g_y * g + of_y * y + along]
            };
            map(vectors, [x, y, grad], terms, factors, write)
        }
    }
}

#[inline(always)]
fn ball_terms([x, y]: [f64; 2]) -> [f64; 3] {
    [x * x, y * y, (x - y) * (x - y)]
}

#[inline(always)]
fn tangent_terms([u, v]: [f64; 2]) -> [f64; 4] {
    let gap = u - v;
    [u * u, v * v, gap * gap, gap * (u + v)]
}

fn coordinates<'a, T: Real>(
    vectors: Vectors,
    [u, v]: [&'a [T]; 2],
    vector: usize,
) -> impl Iterator<Item = (f64, f64)> + use<'a, T> {
    let u = vectors.coordinates(u, vector);
    u.zip(vectors.coordinates(v, vector))
}

fn ball_pair<T: Real>(
    vectors: Vectors,
    [x, y]: [&[T]; 2],
    vector: usize,
    [xx, yy, difference]: [f64; 3],
    c: f64,
) -> BallPair<f64> {
    BallPair {
        gaps: [
            gap(vectors, x, vector, xx, c),
            gap(vectors, y, vector, yy, c),
        ],
        difference,
    }
}

fn add_pair<T: Real>(
    vectors: Vectors,
    [x, y]: [&[T]; 2],
    vector: usize,
    [xx, yy, sum]: [f64; 3],
    c: f64,
) -> AddPair<f64> {
    AddPair {
        gaps: [
            gap(vectors, x, vector, xx, c),
            gap(vectors, y, vector, yy, c),
        ],
        sum,
    }
}
