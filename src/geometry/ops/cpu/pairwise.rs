//! Distances of all pairs of two sets of points, and their gradients.
//!
//! The loops are those of a matrix product, with (x − y)² in the place of x·y: a sum of terms that
//! are not negative, exact for points that nearly coincide, where ‖x‖² + ‖y‖² − 2⟨x,y⟩ is rounding.

use num_traits::{AsPrimitive, Float, One, Zero};
use rayon::prelude::*;

use super::lane::Lane;
use super::vectors::{Real, row_sums, vectorised};
use crate::geometry::scalar::distance::BallPair;
use crate::geometry::scalar::rim;

/// Lanes of a tile: one or two vector registers.
const LANES: usize = 16;
/// Rows of a tile: with their lanes, as many sums as fit into the registers.
const ROWS: usize = 6;
/// Terms that are summed at a time, so that rounding does not grow with their number.
const DEPTH: usize = 64;
/// Rows of the output that are one task.
const TASK: usize = 8 * ROWS;

/// Numbers of `LANES` points side by side.
type Panels<'a, A> = &'a [[A; LANES]];

/// Points in the type of the sums, each row padded with zeros to whole lanes.
struct Points<A> {
    rows: Vec<A>,
    /// 1/(1 − c‖x‖²).
    per_gap: Vec<f64>,
    /// ‖x‖², and 0 where the gap is held and does not depend on it.
    squares: Vec<f64>,
    stride: usize,
}

impl<A: Lane> Points<A> {
    fn new<T: Real<Wide = A>>(data: &[T], n: usize, c: f64) -> Self {
        let stride = n.div_ceil(LANES) * LANES;
        let count = data.len() / n;
        let mut points = Self {
            rows: vec![A::zero(); count * stride],
            per_gap: Vec::with_capacity(count),
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
            let [square] = row_sums([from], |[x]| [x * x]);
            let gap = rim::gap(square, c, T::LEAST_GAP, from.iter().map(|v| v.as_()));
            points.per_gap.push(1.0 / gap);
            points
                .squares
                .push(if gap <= T::LEAST_GAP { 0.0 } else { square });
        }
        points
    }

    fn count(&self) -> usize {
        self.per_gap.len()
    }

    fn row(&self, row: usize) -> &[A] {
        &self.rows[row * self.stride..][..self.stride]
    }

    /// The rows of a tile; beyond the last one it is repeated.
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

/// Calls a function compiled for the processor at hand: with fused multiply-add if it has that.
macro_rules! dispatch {
    ($function:ident::<$type:ty>($($argument:expr),* $(,)?)) => {
        match pulp::Arch::new() {
            pulp::Arch::Scalar => $function::<$type, false>($($argument),*),
            _ => vectorised(#[inline(always)] || $function::<$type, true>($($argument),*)),
        }
    };
}

/// ‖x − y‖² of the rows of a tile and the points of a panel.
#[inline(always)]
fn tile_squares<A: Lane, const FUSED: bool>(
    rows: [&[A]; ROWS],
    panel: &[[A; LANES]],
) -> [[A; LANES]; ROWS] {
    let mut squares = [[A::zero(); LANES]; ROWS];
    for (depth, panel) in panel.chunks(DEPTH).enumerate() {
        let rows = rows.map(|row| &row[depth * DEPTH..][..panel.len()]);
        let mut sums = [[A::zero(); LANES]; ROWS];
        for (k, y) in panel.iter().enumerate() {
            for r in 0..ROWS {
                let x = rows[r][k];
                for lane in 0..LANES {
                    let gap = x - y[lane];
                    sums[r][lane] = A::product_sum::<FUSED>(gap, gap, sums[r][lane]);
                }
            }
        }
        for r in 0..ROWS {
            for lane in 0..LANES {
                squares[r][lane] = squares[r][lane] + sums[r][lane];
            }
        }
    }
    squares
}

/// One line of a tile: a point, the points it is paired with, and ‖x − y‖² of each pair.
struct Line<'a, A> {
    row: usize,
    columns: std::ops::Range<usize>,
    squares: &'a [A; LANES],
}

/// Visits all pairs for the rows of one task, `TASK` from `first` on.
#[inline(always)]
fn lines<A: Lane, const FUSED: bool>(
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
            let squares = tile_squares::<A, FUSED>(x.tile(tile), panel);
            for (row, squares) in (tile..last).zip(&squares) {
                let columns = columns.clone();
                each(Line {
                    row,
                    columns,
                    squares,
                });
            }
        }
    }
}

