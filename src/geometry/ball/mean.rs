//! Weighted means of points.

use burn::tensor::Tensor;

use super::{PoincareBall, epsilon};
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{in_f32, in_f64};
use crate::geometry::ops::primitive::scalars::{safe_div, tanhc};

/// Steps after which the search for a Fréchet mean ends. Every step multiplies the error by
/// (κ − 1)/(κ + 1), κ ≈ √c d: about 100 steps for points spread over √c d = 6.
const MAX_STEPS: usize = 500;

impl<C> PoincareBall<C> {
    /// Weighted midpoint of the points along `dim`: ½ ⊗ Σ wᵢλᵢxᵢ / Σ wᵢ(λᵢ − 1).
    ///
    /// The gyromidpoint of Ungar 2009, and the same point as the Einstein midpoint
    /// (Σ γᵢwᵢkᵢ / Σ γᵢwᵢ in the Klein model), in closed form: the barycentre of the hyperboloid.
    /// For two points of equal weight it is the middle of the geodesic. Weights need not add up to
    /// 1, but must be at least 0; where all are 0 the result is the origin.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, points; weights: the same shape with size 1 on the coordinate axis, or
    ///   anything that broadcasts to it
    /// - output: the shape of x with size 1 on `dim`
    pub fn midpoint<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        dim: usize,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        // In the type of the points: a point beyond the boundary is the last one that this type has.
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        // In f64, for the mean of the Klein model is closer to the boundary than any of the points.
        in_f64(
            [x, one_minus_cn2, weights],
            |[x, one_minus_cn2, weights]| {
                let x = self.not_beyond(x);
                let sum =
                    (x * (weights.clone() / one_minus_cn2.clone()).mul_scalar(2.0)).sum_dim(dim);
                let total = (weights * (one_minus_cn2.recip().mul_scalar(2.0).sub_scalar(1.0)))
                    .sum_dim(dim);
                self.mobius_scalar_mul(0.5, safe_div(sum, total))
            },
        )
    }

    /// Weighted Fréchet mean of the points along `dim`: the point m with the least Σ wᵢ d(m, xᵢ)²,
    /// which exists and is unique.
    ///
    /// Starts at [`midpoint`](Self::midpoint) and follows m ← exp_m(τ Σ wᵢ log_m(xᵢ)/Σ wᵢ), with τ
    /// from the spread of the points, so that every step contracts by a known factor. After as many
    /// steps as that factor needs to reach the rounding of the type, the same number is recorded in
    /// the graph: the gradient by x, weights and curvature is then as exact as the value. Lou et
    /// al., *Differentiating through the Fréchet Mean*, ICML 2020, do it by implicit
    /// differentiation.
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
        let rounding = epsilon(x.dtype());
        in_f32([x, weights], |[x, weights]| {
            let fixed = PoincareBall {
                c: self.c.value(),
                axis: self.axis,
            };
            let (still, masses) = (x.clone().detach(), weights.clone().detach());
            let mut mean = fixed.midpoint(still.clone(), masses.clone(), dim);
            let mut steps = 1;
            let mut taken = 0;
            while taken < steps {
                let kappa = fixed.hessian_bound(mean.clone(), still.clone(), masses.clone(), dim);
                // A mean that a NaN among its points makes NaN needs no steps.
                let nan = kappa.clone().is_nan();
                let stiffest = kappa.mask_fill(nan, 1.0).max().into_data();
                let kappa = stiffest
                    .iter::<f64>()
                    .next()
                    .map_or(1.0, |kappa| kappa.max(1.0));
                let factor = ((kappa - 1.0) / (kappa + 1.0)).max(f64::MIN_POSITIVE);
                let needed = rounding.ln() / factor.ln();
                steps = if needed.is_finite() {
                    (1 + needed.ceil() as usize).min(MAX_STEPS)
                } else {
                    0
                };
                let step = fixed.gradient_step(mean.clone(), still.clone(), masses.clone(), dim);
                mean = fixed.expmap(mean, step);
                taken += 1;
            }
            for _ in 0..steps {
                let step = self.gradient_step(mean.clone(), x.clone(), weights.clone(), dim);
                mean = self.expmap(mean, step);
            }
            mean
        })
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
            let normalised_weights = normalised_weights(weights, dim, x.dims()[dim]);
            (self.dist(mean, x).square() * normalised_weights).sum_dim(dim)
        })
    }

    /// The mean over the points of t coth t, t = √c d(m, xᵢ).
    ///
    /// The Hessian of ½d(m, xᵢ)² has eigenvalues between 1 and this.
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
        let normalised_weights = normalised_weights(weights, dim, x.dims()[dim]);
        let z = self.c.times(self.dist(m, x).square());
        (tanhc(z).recip() * normalised_weights).sum_dim(dim)
    }

    /// One step from m towards the mean. The Hessian of the whole is between 1 and a bound κ,
    /// so 2/(1 + κ) is the best length.
    fn gradient_step<B: HyperbolicBackend, const D: usize>(
        &self,
        m: Tensor<B, D>,
        x: Tensor<B, D>,
        weights: Tensor<B, D>,
        dim: usize,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let still = (m.clone().detach(), x.clone().detach());
        let kappa = self.hessian_bound(still.0, still.1, weights.clone(), dim);
        let tau = kappa.detach().add_scalar(1.0).recip().mul_scalar(2.0);
        let normalised_weights = normalised_weights(weights, dim, x.dims()[dim]);
        (self.logmap(m, x) * normalised_weights).sum_dim(dim) * tau
    }
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
