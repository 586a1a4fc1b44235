//! β-concatenation and β-splitting of points along the coordinate axis.

use burn::tensor::{DType, Tensor};

use super::PoincareBall;
use crate::geometry::ops::backend::HyperbolicBackend;
use crate::geometry::ops::curvature::Curvature;
use crate::geometry::ops::precision::at_least_f32;

impl<C> PoincareBall<C> {
    /// β-concatenation: exp₀ of the concatenated tangent vectors log₀(xᵢ), each scaled by β(n)/β(nᵢ),
    /// with β(n) = B(n/2, 1/2) and n = Σ nᵢ.
    ///
    /// The scale makes the expected length of a random point independent of the number of coordinates.
    /// Shimizu, Mukuta, Harada, *Hyperbolic Neural Networks++*, ICLR 2021, Sec. 3.3.
    ///
    /// # Shapes
    ///
    /// - points: each `[..., nᵢ]`, with equal shapes except for nᵢ
    /// - output: `[..., n]`, a point
    pub fn concat<B: HyperbolicBackend, const D: usize>(
        &self,
        points: Vec<Tensor<B, D>>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let axis = self.axis::<D>();
        let n = points.iter().map(|x| x.dims()[axis]).sum();
        let dtype = points.first().map(Tensor::dtype);
        let tangents = points.into_iter().map(|x| {
            let scale = beta(n) / beta(x.dims()[axis]);
            self.logmap0(at_least_f32(x)).mul_scalar(scale)
        });
        let point = self.expmap0(Tensor::cat(tangents.collect(), axis));
        point.cast(dtype.unwrap_or(DType::F32))
    }

    /// β-splitting, the inverse of [`concat`](Self::concat): splits a point into points with these numbers
    /// of coordinates.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`, a point, n the sum of `sizes`
    /// - output: each `[..., nᵢ]`
    pub fn split<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        sizes: &[usize],
    ) -> Vec<Tensor<B, D>>
    where
        C: Curvature<B>,
    {
        let axis = self.axis::<D>();
        let (n, dtype) = (x.dims()[axis], x.dtype());
        let tangents = self.logmap0(at_least_f32(x));
        let tangents = tangents.split_with_sizes(sizes.to_vec(), axis);
        let points = tangents.into_iter().map(|v| {
            let scale = beta(v.dims()[axis]) / beta(n);
            self.expmap0(v.mul_scalar(scale)).cast(dtype)
        });
        points.collect()
    }
}

/// β(n) = B(n/2, 1/2), from β(1) = π, β(2) = 2 and β(n + 2) = β(n) n/(n + 1).
pub(in crate::geometry) fn beta(n: usize) -> f64 {
    let (first, start) = if n % 2 == 1 {
        (1, std::f64::consts::PI)
    } else {
        (2, 2.0)
    };
    let steps = (first..n).step_by(2);
    steps.fold(start, |beta, n| beta * n as f64 / (n as f64 + 1.0))
}
