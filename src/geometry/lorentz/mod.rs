//! The hyperboloid.
//!
//! The points are X = (x₀, x) with ⟨X, X⟩ = −x₀² + ‖x‖² = −1/c. Points and tangent vectors are given by
//! their space parts x and v alone. The time parts follow from these: x₀ = √(1/c + ‖x‖²) and
//! v₀ = ⟨x, v⟩/x₀. A point therefore cannot leave the model, and c = 0 is the Euclidean limit. The metric at
//! the origin is the Euclidean one, so a tangent vector there has twice the coordinates that it has in the
//! ball.
//!
//! One file per topic: maps, the metric and transport, distances and the mean.

mod distance;
mod maps;
mod metric;

use burn::tensor::Tensor;

use super::PoincareBall;
use super::ops::backend::HyperbolicBackend;
use super::ops::curvature::Curvature;
use super::ops::precision::{in_f32, in_f64};
use super::ops::primitive::scalars::{at_least, nan_unless_finite};
use crate::error::Result;

/// The Lorentz (hyperboloid) model of curvature −c, in space components.
///
/// The operations compute in f64 where the device has it, because the coordinates of this model lose digits
/// far from the origin. For f32 points on one ray at √c x₀ = 10⁴, the error of the distance is 10⁻⁷; where
/// there is no f64, it is (√c x₀)² times the rounding of f32. [`PoincareBall::dist_expmap0`] has no such
/// loss.
///
/// ```
/// use burn::{backend::Flex, tensor::Tensor};
/// use hypad::geometry::{Lorentz, PoincareBall};
///
/// # fn main() -> hypad::Result<()> {
/// let device = Default::default();
/// let (ball, lorentz) = (PoincareBall::new(0.3)?, Lorentz::new(0.3)?);
/// let x = Tensor::<Flex, 2>::from_floats([[0.9, -0.2]], &device);
/// let y = Tensor::<Flex, 2>::from_floats([[0.1, 0.5]], &device);
/// let d = lorentz.dist(lorentz.from_ball(x.clone()), lorentz.from_ball(y.clone()));
/// assert!((d - ball.dist(x, y)).abs().into_scalar() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lorentz<C = f64> {
    c: C,
    axis: Option<usize>,
}

impl Lorentz {
    /// The hyperboloid of curvature −c.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite.
    pub fn new(c: f64) -> Result<Self> {
        PoincareBall::new(c).map(Self::from)
    }
}

impl<C> From<PoincareBall<C>> for Lorentz<C> {
    /// The model of the same space, with the coordinates on the same axis.
    fn from(ball: PoincareBall<C>) -> Self {
        let (c, axis) = ball.into_parts();
        Self { c, axis }
    }
}

impl<C> Lorentz<C> {
    /// The same model with the coordinates on `axis`; without, they are on the last one.
    pub fn along(self, axis: usize) -> Self {
        Self {
            axis: Some(axis),
            ..self
        }
    }

    /// The Euclidean ⟨x, y⟩, with size 1 on the coordinate axis.
    fn dot<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D> {
        (x * y).sum_dim(self.axis.unwrap_or(D - 1))
    }

    /// √c x₀ = √(1 + c‖x‖²) = cosh(√c d(0, x)); NaN for a coordinate that is NaN or infinite.
    fn scaled_time<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let c_x2 = self.c.times(self.dot(x.clone(), x));
        nan_unless_finite(c_x2.clone().add_scalar(1.0).sqrt(), c_x2)
    }

    /// ‖X − Y‖² = 2(cosh(√c d) − 1)/c, from the difference of the space parts.
    ///
    /// −(x₀ − y₀)² + ‖x − y‖² would subtract two squares. The boost that takes X + Y to the time axis takes
    /// X − Y to a vector without time part, whose space part is δ − c⟨δ,σ⟩σ/(t(k + t)) with δ = x − y,
    /// σ = x + y, t = √c(x₀ + y₀) and k² = t² − c‖σ‖². The result is its Euclidean square.
    fn squared_chord<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let t = self.scaled_time(x.clone()) + self.scaled_time(y.clone());
        let (difference, sum) = (x.clone() - y.clone(), x + y);
        let c_sum2 = self.c.times(self.dot(sum.clone(), sum.clone()));
        let k = at_least(t.clone().square() - c_sum2, 4.0).sqrt();
        let c_difference_dot_sum = self.c.times(self.dot(difference.clone(), sum.clone()));
        let at_origin = difference - sum * (c_difference_dot_sum / (t.clone() * (k + t)));
        self.dot(at_origin.clone(), at_origin)
    }

    /// A tangent vector at x, parallel transported to the origin: v − c⟨x,v⟩x/(t(1 + t)), t = √c x₀.
    /// Euclidean products of transported vectors are the Lorentz products of the vectors.
    fn transported_to_origin<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let t = self.scaled_time(x.clone());
        let c_x_v = self.c.times(self.dot(x.clone(), v.clone()));
        v - x * (c_x_v / (t.clone() * t.add_scalar(1.0)))
    }

    /// From the ball: 2x/(1 − c‖x‖²).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point of the ball
    /// - output: `[..., n]`, the space part
    pub fn from_ball<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x], |[x]| {
            let ball = PoincareBall::from(self.clone());
            let lambda = ball.lambda_x(x.clone());
            ball.not_beyond(x) * lambda
        })
    }

    /// To the ball: x/(1 + √(1 + c‖x‖²)).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, the space part
    /// - output: `[..., n]`, a point of the ball
    pub fn to_ball<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f64([x], |[x]| {
            let scaled_time = self.scaled_time(x.clone());
            x / scaled_time.add_scalar(1.0)
        })
    }

    /// All coordinates of a point, the time part first, as in geoopt.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, the space part
    /// - output: `[..., n + 1]`
    pub fn to_ambient<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        Tensor::cat(vec![self.time(x.clone()), x], self.axis.unwrap_or(D - 1))
    }

    /// The space part of a point or a tangent vector that is given by all its coordinates.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n + 1]`, the time part first
    /// - output: `[..., n]`
    pub fn from_ambient<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let axis = self.axis.unwrap_or(D - 1);
        let n = x.dims()[axis].saturating_sub(1);
        x.narrow(axis, 1, n)
    }

    /// The time part x₀ = √(1/c + ‖x‖²); infinite at c = 0.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., 1]`
    pub fn time<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f64([x], |[x]| {
            // With t = √c x₀ = √(1 + c‖x‖²), (t − 1)/c = ‖x‖²/(1 + t) is finite at c = 0.
            let norm_squared = self.dot(x.clone(), x.clone());
            let t_minus_one_over_c = norm_squared / self.scaled_time(x.clone()).add_scalar(1.0);
            let ones = t_minus_one_over_c.ones_like();
            self.c.power_times(-0.5, ones) + self.c.power_times(0.5, t_minus_one_over_c)
        })
    }
}

impl<C> From<Lorentz<C>> for PoincareBall<C> {
    /// The model of the same space, with the coordinates on the same axis.
    fn from(lorentz: Lorentz<C>) -> Self {
        Self::from_parts(lorentz.c, lorentz.axis)
    }
}
