//! The Fréchet mean of points, and the variance about it.

use burn::tensor::{Tensor, backend::Backend};

use super::{PoincareBall, epsilon};
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::in_f32;
use crate::geometry::ops::primitive::scalars::{safe_div, safe_sqrt, tanhc};

/// Steps after which the search for a Fréchet mean ends. Every step multiplies the error by
/// (κ − 1)/(κ + 1), κ ≈ √c d: about 100 steps for points spread over √c d = 6.
const MAX_STEPS: usize = 500;

/// A Fréchet mean, and how well it was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FrechetMean<B: Backend, const D: usize> {
    /// The mean: the shape of the points with size 1 on the axis of the mean.
    pub mean: Tensor<B, D>,
    /// ‖Σ wᵢ log_m(xᵢ)‖ at the mean, in the metric at m, for weights that add up to 1; size 1 on the
    /// axes of the mean and of the coordinates. The mean is no farther than this from the true one,
    /// and rounding alone makes it about ε max d(m, xᵢ). No gradient flows through it.
    pub residual: Tensor<B, D>,
    /// Steps of gradient descent, before two of Newton's method.
    pub steps: usize,
}

impl<C> PoincareBall<C> {
    /// Weighted Fréchet mean of the points along `dim`: the point m with the least Σ wᵢ d(m, xᵢ)²,
    /// which exists and is unique.
    ///
    /// Starts at [`midpoint`](Self::midpoint) and follows m ← exp_m(τ Σ wᵢ log_m(xᵢ)/Σ wᵢ), with τ
    /// from the spread of the points, so that every step contracts by a known factor, until the error is
    /// the root of the type's rounding. Two steps of Newton's method end the search. Only the last leaves a
    /// graph: its derivative by x, weights and curvature is that of the mean (implicit differentiation; Lou
    /// et al., *Differentiating through the Fréchet Mean*, ICML 2020). It takes the inverse of one matrix
    /// a mean, of as many rows as there are points or coordinates, whichever is fewer.
    ///
    /// [`frechet_mean_search`](Self::frechet_mean_search) says how many steps it took and what was left.
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
        let still = [mean.clone().detach(), x.detach(), weights.detach()];
        let fixed = self.fixed::<B>();
        let residual = in_f32(still, |[mean, x, weights]| {
            let weights = normalised_weights(weights, dim, x.dims()[dim]);
            let pull = (fixed.logmap(mean.clone(), x) * weights).sum_dim(dim);
            fixed.norm(mean, pull)
        });
        FrechetMean {
            mean,
            residual,
            steps,
        }
    }

    /// Weighted variance of the points along `dim` about a point: Σ wᵢ d(m, xᵢ)²/Σ wᵢ, the least of
    /// all points at the [`frechet_mean`](Self::frechet_mean). Where all weights are 0 it is 0.
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

    /// The mean, and the gradient steps that it took.
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
        // Newton's method squares the error, twice.
        let wanted = epsilon(x.dtype()).sqrt();
        let mut taken = 0;
        let mean = in_f32([x, weights], |[x, weights]| {
            let weights = normalised_weights(weights, dim, x.dims()[dim]);
            let fixed = self.fixed::<B>();
            let (still, masses) = (x.clone().detach(), weights.clone().detach());
            let pull = |mean: Tensor<B, D>| {
                (fixed.logmap(mean, still.clone()) * masses.clone()).sum_dim(dim)
            };
            let hessian = |mean: Tensor<B, D>| {
                Hessian::new(&fixed, mean, still.clone(), masses.clone(), axes)
            };

            let mut mean = fixed.midpoint(still.clone(), masses.clone(), dim);
            let mut steps = 1;
            while taken < steps {
                let bound = fixed.hessian_bound(mean.clone(), still.clone(), masses.clone(), dim);
                steps = 1 + steps_to(wanted, largest(bound.clone())).min(MAX_STEPS);
                // The Hessian is between 1 and κ, so 2/(1 + κ) is the best length.
                let tau = bound.add_scalar(1.0).recip().mul_scalar(2.0);
                mean = fixed.expmap(mean.clone(), pull(mean) * tau);
                taken += 1;
            }
            let step = hessian(mean.clone()).solve(pull(mean.clone()));
            let mean = fixed.expmap(mean, step);
            let pull = (self.logmap(mean.clone(), x) * weights).sum_dim(dim);
            let step = hessian(mean.clone()).solve(pull);
            self.expmap(mean, step)
        });
        (mean, taken)
    }

    /// The ball of the same curvature as a number, to which no gradient flows.
    fn fixed<B: HyperbolicBackend>(&self) -> PoincareBall
    where
        C: Curvature<B>,
    {
        PoincareBall {
            c: self.c.value(),
            axis: self.axis,
        }
    }

    /// κ, the mean over the points of t coth t with t = √c d(m, xᵢ): the Hessian of ½ Σ wᵢ d(m, xᵢ)² has
    /// eigenvalues between 1 and this.
    fn hessian_bound<B: HyperbolicBackend, const D: usize>(
        &self,
        m: Tensor<B, D>,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        dim: usize,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let z = self.c.times(self.dist(m, x).square());
        (tanhc(z).recip() * weights).sum_dim(dim)
    }
}

