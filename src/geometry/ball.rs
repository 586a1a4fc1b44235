//! The handle that holds the curvature and the coordinate axis. The mathematics is in `ops`.

use burn::tensor::Tensor;

use super::ops::backend::{HyperbolicBackend, PairOp, PointOp};
use super::ops::{pair, point};
use crate::error::{Error, Result};

/// The Poincaré ball of curvature −c, with c‖x‖² < 1.
///
/// Cheap to copy. Methods take and return tensors of any rank; the coordinates lie on the last
/// axis unless [`along`](Self::along) names another, and all other axes broadcast.
///
/// # Panics
///
/// The constructor returns an error for a curvature that makes no sense. The operations panic as
/// Burn's own do, for shapes that do not broadcast and for a coordinate axis that the tensor does
/// not have; no value of the elements makes them panic.
///
/// # Example
///
/// ```
/// use burn::{backend::Flex, tensor::Tensor};
/// use hypad::geometry::PoincareBall;
///
/// # fn main() -> hypad::Result<()> {
/// let device = Default::default();
/// let ball = PoincareBall::new(0.01)?;
/// let x = Tensor::<Flex, 2>::from_floats([[1.0, 0.0]], &device);
/// let y = Tensor::<Flex, 2>::from_floats([[0.0, 1.0]], &device);
/// let d = ball.dist(ball.expmap0(x), ball.expmap0(y)); // shape [1, 1]
/// assert!((d.into_scalar() - 2.837_789_4).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoincareBall {
    c: f64,
    axis: Option<usize>,
}

impl PoincareBall {
    /// The ball of curvature −c; c = 0 is Euclidean space with λ = 2.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`] for a c that is negative, NaN or infinite.
    pub fn new(c: f64) -> Result<Self> {
        if c.is_finite() && c >= 0.0 {
            Ok(Self { c, axis: None })
        } else {
            Err(Error::Curvature(c))
        }
    }

    /// The same ball with the coordinates on `axis`: 1 for `[batch, channels, height, width]`.
    pub fn along(self, axis: usize) -> Self {
        Self {
            axis: Some(axis),
            ..self
        }
    }

    /// The value given to [`new`](Self::new).
    pub fn c(&self) -> f64 {
        self.c
    }

    fn axis<const D: usize>(&self) -> usize {
        self.axis.unwrap_or(D - 1)
    }

