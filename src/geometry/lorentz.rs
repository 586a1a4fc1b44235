//! The hyperboloid.
//!
//! A point X = (x₀, x) of ⟨X, X⟩ = −x₀² + ‖x‖² = −1/c is given by its space part x alone, and so
//! are tangent vectors: the time part follows (x₀ = √(1/c + ‖x‖²), v₀ = ⟨x, v⟩/x₀), a point cannot
//! leave the model, and c = 0 is the Euclidean limit. The metric at the origin is the Euclidean one,
//! so a tangent vector there is twice that of the ball.

use burn::tensor::Tensor;

use super::PoincareBall;
use super::ops::backend::HyperbolicBackend;
use super::ops::curvature::Curvature;
use super::ops::half::in_f32;
use super::ops::primitive::scalars::{arsinhc, safe_sqrt, sinhc};
use crate::error::Result;

/// The Lorentz (hyperboloid) model of curvature −c, in space components.
///
/// Its operations keep their accuracy for points that nearly coincide, and lose digits far out, by
/// a factor that grows with √c x₀: coordinates of this model do. Those of
/// [`PoincareBall::dist_expmap0`] do not.
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

    fn dot<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D> {
        (x * y).sum_dim(self.axis.unwrap_or(D - 1))
    }

    /// √c x₀ = √(1 + c‖x‖²).
    fn stretch<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let square = self.dot(x.clone(), x);
        self.c.times(square).add_scalar(1.0).sqrt()
    }

    /// ‖X − Y‖² = 2(cosh(√c d) − 1)/c, from the difference of the space parts.
    ///
    /// −(x₀ − y₀)² + ‖x − y‖² would subtract two squares; it is the square of the difference δ once
    /// that is carried to the origin: δ − c⟨δ,σ⟩σ/(t(k + t)), σ = x + y, t = √c(x₀ + y₀) and
    /// k² = t² − c‖σ‖².
    fn chord<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let t = self.stretch(x.clone()) + self.stretch(y.clone());
        let (gap, sum) = (x.clone() - y.clone(), x + y);
        let square = t.clone().square() - self.c.times(self.dot(sum.clone(), sum.clone()));
        let k = square.clamp_min(4.0).sqrt();
        let along = self.c.times(self.dot(gap.clone(), sum.clone()));
        let carried = gap - sum * (along / (t.clone() * (k + t)));
        self.dot(carried.clone(), carried)
    }

    /// A tangent vector at x, carried to the origin: v − c⟨x,v⟩x/(t(1 + t)), t = √c x₀. Products of
    /// what comes out are Lorentz products of what went in.
    fn carried<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let t = self.stretch(x.clone());
        let along = self.c.times(self.dot(x.clone(), v.clone()));
        v - x * (along / (t.clone() * t.add_scalar(1.0)))
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
            let lambda = PoincareBall::from(self.clone()).lambda_x(x.clone());
            x * lambda
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
        in_f32([x], |[x]| {
            let stretch = self.stretch(x.clone());
            x / stretch.add_scalar(1.0)
        })
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
        in_f32([x], |[x]| self.c.power_times(-0.5, self.stretch(x)))
    }

    /// Lorentz product of tangent vectors at x: ⟨u, v⟩ − u₀v₀, with u₀ = ⟨x, u⟩/x₀.
    ///
    /// # Shapes
    ///
    /// - x, u, v: `[..., n]`, broadcast
    /// - output: `[..., 1]`
    pub fn inner<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        u: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x, u, v], |[x, u, v]| {
            self.dot(self.carried(x.clone(), u), self.carried(x, v))
        })
    }

    /// Geodesic distance: 2/√c · arsinh(√c‖X − Y‖/2), ‖X − Y‖ the Lorentz length of the chord.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, broadcast
    /// - output: `[..., 1]`
    pub fn dist<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x, y], |[x, y]| {
            let chord = self.chord(x, y);
            let z = self.c.times(chord.clone()).mul_scalar(0.25);
            safe_sqrt(chord) * arsinhc(z)
        })
    }

    /// Exponential map at the origin: sinh(√c‖v‖) v/(√c‖v‖).
    ///
    /// # Shapes
    ///
    /// - v: `[..., n]`, a tangent vector at the origin
    /// - output: `[..., n]`
    pub fn expmap0<B: HyperbolicBackend, const D: usize>(&self, v: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([v], |[v]| {
            let z = self.c.times(self.dot(v.clone(), v.clone()));
            v * sinhc(z)
        })
    }

    /// Logarithmic map at the origin: arsinh(√c‖x‖) x/(√c‖x‖).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., n]`, a tangent vector at the origin
    pub fn logmap0<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x], |[x]| {
            let z = self.c.times(self.dot(x.clone(), x.clone()));
            x * arsinhc(z)
        })
    }

    /// Exponential map: cosh(√c‖v‖) x + sinh(√c‖v‖) v/(√c‖v‖), ‖v‖ the Lorentz length.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`; v: `[..., n]`, a tangent vector at x; broadcast
    /// - output: `[..., n]`
    pub fn expmap<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x, v], |[x, v]| {
            let carried = self.carried(x.clone(), v.clone());
            let z = self.c.times(self.dot(carried.clone(), carried));
            // cosh t = 1 + 2 sinh²(t/2).
            let half = z.clone().mul_scalar(0.25);
            let rise = sinhc(half.clone()).square() * half.mul_scalar(2.0);
            x.clone() + x * rise + v * sinhc(z)
        })
    }

    /// Logarithmic map: √c d/sinh(√c d) · (y − cosh(√c d) x); 0 at x = y.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, broadcast
    /// - output: `[..., n]`, a tangent vector at x
    pub fn logmap<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x, y], |[x, y]| {
            let z = self
                .c
                .times(self.chord(x.clone(), y.clone()))
                .mul_scalar(0.25);
            let scale = arsinhc(z.clone()) / z.clone().add_scalar(1.0).sqrt();
            (y - x.clone() - x * z.mul_scalar(2.0)) * scale
        })
    }

    /// Parallel transport along the geodesic from x to y: v + c⟨Y, V⟩/(1 − c⟨X, Y⟩) (x + y).
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`; v: `[..., n]`, a tangent vector at x; broadcast
    /// - output: `[..., n]`, a tangent vector at y
    pub fn ptransp<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x, y, v], |[x, y, v]| {
            let ratio = self.stretch(y.clone()) / self.stretch(x.clone());
            let product = self.dot(y.clone(), v.clone()) - self.dot(x.clone(), v.clone()) * ratio;
            // 1 − c⟨X, Y⟩ = 1 + cosh(√c d) = 2 + c‖X − Y‖²/2.
            let chord = self.chord(x.clone(), y.clone());
            let whole = self.c.times(chord).mul_scalar(0.5).add_scalar(2.0);
            v + (x + y) * (self.c.times(product) / whole)
        })
    }
}

impl<C> From<Lorentz<C>> for PoincareBall<C> {
    /// The model of the same space, with the coordinates on the same axis.
    fn from(lorentz: Lorentz<C>) -> Self {
        Self::from_parts(lorentz.c, lorentz.axis)
    }
}
