//! The Riemannian metric: products and lengths of tangent vectors, their transport.

use burn::tensor::Tensor;

use super::Lorentz;
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{alike, in_f64};
use crate::geometry::ops::primitive::scalars::safe_sqrt;

impl<C> Lorentz<C> {
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
        let [x, u, v] = alike(self.axis.unwrap_or(D - 1), [x, u, v]);
        in_f64([x, u, v], |[x, u, v]| {
            self.dot(
                self.transported_to_origin(x.clone(), u),
                self.transported_to_origin(x, v),
            )
        })
    }

    /// Lorentz length of a tangent vector at x; its gradient at v = 0 is 0.
    ///
    /// # Shapes
    ///
    /// - x, v: `[..., n]`, broadcast
    /// - output: `[..., 1]`
    pub fn norm<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, v] = alike(self.axis.unwrap_or(D - 1), [x, v]);
        in_f64([x, v], |[x, v]| safe_sqrt(self.inner(x, v.clone(), v)))
    }

    /// Riemannian gradient from the Euclidean gradient by the space part: g + c⟨x,g⟩x.
    ///
    /// # Shapes
    ///
    /// - x, grad: `[..., n]`, broadcast
    /// - output: `[..., n]`, a tangent vector at x
    pub fn egrad2rgrad<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        grad: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, grad] = alike(self.axis.unwrap_or(D - 1), [x, grad]);
        in_f64([x, grad], |[x, grad]| {
            let c_g_x = self.c.times(self.dot(x.clone(), grad.clone()));
            grad + x * c_g_x
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
        let [x, y, v] = alike(self.axis.unwrap_or(D - 1), [x, y, v]);
        in_f64([x, y, v], |[x, y, v]| {
            // ⟨Y, V⟩ = ⟨y, v⟩ − ⟨x, v⟩ y₀/x₀.
            let time_ratio = self.scaled_time(y.clone()) / self.scaled_time(x.clone());
            let lorentz_product =
                self.dot(y.clone(), v.clone()) - self.dot(x.clone(), v.clone()) * time_ratio;
            // 1 − c⟨X, Y⟩ = 1 + cosh(√c d) = 2 + c‖X − Y‖²/2.
            let squared_chord = self.squared_chord(x.clone(), y.clone());
            let denominator = self.c.times(squared_chord).mul_scalar(0.5).add_scalar(2.0);
            v + (x + y) * (self.c.times(lorentz_product) / denominator)
        })
    }

    /// Parallel transport from the origin: v + c⟨y,v⟩y/(1 + √c y₀).
    ///
    /// # Shapes
    ///
    /// - y: `[..., n]`; v: `[..., n]`, a tangent vector at the origin; broadcast
    /// - output: `[..., n]`, a tangent vector at y
    pub fn ptransp0<B: HyperbolicBackend, const D: usize>(
        &self,
        y: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [y, v] = alike(self.axis.unwrap_or(D - 1), [y, v]);
        in_f64([y, v], |[y, v]| {
            let c_y_v = self.c.times(self.dot(y.clone(), v.clone()));
            let scaled_time = self.scaled_time(y.clone());
            v + y * (c_y_v / scaled_time.add_scalar(1.0))
        })
    }

    /// Parallel transport back to the origin: v − c⟨x,v⟩x/(t(1 + t)), t = √c x₀.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`; v: `[..., n]`, a tangent vector at x; broadcast
    /// - output: `[..., n]`, a tangent vector at the origin
    pub fn ptransp0back<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, v] = alike(self.axis.unwrap_or(D - 1), [x, v]);
        in_f64([x, v], |[x, v]| self.transported_to_origin(x, v))
    }
}
