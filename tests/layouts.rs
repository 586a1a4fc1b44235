//! Every layout of data sets, on small trees of exactly that shape.

use std::path::{Path, PathBuf};

use hypad::data::{Category, DataSet, GOOD, GroundTruth, Layout, Survey};
use hypad::{Error, ImageSize};
use image::{GrayImage, Luma, RgbImage};

/// Writes an image that differs from all others.
fn picture(root: &Path, name: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let seed = name
        .bytes()
        .fold(7_u32, |all, byte| all.wrapping_mul(31) + u32::from(byte));
    let image = RgbImage::from_fn(16, 12, |x, y| {
        image::Rgb([seed, x * 9, y * 11].map(|v| v as u8))
    });
    image
        .save_with_format(path, image::ImageFormat::from_path(name).unwrap())
        .unwrap();
}

/// Writes a mask with `pixels` anomalous pixels in its first row, of this value.
fn mask_of(root: &Path, name: &str, pixels: u32, value: u8) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mask = GrayImage::from_fn(16, 12, |x, y| {
        Luma([if y == 0 && x < pixels { value } else { 0 }])
    });
    mask.save(path).unwrap();
}

fn mask(root: &Path, name: &str) {
    mask_of(root, name, 3, 255);
}

fn pictures(root: &Path, names: &[&str]) {
    names.iter().for_each(|name| picture(root, name));
}

