//! The wrapped normal distribution.

use std::f64::consts::TAU;

use burn::tensor::{Distribution, Tensor};

use super::PoincareBall;
use super::ops::backend::HyperbolicBackend;
use super::ops::curvature::Curvature;
use super::ops::precision::in_f32;
use super::ops::primitive::scalars::log_sinhc;
use crate::error::{Error, Result, check};

/// A normal distribution in the tangent space at μ, mapped to the ball by exp_μ.
///
/// Its density is with respect to the Riemannian volume, and the standard deviation is in units of
/// distance: at c = 0 it is N(μ, σ²/4) in coordinates, as d = 2‖x − μ‖. Nagano et al., *A Wrapped
/// Normal Distribution on Hyperbolic Space*, ICML 2019; Mathieu et al., NeurIPS 2019.
///
/// Samples and densities are differentiable in μ, σ and the curvature.
///
/// ```
/// use burn::{backend::Flex, tensor::Tensor};
/// use hypad::geometry::{PoincareBall, WrappedNormal};
///
/// # fn main() -> hypad::Result<()> {
/// let device = Default::default();
/// let mean = Tensor::<Flex, 2>::from_floats([[0.3, -0.2]], &device);
/// let std = Tensor::from_floats([[0.5]], &device);
/// let normal = WrappedNormal::new(PoincareBall::new(0.7)?, mean, std)?;
/// let samples = normal.sample([1000, 2]);
/// assert_eq!(normal.log_prob(samples).dims(), [1000, 1]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WrappedNormal<B: HyperbolicBackend, const D: usize, C = f64> {
    ball: PoincareBall<C>,
    mean: Tensor<B, D>,
    std: Tensor<B, D>,
}

impl<B: HyperbolicBackend, const D: usize, C: Curvature<B>> WrappedNormal<B, D, C> {
    /// The distribution around a point.
    ///
    /// # Shapes
    ///
    /// - mean: `[..., n]`, a point; the coordinates are on the last axis, regardless of
    ///   [`along`](PoincareBall::along)
    /// - std: `[..., 1]` or `[..., n]`, positive
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for a standard deviation that is not a positive number (the
    /// check reads all of them back from the device); [`Error::Size`](crate::Error::Size) for a `std` with
    /// another number of coordinates.
    pub fn new(ball: PoincareBall<C>, mean: Tensor<B, D>, std: Tensor<B, D>) -> Result<Self> {
        let [n, found] = [&mean, &std].map(|tensor| tensor.dims()[D - 1]);
        if found != 1 && found != n {
            return Err(Error::Size {
                what: "coordinates of the standard deviation",
                expected: format!("1 or {n}"),
                found: found.to_string(),
            });
        }
        let data = std.clone().into_data();
        let invalid = data.iter::<f64>().find(|s| !(s.is_finite() && *s > 0.0));
        check(
            invalid.is_none(),
            "std",
            invalid.unwrap_or(f64::NAN),
            "finite and above 0",
        )?;
        let (c, _) = ball.into_parts();
        let ball = PoincareBall::from_parts(c, None);
        let mean = ball.not_beyond(mean);
        Ok(Self { ball, mean, std })
    }

    /// Random points.
    ///
    /// # Shapes
    ///
    /// - shape: the shape of the output, to which the mean and the standard deviation broadcast
    pub fn sample(&self, shape: [usize; D]) -> Tensor<B, D> {
        let options = (&self.mean.device(), self.mean.dtype());
        let normal = Tensor::random(shape, Distribution::Normal(0.0, 1.0), options);
        in_f32(
            [normal, self.mean.clone(), self.std.clone()],
            |[normal, mean, std]| {
                // u has the length ‖v‖ in the metric at μ.
                let u = normal * std / self.ball.lambda_x(mean.clone());
                self.ball.expmap(mean, u)
            },
        )
    }

    /// Logarithm of the density: ln N(v; 0, σ²) − (n − 1) ln(sinh(√c‖v‖)/(√c‖v‖)), with v = λ
    /// log_μ(z).
    ///
    /// # Shapes
    ///
    /// - z: `[..., n]`, points
    /// - output: `[..., 1]`
    pub fn log_prob(&self, z: Tensor<B, D>) -> Tensor<B, D> {
        let n = z.dims()[D - 1];
        // Clamped to the last point inside that the type of z has.
        let z = self.ball.not_beyond(z);
        in_f32(
            [z, self.mean.clone(), self.std.clone()],
            |[z, mean, std]| {
                let lambda = self.ball.lambda_x(mean.clone());
                let v = self.ball.logmap(mean, z) * lambda;
                let std = std.expand(v.dims());
                let mahalanobis_squared = (v.clone() / std.clone()).square().sum_dim(D - 1);
                let log_std = std.log().sum_dim(D - 1);
                let log_normalisation = log_std.add_scalar(0.5 * n as f64 * TAU.ln());
                let log_density = mahalanobis_squared.mul_scalar(-0.5) - log_normalisation;
                let c_v2 = self.ball.curvature().times(v.square().sum_dim(D - 1));
                log_density - log_sinhc(c_v2).mul_scalar(n as f64 - 1.0)
            },
        )
    }
}
