//! Distances of all pairs of two sets of points, and their gradients.
//!
//! The loops are those of a matrix product with (x − y)² in the place of x·y. These sums have no negative
//! terms and are accurate for points that nearly coincide, for which ‖x‖² + ‖y‖² − 2⟨x,y⟩ cancels.

use num_traits::{AsPrimitive, Float, One, Zero};
use rayon::prelude::*;

use super::simd_float::SimdFloat;
use super::vectors::{Real, row_sums, vectorised};
use super::weighted_differences::{Centred, NearPair, Rows, Weights};
use crate::geometry::scalar::boundary;
use crate::geometry::scalar::distance::BallPair;
use crate::geometry::scalar::even::at_most;

/// Number of points in a panel, the columns of a tile: they fill one or two vector registers.
const LANES: usize = 16;
/// Rows of a tile. Its `ROWS` · `LANES` sums are as many as fit into the registers.
const ROWS: usize = 6;
/// Number of terms in a partial sum: rounding does not grow with the number of coordinates.
const DEPTH: usize = 64;
/// Rows of the output that are one task.
const TASK: usize = 8 * ROWS;

/// Panels of `LANES` points: the same coordinate (or another value) of all points side by side.
type Panels<'a, A> = &'a [[A; LANES]];

/// Points in the type of the sums, each row padded with zeros to a multiple of `LANES`.
struct Points<A> {
    rows: Vec<A>,
    /// 1/(1 − c‖x‖²).
    half_lambda: Vec<f64>,
    /// ‖x‖²; 0 where 1 − c‖x‖² is clamped and its derivative is 0.
    squares: Vec<f64>,
    stride: usize,
}

impl<A: SimdFloat> Points<A> {
    fn new<T: Real<Accumulator = A>>(data: &[T], n: usize, c: f64) -> Self {
        let stride = n.div_ceil(LANES) * LANES;
        let count = data.len() / n;
        let mut points = Self {
            rows: vec![A::zero(); count * stride],
            half_lambda: Vec::with_capacity(count),
            squares: Vec::with_capacity(count),
            stride,
        };
        for (from, to) in data
            .chunks_exact(n)
            .zip(points.rows.chunks_exact_mut(stride))
        {
            for (from, to) in from.iter().zip(to) {
                *to = A::of(from.as_());
            }
            let [norm_squared] = row_sums([from], |[x]| [x * x]);
            let one_minus_cn2 = boundary::one_minus_cn2(
                norm_squared,
                c,
                T::MIN_DENOMINATOR,
                from.iter().map(|v| v.as_()),
            );
            points.half_lambda.push(1.0 / one_minus_cn2);
            points.squares.push(if one_minus_cn2 <= T::MIN_DENOMINATOR {
                0.0
            } else {
                norm_squared
            });
        }
        points
    }

    fn count(&self) -> usize {
        self.half_lambda.len()
    }

    fn row(&self, row: usize) -> &[A] {
        &self.rows[row * self.stride..][..self.stride]
    }

    fn rows(&self) -> Rows<'_, A> {
        Rows {
            data: &self.rows,
            stride: self.stride,
        }
    }

    /// The rows of a tile; the last row is repeated beyond the end.
    fn tile(&self, first: usize) -> [&[A]; ROWS] {
        std::array::from_fn(|r| self.row((first + r).min(self.count() - 1)))
    }

    /// Panels of `LANES` points, coordinate by coordinate; zeros beyond the last point.
    fn panels(&self) -> Vec<[A; LANES]> {
        let mut panels = vec![[A::zero(); LANES]; self.count().div_ceil(LANES) * self.stride];
        for point in 0..self.count() {
            let panel = &mut panels[point / LANES * self.stride..][..self.stride];
            for (to, value) in panel.iter_mut().zip(self.row(point)) {
                to[point % LANES] = *value;
            }
        }
        panels
    }
}

