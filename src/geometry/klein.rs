//! The Klein model, in which geodesics are straight lines.
//!
//! The metric at the origin is the Euclidean one, so a tangent vector there has twice the coordinates that
//! it has in the Poincaré ball.

use burn::tensor::Tensor;

use super::ops::backend::HyperbolicBackend;
use super::ops::curvature::Curvature;
use super::ops::precision::{alike, in_f32, in_f64};
use super::ops::primitive::scalars::{arsinhc, nan_unless_finite, safe_div, safe_sqrt, tanhc};
use super::{Lorentz, PoincareBall};
use crate::error::Result;

/// The Klein model of curvature −c: points with c‖x‖² < 1.
///
/// The formulas are written with differences of points and sums of terms that are not negative, so results
/// for points that nearly coincide keep their digits. c = 0 is the Euclidean limit with d = ‖x − y‖.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Klein<C = f64> {
    c: C,
    axis: Option<usize>,
}

impl Klein {
    /// The Klein model of curvature −c.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite.
    pub fn new(c: f64) -> Result<Self> {
        PoincareBall::new(c).map(Self::from)
    }
}

impl<C> From<PoincareBall<C>> for Klein<C> {
    /// The model of the same space, with the coordinates on the same axis.
    fn from(ball: PoincareBall<C>) -> Self {
        let (c, axis) = ball.into_parts();
        Self { c, axis }
    }
}

impl<C> From<Klein<C>> for PoincareBall<C> {
    /// The model of the same space, with the coordinates on the same axis.
    fn from(klein: Klein<C>) -> Self {
        Self::from_parts(klein.c, klein.axis)
    }
}

impl<C> Klein<C> {
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

