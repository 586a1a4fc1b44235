//! Sums of weighted differences, Σⱼ wᵢⱼ (xᵢ − yⱼ) for every x and Σᵢ wᵢⱼ (yⱼ − xᵢ) for every y.
//!
//! They are a part of the gradient of all distances between two sets of points (`pairwise.rs`), where wᵢⱼ is
//! twice the derivative of the loss by ‖xᵢ − yⱼ‖². They are computed as (xᵢ − m) Σⱼ wᵢⱼ − Σⱼ wᵢⱼ (yⱼ − m),
//! whose last term is a matrix product; m is the mean of the points inside the ball. For near pairs, whose
//! xᵢ and yⱼ nearly coincide, the two terms cancel: these pairs have weight 0 in the matrix and are summed
//! directly. Subtracting the mean keeps their number small.

use rayon::prelude::*;

use super::simd_float::SimdFloat;
use super::vectors::vectorised;

/// A pair is near if ‖x − y‖² < `NEAR_RATIO` (‖x − m‖² + ‖y − m‖²).
const NEAR_RATIO: f64 = 1.0 / 16.0;

/// Points, row by row.
pub struct Rows<'a, A> {
    pub data: &'a [A],
    pub stride: usize,
}

impl<A> Rows<'_, A> {
    fn count(&self) -> usize {
        self.data.len() / self.stride
    }

    fn row(&self, row: usize) -> &[A] {
        &self.data[row * self.stride..][..self.stride]
    }
}

/// x − m for each point x, where m is the mean of all points inside the ball.
pub struct Centred<A> {
    data: Vec<A>,
    stride: usize,
    /// `NEAR_RATIO` ‖x − m‖² of each point: a pair is near if ‖x − y‖² is below the sum of both.
    pub near_thresholds: Vec<A>,
}

impl<A: SimdFloat> Centred<A> {
    /// Two sets of points; the mean is of those that are `inside` the ball.
    pub fn pair([x, y]: [&Rows<A>; 2], inside: impl Fn(usize, usize) -> bool) -> [Self; 2] {
        let mut sums = vec![0.0; x.stride];
        let mut count = 0.0;
        for (side, points) in [x, y].into_iter().enumerate() {
            for at in (0..points.count()).filter(|at| inside(side, *at)) {
                count += 1.0;
                for (sum, value) in sums.iter_mut().zip(points.row(at)) {
                    let value: f64 = value.as_();
                    *sum += value;
                }
            }
        }
        let count = f64::max(count, 1.0);
        let mean: Vec<A> = sums.iter().map(|sum| A::of(sum / count)).collect();
        [x, y].map(|points| Self::new(points, &mean))
    }

    fn new(points: &Rows<A>, mean: &[A]) -> Self {
        let mut data = points.data.to_vec();
        let near_thresholds = data.chunks_exact_mut(points.stride).map(|row| {
            let mut norm_squared = 0.0;
            for (value, mean) in row.iter_mut().zip(mean) {
                *value = *value - *mean;
                let value: f64 = value.as_();
                norm_squared += value * value;
            }
            A::of(NEAR_RATIO * norm_squared)
        });
        let near_thresholds = near_thresholds.collect();
        Self {
            data,
            stride: points.stride,
            near_thresholds,
        }
    }
}

/// A pair that is not in the matrix of weights.
#[derive(Clone, Copy)]
pub struct NearPair<A> {
    /// The indices of x and y.
    pub points: [u32; 2],
    pub weight: A,
}

/// The weights of all pairs.
pub struct Weights<A> {
    /// Row-major `[x, y]`, 0 for near pairs.
    pub matrix: Vec<A>,
    /// The sums of the matrix over y and over x.
    pub sums: [Vec<f64>; 2],
    pub near_pairs: Vec<NearPair<A>>,
}

impl<A: SimdFloat> Weights<A> {
    /// The sums for the points of one side, 0 for x and 1 for y, row by row.
    pub fn weighted_differences(
        &mut self,
        side: usize,
        points: [&Rows<A>; 2],
        centred: &[Centred<A>; 2],
    ) -> Vec<A> {
        let (targets, sources) = (&centred[side], &centred[1 - side]);
        let counts = [0, 1].map(|side| centred[side].near_thresholds.len());
        let mut out = vec![A::zero(); targets.data.len()];
        let matrix_strides = [[1, counts[1]], [counts[1], 1]][side];
        assert_eq!(
            self.matrix.len(),
            counts[0] * counts[1],
            "a weight for each pair"
        );
        // SAFETY: `matrix` has an element for every target and every source, with the strides in
        // `matrix_strides`; `out` and the sources have `stride` numbers for each target and each source.
        unsafe {
            gemm::gemm(
                counts[side],
                targets.stride,
                counts[1 - side],
                out.as_mut_ptr(),
                1,
                targets.stride as isize,
                false,
                self.matrix.as_ptr(),
                matrix_strides[0] as isize,
                matrix_strides[1] as isize,
                sources.data.as_ptr(),
                1,
                sources.stride as isize,
                A::zero(),
                A::one(),
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        }
        out.par_chunks_exact_mut(targets.stride)
            .zip(targets.data.par_chunks_exact(targets.stride))
            .zip(&self.sums[side])
            .for_each(|((out, target), sum)| {
                for (out, target) in out.iter_mut().zip(target) {
                    let (differences, target): (f64, f64) = (out.as_(), target.as_());
                    *out = A::of(target * sum - differences);
                }
            });
        self.near_pairs.par_sort_by_key(|pair| pair.points[side]);
        for (target, sum) in self.near_differences(side, points) {
            let row = &mut out[target * targets.stride..][..targets.stride];
            for (out, sum) in row.iter_mut().zip(sum) {
                *out = *out + sum;
            }
        }
        out
    }

    /// The sums over the near pairs of each target; `near_pairs` is sorted by target.
    fn near_differences(&self, side: usize, points: [&Rows<A>; 2]) -> Vec<(usize, Vec<A>)> {
        let of_one = |pairs: &[NearPair<A>]| {
            let index = |pair: &NearPair<A>, side: usize| pair.points[side] as usize;
            let target_index = index(&pairs[0], side);
            let target = points[side].row(target_index);
            let mut sums = vec![A::zero(); target.len()];
            vectorised(
                #[inline(always)]
                || {
                    for pair in pairs {
                        let source = points[1 - side].row(index(pair, 1 - side));
                        for ((sum, target), source) in sums.iter_mut().zip(target).zip(source) {
                            *sum = *sum + pair.weight * (*target - *source);
                        }
                    }
                },
            );
            (target_index, sums)
        };
        let same = |a: &NearPair<A>, b: &NearPair<A>| a.points[side] == b.points[side];
        self.near_pairs.par_chunk_by(same).map(of_one).collect()
    }
}
