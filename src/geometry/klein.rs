//! The Klein model, in which geodesics are straight lines.
//!
//! The metric at the origin is the Euclidean one, so a tangent vector there is twice that of the
//! Poincaré ball.

use burn::tensor::Tensor;

use super::ops::backend::HyperbolicBackend;
use super::ops::curvature::Curvature;
use super::ops::precision::{alike, in_f32, in_f64};
use super::ops::primitive::scalars::{arsinhc, nan_unless_finite, safe_div, safe_sqrt, tanhc};
use super::{Lorentz, PoincareBall};
use crate::error::Result;

/// The Klein model of curvature −c: points with c‖x‖² < 1.
///
/// Every formula is in differences of points and sums of terms that are not negative, so points
/// that nearly coincide keep their digits; c = 0 is the Euclidean limit with d = ‖x − y‖.
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

    /// A point beyond the boundary brought back to it along its ray; others as they are.
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
            let scale = self.one_minus_cn2(x.clone()).neg().add_scalar(2.0);
            self.not_beyond(x).mul_scalar(2.0) / scale
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
            let square = self.c.times(self.dot(x.clone(), x.clone()));
            x / nan_unless_finite(square.clone().add_scalar(1.0).sqrt(), square)
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

    /// Length² of the tangent vector v at x: ‖v‖²/α + c⟨x,v⟩²/α², α = 1 − c‖x‖².
    fn square<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        one_minus_cn2: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let along = self.dot(x, v.clone()) / one_minus_cn2.clone();
        // Not c⟨x,v⟩², which overflows in f32 at a small c.
        let bend = self.c.times(along.clone()) * along;
        self.dot(v.clone(), v) / one_minus_cn2 + bend
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
            let (root, sum) = (a.clone().sqrt(), x.clone() + y.clone());
            let bend = self.c.times(self.dot(sum.clone(), sum.clone()));
            let whole = (a + b + bend).mul_scalar(0.5);
            let across = (sum + y * root.clone()) * root.clone();
            (across + x * whole.clone()) / (whole * root.add_scalar(1.0))
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
            let square = self.square(x.clone(), a.clone(), y - x) * (a / b);
            let stretch = arsinhc(self.c.times(square.clone()));
            safe_sqrt(square) * stretch
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

    /// All distances between two sets of points, in the ball: see
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
        let last = self.clone().along(1);
        let [x, y] = [x, y].map(|points| last.to_ball(points));
        PoincareBall::from(last).pairwise_dist(x, y)
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
            let along = |v: &Tensor<B, D>| self.dot(x.clone(), v.clone()) / one_minus_cn2.clone();
            let bend = self.c.times(along(&u)) * along(&v);
            self.dot(u, v) / one_minus_cn2.clone() + bend
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
            safe_sqrt(self.square(self.not_beyond(x), one_minus_cn2, v))
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
            self.across(self.not_beyond(x), grad) * one_minus_cn2
        })
    }

    /// Parallel transport along the geodesic from x to y, by way of the hyperboloid.
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
            let (root_x, root_y) = (a.clone().sqrt(), b.sqrt());
            let [from, to] =
                [(&x, &root_x), (&y, &root_y)].map(|(p, root)| p.clone() / root.clone());
            // The derivative of x/√α, and of its inverse.
            let along = self.c.times(self.dot(x.clone(), v.clone())) / a;
            let there = lorentz.ptransp(from, to, (v + x * along) / root_x);
            self.across(y, there) * root_y
        })
    }

    /// v − c⟨x,v⟩x.
    fn across<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let along = self.c.times(self.dot(x.clone(), v.clone()));
        v - x * along
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
            let t = tanhc(
                self.c
                    .times(self.square(x.clone(), one_minus_cn2.clone(), v.clone())),
            );
            let along = self.dot(x.clone(), v.clone()) / one_minus_cn2.clone();
            let whole = (self.c.times(along) * t.clone()).add_scalar(1.0);
            // At least 1 − √c‖x‖, which is at least α/2; rounding may take it to 0.
            let least = one_minus_cn2.mul_scalar(0.5);
            let less = whole.clone().lower(least.clone());
            x + v * (t / whole.mask_where(less, least))
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
            let square = self.square(x, a, difference.clone()) * ratio.clone();
            difference * (ratio.sqrt() * arsinhc(self.c.times(square)))
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