/// The Hessian of ½ Σ wᵢ d(m, xᵢ)² at m: Σ wᵢ (tᵢ I + (1 − tᵢ) uᵢuᵢᵀ), with uᵢ the direction of log_m(xᵢ)
/// and tᵢ = √c dᵢ coth(√c dᵢ). That is κI − VᵀV, with a row √(wᵢ(tᵢ − 1)) uᵢ of V for each point.
struct Hessian<B: Backend, const D: usize> {
    /// κ, or 1 where all weights are 0: `[..., 1, 1]`.
    kappa: Tensor<B, D>,
    /// V: `[..., points, coordinates]`.
    rows: Tensor<B, D>,
    /// The inverse of κI − VVᵀ or of κI − VᵀV, whichever is smaller.
    inverse: Tensor<B, D>,
    /// The axes of a tensor whose last two are those of the points and of the coordinates.
    order: [usize; D],
}

impl<B: HyperbolicBackend, const D: usize> Hessian<B, D> {
    /// `axes` are those of the points and of the coordinates in the tensors.
    fn new(
        ball: &PoincareBall,
        m: Tensor<B, D>,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        axes: [usize; 2],
    ) -> Self {
        let mut order = std::array::from_fn(|axis| axis);
        order.sort_by_key(|axis| axes.iter().position(|of_mean| of_mean == axis));
        let rounding = epsilon(x.dtype());
        let distance = ball.dist(m.clone(), x.clone());
        let t = tanhc(distance.square() * ball.c).recip();
        let absent = weights.clone().sum_dim(axes[0]).neg().add_scalar(1.0);
        let kappa = (t.clone() * weights.clone()).sum_dim(axes[0]) + absent;

        let toward = ball.logmap(m, x);
        let length = safe_sqrt(toward.clone().square().sum_dim(axes[1]));
        let rows = safe_div(toward, length) * safe_sqrt(t.sub_scalar(1.0) * weights);
        let (kappa, rows) = (kappa.permute(order), rows.permute(order));
        let [points, coordinates] = [rows.dims()[D - 2], rows.dims()[D - 1]];
        let product = if points < coordinates {
            rows.clone().matmul(rows.clone().transpose())
        } else {
            rows.clone().transpose().matmul(rows.clone())
        };
        let inverse = inverse(product, kappa.clone(), rounding);
        Self {
            kappa,
            rows,
            inverse,
            order,
        }
    }

    /// H⁻¹ v.
    fn solve(&self, v: Tensor<B, D>) -> Tensor<B, D> {
        let v = v.permute(self.order);
        let [points, coordinates] = [self.rows.dims()[D - 2], self.rows.dims()[D - 1]];
        let solved = if points < coordinates {
            // H⁻¹ = (I + Vᵀ(κI − VVᵀ)⁻¹V)/κ.
            let of_points = v.clone().matmul(self.rows.clone().transpose());
            let along = of_points.matmul(self.inverse.clone());
            (v + along.matmul(self.rows.clone())) / self.kappa.clone()
        } else {
            v.matmul(self.inverse.clone())
        };
        let mut back = self.order;
        for (place, axis) in self.order.into_iter().enumerate() {
            back[axis] = place;
        }
        solved.permute(back)
    }
}

/// The inverse of M = κI − P, whose eigenvalues lie between 1 and κ, by the iteration X ← X(2I − MX) of
/// Newton and Schulz, which squares I − MX.
fn inverse<B: Backend, const D: usize>(
    product: Tensor<B, D>,
    kappa: Tensor<B, D>,
    rounding: f64,
) -> Tensor<B, D> {
    let size = product.dims()[D - 1];
    let identity = Tensor::<B, 2>::eye(size, &product.device())
        .cast(product.dtype())
        .unsqueeze::<D>();
    let matrix = identity.clone() * kappa.clone() - product;
    let doublings = (steps_to(rounding, largest(kappa.clone())) as f64).log2();
    let mut inverse = identity.clone() * kappa.add_scalar(1.0).recip().mul_scalar(2.0);
    for _ in 0..=doublings.max(0.0).ceil() as usize {
        let short = identity.clone().mul_scalar(2.0) - matrix.clone().matmul(inverse.clone());
        inverse = inverse.matmul(short);
    }
    inverse
}

/// Steps of a factor (κ − 1)/(κ + 1) until an error of 1 is `wanted`.
fn steps_to(wanted: f64, kappa: f64) -> usize {
    let factor = ((kappa - 1.0) / (kappa + 1.0)).max(f64::MIN_POSITIVE);
    let steps = wanted.ln() / factor.ln();
    // A float becomes the nearest integer there is.
    steps.ceil() as usize
}

/// The largest element, at least 1. A mean that a NaN among its points makes NaN needs no steps.
fn largest<B: Backend, const D: usize>(kappa: Tensor<B, D>) -> f64 {
    let nan = kappa.clone().is_nan();
    let largest = kappa.mask_fill(nan, 1.0).max().into_data();
    largest
        .iter::<f64>()
        .next()
        .map_or(1.0, |kappa| kappa.max(1.0))
}

/// Weights of `count` points that add up to 1, or all 0.
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
