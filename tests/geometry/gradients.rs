//! Gradients: finite where formulas are singular, equal to differences of values elsewhere.

use burn::backend::{Autodiff, Flex};
use burn::tensor::DType;

use super::common::*;

/// At equal points, the origin, on the boundary and beyond it.
pub fn finite_everywhere<B: Tested>(dtypes: &[DType]) {
    let zero = [0.0, 0.0, 0.0];
    let near = [0.3, -0.2, 0.1];
    let next = [0.3, -0.2, 0.100_000_01];
    let tiny = [1e-20, 0.0, -1e-20];
    for c in [0.0_f64, 1e-30, 1e-15, 1e-4, 0.01, 1.0, 10.0] {
        // On the boundary of the ball of radius 1/sqrt(c), rounded either way, and far outside.
        let rim = [if c > 1e-4 { 1.0 / c.sqrt() } else { 1.0 }, 0.0, 0.0];
        let opposite = rim.map(|v: f64| -v);
        let far = [30.0, -40.0, 50.0];
        let points = [zero, near, next, tiny, rim, opposite, far];
        for name in OPERATIONS {
            let (op, _) = operation::<B>(name);
            for &dtype in dtypes {
                for a in &points {
                    for b in &points {
                        let (output, grads) = run::<B>(op, c, [a, b, &near], dtype);
                        let finite = output.iter().chain(grads.iter().flatten());
                        assert!(
                            finite.clone().all(|v| v.is_finite()),
                            "{name} {dtype:?} c = {c} {a:?} {b:?}: {output:?} {grads:?}"
                        );
                    }
                }
            }
        }
        for name in ["dist", "dist_expmap0", "pairwise_dist"] {
            let (op, _) = operation::<B>(name);
            for point in &points {
                let (d, grads) = run::<B>(op, c, [point, point, point], DType::F32);
                assert_eq!(d, [0.0], "{name} c = {c} {point:?}");
                assert!(grads.iter().flatten().all(|v| *v == 0.0));
            }
        }
    }
}

#[test]
fn finite_on_flex() {
    finite_everywhere::<Autodiff<Flex>>(&[DType::F32, DType::F64, DType::BF16]);
}

#[cfg(feature = "ndarray")]
#[test]
fn finite_on_ndarray() {
    finite_everywhere::<Autodiff<burn::backend::NdArray>>(&[DType::F32, DType::F64]);
}

/// On one ray d(exp₀(u), exp₀(v)) is 2|‖u‖ − ‖v‖|, and so are its gradients, however far out: where
/// points of the ball are the same to all digits, and the hyperbolic sines of the formula overflow.
#[test]
fn exact_on_one_ray() {
    let (op, _) = operation::<F>("dist_expmap0");
    // Their multiples are exact.
    let directions: [&[f64]; 2] = [&[1.0], &[0.625, -0.25, 0.125]];
    let lengths = [1.0, 3.0, 19.0, 20.0, 190.0, 200.0, 1e5];
    for (dtype, epsilon) in [
        (DType::F32, f32::EPSILON.into()),
        (DType::F64, f64::EPSILON),
    ] {
        for c in [0.0, 1e-6, 0.3, 1.0, 9.0] {
            for w in directions {
                for (a, b) in lengths.iter().flat_map(|a| lengths.map(|b| (*a, b))) {
                    let times = |factor: f64| w.iter().map(|w| factor * w).collect::<Vec<_>>();
                    let (u, v) = (times(a), times(b));
                    let (d, [by_u, by_v, _]) = run(op, c, [&u, &v, &v], dtype);
                    let what = format!("{dtype:?}, c = {c}, {u:?} {v:?}");
                    let expected = 2.0 * (a - b).abs() * norm(w);
                    assert!(error(&d, &[expected]) < 2.0 * epsilon, "{what}: {d:?}");
                    let sign = if a == b { 0.0 } else { (a - b).signum() };
                    let expected = times(2.0 * sign / norm(w));
                    assert!(error(&by_u, &expected) < 4.0 * epsilon, "{what}: {by_u:?}");
                    let expected = times(-2.0 * sign / norm(w));
                    assert!(error(&by_v, &expected) < 4.0 * epsilon, "{what}: {by_v:?}");
                }
            }
        }
    }
}

