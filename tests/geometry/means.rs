//! Means of points.

use burn::backend::Flex;
use burn::tensor::{DType, Distribution, Tensor};
use hypad::geometry::PoincareBall;

use super::common::*;

fn points(c: f64, count: usize, rho: f64) -> Tensor<F, 2> {
    let device = Default::default();
    let spread = rho / c.max(1.0).sqrt() / 3f64.sqrt();
    let uniform = Distribution::Uniform(-spread, spread);
    Tensor::<F, 2>::random([count, 3], uniform, &device).cast(DType::F64)
}

/// At the Fréchet mean the tangent vectors to the points balance.
#[test]
fn frechet_mean_balances_the_points() {
    for (c, rho) in [(0.0, 0.9), (1e-9, 0.9), (0.4, 0.9), (2.0, 0.99)] {
        let ball = PoincareBall::new(c).unwrap();
        let x = points(c, 40, rho);
        let weights = Tensor::<F, 2>::random(
            [40, 1],
            Distribution::Uniform(0.1, 1.0),
            &Default::default(),
        )
        .cast(DType::F64);
        let mean = ball.frechet_mean(x.clone(), weights.clone(), 0);
        let pull = (ball.logmap(mean.clone().expand(x.dims()), x) * weights).sum_dim(0);
        let pull = values(ball.norm(mean, pull))[0];
        assert!(pull < 1e-12, "c = {c}: {pull:e}");
    }
}

/// Both means of one point are that point, and weights of 0 leave points out.
#[test]
fn means_of_one_point() {
    let ball = PoincareBall::new(0.8).unwrap();
    let x = points(0.8, 5, 0.9);
    let only = row::<F>(&[0.0, 0.0, 3.0, 0.0, 0.0], DType::F64).transpose();
    let expected = values(x.clone().slice(2..3));
    for mean in [
        ball.midpoint(x.clone(), only.clone(), 0),
        ball.frechet_mean(x.clone(), only.clone(), 0),
    ] {
        assert!(error(&values(mean), &expected) < 1e-14);
    }
    let none = only.zeros_like();
    for mean in [
        ball.midpoint(x.clone(), none.clone(), 0),
        ball.frechet_mean(x.clone(), none, 0),
    ] {
        assert_eq!(values(mean), [0.0; 3]);
    }
}

/// Near the boundary the barycentre of equal points is that point, though in the Klein model it is the
/// square of the distance from the boundary.
#[test]
fn midpoint_of_equal_points_at_the_boundary() {
    for c in [0.3, 1.0] {
        let ball = PoincareBall::new(c).unwrap();
        for one_minus_cn2 in [1e-2, 1e-4, 1e-6] {
            let radius = (1.0 - one_minus_cn2) / f64::sqrt(c);
            let x = row::<F>(&[0.6 * radius, -0.8 * radius], DType::F32);
            let points = x.clone().expand([5, 2]);
            let weights = Tensor::from_floats([[1.0], [0.5], [2.0], [1.0], [3.0]], &x.device());
            let mean = ball.midpoint(points, weights, 0);
            // An f32 of this size is rounded by 6e-8 of its length.
            let aside = values(ball.dist(mean, x))[0] * c.sqrt();
            assert!(
                aside < 2e-7 / one_minus_cn2,
                "c = {c}, one_minus_cn2 {one_minus_cn2}: {aside:e}"
            );
        }
    }
}

/// Batches are means of their own, and the axis of the coordinates may be another.
#[test]
fn means_along_an_axis() {
    let ball = PoincareBall::new(0.8).unwrap();
    let x = points(0.8, 12, 0.9).inner();
    let batch = x.clone().reshape([2, 6, 3]);
    let ones = Tensor::<Flex, 3>::ones([2, 6, 1], (&x.device(), x.dtype()));
    let means = ball.frechet_mean(batch.clone(), ones.clone(), 1);
    assert_eq!(means.dims(), [2, 1, 3]);
    let alone = ball.frechet_mean(
        x.clone().slice(6..12),
        ones.clone().slice(0..1).squeeze_dim(0),
        0,
    );
    assert!(error(&values(means.clone().slice(1..2)), &values(alone)) < 1e-14);
    let turned = ball
        .along(1)
        .frechet_mean(batch.swap_dims(1, 2), ones.swap_dims(1, 2), 2);
    assert!(error(&values(turned), &values(means)) < 1e-14);
}

/// The variance about the Fréchet mean is the least, and that of points on one geodesic is the one
/// of numbers.
#[test]
fn variance_is_least_at_the_mean() {
    for c in [0.0, 0.8] {
        let ball = PoincareBall::new(c).unwrap();
        let x = points(c, 12, 0.9);
        let weights = Tensor::<F, 2>::ones([12, 1], &x.device()).cast(DType::F64) * 0.7;
        let mean = ball.frechet_mean(x.clone(), weights.clone(), 0);
        let at = |m| values(ball.frechet_variance(x.clone(), weights.clone(), m, 0))[0];
        let least = at(mean.clone());
        let one = row::<F>(&[0.7], DType::F64);
        let broadcast = ball.frechet_variance(x.clone(), one, mean.clone(), 0);
        assert!(error(&values(broadcast), &[least]) < 1e-14);
        for step in [[1e-3, 0.0, 0.0], [0.0, -1e-3, 1e-3]] {
            let aside = ball.expmap(mean.clone(), row(&step, DType::F64));
            assert!(at(aside) > least, "c = {c}");
        }
        // At distances 2t of the origin: of the numbers 2, 4 and -6.
        let line =
            row::<F>(&[1.0, 2.0, -3.0], DType::F64).transpose() * row(&[0.6, 0.0, 0.8], DType::F64);
        let weights = row::<F>(&[1.0, 1.0, 1.0], DType::F64).transpose();
        let origin = row(&[0.0; 3], DType::F64);
        let variance = ball.frechet_variance(ball.expmap0(line), weights, origin, 0);
        assert!((values(variance)[0] - 56.0 / 3.0).abs() < 1e-12, "c = {c}");
    }
}