/// Calls a function compiled for the processor at hand, with fused multiply-add where it is available.
macro_rules! dispatch {
    ($function:ident::<$type:ty>($($argument:expr),* $(,)?)) => {
        match pulp::Arch::new() {
            pulp::Arch::Scalar => $function::<$type, false>($($argument),*),
            _ => vectorised(#[inline(always)] || $function::<$type, true>($($argument),*)),
        }
    };
}

/// ‖x − y‖² of each row of a tile and each point of a panel.
#[inline(always)]
fn tile_squared_distances<A: SimdFloat, const FUSED: bool>(
    rows: [&[A]; ROWS],
    panel: &[[A; LANES]],
) -> [[A; LANES]; ROWS] {
    let mut squared_distances = [[A::zero(); LANES]; ROWS];
    for (depth, panel) in panel.chunks(DEPTH).enumerate() {
        let rows = rows.map(|row| &row[depth * DEPTH..][..panel.len()]);
        let mut sums = [[A::zero(); LANES]; ROWS];
        for (k, y) in panel.iter().enumerate() {
            for r in 0..ROWS {
                let x = rows[r][k];
                for lane in 0..LANES {
                    let difference = x - y[lane];
                    sums[r][lane] = A::multiply_add::<FUSED>(difference, difference, sums[r][lane]);
                }
            }
        }
        for r in 0..ROWS {
            for lane in 0..LANES {
                squared_distances[r][lane] = squared_distances[r][lane] + sums[r][lane];
            }
        }
    }
    squared_distances
}

/// One line of a tile: a point, the points it is paired with, and ‖x − y‖² of each pair.
struct Line<'a, A> {
    row: usize,
    columns: std::ops::Range<usize>,
    squared_distances: &'a [A; LANES],
}

/// Calls `each` for all lines of one task: its rows are up to `TASK` from `first` on.
#[inline(always)]
fn lines<A: SimdFloat, const FUSED: bool>(
    x: &Points<A>,
    y: &Points<A>,
    panels: Panels<A>,
    first: usize,
    mut each: impl FnMut(Line<A>),
) {
    let last = (first + TASK).min(x.count());
    for (panel_index, panel) in panels.chunks_exact(y.stride).enumerate() {
        let column = panel_index * LANES;
        let columns = column..(column + LANES).min(y.count());
        for tile in (first..last).step_by(ROWS) {
            let squared_distances = tile_squared_distances::<A, FUSED>(x.tile(tile), panel);
            for (row, squared_distances) in (tile..last).zip(&squared_distances) {
                let columns = columns.clone();
                each(Line {
                    row,
                    columns,
                    squared_distances,
                });
            }
        }
    }
}

/// One number of each point, in panels; `padding` beyond the last point.
fn in_panels<A: SimdFloat>(
    numbers: impl ExactSizeIterator<Item = A>,
    padding: A,
) -> Vec<[A; LANES]> {
    let mut panels = vec![[padding; LANES]; numbers.len().div_ceil(LANES)];
    for (at, number) in numbers.enumerate() {
        panels[at / LANES][at % LANES] = number;
    }
    panels
}

/// Upper bound of ‖x − y‖²/(αβ), so that points far beyond the boundary do not overflow.
fn largest_quotient<A: SimdFloat>(c: A) -> A {
    A::max_value() / (A::of(4.0) * (A::one() + c))
}

/// d(xᵢ, yⱼ), row by row of x; `n` is the number of coordinates.
pub fn distances<T: Real>(x: &[T], y: &[T], n: usize, c: f64) -> Vec<T> {
    if x.is_empty() || y.is_empty() {
        return vec![T::of(0.0); x.len().checked_div(n).unwrap_or(0) * y.len() / n.max(1)];
    }
    let [x, y] = [x, y].map(|points| Points::<T::Accumulator>::new(points, n, c));
    let panels = y.panels();
    let half_lambdas = in_panels(
        y.half_lambda.iter().map(|v| T::Accumulator::of(*v)),
        T::Accumulator::one(),
    );
    let mut out = vec![T::of(0.0); x.count() * y.count()];
    out.par_chunks_mut(TASK * y.count())
        .enumerate()
        .for_each(|(task, out)| {
            let first = task * TASK;
            dispatch!(distances_of::<T>(
                &x,
                &y,
                &panels,
                &half_lambdas,
                first,
                c,
                out
            ));
        });
    out
}

#[inline(always)]
fn distances_of<T: Real, const FUSED: bool>(
    x: &Points<T::Accumulator>,
    y: &Points<T::Accumulator>,
    panels: Panels<T::Accumulator>,
    half_lambdas: Panels<T::Accumulator>,
    first: usize,
    c: f64,
    out: &mut [T],
) {
    let c = T::Accumulator::of(c);
    let largest = largest_quotient(c);
    lines::<T::Accumulator, FUSED>(
        x,
        y,
        panels,
        first,
        #[inline(always)]
        |line| {
            let half_lambda = T::Accumulator::of(x.half_lambda[line.row]);
            let half_lambdas = &half_lambdas[line.columns.start / LANES];
            let mut distances = [T::Accumulator::zero(); LANES];
            for lane in 0..LANES {
                let q = line.squared_distances[lane] * half_lambda * half_lambdas[lane];
                let q = at_most(q, largest);
                distances[lane] = T::Accumulator::distance::<FUSED>(q, c);
            }
            let start = (line.row - first) * y.count();
            let out = &mut out[start + line.columns.start..start + line.columns.end];
            for (out, distance) in out.iter_mut().zip(distances) {
                *out = T::of(distance.as_());
            }
        },
    );
}

