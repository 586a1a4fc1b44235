//! Ignored pixels, tiles and aspect ratios, from training to prediction; and predictions of many images.

use std::sync::{Mutex, PoisonError};

use burn::backend::Flex;
use hypad::data::{Fit, IgnoreMask, ImageSet, Preparation, Tiles};
use hypad::detect::{Detection, MaximumThreshold};
use hypad::methods::Join;
use hypad::methods::hypad::{FeatureScale, Projection};
use hypad::training::{RunOptions, Split};
use hypad::{Detector, Error, HypAdConfig, ImageSize, TrainConfig, Trainer};
use image::{DynamicImage, Rgb, RgbImage};

fn config(size: ImageSize) -> HypAdConfig {
    HypAdConfig {
        channels: 8,
        projection: Projection::ChannelPooling(2),
        scale: FeatureScale::RmsNorm(1.0),
        shared_layers: 0,
        image_size: size,
        ..HypAdConfig::small()
    }
}

/// Stripes with some variation; `dots` are dark squares of 8 pixels.
fn stripes(width: u32, height: u32, index: u32, dots: &[(u32, u32)]) -> DynamicImage {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let inside = |(left, top): &(u32, u32)| {
            (*left..left + 8).contains(&x) && (*top..top + 8).contains(&y)
        };
        if dots.iter().any(inside) {
            return Rgb([10, 200, 10]);
        }
        let wave = ((x + index) % 16 < 8) as u32 * 60 + (x * 7 + y * 13 + index * 5) % 11;
        Rgb([80 + wave, 90 + wave, 100 + wave / 2].map(|v| v as u8))
    });
    DynamicImage::ImageRgb8(image)
}

/// One training at a time: others would draw from the same random numbers of the backend.
static ALONE: Mutex<()> = Mutex::new(());

fn train(
    size: ImageSize,
    preparation: Preparation,
    images: Vec<DynamicImage>,
) -> hypad::Result<Detector<Flex>> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Default::default();
    let config = HypAdConfig {
        // Where pixels are ignored, the planted defects are of interest too.
        join: match preparation.ignore {
            Some(_) => Join::PlantedDefects,
            None => Join::Mean,
        },
        ..config(size)
    };
    let shape = hypad::features::PdnConfig::new(config.network, config.channels);
    <Flex as burn::tensor::backend::Backend>::seed(&device, 5);
    let record = burn::module::Module::into_record(shape.init::<Flex>(&device));
    let teacher = burn::module::Module::load_record(shape.init::<Flex>(&device), record);
    let recipe = TrainConfig {
        steps: 3,
        tiles: 1,
        ..TrainConfig::fast()
    };
    let trainer = Trainer::<Flex>::new(config, recipe)
        .with_teacher(teacher)
        .with_preparation(preparation)
        .with_threshold(MaximumThreshold)
        .with_split(Split {
            validation: 0.4,
            seed: 1,
        })
        .with_options(RunOptions::quiet());
    Ok(trainer
        .fit(&ImageSet::from_images(images), &device)?
        .detector)
}

fn good(width: u32, height: u32) -> Vec<DynamicImage> {
    (0..5)
        .map(|index| stripes(width, height, index, &[]))
        .collect()
}

