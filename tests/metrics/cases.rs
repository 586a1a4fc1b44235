//! Maps and masks with exact values computed elsewhere: those under `tests/cases/metrics`, or those
//! in the folder that `HYPAD_METRIC_CASES` names.

use std::path::{Path, PathBuf};

use hypad::Error;
use hypad::metrics::{
    AnomalousPixels, Aupro, Connectivity, PixelImage, PixelMetrics, PixelRanking, Ranking,
};
use serde_json::Value;

fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/metrics");
    std::env::var_os("HYPAD_METRIC_CASES").map_or(own, PathBuf::from)
}

fn array<T: npyz::Deserialize>(path: &Path) -> (Vec<usize>, Vec<T>) {
    let bytes = std::fs::read(path).unwrap();
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    let shape = npy.shape().iter().map(|n| *n as usize).collect();
    (shape, npy.into_vec().unwrap())
}

fn check(case: &str, name: &str, ours: Result<f64, Error>, expected: &Value) {
    match (&ours, expected.get(name).and_then(Value::as_f64)) {
        (Ok(ours), Some(expected)) => {
            let error = (ours - expected).abs();
            assert!(error <= 1e-12, "{case} {name}: {ours} {expected}");
        }
        (Err(Error::Undefined { .. }), None) => {}
        other => panic!("{case} {name}: {other:?}"),
    }
}

fn check_ranking(case: &str, kind: &str, ranking: &Ranking, expected: &Value) {
    let check = |name: &str, ours| check(case, &format!("{kind}_{name}"), ours, expected);
    check("auroc", ranking.auroc());
    check("ap", ranking.average_precision());
    check("aupr_trapezoid", ranking.aupr());
    check("f1_max", ranking.f1_max().map(|best| best.value));
    check(
        "f1_max_threshold",
        ranking.f1_max().map(|best| best.threshold.into()),
    );
    if kind == "pixel" {
        check("iou_max", ranking.iou_max().map(|best| best.value));
    }
}

fn check_pixels(case: &str, ranking: &PixelRanking, expected: &Value) {
    let counts = [
        ("n_regions", ranking.regions().len() as u64),
        ("n_anomalous_pixels", ranking.pixels().positives()),
        ("n_normal_pixels", ranking.pixels().negatives()),
    ];
    for (name, count) in counts {
        assert_eq!(Some(count), expected[name].as_u64(), "{case} {name}");
    }
    for limit in ["0.05", "0.3", "1.0"] {
        let ours = ranking.aupro(limit.parse().unwrap());
        check(case, &format!("aupro_{limit}"), ours, expected);
    }
    check_ranking(case, "pixel", ranking.pixels(), expected);
}

/// One pass; two passes in two other orders; all at once on several threads.
#[test]
fn all_cases_are_exact_in_any_order() {
    let folder = folder();
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_slice(&expected).unwrap();
    let mut run = 0;
    for (case, expected) in &expected {
        // The large ones are not stored, but made by a script.
        let path = |kind: &str| folder.join(format!("{case}_{kind}.npy"));
        if !path("scores").exists() {
            continue;
        }
        run += 1;
        let expected = expected.get("exact").unwrap_or(expected);
        let (shape, scores) = array::<f32>(&path("scores"));
        let (_, masks) = array::<u8>(&path("masks"));
        let (height, width) = (shape[1], shape[2]);
        let pixels = height * width;
        let pairs = scores.chunks(pixels).zip(masks.chunks(pixels));
        let images: Result<Vec<_>, Error> = pairs
            .map(|(map, mask)| PixelImage::new(map, mask, width, height))
            .collect();
        if case == "edge_nan" {
            assert!(matches!(images, Err(Error::NanScore { .. })));
            continue;
        }
        let images = images.unwrap();

        let mut one_pass = PixelMetrics::new();
        images.iter().for_each(|image| one_pass.add(image));
        check_pixels(case, &one_pass.ranking().unwrap(), expected);

        let mut pro = Aupro::new();
        for (map, mask) in scores.chunks(pixels).zip(masks.chunks(pixels)) {
            pro.add(map, mask, width, height).unwrap();
        }
        check(case, "aupro_0.3", pro.score(0.3), expected);

        let mut anomalous = AnomalousPixels::new();
        images.iter().rev().for_each(|image| anomalous.add(image));
        let mut normal = anomalous.normal_pixels();
        let (odd, even): (Vec<_>, Vec<_>) = (0..images.len()).partition(|at| at % 2 == 1);
        for at in odd.into_iter().chain(even) {
            normal.add(&images[at]);
        }
        check_pixels(case, &normal.finish().unwrap(), expected);

        for threads in [1, 3] {
            let all = PixelRanking::of(&images, Connectivity::Eight, threads).unwrap();
            check_pixels(case, &all, expected);
        }

        let highest = |map: &[f32]| map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scores: Vec<f32> = scores.chunks(pixels).map(highest).collect();
        let labels = masks
            .chunks(pixels)
            .map(|mask| mask.iter().any(|m| *m != 0));
        let labels: Vec<bool> = labels.collect();
        let ranking = Ranking::new(&scores, &labels).unwrap();
        check_ranking(case, "image", &ranking, expected);
    }
    assert!(run > 15, "{run} cases");
}
