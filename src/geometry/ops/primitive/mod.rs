//! The operations made of Burn's primitives, for backends without kernels of their own.
//!
//! They run and differentiate on every backend, in the precision of its floats. One method keeps all
//! their gradients finite: the input of a function with a singular derivative (a square root, a
//! quotient) is moved away from the singularity *before* the function is applied, and the correct value
//! is selected afterwards. Masking the output alone is not enough, because the backward pass multiplies
//! an infinite derivative by zero.

mod any_rank;
mod distance;
mod maps;
pub mod scalars;

use burn::tensor::Tensor;

use super::backend::{HyperbolicBackend, PairOp, PointOp};
use super::curvature::Curvature;

pub use any_rank::{learned, pair_op, point_op};

/// An operation on `[outer, n, inner]`.
pub fn point<B: HyperbolicBackend>(
    op: PointOp,
    x: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    match op {
        PointOp::Expmap0 => maps::expmap0(x, c),
        PointOp::Logmap0 => maps::logmap0(x, c),
        PointOp::ScalarMul(r) => maps::expmap0(maps::logmap0(x, c) * r, c),
        PointOp::Project(margin) => maps::project(x, margin, c),
        PointOp::Clip(radius) => maps::clip(x, radius),
        PointOp::OneMinusCn2 => scalars::one_minus_cn2(scalars::norm_squared(x), c),
    }
}

/// An operation on two tensors `[outer, n, inner]`.
pub fn pair<B: HyperbolicBackend>(
    op: PairOp,
    x: Tensor<B, 3>,
    y: Tensor<B, 3>,
    c: &impl Curvature<B>,
) -> Tensor<B, 3> {
    match op {
        PairOp::MobiusAdd => maps::mobius_add(x, y, c),
        PairOp::Expmap => maps::expmap(x, y, c),
        PairOp::Logmap => maps::logmap(x, y, c),
        PairOp::Dist => distance::dist(x, y, c),
        PairOp::DistExpmap0 => distance::dist_expmap0(x, y, c),
        // Rows of x along the first axis, rows of y along the last: every pair of them.
        PairOp::PairwiseDist => distance::dist(x, y.permute([2, 1, 0]), c).swap_dims(1, 2),
    }
}
