//! Loops over the vectors of a tensor: sums over the coordinates of each vector, and outputs computed
//! from the sums. They use all cores for large tensors, and SIMD instructions of the processor at hand.
//!
//! A tensor is seen as `[outer, n, inner]` with the coordinates on the middle axis. Arithmetic is in f64
//! whatever the element type is: the square of an f32 is exact in it.

use std::mem::MaybeUninit;
use std::ops::Range;

use burn::tensor::Element;
use num_traits::AsPrimitive;
use rayon::prelude::*;

use super::simd_float::SimdFloat;
use crate::geometry::ops::layout::Vectors;

/// An element type of the kernels.
pub trait Real: Element + bytemuck::Pod + AsPrimitive<f64> {
    /// The value to which 1 − c‖x‖² is clamped from below.
    const MIN_DENOMINATOR: f64;
    /// Float type of sums over pairs of vectors.
    type Accumulator: SimdFloat;
    /// Whether the type has at most the digits of an f32, so that functions in f64 need not be exact to
    /// their last digit.
    const AT_MOST_F32: bool;
    fn of(value: f64) -> Self;
}

macro_rules! real {
    ($($type:ty, $accumulator:ty, $min_denominator:expr, $at_most_f32:expr;)*) => {
        $(impl Real for $type {
            const MIN_DENOMINATOR: f64 = $min_denominator;
            type Accumulator = $accumulator;
            const AT_MOST_F32: bool = $at_most_f32;
            #[inline(always)]
            fn of(value: f64) -> Self {
                value.as_()
            }
        })*
    };
}

real! {
    f64, f64, f64::EPSILON, false;
    f32, f32, f32::EPSILON as f64, true;
    burn::tensor::f16, f32, f32::EPSILON as f64, true;
    burn::tensor::bf16, f32, f32::EPSILON as f64, true;
}

impl Vectors {
    /// The coordinates of a vector.
    pub fn coordinates<'a, T: Real>(
        &self,
        data: &'a [T],
        vector: usize,
    ) -> impl Iterator<Item = f64> + use<'a, T> {
        let start = vector / self.inner * self.n * self.inner + vector % self.inner;
        let line = data.get(start..).unwrap_or_default();
        line.iter()
            .step_by(self.inner)
            .take(self.n)
            .map(|v| v.as_())
    }
}

/// Runs a function compiled for the instructions of the processor at hand, with everything that is inlined
/// into it. The closure must be `#[inline(always)]`: a function that is called instead is compiled for the
/// baseline of the target.
#[inline(always)]
pub fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    struct Inlined<F>(F);

    impl<R, F: FnOnce() -> R> pulp::WithSimd for Inlined<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }

    pulp::Arch::new().dispatch(Inlined(f))
}

/// Number of elements of a parallel task: fewer are not worth another thread.
const PER_TASK: usize = 1 << 15;
/// Number of vectors in a block. The sums of all vectors of a block are computed before the factors, so that
/// the processor works on the factors of several vectors at a time.
const BLOCK: usize = 64;
/// Upper limit of the elements of a block whose coordinates are contiguous: a block stays in the cache.
const BLOCK_ELEMENTS: usize = 1 << 13;

/// One number for each vector, from sums over its coordinates.
///
/// `terms` gives the summands of a coordinate, `intermediates` numbers from a vector's index and sums, and
/// `output` the result from these. An `output` without branches is computed for several vectors at once.
pub fn reduce<T: Real, R: Real, const I: usize, const S: usize, const F: usize>(
    vectors: Vectors,
    inputs: [&[T]; I],
    terms: impl Fn([f64; I]) -> [f64; S] + Sync,
    intermediates: impl Fn(usize, [f64; S]) -> [f64; F] + Sync,
    output: impl Fn([f64; F]) -> f64 + Sync,
) -> Vec<R> {
    let mut out = vec![R::of(0.0); vectors.count()];
    let per_task = (PER_TASK / vectors.n.max(1)).clamp(1, out.len().max(1));
    let work = |(task, out): (usize, &mut [R])| {
        vectorised(
            #[inline(always)]
            || {
                let first = task * per_task;
                each_block(
                    vectors,
                    first..first + out.len(),
                    inputs,
                    &terms,
                    &intermediates,
                    #[inline(always)]
                    |start, values| {
                        let mut results = [0.0; BLOCK];
                        for (result, values) in results.iter_mut().zip(values) {
                            *result = output(*values);
                        }
                        let out = &mut out[start - first..][..values.len()];
                        for (out, result) in out.iter_mut().zip(results) {
                            *out = R::of(result);
                        }
                    },
                );
            },
        );
    };
    if out.len() <= per_task {
        work((0, &mut out));
    } else {
        out.par_chunks_mut(per_task).enumerate().for_each(work);
    }
    out
}