/// 1/gap of the points of a panel, in the type of the sums.
fn per_gaps<A: Lane>(y: &Points<A>) -> Vec<[A; LANES]> {
    let panels = y.per_gap.chunks(LANES);
    let panels = panels.map(|panel| {
        let mut lanes = [A::one(); LANES];
        for (lane, per_gap) in lanes.iter_mut().zip(panel) {
            *lane = A::of(*per_gap);
        }
        lanes
    });
    panels.collect()
}

/// d(xᵢ, yⱼ), row by row of x; `n` is the number of coordinates.
pub fn distances<T: Real>(x: &[T], y: &[T], n: usize, c: f64) -> Vec<T> {
    if x.is_empty() || y.is_empty() {
        return vec![T::of(0.0); x.len().checked_div(n).unwrap_or(0) * y.len() / n.max(1)];
    }
    let [x, y] = [x, y].map(|points| Points::<T::Wide>::new(points, n, c));
    let (panels, per_gaps) = (y.panels(), per_gaps(&y));
    let mut out = vec![T::of(0.0); x.count() * y.count()];
    out.par_chunks_mut(TASK * y.count())
        .enumerate()
        .for_each(|(task, out)| {
            let first = task * TASK;
            dispatch!(distances_of::<T>(&x, &y, &panels, &per_gaps, first, c, out));
        });
    out
}

