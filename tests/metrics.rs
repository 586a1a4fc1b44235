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
    let nan = Err(Error::NanScore { index: 1 });
    let is_nan = |result: Result<f64, Error>| {
        std::mem::discriminant(&result.unwrap_err())
            == std::mem::discriminant(nan.as_ref().unwrap_err() as &Error)
    };
    let nan_scores = [0.0, f32::NAN];
    let _: &Result<f64, Error> = &nan;
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
