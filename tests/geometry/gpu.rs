//! The kernels of GPUs against the cases and against Flex: CUDA, or Vulkan where CUDA is not built.
//!
//! `cargo test --features vulkan --test geometry gpu`; Mesa's lavapipe makes a GPU of any processor.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Distribution, Tensor};
use hypad::geometry::{Curvature, PairOp, PointOp};

use super::cases::cases;
use super::common::*;
use super::gradients::finite_everywhere;
use super::pairwise::equals_dist;

#[cfg(feature = "cuda")]
type Plain = burn::backend::Cuda;
#[cfg(not(feature = "cuda"))]
type Plain = burn::backend::Vulkan;
type Gpu = Autodiff<Plain>;

#[test]
fn cases_at_sixty_digits() {
    cases::<Gpu>(DType::F32, f32::EPSILON.into(), "GPU");
}

#[test]
fn finite() {
    finite_everywhere::<Gpu>(&[DType::F32]);
}

#[test]
fn equals_dist_of_every_pair() {
    for (n, m, d) in [(1, 1, 1), (5, 3, 2), (60, 33, 64), (130, 70, 200)] {
        for c in [0.0, 1e-8, 0.3, 1.7] {
            equals_dist::<Gpu>(n, m, d, c, DType::F32, 6e-7);
        }
    }
}

/// Output, and gradients by the inputs and by a learned c.
fn run_at<B: Tested, const N: usize>(
    op: impl Fn(&Tensor<B, 1>, [Tensor<B, 3>; N]) -> Tensor<B, 3>,
    inputs: &[Tensor<Flex, 3>; N],
    c: f64,
) -> Vec<Vec<f64>> {
    let device = B::Device::default();
    let inputs = inputs
        .each_ref()
        .map(|t| Tensor::<B, 3>::from_data(t.clone().into_data(), &device).require_grad());
    let c = Tensor::<B, 1>::from_floats([c as f32], &device).require_grad();
    let output = op(&c, inputs.clone());
    // A weight for each element, so that no gradient is a multiple of ones.
    let size = output.dims().iter().product::<usize>();
    let weights = Tensor::<B, 1, burn::tensor::Int>::arange(0..size as i64, &device);
    let weights = (weights.float() * 0.7).sin().reshape(output.dims());
    let grads = (output.clone() * weights).sum().backward();
    let mut all = vec![values(output)];
    all.extend(inputs.map(|input| values(input.grad(&grads).unwrap())));
    all.push(c.grad(&grads).map_or(vec![0.0], values));
    all
}

fn agree(ours: Vec<Vec<f64>>, expected: Vec<Vec<f64>>, what: &str) {
    let last = ours.len() - 1;
    for (index, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
        let e = error(ours, expected);
        // By c: a sum of terms of either sign.
        let limit = if index == last { 1e-4 } else { 3e-7 };
        assert!(e <= limit, "{what}, output {index}: {e:.1e}");
    }
}

/// On every axis, with vectors shared by few units and by many.
#[test]
fn agrees_with_flex() {
    let points = [
        PointOp::Expmap0,
        PointOp::Logmap0,
        PointOp::ScalarMul(-1.7),
        PointOp::Project(0.6),
        PointOp::Clip(0.4),
        PointOp::RimGap,
    ];
    let pairs = [
        PairOp::MobiusAdd,
        PairOp::Expmap,
        PairOp::Logmap,
        PairOp::Dist,
        PairOp::DistExpmap0,
    ];
    for (shape, axis) in [
        ([2, 3, 5], 0),
        ([2, 3, 5], 1),
        ([2, 3, 5], 2),
        ([3, 300, 70], 1),
        ([700, 1, 2], 0),
        ([1, 37, 300], 2),
    ] {
        let spread = 0.6 / (shape[axis] as f64).sqrt();
        let random = || {
            let uniform = Distribution::Uniform(-spread, spread);
            Tensor::<Flex, 3>::random(shape, uniform, &Default::default())
        };
        for c in [0.0, 1e-9, 0.3, 2.5] {
            let (x, y) = (random(), random());
            for op in points {
                let what = format!("{op:?}, c = {c}, {shape:?} along {axis}");
                let inputs = [x.clone()];
                agree(
                    run_at::<Gpu, 1>(|c, [x]| c.point(op, x, axis), &inputs, c),
                    run_at::<F, 1>(|c, [x]| c.point(op, x, axis), &inputs, c),
                    &what,
                );
            }
            for op in pairs {
                let what = format!("{op:?}, c = {c}, {shape:?} along {axis}");
                let inputs = [x.clone(), y.clone()];
                agree(
                    run_at::<Gpu, 2>(|c, [x, y]| c.pair(op, x, y, axis), &inputs, c),
                    run_at::<F, 2>(|c, [x, y]| c.pair(op, x, y, axis), &inputs, c),
                    &what,
                );
            }
        }
    }
}
