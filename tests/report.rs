//! Tables and the official formats, from maps on the disk to files and back.

use std::collections::BTreeMap;

use hypad::data::{MvtecCategory, TestImage};
use hypad::detect::Thresholds;
use hypad::metrics::Ranking;
use hypad::report::{Evaluation, Evaluator, ImageRow, MapFolder, MvtecMetricsFile, Table};
use hypad::{Error, ImageSize, ScoreMap};
use image::GrayImage;

const SIZE: ImageSize = ImageSize::new(6, 4);

fn map_of(values: &[f32]) -> ScoreMap {
    ScoreMap::new(values.to_vec(), SIZE).unwrap()
}

/// Two defects in one image, a touch in another, two good ones.
fn evaluator() -> Evaluator {
    let mut evaluator = Evaluator::new();
    let map: Vec<f32> = (0..24).map(|at| at as f32 / 24.0).collect();
    let truth = |anomalous: &[usize]| {
        (0..24)
            .map(|at| anomalous.contains(&at))
            .collect::<Vec<_>>()
    };
    let mut add = |name, defect, map: &[f32], anomalous: &[usize]| {
        evaluator.add(name, defect, &map_of(map), &truth(anomalous))
    };
    add("000", "hole", &map, &[0, 1, 22, 23]).unwrap();
    add("000", "good", &[0.25; 24], &[]).unwrap();
    add("001", "good", &[0.5; 24], &[]).unwrap();
    add("000", "cut", &map, &[18]).unwrap();
    evaluator
}

#[test]
fn tables_say_what_was_found() {
    let evaluator = evaluator();
    let regions = evaluator.regions(0.9).unwrap();
    let of = |at: usize| {
        let r = &regions[at];
        (
            r.defect.as_str(),
            r.region,
            r.area,
            [r.x, r.y, r.width, r.height],
            r.overlap,
        )
    };
    assert_eq!(regions.len(), 3);
    assert_eq!(of(0), ("cut", 0, 1, [0, 3, 1, 1], 0.0));
    assert_eq!(of(1), ("hole", 0, 2, [0, 0, 2, 1], 0.0));
    assert_eq!(of(2), ("hole", 1, 2, [4, 3, 2, 1], 1.0));

    for nan in [f32::NAN, -f32::NAN] {
        for result in [
            evaluator.images(nan).map(drop),
            evaluator.regions(nan).map(drop),
        ] {
            assert!(matches!(result, Err(Error::Setting { .. })));
        }
    }
    let images = evaluator.images(0.9).unwrap();
    let rows = images.iter().map(|i| {
        let counts = [i.anomalous_pixels, i.found_pixels, i.false_pixels];
        (i.defect.as_str(), i.image.as_str(), i.detected, counts)
    });
    let expected = [
        ("cut", "000", true, [1, 0, 2]),
        ("good", "000", false, [0, 0, 0]),
        ("good", "001", false, [0, 0, 0]),
        ("hole", "000", true, [4, 2, 0]),
    ];
    assert!(rows.eq(expected), "{images:?}");
    // 5 anomalous pixels, of which 2 are found, and 2 others.
    assert_eq!(evaluator.pixel_f1(0.9).unwrap(), Some(4.0 / 9.0));
    // The highest score is 23/24.
    let thresholds = Thresholds {
        image: 0.97,
        pixel: 0.9,
    };
    for (both, image) in evaluator.images(thresholds).unwrap().iter().zip(&images) {
        assert!(!both.detected);
        let pixels = |row: &ImageRow| (row.found_pixels, row.false_pixels);
        assert_eq!(pixels(both), pixels(image));
    }

    // Average precision and the trapezoid rule are two numbers, and both are there.
    let pixel = evaluator.evaluate().unwrap().pixel;
    let scores: Vec<f32> = (0..24).map(|at| at as f32 / 24.0).collect();
    let all = [&scores[..], &[0.25; 24], &[0.5; 24], &scores].concat();
    let truth = |at: usize| [0, 1, 22, 23, 72 + 18].contains(&at);
    let truth: Vec<bool> = (0..96).map(truth).collect();
    let ranking = Ranking::new(&all, &truth).unwrap();
    assert_eq!(pixel.average_precision, ranking.average_precision().ok());
    assert_eq!(pixel.aupr, ranking.aupr().ok());
    assert_ne!(pixel.average_precision, pixel.aupr);

    let defects = evaluator.defects().unwrap();
    assert_eq!(defects[0].image_ap, Some(1.0));
    let names: Vec<&str> = defects.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["cut", "hole"]);
    assert!(defects.iter().all(|row| row.image_auroc == Some(1.0)));

    let folder = tempfile::tempdir().unwrap();
    let table = Table::new(regions);
    table.write(folder.path().join("v1.0/regions")).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join("v1.0").join(name)).unwrap();
    let csv = read("regions.csv");
    assert!(csv.starts_with(
        "image,defect,region,area,x,y,width,height,score,overlap\n000,cut,0,1,0,3,1,1,0.75,0.0\n"
    ));
    let json: serde_json::Value = serde_json::from_str(&read("regions.json")).unwrap();
    assert_eq!(json[2]["overlap"], 1.0);
    assert!(table.to_string().contains("0.7500"));
}

