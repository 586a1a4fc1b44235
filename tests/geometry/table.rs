//! Every operation on tensors, for the tests that ask the same of all of them.

use burn::module::{AutodiffModule, Param, ParamId, RunningState};
use burn::tensor::{DType, Int, Tensor, TensorData};
use hypad::geometry::nn::*;
use hypad::geometry::{Klein, Lorentz, PoincareBall, WrappedNormal};

use super::common::*;

/// What an input is; its rows are points or vectors but where it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Point,
    Vector,
    /// Of length 1.
    Unit,
    /// One positive number a row.
    Weight,
    /// `[2, n]`.
    Matrix,
    /// `[n, 2]`: the normals of two planes.
    Normals,
    /// `[2n, 2]`: the normals of a convolution over two pixels.
    WindowNormals,
    /// `[1, 2]`: the offsets of two planes.
    Offsets,
    /// `[1, n]`.
    OneVector,
    /// `[1, 1]`, positive.
    Number,
}

use Kind::*;

/// Rows of an input.
pub const ROWS: usize = 3;

impl Kind {
    pub fn shape(self, n: usize) -> [usize; 2] {
        match self {
            Point | Vector | Unit => [ROWS, n],
            Weight => [ROWS, 1],
            Matrix => [2, n],
            Normals => [n, 2],
            WindowNormals => [2 * n, 2],
            Offsets => [1, 2],
            OneVector => [1, n],
            Number => [1, 1],
        }
    }

    /// Ordinary values, the same at every call: rows of length 0.3 to 0.6.
    pub fn values(self, n: usize, input: usize) -> Vec<f64> {
        let [rows, columns] = self.shape(n);
        let value =
            |row: usize, k: usize| (1.3 + 7.7 * k as f64 + 2.9 * row as f64 + input as f64).sin();
        let rows = (0..rows).flat_map(|row| {
            let mut line: Vec<f64> = (0..columns).map(|k| value(row, k)).collect();
            let length = match self {
                Unit => 1.0,
                // So that no plane is steep.
                Normals | WindowNormals => 0.5 / (rows as f64).sqrt(),
                _ => 0.3 + 0.1 * ((row + input) % 4) as f64,
            };
            let scale = length / norm(&line);
            for v in &mut line {
                *v *= scale;
                if matches!(self, Weight | Number) {
                    *v = 0.5 + v.abs();
                }
            }
            line
        });
        rows.collect()
    }
}

/// An operation and its inputs.
pub struct Operation<B: Tested> {
    pub name: &'static str,
    pub inputs: &'static [Kind],
    pub apply: fn(&PoincareBall, Vec<Tensor<B, 2>>) -> Tensor<B, 2>,
    /// Whether it is made for coordinates on any axis.
    pub any_axis: bool,
}

fn fixed<T, const N: usize>(inputs: Vec<T>) -> [T; N] {
    inputs
        .try_into()
        .unwrap_or_else(|_| panic!("another number of inputs"))
}

macro_rules! table {
    ($any_axis:expr; $($name:literal [$($kind:ident),*] |$ball:ident, $inputs:pat_param| $body:expr;)*) => {
        vec![$(Operation {
            name: $name,
            inputs: &[$($kind),*],
            apply: |$ball, inputs| {
                let $inputs = fixed(inputs);
                $body
            },
            any_axis: $any_axis,
        }),*]
    };
}

