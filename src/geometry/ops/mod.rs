//! The operations that a backend computes itself, and those that are made of them.
//!
//! `backend` is the trait, `autodiff` its implementation in a graph, `primitive` the default made
//! of Burn's primitives, `cpu` the kernels of Flex and NdArray.

mod autodiff;
pub(super) mod backend;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu;
mod primitive;

use burn::tensor::{Tensor, TensorPrimitive};

use backend::{HyperbolicBackend, PairOp, PointOp};

/// An operation on one tensor.
pub fn point<B: HyperbolicBackend, const D: usize>(
    op: PointOp,
    x: Tensor<B, D>,
    axis: usize,
    c: f64,
) -> Tensor<B, D> {
    let x = x.into_primitive().tensor();
    Tensor::from_primitive(TensorPrimitive::Float(B::point_op(op, x, axis, c)))
}

/// An operation on two tensors, which broadcast.
pub fn pair<B: HyperbolicBackend, const D: usize>(
    op: PairOp,
    x: Tensor<B, D>,
    y: Tensor<B, D>,
    axis: usize,
    c: f64,
) -> Tensor<B, D> {
    let [x, y] = broadcast(x, y);
    let (x, y) = (x.into_primitive().tensor(), y.into_primitive().tensor());
    Tensor::from_primitive(TensorPrimitive::Float(B::pair_op(op, x, y, axis, c)))
}

/// Both tensors in their common shape.
fn broadcast<B: HyperbolicBackend, const D: usize>(
    x: Tensor<B, D>,
    y: Tensor<B, D>,
) -> [Tensor<B, D>; 2] {
    let (of_x, of_y) = (x.dims(), y.dims());
    if of_x == of_y {
        return [x, y];
    }
    let shape: [usize; D] = std::array::from_fn(|d| if of_x[d] == 1 { of_y[d] } else { of_x[d] });
    [x.expand(shape), y.expand(shape)]
}