fn text(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Kind, name and number of anomalous pixels of every test image; none where they are not known.
fn tested(category: &Category) -> Vec<(String, String, Option<usize>)> {
    let of_image = |test: &hypad::data::TestImage| {
        let truth = test.truth(ImageSize::new(16, 12)).unwrap();
        let count = truth.map(|truth| truth.iter().filter(|anomalous| **anomalous).count());
        (test.defect.clone(), test.name.clone(), count)
    };
    category.test.iter().map(of_image).collect()
}

/// As [`tested`] gives it.
fn expected(all: &[(&str, &str, Option<usize>)]) -> Vec<(String, String, Option<usize>)> {
    let owned = |(kind, name, count): &(&str, &str, Option<usize>)| {
        (kind.to_string(), name.to_string(), *count)
    };
    all.iter().map(owned).collect()
}

fn problems(error: Error) -> String {
    match error {
        Error::Dataset { problems, .. } => problems.join("\n"),
        other => other.to_string(),
    }
}

/// The only category of a folder, which is ready to train.
fn only(root: &Path) -> Category {
    let data = DataSet::open(root).unwrap();
    let [name] = data.names() else {
        panic!("{:?}", data.names());
    };
    let survey = Survey::of(&data, name, |_| (), &|| ());
    assert!(survey.is_ready(), "{survey}");
    data.category(name).unwrap()
}

#[test]
fn mvtec_ad_by_root_and_by_category() {
    let root = tempfile::tempdir().unwrap();
    for category in ["bottle", "cable"] {
        let folder = root.path().join(category);
        pictures(
            &folder,
            &[
                "train/good/000.png",
                "train/good/001.png",
                "test/good/000.png",
                "test/dent/000.png",
            ],
        );
        mask(&folder, "ground_truth/dent/000_mask.png");
        text(&folder, "readme.txt", "");
    }
    text(root.path(), "license.txt", "");
    let data = DataSet::open(root.path()).unwrap();
    assert_eq!(
        (data.layout(), data.names()),
        (Layout::Folders, &["bottle".into(), "cable".into()][..])
    );
    let found = expected(&[("dent", "000", Some(3)), (GOOD, "000", Some(0))]);
    assert_eq!(tested(&data.category("cable").unwrap()), found);
    let bottle = only(&root.path().join("bottle"));
    assert_eq!((bottle.name.as_str(), bottle.train.len()), ("bottle", 2));
    assert_eq!(tested(&bottle), found);
    let message = problems(data.category("screw").unwrap_err());
    assert_eq!(message, "no category \"screw\": there is bottle, cable");
}

#[test]
fn mvtec_ad_2() {
    let root = tempfile::tempdir().unwrap();
    let can = root.path().join("can");
    pictures(
        &can,
        &[
            "train/good/000_regular.png",
            "train/good/001_overexposed.png",
            "validation/good/000_regular.png",
            "test_public/good/000_regular.png",
            "test_public/good/000_shift_1.png",
            "test_public/bad/000_regular.png",
            "test_public/bad/000_underexposed.png",
            "test_private/000_regular.png",
            "test_private_mixed/000_mixed.png",
        ],
    );
    mask(&can, "test_public/ground_truth/bad/000_regular_mask.png");
    mask(
        &can,
        "test_public/ground_truth/bad/000_underexposed_mask.png",
    );
    let category = only(root.path());
    assert_eq!((category.train.len(), category.validation.len()), (2, 1));
    assert_eq!(category.unlabelled.len(), 2);
    assert_eq!(
        tested(&category),
        expected(&[
            ("bad", "000_regular", Some(3)),
            ("bad", "000_underexposed", Some(3)),
            (GOOD, "000_regular", Some(0)),
            (GOOD, "000_shift_1", Some(0)),
        ])
    );
}

#[test]
fn mvtec_loco_and_autovi() {
    let root = tempfile::tempdir().unwrap();
    let juice = root.path().join("juice");
    pictures(
        &juice,
        &[
            "train/good/000.png",
            "train/good/001.png",
            "validation/good/000.png",
            "test/good/000.png",
            "test/logical_anomalies/000.png",
            "test/structural_anomalies/000.png",
        ],
    );
    mask_of(&juice, "ground_truth/logical_anomalies/000/000.png", 2, 255);
    mask_of(&juice, "ground_truth/logical_anomalies/000/001.png", 5, 254);
    mask_of(
        &juice,
        "ground_truth/structural_anomalies/000/0000.png",
        1,
        240,
    );
    text(&juice, "defects_config.json", "[]");
    assert_eq!(
        tested(&only(root.path())),
        expected(&[
            (GOOD, "000", Some(0)),
            ("logical_anomalies", "000", Some(5)),
            ("structural_anomalies", "000", Some(1)),
        ])
    );
    // A folder of masks of no image, and one without masks.
    mask(&juice, "ground_truth/logical_anomalies/007/000.png");
    std::fs::remove_file(juice.join("ground_truth/structural_anomalies/000/0000.png")).unwrap();
    let message = problems(Category::load(root.path(), "juice").unwrap_err());
    assert!(
        message.contains("ground_truth/logical_anomalies/007 has no image"),
        "{message}"
    );
    assert!(
        message.contains("test/structural_anomalies/000.png has no mask"),
        "{message}"
    );
}

#[test]
fn mvtec_3d() {
    let root = tempfile::tempdir().unwrap();
    let tire = root.path().join("tire");
    pictures(
        &tire,
        &[
            "train/good/rgb/000.png",
            "train/good/rgb/001.png",
            "validation/good/rgb/000.png",
            "test/good/rgb/000.png",
            "test/cut/rgb/000.png",
        ],
    );
    for part in ["train/good", "test/good", "test/cut"] {
        text(&tire, &format!("{part}/xyz/000.tiff"), "points");
    }
    mask_of(&tire, "test/good/gt/000.png", 0, 255);
    mask(&tire, "test/cut/gt/000.png");
    let category = only(root.path());
    assert_eq!((category.train.len(), category.validation.len()), (2, 1));
    assert_eq!(
        tested(&category),
        expected(&[("cut", "000", Some(3)), (GOOD, "000", Some(0))])
    );
}

#[test]
fn btad_mpdd_and_vad() {
    let root = tempfile::tempdir().unwrap();
    let btad = root.path().join("01");
    pictures(
        &btad,
        &[
            "train/ok/0000.bmp",
            "train/ok/0001.png",
            "test/ok/0000.png",
            "test/ko/0000.bmp",
            "test/ko/0001.png",
        ],
    );
    mask(&btad, "ground_truth/ko/0000.png");
    mask(&btad, "ground_truth/ko/0001.png");
    assert_eq!(
        tested(&only(&btad)),
        expected(&[
            (GOOD, "0000", Some(0)),
            ("ko", "0000", Some(3)),
            ("ko", "0001", Some(3))
        ])
    );
    // A name that is a number, in capitals, and in the other normal form of Unicode.
    let mpdd = root.path().join("02");
    pictures(
        &mpdd,
        &[
            "train/good/1e5.PNG",
            "train/good/1.10.JPG",
            "test/good/000.png",
            "test/holes/1e5.png",
            "test/holes/1.10.png",
            "test/holes/\u{e9}.png",
        ],
    );
    mask(&mpdd, "ground_truth/holes/1e5_mask.png");
    mask(&mpdd, "ground_truth/holes/1.10.png");
    mask(&mpdd, "ground_truth/holes/e\u{301}_MASK.png");
    let names: Vec<_> = tested(&only(&mpdd))
        .into_iter()
        .map(|(_, name, count)| (name, count))
        .collect();
    let expected = [("000", 0), ("1.10", 3), ("1e5", 3), ("\u{e9}", 3)];
    assert_eq!(
        names,
        expected.map(|(name, count)| (name.to_string(), Some(count)))
    );
}

#[test]
fn visa_as_it_comes_and_prepared() {
    let root = tempfile::tempdir().unwrap();
    let raw = root.path().join("VisA");
    let place = |kind: &str, name: &str| format!("fryum/Data/Images/{kind}/{name}.JPG");
    for (kind, name) in [
        ("Normal", "000"),
        ("Normal", "001"),
        ("Normal", "002"),
        ("Anomaly", "000"),
    ] {
        picture(&raw, &place(kind, name));
    }
    mask_of(&raw, "fryum/Data/Masks/Anomaly/000.png", 4, 2);
    let row = |split: &str, label: &str, image: &str, mask: &str| {
        format!("fryum,{split},{label},{image},{mask}\r\n")
    };
    let mut csv = "object,split,label,image,mask\r\n".to_string();
    csv += &row("train", "normal", &place("Normal", "000"), "");
    csv += &row("train", "normal", &place("Normal", "001"), "");
    csv += &row("test", "normal", &place("Normal", "002"), "");
    let defect = row(
        "test",
        "anomaly",
        &place("Anomaly", "000"),
        "fryum/Data/Masks/Anomaly/000.png",
    );
    text(&raw, "split_csv/1cls.csv", &(csv.clone() + &defect));
    let found = expected(&[("bad", "000", Some(4)), (GOOD, "002", Some(0))]);
    let category = only(&raw);
    assert_eq!((category.layout, category.train.len()), (Layout::Visa, 2));
    assert_eq!(tested(&category), found);

    for (wrong, part) in [
        (
            row("test", "normal", "../secret.png", ""),
            "not a path below",
        ),
        (
            row("test", "normal", "/etc/secret.png", ""),
            "not a path below",
        ),
        (row("test", "normal", "fryum/no.JPG", ""), "does not exist"),
        (
            row("test", "odd", &place("Normal", "002"), ""),
            "label \"odd\"",
        ),
        (
            row("middle", "normal", &place("Normal", "002"), ""),
            "split \"middle\"",
        ),
        (
            row("train", "anomaly", &place("Anomaly", "000"), ""),
            "is to train on",
        ),
        (
            row("test", "anomaly", &place("Anomaly", "000"), ""),
            "\"\" is not a path",
        ),
        (
            row("test", "normal", &place("Normal", "002"), "")
                + &row("test", "normal", &place("Normal", "002"), ""),
            "would share the outputs",
        ),
    ] {
        text(&raw, "split_csv/1cls.csv", &(csv.clone() + &wrong));
        let message = problems(Category::load(&raw, "fryum").unwrap_err());
        assert!(message.contains(part), "{part}: {message}");
    }
    text(
        &raw,
        "split_csv/1cls.csv",
        "object,split\r\nfryum,train\r\n",
    );
    assert!(matches!(DataSet::open(&raw), Err(Error::Format { .. })));

    // As spot-diff prepares it, and as anomalib does.
    let prepared = root.path().join("VisA_pytorch");
    let fryum = prepared.join("1cls/fryum");
    pictures(
        &fryum,
        &[
            "train/good/000.JPG",
            "train/good/001.JPG",
            "test/good/002.JPG",
            "test/bad/000.JPG",
        ],
    );
    mask_of(&fryum, "ground_truth/bad/000.png", 4, 255);
    assert_eq!(tested(&only(&prepared)), found);
    assert_eq!(tested(&only(&prepared.join("1cls"))), found);
    assert_eq!(only(&fryum).name, "fryum");
}

#[test]
fn real_iad() {
    let root = tempfile::tempdir().unwrap();
    let json = |test: &str| {
        format!(
            r#"{{"meta": {{"prefix": "mint/", "normal_class": "OK", "pre_transform": []}},
            "train": [{{"category": "mint", "anomaly_class": "OK", "image_path": "OK/S0001/a.jpg", "mask_path": null}},
                      {{"category": "mint", "anomaly_class": "OK", "image_path": "OK/S0002/a.jpg", "mask_path": null}}],
            "test": [{test}]}}"#
        )
    };
    let entry = |class: &str, image: &str, mask: &str| {
        format!(
            r#"{{"category": "mint", "anomaly_class": "{class}", "image_path": "{image}", "mask_path": {mask}}}"#
        )
    };
    let images = root.path().join("realiad_256/mint");
    pictures(
        &images,
        &[
            "OK/S0001/a.jpg",
            "OK/S0002/a.jpg",
            "OK/S0003/b.jpg",
            "NG/BX/S0001/c.jpg",
        ],
    );
    mask(&images, "NG/BX/S0001/c.png");
    let good = entry("OK", "OK/S0003/b.jpg", "null");
    let bad = entry("BX", "NG/BX/S0001/c.jpg", "\"NG/BX/S0001/c.png\"");
    for splits in [
        "realiad_jsons/realiad_jsons/mint.json",
        "realiad_jsons/mint.json",
    ] {
        text(root.path(), splits, &json(&format!("{good}, {bad}")));
        let found = expected(&[("BX", "c", Some(3)), (GOOD, "b", Some(0))]);
        let category = only(root.path());
        assert_eq!(
            (category.layout, category.train.len()),
            (Layout::RealIad, 2)
        );
        assert_eq!(tested(&category), found);
        assert_eq!(tested(&only(&root.path().join("realiad_256"))), found);
        let outside = entry("OK", "../../../secret.jpg", "null");
        text(root.path(), splits, &json(&outside));
        let message = problems(Category::load(root.path(), "mint").unwrap_err());
        assert!(
            message.contains("mint.json, test, image 0") && message.contains("not a path below"),
            "{message}"
        );
        std::fs::remove_dir_all(root.path().join("realiad_jsons")).unwrap();
    }
    text(root.path(), "realiad_jsons/mint.json", "{\"meta\": 3}");
    assert!(matches!(
        Category::load(root.path(), "mint"),
        Err(Error::Format { .. })
    ));
    std::fs::create_dir(root.path().join("realiad_512")).unwrap();
    let message = problems(DataSet::open(root.path()).unwrap_err());
    assert!(message.contains("realiad_256, realiad_512"), "{message}");
}

