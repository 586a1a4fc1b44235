//! The Riemannian metric: conformal factor, products and lengths of tangent vectors, their
//! transport.

use burn::tensor::Tensor;

use super::PoincareBall;
use crate::geometry::ops::backend::{HyperbolicBackend, PointOp};
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{alike, in_f32, in_f64};
use crate::geometry::ops::primitive::scalars::safe_sqrt;

impl<C> PoincareBall<C> {
    /// Conformal factor λₓ = 2/(1 − c‖x‖²), exact near the boundary.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point
    /// - output: `[..., 1]`
    pub fn lambda_x<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x], |[x]| self.one_minus_cn2(x).recip().mul_scalar(2.0))
    }

    /// Riemannian inner product λₓ²⟨u, v⟩ of tangent vectors at x.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; u, v: `[..., n]`, tangent vectors at x; broadcast
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
        let [x, u, v] = alike(self.axis::<D>(), [x, u, v]);
        in_f32([x, u, v], |[x, u, v]| {
            self.dot(u, v) * self.lambda_x(x).square()
        })
    }

    /// Riemannian length λₓ‖v‖ of a tangent vector at x; its gradient at v = 0 is 0.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; v: `[..., n]`, a tangent vector at x; broadcast
    /// - output: `[..., 1]`
    pub fn norm<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, v] = alike(self.axis::<D>(), [x, v]);
        in_f32([x, v], |[x, v]| {
            safe_sqrt(self.dot(v.clone(), v)) * self.lambda_x(x)
        })
    }

    /// Clips a vector to the Euclidean length r = `radius`: min(1, r/‖v‖) v.
    ///
    /// Guo et al., *Clipped Hyperbolic Classifiers*, CVPR 2022, for tangent vectors at the origin.
    ///
    /// # Shapes
    ///
    /// - v: `[..., n]`
    /// - output: `[..., n]`
    pub fn clip<B: HyperbolicBackend, const D: usize>(
        &self,
        radius: f64,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.point(PointOp::Clip(radius), v, self.axis::<D>())
    }

    /// Riemannian gradient from the Euclidean one: g/λₓ². Nickel, Kiela, NeurIPS 2017, Sec. 3.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; grad: `[..., n]`; broadcast
    /// - output: `[..., n]`, a tangent vector at x
    pub fn egrad2rgrad<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        grad: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, grad] = alike(self.axis::<D>(), [x, grad]);
        in_f32([x, grad], |[x, grad]| {
            grad * self.one_minus_cn2(x).square().mul_scalar(0.25)
        })
    }

    /// Parallel transport of v along the geodesic from x to y: λₓ/λᵧ gyr[y, −x] v.
    ///
    /// It preserves lengths and angles. Ganea et al., Sec. 2.4.
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, points; v: `[..., n]`, a tangent vector at x; broadcast
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
        let [x, y, v] = alike(self.axis::<D>(), [x, y, v]);
        let [a, b] = [&y, &x].map(|point| self.one_minus_cn2(point.clone()));
        in_f64([x, y, v, a, b], |[x, y, v, a, b]| {
            let scale = a.clone() / b.clone();
            self.gyration_of([y, x.neg()], [a, b], v) * scale
        })
    }

    /// Parallel transport from the origin: λ₀/λᵧ v = (1 − c‖y‖²) v.
    ///
    /// # Shapes
    ///
    /// - y: `[..., n]`, a point; v: `[..., n]`, a tangent vector at the origin; broadcast
    /// - output: `[..., n]`, a tangent vector at y
    pub fn ptransp0<B: HyperbolicBackend, const D: usize>(
        &self,
        y: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [y, v] = alike(self.axis::<D>(), [y, v]);
        in_f32([y, v], |[y, v]| v * self.one_minus_cn2(y))
    }

    /// Parallel transport back to the origin: v/(1 − c‖x‖²).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point; v: `[..., n]`, a tangent vector at x; broadcast
    /// - output: `[..., n]`, a tangent vector at the origin
    pub fn ptransp0back<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, v] = alike(self.axis::<D>(), [x, v]);
        in_f32([x, v], |[x, v]| v / self.one_minus_cn2(x))
    }
}