/// What is drawn into ignored pixels changes no bit of training or prediction, and counts nowhere.
#[test]
fn ignored_pixels_have_no_influence() {
    let size = ImageSize::square(128);
    let corner = |x: usize, y: usize| x < 48 && y < 40;
    let ignored: Vec<bool> = (0..128 * 128)
        .map(|at| corner(at % 128, at / 128))
        .collect();
    let mask = IgnoreMask::new(ignored.clone(), size).unwrap();
    let preparation = Preparation::default().with_ignore(mask);
    // Date codes of all kinds in the corner.
    let dated = |index: u32| stripes(128, 128, index, &[(8 * (index % 4), 3 * index % 30)]);
    let plain = train(size, preparation.clone(), good(128, 128)).unwrap();
    let with_dates = train(size, preparation, (0..5).map(dated).collect()).unwrap();
    assert_eq!(plain.thresholds(), with_dates.thresholds());
    assert_eq!(plain.normalisations(), with_dates.normalisations());
    let clean = plain.predict(&stripes(128, 128, 9, &[])).unwrap();
    let dated = with_dates
        .predict(&stripes(128, 128, 9, &[(20, 20)]))
        .unwrap();
    assert_eq!(clean, dated);
    let in_corner = |found: &Detection| found.mask.iter().zip(&ignored).any(|(m, i)| *m && *i);
    // At a threshold that a defect elsewhere reaches, the corner is not in the mask.
    let both = stripes(128, 128, 9, &[(20, 20), (90, 90)]);
    let at = 94 * 128 + 94;
    let mut low = plain.clone();
    low.set_thresholds(plain.predict(&both).unwrap().map[at])
        .unwrap();
    let found = low.predict(&both).unwrap();
    assert!(!in_corner(&found) && found.mask[at]);
    assert_eq!(plain.ignored(size).unwrap().unwrap(), ignored);
    // Larger images of the same aspect ratio fit, others do not.
    assert!(plain.predict(&stripes(256, 256, 9, &[])).is_ok());
    let error = plain.predict(&stripes(256, 128, 9, &[])).unwrap_err();
    assert!(matches!(error, Error::Size { .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    plain.save(&path).unwrap();
    let loaded = Detector::<Flex>::load(&path, &Default::default()).unwrap();
    assert_eq!(loaded.preparation(), plain.preparation());
    assert_eq!(
        loaded.predict(&stripes(128, 128, 9, &[(5, 5)])).unwrap(),
        clean
    );
}

/// A square that the whole image would hardly show is found, at its place, wherever it lies among the tiles.
#[test]
fn tiles_find_small_defects_in_large_images() {
    let preparation = Preparation::default().with_tiles(Tiles {
        size: ImageSize::square(128),
        overlap: 32,
    });
    let detector = train(ImageSize::square(128), preparation, good(520, 390)).unwrap();
    assert!(detector.map_layout().size.area() < 128 * 128);
    let good = detector.predict(&stripes(520, 390, 7, &[])).unwrap();
    assert_eq!(good.map.size(), ImageSize::new(520, 390));
    for (x, y) in [
        (0, 0),
        (512, 382),
        (96, 40),
        (120, 120),
        (256, 200),
        (300, 382),
    ] {
        let found = detector.predict(&stripes(520, 390, 7, &[(x, y)])).unwrap();
        let peak = found
            .map
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .unwrap()
            .0;
        let (peak_x, peak_y) = ((peak % 520) as u32, (peak / 520) as u32);
        let near = |peak: u32, at: u32| (peak + 20).checked_sub(at).is_some_and(|d| d < 48);
        assert!(
            near(peak_x, x) && near(peak_y, y),
            "{x}, {y}: peak at {peak_x}, {peak_y}"
        );
        assert!(found.score > good.score, "{x}, {y}");
        // Far away nothing changes.
        let far = |at: &usize| (at % 520).abs_diff(x as usize) > 200;
        assert!(
            (0..520 * 390)
                .filter(far)
                .all(|at| found.map[at] == good.map[at])
        );
    }
    let error = detector.predict(&stripes(100, 390, 7, &[])).unwrap_err();
    assert!(
        error.to_string().contains("128 x 128, the size of a tile"),
        "{error}"
    );
    assert!(detector.maps(&stripes(520, 390, 7, &[])).is_err());
    // The threshold is of whole images: the highest score of those held out is below it.
    assert!(
        detector.threshold().is_finite()
            && detector.threshold_policy() == Some("just above the highest of the good images")
    );
}

#[test]
fn the_aspect_ratio_can_be_kept() {
    let size = ImageSize::square(128);
    let preparation = Preparation::default().with_fit(Fit::KeepAspect);
    let detector = train(size, preparation, good(320, 160)).unwrap();
    let clean = detector.predict(&stripes(320, 160, 7, &[])).unwrap();
    assert_eq!(clean.map.size(), ImageSize::new(320, 160));
    let found = detector
        .predict(&stripes(320, 160, 7, &[(150, 100), (156, 100), (150, 106)]))
        .unwrap();
    let difference = |at: usize| found.map[at] - clean.map[at];
    let peak = (0..320 * 160)
        .max_by(|a, b| difference(*a).total_cmp(&difference(*b)))
        .unwrap();
    let (x, y) = (peak % 320, peak / 320);
    assert!(x.abs_diff(157) < 30 && y.abs_diff(107) < 30, "{x}, {y}");
}

/// Sizes that are no squares, odd ones among them.
#[test]
fn inputs_are_of_any_size() {
    for (width, height) in [(160, 128), (131, 177), (256, 128)] {
        let size = ImageSize::new(width, height);
        let detector = train(size, Preparation::default(), good(140, 150)).unwrap();
        let found = detector.predict(&stripes(150, 140, 3, &[])).unwrap();
        assert_eq!(found.map.size(), ImageSize::new(150, 140), "{size}");
    }
}

#[test]
fn many_images_are_as_one_by_one() {
    let detector = train(
        ImageSize::square(128),
        Preparation::default(),
        good(128, 128),
    )
    .unwrap();
    let images: Vec<DynamicImage> = (0..6)
        .map(|index| stripes(150, 120, index, &[(40, 40)]))
        .collect();
    let alone: Vec<Detection> = images
        .iter()
        .map(|image| detector.predict(image).unwrap())
        .collect();
    assert_eq!(detector.predict_batch(&images).unwrap(), alone);
    let error = detector
        .predict_batch(&[DynamicImage::new_rgb8(0, 0)])
        .unwrap_err();
    assert!(error.to_string().contains("image 0"), "{error}");

    // From many threads at once.
    let found: Vec<Detection> = std::thread::scope(|scope| {
        let detector = &detector;
        let predict = |image| scope.spawn(move || detector.predict(image).unwrap());
        let threads: Vec<_> = images.iter().map(predict).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(found, alone);

    // From files, one of them broken.
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..6)
        .map(|index| folder.path().join(format!("{index}.png")))
        .collect();
    images
        .iter()
        .zip(&paths)
        .for_each(|(image, path)| image.save(path).unwrap());
    std::fs::write(&paths[2], "no image").unwrap();
    let found: Vec<_> = detector.predict_files(paths.clone()).collect();
    assert_eq!(found.len(), 6);
    for (index, (path, found)) in found.into_iter().enumerate() {
        assert_eq!(path, paths[index]);
        match index {
            2 => assert!(found.unwrap_err().to_string().contains("2.png")),
            _ => assert_eq!(found.unwrap(), alone[index]),
        }
    }
    // Not all are asked for.
    assert_eq!(detector.predict_files(paths).take(1).count(), 1);
}

/// Tiles that are ignored all over have no score and are left out; the others are learnt from.
#[test]
fn tiles_beside_ignored_pixels() {
    let left = |at: usize| at % 52 < 26;
    let ignored = (0..52 * 39).map(left).collect();
    let mask = IgnoreMask::new(ignored, ImageSize::new(52, 39)).unwrap();
    let tiles = Tiles {
        size: ImageSize::square(128),
        overlap: 0,
    };
    let preparation = Preparation::default().with_tiles(tiles).with_ignore(mask);
    let images = good(520, 390);
    let detector = train(ImageSize::square(128), preparation, images).unwrap();
    assert!(detector.threshold().is_finite());
    let clean = detector.predict(&stripes(520, 390, 7, &[])).unwrap();
    let dated = stripes(520, 390, 7, &[(30, 30), (200, 300)]);
    assert_eq!(detector.predict(&dated).unwrap(), clean);
}
