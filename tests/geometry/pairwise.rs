//! All pairs at once are the pairs one by one.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Distribution, Tensor};
use hypad::geometry::PoincareBall;

use super::common::*;

pub fn equals_dist<B: Tested>(n: usize, m: usize, d: usize, c: f64, dtype: DType, tolerance: f64) {
    let device = B::Device::default();
    let ball = PoincareBall::new(c).unwrap();
    let spread = 0.9 / (d as f64).sqrt() / c.max(1.0).sqrt();
    let leaf = |t: Tensor<B, 2>, dtype| {
        Tensor::<B, 2>::from_data(t.into_data(), (&device, dtype)).require_grad()
    };
    let random = |rows: usize| {
        let uniform = Distribution::Uniform(-spread, spread);
        Tensor::<B, 2>::random([rows, d], uniform, &device).cast(dtype)
    };
    let x = leaf(random(n), dtype);
    let mut y = random(m);
    // Near copies and an exact one: where a Gram matrix loses all digits.
    for (row, step) in [(0, 0.0), (1, 1e-6), (2, 1e-3)] {
        if row < n.min(m) {
            let copy = x.clone().detach().slice([row..row + 1, 0..d]) + step * spread;
            y = y.slice_assign([row..row + 1, 0..d], copy);
        }
    }
    let y = leaf(y, dtype);
    let weights = Tensor::<B, 2>::random([n, m], Distribution::Uniform(-1.0, 1.0), &device);
    let weights = weights.cast(dtype);

    let matrix = ball.pairwise_dist(x.clone(), y.clone());
    assert_eq!(matrix.dims(), [n, m]);
    let grads = (matrix.clone() * weights.clone()).sum().backward();
    let [by_x, by_y] = [&x, &y].map(|t| values(t.grad(&grads).unwrap()));

    let exact = |t: Tensor<B, 2>| {
        let device = Default::default();
        Tensor::<F, 2>::from_data(t.into_data(), (&device, DType::F64)).require_grad()
    };
    let (x, y, weights) = (exact(x), exact(y), exact(weights));
    let rows = x.clone().unsqueeze_dim::<3>(1).expand([n, m, d]);
    let columns = y.clone().unsqueeze_dim::<3>(0).expand([n, m, d]);
    let expected = ball.dist(rows, columns).squeeze_dim::<2>(2);
    let grads = (expected.clone() * weights).sum().backward();
    for (ours, expected) in values(matrix).iter().zip(values(expected)) {
        assert!(
            (ours - expected).abs() <= tolerance * expected,
            "{n} x {m} x {d}, c = {c}: {ours} {expected}"
        );
    }
    for (ours, input) in [(by_x, x), (by_y, y)] {
        let e = error(&ours, &values(input.grad(&grads).unwrap()));
        assert!(e <= 2.0 * tolerance, "{n} x {m} x {d}, c = {c}: {e:e}");
    }
}

#[test]
fn equals_dist_of_every_pair() {
    for (n, m, d) in [
        (1, 1, 1),
        (5, 3, 2),
        (7, 40, 17),
        (60, 33, 64),
        (130, 70, 200),
    ] {
        for c in [0.0, 1e-8, 0.3, 1.7] {
            equals_dist::<Autodiff<Flex>>(n, m, d, c, DType::F32, 6e-7);
            equals_dist::<Autodiff<Flex>>(n, m, d, c, DType::F64, 2e-14);
            #[cfg(feature = "ndarray")]
            equals_dist::<Autodiff<burn::backend::NdArray>>(n, m, d, c, DType::F32, 6e-7);
        }
    }
}

/// A point far beyond the boundary is at no distance that means anything, but at a finite one, and does not
/// touch the others' gradients.
#[test]
fn points_beyond_the_boundary_are_finite() {
    let ball = PoincareBall::new(1.0).unwrap();
    let inside = [[0.3, -0.2], [0.5, 0.1]];
    let run = |far: f32| {
        let x =
            Tensor::<F, 2>::from_floats([inside[0], inside[1], [far, 0.0]], &Default::default());
        let x = x.require_grad();
        let y = x.clone().inner().slice(0..2);
        let y = Tensor::from_inner(y);
        let d = ball.pairwise_dist(x.clone(), y);
        let grads = d.clone().sum().backward();
        (values(d), values(x.grad(&grads).unwrap()))
    };
    let (d, grads) = run(1e20);
    assert!(
        d.iter().chain(&grads).all(|v| v.is_finite()),
        "{d:?} {grads:?}"
    );
    let (_, expected) = run(2.0);
    assert!(error(&grads[..4], &expected[..4]) < 1e-6);
}

#[test]
fn no_points_no_distances() {
    let ball = PoincareBall::new(0.3).unwrap();
    let device = Default::default();
    let some = Tensor::<Flex, 2>::ones([3, 4], &device) * 0.1;
    let none = Tensor::<Flex, 2>::zeros([0, 4], &device);
    assert_eq!(
        ball.pairwise_dist(some.clone(), none.clone()).dims(),
        [3, 0]
    );
    assert_eq!(ball.pairwise_dist(none, some).dims(), [0, 3]);
    let [x, y] = [3, 2].map(|n| Tensor::<Flex, 2>::zeros([n, 0], &device));
    assert_eq!(values(ball.pairwise_dist(x, y)), [0.0; 6]);
}