/// The gradients by x and y of a loss whose gradient by the distances is `grad`.
///
/// With h = g √q/√(1 + cq), which is g q ∂d/∂q: ∂xᵢ = Σⱼ 2hᵢⱼ (c xᵢ/αᵢ + (xᵢ − yⱼ)/‖xᵢ − yⱼ‖²).
pub fn gradients<T: Real>(x: &[T], y: &[T], n: usize, grad: &[T], c: f64) -> [Vec<T>; 2] {
    if x.is_empty() || y.is_empty() {
        return [x, y].map(|points| vec![T::of(0.0); points.len()]);
    }
    let [x, y] = [x, y].map(|points| Points::<T::Accumulator>::new(points, n, c));
    let rows = [x.rows(), y.rows()];
    let rows = rows.each_ref();
    // A point beyond the boundary could move the mean arbitrarily far.
    let inside = |side: usize, at: usize| [&x, &y][side].squares[at] > 0.0;
    let centred = Centred::pair(rows, inside);
    let panels = ColumnPanels {
        points: &y.panels(),
        half_lambdas: &in_panels(
            y.half_lambda.iter().map(|v| T::Accumulator::of(*v)),
            T::Accumulator::one(),
        ),
        near_thresholds: &in_panels(
            centred[1].near_thresholds.iter().copied(),
            T::Accumulator::zero(),
        ),
    };
    let mut matrix = vec![T::Accumulator::zero(); grad.len()];
    let tasks: Vec<Task<T::Accumulator>> = matrix
        .par_chunks_mut(TASK * y.count())
        .zip(grad.par_chunks(TASK * y.count()))
        .enumerate()
        .map(|(task, (matrix, grad))| {
            let (first, near_thresholds) = (task * TASK, &centred[0].near_thresholds[..]);
            dispatch!(weights_of::<T>(
                [&x, &y],
                &panels,
                near_thresholds,
                first,
                grad,
                c,
                matrix
            ))
        })
        .collect();
    let mut weights = Weights {
        matrix,
        sums: [Vec::with_capacity(x.count()), vec![0.0; y.count()]],
        near_pairs: Vec::new(),
    };
    let mut h = [Vec::with_capacity(x.count()), vec![0.0; y.count()]];
    let add = |to: &mut [f64], part: Vec<f64>| {
        to.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    };
    for task in tasks {
        let [[h_x, h_y], [sums_x, sums_y]] = [task.h, task.sums];
        h[0].extend(h_x);
        add(&mut h[1], h_y);
        weights.sums[0].extend(sums_x);
        add(&mut weights.sums[1], sums_y);
        weights.near_pairs.extend(task.near_pairs);
    }
    [(&x, 0), (&y, 1)].map(|(points, side)| {
        let differences = weights.weighted_differences(side, rows, &centred);
        add_norm_term(points, n, c, &h[side], differences)
    })
}

/// Values of the points yⱼ, in panels.
struct ColumnPanels<'a, A> {
    points: Panels<'a, A>,
    half_lambdas: Panels<'a, A>,
    near_thresholds: Panels<'a, A>,
}

/// Results of a task besides its part of the matrix of weights.
struct Task<A> {
    /// Sums of h over the columns, one for each row of the task, and over these rows, one for each column.
    h: [Vec<f64>; 2],
    /// The same sums of the weights in the matrix.
    sums: [Vec<f64>; 2],
    near_pairs: Vec<NearPair<A>>,
}

