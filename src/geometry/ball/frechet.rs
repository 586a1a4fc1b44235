//! The Fréchet mean of points, and the variance about it.

use burn::tensor::{Tensor, backend::Backend};

use super::{PoincareBall, epsilon};
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::in_f32;
use crate::geometry::ops::primitive::scalars::{safe_div, safe_sqrt, tanhc};

/// The largest number of gradient steps after the first. Every step multiplies the error by
/// (L − 1)/(L + 1), L ≈ √c d: about 54 steps in f64, 24 in f32, for points spread over √c d = 6.
const MAX_STEPS: usize = 500;

/// A Fréchet mean, with its residual and the number of steps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FrechetMean<B: Backend, const D: usize> {
    /// The mean: the shape of the points with size 1 on the axis of the mean.
    pub mean: Tensor<B, D>,
    /// ‖Σ wᵢ log_m(xᵢ)‖ at the mean m, in the metric at m, for weights that add up to 1; size 1 on the
    /// axes of the mean and of the coordinates. It is an upper bound of the distance to the exact mean.
    /// Rounding alone makes it about ε(max d(m, xᵢ) + L λ_m‖m‖), with ε that of the tensor's type and L the
    /// mean of √c d coth(√c d). No gradient flows through it.
    pub residual: Tensor<B, D>,
    /// Number of steps of gradient descent; two steps of Newton's method follow them.
    pub steps: usize,
}

