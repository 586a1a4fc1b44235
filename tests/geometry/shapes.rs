//! Shapes: axes, ranks, broadcasting, large tensors, half precision.

use burn::backend::Flex;
use burn::tensor::{DType, Tensor, TensorData};
use hypad::geometry::PoincareBall;

use super::common::*;
use super::table::{operations, outcome};

/// Coordinates on another axis, higher rank and broadcasting give the same numbers as a loop.
#[test]
fn axis_rank_and_broadcasting() {
    type T4 = Tensor<Flex, 4>;
    let device = Default::default();
    let ball = PoincareBall::new(0.7).unwrap();
    let random = |shape| {
        T4::random(
            shape,
            burn::tensor::Distribution::Uniform(-0.3, 0.3),
            &device,
        )
    };
    let (x, y) = (random([2, 3, 4, 5]), random([1, 3, 1, 5]));
    for (op, kept) in [
        (
            (|b, x, y| b.dist(x, y)) as fn(&PoincareBall, T4, T4) -> T4,
            1,
        ),
        (|b, x, y| b.mobius_add(x, y), 3),
        (|b, x, y| b.logmap(x, y), 3),
        (|b, x, y| b.expmap(x, y), 3),
        (|b, x, y| b.dist_expmap0(x, y), 1),
    ] {
        let channels = op(&ball.along(1), x.clone(), y.clone());
        assert_eq!(channels.dims(), [2, kept, 4, 5]);
        let last = |t: &T4| t.clone().permute([0, 2, 3, 1]);
        let moved = op(&ball, last(&x), last(&y));
        let tolerance = burn::tensor::Tolerance::<f32>::absolute(1e-6);
        let channels = last(&channels);
        channels
            .to_data()
            .assert_approx_eq(&moved.into_data(), tolerance);
        let one = op(
            &ball,
            last(&x).slice([1..2, 2..3, 3..4]),
            last(&y).slice([0..1, 0..1, 3..4]),
        );
        let whole = channels.slice([1..2, 2..3, 3..4]);
        whole
            .into_data()
            .assert_approx_eq(&one.into_data(), tolerance);
    }
}

/// What is made of several operations is computed in f32 where the type is a half: it is as exact as
/// its last rounding, which is a hundred times as coarse as all others.
#[test]
fn composed_operations_of_half_precision_are_rounded_once() {
    let c = 0.7;
    let mut wrong = Vec::new();
    for operation in operations::<F>() {
        // Layers, and a function of the caller's, round between their operations.
        let layers = ["ExpMap", "Poincare", "BallBatchNorm", "mobius_fn_apply"];
        let at_once = !layers.iter().any(|layer| operation.name.starts_with(layer));
        for (dtype, epsilon) in [(DType::F16, 9.8e-4), (DType::BF16, 7.8e-3)] {
            // Numbers that both halves have.
            let inputs: Vec<Vec<f64>> = (operation.inputs.iter().enumerate())
                .map(|(input, kind)| {
                    let values = kind.values(3, input);
                    values.iter().map(|v| (v * 64.0).round() / 64.0).collect()
                })
                .collect();
            let exact = outcome(&operation, c, 3, &inputs, DType::F64, false).parts;
            let half = outcome(&operation, c, 3, &inputs, dtype, false).parts;
            for (part, (half, exact)) in half.iter().zip(&exact).enumerate() {
                let error = error(&half.concat(), &exact.concat());
                let limit = match (at_once, part) {
                    (true, 0) => 0.51,
                    (true, _) => 1.1,
                    (false, _) => 2.5,
                };
                if error > limit * epsilon {
                    let error = error / epsilon;
                    wrong.push(format!(
                        "{} {dtype:?}, part {part}: {error:.2} ε",
                        operation.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Half precision is computed in f64 and rounded once.
#[test]
fn half_precision_is_rounded_once() {
    let ball = PoincareBall::new(0.7).unwrap();
    let (x, y) = ([0.5, -0.25, 0.125], [0.5, -0.25, 0.25]);
    for dtype in [DType::F16, DType::BF16] {
        let half = |v: &[f64]| row::<F>(v, dtype);
        let full = |v: &[f64]| row::<F>(v, DType::F64);
        let ours = values(ball.dist(half(&x), half(&y)))[0];
        let exact = values(ball.dist(full(&x), full(&y)));
        let rounded = values(Tensor::<F, 2>::from_data(
            TensorData::new(exact, [1, 1]),
            (&Default::default(), dtype),
        ))[0];
        assert_eq!(ours, rounded, "{dtype:?}");
    }
}

/// The kernels split large tensors over the cores; the result is that of each vector by itself.
#[test]
fn large_tensors_equal_their_vectors() {
    let device = Default::default();
    let ball = PoincareBall::new(0.3).unwrap();
    let uniform = burn::tensor::Distribution::Uniform(-0.2, 0.2);
    for (shape, axis) in [([900, 65, 1], 1), ([3, 65, 700], 1), ([70_000, 1, 2], 2)] {
        let x = Tensor::<Flex, 3>::random(shape, uniform, &device);
        let y = Tensor::<Flex, 3>::random(shape, uniform, &device);
        let ball = ball.along(axis);
        let d = ball.dist(x.clone(), y.clone());
        let sum = ball.mobius_add(x.clone(), y.clone());
        let (rows, columns) = (shape[0], if axis == 1 { shape[2] } else { 1 });
        for (i, j) in [(0, 0), (rows / 2, columns / 3), (rows - 1, columns - 1)] {
            let one = |t: &Tensor<Flex, 3>| match axis {
                1 => t.clone().slice([i..i + 1, 0..t.dims()[1], j..j + 1]),
                _ => t.clone().slice([i..i + 1, 0..1, 0..2]),
            };
            let alone = ball.dist(one(&x), one(&y));
            one(&d).into_data().assert_eq(&alone.into_data(), true);
            let alone = ball.mobius_add(one(&x), one(&y));
            one(&sum).into_data().assert_eq(&alone.into_data(), true);
        }
    }
}