fn ball<B: Tested>() -> Vec<Operation<B>> {
    table! { true;
        "mobius_add" [Point, Point] |ball, [x, y]| ball.mobius_add(x, y);
        "mobius_sub" [Point, Point] |ball, [x, y]| ball.mobius_sub(x, y);
        "mobius_coadd" [Point, Point] |ball, [x, y]| ball.mobius_coadd(x, y);
        "mobius_cosub" [Point, Point] |ball, [x, y]| ball.mobius_cosub(x, y);
        "gyration" [Point, Point, Vector] |ball, [x, y, z]| ball.gyration(x, y, z);
        "mobius_scalar_mul" [Point] |ball, [x]| ball.mobius_scalar_mul(-1.7, x);
        "mobius_pointwise_mul" [Vector, Point] |ball, [w, x]| ball.mobius_pointwise_mul(w, x);
        "mobius_fn_apply" [Point] |ball, [x]| ball.mobius_fn_apply(Tensor::tanh, x);
        "antipode" [Point] |ball, [x]| ball.antipode(x);
        "expmap0" [Vector] |ball, [v]| ball.expmap0(v);
        "logmap0" [Point] |ball, [y]| ball.logmap0(y);
        "expmap" [Point, Vector] |ball, [x, v]| ball.expmap(x, v);
        "logmap" [Point, Point] |ball, [x, y]| ball.logmap(x, y);
        "geodesic" [Point, Point] |ball, [x, y]| ball.geodesic(0.3, x, y);
        "geodesic_unit" [Point, Vector] |ball, [x, u]| ball.geodesic_unit(0.7, x, u);
        "retraction" [Point, Vector] |ball, [x, v]| ball.retraction(x, v);
        "lambda_x" [Point] |ball, [x]| ball.lambda_x(x);
        "inner" [Point, Vector, Vector] |ball, [x, u, v]| ball.inner(x, u, v);
        "norm" [Point, Vector] |ball, [x, v]| ball.norm(x, v);
        "clip" [Vector] |ball, [v]| ball.clip(0.1, v);
        "clip, too far" [Vector] |ball, [v]| ball.clip(100.0, v);
        "egrad2rgrad" [Point, Vector] |ball, [x, g]| ball.egrad2rgrad(x, g);
        "ptransp" [Point, Point, Vector] |ball, [x, y, v]| ball.ptransp(x, y, v);
        "ptransp0" [Point, Vector] |ball, [y, v]| ball.ptransp0(y, v);
        "ptransp0back" [Point, Vector] |ball, [x, v]| ball.ptransp0back(x, v);
        "dist" [Point, Point] |ball, [x, y]| ball.dist(x, y);
        "dist0" [Point] |ball, [x]| ball.dist0(x);
        "dist_expmap0" [Vector, Vector] |ball, [u, v]| ball.dist_expmap0(u, v);
        "dist2plane" [Point, Point, Vector] |ball, [x, p, a]| ball.dist2plane(x, p, a);
        "busemann" [Point, Unit] |ball, [x, w]| ball.busemann(x, w);
        "project" [Point] |ball, [x]| ball.project(x);
        "project_within" [Point] |ball, [x]| ball.project_within(0.7, x);
    }
}

fn lorentz<B: Tested>() -> Vec<Operation<B>> {
    table! { true;
        "Lorentz::dist" [Vector, Vector] |ball, [x, y]| Lorentz::from(*ball).dist(x, y);
        "Lorentz::dist0" [Vector] |ball, [x]| Lorentz::from(*ball).dist0(x);
        "Lorentz::expmap0" [Vector] |ball, [v]| Lorentz::from(*ball).expmap0(v);
        "Lorentz::logmap0" [Vector] |ball, [x]| Lorentz::from(*ball).logmap0(x);
        "Lorentz::expmap" [Vector, Vector] |ball, [x, v]| Lorentz::from(*ball).expmap(x, v);
        "Lorentz::logmap" [Vector, Vector] |ball, [x, y]| Lorentz::from(*ball).logmap(x, y);
        "Lorentz::geodesic" [Vector, Vector] |ball, [x, y]| Lorentz::from(*ball).geodesic(0.3, x, y);
        "Lorentz::geodesic_unit" [Vector, Vector] |ball, [x, u]| Lorentz::from(*ball).geodesic_unit(0.7, x, u);
        "Lorentz::inner" [Vector, Vector, Vector] |ball, [x, u, v]| Lorentz::from(*ball).inner(x, u, v);
        "Lorentz::norm" [Vector, Vector] |ball, [x, v]| Lorentz::from(*ball).norm(x, v);
        "Lorentz::egrad2rgrad" [Vector, Vector] |ball, [x, g]| Lorentz::from(*ball).egrad2rgrad(x, g);
        "Lorentz::ptransp" [Vector, Vector, Vector] |ball, [x, y, v]| Lorentz::from(*ball).ptransp(x, y, v);
        "Lorentz::ptransp0" [Vector, Vector] |ball, [y, v]| Lorentz::from(*ball).ptransp0(y, v);
        "Lorentz::ptransp0back" [Vector, Vector] |ball, [x, v]| Lorentz::from(*ball).ptransp0back(x, v);
        "Lorentz::from_ball" [Point] |ball, [x]| Lorentz::from(*ball).from_ball(x);
        "Lorentz::to_ball" [Vector] |ball, [x]| Lorentz::from(*ball).to_ball(x);
        "Lorentz::to_ambient" [Vector] |ball, [x]| Lorentz::from(*ball).to_ambient(x);
        "Lorentz::time" [Vector] |ball, [x]| Lorentz::from(*ball).time(x);
    }
}

