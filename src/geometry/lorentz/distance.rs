//! Distances and the weighted mean.

use burn::tensor::Tensor;

use super::Lorentz;
use crate::geometry::PoincareBall;
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::{alike, in_f64};
use crate::geometry::ops::primitive::scalars::{arsinhc, safe_div, safe_sqrt};

impl<C> Lorentz<C> {
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
        let [x, y] = alike(self.axis.unwrap_or(D - 1), [x, y]);
        in_f64([x, y], |[x, y]| {
            let squared_chord = self.squared_chord(x, y);
            let z = self.c.times(squared_chord.clone()).mul_scalar(0.25);
            safe_sqrt(squared_chord) * arsinhc(z)
        })
    }

    /// Distance from the origin: arsinh(√c‖x‖)/√c; its gradient at x = 0 is 0.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., 1]`
    pub fn dist0<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        in_f64([x], |[x]| {
            let norm_squared = self.dot(x.clone(), x);
            safe_sqrt(norm_squared.clone()) * arsinhc(self.c.times(norm_squared))
        })
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
        in_f64([x, y], |[x, y]| {
            let lorentz = self.clone().along(1);
            let [x, y] = [x, y].map(|points| lorentz.to_ball(points));
            PoincareBall::from(lorentz).pairwise_dist(x, y)
        })
    }

    /// Weighted midpoint of the points along `dim`: Σ wᵢXᵢ, scaled back onto the hyperboloid; the
    /// same point as [`PoincareBall::midpoint`]. Law et al., *Lorentzian Distance Learning for
    /// Hyperbolic Representations*, ICML 2019. Where all weights are 0 it is the origin.
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
        in_f64([x, weights], |[x, weights]| {
            // The sum ΣwX, with its time part times √c.
            let time = (self.scaled_time(x.clone()) * weights.clone()).sum_dim(dim);
            let space = (x * weights.clone()).sum_dim(dim);
            // −c⟨ΣwX, ΣwX⟩, which is (Σw)² for equal points and larger for others.
            let total_squared = weights.sum_dim(dim).square();
            let c_space2 = self.c.times(self.dot(space.clone(), space.clone()));
            let scale_squared = time.square() - c_space2;
            let below = scale_squared.clone().lower(total_squared.clone());
            let scale_squared = scale_squared.mask_where(below, total_squared);
            safe_div(space, safe_sqrt(scale_squared))
        })
    }
}
