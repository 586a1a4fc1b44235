//! Random small images: metrics against their definitions, threshold by threshold.

use approx::assert_abs_diff_eq;
use hypad::metrics::{Connectivity, PixelImage, PixelMetrics, PixelRanking};
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub struct Image {
    pub map: Vec<f32>,
    pub mask: Vec<u8>,
    pub width: usize,
    pub height: usize,
}

/// Scores with many ties or hardly any; masks from empty to full.
pub fn image() -> impl Strategy<Value = Image> {
    let size = (1_usize..7, 1_usize..7);
    (size, 0_u8..=4, any::<bool>()).prop_flat_map(|((width, height), filled, ties)| {
        let score = (-4_i32..5).prop_map(|s| s as f32 * 0.5);
        let score = if ties {
            score.boxed()
        } else {
            prop_oneof![8 => -2.0_f32..2.0, 1 => Just(f32::INFINITY), 1 => Just(-0.0)].boxed()
        };
        let truth = (0_u8..4).prop_map(move |draw| if draw < filled { 1 + 83 * draw } else { 0 });
        let pixels = width * height;
        let map = prop::collection::vec(score, pixels);
        let mask = prop::collection::vec(truth, pixels);
        (map, mask).prop_map(move |(map, mask)| Image {
            map,
            mask,
            width,
            height,
        })
    })
}

/// Regions by flooding from each pixel.
fn regions(image: &Image, connectivity: Connectivity) -> Vec<Vec<usize>> {
    let mut seen = vec![false; image.mask.len()];
    let mut regions = Vec::new();
    for start in 0..image.mask.len() {
        let mut open = vec![start];
        let mut region = Vec::new();
        while let Some(at) = open.pop() {
            if seen[at] || image.mask[at] == 0 {
                continue;
            }
            seen[at] = true;
            region.push(at);
            let (x, y) = ((at % image.width) as i32, (at / image.width) as i32);
            for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
                let (x, y) = (x + dx, y + dy);
                let inside =
                    (0..image.width as i32).contains(&x) && (0..image.height as i32).contains(&y);
                if inside && (connectivity == Connectivity::Eight || dx == 0 || dy == 0) {
                    open.push(y as usize * image.width + x as usize);
                }
            }
        }
        if !region.is_empty() {
            regions.push(region);
        }
    }
    regions
}

/// Counts of a threshold: true and false positives, and the mean overlap.
fn at_threshold(images: &[Image], connectivity: Connectivity, threshold: f32) -> [f64; 3] {
    let mut counts = [0.0; 2];
    let mut overlaps = Vec::new();
    for image in images {
        for (score, truth) in image.map.iter().zip(&image.mask) {
            if *score >= threshold {
                counts[usize::from(*truth == 0)] += 1.0;
            }
        }
        overlaps.extend(regions(image, connectivity).iter().map(|region| {
            let found = region.iter().filter(|at| image.map[**at] >= threshold);
            found.count() as f64 / region.len() as f64
        }));
    }
    let mean = overlaps.iter().sum::<f64>() / overlaps.len() as f64;
    [counts[0], counts[1], mean]
}

pub fn area(points: &[[f64; 2]], limit: f64) -> f64 {
    let mut area = 0.0;
    for pair in points.windows(2) {
        let ([x, y], [u, v]) = (pair[0], pair[1]);
        let end = u.min(limit);
        if end > x {
            let at_end = y + (v - y) * (end - x) / (u - x);
            area += (end - x) * (y + at_end) / 2.0;
        }
    }
    area / limit
}

fn check(images: &[Image], connectivity: Connectivity) {
    let pixels: Vec<PixelImage<'_, u8>> = images
        .iter()
        .map(|i| PixelImage::new(&i.map, &i.mask, i.width, i.height).unwrap())
        .collect();
    let mut one_pass = PixelMetrics::with_connectivity(connectivity);
    pixels.iter().for_each(|image| one_pass.add(image));
    let ours = one_pass.ranking().unwrap();
    let parallel = PixelRanking::of(&pixels, connectivity, 2).unwrap();
    assert_eq!(ours.pixels(), parallel.pixels());

    let all = |anomalous: bool| {
        let pixels = images.iter().flat_map(|i| i.map.iter().zip(&i.mask));
        pixels
            .filter(move |(_, truth)| (**truth != 0) == anomalous)
            .count() as f64
    };
    let (positives, negatives) = (all(true), all(false));
    assert_eq!(ours.pixels().positives() as f64, positives);
    if positives == 0.0 || negatives == 0.0 {
        assert!(ours.aupro(0.3).is_err() && ours.pixels().auroc().is_err());
        return;
    }
    let mut thresholds: Vec<f32> = images.iter().flat_map(|i| i.map.iter().copied()).collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup_by(|a, b| a == b);
    let counts = thresholds
        .iter()
        .map(|t| at_threshold(images, connectivity, *t));
    let counts: Vec<[f64; 3]> = counts.collect();

    let curve = |start: [f64; 2], point: &dyn Fn(&[f64; 3]) -> [f64; 2]| {
        let mut points = vec![start];
        points.extend(counts.iter().map(point));
        points
    };
    let roc = curve([0.0; 2], &|[tp, fp, _]| [fp / negatives, tp / positives]);
    let pro = curve([0.0; 2], &|[_, fp, pro]| [fp / negatives, *pro]);
    let pr = curve([0.0, 1.0], &|[tp, fp, _]| [tp / positives, tp / (tp + fp)]);
    let steps = pr.windows(2);
    let ap: f64 = steps
        .map(|pair| (pair[1][0] - pair[0][0]) * pair[1][1])
        .sum();
    let best = |value: &dyn Fn(&[f64; 3]) -> f64| counts.iter().map(value).fold(0.0, f64::max);
    let f1 = best(&|[tp, fp, _]| 2.0 * tp / (tp + fp + positives));
    let iou = best(&|[tp, fp, _]| tp / (fp + positives));

    let ranking = ours.pixels();
    let close = |ours: f64, theirs: f64| assert_abs_diff_eq!(ours, theirs, epsilon = 1e-13);
    close(ranking.auroc().unwrap(), area(&roc, 1.0));
    close(
        ranking.roc_curve().unwrap().area(1.0).unwrap(),
        area(&roc, 1.0),
    );
    close(ranking.average_precision().unwrap(), ap);
    close(ranking.aupr().unwrap(), area(&pr, 1.0));
    close(ranking.f1_max().unwrap().value, f1);
    close(ranking.iou_max().unwrap().value, iou);
    for limit in [0.01, 0.05, 0.3, 0.7, 1.0] {
        close(ours.aupro(limit).unwrap(), area(&pro, limit));
        let thin = ours.pro_curve().unwrap().thinned();
        close(thin.area(limit).unwrap(), area(&pro, limit));
    }
    for &threshold in &thresholds {
        let overlaps = ours.overlaps(threshold);
        let mean = overlaps.iter().sum::<f64>() / overlaps.len() as f64;
        close(mean, at_threshold(images, connectivity, threshold)[2]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn metrics_are_their_definitions(images in prop::collection::vec(image(), 1..5)) {
        for connectivity in [Connectivity::Four, Connectivity::Eight] {
            check(&images, connectivity);
        }
    }
}
