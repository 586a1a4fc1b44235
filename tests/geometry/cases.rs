//! Cases computed at 60 digits on inputs that are exact in f32.

use std::collections::BTreeMap;

use burn::backend::{Autodiff, Flex};
use burn::tensor::DType;
use serde_json::Value;

use super::common::*;

/// A number, or its decimal digits as a string.
fn number(value: &Value) -> f64 {
    match value {
        Value::String(digits) => digits.parse().unwrap(),
        value => value.as_f64().unwrap(),
    }
}

fn list(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().map(number).collect(),
        Value::Null => vec![0.0],
        value => vec![number(value)],
    }
}

/// 1 − c‖x‖².
fn one_minus_cn2(c: f64, x: &[f64]) -> f64 {
    (1.0 - c * norm(x).powi(2)).abs().max(1e-12)
}

/// Whether the vectors lie on one line through the origin, on the same side, beyond √c‖u‖ = 1:
/// the pairs for which the tangent form is ill-conditioned.
fn radial_and_far(c: f64, u: &[f64], v: &[f64]) -> bool {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (uu, vv, uv) = (dot(u, u), dot(v, v), dot(u, v));
    uv > 0.0 && uu * vv - uv * uv < 1e-6 * uu * vv && c * uu.max(vv) > 1.0
}

/// Whether all points lie within 0.9 of the radius, or tangent vectors within 1.5 of it.
fn inner(name: &str, c: f64, a: &[f64], b: &[f64]) -> bool {
    let tangent = matches!(name, "expmap0" | "dist_expmap0");
    let (points, limit) = match name {
        "expmap" | "mobius_scalar_mul" => (vec![a], 0.9),
        _ => (vec![a, b], if tangent { 1.5 } else { 0.9 }),
    };
    points.iter().all(|x| c.sqrt() * norm(x) <= limit)
}

/// `HYPAD_CASES` names another file of cases: a list of them, or an object with the list as `cases`. With `--nocapture` the worst errors are shown.
pub fn cases<B: Tested>(dtype: DType, epsilon: f64, backend: &str) {
    let text = match std::env::var("HYPAD_CASES") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => include_str!("../cases/ball.json").to_string(),
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file.get("cases").unwrap_or(&file).as_array().unwrap();
    assert!(cases.len() > 1000);
    let mut worst = BTreeMap::<String, f64>::new();
    for case in cases {
        let name = case["op"].as_str().unwrap();
        let (op, inputs) = operation::<B>(name);
        let data = inputs.map(|input| list(&case[input]));
        let c = number(&case["c"]);
        let (output, grads) = run::<B>(op, c, data.each_ref().map(|v| v.as_slice()), dtype);
        let finite = output
            .iter()
            .chain(grads.iter().flatten())
            .all(|v| v.is_finite());
        assert!(finite, "{case}: {output:?} {grads:?}");

        let [a, b, _] = &data;
        let tolerance = match name {
            // The gradient of vectors on nearly one ray: the tangential part cancels.
            "dist_expmap0" if radial_and_far(c, a, b) => 100.0 * epsilon,
            // Made of several rounded operations.
            "gyration" | "ptransp" => {
                16.0 * epsilon + 4.0 * epsilon / one_minus_cn2(c, a).min(one_minus_cn2(c, b))
            }
            "dist_expmap0" => 16.0 * epsilon,
            _ => 8.0 * epsilon,
        };
        let region = if inner(name, c, a, b) {
            "inner"
        } else {
            "boundary"
        };
        let mut check = |what: &str, ours: &[f64], expected: &[f64]| {
            let e = error(ours, expected);
            assert!(
                e <= tolerance,
                "{what} {dtype:?}: {e:.2e} > {tolerance:.2e} for {case}"
            );
            let worst = worst.entry(format!("{what:20} {region}")).or_default();
            *worst = worst.max(e);
        };
        check(name, &output, &list(&case["out"]));
        for (index, (input, grad)) in inputs.iter().zip(&grads).enumerate() {
            if let Some(expected) = case.get(format!("grad_{input}")) {
                // An input that stands in for one that the operation lacks has no gradient.
                if !inputs[..index].contains(input) {
                    check(&format!("{name}, gradient"), grad, &list(expected));
                }
            }
        }
    }
    for (what, worst) in worst {
        println!("{backend:8} {dtype:?} {what:28} {worst:.1e}");
    }
}

#[test]
fn cases_at_sixty_digits() {
    for (dtype, epsilon) in [
        (DType::F32, f32::EPSILON.into()),
        (DType::F64, f64::EPSILON),
    ] {
        cases::<Autodiff<Flex>>(dtype, epsilon, "Flex");
        #[cfg(feature = "ndarray")]
        cases::<Autodiff<burn::backend::NdArray>>(dtype, epsilon, "NdArray");
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
        let (op, _) = operation::<F>("dist_expmap0");
        let (d, _) = run(op, c, [&u, &v, &v], DType::F64);
        assert!((d[0] - expected).abs() < 6e-11, "{d:?} {expected}");
    }
}
