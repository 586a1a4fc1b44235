//! What the tests share: an operation applied to rows, with its gradients.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData, backend::AutodiffBackend, backend::Backend};
use hypad::geometry::{HyperbolicBackend, Klein, Lorentz, PoincareBall};

/// The backend of the tests that look at the mathematics rather than at a backend.
pub type F = Autodiff<Flex>;

/// A backend that the tests run on.
pub trait Tested: AutodiffBackend<InnerBackend: HyperbolicBackend> + HyperbolicBackend {}
impl<B: AutodiffBackend<InnerBackend: HyperbolicBackend> + HyperbolicBackend> Tested for B {}

/// An operation on up to three rows.
pub type Op<B> = fn(&PoincareBall, [Tensor<B, 2>; 3]) -> Tensor<B, 2>;

pub fn row<B: Backend>(values: &[f64], dtype: DType) -> Tensor<B, 2> {
    let data = TensorData::new(values.to_vec(), [1, values.len()]);
    Tensor::from_data(data, (&B::Device::default(), dtype))
}

pub fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The output, and the gradients of its sum by the inputs.
pub fn run<B: Tested>(
    op: Op<B>,
    c: f64,
    inputs: [&[f64]; 3],
    dtype: DType,
) -> (Vec<f64>, [Vec<f64>; 3]) {
    let ball = PoincareBall::new(c).unwrap();
    let inputs = inputs.map(|input| row::<B>(input, dtype).require_grad());
    let output = op(&ball, inputs.clone());
    let grads = output.backward();
    let grads = inputs.map(|input| match input.grad(&grads) {
        Some(grad) => values(grad),
        None => vec![0.0; input.dims()[1]],
    });
    (values(output), grads)
}

