//! The weighted midpoint of points, in closed form.

use burn::tensor::Tensor;

use super::PoincareBall;
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::in_f64;
use crate::geometry::ops::primitive::scalars::safe_div;

impl<C> PoincareBall<C> {
    /// Weighted midpoint of the points along `dim`: ½ ⊗ Σ wᵢλᵢxᵢ / Σ wᵢ(λᵢ − 1).
    ///
    /// This is the gyromidpoint of Ungar 2009, the Einstein midpoint (Σ γᵢwᵢkᵢ / Σ γᵢwᵢ in the Klein
    /// model) and the barycentre on the hyperboloid. For two points of equal weight it is the middle of
    /// the geodesic. Weights need not add up to 1, but must be at least 0; where all are 0 the result is the
    /// origin.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, points; weights: the same shape with size 1 on the coordinate axis, or
    ///   anything that broadcasts to it
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
        self.axes_of_mean::<D>(dim);
        // In the type of the points, whose ε is the 1 − c‖x‖² of a point on or beyond the boundary.
        let one_minus_cn2 = self.one_minus_cn2(x.clone());
        // In f64, because the quotient 2 ⊗ m may be closer to the boundary than any point.
        in_f64(
            [x, one_minus_cn2, weights],
            |[x, one_minus_cn2, weights]| {
                let x = self.not_beyond(x);
                let numerator =
                    (x * (weights.clone() / one_minus_cn2.clone()).mul_scalar(2.0)).sum_dim(dim);
                let denominator = (weights
                    * (one_minus_cn2.recip().mul_scalar(2.0).sub_scalar(1.0)))
                .sum_dim(dim);
                self.mobius_scalar_mul(0.5, safe_div(numerator, denominator))
            },
        )
    }
}
