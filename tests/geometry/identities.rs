//! The identities of gyrovector spaces and of hyperbolic geometry, on random points.
//!
//! The limits are four times the largest error of the textbook formulas (asinh distance) over 4000
//! random points, in units of the ball's radius, at norms up to 0.5, 0.9 and 0.99 of it; nearer to
//! the boundary they grow as ε/(1 − ρ)ᵏ, with the k of each identity. No limit is below 8ε in f32 and 32ε
//! in f64, where rounding of the test itself counts. Every identity also has finite gradients.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData};
use hypad::geometry::{Klein, Lorentz, PoincareBall};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::common::*;

/// Rows of points and tangent vectors, and what the identities need besides.
struct Draw<B: Tested> {
    ball: PoincareBall,
    c: f64,
    /// √c, and 1 at c = 0.
    unit: f64,
    /// The largest norm, in units of the radius.
    rho: f64,
    /// Points.
    x: Tensor<B, 2>,
    y: Tensor<B, 2>,
    z: Tensor<B, 2>,
    /// Unit vectors.
    u: Tensor<B, 2>,
    v: Tensor<B, 2>,
    /// Factors in [−1, 1], and a time in [0, 1].
    r: [f64; 2],
    t: f64,
}

type T<B> = Tensor<B, 2>;

impl<B: Tested> Draw<B> {
    fn new(c: f64, n: usize, rho: f64, seed: u64, dtype: DType) -> Self {
        const ROWS: usize = 6;
        let mut random = StdRng::seed_from_u64(seed);
        let unit = if c > 0.0 { c.sqrt() } else { 1.0 };
        let mut rows = |length: &dyn Fn(usize, f64) -> f64| {
            let mut data = Vec::new();
            for index in 0..ROWS {
                let part = random.random_range(0.05..1.0);
                let direction: Vec<f64> = (0..n).map(|_| random.random_range(-1.0..1.0)).collect();
                let scale = length(index, part) / norm(&direction).max(1e-12);
                data.extend(direction.iter().map(|v| v * scale));
            }
            let data = TensorData::new(data, [ROWS, n]);
            Tensor::<B, 2>::from_data(data, (&B::Device::default(), dtype)).require_grad()
        };
        // One point of each is as far out as points go.
        let point = |far: usize| {
            move |index: usize, part: f64| if index == far { rho } else { rho * part } / unit
        };
        let (x, y, z) = (rows(&point(0)), rows(&point(1)), rows(&point(2)));
        let (u, v) = (rows(&|_, _| 1.0), rows(&|_, _| 1.0));
        Self {
            ball: PoincareBall::new(c).unwrap(),
            c,
            unit,
            rho,
            x,
            y,
            z,
            u,
            v,
            r: [
                random.random_range(-1.0..1.0),
                random.random_range(-1.0..1.0),
            ],
            t: random.random_range(0.0..1.0),
        }
    }

    fn points(&self) -> [T<B>; 3] {
        [self.x.clone(), self.y.clone(), self.z.clone()]
    }

    fn directions(&self) -> [T<B>; 2] {
        [self.u.clone(), self.v.clone()]
    }

    fn add(&self, x: T<B>, y: T<B>) -> T<B> {
        self.ball.mobius_add(x, y)
    }

    fn gyr(&self, x: T<B>, y: T<B>, z: T<B>) -> T<B> {
        self.ball.gyration(x, y, z)
    }

    fn mul(&self, r: f64, x: T<B>) -> T<B> {
        self.ball.mobius_scalar_mul(r, x)
    }

    fn d(&self, x: T<B>, y: T<B>) -> T<B> {
        self.ball.dist(x, y)
    }

    /// A tangent vector at x of this Riemannian length, in units of the radius.
    fn tangent(&self, x: T<B>, u: T<B>, length: f64) -> T<B> {
        u * self.ball.lambda_x(x).recip() * (length / self.unit)
    }

    /// Points at a distance of one radius of curvature. The other models are tested on these, and
    /// not at the boundary: their maps lose digits as e^(√c d), and their coordinates as 1/(1 − ρ)².
    fn near_pair(&self) -> Option<[T<B>; 2]> {
        let [x, ..] = self.points();
        let step = self.tangent(x.clone(), self.u.clone(), 1.0);
        (self.rho <= 0.99).then(|| [x.clone(), self.ball.expmap(x, step)])
    }

    /// A reflection: the identity less twice the projection on a unit vector.
    fn orthogonal(&self) -> T<B> {
        let h = self.u.clone().slice(0..1);
        let n = h.dims()[1];
        let eye = Tensor::<B, 2>::eye(n, &h.device()).cast(h.dtype());
        eye - h.clone().transpose().matmul(h) * 2.0
    }