impl<C> PoincareBall<C> {
    /// Weighted Fréchet mean of the points along `dim`: the point m with the least Σ wᵢ d(m, xᵢ)²,
    /// which exists and is unique for points inside and weights of at least 0 that are not all 0. Where all
    /// are 0 it is the origin.
    ///
    /// Gradient descent m ← exp_m(τ Σ wᵢ log_m(xᵢ)/Σ wᵢ) starts at [`midpoint`](Self::midpoint). The
    /// distances of the points determine τ, so that near the mean every step multiplies the error by a
    /// known factor, and the descent ends at √ε times the error of the midpoint, ε the machine epsilon. Two steps of Newton's method follow. Burn
    /// differentiates the last one only: its derivative by x, weights and curvature is that of the mean
    /// (implicit differentiation; Lou et al., *Differentiating through the Fréchet Mean*, ICML 2020). First
    /// derivatives only. A step of Newton's method needs the inverse of one matrix per mean, with as many
    /// rows as there are points or coordinates, whichever is fewer. All means of a batch take the steps
    /// of the one with the most distant points, and each step reads a number back from the device.
    ///
    /// [`frechet_mean_search`](Self::frechet_mean_search) also returns the number of steps and the residual.
    ///
    /// # Shapes
    ///
    /// As [`midpoint`](Self::midpoint).
    pub fn frechet_mean<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        dim: usize,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.search(x, weights, dim).0
    }

    /// The [`frechet_mean`](Self::frechet_mean), with the number of its steps and its residual.
    ///
    /// # Shapes
    ///
    /// As [`midpoint`](Self::midpoint).
    ///
    /// # Example
    ///
    /// ```
    /// use burn::{backend::Flex, tensor::Tensor};
    /// use hypad::geometry::PoincareBall;
    ///
    /// # fn main() -> hypad::Result<()> {
    /// let ball = PoincareBall::new(1.0)?;
    /// let x = Tensor::<Flex, 2>::from_floats([[0.9, 0.0], [-0.3, 0.5], [0.0, 0.99]], &Default::default());
    /// let found = ball.frechet_mean_search(x, Tensor::ones([3, 1], &Default::default()), 0);
    /// assert!(found.residual.into_scalar() < 1e-5, "after {} steps", found.steps);
    /// # Ok(())
    /// # }
    /// ```
    pub fn frechet_mean_search<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        dim: usize,
    ) -> FrechetMean<B, D>
    where
        C: Curvature<B>,
    {
        let (mean, steps) = self.search(x.clone(), weights.clone(), dim);
        let detached = [mean.clone().detach(), x.detach(), weights.detach()];
        let ball = self.detached::<B>();
        let residual = in_f32(detached, |[mean, x, weights]| {
            let weights = normalised_weights(weights, dim, x.dims()[dim]);
            let negative_gradient = (ball.logmap(mean.clone(), x) * weights).sum_dim(dim);
            ball.norm(mean, negative_gradient)
        });
        FrechetMean {
            mean,
            residual,
            steps,
        }
    }

    /// Weighted variance of the points along `dim` about a point m: Σ wᵢ d(m, xᵢ)²/Σ wᵢ, which is smallest
    /// for the [`frechet_mean`](Self::frechet_mean). Where all weights are 0 it is 0.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, points; weights: as in [`midpoint`](Self::midpoint)
    /// - mean: a point, the shape of x with size 1 on `dim`
    /// - output: size 1 on `dim` and on the coordinate axis
    pub fn frechet_variance<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        mean: Tensor<B, D>,
        dim: usize,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x, weights, mean], |[x, weights, mean]| {
            let weights = normalised_weights(weights, dim, x.dims()[dim]);
            (self.dist(mean, x).square() * weights).sum_dim(dim)
        })
    }

    /// The mean, and the number of gradient steps.
    fn search<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        dim: usize,
    ) -> (Tensor<B, D>, usize)
    where
        C: Curvature<B>,
    {
        let axes = self.axes_of_mean::<D>(dim);
        if x.shape().num_elements() == 0 {
            return (self.midpoint(x, weights, dim), 0);
        }
        // Each of the two steps of Newton's method squares the error.
        let tolerance = epsilon(x.dtype()).sqrt();
        let mut steps_taken = 0;
        let mean = in_f32([x, weights], |[x, weights]| {
            let weights = normalised_weights(weights, dim, x.dims()[dim]);
            let ball = self.detached::<B>();
            let (detached_x, detached_weights) = (x.clone().detach(), weights.clone().detach());
            let points_at = |mean: Tensor<B, D>| {
                let log_x = ball.logmap(mean.clone(), detached_x.clone());
                PointsAt::new(&ball, mean, log_x, detached_weights.clone(), axes)
            };

            let mut mean = ball.midpoint(detached_x.clone(), detached_weights.clone(), dim);
            let mut steps_needed = 1;
            while steps_taken < steps_needed {
                let points = points_at(mean.clone());
                let bound = points.hessian_bound();
                let further_steps = steps_to(tolerance, largest_bound(bound.clone()));
                steps_needed = 1 + further_steps.min(MAX_STEPS);
                // The best step size for a Hessian with eigenvalues between 1 and L is 2/(1 + L).
                let tau = bound.add_scalar(1.0).recip().mul_scalar(2.0);
                mean = ball.expmap(mean, points.negative_gradient() * tau);
                steps_taken += 1;
            }
            let points = points_at(mean.clone());
            let step = Hessian::new(&points).solve(points.negative_gradient());
            let mean = ball.expmap(mean, step);

            let log_x = self.logmap(mean.clone(), x);
            let detached_log_x = log_x.clone().detach();
            let points = PointsAt::new(&ball, mean.clone(), detached_log_x, detached_weights, axes);
            let step = Hessian::new(&points).solve((log_x * weights).sum_dim(dim));
            self.expmap(mean, step)
        });
        (mean, steps_taken)
    }

    /// The same ball with its curvature as a number, to which no gradient flows.
    fn detached<B: HyperbolicBackend>(&self) -> PoincareBall
    where
        C: Curvature<B>,
    {
        PoincareBall {
            c: self.c.value(),
            axis: self.axis,
        }
    }
}

/// The points as they lie about a point m.
struct PointsAt<B: Backend, const D: usize> {
    /// log_m(xᵢ).
    log_x: Tensor<B, D>,
    /// The Euclidean norm of each.
    norm: Tensor<B, D>,
    /// tᵢ coth tᵢ with tᵢ = √c d(m, xᵢ).
    t_coth_t: Tensor<B, D>,
    /// wᵢ, which add up to 1 or are all 0.
    weights: Tensor<B, D>,
    /// The axes of the points and of their coordinates.
    axes: [usize; 2],
}

