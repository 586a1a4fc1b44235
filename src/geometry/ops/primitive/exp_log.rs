//! Exponential and logarithmic maps.

use burn::tensor::{Tensor, backend::Backend};

use super::scalars::{artanhc, norm_squared, tanhc};

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