fn klein<B: Tested>() -> Vec<Operation<B>> {
    table! { true;
        "Klein::from_ball" [Point] |ball, [x]| Klein::from(*ball).from_ball(x);
        "Klein::to_ball" [Point] |ball, [x]| Klein::from(*ball).to_ball(x);
        "Klein::from_lorentz" [Vector] |ball, [x]| Klein::from(*ball).from_lorentz(x);
        "Klein::to_lorentz" [Point] |ball, [x]| Klein::from(*ball).to_lorentz(x);
        "Klein::einstein_add" [Point, Point] |ball, [x, y]| Klein::from(*ball).einstein_add(x, y);
        "Klein::dist" [Point, Point] |ball, [x, y]| Klein::from(*ball).dist(x, y);
        "Klein::dist0" [Point] |ball, [x]| Klein::from(*ball).dist0(x);
        "Klein::inner" [Point, Vector, Vector] |ball, [x, u, v]| Klein::from(*ball).inner(x, u, v);
        "Klein::norm" [Point, Vector] |ball, [x, v]| Klein::from(*ball).norm(x, v);
        "Klein::egrad2rgrad" [Point, Vector] |ball, [x, g]| Klein::from(*ball).egrad2rgrad(x, g);
        "Klein::ptransp" [Point, Point, Vector] |ball, [x, y, v]| Klein::from(*ball).ptransp(x, y, v);
        "Klein::geodesic" [Point, Point] |ball, [x, y]| Klein::from(*ball).geodesic(0.3, x, y);
        "Klein::expmap0" [Vector] |ball, [v]| Klein::from(*ball).expmap0(v);
        "Klein::logmap0" [Point] |ball, [x]| Klein::from(*ball).logmap0(x);
        "Klein::expmap" [Point, Vector] |ball, [x, v]| Klein::from(*ball).expmap(x, v);
        "Klein::logmap" [Point, Point] |ball, [x, y]| Klein::from(*ball).logmap(x, y);
    }
}

/// Operations whose coordinates are on the last axis.
fn of_rows<B: Tested>() -> Vec<Operation<B>> {
    table! { false;
        "mobius_matvec" [Matrix, Point] |ball, [m, x]| ball.mobius_matvec(m, x);
        "pairwise_dist" [Point, Point] |ball, [x, y]| ball.pairwise_dist(x, y);
        "Lorentz::pairwise_dist" [Vector, Vector] |ball, [x, y]| Lorentz::from(*ball).pairwise_dist(x, y);
        "Klein::pairwise_dist" [Point, Point] |ball, [x, y]| Klein::from(*ball).pairwise_dist(x, y);
        "Lorentz::from_ambient" [Vector] |ball, [x]| Lorentz::from(*ball).from_ambient(x);
        "midpoint" [Point, Weight] |ball, [x, w]| ball.midpoint(x, w, 0);
        "Lorentz::midpoint" [Vector, Weight] |ball, [x, w]| Lorentz::from(*ball).midpoint(x, w, 0);
        "Klein::midpoint" [Point, Weight] |ball, [x, w]| Klein::from(*ball).midpoint(x, w, 0);
        "frechet_mean" [Point, Weight] |ball, [x, w]| ball.frechet_mean(x, w, 0);
        "frechet_variance" [Point, Weight, OneVector] |ball, [x, w, m]| ball.frechet_variance(x, w, m, 0);
        "concat" [Point, Point] |ball, [x, y]| ball.concat(vec![x, y]);
        "split" [Point] |ball, [x]| {
            let n = x.dims()[1];
            Tensor::cat(ball.split(x, &[n - 1, 1]), 1)
        };
        "ExpMap" [Vector] |ball, [v]| ExpMap::new(*ball, None).unwrap().forward(v);
        "ExpMap, clipped" [Vector] |ball, [v]| ExpMap::new(*ball, Some(0.1)).unwrap().forward(v);
        "PoincareLinear" [Point, Normals, Offsets] |ball, [x, z, r]| {
            let config = PoincareLinearConfig::new(x.dims()[1], 2, ball.c());
            let mut layer = config.init::<B>(&x.device()).unwrap();
            layer.planes.z = parameter(z);
            layer.planes.r = parameter(r);
            layer.forward(x)
        };
        "PoincareMlr" [Point, Normals, Offsets] |ball, [x, z, r]| {
            let config = PoincareMlrConfig::new(x.dims()[1], 2, ball.c());
            let mut layer = config.init::<B>(&x.device()).unwrap();
            layer.planes.z = parameter(z);
            layer.planes.r = parameter(r);
            layer.forward(x)
        };
        "PoincareConv2d" [Point, WindowNormals, Offsets] |ball, [x, z, r]| {
            // One image of a column of pixels.
            let [rows, n] = x.dims();
            let config = PoincareConv2dConfig::new([n, 2], [2, 1], ball.c());
            let mut layer = config.init::<B>(&x.device()).unwrap();
            layer.linear.planes.z = parameter(z);
            layer.linear.planes.r = parameter(r);
            let out = layer.forward(x.transpose().reshape([1, n, rows, 1]));
            out.reshape([2, rows - 1]).transpose()
        };
        "BallBatchNorm, training" [Point, OneVector, Number] |ball, [x, beta, gamma]| {
            let config = BallBatchNormConfig::new(x.dims()[1], ball.c());
            let mut layer = config.init::<B>(&x.device()).unwrap();
            // The type of the input is that of the running statistics.
            let number = gamma.clone().detach().reshape([1]).ones_like();
            layer.running_mean = RunningState::new(beta.clone().detach().zeros_like());
            layer.running_var = RunningState::new(number);
            layer.beta = parameter(beta);
            layer.gamma = Param::initialized(ParamId::new(), gamma.reshape([1]));
            layer.forward(x)
        };
        "BallBatchNorm, running statistics" [Point, OneVector, Number, OneVector, Number] |ball, [x, beta, gamma, mean, var]| {
            let config = BallBatchNormConfig::new(x.dims()[1], ball.c());
            let mut layer = config.init::<B>(&x.device()).unwrap();
            layer.beta = parameter(beta);
            layer.gamma = Param::initialized(ParamId::new(), gamma.reshape([1]));
            layer.running_mean = RunningState::new(mean);
            layer.running_var = RunningState::new(var.reshape([1]));
            Tensor::from_inner(layer.valid().forward(x.inner()))
        };
        "BallEmbedding" [Point] |ball, [x]| {
            let [rows, n] = x.dims();
            let device = x.device();
            let config = BallEmbeddingConfig::new(rows, n, ball.c());
            let mut layer = config.init::<B>(&device).unwrap();
            layer.points.points = parameter(x);
            let all = Tensor::<B, 1, Int>::arange(0..rows as i64, &device);
            layer.forward(all.unsqueeze()).squeeze_dim(0)
        };
        "Prototypes" [Point, Point] |ball, [x, p]| {
            let [rows, n] = p.dims();
            let config = PrototypesConfig::new(n, rows, ball.c());
            let mut layer = config.init::<B>(&x.device()).unwrap();
            layer.prototypes.points = parameter(p);
            layer.forward(x)
        };
        "WrappedNormal::log_prob" [Point, Point] |ball, [mean, z]| {
            let std = mean.clone().detach().narrow(1, 0, 1).full_like(0.375);
            WrappedNormal::new(*ball, mean, std).unwrap().log_prob(z)
        };
    }
}