#[test]
fn ader() {
    let root = tempfile::tempdir().unwrap();
    pictures(
        root.path(),
        &["a/0.png", "a/1.png", "a/2.png", "a/3.png", "a/4.png"],
    );
    mask(root.path(), "m/3.png");
    let image = |path: &str, mask: &str, kind: &str, anomaly: u8| {
        format!(
            r#"{{"img_path": "{path}", "mask_path": "{mask}", "cls_name": "nut", "specie_name": "{kind}", "anomaly": {anomaly}}}"#
        )
    };
    let meta = |test: &[String]| {
        let train = [image("a/0.png", "", "", 0), image("a/1.png", "", "good", 0)].join(",");
        format!(
            r#"{{"train": {{"nut": [{train}]}}, "test": {{"nut": [{}]}}}}"#,
            test.join(",")
        )
    };
    let tests = [
        image("a/2.png", "", "good", 0),
        image("a/3.png", "m/3.png", "bent", 1),
    ];
    text(root.path(), "meta.json", &meta(&tests));
    let category = only(root.path());
    assert_eq!(
        (category.name.as_str(), category.layout),
        ("nut", Layout::Ader)
    );
    assert_eq!(
        tested(&category),
        expected(&[("bent", "3", Some(3)), (GOOD, "2", Some(0))])
    );
    for (wrong, part) in [
        (image("b/9.png", "", "", 0), "does not exist"),
        (image("a/4.png", "../m.png", "bent", 1), "not a path below"),
        (image("a/4.png", "", "good", 1), "is good and has a defect"),
    ] {
        text(root.path(), "meta.json", &meta(&[wrong]));
        let message = problems(Category::load(root.path(), "nut").unwrap_err());
        assert!(message.contains(part), "{part}: {message}");
    }
    text(root.path(), "meta.json", "[1, 2]");
    assert!(matches!(
        DataSet::open(root.path()),
        Err(Error::Format { .. })
    ));
}

