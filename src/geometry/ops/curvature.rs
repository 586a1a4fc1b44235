//! The two kinds of curvature a ball can have: a number, and a tensor that is learned.

use burn::tensor::{Tensor, TensorPrimitive};

use super::backend::{HyperbolicBackend, PairOp, PointOp, value};
use super::precision::alike;

/// The c of a ball: `f64`, or a `Tensor<B, 1>` of one element through which gradients flow.
///
/// A tensor must hold a finite c ≥ 0, as [`LearnableCurvature`](crate::geometry::nn) gives it.
pub trait Curvature<B: HyperbolicBackend>: Clone {
    /// Its value; a tensor is read back from its device.
    fn value(&self) -> f64;

    /// c^power · tensor.
    fn power_times<const D: usize>(&self, power: f64, tensor: Tensor<B, D>) -> Tensor<B, D>;

    /// c · tensor.
    fn times<const D: usize>(&self, tensor: Tensor<B, D>) -> Tensor<B, D> {
        self.power_times(1.0, tensor)
    }

    /// An operation on one tensor.
    fn point<const D: usize>(&self, op: PointOp, x: Tensor<B, D>, axis: usize) -> Tensor<B, D>;

    /// An operation on two tensors, which broadcast.
    fn pair<const D: usize>(
        &self,
        op: PairOp,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
        axis: usize,
    ) -> Tensor<B, D>;
}

impl<B: HyperbolicBackend> Curvature<B> for f64 {
    fn value(&self) -> f64 {
        *self
    }

    fn power_times<const D: usize>(&self, power: f64, tensor: Tensor<B, D>) -> Tensor<B, D> {
        tensor.mul_scalar(self.powf(power))
    }

    fn point<const D: usize>(&self, op: PointOp, x: Tensor<B, D>, axis: usize) -> Tensor<B, D> {
        let x = x.into_primitive().tensor();
        Tensor::from_primitive(TensorPrimitive::Float(B::point_op(op, x, axis, *self)))
    }

    fn pair<const D: usize>(
        &self,
        op: PairOp,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
        axis: usize,
    ) -> Tensor<B, D> {
        let [x, y] = broadcast(op, x, y, axis).map(|t| t.into_primitive().tensor());
        Tensor::from_primitive(TensorPrimitive::Float(B::pair_op(op, x, y, axis, *self)))
    }
}

impl<B: HyperbolicBackend> Curvature<B> for Tensor<B, 1> {
    fn value(&self) -> f64 {
        value::<B>(self.clone().into_primitive().tensor())
    }

    fn power_times<const D: usize>(&self, power: f64, tensor: Tensor<B, D>) -> Tensor<B, D> {
        let c = self.clone().cast(tensor.dtype()).reshape([1; D]);
        tensor
            * if power == 1.0 {
                c
            } else {
                c.powf_scalar(power)
            }
    }

    fn point<const D: usize>(&self, op: PointOp, x: Tensor<B, D>, axis: usize) -> Tensor<B, D> {
        let c = self.clone().into_primitive().tensor();
        let x = x.into_primitive().tensor();
        Tensor::from_primitive(TensorPrimitive::Float(B::point_op_learned(op, x, axis, c)))
    }

    fn pair<const D: usize>(
        &self,
        op: PairOp,
        x: Tensor<B, D>,
        y: Tensor<B, D>,
        axis: usize,
    ) -> Tensor<B, D> {
        let c = self.clone().into_primitive().tensor();
        let [x, y] = broadcast(op, x, y, axis).map(|t| t.into_primitive().tensor());
        let output = B::pair_op_learned(op, x, y, axis, c);
        Tensor::from_primitive(TensorPrimitive::Float(output))
    }
}

/// Both tensors in their common shape, where the operation wants one.
fn broadcast<B: HyperbolicBackend, const D: usize>(
    op: PairOp,
    x: Tensor<B, D>,
    y: Tensor<B, D>,
    axis: usize,
) -> [Tensor<B, D>; 2] {
    let [x, y] = alike(axis, [x, y]);
    let (of_x, of_y) = (x.dims(), y.dims());
    if of_x == of_y || op == PairOp::PairwiseDist {
        return [x, y];
    }
    let shape: [usize; D] = std::array::from_fn(|d| if of_x[d] == 1 { of_y[d] } else { of_x[d] });
    [x.expand(shape), y.expand(shape)]
}
