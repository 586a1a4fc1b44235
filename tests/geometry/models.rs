//! The hyperboloid and the Klein model beside the ball: every operation is one of the ball, or follows
//! from the metric.

use burn::tensor::{DType, Tensor};
use hypad::geometry::{Klein, Lorentz, PoincareBall};

use super::common::*;

const CURVATURES: [f64; 4] = [0.0, 1e-9, 0.3, 1.9];

struct Pair {
    ball: PoincareBall,
    lorentz: Lorentz,
    /// In the ball.
    x: Tensor<F, 2>,
    y: Tensor<F, 2>,
    /// On the hyperboloid.
    a: Tensor<F, 2>,
    b: Tensor<F, 2>,
    /// Two tangent vectors.
    u: Tensor<F, 2>,
    v: Tensor<F, 2>,
}

fn pair(c: f64) -> Pair {
    let ball = PoincareBall::new(c).unwrap();
    let lorentz = Lorentz::from(ball);
    let row = |values: [f64; 3]| row::<F>(&values, DType::F64);
    let (x, y) = (row([0.3, -0.2, 0.4]), row([-0.5, 0.1, 0.2]));
    Pair {
        ball,
        lorentz,
        a: lorentz.from_ball(x.clone()),
        b: lorentz.from_ball(y.clone()),
        x,
        y,
        u: row([0.7, 0.2, -0.4]),
        v: row([-0.1, 0.9, 0.3]),
    }
}

fn assert_same<const D: usize>(ours: Tensor<F, D>, expected: Tensor<F, D>, what: &str) {
    let e = error(&values(ours), &values(expected));
    assert!(e < 1e-13, "{what}: {e:e}");
}

#[test]
fn agrees_with_the_ball() {
    for c in CURVATURES {
        let p = pair(c);
        let l = p.lorentz;
        let what = |name: &str| format!("{name}, c = {c}");
        let dist0 = p.ball.dist0(p.x.clone());
        assert_same(l.dist0(p.a.clone()), dist0, &what("dist0"));
        for t in [-0.4, 0.0, 0.3, 1.0, 1.7] {
            let point = l.geodesic(t, p.a.clone(), p.b.clone());
            let expected = p.ball.geodesic(t, p.x.clone(), p.y.clone());
            assert_same(l.to_ball(point), expected, &what("geodesic"));
        }
        let points = Tensor::cat(vec![p.x.clone(), p.y.clone(), p.x.clone() * 0.1], 0);
        let lifted = l.from_ball(points.clone());
        let weights = row::<F>(&[1.0, 2.5, 0.5], DType::F64).transpose();
        let mean = l.midpoint(lifted.clone(), weights.clone(), 0);
        let expected = p.ball.midpoint(points.clone(), weights, 0);
        assert_same(l.to_ball(mean), expected, &what("midpoint"));
        let distances = l.pairwise_dist(lifted.clone(), lifted);
        let expected = p.ball.pairwise_dist(points.clone(), points);
        assert_same(distances, expected, &what("pairwise_dist"));
    }
}

#[test]
fn follows_from_the_metric() {
    for c in CURVATURES {
        let p = pair(c);
        let l = p.lorentz;
        let what = |name: &str| format!("{name}, c = {c}");
        let (a, u, v) = (|| p.a.clone(), || p.u.clone(), || p.v.clone());
        let square = l.norm(a(), u()).square();
        assert_same(square, l.inner(a(), u(), u()), &what("norm"));
        // The gradient is the vector whose product with every other is the derivative.
        let gradient = l.egrad2rgrad(a(), u());
        let derivative = (u() * v()).sum_dim(1);
        let product = l.inner(a(), gradient, v());
        assert_same(product, derivative, &what("egrad2rgrad"));
        let far = l.geodesic_unit(0.7, a(), u());
        let length = far.zeros_like().slice([0..1, 0..1]) + 0.7;
        assert_same(l.dist(a(), far), length, &what("geodesic_unit"));
        let still = l.geodesic_unit(0.7, a(), u().zeros_like());
        assert_same(still, a(), &what("geodesic_unit without a direction"));
        let moved = l.ptransp0(a(), v());
        let expected = l.ptransp(a().zeros_like(), a(), v());
        assert_same(moved.clone(), expected, &what("ptransp0"));
        assert_same(l.ptransp0back(a(), moved), v(), &what("ptransp0back"));
        if c > 0.1 {
            let all = l.to_ambient(a());
            assert_eq!(all.dims(), [1, 4]);
            let square = all.clone().square();
            let time = square.clone().slice([0..1, 0..1]) * 2.0;
            let product = square.sum_dim(1) - time;
            assert_same(
                product.neg() * c,
                row(&[1.0], DType::F64),
                &what("to_ambient"),
            );
            assert_same(l.from_ambient(all), a(), &what("from_ambient"));
        }
    }
}

