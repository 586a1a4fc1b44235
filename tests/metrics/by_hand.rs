//! Values worked out by hand, and the cases that have none.

use approx::assert_abs_diff_eq;
use hypad::{
    Error,
    metrics::{
        AnomalousPixels, Connectivity, PixelImage, PixelMetrics, PixelRanking, Ranking, auroc,
        average_precision, fpr_threshold, quantile, sigma_threshold,
    },
};

fn one_image(map: &[f32], mask: &[bool], width: usize) -> PixelRanking {
    let mut metrics = PixelMetrics::new();
    metrics.add(&PixelImage::new(map, mask, width, map.len() / width).unwrap());
    metrics.ranking().unwrap()
}

/// Maps of 4 × 4 pixels whose areas were worked out by hand.
#[test]
fn aupro_of_two_regions_by_hand() {
    // Region A: pixels 0, 1 (scores 4, 1). Region B: pixel 15 (score 3). 13 normal pixels, of
    // which one scores 2 and one ties with A's second pixel at 1.
    let mut map = [0.0; 16];
    let mut mask = [false; 16];
    (map[0], map[1], map[15], map[5], map[10]) = (4.0, 1.0, 3.0, 2.0, 1.0);
    (mask[0], mask[1], mask[15]) = (true, true, true);
    let pro = one_image(&map, &mask, 4);
    assert_eq!(pro.regions().len(), 2);
    assert_eq!(pro.overlaps(1.5), [0.5, 1.0]);
    assert_eq!(pro.overlaps(1.0), [1.0, 1.0]);
    // PRO: 1/4, 3/4 at FPR 0; 3/4 at 1/13; 1 at 2/13 and on to (1, 1).
    let n = 13.0;
    let whole = 0.75 / n + 0.875 / n + 11.0 / n;
    assert_abs_diff_eq!(pro.aupro(1.0).unwrap(), whole, epsilon = 1e-15);
    let limit: f64 = 1.5 / n;
    let part = (0.75 / n + 0.5 / n * (0.75 + 0.875) / 2.0) / limit;
    assert_abs_diff_eq!(pro.aupro(limit).unwrap(), part, epsilon = 1e-15);
}

