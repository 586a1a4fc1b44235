//! The float type in which operations compute that are made of several others.

use burn::tensor::{DType, Tensor, backend::Backend};

use super::backend::HyperbolicBackend;

/// The same tensors, whose number of coordinates must be one: that axis does not broadcast.
///
/// # Panics
///
/// If it is not.
pub fn alike<B: Backend, const D: usize, const N: usize>(
    axis: usize,
    inputs: [Tensor<B, D>; N],
) -> [Tensor<B, D>; N] {
    let sizes = inputs.each_ref().map(|input| input.dims()[axis]);
    assert!(
        sizes.iter().all(|size| *size == sizes[0]),
        "points and vectors have the same number of coordinates, not {sizes:?} on axis {axis}"
    );
    inputs
}

/// The same tensor, in f32 if it is of half precision.
pub fn at_least_f32<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(DType::F32),
        _ => x,
    }
}

/// Runs an operation of half-precision tensors in f32: its steps neither round nor overflow, and
/// only its result is rounded. Other types are left as they are, but f64 where Burn's operations are
/// wrong in it ([`HyperbolicBackend::computes_in_f64`]) becomes f32.
pub fn in_f32<B: HyperbolicBackend, const D: usize, const N: usize>(
    inputs: [Tensor<B, D>; N],
    op: impl FnOnce([Tensor<B, D>; N]) -> Tensor<B, D>,
) -> Tensor<B, D> {
    match inputs.first().map(|input| (input.dtype(), input.device())) {
        Some((DType::F16 | DType::BF16, _)) => run_in(DType::F32, inputs, op),
        Some((DType::F64, device)) if !B::computes_in_f64(&device) => {
            run_in(DType::F32, inputs, op)
        }
        _ => op(inputs),
    }
}

/// Runs an operation in f64 where the backend computes in it, else as [`in_f32`]: for steps that lose
/// more than the type of the tensors has.
pub fn in_f64<B: HyperbolicBackend, const D: usize, const N: usize>(
    inputs: [Tensor<B, D>; N],
    op: impl FnOnce([Tensor<B, D>; N]) -> Tensor<B, D>,
) -> Tensor<B, D> {
    match inputs.first().map(Tensor::device) {
        Some(device) if B::computes_in_f64(&device) => run_in(DType::F64, inputs, op),
        _ => in_f32(inputs, op),
    }
}

/// The type of the result is that of the first input.
fn run_in<B: Backend, const D: usize, const N: usize>(
    dtype: DType,
    inputs: [Tensor<B, D>; N],
    op: impl FnOnce([Tensor<B, D>; N]) -> Tensor<B, D>,
) -> Tensor<B, D> {
    let of_caller = inputs.first().map_or(dtype, Tensor::dtype);
    op(inputs.map(|input| input.cast(dtype))).cast(of_caller)
}
