//! Saturated and per-image overlap against their definitions, threshold by threshold.

use approx::assert_abs_diff_eq;
use hypad::Error;
use hypad::metrics::{Aupimo, Aupro, DefectChannel, PixelImage, SaturatedPro, Saturation};
use proptest::prelude::*;

use crate::definitions::{Image, area, image};

fn thresholds(images: &[Image]) -> Vec<f32> {
    let mut all: Vec<f32> = images.iter().flat_map(|i| i.map.iter().copied()).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    all.dedup_by(|a, b| a == b);
    all
}

/// The pixels of each value of the mask, and all of them together once more.
fn defects(image: &Image) -> Vec<Vec<u8>> {
    let values = [1, 84, 167, 250].map(|value| (value, value)).into_iter();
    let masks = values.chain([(1, 255)]).map(|(low, high)| {
        let inside = |m: &u8| u8::from((low..=high).contains(m));
        image.mask.iter().map(inside).collect::<Vec<u8>>()
    });
    masks.filter(|mask| mask.contains(&1)).collect()
}

fn check_saturated(images: &[Image], saturation: Saturation) {
    let mut ours = SaturatedPro::new();
    for image in images {
        let masks = defects(image);
        let channels = masks.iter().map(|mask| DefectChannel { mask, saturation });
        let channels: Vec<DefectChannel<'_, u8>> = channels.collect();
        ours.add(&image.map, &channels, image.width, image.height)
            .unwrap();
    }
    let normal = images.iter().flat_map(|i| i.map.iter().zip(&i.mask));
    let normal = normal.filter(|(_, m)| **m == 0).map(|(s, _)| *s);
    let normal: Vec<f32> = normal.collect();
    let count = images.iter().map(|i| defects(i).len()).sum::<usize>() as f64;
    if count == 0.0 || normal.is_empty() {
        assert!(matches!(ours.score(0.3), Err(Error::Undefined { .. })));
        return;
    }
    let mut points = vec![[0.0; 2]];
    for threshold in thresholds(images) {
        let false_positives = normal.iter().filter(|s| **s >= threshold).count();
        let mut sum = 0.0;
        for image in images {
            for mask in defects(image) {
                let pixels = || image.map.iter().zip(&mask).filter(|(_, m)| **m == 1);
                let all = pixels().count() as f64;
                let found = pixels().filter(|(s, _)| **s >= threshold).count() as f64;
                sum += match saturation {
                    Saturation::Relative(part) => (found / (part * all)).min(1.0),
                    Saturation::Pixels(pixels) => (found / pixels.min(all)).min(1.0),
                };
            }
        }
        points.push([false_positives as f64 / normal.len() as f64, sum / count]);
    }
    for limit in [0.05, 0.3, 1.0] {
        let ours = ours.score(limit).unwrap();
        assert_abs_diff_eq!(ours, area(&points, limit), epsilon = 1e-13);
    }
}

