//! Half precision in operations that are made of several others.

use burn::tensor::{DType, Tensor, backend::Backend};

/// Runs an operation of half-precision tensors in f32: its steps neither round nor overflow, and
/// only its result is rounded. Other types are left as they are.
pub fn in_f32<B: Backend, const D: usize, const N: usize>(
    inputs: [Tensor<B, D>; N],
    op: impl FnOnce([Tensor<B, D>; N]) -> Tensor<B, D>,
) -> Tensor<B, D> {
    let dtype = inputs.first().map(Tensor::dtype);
    match dtype {
        Some(dtype @ (DType::F16 | DType::BF16)) => {
            op(inputs.map(|input| input.cast(DType::F32))).cast(dtype)
        }
        _ => op(inputs),
    }
}
