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