    fn zeros(&self) -> T<B> {
        self.x.zeros_like()
    }
}

fn length<B: Tested>(x: T<B>) -> T<B> {
    // The derivative at 0 is not what is tested here.
    x.square().sum_dim(1).clamp_min(f32::MIN_POSITIVE).sqrt()
}

/// How the error of an identity grows towards the boundary.
type Power = i32;

type Identity<B> = (&'static str, Power, [f64; 6], fn(&Draw<B>) -> Tensor<B, 2>);

/// Name, power, largest errors (f32 at ρ = 0.5, 0.9, 0.99, then f64), and the deviation in units of
/// the radius, or relative where the name says so.
fn identities<B: Tested>() -> Vec<Identity<B>> {
    vec![
        ("left identity", 0, [0.0; 6], |p| {
            let [x, ..] = p.points();
            (p.add(p.zeros(), x.clone()) - x) * p.unit
        }),
        ("right identity", 0, [0.0; 6], |p| {
            let [x, ..] = p.points();
            (p.add(x.clone(), p.zeros()) - x) * p.unit
        }),
        (
            "left inverse",
            0,
            [4e-8, 4e-8, 4e-8, 7e-17, 7e-17, 7e-17],
            |p| {
                let [x, ..] = p.points();
                p.add(x.clone().neg(), x) * p.unit
            },
        ),
        (
            "left cancellation",
            2,
            [3e-7, 2e-5, 2e-3, 8e-16, 5e-14, 4e-12],
            |p| {
                let [x, y, _] = p.points();
                (p.add(x.clone().neg(), p.add(x, y.clone())) - y) * p.unit
            },
        ),
        ("gyroautomorphic inverse", 0, [0.0; 6], |p| {
            let [x, y, _] = p.points();
            (p.add(x.clone(), y.clone()).neg() - p.add(x.neg(), y.neg())) * p.unit
        }),
        (
            "gyrocommutativity",
            2,
            [2e-7, 4e-6, 4e-4, 4e-16, 1e-14, 6e-14],
            |p| {
                let [x, y, _] = p.points();
                let turned = p.gyr(x.clone(), y.clone(), p.add(y.clone(), x.clone()));
                (p.add(x, y) - turned) * p.unit
            },
        ),
        (
            "left gyroassociativity",
            2,
            [3e-7, 1e-5, 3e-4, 5e-16, 2e-14, 8e-13],
            |p| {
                let [x, y, z] = p.points();
                let left = p.add(x.clone(), p.add(y.clone(), z.clone()));
                let turned = p.gyr(x.clone(), y.clone(), z);
                (left - p.add(p.add(x, y), turned)) * p.unit
            },
        ),
        (
            "right gyroassociativity",
            2,
            [4e-7, 6e-6, 1e-4, 6e-16, 2e-14, 1e-13],
            |p| {
                let [x, y, z] = p.points();
                let left = p.add(p.add(x.clone(), y.clone()), z.clone());
                let turned = p.gyr(y.clone(), x.clone(), z);
                (left - p.add(x, p.add(y, turned))) * p.unit
            },
        ),
        (
            "left loop",
            2,
            [6e-8, 3e-6, 1e-4, 1e-16, 9e-15, 5e-14],
            |p| {
                let [x, y, z] = p.points();
                let sum = p.add(x.clone(), y.clone());
                (p.gyr(sum, y.clone(), z.clone()) - p.gyr(x, y, z)) * p.unit
            },
        ),
        (
            "gyration keeps length",
            2,
            [1e-7, 3e-6, 2e-4, 1e-16, 9e-15, 3e-14],
            |p| {
                let [x, y, z] = p.points();
                (length(p.gyr(x, y, z.clone())) - length(z)) * p.unit
            },
        ),
        (
            "gyration keeps angles",
            2,
            [2e-7, 5e-6, 9e-5, 4e-16, 2e-14, 5e-14],
            |p| {
                let ([x, y, _], [u, v]) = (p.points(), p.directions());
                let turned = p.gyr(x.clone(), y.clone(), u.clone()) * p.gyr(x, y, v.clone());
                turned.sum_dim(1) - (u * v).sum_dim(1)
            },
        ),
        (
            "gyration inverse",
            2,
            [1e-7, 4e-6, 3e-4, 1e-16, 2e-14, 9e-14],
            |p| {
                let [x, y, z] = p.points();
                let back = p.gyr(y.clone(), x.clone(), z.clone());
                (p.gyr(x, y, back) - z) * p.unit
            },
        ),
        (
            "gyration is linear",
            1,
            [2e-7, 5e-6, 8e-5, 4e-16, 7e-15, 1e-13],
            |p| {
                let ([x, y, _], [u, v]) = (p.points(), p.directions());
                let sum = p.gyr(x.clone(), y.clone(), u.clone() + v.clone());
                sum - p.gyr(x.clone(), y.clone(), u) - p.gyr(x, y, v)
            },
        ),
        (
            "coaddition commutes",
            2,
            [2e-7, 5e-6, 1e-4, 3e-16, 1e-14, 2e-13],
            |p| {
                let [x, y, _] = p.points();
                let ball = &p.ball;
                (ball.mobius_coadd(x.clone(), y.clone()) - ball.mobius_coadd(y, x)) * p.unit
            },
        ),
        (
            "coaddition by gyration",
            2,
            [2e-7, 4e-6, 2e-4, 4e-16, 7e-15, 2e-13],
            |p| {
                let [x, y, _] = p.points();
                let turned = p.gyr(x.clone(), y.clone().neg(), y.clone());
                (p.ball.mobius_coadd(x.clone(), y) - p.add(x, turned)) * p.unit
            },
        ),
        (
            "right cancellation",
            2,
            [3e-7, 4e-6, 3e-4, 6e-16, 8e-15, 3e-13],
            |p| {
                let [x, y, _] = p.points();
                let sum = p.ball.mobius_coadd(x.clone(), y.clone());
                (p.ball.mobius_sub(sum, y) - x) * p.unit
            },
        ),
        (
            "scalar associativity",
            2,
            [1e-7, 2e-7, 3e-7, 2e-16, 4e-16, 9e-16],
            |p| {
                let [x, ..] = p.points();
                let [r, s] = p.r;
                (p.mul(r * s, x.clone()) - p.mul(r, p.mul(s, x))) * p.unit
            },
        ),
        (
            "scalar distributivity",
            2,
            [2e-7, 2e-6, 1e-4, 3e-16, 3e-15, 1e-13],
            |p| {
                let [x, ..] = p.points();
                let [r, s] = p.r;
                let parts = p.add(p.mul(r, x.clone()), p.mul(s, x.clone()));
                (p.mul(r + s, x) - parts) * p.unit
            },
        ),
        (
            "monodistributivity",
            2,
            [2e-7, 2e-6, 8e-5, 3e-16, 3e-15, 1e-13],
            |p| {
                let [x, ..] = p.points();
                let [r, s] = p.r;
                let (a, b) = (p.mul(s, x.clone()), p.mul(0.4, x));
                let sum = p.mul(r, p.add(a.clone(), b.clone()));
                (sum - p.add(p.mul(r, a), p.mul(r, b))) * p.unit
            },
        ),
        (
            "3 ⊗ x is x added twice",
            2,
            [2e-7, 2e-7, 3e-7, 4e-16, 5e-16, 5e-16],
            |p| {
                let [x, ..] = p.points();
                let sum = p.add(x.clone(), p.add(x.clone(), x.clone()));
                (p.mul(3.0, x) - sum) * p.unit
            },
        ),
        (
            "gyration commutes with scalars",
            2,
            [1e-7, 2e-6, 6e-5, 2e-16, 2e-15, 8e-14],
            |p| {
                let [x, y, z] = p.points();
                let turned = p.gyr(x.clone(), y.clone(), p.mul(p.r[0], z.clone()));
                (p.mul(p.r[0], p.gyr(x, y, z)) - turned) * p.unit
            },
        ),
        (
            "exp₀ log₀",
            1,
            [1e-7, 2e-7, 2e-7, 1e-16, 3e-16, 4e-16],
            |p| {
                let [x, ..] = p.points();
                (p.ball.expmap0(p.ball.logmap0(x.clone())) - x) * p.unit
            },
        ),
        (
            "log₀ exp₀",
            0,
            [9e-6, 6e-6, 6e-6, 9e-15, 2e-14, 1e-14],
            |p| {
                let [u, _] = p.directions();
                let v = u * (1.5 / p.unit);
                (p.ball.logmap0(p.ball.expmap0(v.clone())) - v) * p.unit
            },
        ),
        ("exp log", 2, [5e-7, 2e-5, 1e-3, 7e-16, 4e-14, 2e-12], |p| {
            let [x, y, _] = p.points();
            let v = p.ball.logmap(x.clone(), y.clone());
            (p.ball.expmap(x, v) - y) * p.unit
        }),
        (
            "log exp, in the metric",
            2,
            [4e-6, 8e-5, 3e-3, 3e-15, 1e-13, 4e-12],
            |p| {
                let ([x, ..], [u, _]) = (p.points(), p.directions());
                let v = p.tangent(x.clone(), u, 2.0);
                let back = p
                    .ball
                    .logmap(x.clone(), p.ball.expmap(x.clone(), v.clone()));
                (back - v) * p.ball.lambda_x(x) * p.unit
            },
        ),
        ("exp at the origin", 0, [0.0; 6], |p| {
            let [u, _] = p.directions();
            let v = u * (1.5 / p.unit);
            (p.ball.expmap(p.zeros(), v.clone()) - p.ball.expmap0(v)) * p.unit
        }),
        ("log at the origin", 0, [0.0; 6], |p| {
            let [x, ..] = p.points();
            (p.ball.logmap(p.zeros(), x.clone()) - p.ball.logmap0(x)) * p.unit
        }),
        ("distance is symmetric", 0, [0.0; 6], |p| {
            let [x, y, _] = p.points();
            (p.d(x.clone(), y.clone()) - p.d(y, x)) * p.unit
        }),
        ("distance of equal points", 0, [0.0; 6], |p| {
            let [x, ..] = p.points();
            p.d(x.clone(), x) * p.unit
        }),
        ("triangle inequality", 0, [0.0; 6], |p| {
            let [x, y, z] = p.points();
            let direct = p.d(x.clone(), z.clone());
            let detour = p.d(x, y.clone()) + p.d(y, z);
            // Rounding of the sum of two distances is not a violation.
            (direct - detour.clone()).clamp_min(0.0) * p.unit / (detour * p.unit + 1.0)
        }),
        (
            "left translations are isometries",
            2,
            [8e-7, 2e-5, 8e-4, 1e-15, 4e-14, 1e-12],
            |p| {
                let [x, y, z] = p.points();
                let moved = p.d(p.add(z.clone(), x.clone()), p.add(z, y.clone()));
                (moved - p.d(x, y)) * p.unit
            },
        ),
        (
            "rotations are isometries",
            1,
            [6e-7, 2e-6, 1e-5, 1e-15, 5e-15, 3e-14],
            |p| {
                let [x, y, _] = p.points();
                let q = p.orthogonal();
                let turned = p.d(x.clone().matmul(q.clone()), y.clone().matmul(q));
                (turned - p.d(x, y)) * p.unit
            },
        ),
        (
            "d(0, exp₀ v) = 2|v|",
            0,
            [2e-5, 2e-5, 2e-5, 5e-14, 2e-14, 2e-14],
            |p| {
                let [u, _] = p.directions();
                let v = u * (1.5 / p.unit);
                (p.ball.dist0(p.ball.expmap0(v.clone())) - length(v) * 2.0) * p.unit
            },
        ),
        (
            "d(x, expₓ v) = λ|v|",
            1,
            [4e-6, 5e-6, 3e-5, 4e-15, 2e-14, 5e-14],
            |p| {
                let ([x, ..], [u, _]) = (p.points(), p.directions());
                let v = p.tangent(x.clone(), u, 1.5);
                let d = p.d(x.clone(), p.ball.expmap(x.clone(), v.clone()));
                (d - p.ball.norm(x, v)) * p.unit
            },
        ),
        (
            "|logₓ y| = d(x, y)",
            2,
            [8e-7, 2e-5, 7e-4, 2e-15, 4e-14, 1e-12],
            |p| {
                let [x, y, _] = p.points();
                let v = p.ball.logmap(x.clone(), y.clone());
                (p.ball.norm(x.clone(), v) - p.d(x, y)) * p.unit
            },
        ),
        (
            "distance by Möbius addition",
            2,
            [1e-6, 2e-5, 7e-4, 1e-15, 4e-14, 1e-12],
            |p| {
                let [x, y, _] = p.points();
                let w = p.add(x.clone().neg(), y.clone());
                (p.ball.dist0(w) - p.d(x, y)) * p.unit
            },
        ),
        (
            "distance from the origin",
            1,
            [3e-7, 1e-6, 8e-6, 4e-16, 1e-15, 2e-14],
            |p| {
                let [x, ..] = p.points();
                (length(p.ball.logmap0(x.clone())) * 2.0 - p.ball.dist0(x)) * p.unit
            },
        ),
        (
            "start of a geodesic",
            2,
            [3e-7, 2e-5, 2e-3, 7e-16, 4e-14, 3e-12],
            |p| {
                let [x, y, _] = p.points();
                (p.ball.geodesic(0.0, x.clone(), y) - x) * p.unit
            },
        ),
        (
            "end of a geodesic",
            2,
            [3e-7, 2e-5, 2e-3, 7e-16, 4e-14, 3e-12],
            |p| {
                let [x, y, _] = p.points();
                (p.ball.geodesic(1.0, x, y.clone()) - y) * p.unit
            },
        ),
        (
            "constant speed",
            2,
            [1e-6, 1e-4, 8e-3, 1e-15, 4e-13, 3e-11],
            |p| {
                let [x, y, _] = p.points();
                let on = p.ball.geodesic(p.t, x.clone(), y.clone());
                (p.d(x.clone(), on) - p.d(x, y) * p.t) * p.unit
            },
        ),
        (
            "distances add up on a geodesic",
            2,
            [6e-7, 1e-6, 5e-4, 9e-16, 2e-15, 9e-15],
            |p| {
                let [x, y, _] = p.points();
                let on = p.ball.geodesic(p.t, x.clone(), y.clone());
                (p.d(x.clone(), on.clone()) + p.d(on, y.clone()) - p.d(x, y)) * p.unit
            },
        ),
        (
            "unit speed",
            1,
            [4e-6, 5e-6, 3e-5, 4e-15, 2e-14, 5e-14],
            |p| {
                let ([x, ..], [u, _]) = (p.points(), p.directions());
                let t = p.t * 2.0 / p.unit;
                let on = p.ball.geodesic_unit(t, x.clone(), u);
                (p.d(x, on) - t) * p.unit
            },
        ),
        (
            "transport keeps products, relative",
            2,
            [3e-7, 4e-6, 7e-5, 6e-16, 9e-15, 8e-14],
            |p| {
                let ([x, y, _], [u, v]) = (p.points(), p.directions());
                let ball = &p.ball;
                let moved = |v| ball.ptransp(x.clone(), y.clone(), v);
                let after = ball.inner(y.clone(), moved(u.clone()), moved(v.clone()));
                let scale = ball.lambda_x(x.clone()).square();
                (after - ball.inner(x.clone(), u, v)) / scale
            },
        ),
        (
            "transport and back, relative",
            2,
            [3e-7, 7e-6, 1e-4, 5e-16, 1e-14, 1e-13],
            |p| {
                let ([x, y, _], [u, _]) = (p.points(), p.directions());
                let there = p.ball.ptransp(x.clone(), y.clone(), u.clone());
                p.ball.ptransp(y, x, there) - u
            },
        ),
        ("transport from the origin, relative", 1, [0.0; 6], |p| {
            let ([_, y, _], [u, _]) = (p.points(), p.directions());
            let plain = p.ball.ptransp(p.zeros(), y.clone(), u.clone());
            let lambda = p.ball.lambda_x(y.clone());
            (plain - p.ball.ptransp0(y, u)) * lambda
        }),
        ("transport to the origin and back", 1, [0.0; 6], |p| {
            let ([x, ..], [u, _]) = (p.points(), p.directions());
            p.ball
                .ptransp0back(x.clone(), p.ball.ptransp0(x, u.clone()))
                - u
        }),
        (
            "transport of a logarithm",
            2,
            [9e-7, 2e-5, 1e-3, 2e-15, 4e-14, 2e-12],
            |p| {
                let [x, y, _] = p.points();
                let there = p.ball.logmap(x.clone(), y.clone());
                let moved = p.ball.ptransp(x.clone(), y.clone(), there);
                (moved + p.ball.logmap(y.clone(), x)) * p.ball.lambda_x(y) * p.unit
            },
        ),
        (
            "matrix times point by the maps",
            1,
            [1e-7, 2e-7, 3e-7, 3e-16, 4e-16, 6e-16],
            |p| {
                let [x, ..] = p.points();
                let q = p.orthogonal();
                let mapped = p.ball.expmap0(p.ball.logmap0(x.clone()).matmul(q.clone()));
                (p.ball.mobius_matvec(q.transpose(), x) - mapped) * p.unit
            },
        ),
        (
            "orthogonal matrices rotate",
            1,
            [1e-7, 2e-7, 2e-7, 2e-16, 4e-16, 4e-16],
            |p| {
                let [x, ..] = p.points();
                let q = p.orthogonal();
                (p.ball.mobius_matvec(q.clone(), x.clone()) - x.matmul(q.transpose())) * p.unit
            },
        ),
        (
            "matrices in a chain",
            1,
            [1e-7, 3e-7, 3e-7, 4e-16, 4e-16, 5e-16],
            |p| {
                let [x, ..] = p.points();
                let (q, half) = (p.orthogonal(), p.orthogonal() * 0.5);
                let once = p
                    .ball
                    .mobius_matvec(half.clone().matmul(q.clone()), x.clone());
                let twice = p.ball.mobius_matvec(half, p.ball.mobius_matvec(q, x));
                (once - twice) * p.unit
            },
        ),
        (
            "pointwise factors are a diagonal",
            1,
            [1e-7, 3e-7, 3e-7, 4e-16, 4e-16, 5e-16],
            |p| {
                let ([x, ..], [u, _]) = (p.points(), p.directions());
                let w = u.slice(0..1);
                let n = w.dims()[1];
                let eye = Tensor::<B, 2>::eye(n, &w.device()).cast(w.dtype());
                let diagonal = p.ball.mobius_matvec(eye * w.clone(), x.clone());
                (p.ball.mobius_pointwise_mul(w, x) - diagonal) * p.unit
            },
        ),
        (
            "distance to a plane along its normal",
            2,
            [4e-6, 6e-5, 2e-3, 8e-15, 2e-13, 7e-12],
            |p| {
                let ([x, ..], [u, _]) = (p.points(), p.directions());
                let t = (p.t - 0.5) * 3.0;
                let off = p.ball.expmap(x.clone(), p.tangent(x.clone(), u.clone(), t));
                p.ball.dist2plane(off, x, u) * p.unit - t
            },
        ),
        (
            "distance to a plane within it",
            2,
            [8e-7, 3e-5, 1e-3, 1e-15, 3e-14, 3e-12],
            |p| {
                let ([x, ..], [u, v]) = (p.points(), p.directions());
                let within = v.clone() - u.clone() * (u.clone() * v).sum_dim(1);
                let on = p.ball.expmap(x.clone(), p.tangent(x.clone(), within, 1.0));
                p.ball.dist2plane(on, x, u) * p.unit
            },
        ),
        (
            "to the hyperboloid and back",
            1,
            [1e-7, 2e-7, 2e-7, 1e-16, 4e-16, 4e-16],
            |p| {
                let [x, ..] = p.points();
                let lorentz = Lorentz::new(p.c).unwrap();
                (lorentz.to_ball(lorentz.from_ball(x.clone())) - x) * p.unit
            },
        ),
        (
            "on the hyperboloid, relative",
            0,
            [4e-7, 5e-7, 5e-7, 7e-16, 9e-16, 8e-16],
            |p| {
                let [x, ..] = p.points();
                let lorentz = Lorentz::new(p.c).unwrap();
                let space = lorentz.from_ball(x) * p.unit;
                if p.c == 0.0 {
                    return p.zeros();
                }
                let time = lorentz.time(space.clone() / p.unit) * p.unit;
                let product = space.square().sum_dim(1) - time.clone().square();
                (product + 1.0) / time.square()
            },
        ),
        (
            "to the Klein model and back",
            1,
            [1e-7, 1e-6, 8e-6, 2e-16, 2e-15, 2e-14],
            |p| {
                let [x, ..] = p.points();
                let klein = Klein::new(p.c).unwrap();
                (klein.to_ball(klein.from_ball(x.clone())) - x) * p.unit
            },
        ),
        (
            "Klein by way of the hyperboloid",
            1,
            [1e-7, 1e-6, 8e-6, 2e-16, 2e-15, 2e-14],
            |p| {
                let [x, ..] = p.points();
                let (klein, lorentz) = (Klein::new(p.c).unwrap(), Lorentz::new(p.c).unwrap());
                let way = klein.from_lorentz(lorentz.from_ball(x.clone()));
                (way - klein.from_ball(x)) * p.unit
            },
        ),
        (
            "midpoints move along",
            1,
            [3e-7, 8e-7, 3e-6, 4e-16, 1e-15, 6e-15],
            |p| {
                let [x, y, _] = p.points();
                // Half way out: two points at ρ would add up to one at a distance of (1 − ρ)² from the boundary.
                let a = p.mul(0.5, y.slice(0..1));
                let weights = x.clone().slice([0..x.dims()[0], 0..1]).ones_like();
                let moved = p.add(a.clone().expand(x.dims()), x.clone());
                let moved = p.ball.midpoint(moved, weights.clone(), 0);
                (moved - p.add(a, p.ball.midpoint(x, weights, 0))) * p.unit
            },
        ),
        (
            "midpoint of two",
            2,
            [2e-7, 6e-6, 2e-4, 3e-16, 1e-14, 4e-13],
            |p| {
                let [x, y, _] = p.points();
                let both = Tensor::stack::<3>(vec![x.clone(), y.clone()], 0);
                let ones = both.clone().slice([0..2, 0..x.dims()[0], 0..1]).ones_like();
                let middle = p.ball.midpoint(both, ones, 0).squeeze_dim::<2>(0);
                (middle - p.ball.geodesic(0.5, x, y)) * p.unit
            },
        ),
        (
            "Einstein midpoint",
            2,
            [4e-7, 4e-6, 4e-4, 1e-15, 1e-14, 1e-12],
            |p| {
                let [x, ..] = p.points();
                let klein = Klein::new(p.c).unwrap();
                let weights = x.clone().slice([0..x.dims()[0], 0..1]).ones_like();
                let einstein = klein.midpoint(klein.from_ball(x.clone()), weights.clone(), 0);
                (klein.to_ball(einstein) - p.ball.midpoint(x, weights, 0)) * p.unit
            },
        ),
        (
            "Busemann function of the origin",
            0,
            [4e-7, 4e-7, 4e-7, 4e-16, 4e-16, 6e-16],
            |p| {
                let [u, _] = p.directions();
                p.ball.busemann(p.zeros(), u) * p.unit
            },
        ),
        (
            "Busemann function is 1-Lipschitz, relative",
            2,
            [2e-7, 2e-7, 2e-7, 1e-16, 1e-16, 1e-16],
            |p| {
                let ([x, y, _], [u, _]) = (p.points(), p.directions());
                // On one line with ω its rounding, which moves it off the boundary, counts in full.
                if x.dims()[1] == 1 {
                    return p.zeros();
                }
                let rise = p.ball.busemann(x.clone(), u.clone()) - p.ball.busemann(y.clone(), u);
                let d = p.d(x, y);
                (rise.abs() - d.clone()).clamp_min(0.0) / (d + 1.0 / p.unit)
            },
        ),
        (
            "conformal factor, relative",
            1,
            [3e-4, 9e-4, 5e-3, 2e-4, 4e-4, 5e-4],
            |p| {
                let ([x, ..], [u, _]) = (p.points(), p.directions());
                let h = p.tangent(x.clone(), u, 1e-3);
                let d = p.d(x.clone(), x.clone() + h.clone());
                d / p.ball.norm(x, h) - 1.0
            },
        ),
        ("sums stay in the ball", 0, [0.0; 6], |p| {
            let [x, y, _] = p.points();
            (length(p.add(x, y)) * p.unit - 1.0).clamp_min(0.0) * if p.c > 0.0 { 1.0 } else { 0.0 }
        }),
        (
            "gyrotriangle inequality",
            0,
            [0.0, 0.0, 1e-7, 0.0, 0.0, 0.0],
            |p| {
                let [x, y, _] = p.points();
                let line = p.add(length(x.clone()), length(y.clone()));
                (length(p.add(x, y)) - line).clamp_min(0.0) * p.unit
            },
        ),
        ("projection does not move points inside", 0, [0.0; 6], |p| {
            let [x, ..] = p.points();
            if p.c == 0.0 {
                return p.zeros();
            }
            let out = p.ball.project(x.clone() * 3.0);
            let again = p.ball.project(out.clone()) - out;
            (p.ball.project(x.clone()) - x + again) * p.unit
        }),
        (
            "distance on the hyperboloid",
            2,
            [1e-6, 2e-5, 7e-4, 1e-15, 4e-14, 1e-12],
            |p| {
                let [x, y, _] = p.points();
                let lorentz = Lorentz::new(p.c).unwrap();
                let [a, b] = [&x, &y].map(|x| lorentz.from_ball(x.clone()));
                (lorentz.dist(a, b) - p.d(x, y)) * p.unit
            },
        ),
        (
            "distance in the Klein model",
            2,
            [1e-6, 2e-5, 7e-4, 1e-15, 4e-14, 1e-12],
            |p| {
                let [x, y, _] = p.points();
                let klein = Klein::new(p.c).unwrap();
                let [a, b] = [&x, &y].map(|x| klein.from_ball(x.clone()));
                (klein.dist(a, b) - p.d(x, y)) * p.unit
            },
        ),
        (
            "exp log on the hyperboloid",
            2,
            [1e-6, 2e-5, 1e-3, 2e-15, 4e-14, 2e-12],
            |p| {
                let Some([x, y]) = p.near_pair() else {
                    return p.zeros();
                };
                let lorentz = Lorentz::new(p.c).unwrap();
                let [a, b] = [x, y.clone()].map(|x| lorentz.from_ball(x));
                let back = lorentz.expmap(a.clone(), lorentz.logmap(a, b));
                (lorentz.to_ball(back) - y) * p.unit
            },
        ),
        (
            "exp log in the Klein model",
            2,
            [1e-6, 2e-5, 1e-3, 2e-15, 4e-14, 2e-12],
            |p| {
                let Some([x, y]) = p.near_pair() else {
                    return p.zeros();
                };
                let klein = Klein::new(p.c).unwrap();
                let [a, b] = [x, y].map(|x| klein.from_ball(x));
                (klein.expmap(a.clone(), klein.logmap(a, b.clone())) - b) * p.unit
            },
        ),
        (
            "transport on the hyperboloid, relative",
            2,
            [3e-7, 7e-6, 1e-4, 1e-15, 1e-14, 1e-13],
            |p| {
                let ([x, y, _], [u, _]) = (p.points(), p.directions());
                let lorentz = Lorentz::new(p.c).unwrap();
                let [a, b] = [x, y].map(|x| lorentz.from_ball(x));
                let there = lorentz.ptransp(a.clone(), b.clone(), u.clone());
                let before = lorentz.inner(a.clone(), u.clone(), u);
                let after = lorentz.inner(b, there.clone(), there);
                let stretch = (a * p.unit).square().sum_dim(1) + 1.0;
                (after - before) / stretch
            },
        ),
        (
            "Einstein addition",
            2,
            [3e-7, 1e-5, 3e-4, 5e-16, 2e-14, 8e-13],
            |p| {
                let [x, y, _] = p.points();
                let klein = Klein::new(p.c).unwrap();
                let sum =
                    klein.einstein_add(klein.from_ball(x.clone()), klein.from_ball(y.clone()));
                (sum - klein.from_ball(p.add(x, y))) * p.unit
            },
        ),
    ]
}

const RADII: [f64; 4] = [0.5, 0.9, 0.99, 1.0 - 1e-6];

fn check<B: Tested>(c: f64, n: usize, radius: usize, seed: u64, dtype: DType) {
    let (least, column) = match dtype {
        DType::F32 => (8.0 * f64::from(f32::EPSILON), 0),
        _ => (32.0 * f64::EPSILON, 3),
    };
    for (name, power, errors, deviation) in identities::<B>() {
        let draw = Draw::<B>::new(c, n, RADII[radius], seed, dtype);
        let deviation = deviation(&draw);
        let worst = values(deviation.clone().abs().max())[0];
        let growth = (0.01 / (1.0 - RADII[radius])).max(1.0).powi(power);
        let limit = (4.0 * errors[column + radius.min(2)]).max(least) * growth;
        let what = format!("{name}, c = {c}, n = {n}, ρ = {}, {dtype:?}", RADII[radius]);
        // In f32 the rounding of points at 1 − 10⁻⁶ decides all digits of what grows with the square of
        // 1/(1 − ρ): of these, finite gradients alone are asked there.
        let decides = limit < 0.1;
        assert!(
            !decides || worst <= limit,
            "{what}: {worst:.1e} > {limit:.1e}"
        );
        let grads = deviation.sum().backward();
        for input in [&draw.x, &draw.y, &draw.z, &draw.u, &draw.v] {
            if let Some(grad) = input.grad(&grads) {
                let finite = values(grad).iter().all(|g| g.is_finite());
                assert!(finite, "{what}: a gradient is not finite");
            }
        }
    }
}

fn curvatures() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 1e-15, 1e-8, 1e-4, 0.01, 0.3, 1.0, 2.5, 10.0])
}

