//! The operations made of Burn's primitives, for backends without kernels of their own.
//!
//! They run and differentiate on every backend, in the precision of its floats. What keeps their
//! gradients finite is always the same: the input of a function with a singular derivative (a
//! square root, a quotient) is moved away from the singularity *before* the function is applied,
//! and the wanted value is selected afterwards. Masking the output alone is not enough, because the
//! backward pass multiplies an infinite derivative by zero.

mod distance;
mod exp_log;
mod mobius;
mod scalars;

use burn::tensor::{Tensor, backend::Backend};

use super::backend::{PairOp, PointOp};

/// An operation on `[outer, n, inner]`.
pub fn point<B: Backend>(op: PointOp, x: Tensor<B, 3>, c: f64) -> Tensor<B, 3> {
    match op {
        PointOp::Expmap0 => exp_log::expmap0(x, c),
        PointOp::Logmap0 => exp_log::logmap0(x, c),
        PointOp::ScalarMul(r) => exp_log::expmap0(exp_log::logmap0(x, c) * r, c),
        PointOp::RimGap => scalars::rim_gap(scalars::norm_squared(x), c),
    }
}

/// An operation on two tensors `[outer, n, inner]`.
pub fn pair<B: Backend>(op: PairOp, x: Tensor<B, 3>, y: Tensor<B, 3>, c: f64) -> Tensor<B, 3> {
    match op {
        PairOp::MobiusAdd => mobius::mobius_add(x, y, c),
        PairOp::Dist => distance::dist(x, y, c),
        PairOp::DistExpmap0 => distance::dist_expmap0(x, y, c),
    }
}
