//! The ball's operations on Flex and NdArray: against cases computed at 60 digits, by identities
//! on random points, and for finite gradients where formulas are singular.

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::{DType, ElementConversion, Tensor, TensorData, backend::AutodiffBackend};
use hypad::geometry::{HyperbolicBackend, PoincareBall};
use proptest::prelude::*;
use serde_json::Value;

type Binary<B> = fn(&PoincareBall, Tensor<B, 2>, Tensor<B, 2>) -> Tensor<B, 2>;

fn row<B: AutodiffBackend + HyperbolicBackend>(values: &[f64], dtype: DType) -> Tensor<B, 2> {
    let data = TensorData::new(values.to_vec(), [1, values.len()]);
    Tensor::from_data(data, (&B::Device::default(), dtype)).require_grad()
}

fn values<B: burn::tensor::backend::Backend>(tensor: Tensor<B, 2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Output and both gradients of the sum of the output.
fn run<B: AutodiffBackend + HyperbolicBackend>(
    op: Binary<B>,
    c: f64,
    a: &[f64],
    b: &[f64],
    dtype: DType,
) -> [Vec<f64>; 3] {
    let ball = PoincareBall::new(c).unwrap();
    let (a, b) = (row::<B>(a, dtype), row::<B>(b, dtype));
    let output = op(&ball, a.clone(), b.clone());
    let grads = output.backward();
    let zeros = |t: &Tensor<B, 2>| vec![0.0; t.dims()[1]];
    [
        values(output),
        a.grad(&grads).map_or_else(|| zeros(&a), values),
        b.grad(&grads).map_or_else(|| zeros(&b), values),
    ]
}

/// The operation of a name, and the names of its inputs.
fn operation<B: AutodiffBackend + HyperbolicBackend>(
    name: &str,
) -> Option<(Binary<B>, [&'static str; 2])> {
    Some(match name {
        "mobius_add" => (|ball, x, y| ball.mobius_add(x, y), ["x", "y"]),
        "expmap0" => (|ball, v, _| ball.expmap0(v), ["v", "v"]),
        "logmap0" => (|ball, y, _| ball.logmap0(y), ["y", "y"]),
        "expmap" => (|ball, x, v| ball.expmap(x, v), ["x", "v"]),
        "logmap" => (|ball, x, y| ball.logmap(x, y), ["x", "y"]),
        "mobius_scalar_mul" => (
            |ball, x, r| ball.mobius_scalar_mul(r.into_scalar().elem(), x),
            ["x", "r"],
        ),
        "dist" => (|ball, x, y| ball.dist(x, y), ["x", "y"]),
        "dist_expmap0" => (|ball, u, v| ball.dist_expmap0(u, v), ["u", "v"]),
        _ => return None,
    })
}

fn list(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().map(|v| v.as_f64().unwrap()).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// Largest difference, relative to the largest expected component.
fn error(ours: &[f64], expected: &[f64]) -> f64 {
    let size = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let differences = ours.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let difference = differences.fold(0.0, f64::max);
    if difference == 0.0 {
        0.0
    } else {
        difference / size.max(1e-30)
    }
}

/// 1 − c‖x‖², for the error that rounding x·x alone causes near the rim.
fn rim_gap(c: f64, x: &[f64]) -> f64 {
    (1.0 - c * x.iter().map(|v| v * v).sum::<f64>())
        .abs()
        .max(1e-12)
}

/// Whether the vectors lie on one line through the origin, on the same side, beyond √c‖u‖ = 1:
/// the pairs for which the tangent form is ill-conditioned.
fn radial_and_far(c: f64, u: &[f64], v: &[f64]) -> bool {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (uu, vv, uv) = (dot(u, u), dot(v, v), dot(u, v));
    uv > 0.0 && uu * vv - uv * uv < 1e-6 * uu * vv && c * uu.max(vv) > 1.0
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn cases<B: AutodiffBackend + HyperbolicBackend>(dtype: DType, epsilon: f64) {
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases/ball.json")).unwrap();
    assert!(cases.len() > 800);
    for case in &cases {
        let name = case["op"].as_str().unwrap();
        let (op, inputs) = operation::<B>(name).unwrap();
        let [a, b] = inputs.map(|input| list(&case[input]));
        let c = case["c"].as_f64().unwrap();
        let [output, grad_a, grad_b] = run::<B>(op, c, &a, &b, dtype);
        let finite = output
            .iter()
            .chain(&grad_a)
            .chain(&grad_b)
            .all(|v| v.is_finite());
        assert!(finite, "{case}");

        let tolerance = match name {
            // The gradient of vectors on one ray: the tangential part cancels.
            "dist_expmap0" if radial_and_far(c, &a, &b) => 100.0 * epsilon,
            // Two rounded operations, the second near the rim.
            "expmap" | "logmap" => {
                8.0 * epsilon + 4.0 * epsilon / rim_gap(c, &a).min(rim_gap(c, &b))
            }
            _ => 8.0 * epsilon,
        };
        let e = error(&output, &list(&case["out"]));
        assert!(
            e <= tolerance,
            "{name} {dtype:?}: {e:.2e} > {tolerance:.2e} for {case}"
        );
        for (input, grad) in [(inputs[0], grad_a), (inputs[1], grad_b)] {
            if let Some(expected) = case.get(format!("grad_{input}")) {
                let e = error(&grad, &list(expected));
                assert!(
                    e <= tolerance,
                    "∂{input} {dtype:?}: {e:.2e} > {tolerance:.2e} for {case}"
                );
            }
        }
    }
}

#[test]
fn cases_at_sixty_digits() {
    for (dtype, epsilon) in [
        (DType::F32, f32::EPSILON.into()),
        (DType::F64, f64::EPSILON),
    ] {
        cases::<Autodiff<Flex>>(dtype, epsilon);
        cases::<Autodiff<NdArray>>(dtype, epsilon);
    }
}

/// Finite values and gradients where the formulas divide zero by zero, at the rim and beyond it.
fn finite_everywhere<B: AutodiffBackend + HyperbolicBackend>() {
    let zero = [0.0, 0.0, 0.0];
    let near = [0.3, -0.2, 0.1];
    let next = [0.3, -0.2, 0.100_000_01];
    let tiny = [1e-20, 0.0, -1e-20];
    for c in [0.0_f64, 1e-30, 1e-15, 1e-4, 0.01, 1.0, 10.0] {
        // On the rim of the unit ball's radius 1/sqrt(c), rounded either way, and far outside.
        let rim = [if c > 1e-4 { 1.0 / c.sqrt() } else { 1.0 }, 0.0, 0.0];
        let opposite = rim.map(|v: f64| -v);
        let far = [30.0, -40.0, 50.0];
        let points = [zero, near, next, tiny, rim, opposite, far];
        for name in [
            "mobius_add",
            "expmap0",
            "logmap0",
            "expmap",
            "logmap",
            "dist",
            "dist_expmap0",
        ] {
            let (op, _) = operation::<B>(name).unwrap();
            for dtype in [DType::F32, DType::F64] {
                for a in &points {
                    for b in &points {
                        let results = run::<B>(op, c, a, b, dtype);
                        let finite = results.iter().flatten().all(|v| v.is_finite());
                        assert!(finite, "{name} {dtype:?} c = {c} {a:?} {b:?}: {results:?}");
                    }
                }
            }
        }
        for name in ["dist", "dist_expmap0"] {
            let (op, _) = operation::<B>(name).unwrap();
            for point in &points {
                let [d, grad_a, grad_b] = run::<B>(op, c, point, point, DType::F32);
                assert_eq!(d, [0.0], "{name} c = {c} {point:?}");
                assert!(grad_a.iter().chain(&grad_b).all(|v| *v == 0.0));
            }
        }
    }
}

#[test]
fn gradients_are_finite_everywhere() {
    finite_everywhere::<Autodiff<Flex>>();
    finite_everywhere::<Autodiff<NdArray>>();
}

/// At the origin both maps are the identity, and so are their Jacobians.
#[test]
fn maps_at_the_origin_have_gradient_one() {
    for name in ["expmap0", "logmap0"] {
        let (op, _) = operation::<Autodiff<Flex>>(name).unwrap();
        for c in [0.0, 0.01, 3.0] {
            let [output, grad, _] = run(op, c, &[0.0; 4], &[0.0; 4], DType::F32);
            assert_eq!((output, grad), (vec![0.0; 4], vec![1.0; 4]));
        }
    }
}

/// Published test vectors of the HypAD regime, and the limit c = 0.
#[test]
fn distances_of_known_pairs() {
    let known = [
        ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 0.01, 2.8377894403),
        ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 0.1, 2.9163433462),
        ([0.3, -0.2, 0.1], [0.3, -0.2, 0.1001], 0.5, 0.0002088031),
        ([0.5, 0.5, 0.0], [-0.5, -0.5, 0.0], 0.05, 2.8284271247),
        ([1.0, 2.0, 2.0], [0.0, 0.0, 0.0], 0.0, 6.0),
    ];
    for (u, v, c, expected) in known {
        let [d, ..] = run::<Autodiff<Flex>>(|b, u, v| b.dist_expmap0(u, v), c, &u, &v, DType::F64);
        assert!((d[0] - expected).abs() < 6e-11, "{d:?} {expected}");
    }
}

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

/// Three points of one dimension, at most `rho` of the way to the rim, and a curvature.
fn points(rho: f64) -> impl Strategy<Value = (f64, [Vec<f64>; 3])> {
    let c = prop::sample::select(vec![0.0, 1e-15, 1e-6, 1e-4, 0.01, 0.3, 1.0, 2.5, 10.0]);
    (c, 1..=16_usize).prop_flat_map(move |(c, n)| {
        let point =
            (prop::collection::vec(-1.0..1.0_f64, n), 0.0..rho).prop_map(move |(v, part)| {
                let radius = if c > 0.0 { 1.0 / f64::sqrt(c) } else { 1.0 };
                let norm = norm(&v).max(1e-9);
                v.into_iter()
                    .map(|x| x / norm * part * radius)
                    .collect::<Vec<f64>>()
            });
        (Just(c), [point.clone(), point.clone(), point])
    })
}

type F = Autodiff<Flex>;

fn apply(op: Binary<F>, c: f64, a: &[f64], b: &[f64]) -> Vec<f64> {
    let [output, grad_a, grad_b] = run::<F>(op, c, a, b, DType::F64);
    assert!(grad_a.iter().chain(&grad_b).all(|g| g.is_finite()));
    output
}

fn neg(x: &[f64]) -> Vec<f64> {
    x.iter().map(|v| -v).collect()
}

/// Largest difference in units of the ball's radius.
fn gap(c: f64, a: &[f64], b: &[f64]) -> f64 {
    let unit = if c > 0.0 { c.sqrt() } else { 1.0 };
    a.iter()
        .zip(b)
        .fold(0.0, |m: f64, (a, b)| m.max((a - b).abs() * unit))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn gyrogroup((c, [x, y, z]) in points(0.9)) {
        let add: Binary<F> = |ball, x, y| ball.mobius_add(x, y);
        let dist: Binary<F> = |ball, x, y| ball.dist(x, y);
        let zero = vec![0.0; x.len()];
        prop_assert!(gap(c, &apply(add, c, &zero, &x), &x) < 1e-15);
        prop_assert!(gap(c, &apply(add, c, &x, &zero), &x) < 1e-15);
        prop_assert!(gap(c, &apply(add, c, &neg(&x), &x), &zero) < 1e-15);
        let back = apply(add, c, &neg(&x), &apply(add, c, &x, &y));
        prop_assert!(gap(c, &back, &y) < 2e-13);
        let moved = apply(dist, c, &apply(add, c, &z, &x), &apply(add, c, &z, &y));
        prop_assert!(gap(c, &moved, &apply(dist, c, &x, &y)) < 2e-13);
    }

    #[test]
    fn maps_are_inverse((c, [x, y, _]) in points(0.9)) {
        let exp: Binary<F> = |ball, x, v| ball.expmap(x, v);
        let log: Binary<F> = |ball, x, y| ball.logmap(x, y);
        let exp0: Binary<F> = |ball, v, _| ball.expmap0(v);
        let log0: Binary<F> = |ball, y, _| ball.logmap0(y);
        let zero = vec![0.0; x.len()];
        prop_assert!(gap(c, &apply(exp, c, &x, &apply(log, c, &x, &y)), &y) < 2e-13);
        prop_assert!(gap(c, &apply(exp0, c, &apply(log0, c, &x, &x), &x), &x) < 2e-15);
        prop_assert!(gap(c, &apply(exp, c, &zero, &y), &apply(exp0, c, &y, &y)) < 1e-15);
    }

    #[test]
    fn distance_is_a_metric_of_unit_gradient((c, [x, y, z]) in points(0.9)) {
        let dist: Binary<F> = |ball, x, y| ball.dist(x, y);
        let [d, grad, _] = run::<F>(dist, c, &x, &y, DType::F64);
        prop_assert_eq!(&d, &apply(dist, c, &y, &x));
        let (dxz, dyz) = (apply(dist, c, &x, &z)[0], apply(dist, c, &y, &z)[0]);
        prop_assert!(dxz <= d[0] + dyz + 1e-12 * dxz);
        let lambda = 2.0 / (1.0 - c * x.iter().map(|v| v * v).sum::<f64>());
        let slope = norm(&grad) / lambda;
        prop_assert!(d[0] == 0.0 || (slope - 1.0).abs() < 1e-12, "{}", slope);
    }

    /// d_c(x, y) = d_1(sqrt(c) x, sqrt(c) y) / sqrt(c), and both distances agree.
    #[test]
    fn distance_scales_and_needs_no_ball((c, [x, y, _]) in points(0.9)) {
        let dist: Binary<F> = |ball, x, y| ball.dist(x, y);
        let tangent: Binary<F> = |ball, u, v| ball.dist_expmap0(u, v);
        let log0: Binary<F> = |ball, y, _| ball.logmap0(y);
        let d = apply(dist, c, &x, &y)[0];
        let (u, v) = (apply(log0, c, &x, &x), apply(log0, c, &y, &y));
        prop_assert!((apply(tangent, c, &u, &v)[0] - d).abs() <= 1e-12 * d);
        if c > 0.0 {
            let scaled = |x: &[f64]| x.iter().map(|v| v * c.sqrt()).collect::<Vec<f64>>();
            let unit = apply(dist, 1.0, &scaled(&x), &scaled(&y))[0] / c.sqrt();
            prop_assert!((unit - d).abs() <= 1e-13 * d);
        }
    }
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
