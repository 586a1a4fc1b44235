//! Backends without kernels of ours, whose operations are made of Burn's: against Flex, and with NaN.
//!
//! `cargo test --features candle,router,ndarray --test geometry burns_operations`

use burn::backend::Autodiff;
use burn::tensor::DType;

use super::broken::nan_shows;
use super::common::*;

/// Output and gradients of every operation, at curvatures from flat to strong.
fn agrees_with_flex<B: Tested>(dtype: DType, tolerance: f64) {
    let rows: [&[f64]; 3] = [
        &[0.31, -0.22, 0.13, 0.05],
        &[-0.15, 0.4, 0.2, -0.07],
        &[0.11, 0.07, -0.3, 0.21],
    ];
    let mut wrong = Vec::new();
    for name in OPERATIONS.into_iter().chain(["frechet_mean", "concat"]) {
        for c in [0.0, 0.3, 1.9] {
            let (output, grads) = run(operation::<B>(name).0, c, rows, dtype);
            let (expected, slopes) = run(operation::<F>(name).0, c, rows, DType::F64);
            let of_grads = grads
                .iter()
                .zip(&slopes)
                .map(|(grad, slope)| error(grad, slope));
            let of_output = error(&output, &expected);
            let errors: Vec<f64> = [of_output].into_iter().chain(of_grads).collect();
            if errors
                .iter()
                .any(|error| error.is_nan() || *error > tolerance)
            {
                wrong.push(format!("{name}, c = {c}, {dtype:?}: {errors:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Burn's Candle rounds constants of an f64 operation to f32.
#[cfg(feature = "candle")]
#[test]
#[allow(deprecated)]
fn candle() {
    type Candle = Autodiff<burn::backend::Candle>;
    agrees_with_flex::<Candle>(DType::F32, 5e-6);
    agrees_with_flex::<Candle>(DType::F64, 1e-7);
    nan_shows::<Candle>(&[DType::F32]);
}

#[cfg(feature = "tch")]
#[test]
fn libtorch() {
    type LibTorch = Autodiff<burn::backend::LibTorch>;
    agrees_with_flex::<LibTorch>(DType::F32, 5e-6);
    agrees_with_flex::<LibTorch>(DType::F64, 1e-13);
    nan_shows::<LibTorch>(&[DType::F32]);
}

/// Burn's router hands over every tensor in f32.
#[cfg(all(feature = "router", feature = "ndarray"))]
#[test]
fn router() {
    use burn::backend::{Flex, NdArray, Router};

    type Routed = Autodiff<Router<(Flex, NdArray)>>;
    agrees_with_flex::<Routed>(DType::F32, 5e-6);
    agrees_with_flex::<Routed>(DType::F64, 5e-6);
    nan_shows::<Routed>(&[DType::F32]);
}
