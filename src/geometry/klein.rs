//! The Klein model, in which geodesics are straight lines.
//!
//! The metric at the origin is the Euclidean one, so a tangent vector there is twice that of the
//! Poincaré ball.

use burn::tensor::Tensor;

use super::ops::backend::{HyperbolicBackend, PointOp};
use super::ops::curvature::Curvature;
use super::ops::precision::in_f32;
use super::ops::primitive::scalars::{arsinhc, over, safe_sqrt, tanhc};
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
    fn rim_gap<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.point(PointOp::RimGap, x, self.axis.unwrap_or(D - 1))
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
            let scale = self.rim_gap(x.clone()).neg().add_scalar(2.0);
            x.mul_scalar(2.0) / scale
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
            let gap = self.rim_gap(x.clone());
            x / gap.sqrt().add_scalar(1.0)
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
            x / square.add_scalar(1.0).sqrt()
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
            let gap = self.rim_gap(x.clone());
            x / gap.sqrt()
        })
    }

    /// Length² of the tangent vector v at x: ‖v‖²/α + c⟨x,v⟩²/α², α = 1 − c‖x‖².
    fn square<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        v: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let gap = self.rim_gap(x.clone());
        let along = self.dot(x, v.clone()) / gap.clone();
        // Not c⟨x,v⟩², which overflows in f32 at a small c.
        let bend = self.c.times(along.clone()) * along;
        self.dot(v.clone(), v) / gap + bend
    }

    /// Einstein addition: (x + y/γ + cγ/(1 + γ) ⟨x,y⟩ x)/(1 + c⟨x,y⟩), γ = 1/√(1 − c‖x‖²).
    /// Ungar 2009, ch. 3; the image of the Möbius addition of the halved points.
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
        in_f32([x, y], |[x, y]| {
            let root = self.rim_gap(x.clone()).sqrt();
            let product = self.c.times(self.dot(x.clone(), y.clone()));
            // γ/(1 + γ) = 1/(1 + 1/γ).
            let bend = product.clone() / root.clone().add_scalar(1.0);
            (x.clone() + y * root + x * bend) / product.add_scalar(1.0)
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
        in_f32([x, y], |[x, y]| {
            let ratio = self.rim_gap(x.clone()) / self.rim_gap(y.clone());
            let square = self.square(x.clone(), y - x) * ratio;
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
        in_f32([x, u, v], |[x, u, v]| {
            let gap = self.rim_gap(x.clone());
            let along = |v: &Tensor<B, D>| self.dot(x.clone(), v.clone()) / gap.clone();
            let bend = self.c.times(along(&u)) * along(&v);
            self.dot(u, v) / gap.clone() + bend
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
        in_f32([x, v], |[x, v]| safe_sqrt(self.square(x, v)))
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
        in_f32([x, grad], |[x, grad]| {
            let gap = self.rim_gap(x.clone());
            self.across(x, grad) * gap
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
        in_f32([x, y, v], |[x, y, v]| {
            let lorentz = Lorentz::from(PoincareBall::from(self.clone()));
            let [a, b] = [&x, &y].map(|point| self.to_lorentz(point.clone()));
            // The derivative of x/√α, and of its inverse.
            let gap = self.rim_gap(x.clone());
            let along = self.c.times(self.dot(x.clone(), v.clone())) / gap.clone();
            let there = lorentz.ptransp(a, b, (v + x * along) / gap.sqrt());
            let gap = self.rim_gap(y.clone());
            self.across(y, there) * gap.sqrt()
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
        in_f32([x, v], |[x, v]| {
            let t = tanhc(self.c.times(self.square(x.clone(), v.clone())));
            let along = self.dot(x.clone(), v.clone()) / self.rim_gap(x.clone());
            let bend = self.c.times(along) * t.clone();
            x + v * (t / bend.add_scalar(1.0))
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
        in_f32([x, y], |[x, y]| {
            let ratio = self.rim_gap(x.clone()) / self.rim_gap(y.clone());
            let gap = y - x.clone();
            let square = self.square(x, gap.clone()) * ratio.clone();
            gap * (ratio.sqrt() * arsinhc(self.c.times(square)))
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
        in_f32([x, weights], |[x, weights]| {
            let weights = weights / self.rim_gap(x.clone()).sqrt();
            let total = weights.clone().sum_dim(dim);
            over((x * weights).sum_dim(dim), total)
        })
    }
}

impl<C> From<Lorentz<C>> for Klein<C> {
    /// The model of the same space, with the coordinates on the same axis.
    fn from(lorentz: Lorentz<C>) -> Self {
        PoincareBall::from(lorentz).into()
    }
}