/// The weights 2h/‖x − y‖² of one task.
#[inline(always)]
fn weights_of<T: Real, const FUSED: bool>(
    [x, y]: [&Points<T::Accumulator>; 2],
    panels: &ColumnPanels<T::Accumulator>,
    near_thresholds: &[T::Accumulator],
    first: usize,
    grad: &[T],
    c: f64,
    matrix: &mut [T::Accumulator],
) -> Task<T::Accumulator> {
    let (zero, one) = (T::Accumulator::zero(), T::Accumulator::one());
    let c = T::Accumulator::of(c);
    let largest = largest_quotient(c);
    let sums = [vec![0.0; matrix.len() / y.count()], vec![0.0; y.count()]];
    let mut task = Task {
        h: sums.clone(),
        sums,
        near_pairs: Vec::new(),
    };
    lines::<T::Accumulator, FUSED>(
        x,
        y,
        panels.points,
        first,
        #[inline(always)]
        |line| {
            let half_lambda = T::Accumulator::of(x.half_lambda[line.row]);
            let panel = line.columns.start / LANES;
            let (half_lambdas, column_thresholds) =
                (&panels.half_lambdas[panel], &panels.near_thresholds[panel]);
            let row_threshold = near_thresholds[line.row];
            let start = (line.row - first) * y.count();
            let range = start + line.columns.start..start + line.columns.end;
            // g of each pair, then h.
            let mut hs = [zero; LANES];
            for (h, grad) in hs.iter_mut().zip(&grad[range.clone()]) {
                *h = T::Accumulator::of(grad.as_());
            }
            let mut weights = [zero; LANES];
            let mut any_near = false;
            for lane in 0..LANES {
                let squared_distance = line.squared_distances[lane];
                let q = at_most(squared_distance * half_lambda * half_lambdas[lane], largest);
                let h = hs[lane] * (q / (one + c * q)).sqrt();
                let weight = (h + h) / squared_distance;
                // NaN stays NaN.
                weights[lane] = if squared_distance == zero {
                    zero
                } else {
                    weight
                };
                hs[lane] = h;
                any_near |= squared_distance < row_threshold + column_thresholds[lane];
            }
            if any_near {
                for (lane, column) in line.columns.clone().enumerate() {
                    if line.squared_distances[lane] < row_threshold + column_thresholds[lane] {
                        task.near_pairs.push(NearPair {
                            points: [line.row as u32, column as u32],
                            weight: weights[lane],
                        });
                        weights[lane] = zero;
                    }
                }
            }
            matrix[range]
                .iter_mut()
                .zip(weights)
                .for_each(|(to, weight)| *to = weight);
            for (sums, values) in [(&mut task.h, hs), (&mut task.sums, weights)] {
                let mut row = zero;
                for (sum, value) in sums[1][line.columns.clone()].iter_mut().zip(values) {
                    *sum += value.as_();
                    row = row + value;
                }
                sums[0][line.row - first] += row.as_();
            }
        },
    );
    task
}

/// The gradient by each point: its weighted differences + 2c hᵢ xᵢ/αᵢ, whose last term is 0 where αᵢ is
/// clamped.
fn add_norm_term<T: Real>(
    points: &Points<T::Accumulator>,
    n: usize,
    c: f64,
    h: &[f64],
    differences: Vec<T::Accumulator>,
) -> Vec<T> {
    let mut out = vec![T::of(0.0); points.count() * n];
    out.par_chunks_exact_mut(n)
        .zip(differences.par_chunks_exact(points.stride))
        .enumerate()
        .for_each(|(row, (out, differences))| {
            let two_c_h_over_a = 2.0 * c * h[row] * points.half_lambda[row];
            let two_c_h_over_a = if points.squares[row] == 0.0 {
                0.0
            } else {
                two_c_h_over_a
            };
            for ((out, sum), value) in out.iter_mut().zip(differences).zip(points.row(row)) {
                let value: f64 = value.as_();
                *out = T::of(sum.as_() + two_c_h_over_a * value);
            }
        });
    out
}

/// ⟨grad, ∂d/∂c⟩.
pub fn by_c<T: Real>(x: &[T], y: &[T], n: usize, grad: &[T], c: f64) -> f64 {
    if x.is_empty() || y.is_empty() {
        return 0.0;
    }
    let of_x = Points::<T::Accumulator>::new(x, n, c);
    let of_y = Points::<T::Accumulator>::new(y, n, c);
    let rows = x.par_chunks_exact(n).enumerate().map(|(i, x)| {
        vectorised(
            #[inline(always)]
            || {
                let mut sum = 0.0;
                for (j, y) in y.chunks_exact(n).enumerate() {
                    let [squared_distance] = row_sums([x, y], |[x, y]| [(x - y) * (x - y)]);
                    let pair = BallPair {
                        squares: [of_x.squares[i], of_y.squares[j]],
                        one_minus_cn2s: [1.0 / of_x.half_lambda[i], 1.0 / of_y.half_lambda[j]],
                        squared_distance,
                    };
                    let grad: f64 = grad[i * of_y.count() + j].as_();
                    sum += grad * pair.by_c(c);
                }
                sum
            },
        )
    });
    rows.sum()
}
