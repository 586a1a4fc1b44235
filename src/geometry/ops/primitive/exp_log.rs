//! Exponential and logarithmic maps.

use burn::tensor::{Tensor, backend::Backend};

use super::scalars::{artanhc, norm_squared, tanhc};

/// tanh(√c‖v‖)/(√c‖v‖) · v.
pub fn expmap0<B: Backend>(v: Tensor<B, 3>, c: f64) -> Tensor<B, 3> {
    let z = norm_squared(v.clone()).mul_scalar(c);
    v * tanhc(z)
}

/// artanh(√c‖y‖)/(√c‖y‖) · y.
pub fn logmap0<B: Backend>(y: Tensor<B, 3>, c: f64) -> Tensor<B, 3> {
    let z = norm_squared(y.clone()).mul_scalar(c);
    y * artanhc(z)
}
