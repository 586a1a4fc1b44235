//! Sums of weighted differences, Σⱼ wᵢⱼ (xᵢ − yⱼ) for every x and Σᵢ wᵢⱼ (yⱼ − xᵢ) for every y.
//!
//! They are a part of the gradient of all distances between two sets of points (`pairwise.rs`), where wᵢⱼ is
//! the slope of a distance over ‖xᵢ − yⱼ‖². Computed as (xᵢ − m) Σⱼ wᵢⱼ − Σⱼ wᵢⱼ (yⱼ − m), whose last
//! term is a matrix product; m is the mean of the points inside the ball. Where xᵢ and yⱼ nearly
//! coincide the two terms cancel: such pairs have weight 0 in the matrix and are summed directly. With m
//! in the middle they are few.

use rayon::prelude::*;

use super::lane::Lane;
use super::vectors::vectorised;

/// A pair is near if ‖x − y‖² is below this part of ‖x − m‖² + ‖y − m‖².
const NEAR: f64 = 1.0 / 16.0;

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

/// Points less the mean m of all points inside the ball.
pub struct Centred<A> {
    data: Vec<A>,
    stride: usize,
    /// `NEAR` ‖x − m‖².
    pub near: Vec<A>,
}

impl<A: Lane> Centred<A> {
    /// Two sets of points; the mean is of those that are `inside` the ball.
    pub fn pair([x, y]: [&Rows<A>; 2], inside: impl Fn(usize, usize) -> bool) -> [Self; 2] {
        let mut middle = vec![0.0; x.stride];
        let mut count = 0.0;
        for (side, points) in [x, y].into_iter().enumerate() {
            for at in (0..points.count()).filter(|at| inside(side, *at)) {
                count += 1.0;
                for (sum, value) in middle.iter_mut().zip(points.row(at)) {
                    let value: f64 = value.as_();
                    *sum += value;
                }
            }
        }
        let count = f64::max(count, 1.0);
        let middle: Vec<A> = middle.iter().map(|sum| A::of(sum / count)).collect();
        [x, y].map(|points| Self::new(points, &middle))
    }

    fn new(points: &Rows<A>, middle: &[A]) -> Self {
        let mut data = points.data.to_vec();
        let near = data.chunks_exact_mut(points.stride).map(|row| {
            let mut square = 0.0;
            for (value, middle) in row.iter_mut().zip(middle) {
                *value = *value - *middle;
                let value: f64 = value.as_();
                square += value * value;
            }
            A::of(NEAR * square)
        });
        let near = near.collect();
        Self {
            data,
            stride: points.stride,
            near,
        }
    }
}

/// A pair that is not in the matrix of weights.
#[derive(Clone, Copy)]
pub struct NearPair<A> {
    /// The numbers of x and y.
    pub points: [u32; 2],
    pub weight: A,
}

/// The weights of all pairs.
pub struct Weights<A> {
    /// `[x, y]`, 0 for near pairs.
    pub far: Vec<A>,
    /// Their sums over y and over x.
    pub sums: [Vec<f64>; 2],
    pub near: Vec<NearPair<A>>,
}

impl<A: Lane> Weights<A> {
    /// The sums for the points of one side, 0 for x and 1 for y, row by row.
    pub fn weighted_differences(
        &mut self,
        side: usize,
        points: [&Rows<A>; 2],
        centred: &[Centred<A>; 2],
    ) -> Vec<A> {
        let (targets, sources) = (&centred[side], &centred[1 - side]);
        let counts = [0, 1].map(|side| centred[side].near.len());
        let mut out = vec![A::zero(); targets.data.len()];
        let by_source = [[1, counts[1]], [counts[1], 1]][side];
        assert_eq!(
            self.far.len(),
            counts[0] * counts[1],
            "a weight for each pair"
        );
        // SAFETY: `far` has an element for every target and every source, whose distances in memory
        // `by_source` names; `out` and the sources have `stride` numbers for each of theirs.
        unsafe {
            gemm::gemm(
                counts[side],
                targets.stride,
                counts[1 - side],
                out.as_mut_ptr(),
                1,
                targets.stride as isize,
                false,
                self.far.as_ptr(),
                by_source[0] as isize,
                by_source[1] as isize,
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
        self.near.par_sort_by_key(|pair| pair.points[side]);
        for (target, sum) in self.pull_near(side, points) {
            let row = &mut out[target * targets.stride..][..targets.stride];
            for (out, sum) in row.iter_mut().zip(sum) {
                *out = *out + sum;
            }
        }
        out
    }

    /// The part of near pairs, which are in the order of their targets.
    fn pull_near(&self, side: usize, points: [&Rows<A>; 2]) -> Vec<(usize, Vec<A>)> {
        let of_one = |pairs: &[NearPair<A>]| {
            let number = |pair: &NearPair<A>, side: usize| pair.points[side] as usize;
            let at = number(&pairs[0], side);
            let target = points[side].row(at);
            let mut sums = vec![A::zero(); target.len()];
            vectorised(
                #[inline(always)]
                || {
                    for pair in pairs {
                        let source = points[1 - side].row(number(pair, 1 - side));
                        for ((sum, target), source) in sums.iter_mut().zip(target).zip(source) {
                            *sum = *sum + pair.weight * (*target - *source);
                        }
                    }
                },
            );
            (at, sums)
        };
        let same = |a: &NearPair<A>, b: &NearPair<A>| a.points[side] == b.points[side];
        self.near.par_chunk_by(same).map(of_one).collect()
    }
}
