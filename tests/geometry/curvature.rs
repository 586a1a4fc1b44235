//! Curvature: learned, continuous at c = 0, and the same space at every scale.

use burn::backend::Flex;
use burn::tensor::{DType, Tensor, TensorData};
use hypad::geometry::nn::{CurvatureParametrisation, LearnableCurvature};
use hypad::geometry::{Curvature, PoincareBall};

use super::common::*;

const X: [f64; 3] = [0.3, -0.2, 0.1];
const Y: [f64; 3] = [-0.1, 0.4, 0.2];
const Z: [f64; 3] = [0.2, 0.1, -0.3];

/// The operations of a ball whose curvature is of type `C`.
macro_rules! operations {
    ($ball:ident, $x:ident, $y:ident, $z:ident) => {{
        let clone = || ($x.clone(), $y.clone(), $z.clone());
        let weights = Tensor::from_floats([[1.0], [2.5]], &$x.device()).cast($x.dtype());
        let pair = |x, y| Tensor::cat(vec![x, y], 0);
        let (x, y, z) = clone();
        vec![
            ("mobius_add", $ball.mobius_add(x, y)),
            ("mobius_coadd", $ball.mobius_coadd(clone().0, clone().1)),
            ("gyration", $ball.gyration(clone().0, clone().1, z)),
            (
                "mobius_scalar_mul",
                $ball.mobius_scalar_mul(-1.7, clone().0),
            ),
            ("expmap0", $ball.expmap0(clone().0)),
            ("logmap0", $ball.logmap0(clone().0)),
            ("expmap", $ball.expmap(clone().0, clone().1)),
            ("logmap", $ball.logmap(clone().0, clone().1)),
            ("ptransp", $ball.ptransp(clone().0, clone().1, clone().2)),
            ("lambda_x", $ball.lambda_x(clone().0)),
            ("dist", $ball.dist(clone().0, clone().1)),
            ("dist_expmap0", $ball.dist_expmap0(clone().0, clone().1)),
            ("pairwise_dist", $ball.pairwise_dist(clone().0, clone().1)),
            (
                "dist2plane",
                $ball.dist2plane(clone().0, clone().1, clone().2),
            ),
            (
                "midpoint",
                $ball.midpoint(pair(clone().0, clone().1), weights.clone(), 0),
            ),
            (
                "frechet_mean",
                $ball.frechet_mean(pair(clone().0, clone().1), weights, 0),
            ),
            ("project", $ball.project_within(0.9, clone().0)),
        ]
    }};
}

fn inputs<B: Tested>() -> [Tensor<B, 2>; 3] {
    [X, Y, Z].map(|values| row::<B>(&values, DType::F64))
}

/// ∂/∂c of every operation against differences, from c = 0 on.
fn derivatives_equal_differences<B: Tested>() {
    let [x, y, z] = inputs::<B>();
    let value = |c: f64| {
        let ball = PoincareBall::new(c).unwrap();
        operations!(ball, x, y, z)
    };
    for c in [0.0, 1e-9, 1e-4, 0.03, 0.5, 2.5] {
        let device = B::Device::default();
        let data = TensorData::from([c]);
        let parameter = Tensor::<B, 1>::from_data(data, (&device, DType::F64)).require_grad();
        let ball = PoincareBall::with_curvature(parameter.clone()).unwrap();
        assert_eq!(Curvature::<B>::value(ball.curvature()), c);
        // One-sided at the end of the range: to second order by three points.
        let h = 1e-5;
        let differences: Vec<f64> = if c < h {
            let [a, b, d] = [c, c + h, c + 2.0 * h].map(value);
            let sums = |list: Vec<(_, Tensor<B, 2>)>| {
                list.into_iter()
                    .map(|(_, t)| values(t).iter().sum::<f64>())
                    .collect::<Vec<_>>()
            };
            let [a, b, d] = [a, b, d].map(sums);
            (0..a.len())
                .map(|i| (4.0 * b[i] - 3.0 * a[i] - d[i]) / (2.0 * h))
                .collect()
        } else {
            let [a, b] = [c + h, c - h].map(value);
            let sum = |t: Tensor<B, 2>| values(t).iter().sum::<f64>();
            a.into_iter()
                .zip(b)
                .map(|((_, a), (_, b))| (sum(a) - sum(b)) / (2.0 * h))
                .collect()
        };
        for (index, difference) in differences.into_iter().enumerate() {
            // A graph for each: going back through one takes it apart.
            let ball = PoincareBall::with_curvature(parameter.clone()).unwrap();
            let (name, output) = operations!(ball, x, y, z).swap_remove(index);
            let grads = output.backward();
            let grad = parameter.grad(&grads);
            let ours = grad.map_or(0.0, |grad| values(grad)[0]);
            assert!(
                (ours - difference).abs() < 3e-8 * (1.0 + difference.abs()),
                "{name} at c = {c}: {ours} {difference}"
            );
        }
    }
}

#[test]
fn learned_on_flex() {
    derivatives_equal_differences::<F>();
}

