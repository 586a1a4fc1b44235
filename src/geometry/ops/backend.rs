//! What a backend computes itself.

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

use super::primitive;

/// An operation on one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointOp {
    /// exp₀(x).
    Expmap0,
    /// log₀(x).
    Logmap0,
    /// r ⊗ x.
    ScalarMul(f64),
    /// x, or the point of its ray at (1 − m)/√c if x lies beyond; m is the margin.
    Project(f64),
    /// min(1, r/‖x‖) x.
    Clip(f64),
    /// 1 − c‖x‖², with size 1 on the coordinate axis.
    RimGap,
}

/// An operation on two tensors, of one shape but for `PairwiseDist`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairOp {
    /// x ⊕ y.
    MobiusAdd,
    /// expₓ(y).
    Expmap,
    /// logₓ(y).
    Logmap,
    /// d(x, y), with size 1 on the coordinate axis.
    Dist,
    /// d(exp₀(x), exp₀(y)), with size 1 on the coordinate axis.
    DistExpmap0,
    /// d(xᵢ, yⱼ) for every row of `[n, d]` and every row of `[m, d]`: `[n, m]`. The axis is 1.
    PairwiseDist,
}

impl PairOp {
    /// Whether the output has size 1 on the coordinate axis.
    pub fn is_distance(self) -> bool {
        matches!(self, Self::Dist | Self::DistExpmap0)
    }
}

/// A backend with the operations of the ball, and their gradients in closed form.
///
/// The default bodies are made of Burn's primitives and differentiate through them; Flex, NdArray,
/// CUDA and Vulkan have kernels that read each tensor once or twice. `Autodiff` of a backend takes
/// forward and backward pass from it.
pub trait HyperbolicBackend: Backend {
    /// The operation along `axis`, at curvature −c.
    fn point_op(op: PointOp, x: FloatTensor<Self>, axis: usize, c: f64) -> FloatTensor<Self> {
        primitive::point_op::<Self>(op, x, axis, c)
    }

    /// The gradient by x from the one by the output.
    fn point_op_backward(
        op: PointOp,
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        primitive::point_gradients::<Self>(op, x, grad, axis, c).0
    }

    /// The gradient by c from the one by the output: one element.
    fn point_op_by_c(
        op: PointOp,
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        primitive::point_gradients::<Self>(op, x, grad, axis, c).1
    }

    /// The operation along `axis`, at curvature −c.
    fn pair_op(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        primitive::pair_op::<Self>(op, x, y, axis, c)
    }

    /// The gradients by x and y from the one by the output.
    fn pair_op_backward(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> [FloatTensor<Self>; 2] {
        primitive::pair_gradients::<Self>(op, [x, y], grad, axis, c).0
    }

    /// The gradient by c from the one by the output: one element.
    fn pair_op_by_c(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        primitive::pair_gradients::<Self>(op, [x, y], grad, axis, c).1
    }

    /// [`point_op`](Self::point_op) at a curvature that is a tensor of one element, and that
    /// receives a gradient where the backend has them.
    fn point_op_learned(
        op: PointOp,
        x: FloatTensor<Self>,
        axis: usize,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::point_op(op, x, axis, value::<Self>(c))
    }

    /// [`pair_op`](Self::pair_op) at a curvature that is a tensor of one element, and that receives
    /// a gradient where the backend has them.
    fn pair_op_learned(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::pair_op(op, x, y, axis, value::<Self>(c))
    }
}

/// The number in a tensor of one element.
pub(super) fn value<B: Backend>(tensor: FloatTensor<B>) -> f64 {
    let tensor = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(tensor));
    tensor.into_data().iter().next().unwrap_or(f64::NAN)
}
