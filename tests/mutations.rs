//! Damaged files of models and results, thousands of them from fixed seeds: each is refused or read as
//! what it is; none ends in a panic or a number that cannot be.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use burn::backend::Flex;
use hypad::methods::hypad::{FeatureScale, HypAd, Projection};
use hypad::report::MvtecMetricsFile;
use hypad::{Detector, HypAdConfig, ImageSize, TrainConfig};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Flips a bit, changes, removes or inserts bytes, or cuts the end off.
fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..6) {
        0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
        2 => bytes[at] = rng.random(),
        3 => bytes.truncate(at),
        4 => bytes.insert(at, rng.random()),
        _ => drop(bytes.remove(at)),
    }
}

fn config() -> HypAdConfig {
    HypAdConfig {
        channels: 6,
        projection: Projection::ChannelPooling(3),
        image_size: ImageSize::square(128),
        ..HypAdConfig::small()
    }
}

/// Replaces one byte of a file.
fn put(path: &Path, at: usize, byte: u8) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(&[byte]).unwrap();
}

#[test]
fn a_model_file_with_any_change_is_refused() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = config().init::<Flex>(&device).unwrap();
    let model = HypAd::new(config(), model).unwrap();
    let detector = Detector::new(model, &device).unwrap();
    detector.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let load = || Detector::<Flex>::load(&path, &device);
    assert!(load().is_ok());
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;

    let mut rng = StdRng::seed_from_u64(1);
    for case in 0..1500 {
        // Every other one in the header, which is a small part of the file.
        let end = if case % 2 == 0 { header } else { whole.len() };
        let at = rng.random_range(0..end);
        let changed = whole[at] ^ rng.random_range(1..=255_u8);
        put(&path, at, changed);
        let error = load()
            .expect_err(&format!("byte {at} of {header} + data"))
            .to_string();
        assert!(error.contains("model.safetensors"), "{error}");
        put(&path, at, whole[at]);
    }
    assert!(load().is_ok());
    for _ in 0..100 {
        let mut bytes = whole.clone();
        match rng.random_bool(0.5) {
            true => bytes.truncate(rng.random_range(0..whole.len())),
            false => bytes.insert(rng.random_range(0..whole.len()), rng.random()),
        }
        std::fs::write(&path, bytes).unwrap();
        assert!(load().is_err());
    }
}

#[test]
fn settings_that_are_read_are_settings_that_are_valid_or_refused() {
    let texts = [
        serde_json::to_vec(&config()).unwrap(),
        serde_json::to_vec(&HypAdConfig {
            scale: FeatureScale::Factor(0.5),
            ..HypAdConfig::efficient_ad()
        })
        .unwrap(),
    ];
    let recipes = [TrainConfig::fast(), TrainConfig::published()];
    let recipes = recipes.map(|recipe| serde_json::to_vec(&recipe).unwrap());
    let mut rng = StdRng::seed_from_u64(2);
    let mut read = 0;
    for case in 0..3000 {
        let mut text = texts[case % 2].clone();
        mutate(&mut text, &mut rng);
        if let Ok(config) = serde_json::from_slice::<HypAdConfig>(&text)
            && config.validate().is_ok()
        {
            assert!(config.output_size().is_ok() && config.curvature >= 0.0);
            read += 1;
        }
        let mut text = recipes[case % 2].clone();
        mutate(&mut text, &mut rng);
        if let Ok(recipe) = serde_json::from_slice::<TrainConfig>(&text)
            && recipe.validate().is_ok()
        {
            assert!(recipe.learning_rate_at(0).is_finite());
            read += 1;
        }
    }
    // Digits become other digits.
    assert!(read > 0);
}

#[test]
fn results_that_are_read_lie_between_0_and_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.json");
    let text = br#"{"bottle": {"au_pro": 0.9375, "classification_au_roc": 0.5,
        "classification_roc_curve_fpr": [0.0, 0.25, 1.0],
        "classification_roc_curve_tpr": [0.0, 0.75, 1.0]},
        "mean_au_pro": 0.9375, "mean_classification_au_roc": 0.5}"#;
    std::fs::write(&path, text).unwrap();
    assert!(MvtecMetricsFile::read(&path).is_ok());
    let mut rng = StdRng::seed_from_u64(3);
    let mut refused = 0;
    for _ in 0..2000 {
        let mut bytes = text.to_vec();
        mutate(&mut bytes, &mut rng);
        std::fs::write(&path, &bytes).unwrap();
        match MvtecMetricsFile::read(&path) {
            Ok(metrics) => {
                let values = metrics.categories.values();
                let mut values = values.flat_map(|c| {
                    let curve = [
                        &c.classification_roc_curve_fpr,
                        &c.classification_roc_curve_tpr,
                    ];
                    let curve = curve.into_iter().flatten().copied();
                    curve.chain([c.au_pro, c.classification_au_roc])
                });
                assert!(values.all(|v| (0.0..=1.0).contains(&v)));
            }
            Err(error) => {
                assert!(error.to_string().contains("metrics.json"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1000);
}