fn parameter<B: Tested>(tensor: Tensor<B, 2>) -> Param<Tensor<B, 2>> {
    Param::initialized(ParamId::new(), tensor)
}

/// All of them.
pub fn operations<B: Tested>() -> Vec<Operation<B>> {
    [ball(), lorentz(), klein(), of_rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// An output and the gradients by the inputs of a weighted sum of it, by row.
pub struct Outcome {
    /// The output first.
    pub parts: Vec<Vec<Vec<f64>>>,
}

fn rows<B: Tested>(tensor: Tensor<B, 2>) -> Vec<Vec<f64>> {
    let columns = tensor.dims()[1].max(1);
    values(tensor)
        .chunks(columns)
        .map(<[f64]>::to_vec)
        .collect()
}

/// Runs an operation on these inputs; `across` with the coordinates on the first axis.
pub fn outcome<B: Tested>(
    operation: &Operation<B>,
    c: f64,
    n: usize,
    inputs: &[Vec<f64>],
    dtype: DType,
    across: bool,
) -> Outcome {
    let ball = PoincareBall::new(c).unwrap();
    let device = B::Device::default();
    let leaves: Vec<Tensor<B, 2>> = operation
        .inputs
        .iter()
        .zip(inputs)
        .map(|(kind, values)| {
            let data = TensorData::new(values.clone(), kind.shape(n));
            Tensor::from_data(data, (&device, dtype)).require_grad()
        })
        .collect();
    let output = if across {
        let inputs = leaves.iter().map(|leaf| leaf.clone().transpose());
        (operation.apply)(&ball.along(0), inputs.collect()).transpose()
    } else {
        (operation.apply)(&ball, leaves.clone())
    };
    let size = output.dims().iter().product::<usize>();
    let weights: Vec<f64> = (0..size).map(|k| (0.7 + 1.9 * k as f64).sin()).collect();
    let weights = TensorData::new(weights, output.dims());
    let weights = Tensor::from_data(weights, (&device, output.dtype()));
    let grads = (output.clone() * weights).sum().backward();
    let mut parts = vec![rows(output)];
    for leaf in leaves {
        parts.push(match leaf.grad(&grads) {
            Some(grad) => rows(Tensor::<B, 2>::from_inner(grad)),
            None => vec![vec![0.0; leaf.dims()[1]]; leaf.dims()[0]],
        });
    }
    Outcome { parts }
}