/// `O` output tensors, computed from the coordinates and from factors of each vector.
///
/// `terms` gives the summands of a coordinate, `factors` the factors from a vector's index and sums, and
/// `write` the outputs at a coordinate.
pub fn map<T: Real, const I: usize, const S: usize, const F: usize, const O: usize>(
    vectors: Vectors,
    inputs: [&[T]; I],
    terms: impl Fn([f64; I]) -> [f64; S] + Sync,
    factors: impl Fn(usize, [f64; S]) -> [f64; F] + Sync,
    write: impl Fn([f64; I], [f64; F]) -> [f64; O] + Sync,
) -> [Vec<T>; O] {
    let size = vectors.count() * vectors.n;
    if size == 0 {
        return std::array::from_fn(|_| Vec::new());
    }
    if vectors.inner == 1 {
        let rows = (PER_TASK / vectors.n).max(1);
        let work = |task: usize, mut outs: [&mut [MaybeUninit<T>]; O]| {
            vectorised(
                #[inline(always)]
                || {
                    let first = task * rows;
                    let count = outs[0].len() / vectors.n;
                    each_block(
                        vectors,
                        first..first + count,
                        inputs,
                        &terms,
                        &factors,
                        #[inline(always)]
                        |start, block| {
                            for (vector, factors) in (start..).zip(block) {
                                let line = |vector| vector * vectors.n..(vector + 1) * vectors.n;
                                let inputs = inputs.map(|input| &input[line(vector)]);
                                let outs =
                                    outs.each_mut().map(|out| &mut out[line(vector - first)]);
                                write_line(inputs, outs, |_| *factors, &write);
                            }
                        },
                    );
                },
            );
        };
        return fill_in_parallel(size, rows * vectors.n, work);
    }
    // Strided coordinates: first the factors of all vectors, then line by line of neighbouring vectors.
    let all: Vec<[f64; F]> = {
        let mut all = vec![[0.0; F]; vectors.count()];
        let per_task = (PER_TASK / vectors.n).max(BLOCK);
        all.par_chunks_mut(per_task)
            .enumerate()
            .for_each(|(task, all)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let first = task * per_task;
                        each_block(
                            vectors,
                            first..first + all.len(),
                            inputs,
                            &terms,
                            &factors,
                            #[inline(always)]
                            |start, block| {
                                all[start - first..][..block.len()].copy_from_slice(block);
                            },
                        );
                    },
                );
            });
        all
    };
    let (n, inner) = (vectors.n, vectors.inner);
    let lines = (PER_TASK / inner).max(1);
    let work = |task: usize, mut outs: [&mut [MaybeUninit<T>]; O]| {
        vectorised(
            #[inline(always)]
            || {
                for index in 0..outs[0].len() / inner {
                    let line = task * lines + index;
                    let outs = outs
                        .each_mut()
                        .map(|out| &mut out[index * inner..][..inner]);
                    let inputs = inputs.map(|input| &input[line * inner..][..inner]);
                    let factors = &all[line / n * inner..][..inner];
                    write_line(inputs, outs, |position| factors[position], &write);
                }
            },
        );
    };
    fill_in_parallel(size, lines * inner, work)
}

/// `O` vectors of `size` elements, filled in parallel in pieces of `piece` elements: `work` receives the
/// index of a piece and that piece of each vector, and writes all its elements.
///
/// The memory is not set to zero first: that would be a third pass over it, besides reading and writing.
fn fill_in_parallel<T: Real, const O: usize>(
    size: usize,
    piece: usize,
    work: impl Fn(usize, [&mut [MaybeUninit<T>]; O]) + Sync,
) -> [Vec<T>; O] {
    let mut outs: [Vec<T>; O] = std::array::from_fn(|_| Vec::with_capacity(size));
    let spare = outs
        .each_mut()
        .map(|out| &mut out.spare_capacity_mut()[..size]);
    if size <= piece {
        work(0, spare);
    } else {
        let count = size.div_ceil(piece);
        let mut pieces: Vec<Vec<&mut [MaybeUninit<T>]>> =
            (0..count).map(|_| Vec::with_capacity(O)).collect();
        for out in spare {
            for (pieces, chunk) in pieces.iter_mut().zip(out.chunks_mut(piece)) {
                pieces.push(chunk);
            }
        }
        pieces
            .into_par_iter()
            .enumerate()
            .for_each(|(task, piece)| {
                if let Ok(outs) = piece.try_into() {
                    work(task, outs);
                }
            });
    }
    for out in &mut outs {
        // SAFETY: the pieces cover `size` elements of the capacity, and `work` wrote each of them.
        unsafe { out.set_len(size) };
    }
    outs
}

