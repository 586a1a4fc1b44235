//! The kernels of GPUs against the cases and against Flex: CUDA, or Vulkan where CUDA is not built.
//!
//! `cargo test --features vulkan --test geometry gpu`; Mesa's lavapipe makes a GPU of any processor.

use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Distribution, Tensor, TensorData};
use hypad::geometry::{Curvature, PairOp, PointOp};

use super::broken::{large_is_finite, nan_shows, nan_shows_in_the_gradient_by_c};
use super::cases::cases;
use super::common::*;
use super::gradients::finite_everywhere;
use super::pairwise::equals_dist;

#[cfg(feature = "cuda")]
type Plain = hypad::backend::Cuda;
#[cfg(not(feature = "cuda"))]
type Plain = hypad::backend::Vulkan;
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
fn nan_shows_in_every_operation() {
    nan_shows::<Gpu>(&[DType::F32]);
    nan_shows_in_the_gradient_by_c::<Gpu>();
}

#[test]
fn large_coordinates_are_finite() {
    large_is_finite::<Gpu>();
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
    let inputs = inputs.each_ref().map(|t| {
        Tensor::<B, 3>::from_data(t.clone().into_data(), (&device, t.dtype())).require_grad()
    });
    let c = Tensor::<B, 1>::from_floats([c as f32], &device).require_grad();
    let output = op(&c, inputs.clone());
    // A weight for each element, so that no gradient is a multiple of ones.
    let size = output.dims().iter().product::<usize>();
    let weights = (0..size)
        .map(|k| (0.7 * k as f64).sin())
        .collect::<Vec<_>>();
    let weights = TensorData::new(weights, output.dims());
    let weights = Tensor::from_data(weights, (&device, output.dtype()));
    let grads = (output.clone() * weights).backward();
    let mut all = vec![values(output)];
    all.extend(inputs.map(|input| values(input.grad(&grads).unwrap())));
    all.push(c.grad(&grads).map_or(vec![0.0], values));
    all
}

fn agree(ours: Vec<Vec<f64>>, expected: Vec<Vec<f64>>, limit: f64, what: &str) {
    for (index, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
        let e = error(ours, expected);
        assert!(e <= limit, "{what}, output {index}: {e:.1e}");
    }
}

const POINTS: [PointOp; 6] = [
    PointOp::Expmap0,
    PointOp::Logmap0,
    PointOp::ScalarMul(-1.7),
    PointOp::Project(0.6),
    PointOp::Clip(0.4),
    PointOp::OneMinusCn2,
];
const PAIRS: [PairOp; 5] = [
    PairOp::MobiusAdd,
    PairOp::Expmap,
    PairOp::Logmap,
    PairOp::Dist,
    PairOp::DistExpmap0,
];

fn agree_with_flex(shape: [usize; 3], axis: usize, dtype: DType, limit: f64) {
    let spread = 0.6 / (shape[axis] as f64).sqrt();
    let random = || {
        let uniform = Distribution::Uniform(-spread, spread);
        Tensor::<Flex, 3>::random(shape, uniform, &Default::default()).cast(dtype)
    };
    for c in [0.0, 1e-9, 0.3, 2.5] {
        let (x, y) = (random(), random());
        for op in POINTS {
            let what = format!("{op:?}, c = {c}, {dtype:?} {shape:?} along {axis}");
            let inputs = [x.clone()];
            agree(
                run_at::<Gpu, 1>(|c, [x]| c.point(op, x, axis), &inputs, c),
                run_at::<F, 1>(|c, [x]| c.point(op, x, axis), &inputs, c),
                limit,
                &what,
            );
        }
        for op in PAIRS {
            let what = format!("{op:?}, c = {c}, {dtype:?} {shape:?} along {axis}");
            let inputs = [x.clone(), y.clone()];
            agree(
                run_at::<Gpu, 2>(|c, [x, y]| c.pair(op, x, y, axis), &inputs, c),
                run_at::<F, 2>(|c, [x, y]| c.pair(op, x, y, axis), &inputs, c),
                limit,
                &what,
            );
        }
    }
}

/// On every axis, with vectors shared by few units and by many.
#[test]
fn agrees_with_flex() {
    for (shape, axis) in [
        ([2, 3, 5], 0),
        ([2, 3, 5], 1),
        ([2, 3, 5], 2),
        ([3, 300, 70], 1),
        ([700, 1, 2], 0),
        ([1, 37, 300], 2),
    ] {
        agree_with_flex(shape, axis, DType::F32, 3e-7);
    }
}

/// Types that the device has; of most GPUs all.
#[test]
fn agrees_with_flex_in_other_types() {
    let device = Default::default();
    for (dtype, limit) in [(DType::F64, 1e-13), (DType::F16, 1e-3), (DType::BF16, 8e-3)] {
        if Plain::supports_dtype(&device, dtype) {
            println!("{dtype:?}");
            agree_with_flex([3, 40, 6], 1, dtype, limit);
            agree_with_flex([1, 5, 70], 2, dtype, limit);
        }
    }
}

/// Tensors without vectors, and vectors without coordinates. Shapes alone: Burn does not read an
/// empty tensor back from CUDA.
#[test]
fn nothing_in_nothing_out() {
    let device = Default::default();
    for shape in [[1, 0, 4], [1, 3, 0]] {
        let empty = || Tensor::<Gpu, 3>::zeros(shape, &device).require_grad();
        let one = [1, shape[1], 1];
        let check = |inputs: &[Tensor<Gpu, 3>], output: Tensor<Gpu, 3>, expected| {
            assert_eq!(output.dims(), expected);
            let grads = output.backward();
            for input in inputs {
                assert_eq!(input.grad(&grads).map(|grad| grad.dims()), Some(shape));
            }
        };
        for op in POINTS {
            let x = empty();
            let expected = if op == PointOp::OneMinusCn2 {
                one
            } else {
                shape
            };
            check(&[x.clone()], 0.3.point(op, x, 2), expected);
        }
        for op in PAIRS {
            let (x, y) = (empty(), empty());
            let expected = if op.is_distance() { one } else { shape };
            check(&[x.clone(), y.clone()], 0.3.pair(op, x, y, 2), expected);
        }
    }
}

/// The derivative by c of all distances is the sum of that of each.
#[test]
fn pairwise_by_c() {
    let uniform = Distribution::Uniform(-0.1, 0.1);
    let points =
        |count| Tensor::<Flex, 2>::random([count, 40], uniform, &Default::default()).into_data();
    let (x, y) = (points(150), points(90));
    fn by_c<B: Tested>(x: burn::tensor::TensorData, y: burn::tensor::TensorData) -> f64 {
        let device = B::Device::default();
        let c = Tensor::<B, 1>::from_floats([0.7], &device).require_grad();
        let [x, y] = [x, y].map(|points| Tensor::<B, 2>::from_data(points, &device));
        let grads = c.pair(PairOp::PairwiseDist, x, y, 1).sum().backward();
        values(c.grad(&grads).unwrap())[0]
    }
    let (ours, expected) = (by_c::<Gpu>(x.clone(), y.clone()), by_c::<F>(x, y));
    assert!((ours / expected - 1.0).abs() < 3e-7, "{ours} {expected}");
}

#[test]
#[should_panic(expected = "same number of coordinates")]
fn pairwise_distances_want_one_number_of_coordinates() {
    let device = Default::default();
    let [x, y] = [3, 4].map(|n| Tensor::<Plain, 2>::zeros([2, n], &device));
    0.3.pair(PairOp::PairwiseDist, x, y, 1);
}
