//! The Poincaré ball: its curvature and coordinate axis, and the operations as methods. The kernels are in
//! `ops`.
//!
//! One file per topic: Möbius operations, exponential and logarithmic maps, the metric and transport,
//! distances, means, concatenation, projection. Every method works for any rank, and at a curvature that is a
//! number or a learned tensor.

mod concat;
mod distance;
mod frechet;
mod maps;
mod metric;
mod midpoint;
mod mobius;

pub(in crate::geometry) use concat::beta;
pub use frechet::FrechetMean;

use burn::tensor::{DType, Tensor, TensorCreationOptions};

use super::ops::backend::{HyperbolicBackend, PointOp};
use super::ops::curvature::Curvature;
use super::ops::precision::at_least_f32;
use crate::error::{Error, Result};

/// The Poincaré ball of curvature −c, with c‖x‖² < 1.
///
/// Methods take and return tensors of any rank; the coordinates lie on the last axis unless
/// [`along`](Self::along) names another, and all other axes broadcast. `C` is `f64`, or a tensor if
/// the curvature is learned ([`LearnableCurvature`](super::nn::LearnableCurvature)).
///
/// # On the boundary and beyond it
///
/// 1 − c‖x‖² is clamped to ε, the machine epsilon of the tensor's type (of f32 for half precision), and its
/// derivative is 0 there. Functions of 1 − c‖x‖² alone, log₀, r ⊗ x, ⊞, gyrations, transports, midpoints,
/// planes, horospheres and the other models treat such a point as the last one inside on its ray. ⊕, expₓ,
/// logₓ and the distances use its coordinates unchanged: x ⊕ y lies beyond the boundary if x does, and
/// distances grow with ln‖x‖ (those of all pairs up to the largest f32). [`project`](Self::project) maps
/// points back into the ball.
///
/// # Panics
///
/// The constructor returns an error for an invalid curvature. The operations panic as Burn's own do: for
/// shapes that do not broadcast, for vectors of different numbers of coordinates, for an axis that the
/// tensor does not have, and for a mean along the coordinate axis. No value of the elements makes them
/// panic.
///
/// # Example
///
/// ```
/// use burn::{backend::Flex, tensor::Tensor};
/// use hypad::geometry::PoincareBall;
///
/// # fn main() -> hypad::Result<()> {
/// let device = Default::default();
/// let ball = PoincareBall::new(0.01)?;
/// let x = Tensor::<Flex, 2>::from_floats([[1.0, 0.0]], &device);
/// let y = Tensor::<Flex, 2>::from_floats([[0.0, 1.0]], &device);
/// let d = ball.dist(ball.expmap0(x), ball.expmap0(y)); // shape [1, 1]
/// assert!((d.into_scalar() - 2.837_789_4).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoincareBall<C = f64> {
    c: C,
    axis: Option<usize>,
}

impl PoincareBall {
    /// The ball of curvature −c; c = 0 is Euclidean space with λ = 2.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`] for a c that is negative, NaN or infinite.
    pub fn new(c: f64) -> Result<Self> {
        if c.is_finite() && c >= 0.0 {
            Ok(Self { c, axis: None })
        } else {
            Err(Error::Curvature(c))
        }
    }

    /// The value given to [`new`](Self::new).
    pub fn c(&self) -> f64 {
        self.c
    }
}

impl<B: HyperbolicBackend> PoincareBall<Tensor<B, 1>> {
    /// The ball of curvature −c for a c that the caller computes, such as a function of a parameter. Every
    /// operation is differentiable by c.
    ///
    /// The value is not checked, because reading it would wait for the device. For a c below 0 or NaN,
    /// results are NaN. [`LearnableCurvature`](crate::geometry::nn::LearnableCurvature) keeps c in range.
    ///
    /// ```
    /// use burn::{backend::{Autodiff, Flex}, tensor::Tensor};
    /// use hypad::geometry::PoincareBall;
    ///
    /// # fn main() -> hypad::Result<()> {
    /// let device = Default::default();
    /// let log_c = Tensor::<Autodiff<Flex>, 1>::from_floats([-3.0], &device).require_grad();
    /// let ball = PoincareBall::with_curvature(log_c.clone().exp())?;
    /// let x = Tensor::<_, 2>::from_floats([[0.3, -0.2]], &device);
    /// let grads = ball.expmap0(x).sum().backward();
    /// assert!(log_c.grad(&grads).is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless c has one element.
    pub fn with_curvature(c: Tensor<B, 1>) -> Result<Self> {
        let [count] = c.dims();
        if count != 1 {
            return Err(Error::Size {
                what: "elements of the curvature",
                expected: "1".into(),
                found: count.to_string(),
            });
        }
        let negative = c.clone().lower_elem(0.0);
        Ok(Self::from_parts(c.mask_fill(negative, f64::NAN), None))
    }
}

