//! Tables and the official formats, from maps on the disk to files and back.

use std::collections::BTreeMap;

use hypad::data::{Category, TestImage};
use hypad::detect::Thresholds;
use hypad::metrics::Ranking;
use hypad::report::{
    Evaluation, Evaluator, ImageRow, MapFolder, MvtecMetricsFile, Partial, ScoredImage, Shard,
    Table,
};
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
        let counts = counts.map(Option::unwrap);
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
    let category = Category::load(folder.path().join("data"), "bottle").unwrap();
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

#[test]
fn images_without_masks_count_as_images_alone() {
    let mut evaluator = evaluator();
    let all = evaluator.evaluate().unwrap();
    let map = map_of(&[0.7; 24]);
    let image = ScoredImage {
        name: "000",
        defect: "stain",
        map: &map,
        truth: None,
        ignore: None,
    };
    evaluator.add_image(image).unwrap();
    let with = evaluator.evaluate().unwrap();
    assert_eq!(with.image.auroc, Some(1.0));
    assert_eq!((with.pixel.auroc, with.aupro.at_0_3), (None, None));
    assert_eq!(evaluator.pixel_f1(0.5).unwrap(), None);
    assert!(evaluator.official(0.3).is_err());
    let curves = evaluator.curves().unwrap();
    assert!(curves.image_roc.is_some() && curves.pro.is_none());
    // The other kinds keep their pixels.
    let defects = evaluator.defects().unwrap();
    let pixel = |name: &str| {
        defects
            .iter()
            .find(|row| row.name == name)
            .unwrap()
            .pixel_auroc
    };
    assert!(pixel("hole").is_some() && pixel("stain").is_none() && all.pixel.auroc.is_some());
    let rows = evaluator.images(0.5).unwrap();
    let stain = rows.iter().find(|row| row.defect == "stain").unwrap();
    assert_eq!(
        (stain.detected, stain.regions, stain.false_pixels),
        (true, None, None)
    );
}

#[test]
fn ignored_pixels_count_nowhere() {
    let size = ImageSize::new(4, 1);
    let map = ScoreMap::new(vec![9.0, 0.1, 0.8, 0.2], size).unwrap();
    let good = ScoreMap::new(vec![7.0, 0.1, 0.3, 0.2], size).unwrap();
    let truth = [true, false, true, false];
    let ignore = [true, false, false, false];
    let mut evaluator = Evaluator::new();
    let add = |evaluator: &mut Evaluator, defect, map, truth, ignore| {
        evaluator.add_image(ScoredImage {
            name: "000",
            defect,
            map,
            truth,
            ignore,
        })
    };
    add(
        &mut evaluator,
        "dent",
        &map,
        Some(&truth[..]),
        Some(&ignore[..]),
    )
    .unwrap();
    add(&mut evaluator, "good", &good, None, Some(&ignore[..])).unwrap();
    let rows = evaluator.images(0.5).unwrap();
    assert_eq!((rows[0].score, rows[0].anomalous_pixels), (0.8, Some(1)));
    assert_eq!((rows[1].score, rows[1].detected), (0.3, false));
    assert_eq!(evaluator.evaluate().unwrap().pixel.auroc, Some(1.0));
    let all = [true; 4];
    assert!(
        add(
            &mut evaluator,
            "dent",
            &map,
            Some(&truth[..]),
            Some(&all[..])
        )
        .is_err()
    );
    assert!(add(&mut evaluator, "dent", &map, Some(&truth[..3]), None).is_err());
    assert!(add(&mut evaluator, "good", &map, Some(&truth[..]), None).is_err());
}

/// An evaluation in parts, through files, is that of all images in every number.
#[test]
fn parts_are_the_whole() {
    let size = ImageSize::new(16, 16);
    let image = |index: usize| {
        let value = |at: usize| ((at * 7919 + index * 104_729) % 1000) as f32 / 999.0;
        let map = ScoreMap::new((0..256).map(value).collect(), size).unwrap();
        let kind = ["good", "dent", "hole"][index % 3];
        let truth = (0..256).map(|at| kind != "good" && at % 16 < 3 + index % 5 && at > 40);
        (
            format!("{index:03}"),
            kind,
            map,
            truth.collect::<Vec<bool>>(),
        )
    };
    let mut images: Vec<_> = (0..50).map(image).collect();
    images.sort_by_key(|(name, kind, ..)| (*kind, name.clone()));
    let gather = |range: std::ops::Range<usize>| {
        let mut evaluator = Evaluator::new();
        for (name, kind, map, truth) in &images[range] {
            evaluator.add(name, kind, map, truth).unwrap();
        }
        evaluator
    };
    let whole = gather(0..50);
    let folder = tempfile::tempdir().unwrap();
    for of in [1, 2, 7, 50, 60] {
        let path = |index: usize| folder.path().join(format!("{index}_of_{of}"));
        for index in 0..of {
            let shard = Shard::new(index, of).unwrap();
            let evaluator = gather(shard.range(50));
            let category = "thing".into();
            let part = Partial {
                category,
                fingerprint: 7,
                shard,
                evaluator,
            };
            part.write(path(index)).unwrap();
        }
        let read = |indices: std::ops::Range<usize>| -> Vec<Partial> {
            indices
                .rev()
                .map(|index| Partial::read(path(index)).unwrap())
                .collect()
        };
        let all = Partial::merge(read(0..of)).unwrap().evaluator;
        assert_eq!(all.evaluate().unwrap(), whole.evaluate().unwrap());
        assert_eq!(all.images(0.5).unwrap(), whole.images(0.5).unwrap());
        assert_eq!(all.regions(0.5).unwrap(), whole.regions(0.5).unwrap());
        assert_eq!(all.defects().unwrap(), whole.defects().unwrap());
        assert_eq!(all.official(0.3).unwrap(), whole.official(0.3).unwrap());
        if of > 1 {
            assert!(Partial::merge(read(1..of)).is_err());
            let mut twice = read(0..of);
            twice.extend(read(0..1));
            assert!(Partial::merge(twice).is_err());
        }
    }
    assert!(Partial::merge(Vec::new()).is_err());
    assert!(Shard::new(2, 2).is_err() && Shard::new(0, 0).is_err());
    // Any changed or missing byte is found.
    let path = folder.path().join("0_of_2");
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..bytes.len())
        .step_by(97)
        .chain(bytes.len() - 4..bytes.len())
    {
        let mut broken = bytes.clone();
        broken[at] ^= 0x10;
        std::fs::write(&path, broken).unwrap();
        assert!(Partial::read(&path).is_err(), "{at}");
        std::fs::write(&path, &bytes[..at]).unwrap();
        assert!(Partial::read(&path).is_err(), "cut at {at}");
    }
}