    /// 1 − c‖x‖² = 2/λₓ.
    fn rim_gap<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        point(PointOp::RimGap, x, self.axis::<D>(), self.c)
    }

    /// Möbius addition x ⊕ y.
    ///
    /// x ⊕ y = ((1 + 2c⟨x,y⟩ + c‖y‖²) x + (1 − c‖x‖²) y) / (1 + 2c⟨x,y⟩ + c²‖x‖²‖y‖²),
    /// evaluated from x + y so that it stays exact where y is close to −x. Ganea et al., Eq. 4.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, broadcast
    /// - output: `[..., n]`
    pub fn mobius_add<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D> {
        pair(PairOp::MobiusAdd, x, y, self.axis::<D>(), self.c)
    }

    /// Möbius scalar multiplication r ⊗ x = tanh(r artanh(√c‖x‖)) x / (√c‖x‖).
    ///
    /// The same as exp₀(r log₀(x)); r x at c = 0. Ganea et al., Eq. 5.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point
    /// - output: `[..., n]`, a point
    pub fn mobius_scalar_mul<B: HyperbolicBackend, const D: usize>(
        &self,
        r: f64,
        x: Tensor<B, D>,
    ) -> Tensor<B, D> {
        point(PointOp::ScalarMul(r), x, self.axis::<D>(), self.c)
    }

    /// Exponential map at the origin: exp₀(v) = tanh(√c‖v‖) v / (√c‖v‖).
    ///
    /// The identity at v = 0 (gradient I) and at c = 0. Ganea et al., Lemma 2.
    ///
    /// # Shapes
    ///
    /// - v: `[..., n]`, a tangent vector at the origin
    /// - output: `[..., n]`, a point of the ball
    pub fn expmap0<B: HyperbolicBackend, const D: usize>(&self, v: Tensor<B, D>) -> Tensor<B, D> {
        point(PointOp::Expmap0, v, self.axis::<D>(), self.c)
    }

    /// Logarithmic map at the origin: log₀(y) = artanh(√c‖y‖) y / (√c‖y‖).
    ///
    /// The inverse of [`expmap0`](Self::expmap0). A point on or beyond the rim is treated as the
    /// last one inside that the float type can hold. Ganea et al., Lemma 2.
    ///
    /// # Shapes
    ///
    /// - y: `[..., n]`, a point of the ball
    /// - output: `[..., n]`, a tangent vector at the origin
    pub fn logmap0<B: HyperbolicBackend, const D: usize>(&self, y: Tensor<B, D>) -> Tensor<B, D> {
        point(PointOp::Logmap0, y, self.axis::<D>(), self.c)
    }

    /// Exponential map: expₓ(v) = x ⊕ (tanh(√c λₓ‖v‖/2) v / (√c‖v‖)).
    ///
    /// Follows the geodesic that leaves x with velocity v for one unit of time. Ganea et al.,
    /// Lemma 2.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; v: `[..., n]`, a tangent vector at x; broadcast
    /// - output: `[..., n]`, a point of the ball
    pub fn expmap<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let gap = self.rim_gap(x.clone());
        self.mobius_add(x, self.expmap0(v / gap))
    }

    /// Logarithmic map: logₓ(y) = 2/(√c λₓ) artanh(√c‖w‖) w/‖w‖ with w = −x ⊕ y.
    ///
    /// The inverse of [`expmap`](Self::expmap) in v; 0 at x = y. Ganea et al., Lemma 2.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, points, broadcast
    /// - output: `[..., n]`, a tangent vector at x
    pub fn logmap<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let gap = self.rim_gap(x.clone());
        self.logmap0(self.mobius_add(x.neg(), y)) * gap
    }

    /// Geodesic distance: d(x, y) = 2/√c · arsinh(√c‖x − y‖ / √((1 − c‖x‖²)(1 − c‖y‖²))).
    ///
    /// Equal to 2/√c · artanh(√c‖−x ⊕ y‖) (HypAD, Eq. 2), but exact for points that nearly
    /// coincide. At x = y the value and the gradient are 0. For points that come from
    /// [`expmap0`](Self::expmap0), [`dist_expmap0`](Self::dist_expmap0) is more accurate still.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, points, broadcast
    /// - output: `[..., 1]`; the coordinate axis stays, with size 1, as in Burn's `sum_dim`
    pub fn dist<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D> {
        pair(PairOp::Dist, x, y, self.axis::<D>(), self.c)
    }

    /// d(exp₀(u), exp₀(v)) straight from the tangent vectors, without visiting the ball.
    ///
    /// Points far out are crowded at the rim of the ball, where floats cannot tell them apart.
    /// Tangent vectors keep their digits, so this form neither saturates nor loses near pairs:
    /// with s = √c, r = ‖u‖ − ‖v‖ and shc(t) = sinh(t)/t,
    ///
    /// S² = shc(sr)² r² + shc(2s‖u‖) shc(2s‖v‖) (‖u − v‖² − r²),   d = 2/s · arsinh(s S).
    ///
    /// At u = v the value and the gradient are 0; at c = 0 the value is 2‖u − v‖. For vectors that
    /// lie on nearly one ray ‖u − v‖² − r² would be rounding, which sinh blows up far out: the
    /// kernels then take it from the differences of coordinates; backends without kernels lose
    /// digits from √c‖u‖ ≳ 3 on.
    ///
    /// # Shapes
    ///
    /// - u, v: `[..., n]`, tangent vectors at the origin, broadcast
    /// - output: `[..., 1]`
    pub fn dist_expmap0<B: HyperbolicBackend, const D: usize>(
        &self,
        u: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D> {
        pair(PairOp::DistExpmap0, u, v, self.axis::<D>(), self.c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_is_no_curvature() {
        for c in [-1.0, -f64::MIN_POSITIVE, f64::NAN, f64::INFINITY] {
            assert!(matches!(PoincareBall::new(c), Err(Error::Curvature(_))));
        }
        assert_eq!(PoincareBall::new(0.0).unwrap().c(), 0.0);
        assert_eq!(PoincareBall::new(0.3).unwrap().c(), 0.3);
    }
}