impl<C> PoincareBall<C> {
    pub(super) fn from_parts(c: C, axis: Option<usize>) -> Self {
        Self { c, axis }
    }

    pub(super) fn into_parts(self) -> (C, Option<usize>) {
        (self.c, self.axis)
    }

    /// The curvature: a number, or the tensor through which it is learned.
    pub fn curvature(&self) -> &C {
        &self.c
    }

    /// The same ball with the coordinates on `axis`: 1 for `[batch, channels, height, width]`.
    pub fn along(self, axis: usize) -> Self {
        Self {
            axis: Some(axis),
            ..self
        }
    }

    /// A tensor of this shape, each vector of which is the origin of the ball.
    pub fn origin<B: HyperbolicBackend, const D: usize>(
        &self,
        shape: [usize; D],
        options: impl Into<TensorCreationOptions<B>>,
    ) -> Tensor<B, D> {
        Tensor::zeros(shape, options)
    }

    fn axis<const D: usize>(&self) -> usize {
        self.axis.unwrap_or(D - 1)
    }

    /// The axis along which a mean of points is taken, and the axis of their coordinates.
    ///
    /// # Panics
    ///
    /// If both are the same axis, or the tensor has no axis `dim`.
    fn axes_of_mean<const D: usize>(&self, dim: usize) -> [usize; 2] {
        let axis = self.axis::<D>();
        assert!(
            dim != axis && dim < D,
            "a mean of points is along an axis below {D} that is not that of their coordinates, {axis}; \
             not along {dim}"
        );
        [dim, axis]
    }

    /// The Euclidean ⟨x, y⟩, with size 1 on the coordinate axis.
    fn dot<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
    ) -> Tensor<B, D> {
        (x * y).sum_dim(self.axis::<D>())
    }

    /// 1 − c‖x‖² = 2/λₓ, in f32 at least.
    pub(super) fn one_minus_cn2<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c
            .point(PointOp::OneMinusCn2, at_least_f32(x), self.axis::<D>())
    }

    /// Projects points beyond the boundary onto it, along their rays, and leaves other points unchanged.
    pub(super) fn not_beyond<B: HyperbolicBackend, const D: usize>(
        &self,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        self.c.point(PointOp::Project(0.0), x, self.axis::<D>())
    }

    /// Projects points on the boundary or beyond it into the ball, onto the radius (1 − 4ε)/√c, with ε the
    /// machine epsilon of the tensor's type (f32: 1.2e-7).
    ///
    /// Points inside are left unchanged, and the projection is idempotent. The operations of the ball are
    /// finite without it; it is meant for points that an optimiser has updated.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., n]`
    pub fn project<B: HyperbolicBackend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let margin = 4.0 * epsilon(x.dtype());
        self.project_within(margin, x)
    }

    /// [`project`](Self::project) with another margin m: onto the radius (1 − m)/√c. geoopt uses
    /// 4e-3 in f32 and 1e-5 in f64. A point that exceeds the radius by less than a quarter of the margin is
    /// left unchanged.
    ///
    /// # Shapes
    ///
    /// - x: `[..., n]`
    /// - output: `[..., n]`
    pub fn project_within<B: HyperbolicBackend, const D: usize>(
        &self,
        margin: f64,
        x: Tensor<B, D>,
    ) -> Tensor<B, D>
    where
        C: Curvature<B>,
    {
        let margin = margin.clamp(0.0, 1.0);
        self.c.point(PointOp::Project(margin), x, self.axis::<D>())
    }
}

fn epsilon(dtype: DType) -> f64 {
    super::ops::primitive::scalars::epsilon(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_curvatures() {
        for c in [-1.0, -f64::MIN_POSITIVE, f64::NAN, f64::INFINITY] {
            assert!(matches!(PoincareBall::new(c), Err(Error::Curvature(_))));
        }
        assert_eq!(PoincareBall::new(0.0).unwrap().c(), 0.0);
        assert_eq!(PoincareBall::new(0.3).unwrap().c(), 0.3);
    }
}