/// Computes the factors of the vectors in `range`, block by block in order. `each` receives the index of a
/// block's first vector and the factors of its vectors.
#[inline(always)]
fn each_block<T: Real, const I: usize, const S: usize, const F: usize>(
    vectors: Vectors,
    range: Range<usize>,
    inputs: [&[T]; I],
    terms: impl Fn([f64; I]) -> [f64; S],
    factors: impl Fn(usize, [f64; S]) -> [f64; F],
    mut each: impl FnMut(usize, &[[f64; F]]),
) {
    let (n, inner) = (vectors.n, vectors.inner);
    let mut block_factors = [[0.0; F]; BLOCK];
    let mut first = range.start;
    while first < range.end {
        let mut sums = [[0.0; S]; BLOCK];
        let block = if inner == 1 {
            (BLOCK_ELEMENTS / n.max(1)).clamp(1, BLOCK)
        } else {
            BLOCK.min(inner - first % inner)
        };
        let block = block.min(range.end - first);
        if inner == 1 {
            for (vector, sums) in (first..).zip(&mut sums[..block]) {
                let rows = inputs.map(|input| &input[vector * n..(vector + 1) * n]);
                *sums = row_sums(rows, &terms);
            }
        } else {
            let lines = |coordinate| {
                let start = (first / inner * n + coordinate) * inner + first % inner;
                inputs.map(|input| &input[start..start + block])
            };
            column_sums((0..n).map(lines), &terms, &mut sums[..block]);
        }
        for at in 0..block {
            block_factors[at] = factors(first + at, sums[at]);
        }
        each(first, &block_factors[..block]);
        first += block;
    }
}

/// The sums of neighbouring vectors with strided coordinates; a line has one coordinate of each vector.
#[inline(always)]
fn column_sums<'a, T: Real, const I: usize, const S: usize>(
    lines: impl Iterator<Item = [&'a [T]; I]>,
    terms: impl Fn([f64; I]) -> [f64; S],
    out: &mut [[f64; S]],
) {
    let mut sums = [[0.0; BLOCK]; S];
    for lines in lines {
        for at in 0..out.len() {
            let terms = terms(lines.map(|line| line[at].as_()));
            for s in 0..S {
                sums[s][at] += terms[s];
            }
        }
    }
    for (at, out) in out.iter_mut().enumerate() {
        *out = sums.each_ref().map(|sums| sums[at]);
    }
}

/// The sums of one vector with contiguous coordinates.
#[inline(always)]
pub fn row_sums<T: Real, const I: usize, const S: usize>(
    rows: [&[T]; I],
    terms: impl Fn([f64; I]) -> [f64; S],
) -> [f64; S] {
    // As many partial sums as fit into the registers.
    if S <= 3 {
        sums_in_lanes::<T, I, S, 16>(rows, terms)
    } else {
        sums_in_lanes::<T, I, S, 8>(rows, terms)
    }
}

/// Each of `LANES` partial sums takes every `LANES`-th coordinate: independent chains of additions.
#[inline(always)]
fn sums_in_lanes<T: Real, const I: usize, const S: usize, const LANES: usize>(
    rows: [&[T]; I],
    terms: impl Fn([f64; I]) -> [f64; S],
) -> [f64; S] {
    let n = rows[0].len();
    let full = n / LANES * LANES;
    let mut lanes = [[0.0; LANES]; S];
    for start in (0..full).step_by(LANES) {
        let lines = rows.map(|row| &row[start..start + LANES]);
        for lane in 0..LANES {
            let terms = terms(lines.map(|line| line[lane].as_()));
            for s in 0..S {
                lanes[s][lane] += terms[s];
            }
        }
    }
    let mut sums = [0.0; S];
    for s in 0..S {
        // Without this the compiler keeps the partial sums in the order of what follows, or in
        // memory, and the loop above takes up to four times as long; all at once, it would add the
        // sums of different s side by side.
        let lanes = std::hint::black_box(lanes[s]);
        let mut four = [0.0; 4];
        for lane in (0..LANES).step_by(4) {
            for k in 0..4 {
                four[k] += lanes[lane + k];
            }
        }
        sums[s] = (four[0] + four[2]) + (four[1] + four[3]);
    }
    for at in full..n {
        let terms = terms(rows.map(|row| row[at].as_()));
        for s in 0..S {
            sums[s] += terms[s];
        }
    }
    sums
}

/// Writes the outputs of a line of elements; `factors` gives the factors at a position of the line.
#[inline(always)]
fn write_line<T: Real, const I: usize, const F: usize, const O: usize>(
    inputs: [&[T]; I],
    mut outs: [&mut [MaybeUninit<T>]; O],
    factors: impl Fn(usize) -> [f64; F],
    write: impl Fn([f64; I], [f64; F]) -> [f64; O],
) {
    let n = inputs[0].len();
    let inputs = inputs.map(|input| &input[..n]);
    for at in 0..n {
        let values = write(inputs.map(|input| input[at].as_()), factors(at));
        for (out, value) in outs.iter_mut().zip(values) {
            out[at].write(T::of(value));
        }
    }
}