impl<B: HyperbolicBackend, const D: usize> PointsAt<B, D> {
    fn new(
        ball: &PoincareBall,
        m: Tensor<B, D>,
        log_x: Tensor<B, D>,
        weights: Tensor<B, D>,
        axes: [usize; 2],
    ) -> Self {
        let norm = safe_sqrt(log_x.clone().square().sum_dim(axes[1]));
        let distance = norm.clone() * ball.lambda_x(m);
        Self {
            t_coth_t: tanhc(distance.square() * ball.c).recip(),
            log_x,
            norm,
            weights,
            axes,
        }
    }

    /// The negative gradient of ½ Σ wᵢ d(m, xᵢ)².
    fn negative_gradient(&self) -> Tensor<B, D> {
        (self.log_x.clone() * self.weights.clone()).sum_dim(self.axes[0])
    }

    /// L = Σ wᵢ tᵢ coth tᵢ. The eigenvalues of the Hessian of ½ Σ wᵢ d(m, xᵢ)² are between 1 and L.
    fn hessian_bound(&self) -> Tensor<B, D> {
        (self.t_coth_t.clone() * self.weights.clone()).sum_dim(self.axes[0])
    }
}

/// The Hessian of ½ Σ wᵢ d(m, xᵢ)² at m: H = Σ wᵢ (kᵢ I + (1 − kᵢ) uᵢuᵢᵀ), with uᵢ the direction of
/// log_m(xᵢ), kᵢ = tᵢ coth tᵢ and tᵢ = √c d(m, xᵢ). This is H = LI − VᵀV with L = Σ wᵢkᵢ and, for each
/// point, a row √(wᵢ(kᵢ − 1)) uᵢ of V.
struct Hessian<B: Backend, const D: usize> {
    /// L, or 1 where all weights are 0: `[..., 1, 1]`.
    bound: Tensor<B, D>,
    /// V: `[..., points, coordinates]`.
    rows: Tensor<B, D>,
    /// The inverse of LI − VVᵀ or of LI − VᵀV, whichever is smaller.
    inverse: Tensor<B, D>,
    /// The axes of a tensor whose last two are those of the points and of the coordinates.
    order: [usize; D],
}

impl<B: HyperbolicBackend, const D: usize> Hessian<B, D> {
    fn new(points: &PointsAt<B, D>) -> Self {
        let axes = points.axes;
        let mut order = std::array::from_fn(|axis| axis);
        order.sort_by_key(|axis| axes.iter().position(|last| last == axis));
        let tolerance = epsilon(points.log_x.dtype());
        let (weights, t_coth_t) = (points.weights.clone(), points.t_coth_t.clone());
        // 1 where all weights are 0, else 0.
        let missing_weight = weights.clone().sum_dim(axes[0]).neg().add_scalar(1.0);
        let bound = points.hessian_bound() + missing_weight;
        let directions = safe_div(points.log_x.clone(), points.norm.clone());
        let rows = directions * safe_sqrt(t_coth_t.sub_scalar(1.0) * weights);
        let (bound, rows) = (bound.permute(order), rows.permute(order));
        let [points, coordinates] = [rows.dims()[D - 2], rows.dims()[D - 1]];
        let gram = if points < coordinates {
            rows.clone().matmul(rows.clone().transpose())
        } else {
            rows.clone().transpose().matmul(rows.clone())
        };
        let inverse = inverse(gram, bound.clone(), tolerance);
        Self {
            bound,
            rows,
            inverse,
            order,
        }
    }