#[test]
fn klein_agrees_with_both() {
    for c in CURVATURES {
        let p = pair(c);
        let k = Klein::from(p.ball);
        let what = |name: &str| format!("Klein {name}, c = {c}");
        let [x, y] = [&p.x, &p.y].map(|point| k.from_ball(point.clone()));
        let dist0 = p.ball.dist0(p.x.clone());
        assert_same(k.dist0(x.clone()), dist0, &what("dist0"));
        for t in [-0.4, 0.3, 1.0] {
            let point = k.to_ball(k.geodesic(t, x.clone(), y.clone()));
            let expected = p.ball.geodesic(t, p.x.clone(), p.y.clone());
            assert_same(point, expected, &what("geodesic"));
        }
        let [points, of_ball] = [[x.clone(), y.clone()], [p.x.clone(), p.y.clone()]]
            .map(|pair| Tensor::cat(pair.into(), 0));
        let expected = p.ball.pairwise_dist(of_ball.clone(), of_ball);
        assert_same(
            k.pairwise_dist(points.clone(), points),
            expected,
            &what("pairwise_dist"),
        );
        // Lengths and angles by the logarithm: of length d, and at x between two points.
        let [u, v] = [y.clone(), x.zeros_like()].map(|to| k.logmap(x.clone(), to));
        let d = k.dist(x.clone(), y.clone());
        assert_same(k.norm(x.clone(), u.clone()), d, &what("norm"));
        let lorentz = [p.b.clone(), p.a.zeros_like()].map(|to| p.lorentz.logmap(p.a.clone(), to));
        let [a, b] = lorentz;
        let expected = p.lorentz.inner(p.a.clone(), a, b);
        assert_same(
            k.inner(x.clone(), u.clone(), v.clone()),
            expected,
            &what("inner"),
        );
        let gradient = k.egrad2rgrad(x.clone(), p.u.clone());
        let product = k.inner(x.clone(), gradient, v.clone());
        let derivative = (p.u.clone() * v.clone()).sum_dim(1);
        assert_same(product, derivative, &what("egrad2rgrad"));
        // Along the geodesic to y its own direction becomes the one away from x.
        let moved = k.ptransp(x.clone(), y.clone(), u);
        let expected = k.logmap(y.clone(), x.clone()).neg();
        assert_same(moved, expected, &what("ptransp of the direction"));
        let moved = k.ptransp(x.clone(), y.clone(), v.clone());
        let length = k.norm(x.clone(), v);
        assert_same(k.norm(y, moved), length, &what("ptransp"));
    }
}

/// Far out coordinates grow like e^d, and what they say of a distance shrinks against their rounding:
/// of f32 points on one ray, a middle, and a mean.
#[test]
fn keeps_its_digits_far_out() {
    let lorentz = Lorentz::new(1.0).unwrap();
    let at = |d: f64| row::<F>(&[0.6 * d.sinh(), -0.8 * d.sinh()], DType::F32);
    for d in [2.0_f64, 7.0, 10.0, 14.0] {
        // Of an f32: across the ray, where coordinates are distances, and what it does to those along.
        let across = 2e-7 * d.cosh();
        let rounding = 1e-6 + across * across;
        let (a, b) = (at(d), at(d + 1.0));
        let between = values(lorentz.dist(a.clone(), b.clone()))[0];
        assert!((between - 1.0).abs() < rounding, "{d}: {between}");
        let from_origin = values(lorentz.dist(at(0.0), a.clone()))[0];
        assert!(
            (from_origin / d - 1.0).abs() < rounding,
            "{d}: {from_origin}"
        );
        let middle = lorentz.geodesic(0.5, a.clone(), b.clone());
        let aside = values(lorentz.dist(middle, at(d + 0.5)))[0];
        assert!(aside < across, "{d}: {aside:e}");
        let weights = Tensor::from_floats([[1.0], [2.0], [0.5]], &a.device());
        let mean = lorentz.midpoint(a.clone().expand([3, 2]), weights, 0);
        let aside = values(lorentz.dist(mean, a.clone()))[0];
        assert!(aside < across, "{d}: {aside:e}");
        let right = row::<F>(&[0.8 * d.sinh(), 0.6 * d.sinh()], DType::F32);
        let one = values(lorentz.dist(a.clone(), right.clone()))[0];
        let all = values(lorentz.pairwise_dist(a, right))[0];
        assert!((all / one - 1.0).abs() < rounding, "{d}: {all} {one}");
    }
    let far = row::<F>(&[1e4, 3e3], DType::F64);
    let end = lorentz.expmap(far.zeros_like(), far);
    assert!(values(end).iter().all(|v| v.is_finite()));
}

/// At equal points and at the origin.
#[test]
fn gradients_are_finite() {
    type Op = fn(&Lorentz, [Tensor<F, 2>; 2]) -> Tensor<F, 2>;
    let ops: [Op; 9] = [
        |l, [x, _]| {
            let all = l.to_ambient(x);
            all.slice([0..1, 1..3])
        },
        |l, [x, _]| l.dist0(x),
        |l, [x, y]| l.dist(x, y),
        |l, [x, y]| l.norm(x, y),
        |l, [x, y]| l.geodesic(0.3, x, y),
        |l, [x, y]| l.geodesic_unit(0.3, x, y),
        |l, [x, y]| l.ptransp0(x, y),
        |l, [x, y]| l.egrad2rgrad(x, y),
        |l, [x, y]| {
            let points = Tensor::cat(vec![x, y], 0);
            let weights = Tensor::ones([2, 1], &points.device());
            l.midpoint(points, weights, 0)
        },
    ];
    for c in CURVATURES {
        let lorentz = Lorentz::new(c).unwrap();
        for (index, op) in ops.iter().enumerate() {
            for (x, y) in [
                ([0.0, 0.0], [0.0, 0.0]),
                ([0.3, 0.4], [0.3, 0.4]),
                ([0.3, 0.4], [0.0, 0.0]),
            ] {
                let [x, y] = [x, y].map(|x| row::<F>(&x, DType::F32).require_grad());
                let output = op(&lorentz, [x.clone(), y.clone()]);
                let grads = output.backward();
                let grads = [x, y].map(|x| x.grad(&grads).map(values).unwrap_or_default());
                let all = values(output).into_iter().chain(grads.concat());
                assert!(all.into_iter().all(f64::is_finite), "{index}, c = {c}");
            }
        }
    }
}