/// Lengths whose squares no float holds.
#[test]
fn short_and_long_vectors_have_directions() {
    let c = 0.7;
    for u in [[3e-20, 1e-20], [1e-25, 0.0], [4e22, -3e22]] {
        let (op, _) = operation::<F>("geodesic_unit");
        let (x, [_, by_u, _]) = run(op, c, [&[0.0, 0.0], &u, &u], DType::F32);
        let (d, _) = run(operation::<F>("dist0").0, c, [&x, &x, &x], DType::F32);
        assert!((d[0] - 0.7).abs() < 1e-6, "{u:?}: {d:?}");
        assert!(by_u.iter().all(|g| g.is_finite()), "{u:?}: {by_u:?}");
    }
    let (op, _) = operation::<F>("dist_expmap0");
    for (u, v) in [([1e-160, 0.0], [1.0, 0.0]), ([1e-155, 1e-156], [1.0, 0.5])] {
        let (d, [by_u, by_v, _]) = run(op, c, [&u, &v, &v], DType::F64);
        assert!((d[0] - 2.0 * norm(&v)).abs() < 1e-15, "{d:?}");
        let expected = v.map(|v_k| 2.0 * v_k / norm(&v));
        assert!(error(&by_v, &expected) < 1e-15, "{by_v:?}");
        assert!(by_u.iter().all(|g| g.is_finite()), "{by_u:?}");
    }
}

/// At the origin both maps are the identity, and so are their Jacobians.
#[test]
fn maps_at_the_origin_have_gradient_one() {
    for name in ["expmap0", "logmap0"] {
        let (op, _) = operation::<F>(name);
        for c in [0.0, 0.01, 3.0] {
            let (output, [grad, ..]) = run(op, c, [&[0.0; 4]; 3], DType::F32);
            assert_eq!((output, grad), (vec![0.0; 4], vec![1.0; 4]));
        }
    }
}

/// Central differences in f64, at two scales of curvature and on points in general position.
#[test]
fn equal_differences() {
    let inputs = [
        [0.31, -0.22, 0.13, 0.05],
        [-0.15, 0.4, 0.2, -0.07],
        [0.11, 0.07, -0.3, 0.21],
    ];
    let more = [
        "frechet_mean",
        "mobius_scalar_mul",
        "retraction",
        "concat",
        "frechet_variance",
        "lorentz_dist",
        "lorentz_expmap",
        "lorentz_logmap",
        "lorentz_ptransp",
        "lorentz_geodesic",
        "lorentz_midpoint",
        "klein_dist",
        "klein_expmap",
        "klein_logmap",
    ];
    for name in OPERATIONS.into_iter().chain(more) {
        let (op, _) = operation::<F>(name);
        for c in [0.0, 1e-7, 0.3, 1.9] {
            let rows = inputs.each_ref().map(|row| row.as_slice());
            let (_, grads) = run(op, c, rows, DType::F64);
            for input in 0..3 {
                if name == "mobius_scalar_mul" && input > 0 {
                    continue; // its factor is a number
                }
                for k in 0..4 {
                    let h = 1e-5;
                    let at = |step: f64| {
                        let mut moved = inputs;
                        moved[input][k] += step;
                        let rows = moved.each_ref().map(|row| row.as_slice());
                        run(op, c, rows, DType::F64).0.iter().sum::<f64>()
                    };
                    let difference = (at(h) - at(-h)) / (2.0 * h);
                    let ours = grads[input][k];
                    assert!(
                        (ours - difference).abs() < 2e-9 * (1.0 + difference.abs()),
                        "{name} c = {c}, input {input}[{k}]: {ours} {difference}"
                    );
                }
            }
        }
    }
}