fn dimensions() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 2, 3, 5, 16, 64, 129, 512])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn hold_on_flex(c in curvatures(), n in dimensions(), radius in 0..4_usize, seed in 0..u64::MAX) {
        check::<Autodiff<Flex>>(c, n, radius, seed, DType::F32);
        check::<Autodiff<Flex>>(c, n, radius, seed, DType::F64);
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn hold_on_ndarray(c in curvatures(), n in dimensions(), radius in 0..4_usize, seed in 0..u64::MAX) {
        check::<Autodiff<burn::backend::NdArray>>(c, n, radius, seed, DType::F32);
        check::<Autodiff<burn::backend::NdArray>>(c, n, radius, seed, DType::F64);
    }

    /// The distance has a Riemannian gradient of length 1 wherever it has one.
    #[test]
    fn distance_has_unit_gradient(
        c in curvatures(), n in dimensions(), radius in 0..4_usize, seed in 0..u64::MAX,
    ) {
        for (dtype, limit) in [(DType::F32, 2e-6), (DType::F64, 1e-13)] {
            let draw = Draw::<F>::new(c, n, RADII[radius], seed, dtype);
            let grads = draw.d(draw.x.clone(), draw.y.clone()).sum().backward();
            let slope = draw.x.grad(&grads).unwrap().square().sum_dim(1).sqrt();
            let slope = slope / draw.ball.lambda_x(draw.x.clone()).inner();
            let worst = values((slope - 1.0).abs().max())[0];
            prop_assert!(worst < limit, "{} at c = {c}, n = {n}: {worst:e}", RADII[radius]);
        }
    }
}
