//! The wrapped normal: its samples, and its density against numerical integration.

use burn::backend::Flex;
use burn::tensor::{DType, Tensor};
use hypad::geometry::{PoincareBall, WrappedNormal};

use super::common::*;

/// The density integrates to 1 over the volume λ² dx dy of the disk.
#[test]
fn density_integrates_to_one() {
    for (c, std) in [(0.0, 0.3), (0.7, 0.4), (2.0, 0.6)] {
        let ball = PoincareBall::new(c).unwrap();
        let mean = row::<Flex>(&[0.2, -0.1], DType::F64);
        let normal = WrappedNormal::new(ball, mean, row(&[std], DType::F64)).unwrap();
        let radius = if c > 0.0 { 1.0 / f64::sqrt(c) } else { 2.0 };
        let (steps, mut points) = (700, Vec::new());
        let h = 2.0 * radius / steps as f64;
        for i in 0..steps {
            for j in 0..steps {
                let at = |k: usize| -radius + (k as f64 + 0.5) * h;
                if at(i).hypot(at(j)) < radius * 0.9999 {
                    points.extend([at(i), at(j)]);
                }
            }
        }
        let count = points.len() / 2;
        let points = Tensor::<Flex, 2>::from_data(
            burn::tensor::TensorData::new(points, [count, 2]),
            (&Default::default(), DType::F64),
        );
        let volume = ball.lambda_x(points.clone()).square() * (h * h);
        let total = values((normal.log_prob(points).exp() * volume).sum())[0];
        assert!((total - 1.0).abs() < 2e-4, "c = {c}: {total}");
    }
}

/// The coordinates are on the last axis, whatever the ball says.
#[test]
fn ignores_the_axis_of_the_ball() {
    let ball = PoincareBall::new(0.7).unwrap();
    let point = || row::<Flex>(&[0.2, -0.1], DType::F64);
    let density = |ball| {
        let normal = WrappedNormal::new(ball, point(), row(&[0.4], DType::F64)).unwrap();
        values(normal.log_prob(row(&[0.3, 0.2], DType::F64)))
    };
    assert_eq!(density(ball.along(0)), density(ball));
}

/// Samples are as far from the mean as they should be: E d² = n σ².
#[test]
fn samples_have_the_standard_deviation() {
    let ball = PoincareBall::new(0.7).unwrap();
    let mean = row::<Flex>(&[0.5, -0.3, 0.2], DType::F64);
    let normal = WrappedNormal::new(ball, mean.clone(), row(&[0.4], DType::F64)).unwrap();
    let samples = normal.sample([20_000, 3]);
    let square = values(ball.dist(samples, mean).square().mean())[0];
    assert!((square / (3.0 * 0.16) - 1.0).abs() < 0.04, "{square}");
}

#[test]
fn a_standard_deviation_that_is_none_is_refused() {
    use hypad::Error;
    let ball = PoincareBall::new(0.7).unwrap();
    let mean = row::<Flex>(&[0.5, -0.3, 0.2], DType::F64);
    for wrong in [0.0, -0.4, f64::NAN, f64::INFINITY] {
        let std = row(&[0.4, wrong, 0.4], DType::F64);
        let found = WrappedNormal::new(ball, mean.clone(), std).err();
        assert!(
            matches!(found, Some(Error::Setting { name: "std", .. })),
            "{wrong}: {found:?}"
        );
    }
    let found = WrappedNormal::new(ball, mean, row(&[0.4, 0.4], DType::F64)).err();
    assert!(matches!(found, Some(Error::Size { .. })), "{found:?}");
}