#[cfg(feature = "ndarray")]
#[test]
fn learned_on_ndarray() {
    derivatives_equal_differences::<burn::backend::Autodiff<burn::backend::NdArray>>();
}

/// A parameter below 0 is used as its absolute value, and its gradient leads back.
#[test]
fn a_parameter_below_zero_is_reflected() {
    let device = Default::default();
    let mut learned = LearnableCurvature::<F>::new(0.5, &device).unwrap();
    assert!(LearnableCurvature::<F>::new(-0.5, &device).is_err());
    assert_eq!(learned.parameter.val().into_scalar(), 0.5);
    let [x, y, _] = inputs::<F>();
    let up = |learned: &LearnableCurvature<F>| {
        let grads = learned.ball().dist(x.clone(), y.clone()).backward();
        learned.parameter.val().grad(&grads).unwrap().into_scalar()
    };
    let above = up(&learned);
    learned.parameter = learned.parameter.map(|c| c.neg().detach().require_grad());
    assert_eq!(Curvature::<F>::value(learned.ball().curvature()), 0.5);
    assert_eq!(up(&learned), -above);
}

/// Values at a small c follow the series, so nothing jumps at 0: d is even in √c.
#[test]
fn continuous_at_zero() {
    let [x, y, z] = [X, Y, Z].map(|values| row::<Flex>(&values, DType::F64));
    let flat = PoincareBall::new(0.0).unwrap();
    let flat = operations!(flat, x, y, z);
    for c in [1e-300, 1e-30, 1e-15, 1e-12] {
        let ball = PoincareBall::new(c).unwrap();
        for ((name, bent), (_, flat)) in operations!(ball, x, y, z).into_iter().zip(flat.clone()) {
            let e = error(&values(bent), &values(flat));
            assert!(e <= 2e-15 + 10.0 * c, "{name} at c = {c}: {e:e}");
        }
    }
}

/// d_c(x, y) = d₁(√c x, √c y)/√c, and the maps alike: kills every forgotten c.
#[test]
fn scaling_law() {
    let [x, y, z] = [X, Y, Z].map(|values| row::<Flex>(&values, DType::F64));
    let unit = PoincareBall::new(1.0).unwrap();
    for c in [0.04_f64, 0.3, 2.2] {
        let ball = PoincareBall::new(c).unwrap();
        let s = c.sqrt();
        let (xs, ys, zs) = (x.clone() * s, y.clone() * s, z.clone() * s);
        let ours = operations!(ball, x, y, z);
        for ((name, ours), (_, unit)) in ours.into_iter().zip(operations!(unit, xs, ys, zs)) {
            let factor = if name == "lambda_x" { 1.0 } else { 1.0 / s };
            // The margin of a projection is a part of the radius.
            let e = error(&values(ours), &values(unit * factor));
            assert!(e < 4e-15, "{name} at c = {c}: {e:e}");
        }
    }
}

/// Each parametrisation begins at its c, gives the derivative dc/dθ, and keeps c in its range.
#[test]
fn parametrisations_of_a_learned_curvature() {
    let device = Default::default();
    let bounded = CurvatureParametrisation::BoundedLog {
        low: 0.01,
        high: 1.0,
    };
    for (parametrisation, slope) in [
        (CurvatureParametrisation::Absolute, 1.0),
        // 1 − e^−c.
        (CurvatureParametrisation::Softplus, 1.0 - (-0.1_f64).exp()),
        (bounded, 0.1),
    ] {
        let new = |c| LearnableCurvature::<F>::new_as(parametrisation, c, &device);
        let mut learned = new(0.1).unwrap();
        let c = learned.value();
        assert!((values(c.clone())[0] - 0.1).abs() < 1e-7);
        let grads = c.backward();
        let grad = learned.parameter.val().grad(&grads).unwrap();
        assert!(
            (values(grad)[0] - slope).abs() < 1e-6,
            "{parametrisation:?}"
        );
        for theta in [-200.0, 200.0] {
            let moved = |t: Tensor<F, 1>| Tensor::full_like(&t, theta);
            learned.parameter = learned.parameter.map(moved);
            let c = values(learned.value())[0];
            match parametrisation {
                CurvatureParametrisation::BoundedLog { .. } => {
                    assert!((0.01 - 1e-8..=1.0 + 1e-6).contains(&c), "{c}");
                }
                _ => assert!(c.is_finite() && c >= 0.0, "{c}"),
            }
        }
        for c in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(new(c).is_err(), "{parametrisation:?} {c}");
        }
        let reaches_0 = parametrisation == CurvatureParametrisation::Absolute;
        assert_eq!(new(0.0).is_ok(), reaches_0);
    }
    let c = |values: &[f32]| Tensor::<F, 1>::from_floats(values, &device);
    assert!(PoincareBall::with_curvature(c(&[0.1, 0.2])).is_err());
    let below = PoincareBall::with_curvature(c(&[-0.1])).unwrap();
    let [x, y, _] = inputs::<F>();
    assert!(values(below.dist(x, y))[0].is_nan());
}