/// The operation of a name, and the names of its inputs.
pub fn operation<B: Tested>(name: &str) -> (Op<B>, [&'static str; 3]) {
    match name {
        "mobius_add" => (|ball, [x, y, _]| ball.mobius_add(x, y), ["x", "y", "y"]),
        "mobius_coadd" => (|ball, [x, y, _]| ball.mobius_coadd(x, y), ["x", "y", "y"]),
        "expmap0" => (|ball, [v, ..]| ball.expmap0(v), ["v"; 3]),
        "logmap0" => (|ball, [y, ..]| ball.logmap0(y), ["y"; 3]),
        "expmap" => (|ball, [x, v, _]| ball.expmap(x, v), ["x", "v", "v"]),
        "logmap" => (|ball, [x, y, _]| ball.logmap(x, y), ["x", "y", "y"]),
        "project" => (|ball, [x, ..]| ball.project(x), ["x"; 3]),
        "mobius_scalar_mul" => (
            |ball, [x, r, _]| ball.mobius_scalar_mul(values(r)[0], x),
            ["x", "r", "r"],
        ),
        "dist" => (|ball, [x, y, _]| ball.dist(x, y), ["x", "y", "y"]),
        "dist0" => (|ball, [x, ..]| ball.dist0(x), ["x"; 3]),
        "dist_expmap0" => (|ball, [u, v, _]| ball.dist_expmap0(u, v), ["u", "v", "v"]),
        "pairwise_dist" => (|ball, [x, y, _]| ball.pairwise_dist(x, y), ["x", "y", "y"]),
        "gyration" => (|ball, [x, y, z]| ball.gyration(x, y, z), ["x", "y", "z"]),
        "ptransp" => (|ball, [x, y, v]| ball.ptransp(x, y, v), ["x", "y", "v"]),
        "ptransp0" => (|ball, [y, v, _]| ball.ptransp0(y, v), ["y", "v", "v"]),
        "ptransp0back" => (|ball, [x, v, _]| ball.ptransp0back(x, v), ["x", "v", "v"]),
        "geodesic" => (|ball, [x, y, _]| ball.geodesic(0.3, x, y), ["x", "y", "y"]),
        "geodesic_unit" => (
            |ball, [x, u, _]| ball.geodesic_unit(0.7, x, u),
            ["x", "v", "v"],
        ),
        "dist2plane" => (|ball, [x, p, a]| ball.dist2plane(x, p, a), ["x", "y", "v"]),
        "busemann" => (
            |ball, [x, w, _]| {
                let norm = w.clone().square().sum_dim(1).add_scalar(1e-30).sqrt();
                ball.busemann(x, w / norm)
            },
            ["x", "v", "v"],
        ),
        "lambda_x" => (|ball, [x, ..]| ball.lambda_x(x), ["x"; 3]),
        "inner" => (|ball, [x, u, v]| ball.inner(x, u, v), ["x", "u", "v"]),
        "norm" => (|ball, [x, v, _]| ball.norm(x, v), ["x", "v", "v"]),
        "egrad2rgrad" => (|ball, [x, g, _]| ball.egrad2rgrad(x, g), ["x", "v", "v"]),
        "retraction" => (|ball, [x, v, _]| ball.retraction(x, v), ["x", "v", "v"]),
        "midpoint" => (
            |ball, [x, y, z]| {
                let points = Tensor::cat(vec![x, y, z], 0);
                let weights = Tensor::from_floats([[1.0], [2.5], [0.5]], &points.device());
                ball.midpoint(points.clone(), weights.cast(points.dtype()), 0)
            },
            ["x", "y", "z"],
        ),
        "frechet_mean" => (
            |ball, [x, y, z]| {
                let points = Tensor::cat(vec![x, y, z], 0);
                let weights = Tensor::from_floats([[1.0], [2.5], [0.5]], &points.device());
                ball.frechet_mean(points.clone(), weights.cast(points.dtype()), 0)
            },
            ["x", "y", "z"],
        ),
        "frechet_variance" => (
            |ball, [x, y, z]| {
                let points = Tensor::cat(vec![x, y], 0);
                let weights = Tensor::from_floats([[1.0], [2.5]], &points.device());
                ball.frechet_variance(points.clone(), weights.cast(points.dtype()), z, 0)
            },
            ["x", "y", "z"],
        ),
        "concat" => (|ball, inputs| ball.concat(inputs.into()), ["x", "y", "z"]),
        "lorentz_dist" => (
            |ball, [x, y, _]| Lorentz::from(*ball).dist(x, y),
            ["x", "y", "y"],
        ),
        "lorentz_expmap" => (
            |ball, [x, v, _]| Lorentz::from(*ball).expmap(x, v),
            ["x", "v", "v"],
        ),
        "lorentz_logmap" => (
            |ball, [x, y, _]| Lorentz::from(*ball).logmap(x, y),
            ["x", "y", "y"],
        ),
        "lorentz_ptransp" => (
            |ball, [x, y, v]| Lorentz::from(*ball).ptransp(x, y, v),
            ["x", "y", "v"],
        ),
        "lorentz_geodesic" => (
            |ball, [x, y, _]| Lorentz::from(*ball).geodesic(0.3, x, y),
            ["x", "y", "y"],
        ),
        "lorentz_midpoint" => (
            |ball, [x, y, z]| {
                let points = Tensor::cat(vec![x, y, z], 0);
                let weights = Tensor::from_floats([[1.0], [2.5], [0.5]], &points.device());
                Lorentz::from(*ball).midpoint(points.clone(), weights.cast(points.dtype()), 0)
            },
            ["x", "y", "z"],
        ),
        "klein_dist" => (
            |ball, [x, y, _]| Klein::from(*ball).dist(x, y),
            ["x", "y", "y"],
        ),
        "klein_expmap" => (
            |ball, [x, v, _]| Klein::from(*ball).expmap(x, v),
            ["x", "v", "v"],
        ),
        "klein_logmap" => (
            |ball, [x, y, _]| Klein::from(*ball).logmap(x, y),
            ["x", "y", "y"],
        ),
        other => panic!("no operation {other}"),
    }
}

/// Every name that [`operation`] knows but the two that take a number or iterate.
pub const OPERATIONS: [&str; 24] = [
    "mobius_add",
    "mobius_coadd",
    "expmap0",
    "logmap0",
    "expmap",
    "logmap",
    "project",
    "dist",
    "dist0",
    "dist_expmap0",
    "pairwise_dist",
    "gyration",
    "ptransp",
    "ptransp0",
    "ptransp0back",
    "geodesic",
    "geodesic_unit",
    "dist2plane",
    "busemann",
    "lambda_x",
    "inner",
    "norm",
    "egrad2rgrad",
    "midpoint",
];

pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Largest difference, relative to the largest expected component.
pub fn error(ours: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let size = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let differences = ours.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let difference = differences.fold(0.0, f64::max);
    if difference == 0.0 {
        0.0
    } else {
        difference / size.max(1e-30)
    }
}
