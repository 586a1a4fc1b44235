//! Exponential and logarithmic maps.

use burn::tensor::{Tensor, backend::Backend};

use super::mobius::mobius_add;
use super::scalars::{artanhc, norm_squared, rim_gap, tanhc};

/// tanh(√c‖v‖)/(√c‖v‖) · v.
pub fn expmap0<B: Backend, const D: usize>(v: Tensor<B, D>, c: f64, axis: usize) -> Tensor<B, D> {
    let z = norm_squared(v.clone(), axis).mul_scalar(c);
    v * tanhc(z)
}

/// artanh(√c‖y‖)/(√c‖y‖) · y.
pub fn logmap0<B: Backend, const D: usize>(y: Tensor<B, D>, c: f64, axis: usize) -> Tensor<B, D> {
    let z = norm_squared(y.clone(), axis).mul_scalar(c);
    y * artanhc(z)
}

/// x ⊕ exp₀(v λₓ/2), with λₓ/2 = 1/(1 − c‖x‖²).
pub fn expmap<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    v: Tensor<B, D>,
    c: f64,
    axis: usize,
) -> Tensor<B, D> {
    let gap = rim_gap(norm_squared(x.clone(), axis), c);
    mobius_add(x, expmap0(v / gap, c, axis), c, axis)
}

/// (1 − c‖x‖²) log₀(−x ⊕ y).
pub fn logmap<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    y: Tensor<B, D>,
    c: f64,
    axis: usize,
) -> Tensor<B, D> {
    let gap = rim_gap(norm_squared(x.clone(), axis), c);
    logmap0(mobius_add(x.neg(), y, c, axis), c, axis) * gap
}
