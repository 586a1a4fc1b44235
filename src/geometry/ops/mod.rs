//! The operations, as pure functions of tensors, the curvature c and the coordinate axis.
//!
//! They are made of Burn's primitives only, so they run and differentiate on every backend. What
//! keeps their gradients finite is always the same: the input of a function with a singular
//! derivative (a square root, a quotient) is moved away from the singularity *before* the function
//! is applied, and the wanted value is selected afterwards. Masking the output alone is not enough,
//! because the backward pass multiplies an infinite derivative by zero.

pub(super) mod distance;
pub(super) mod exp_log;
pub(super) mod mobius;
mod scalars;