#[test]
fn equal_scores_give_the_diagonal() {
    let mask = [true, true, false, false, false, false];
    let pro = one_image(&[0.5; 6], &mask, 3);
    for limit in [0.05, 0.3, 1.0] {
        assert_abs_diff_eq!(pro.aupro(limit).unwrap(), limit / 2.0, epsilon = 1e-15);
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
    assert!(undefined(PixelMetrics::new().ranking().unwrap().aupro(0.3)));
    for mask in [[false; 2], [true; 2]] {
        let pixels = one_image(&[1.0, 2.0], &mask, 2);
        assert!(undefined(pixels.aupro(0.3)));
        let ranking = pixels.pixels();
        assert!(undefined(ranking.auroc()) && undefined(ranking.average_precision()));
        assert!(undefined(ranking.aupr()) && undefined(ranking.f1_max().map(|f| f.value)));
        assert!(undefined(ranking.iou_max().map(|f| f.value)));
        assert!(ranking.roc_curve().is_err() && ranking.pr_curve().is_err());
    }
}

#[test]
fn bad_input_is_named_and_not_taken() {
    let is_nan = |result| matches!(result, Err(Error::NanScore { index: 1 }));
    let nan_scores = [0.0, f32::NAN];
    assert!(is_nan(auroc(&nan_scores, &[true, false])));
    assert!(is_nan(average_precision(&nan_scores, &[true, false])));
    assert!(is_nan(quantile(&nan_scores, 0.5)));
    let image = |map, mask, width, height| PixelImage::<bool>::new(map, mask, width, height);
    let nan = image(&nan_scores, &[true, false], 2, 1);
    assert!(matches!(nan, Err(Error::NanScore { index: 1 })));
    for (width, height) in [(3, 1), (usize::MAX, 2), (0, 0)] {
        let wrong = image(&[0.0; 2], &[true, false], width, height);
        assert!(matches!(wrong, Err(Error::Size { .. })));
    }
    assert!(matches!(
        image(&[0.0; 3], &[true, false], 2, 1),
        Err(Error::Size { .. })
    ));
    assert!(matches!(auroc(&[0.0; 3], &[true]), Err(Error::Size { .. })));
    let pro = one_image(&[0.0, 1.0], &[true, false], 2);
    for limit in [0.0, -0.1, 1.1, f64::NAN] {
        assert!(matches!(pro.aupro(limit), Err(Error::Setting { .. })));
    }
}

/// Scores 3 a, 2 n, 2 a, 1 n, 1 a: a anomalous, n normal.
#[test]
fn curves_and_best_thresholds_by_hand() {
    let scores = [3.0, 2.0, 2.0, 1.0, 1.0];
    let ranking = Ranking::new(&scores, &[true, false, true, false, true]).unwrap();
    let third = 1.0 / 3.0;
    assert_eq!(
        ranking.roc_curve().unwrap().thinned().points,
        [[0.0, 0.0], [0.0, third], [0.5, 2.0 * third], [1.0, 1.0]]
    );
    assert_eq!(
        ranking.pr_curve().unwrap().points[1..],
        [
            [third, 1.0],
            [third, 1.0],
            [2.0 * third, 2.0 * third],
            [2.0 * third, 2.0 * third],
            [1.0, 0.6]
        ]
    );
    // F1: 2/4, 4/6, 6/8; IoU: 1/3, 2/4, 3/5.
    assert_eq!(ranking.f1_max().unwrap().value, 0.75);
    assert_eq!(ranking.f1_max().unwrap().threshold, 1.0);
    assert_eq!(ranking.iou_max().unwrap().value, 0.6);
    // Two thresholds that are equally good: the lower one.
    let ranking = Ranking::new(
        &[4.0, 3.0, 2.0, 2.0, 1.0],
        &[true, false, true, false, false],
    );
    let best = ranking.unwrap().f1_max().unwrap();
    assert_eq!((best.value, best.threshold), (2.0 / 3.0, 2.0));
}

#[test]
fn corners_join_regions_unless_told_otherwise() {
    let map = [1.0, 0.0, 0.0, 2.0];
    let mask = [1_u8, 0, 0, 7];
    let image = PixelImage::new(&map, &mask, 2, 2).unwrap();
    for (connectivity, regions) in [(Connectivity::Eight, 1), (Connectivity::Four, 2)] {
        let ranking = PixelRanking::of(&[image, image], connectivity, 2).unwrap();
        let found = ranking.regions();
        assert_eq!(found.len(), 2 * regions);
        assert_eq!(found.iter().map(|r| r.area).sum::<u64>(), 4);
        assert_eq!(found[0].image, 0);
        assert_eq!(found.last().unwrap().image, 1);
    }
}

#[test]
fn passes_that_differ_are_refused() {
    let (map, mask) = ([1.0, 0.0], [true, false]);
    let image = PixelImage::new(&map, &mask, 2, 1).unwrap();
    let mut anomalous = AnomalousPixels::new();
    anomalous.add(&image);
    let mut normal = anomalous.clone().normal_pixels();
    let unfinished = normal.clone().finish();
    assert!(matches!(unfinished, Err(Error::Size { .. })));
    anomalous.add(&PixelImage::new(&[0.5, 0.25], &mask, 2, 1).unwrap());
    assert!(matches!(
        normal.merge(&anomalous.normal_pixels()),
        Err(Error::Size { .. })
    ));
}

#[test]
fn thresholds_from_normal_scores() {
    let normal = [3.0, -1.0, 0.0, 0.5, 0.5, -0.0, 2.0, f32::NEG_INFINITY];
    for (rate, found) in [
        (0.0, 0),
        (0.124, 0),
        (0.125, 1),
        (0.3, 2),
        (0.4, 2),
        (0.5, 4),
    ] {
        let threshold = fpr_threshold(&normal, rate).unwrap();
        let above = |t: f32| normal.iter().filter(|score| **score >= t).count();
        assert_eq!(above(threshold), found, "{rate}");
        assert!(above(threshold.next_down()) as f64 > rate * 8.0, "{rate}");
    }
    assert_eq!(fpr_threshold(&normal, 1.0).unwrap(), f32::NEG_INFINITY);
    assert!(fpr_threshold(&[f32::INFINITY, 1.0], 0.4).is_err());
    assert!(fpr_threshold(&normal, 1.1).is_err() && fpr_threshold(&[], 0.1).is_err());
    assert!(fpr_threshold(&[f32::NAN], 0.1).is_err());

    let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
    for (values, q, found) in [
        ([1.0, high], 0.0, 1.0),
        ([1.0, high], 0.5, high),
        ([high, high], 0.5, high),
        ([low, 1.0], 0.5, low),
        ([low, high], 0.5, low),
        ([low, high], 1.0, high),
    ] {
        assert_eq!(quantile(&values, q).unwrap(), f64::from(found));
    }

    assert_eq!(sigma_threshold(&[2.0, 4.0], -2.0).unwrap(), 1.0);
    // A mean far from 0 costs no digits.
    let far = [1e6_f32 + 1.0, 1e6 - 1.0];
    assert_eq!(sigma_threshold(&far, 3.0).unwrap(), 1e6 + 3.0);
    assert!(sigma_threshold(&normal, 3.0).is_err() && sigma_threshold(&[], 3.0).is_err());
    assert!(sigma_threshold(&far, f64::NAN).is_err());
}
