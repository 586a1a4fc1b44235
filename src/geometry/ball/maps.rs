//! Exponential and logarithmic maps, geodesics, retraction.

use burn::tensor::Tensor;

use super::PoincareBall;
use crate::geometry::ops::backend::{HyperbolicBackend, PairOp, PointOp};
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{alike, in_f32, in_f64};
use crate::geometry::ops::primitive::scalars::{safe_div, safe_sqrt};

impl<C> PoincareBall<C> {
    /// Exponential map at the origin: exp₀(v) = tanh(√c‖v‖) v / (√c‖v‖).
    ///
    /// The identity at v = 0 (gradient I) and at c = 0. Ganea et al., Lemma 2.
    ///
    /// # Shapes
    ///
    /// - v: `[..., n]`, a tangent vector at the origin
    /// - output: `[..., n]`, a point of the ball
    pub fn expmap0<B: HyperbolicBackend, const D: usize>(&self, v: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.point(PointOp::Expmap0, v, self.axis::<D>())
    }

    /// Logarithmic map at the origin: log₀(y) = artanh(√c‖y‖) y / (√c‖y‖).
    ///
    /// The inverse of [`expmap0`](Self::expmap0). A point on or beyond the boundary is treated as the
    /// last one inside on its ray. Ganea et al., Lemma 2.
    ///
    /// # Shapes
    ///
    /// - y: `[..., n]`, a point of the ball
    /// - output: `[..., n]`, a tangent vector at the origin
    pub fn logmap0<B: HyperbolicBackend, const D: usize>(&self, y: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.point(PointOp::Logmap0, y, self.axis::<D>())
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
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.pair(PairOp::Expmap, x, v, self.axis::<D>())
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
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.pair(PairOp::Logmap, x, y, self.axis::<D>())
    }

    /// The point at time t of the geodesic from x (t = 0) to y (t = 1): expₓ(t logₓ(y)), which is
    /// x ⊕ t ⊗ (−x ⊕ y). For t outside [0, 1] the geodesic is extended. Ganea et al., Sec. 2.3.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, points, broadcast
    /// - output: `[..., n]`, a point
    pub fn geodesic<B: HyperbolicBackend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x, y], |[x, y]| {
            let v = self.logmap(x.clone(), y);
            self.expmap(x, v.mul_scalar(t))
        })
    }

    /// The point at distance t from x on the geodesic that leaves x in the direction u:
    /// x ⊕ tanh(√c t/2) u/(√c‖u‖). For u = 0 it is x.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; u: `[..., n]`, a direction of any length; broadcast
    /// - output: `[..., n]`, a point
    pub fn geodesic_unit<B: HyperbolicBackend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
        u: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        // In f32, ‖u‖² of a short or a long u would underflow or overflow.
        let v = in_f64([u], |[u]| {
            let norm_u = safe_sqrt(self.dot(u.clone(), u.clone()));
            self.expmap0(safe_div(u.mul_scalar(0.5 * t), norm_u))
        });
        self.mobius_add(x, v)
    }

    /// First-order approximation of [`expmap`](Self::expmap): x + v, projected into the ball.
    /// Bonnabel, *Stochastic Gradient Descent on Riemannian Manifolds*, 2013.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; v: `[..., n]`, a tangent vector at x; broadcast
    /// - output: `[..., n]`, a point
    pub fn retraction<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, v] = alike(self.axis::<D>(), [x, v]);
        self.project(x + v)
    }
}
