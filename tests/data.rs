//! Data sets that are not as they should be: every error names file and rule.

use std::path::Path;

use burn::backend::Flex;
use hypad::data::{Category, DataSet, ImageSet};
use hypad::{Error, ImageSize, TrainConfig, Trainer};
use image::{GrayImage, Luma, RgbImage};

fn png(root: &Path, name: &str, width: u32) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    if name.contains("mask") {
        GrayImage::from_pixel(width, 8, Luma([2]))
            .save(path)
            .unwrap();
    } else {
        RgbImage::new(width, 8).save(path).unwrap();
    }
}

fn category(root: &Path) {
    for name in [
        "thing/train/good/000.png",
        "thing/train/good/001.JPG",
        "thing/test/good/000.png",
        "thing/test/dent/000.png",
        "thing/test/dent/001.png",
        "thing/ground_truth/dent/000_mask.png",
        "thing/ground_truth/dent/001_mask.png",
    ] {
        png(root, name, 8);
    }
    std::fs::write(root.join("thing/readme.txt"), "not an image").unwrap();
    std::fs::write(root.join("thing/test/dent/notes.txt"), "not an image").unwrap();
}

#[test]
fn reads_the_layout() {
    let root = tempfile::tempdir().unwrap();
    category(root.path());
    assert_eq!(DataSet::open(root.path()).unwrap().names(), ["thing"]);
    let thing = Category::load(root.path(), "thing").unwrap();
    assert_eq!(thing.train.len(), 2);
    let defects: Vec<&str> = thing.test.iter().map(|t| t.defect.as_str()).collect();
    assert_eq!(defects, ["dent", "dent", "good"]);
    assert_eq!(
        thing.test[0].truth(ImageSize::square(8)).unwrap(),
        Some(vec![true; 64])
    );
    assert_eq!(
        thing.test[2].truth(ImageSize::square(8)).unwrap(),
        Some(vec![false; 64])
    );
    assert!(thing.test[1].is_anomalous() && !thing.test[2].is_anomalous());
}

#[test]
fn names_every_mismatch() {
    let root = tempfile::tempdir().unwrap();
    category(root.path());
    std::fs::remove_file(root.path().join("thing/ground_truth/dent/000_mask.png")).unwrap();
    png(root.path(), "thing/ground_truth/dent/007_mask.png", 8);
    png(root.path(), "thing/test/crack/000.png", 8);
    std::fs::create_dir(root.path().join("thing/test/empty")).unwrap();
    let error = Category::load(root.path(), "thing").unwrap_err();
    let Error::Dataset { problems, .. } = &error else {
        panic!("{error}");
    };
    let text = problems.join("\n");
    for part in [
        "test/dent/000.png has no mask",
        "007_mask.png has no image",
        "ground_truth/crack",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(text.contains("test/empty holds no image"), "{text}");
}

#[test]
fn names_a_mask_of_another_size_and_a_missing_category() {
    let root = tempfile::tempdir().unwrap();
    category(root.path());
    png(root.path(), "thing/ground_truth/dent/001_mask.png", 9);
    let message = Category::load(root.path(), "thing")
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("001_mask.png is 9 x 8, its image 8 x 8"),
        "{message}"
    );

    let message = Category::load(root.path(), "other")
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("\"other\"") && message.contains("thing"),
        "{message}"
    );
    let empty = root.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(matches!(
        ImageSet::from_dir(&empty),
        Err(Error::Dataset { .. })
    ));
    assert!(matches!(
        ImageSet::from_dir(root.path().join("no")),
        Err(Error::Io { .. })
    ));
}

#[test]
fn training_refuses_what_it_cannot_do() {
    let device = Default::default();
    let fit = |config: hypad::HypAdConfig, recipe: TrainConfig, count| {
        let image = image::DynamicImage::ImageRgb8(RgbImage::new(128, 128));
        let images = ImageSet::from_images(vec![image; count]);
        Trainer::<Flex>::new(config, recipe)
            .fit(&images, &device)
            .unwrap_err()
    };
    let small = hypad::HypAdConfig::small;
    let none = TrainConfig {
        steps: 0,
        ..TrainConfig::default()
    };
    assert!(fit(small(), none, 4).to_string().contains("steps = 0"));
    let one = fit(small(), TrainConfig::default(), 1).to_string();
    assert!(one.contains("at least 2"), "{one}");
    let negative = hypad::HypAdConfig {
        curvature: -1.0,
        ..small()
    };
    assert!(matches!(
        fit(negative, TrainConfig::default(), 4),
        Error::Curvature(_)
    ));
    let tiny = hypad::HypAdConfig {
        image_size: ImageSize::square(64),
        ..small()
    };
    assert!(
        fit(tiny, TrainConfig::default(), 4)
            .to_string()
            .contains("64 x 64")
    );
    let padded = hypad::HypAdConfig {
        padding: true,
        image_padding: hypad::methods::hypad::ImagePadding::None,
        ..small()
    };
    let padded = fit(padded, TrainConfig::published(), 4).to_string();
    assert!(padded.contains("teacher = none"), "{padded}");
    let medium = fit(hypad::HypAdConfig::medium(), TrainConfig::default(), 4);
    assert!(medium.to_string().contains("teacher"), "{medium}");
}