#[test]
fn kolektor_sdd2() {
    let root = tempfile::tempdir().unwrap();
    for (name, pixels) in [
        ("train/10000", 0),
        ("train/10001", 0),
        ("train/10002", 6),
        ("test/20000", 0),
        ("test/20001", 7),
    ] {
        picture(root.path(), &format!("{name}.png"));
        mask_of(root.path(), &format!("{name}_GT.png"), pixels, 255);
    }
    let category = only(root.path());
    assert_eq!(
        (category.layout, category.train.len()),
        (Layout::MasksBeside, 2)
    );
    assert_eq!(
        tested(&category),
        expected(&[("defect", "20001", Some(7)), (GOOD, "20000", Some(0))])
    );
    assert!(
        category.notes[0].contains("1 of 3 images to train on have a defect"),
        "{:?}",
        category.notes
    );
    picture(root.path(), "test/20002.png");
    mask(root.path(), "test/20003_GT.png");
    let name = category.name.as_str();
    let message = problems(Category::load(root.path(), name).unwrap_err());
    assert!(
        message.contains("test/20002.png has no mask")
            && message.contains("test/20003_GT.png has no image")
    );
}

#[test]
fn good_alone_and_good_with_bad() {
    let root = tempfile::tempdir().unwrap();
    let alone = root.path().join("alone");
    let flat = root.path().join("flat");
    for index in 0..10 {
        picture(&alone, &format!("good/{index}.png"));
        picture(&flat, &format!("{index}.png"));
    }
    for folder in [&alone, &flat] {
        let category = only(folder);
        assert_eq!((category.train.len(), category.test.len()), (8, 2));
        assert!(category.test.iter().all(|test| !test.is_anomalous()));
        let trained: Vec<PathBuf> = category.train.paths().map(Path::to_path_buf).collect();
        assert!(
            category
                .test
                .iter()
                .all(|test| !trained.contains(&test.path))
        );
        // The same each time.
        assert_eq!(only(folder).test, category.test);
    }
    let with = root.path().join("with");
    for index in 0..10 {
        picture(&with, &format!("OK/{index}.png"));
    }
    pictures(&with, &["nok/0.png", "nok/deep/0.png", "scratch/1.jpg"]);
    let category = only(&with);
    assert_eq!(
        (category.layout, category.train.len()),
        (Layout::GoodAndBad, 8)
    );
    let defects: Vec<_> = tested(&category)
        .into_iter()
        .filter(|test| test.0 != GOOD)
        .collect();
    assert_eq!(
        defects,
        expected(&[
            ("nok", "0", None),
            ("nok", "deep/0", None),
            ("scratch", "1", None)
        ])
    );
    assert!(!category.has_masks());

    // Masks beside, and in a folder.
    std::fs::remove_dir_all(with.join("nok")).unwrap();
    pictures(&with, &["nok/0.png", "nok/1.png"]);
    mask(&with, "nok/0_mask.png");
    mask(&with, "nok/1_label.png");
    mask(&with, "masks/scratch/1.png");
    let defects: Vec<_> = tested(&only(&with))
        .into_iter()
        .filter(|test| test.0 != GOOD)
        .collect();
    assert_eq!(
        defects,
        expected(&[
            ("nok", "0", Some(3)),
            ("nok", "1", Some(3)),
            ("scratch", "1", Some(3))
        ])
    );
    std::fs::remove_file(with.join("nok/1_label.png")).unwrap();
    let message = problems(Category::load(&with, "with").unwrap_err());
    assert!(
        message.contains("nok/1.png has no mask, where 1 other images have one"),
        "{message}"
    );

    // Train and test by other names, without masks.
    let named = root.path().join("named");
    pictures(
        &named,
        &[
            "train/ok/0.png",
            "train/ok/1.png",
            "test/ok/0.png",
            "test/nok/0.png",
        ],
    );
    let category = only(&named);
    assert_eq!(
        tested(&category),
        expected(&[(GOOD, "0", Some(0)), ("nok", "0", None)])
    );
    assert_eq!(category.test[1].ground_truth, GroundTruth::Unknown);
}

