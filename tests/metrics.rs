//! Metrics against exact values, and the cases that have none.

use approx::assert_abs_diff_eq;
use hypad::{
    Error,
    metrics::{Aupro, auroc, average_precision, quantile},
};

/// Maps of 4 × 4 pixels whose areas were worked out by hand.
#[test]
fn aupro_of_two_regions_by_hand() {
    let mut pro = Aupro::new();
    // Region A: pixels 0, 1 (scores 4, 1). Region B: pixel 15 (score 3). 13 normal pixels, of
    // which one scores 2 and one ties with A's second pixel at 1.
    let mut map = [0.0; 16];
    let mut mask = [false; 16];
    (map[0], map[1], map[15], map[5], map[10]) = (4.0, 1.0, 3.0, 2.0, 1.0);
    (mask[0], mask[1], mask[15]) = (true, true, true);
    pro.add(&map, &mask, 4, 4).unwrap();
    assert_eq!(pro.regions(), 2);
    // PRO: 1/4, 3/4 at FPR 0; 3/4 at 1/13; 1 at 2/13 and on to (1, 1).
    let n = 13.0;
    let whole = 0.75 / n + 0.875 / n + 11.0 / n;
    assert_abs_diff_eq!(pro.score(1.0).unwrap(), whole, epsilon = 1e-15);
    let limit: f64 = 1.5 / n;
    let part = (0.75 / n + 0.5 / n * (0.75 + 0.875) / 2.0) / limit;
    assert_abs_diff_eq!(pro.score(limit).unwrap(), part, epsilon = 1e-15);
}

#[test]
fn equal_scores_give_the_diagonal() {
    let mut pro = Aupro::new();
    let mask = [true, true, false, false, false, false];
    pro.add(&[0.5; 6], &mask, 3, 2).unwrap();
    for limit in [0.05, 0.3, 1.0] {
        assert_abs_diff_eq!(pro.score(limit).unwrap(), limit / 2.0, epsilon = 1e-15);
    }
    assert_eq!(auroc(&[0.5; 6], &mask).unwrap(), 0.5);
    assert_abs_diff_eq!(average_precision(&[0.5; 6], &mask).unwrap(), 1.0 / 3.0);
}

#[test]
fn signed_zeros_are_equal_and_infinities_are_ordered() {
    assert_eq!(auroc(&[-0.0, 0.0], &[true, false]).unwrap(), 0.5);
    let scores = [f32::INFINITY, f32::INFINITY, 0.0, f32::NEG_INFINITY];
    assert_eq!(auroc(&scores, &[true, false, true, false]).unwrap(), 0.625);
}

#[test]
fn what_is_undefined_is_an_error() {
    let undefined = |result| matches!(result, Err(Error::Undefined { .. }));
    assert!(undefined(auroc(&[1.0, 2.0], &[true, true])));
    assert!(undefined(auroc(&[1.0, 2.0], &[false, false])));
    assert!(undefined(auroc(&[], &[])));
    assert!(undefined(average_precision(&[1.0], &[false])));
    assert!(undefined(quantile(&[], 0.5)));
    let mut pro = Aupro::new();
    assert!(undefined(pro.score(0.3)));
    pro.add(&[1.0, 2.0], &[false, false], 2, 1).unwrap();
    assert!(undefined(pro.score(0.3)));
    let mut pro = Aupro::new();
    pro.add(&[1.0, 2.0], &[true, true], 2, 1).unwrap();
    assert!(undefined(pro.score(0.3)));
}

#[test]
fn bad_input_is_named_and_not_taken() {
    let is_nan = |result| matches!(result, Err(Error::NanScore { index: 1 }));
    let nan_scores = [0.0, f32::NAN];
    assert!(is_nan(auroc(&nan_scores, &[true, false])));
    assert!(is_nan(average_precision(&nan_scores, &[true, false])));
    assert!(is_nan(quantile(&nan_scores, 0.5)));
    let mut pro = Aupro::new();
    assert!(pro.add(&nan_scores, &[true, false], 2, 1).is_err());
    assert!(matches!(
        pro.add(&[0.0; 3], &[true, false], 2, 1),
        Err(Error::Size { .. })
    ));
    assert!(matches!(auroc(&[0.0; 3], &[true]), Err(Error::Size { .. })));
    assert_eq!(pro.regions(), 0);
    pro.add(&[0.0, 1.0], &[true, false], 2, 1).unwrap();
    for limit in [0.0, -0.1, 1.1, f64::NAN] {
        assert!(matches!(pro.score(limit), Err(Error::Setting { .. })));
    }
}

/// Maps and masks under `tests/cases/metrics` with exact values computed elsewhere in rational or
/// long arithmetic.
mod cases {
    use super::*;
    use serde_json::Value;
    use std::path::Path;

    fn array<T: npyz::Deserialize>(name: &str) -> (Vec<usize>, Vec<T>) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/metrics");
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
        let shape = npy.shape().iter().map(|n| *n as usize).collect();
        (shape, npy.into_vec().unwrap())
    }

    fn check(case: &str, name: &str, ours: Result<f64, Error>, expected: &Value) {
        match (&ours, expected.get(name).and_then(Value::as_f64)) {
            (Ok(ours), Some(expected)) => {
                assert!(
                    (ours - expected).abs() <= 1e-12,
                    "{case} {name}: {ours} {expected}"
                )
            }
            (Err(Error::Undefined { .. }), None) => {}
            other => panic!("{case} {name}: {other:?}"),
        }
    }

    #[test]
    fn all_cases_are_exact() {
        let expected = include_str!("cases/metrics/expected.json");
        let expected: serde_json::Map<String, Value> = serde_json::from_str(expected).unwrap();
        assert!(expected.len() > 15);
        for (case, expected) in &expected {
            let (shape, scores) = array::<f32>(&format!("{case}_scores.npy"));
            let (_, masks) = array::<u8>(&format!("{case}_masks.npy"));
            let masks: Vec<bool> = masks.iter().map(|v| *v != 0).collect();
            let (height, width) = (shape[1], shape[2]);
            let mut pro = Aupro::new();
            let (mut image_scores, mut labels) = (Vec::new(), Vec::new());
            let images = scores
                .chunks(height * width)
                .zip(masks.chunks(height * width));
            let mut nan = false;
            for (map, mask) in images {
                nan |= pro.add(map, mask, width, height).is_err();
                image_scores.push(map.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                labels.push(mask.contains(&true));
            }
            if case == "edge_nan" {
                assert!(nan && auroc(&scores, &masks).is_err());
                continue;
            }
            assert_eq!(
                pro.regions() as u64,
                expected["n_regions"].as_u64().unwrap(),
                "{case}"
            );
            for (name, limit) in [("aupro_0.05", 0.05), ("aupro_0.3", 0.3), ("aupro_1.0", 1.0)] {
                check(case, name, pro.score(limit), expected);
            }
            check(case, "pixel_auroc", auroc(&scores, &masks), expected);
            check(case, "image_auroc", auroc(&image_scores, &labels), expected);
            if expected.get("pixel_ap").is_some() {
                check(
                    case,
                    "pixel_ap",
                    average_precision(&scores, &masks),
                    expected,
                );
            }
            if expected.get("image_ap").is_some() {
                check(
                    case,
                    "image_ap",
                    average_precision(&image_scores, &labels),
                    expected,
                );
            }
        }
    }
}