/// One class only: no number, in any form.
#[test]
fn what_is_undefined_is_empty() {
    let mut evaluator = Evaluator::new();
    evaluator
        .add("000", "good", &map_of(&[0.5; 24]), &[false; 24])
        .unwrap();
    let evaluation = evaluator.evaluate().unwrap();
    assert_eq!(evaluation.image.auroc, None);
    assert_eq!(evaluation.aupro.at_0_3, None);
    assert!(evaluator.defects().unwrap().is_empty());
    assert!(matches!(
        evaluator.official(0.3),
        Err(Error::Undefined { .. })
    ));
    let defined = self::evaluator().evaluate().unwrap();
    assert!(defined.image.auroc.is_some());
    assert_eq!(Evaluation::mean(&[evaluation, defined]).image.auroc, None);
    assert_eq!(
        Evaluation::mean(&[defined, defined]).pixel.aupr,
        defined.pixel.aupr
    );
    assert!(MvtecMetricsFile::new(BTreeMap::new()).is_err());

    // A defect by its folder, of which the truth has no pixel.
    evaluator
        .add("001", "cut", &map_of(&[0.75; 24]), &[false; 24])
        .unwrap();
    let evaluation = evaluator.evaluate().unwrap();
    assert_eq!(evaluation.image.auroc, Some(1.0));
    assert_eq!(evaluation.pixel.auroc, None);
    let rows = evaluator.defects().unwrap();
    assert_eq!(
        (rows[0].name.as_str(), rows[0].image_auroc),
        ("cut", Some(1.0))
    );
    let images = evaluator.images(0.6).unwrap();
    assert!(images[0].anomalous && images[0].detected && !images[1].anomalous);
    // The official evaluation goes by the pixels.
    assert!(matches!(
        evaluator.official(0.3),
        Err(Error::Undefined { .. })
    ));

    let mut truth = [false; 24];
    truth[3] = true;
    let error = evaluator.add("002", "good", &map_of(&[0.5; 24]), &truth);
    let message = error.unwrap_err().to_string();
    assert!(message.contains("good/002"), "{message}");

    let mut map = [0.5; 24];
    map[7] = f32::NAN;
    let error = evaluator.add("017", "cut", &map_of(&map), &[false; 24]);
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("cut/017") && message.contains("score 7"),
        "{message}"
    );
}

#[test]
fn official_formats_go_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = BTreeMap::from([("bottle".to_string(), evaluator().official(0.3).unwrap())]);
    let metrics = MvtecMetricsFile::new(metrics).unwrap();
    let path = folder.path().join("metrics.json");
    metrics.write(&path).unwrap();
    assert_eq!(MvtecMetricsFile::read(&path).unwrap(), metrics);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["bottle"]["classification_au_roc"], 1.0);
    assert_eq!(json["mean_au_pro"], json["bottle"]["au_pro"]);
    let mut wrong = json.clone();
    wrong["bottle"]["classification_roc_curve_tpr"][1] = serde_json::json!(-0.5);
    std::fs::write(&path, wrong.to_string()).unwrap();
    let message = MvtecMetricsFile::read(&path).unwrap_err().to_string();
    assert!(message.contains("-0.5 is not between"), "{message}");
    std::fs::write(&path, "{}").unwrap();
    assert!(matches!(
        MvtecMetricsFile::read(&path),
        Err(Error::Format { .. })
    ));

    for part in ["train/good", "test/good"] {
        let image = folder.path().join("data/bottle").join(part).join("000.png");
        std::fs::create_dir_all(image.parent().unwrap()).unwrap();
        GrayImage::new(6, 4).save(image).unwrap();
    }
    let category = MvtecCategory::load(folder.path().join("data"), "bottle").unwrap();
    let test: &TestImage = &category.test[0];
    let maps = folder.path().join("maps");
    let problem = |maps| {
        let maps = MapFolder::new(maps);
        maps.read("bottle", test).unwrap_err().to_string()
    };
    assert!(problem(maps.clone()).contains("no such map"));

    let values: Vec<f32> = (0..24).map(|at| at as f32 * 0.1 - 1.0).collect();
    let map = map_of(&values);
    let folder = MapFolder::new(&maps);
    folder.write("bottle", test, &map).unwrap();
    assert_eq!(folder.read("bottle", test).unwrap(), map);

    let path = maps.join("bottle/test/good/000.tiff");
    std::fs::copy(&path, path.with_extension("tif")).unwrap();
    assert!(problem(maps.clone()).contains("two maps"));
    std::fs::remove_file(path.with_extension("tif")).unwrap();
    let flat = ScoreMap::new(values, ImageSize::new(4, 6)).unwrap();
    flat.write_tiff(&path).unwrap();
    assert!(problem(maps.clone()).contains("4 x 6"));
    std::fs::write(&path, "no picture").unwrap();
    assert!(problem(maps.clone()).contains("000.tiff"));
    GrayImage::new(6, 4).save(&path).unwrap();
    assert!(problem(maps.clone()).contains("32-bit floats"));
}