fn check_per_image(images: &[Image], [lower, upper]: [f64; 2]) {
    let mut ours = Aupimo::new();
    for i in images {
        ours.add(&PixelImage::new(&i.map, &i.mask, i.width, i.height).unwrap());
    }
    let ours = ours.scores([lower, upper]);
    let (normal, anomalous): (Vec<_>, Vec<_>) = images
        .iter()
        .enumerate()
        .partition(|(_, image)| image.mask.iter().all(|m| *m == 0));
    let rate = |threshold: f32| {
        let part = |image: &Image| {
            let found = image.map.iter().filter(|s| **s >= threshold).count();
            found as f64 / image.map.len() as f64
        };
        normal.iter().map(|(_, image)| part(image)).sum::<f64>() / normal.len() as f64
    };
    let thresholds = thresholds(images);
    let first = thresholds.iter().map(|t| rate(*t)).find(|rate| *rate > 0.0);
    if anomalous.is_empty() || first.is_none_or(|first| first > lower + 1e-12) {
        assert!(matches!(ours, Err(Error::Undefined { .. })));
        return;
    }
    // At the bound itself, rounding decides.
    if first.is_some_and(|first| first > lower - 1e-12) {
        return;
    }
    let ours = ours.unwrap();
    assert_eq!(ours.len(), anomalous.len());
    for (ours, (number, image)) in ours.iter().zip(&anomalous) {
        assert_eq!(ours.image, *number);
        let pixels = || image.map.iter().zip(&image.mask).filter(|(_, m)| **m != 0);
        let recall = |threshold: f32| {
            let found = pixels().filter(|(s, _)| **s >= threshold).count();
            found as f64 / pixels().count() as f64
        };
        let points = thresholds.iter().map(|t| [rate(*t).ln(), recall(*t)]);
        let points: Vec<[f64; 2]> = points.filter(|[x, _]| x.is_finite()).collect();
        let mut expected = 0.0;
        for pair in points.windows(2) {
            let ([x, y], [u, v]) = (pair[0], pair[1]);
            let (left, right) = (x.max(lower.ln()), u.min(upper.ln()));
            if left < right {
                let at = |place: f64| y + (v - y) * (place - x) / (u - x);
                expected += (right - left) * (at(left) + at(right)) / 2.0;
            }
        }
        expected /= (upper / lower).ln();
        assert_abs_diff_eq!(ours.value, expected, epsilon = 1e-12);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn saturated_overlap_is_its_definition(
        images in prop::collection::vec(image(), 1..5),
        part in 0.01_f64..=1.0,
        pixels in 0.5_f64..9.0,
    ) {
        check_saturated(&images, Saturation::Relative(part));
        check_saturated(&images, Saturation::Pixels(pixels));
    }

    #[test]
    fn per_image_overlap_is_its_definition(
        images in prop::collection::vec(image(), 1..8),
        lower in 0.005_f64..0.3,
        times in 1.5_f64..3.0,
    ) {
        check_per_image(&images, [lower, lower * times]);
    }
}

/// With every region a defect that must be found in full, sPRO is PRO.
#[test]
fn unsaturated_overlap_is_pro() {
    let (mut pro, mut spro) = (Aupro::new(), SaturatedPro::new());
    let map = [0.1, 0.8, 0.3, 0.2, 0.5, 0.4, 0.9, 0.3];
    let first = [true, true, false, false, false, false, false, false];
    let second = [false, false, false, false, false, false, true, true];
    let both: Vec<bool> = first.iter().zip(&second).map(|(a, b)| a | b).collect();
    pro.add(&map, &both, 8, 1).unwrap();
    let saturation = Saturation::Relative(1.0);
    let channels = [&first, &second].map(|mask| DefectChannel { mask, saturation });
    spro.add(&map, &channels, 8, 1).unwrap();
    for limit in [0.1, 0.3, 1.0] {
        assert_eq!(pro.score(limit).unwrap(), spro.score(limit).unwrap());
    }
}

#[test]
fn bad_input_is_named() {
    let mut spro = SaturatedPro::new();
    let good: [DefectChannel<'_, bool>; 0] = [];
    spro.add(&[0.5; 4], &good, 2, 2).unwrap();
    let mut add = |map: &[f32], mask: &[bool], saturation| {
        let defect = DefectChannel { mask, saturation };
        match spro.add(map, &[defect], 2, 2).unwrap_err() {
            Error::InImage { image, source } if image == "1" => *source,
            other => panic!("{other}"),
        }
    };
    let half = [true, true, false, false];
    for saturation in [
        Saturation::Relative(0.0),
        Saturation::Relative(1.5),
        Saturation::Pixels(-1.0),
        Saturation::Pixels(f64::NAN),
    ] {
        let error = add(&[0.5; 4], &half, saturation);
        assert!(matches!(error, Error::Setting { .. }));
    }
    let all = Saturation::Relative(1.0);
    let error = add(&[0.5; 4], &[true; 3], all);
    assert!(matches!(error, Error::Size { .. }));
    let error = add(&[0.5, f32::NAN, 0.5, 0.5], &half, all);
    assert!(matches!(error, Error::NanScore { index: 1 }));
    let error = add(&[0.5; 4], &[false; 4], all);
    assert!(matches!(error, Error::Undefined { .. }));
    for bounds in [[0.0, 0.1], [0.2, 0.1], [0.1, 1.1], [f64::NAN, 0.1]] {
        let scores = Aupimo::new().scores(bounds);
        assert!(matches!(scores, Err(Error::Setting { .. })));
    }
}