#[inline(always)]
fn distances_of<T: Real, const FUSED: bool>(
    x: &Points<T::Wide>,
    y: &Points<T::Wide>,
    panels: Panels<T::Wide>,
    per_gaps: Panels<T::Wide>,
    first: usize,
    c: f64,
    out: &mut [T],
) {
    let c = T::Wide::of(c);
    lines::<T::Wide, FUSED>(
        x,
        y,
        panels,
        first,
        #[inline(always)]
        |line| {
            let per_gap = T::Wide::of(x.per_gap[line.row]);
            let per_gaps = &per_gaps[line.columns.start / LANES];
            let mut distances = [T::Wide::zero(); LANES];
            for lane in 0..LANES {
                let q = line.squares[lane] * per_gap * per_gaps[lane];
                distances[lane] = T::Wide::distance::<FUSED>(q, c);
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
    let [x, y] = [x, y].map(|points| Points::<T::Wide>::new(points, n, c));
    let (panels, per_gaps) = (y.panels(), per_gaps(&y));
    let mut weights = vec![T::Wide::zero(); grad.len()];
    let sums: Vec<[Vec<f64>; 2]> = weights
        .par_chunks_mut(TASK * y.count())
        .zip(grad.par_chunks(TASK * y.count()))
        .enumerate()
        .map(|(task, (weights, grad))| {
            let (first, data) = (task * TASK, [&panels[..], &per_gaps[..]]);
            dispatch!(weights_of::<T>([&x, &y], data, first, grad, c, weights))
        })
        .collect();
    let mut of_x = Vec::with_capacity(x.count());
    let mut of_y = vec![0.0; y.count()];
    for [rows, columns] in sums {
        of_x.extend(rows);
        of_y.iter_mut()
            .zip(columns)
            .for_each(|(sum, part)| *sum += part);
    }
    let columns = y.count();
    let weights = &weights;
    [
        pull::<T>(&x, &y, n, c, &of_x, |i, j| weights[i * columns + j]),
        pull::<T>(&y, &x, n, c, &of_y, |j, i| weights[i * columns + j]),
    ]
}

/// The factors 2h/‖x − y‖² of one task, and the sums of h over its rows and over the columns.
#[inline(always)]
fn weights_of<T: Real, const FUSED: bool>(
    [x, y]: [&Points<T::Wide>; 2],
    [panels, per_gaps]: [Panels<T::Wide>; 2],
    first: usize,
    grad: &[T],
    c: f64,
    weights: &mut [T::Wide],
) -> [Vec<f64>; 2] {
    let (zero, one) = (T::Wide::zero(), T::Wide::one());
    let c = T::Wide::of(c);
    let mut sums = [vec![0.0; weights.len() / y.count()], vec![0.0; y.count()]];
    lines::<T::Wide, FUSED>(
        x,
        y,
        panels,
        first,
        #[inline(always)]
        |line| {
            let per_gap = T::Wide::of(x.per_gap[line.row]);
            let per_gaps = &per_gaps[line.columns.start / LANES];
            let start = (line.row - first) * y.count();
            let place = start + line.columns.start..start + line.columns.end;
            let mut lanes = [zero; LANES];
            for (lane, grad) in lanes.iter_mut().zip(&grad[place.clone()]) {
                *lane = T::Wide::of(grad.as_());
            }
            let mut factors = [zero; LANES];
            for lane in 0..LANES {
                let square = line.squares[lane];
                let q = square * per_gap * per_gaps[lane];
                let h = lanes[lane] * (q / (one + c * q)).sqrt();
                let factor = (h + h) / square;
                factors[lane] = if square > zero { factor } else { zero };
                lanes[lane] = h;
            }
            weights[place]
                .iter_mut()
                .zip(factors)
                .for_each(|(to, factor)| *to = factor);
            let mut row = zero;
            for (sum, h) in sums[1][line.columns.clone()].iter_mut().zip(lanes) {
                *sum += h.as_();
                row = row + h;
            }
            sums[0][line.row - first] += row.as_();
        },
    );
    sums
}

/// Σⱼ wᵢⱼ (tᵢ − sⱼ) + 2c hᵢ tᵢ/gapᵢ for every target t, over all sources s.
fn pull<T: Real>(
    targets: &Points<T::Wide>,
    sources: &Points<T::Wide>,
    n: usize,
    c: f64,
    h: &[f64],
    weight: impl Fn(usize, usize) -> T::Wide + Sync,
) -> Vec<T> {
    let mut out = vec![T::of(0.0); targets.count() * n];
    out.par_chunks_mut(ROWS * n)
        .enumerate()
        .for_each(|(task, out)| {
            let first = task * ROWS;
            for start in (0..targets.stride).step_by(LANES) {
                let sums = dispatch!(pull_tile::<T::Wide>(
                    targets, sources, first, start, &weight
                ));
                for (index, (out, sums)) in out.chunks_exact_mut(n).zip(sums).enumerate() {
                    let row = first + index;
                    let bend = 2.0 * c * h[row] * targets.per_gap[row];
                    let bend = if targets.squares[row] > 0.0 {
                        bend
                    } else {
                        0.0
                    };
                    let target = &targets.row(row)[start..start + LANES];
                    for ((out, sum), value) in out[start..].iter_mut().zip(sums).zip(target) {
                        let value: f64 = value.as_();
                        *out = T::of(sum.as_() + bend * value);
                    }
                }
            }
        });
    out
}

#[inline(always)]
fn pull_tile<A: Lane, const FUSED: bool>(
    targets: &Points<A>,
    sources: &Points<A>,
    first: usize,
    start: usize,
    weight: impl Fn(usize, usize) -> A,
) -> [[A; LANES]; ROWS] {
    let last = targets.count() - 1;
    let mut values = [[A::zero(); LANES]; ROWS];
    for (values, target) in values.iter_mut().zip(targets.tile(first)) {
        values.copy_from_slice(&target[start..start + LANES]);
    }
    let mut totals = [[A::zero(); LANES]; ROWS];
    for block in (0..sources.count()).step_by(DEPTH) {
        let mut sums = [[A::zero(); LANES]; ROWS];
        for source in block..(block + DEPTH).min(sources.count()) {
            let mut pulling = [A::zero(); LANES];
            pulling.copy_from_slice(&sources.row(source)[start..start + LANES]);
            for r in 0..ROWS {
                let weight = weight((first + r).min(last), source);
                for lane in 0..LANES {
                    let gap = values[r][lane] - pulling[lane];
                    sums[r][lane] = A::product_sum::<FUSED>(weight, gap, sums[r][lane]);
                }
            }
        }
        for r in 0..ROWS {
            for lane in 0..LANES {
                totals[r][lane] = totals[r][lane] + sums[r][lane];
            }
        }
    }
    totals
}

/// ⟨grad, ∂d/∂c⟩.
pub fn by_c<T: Real>(x: &[T], y: &[T], n: usize, grad: &[T], c: f64) -> f64 {
    if x.is_empty() || y.is_empty() {
        return 0.0;
    }
    let of_x = Points::<T::Wide>::new(x, n, c);
    let of_y = Points::<T::Wide>::new(y, n, c);
    let rows = x.par_chunks_exact(n).enumerate().map(|(i, x)| {
        vectorised(
            #[inline(always)]
            || {
                let mut sum = 0.0;
                for (j, y) in y.chunks_exact(n).enumerate() {
                    let [difference] = row_sums([x, y], |[x, y]| [(x - y) * (x - y)]);
                    let pair = BallPair {
                        squares: [of_x.squares[i], of_y.squares[j]],
                        gaps: [1.0 / of_x.per_gap[i], 1.0 / of_y.per_gap[j]],
                        difference,
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
