//! Exponential and logarithmic maps, geodesics.

use burn::tensor::Tensor;

use super::Lorentz;
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{alike, in_f64};
use crate::geometry::ops::primitive::scalars::{arsinhc, below_overflow, safe_div, sinhc};

impl<C> Lorentz<C> {
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
        in_f64([v], |[v]| {
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
        in_f64([x], |[x]| {
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
        let [x, v] = alike(self.axis.unwrap_or(D - 1), [x, v]);
        in_f64([x, v], |[x, v]| {
            let v_at_origin = self.transported_to_origin(x.clone(), v.clone());
            let z = below_overflow(self.c.times(self.dot(v_at_origin.clone(), v_at_origin)));
            // cosh √z − 1 = 2 sinh²(√z/2).
            let quarter_z = z.clone().mul_scalar(0.25);
            let cosh_minus_one = sinhc(quarter_z.clone()).square() * quarter_z.mul_scalar(2.0);
            x.clone() + x * cosh_minus_one + v * sinhc(z)
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
        let [x, y] = alike(self.axis.unwrap_or(D - 1), [x, y]);
        in_f64([x, y], |[x, y]| {
            // z = sinh²(√c d/2), so cosh(√c d) = 1 + 2z.
            let squared_chord = self.squared_chord(x.clone(), y.clone());
            let z = self.c.times(squared_chord).mul_scalar(0.25);
            let scale = arsinhc(z.clone()) / z.clone().add_scalar(1.0).sqrt();
            (y - x.clone() - x * z.mul_scalar(2.0)) * scale
        })
    }

    /// The point at time t of the geodesic from x (t = 0) to y (t = 1):
    /// (sinh((1 − t)θ) x + sinh(tθ) y)/sinh θ with θ = √c d(x, y).
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, broadcast
    /// - output: `[..., n]`
    pub fn geodesic<B: HyperbolicBackend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, y] = alike(self.axis.unwrap_or(D - 1), [x, y]);
        in_f64([x, y], |[x, y]| {
            let c_chord2 = self.c.times(self.squared_chord(x.clone(), y.clone()));
            let theta_squared = arsinhc(c_chord2.clone().mul_scalar(0.25)).square() * c_chord2;
            // sinh(tθ)/θ.
            let sinh_over_theta =
                |t: f64| sinhc(theta_squared.clone().mul_scalar(t * t)).mul_scalar(t);
            (x * sinh_over_theta(1.0 - t) + y * sinh_over_theta(t)) / sinhc(theta_squared.clone())
        })
    }

    /// The point at distance t from x on the geodesic that leaves x in the direction u:
    /// expₓ(t u/‖u‖), ‖u‖ the Lorentz length. For u = 0 it is x.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`; u: `[..., n]`, a tangent vector at x of any length; broadcast
    /// - output: `[..., n]`
    pub fn geodesic_unit<B: HyperbolicBackend, const D: usize>(
        &self,
        t: f64,
        x: Tensor<B, D>,
        u: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, u] = alike(self.axis.unwrap_or(D - 1), [x, u]);
        in_f64([x, u], |[x, u]| {
            let norm_u = self.norm(x.clone(), u.clone());
            self.expmap(x, safe_div(u.mul_scalar(t), norm_u))
        })
    }
}