    /// H⁻¹ v.
    fn solve(&self, v: Tensor<B, D>) -> Tensor<B, D> {
        let v = v.permute(self.order);
        let solution = self.times_inverse(v.clone());
        // A step of refinement: some GPUs multiply matrices with fewer digits than the type has.
        let rest = v - self.times(solution.clone());
        let solution = solution + self.times_inverse(rest);
        let mut inverse_order = self.order;
        for (position, axis) in self.order.into_iter().enumerate() {
            inverse_order[axis] = position;
        }
        solution.permute(inverse_order)
    }

    /// H v = L v − VᵀV v for v of `[..., 1, coordinates]`, by sums.
    fn times(&self, v: Tensor<B, D>) -> Tensor<B, D> {
        let rows_v = (self.rows.clone() * v.clone()).sum_dim(D - 1);
        v * self.bound.clone() - (self.rows.clone() * rows_v).sum_dim(D - 2)
    }

    /// H⁻¹ v for v of `[..., 1, coordinates]`, as exact as matrices are multiplied.
    fn times_inverse(&self, v: Tensor<B, D>) -> Tensor<B, D> {
        let [points, coordinates] = [self.rows.dims()[D - 2], self.rows.dims()[D - 1]];
        if points < coordinates {
            // H⁻¹ = (I + Vᵀ(LI − VVᵀ)⁻¹V)/L.
            let rows_v = v.clone().matmul(self.rows.clone().transpose());
            let coefficients = rows_v.matmul(self.inverse.clone());
            (v + coefficients.matmul(self.rows.clone())) / self.bound.clone()
        } else {
            v.matmul(self.inverse.clone())
        }
    }
}

/// The inverse of M = LI − G, whose eigenvalues lie between 1 and L, by the iteration X ← X(2I − MX) of
/// Newton and Schulz, which squares I − MX.
fn inverse<B: Backend, const D: usize>(
    gram: Tensor<B, D>,
    bound: Tensor<B, D>,
    tolerance: f64,
) -> Tensor<B, D> {
    let size = gram.dims()[D - 1];
    let identity = Tensor::<B, 2>::eye(size, &gram.device())
        .cast(gram.dtype())
        .unsqueeze::<D>();
    let matrix = identity.clone() * bound.clone() - gram;
    let doublings = (steps_to(tolerance, largest_bound(bound.clone())) as f64).log2();
    let mut inverse = identity.clone() * bound.add_scalar(1.0).recip().mul_scalar(2.0);
    for _ in 0..=doublings.max(0.0).ceil() as usize {
        let two_minus_mx =
            identity.clone().mul_scalar(2.0) - matrix.clone().matmul(inverse.clone());
        inverse = inverse.matmul(two_minus_mx);
    }
    inverse
}

/// Number of steps that reduce an error of 1 to `tolerance` if each multiplies it by (L − 1)/(L + 1).
fn steps_to(tolerance: f64, bound: f64) -> usize {
    // (L − 1)/(L + 1) = 1 − 2/(L + 1), which is 1 for an infinite L.
    let factor = (1.0 - 2.0 / (bound + 1.0)).max(f64::MIN_POSITIVE);
    let steps = (tolerance.ln() / factor.ln()).abs();
    // The cast saturates.
    steps.ceil() as usize
}

/// The largest L of all means, at least 1. The NaN of a mean with a NaN among its points is ignored.
fn largest_bound<B: Backend, const D: usize>(bound: Tensor<B, D>) -> f64 {
    let nan = bound.clone().is_nan();
    let largest = bound.mask_fill(nan, 1.0).max().into_data();
    largest
        .iter::<f64>()
        .next()
        .map_or(1.0, |bound| bound.max(1.0))
}

/// The weights of `count` points, divided by their sum; 0 where all of them are 0.
fn normalised_weights<B: HyperbolicBackend, const D: usize>(
    weights: Tensor<B, D>,
    dim: usize,
    count: usize,
) -> Tensor<B, D> {
    let mut shape = weights.dims();
    shape[dim] = count;
    let weights = weights.expand(shape);
    let total = weights.clone().sum_dim(dim);
    safe_div(weights, total)
}