    /// 1 − c‖x‖².
    fn one_minus_cn2<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        PoincareBall::from(self.clone()).one_minus_cn2(x)
    }

    /// Projects points beyond the boundary onto it, along their rays, and leaves other points unchanged.
    fn not_beyond<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        PoincareBall::from(self.clone()).not_beyond(x)
    }

    /// From the Poincaré ball: 2x/(1 + c‖x‖²).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point of the ball
    /// - output: `[..., n]`
    pub fn from_ball<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x], |[x]| {
            let one_plus_cx2 = self.one_minus_cn2(x.clone()).neg().add_scalar(2.0);
            self.not_beyond(x).mul_scalar(2.0) / one_plus_cx2
        })
    }

    /// To the Poincaré ball: x/(1 + √(1 − c‖x‖²)).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., n]`, a point of the ball
    pub fn to_ball<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x], |[x]| {
            let one_minus_cn2 = self.one_minus_cn2(x.clone());
            self.not_beyond(x) / one_minus_cn2.sqrt().add_scalar(1.0)
        })
    }

    /// From the hyperboloid: x/√(1 + c‖x‖²).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, the space part of a point of [`Lorentz`]
    /// - output: `[..., n]`
    pub fn from_lorentz<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x], |[x]| {
            let c_x2 = self.c.times(self.dot(x.clone(), x.clone()));
            x / nan_unless_finite(c_x2.clone().add_scalar(1.0).sqrt(), c_x2)
        })
    }

    /// To the hyperboloid: x/√(1 − c‖x‖²).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., n]`, the space part of a point of [`Lorentz`]
    pub fn to_lorentz<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f32([x], |[x]| {
            let one_minus_cn2 = self.one_minus_cn2(x.clone());
            self.not_beyond(x) / one_minus_cn2.sqrt()
        })
    }

    /// Squared length of the tangent vector v at x: ‖v‖²/α + c⟨x,v⟩²/α², α = 1 − c‖x‖².
    fn norm_squared<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        one_minus_cn2: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let x_v_over_a = self.dot(x, v.clone()) / one_minus_cn2.clone();
        // Not c⟨x,v⟩², which overflows in f32 at a small c.
        let second_term = self.c.times(x_v_over_a.clone()) * x_v_over_a;
        self.dot(v.clone(), v) / one_minus_cn2 + second_term
    }

    /// Einstein addition: (x + y/γ + cγ/(1 + γ) ⟨x,y⟩ x)/(1 + c⟨x,y⟩), γ = 1/√(1 − c‖x‖²).
    /// Ungar 2009, ch. 3; the image of the Möbius addition of the halved points. Evaluated with
    /// 1 + c⟨x,y⟩ = (α + β + c‖x + y‖²)/2, α = 1 − c‖x‖² and β = 1 − c‖y‖².
    ///
    /// # Shapes
    ///
    /// - x, y: `[..., n]`, broadcast
    /// - output: `[..., n]`
    pub fn einstein_add<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let [x, y] = alike(self.axis.unwrap_or(D - 1), [x, y]);
        let [a, b] = [&x, &y].map(|point| self.one_minus_cn2(point.clone()));
        in_f64([x, y, a, b], |[x, y, a, b]| {
            let [x, y] = [x, y].map(|point| self.not_beyond(point));
            // With 1/γ = √α and σ = x + y: (√α(σ + √α y) + (1 + c⟨x,y⟩)x)/((1 + c⟨x,y⟩)(1 + √α)).
            let (sqrt_a, sum) = (a.clone().sqrt(), x.clone() + y.clone());
            let c_sum2 = self.c.times(self.dot(sum.clone(), sum.clone()));
            let one_plus_c_x_y = (a + b + c_sum2).mul_scalar(0.5);
            let first_term = (sum + y * sqrt_a.clone()) * sqrt_a.clone();
            let numerator = first_term + x * one_plus_c_x_y.clone();
            numerator / (one_plus_c_x_y * sqrt_a.add_scalar(1.0))
        })
    }

    /// Geodesic distance: arsinh(√c S)/√c with S² = (‖δ‖² + c⟨x,δ⟩²/α)/β, δ = y − x,
    /// α = 1 − c‖x‖² and β = 1 − c‖y‖².
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
        let [x, y] = alike(self.axis.unwrap_or(D - 1), [x, y]);
        let [a, b] = [&x, &y].map(|point| self.one_minus_cn2(point.clone()));
        in_f64([x, y, a, b], |[x, y, a, b]| {
            let [x, y] = [x, y].map(|point| self.not_beyond(point));
            let s_squared = self.norm_squared(x.clone(), a.clone(), y - x) * (a / b);
            let z = self.c.times(s_squared.clone());
            safe_sqrt(s_squared) * arsinhc(z)
        })
    }

    /// Distance from the origin: artanh(√c‖x‖)/√c; its gradient at x = 0 is 0.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., 1]`
    pub fn dist0<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.dist(x.zeros_like(), x)
    }

    /// All distances between two sets of points, computed in the ball by
    /// [`PoincareBall::pairwise_dist`].
    ///
    /// # Shapes
    ///
    /// - x: `[n, d]`, y: `[m, d]`; the coordinates are on the last axis
    /// - output: `[n, m]`
    pub fn pairwise_dist<B: HyperbolicBackend>(
        &self,
        x: Tensor<B, 2>,
        y: Tensor<B, 2>,
    ) -> Tensor<B, 2>
    where
        C: Curvature<B>,
    {
        in_f32([x, y], |[x, y]| {
            let klein = self.clone().along(1);
            let [x, y] = [x, y].map(|points| klein.to_ball(points));
            PoincareBall::from(klein).pairwise_dist(x, y)
        })
    }

    /// Product of tangent vectors at x: ⟨u,v⟩/α + c⟨x,u⟩⟨x,v⟩/α², α = 1 − c‖x‖².
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
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        in_f64([x, u, v, one_minus_cn2], |[x, u, v, one_minus_cn2]| {
            let x = self.not_beyond(x);
            let x_dot_over_a =
                |v: &Tensor<B, D>| self.dot(x.clone(), v.clone()) / one_minus_cn2.clone();
            let second_term = self.c.times(x_dot_over_a(&u)) * x_dot_over_a(&v);
            self.dot(u, v) / one_minus_cn2.clone() + second_term
        })
    }

    /// Length of a tangent vector at x; its gradient at v = 0 is 0.
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
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        in_f64([x, v, one_minus_cn2], |[x, v, one_minus_cn2]| {
            safe_sqrt(self.norm_squared(self.not_beyond(x), one_minus_cn2, v))
        })
    }

    /// Riemannian gradient from the Euclidean one: α(g − c⟨x,g⟩x), α = 1 − c‖x‖².
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
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        in_f64([x, grad, one_minus_cn2], |[x, grad, one_minus_cn2]| {
            self.inverse_metric_over_a(self.not_beyond(x), grad) * one_minus_cn2
        })
    }

    /// Parallel transport along the geodesic from x to y, computed on the hyperboloid.
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
        let [a, b] = [&x, &y].map(|point| self.one_minus_cn2(point.clone()));
        in_f64([x, y, v, a, b], |[x, y, v, a, b]| {
            let lorentz = Lorentz::from(PoincareBall::from(self.clone()));
            let [x, y] = [x, y].map(|point| self.not_beyond(point));
            let (sqrt_a, sqrt_b) = (a.clone().sqrt(), b.sqrt());
            let [lorentz_x, lorentz_y] =
                [(&x, &sqrt_a), (&y, &sqrt_b)].map(|(point, root)| point.clone() / root.clone());
            // The derivative of x/√α at x, and of the inverse map at the image of y.
            let c_x_v_over_a = self.c.times(self.dot(x.clone(), v.clone())) / a;
            let lorentz_v = (v + x * c_x_v_over_a) / sqrt_a;
            let transported = lorentz.ptransp(lorentz_x, lorentz_y, lorentz_v);
            self.inverse_metric_over_a(y, transported) * sqrt_b
        })
    }

    /// v − c⟨x,v⟩x: the inverse of the metric at x, divided by α = 1 − c‖x‖² and applied to v.
    fn inverse_metric_over_a<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let c_x_v = self.c.times(self.dot(x.clone(), v.clone()));
        v - x * c_x_v
    }

    /// The point at time t of the geodesic from x (t = 0) to y (t = 1), which is a straight line:
    /// expₓ(t logₓ(y)).
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
        in_f32([x, y], |[x, y]| {
            let v = self.logmap(x.clone(), y).mul_scalar(t);
            self.expmap(x, v)
        })
    }

    /// Exponential map at the origin: tanh(√c‖v‖) v/(√c‖v‖).
    ///
    /// # Shapes
    ///
    /// - v: `[..., n]`, a tangent vector at the origin
    /// - output: `[..., n]`
    pub fn expmap0<B: HyperbolicBackend, const D: usize>(&self, v: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        PoincareBall::from(self.clone()).expmap0(v)
    }

    /// Logarithmic map at the origin: artanh(√c‖x‖) x/(√c‖x‖).
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., n]`, a tangent vector at the origin
    pub fn logmap0<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        PoincareBall::from(self.clone()).logmap0(x)
    }

    /// Exponential map: x + t v/(1 + c t⟨x,v⟩/(1 − c‖x‖²)) with t = tanh(√c‖v‖ₓ)/(√c‖v‖ₓ).
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
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        in_f64([x, v, one_minus_cn2], |[x, v, one_minus_cn2]| {
            let x = self.not_beyond(x);
            let norm_squared = self.norm_squared(x.clone(), one_minus_cn2.clone(), v.clone());
            let t = tanhc(self.c.times(norm_squared));
            let x_v_over_a = self.dot(x.clone(), v.clone()) / one_minus_cn2.clone();
            let denominator = (self.c.times(x_v_over_a) * t.clone()).add_scalar(1.0);
            // It is at least 1 − √c‖x‖, which is at least α/2, but rounding may make it 0.
            let lower_bound = one_minus_cn2.mul_scalar(0.5);
            let below = denominator.clone().lower(lower_bound.clone());
            x + v * (t / denominator.mask_where(below, lower_bound))
        })
    }

    /// Logarithmic map: d(x, y)/‖y − x‖ₓ · (y − x); 0 at x = y.
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
        let [a, b] = [&x, &y].map(|point| self.one_minus_cn2(point.clone()));
        in_f64([x, y, a, b], |[x, y, a, b]| {
            let [x, y] = [x, y].map(|point| self.not_beyond(point));
            let ratio = a.clone() / b;
            let difference = y - x.clone();
            let s_squared = self.norm_squared(x, a, difference.clone()) * ratio.clone();
            difference * (ratio.sqrt() * arsinhc(self.c.times(s_squared)))
        })
    }

    /// Einstein midpoint of the points along `dim`: Σ γᵢwᵢxᵢ / Σ γᵢwᵢ, γ = 1/√(1 − c‖x‖²); the same
    /// point as [`PoincareBall::midpoint`]. Where all weights are 0 it is the origin.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`; weights ≥ 0: the same shape with size 1 on the coordinate axis
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
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        in_f64(
            [x, weights, one_minus_cn2],
            |[x, weights, one_minus_cn2]| {
                let x = self.not_beyond(x);
                let weights = weights / one_minus_cn2.sqrt();
                let total = weights.clone().sum_dim(dim);
                safe_div((x * weights).sum_dim(dim), total)
            },
        )
    }
}

impl<C> From<Lorentz<C>> for Klein<C> {
    /// The model of the same space, with the coordinates on the same axis.
    fn from(lorentz: Lorentz<C>) -> Self {
        PoincareBall::from(lorentz).into()
    }
}