/// The gradient by points, weights and curvature is that of differences, for fewer points than
/// coordinates and for more, near the middle and far apart.
#[test]
fn gradient_of_the_frechet_mean() {
    use hypad::geometry::HyperbolicBackend;

    fn loss<B: HyperbolicBackend>(
        x: Tensor<B, 2>,
        weights: Tensor<B, 2>,
        c: Tensor<B, 1>,
    ) -> Tensor<B, 1> {
        let ball = PoincareBall::with_curvature(c).unwrap();
        let mean = ball.frechet_mean(x, weights, 0);
        let n = mean.dims()[1] as i64;
        let slope = Tensor::arange(1..n + 1, &mean.device()).float();
        (mean * slope.cast(DType::F64).unsqueeze()).sum()
    }

    let device = Default::default();
    for (count, n, rho) in [(2, 5, 0.5), (3, 3, 0.9), (7, 3, 0.99), (4, 6, 0.999)] {
        let spread = |k: usize| (k as f64 * 0.7 + 0.3).sin();
        let x: Vec<f64> = (0..count * n).map(spread).collect();
        let x = Tensor::<Flex, 1>::from_data(x.as_slice(), (&device, DType::F64));
        let x = x.reshape([count, n]);
        let norms = x.clone().square().sum_dim(1).sqrt();
        let x = x / norms * rho;
        let weights: Vec<f64> = (0..count).map(|k| 1.0 + spread(k + 3) / 2.0).collect();
        let weights = Tensor::<Flex, 1>::from_data(weights.as_slice(), (&device, DType::F64));
        let weights = weights.reshape([count, 1]);
        let c = Tensor::<Flex, 1>::from_data([0.95], (&device, DType::F64));

        let tracked = |t: Tensor<Flex, 2>| Tensor::<F, 2>::from_inner(t).require_grad();
        let (of_x, of_weights) = (tracked(x.clone()), tracked(weights.clone()));
        let of_c = Tensor::<F, 1>::from_inner(c.clone()).require_grad();
        let grads = loss(of_x.clone(), of_weights.clone(), of_c.clone()).backward();
        let found = [
            values(of_x.grad(&grads).unwrap()),
            values(of_weights.grad(&grads).unwrap()),
            values(of_c.grad(&grads).unwrap()),
        ];

        let at = |x, weights, c| values(loss::<Flex>(x, weights, c))[0];
        let h = 1e-5 * (1.0 - rho);
        let one = |count: usize, k: usize| {
            let mut step = vec![0.0; count];
            step[k] = h;
            Tensor::<Flex, 1>::from_data(step.as_slice(), (&device, DType::F64))
        };
        let differences = [
            (0..count * n)
                .map(|k| {
                    let step = one(count * n, k).reshape([count, n]);
                    let up = at(x.clone() + step.clone(), weights.clone(), c.clone());
                    up - at(x.clone() - step, weights.clone(), c.clone())
                })
                .collect::<Vec<_>>(),
            (0..count)
                .map(|k| {
                    let step = one(count, k).reshape([count, 1]);
                    let up = at(x.clone(), weights.clone() + step.clone(), c.clone());
                    up - at(x.clone(), weights.clone() - step, c.clone())
                })
                .collect(),
            vec![
                at(x.clone(), weights.clone(), c.clone() + h)
                    - at(x.clone(), weights.clone(), c.clone() - h),
            ],
        ];
        for (found, differences) in found.iter().zip(differences) {
            let expected: Vec<f64> = differences.iter().map(|d| d / (2.0 * h)).collect();
            let error = error(found, &expected);
            assert!(error < 1e-6, "{count} points of {n}, {rho}: {error:e}");
        }
    }
}

/// The search tells its steps and what is left.
#[test]
fn residual_of_the_frechet_mean() {
    let ball = PoincareBall::new(1.0).unwrap();
    let ones = Tensor::<F, 2>::ones([40, 1], &Default::default()).cast(DType::F64);
    let mut fewest = 0;
    for rho in [0.5, 0.99, 1.0 - 1e-6] {
        let x = points(1.0, 40, 0.9);
        let x = x.clone() / x.square().sum_dim(1).sqrt() * rho;
        let found = ball.frechet_mean_search(x.clone(), ones.clone(), 0);
        assert_eq!(found.residual.dims(), [1, 1]);
        let residual = values(found.residual)[0];
        assert!(residual < 1e-12 / (1.0 - rho), "{rho}: {residual:e}");
        assert!(found.steps > fewest, "{rho}: {} steps", found.steps);
        fewest = found.steps;
        assert_eq!(
            values(found.mean),
            values(ball.frechet_mean(x, ones.clone(), 0))
        );
    }
}

#[test]
#[should_panic(expected = "a mean of points is along an axis below 2")]
fn a_mean_is_not_of_coordinates() {
    let x = points(1.0, 4, 0.5);
    PoincareBall::new(1.0)
        .unwrap()
        .midpoint(x.clone(), x.ones_like(), 1);
}