#[test]
fn surveys_name_what_is_wrong() {
    let root = tempfile::tempdir().unwrap();
    let thing = root.path().join("thing");
    pictures(
        &thing,
        &[
            "train/good/0.png",
            "train/good/1.png",
            "test/good/0.png",
            "test/bad/0.png",
        ],
    );
    mask(&thing, "ground_truth/bad/0_mask.png");
    std::fs::copy(
        thing.join("train/good/1.png"),
        thing.join("test/good/1.png"),
    )
    .unwrap();
    std::fs::write(thing.join("train/good/2.png"), "no image").unwrap();
    let data = DataSet::open(root.path()).unwrap();
    let survey = Survey::of(&data, "thing", |_| (), &|| ());
    assert_eq!((survey.train, survey.masks), (3, 1));
    assert_eq!(survey.duplicates.len(), 1);
    assert!(survey.duplicates[0].0.ends_with("train/good/1.png"));
    assert_eq!(survey.problems.len(), 1, "{survey}");
    assert!(survey.problems[0].contains("2.png") && !survey.is_ready());
    assert!(survey.to_string().contains("the same image: "), "{survey}");

    std::fs::create_dir(root.path().join("nothing")).unwrap();
    let message = problems(DataSet::open(root.path().join("nothing")).unwrap_err());
    assert!(message.contains("looked for"), "{message}");
    // The parts of a category are no categories.
    let odd = root.path().join("odd");
    pictures(&odd, &["train/things/0.png", "test/good/0.png"]);
    assert!(DataSet::open(&odd).is_err());
    // Two folders of good images.
    pictures(&odd, &["train/good/0.png", "train/ok/0.png"]);
    let message = problems(DataSet::open(&odd).unwrap_err());
    assert!(
        message.contains("good, ok are all folders of good images"),
        "{message}"
    );
}
