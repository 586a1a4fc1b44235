//! From images to a detector and back from its file. One test, so that nothing else in the process
//! draws from the backend's random numbers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use burn::backend::Flex;
use hypad::data::ImageSet;
use hypad::detect::{CalibrationScores, Detection, MaximumThreshold, Thresholds};
use hypad::methods::hypad::{HypAd, ImagePadding};
use hypad::training::RunOptions;
use hypad::{Detector, Error, HypAdConfig, ImageSize, ScoreMap, TrainConfig, Trained, Trainer};
use image::{DynamicImage, Rgb, Rgb32FImage, RgbImage};
use safetensors::{SafeTensors, tensor::TensorView};

fn images(count: u32) -> Vec<DynamicImage> {
    let pixel = |i, x, y| {
        let v = ((x * (3 + i) + y * 7) % 64) as u8;
        Rgb([100 + v, 80 + v / 2, 160 - v])
    };
    let image = |i| RgbImage::from_fn(128, 140, |x, y| pixel(i, x, y));
    (0..count).map(|i| image(i).into()).collect()
}

fn train() -> Trained<Flex> {
    let model = HypAdConfig {
        image_size: ImageSize::new(136, 128),
        // As in the oldest files, which this test makes of it.
        image_padding: ImagePadding::None,
        ..HypAdConfig::small()
    };
    let recipe = TrainConfig {
        steps: 3,
        seed: 5,
        ..TrainConfig::default()
    };
    Trainer::new(model, recipe)
        .with_penalty(ImageSet::from_images(images(2)))
        .with_options(RunOptions::quiet())
        .fit(&ImageSet::from_images(images(5)), &Default::default())
        .unwrap()
}

/// The warnings of the library.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        if record.target().starts_with("hypad") {
            WARNINGS.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn what_is_not_finite_is_an_error(detector: &Detector<Flex>, image: &DynamicImage) {
    for value in [f32::NAN, f32::INFINITY] {
        let mut pixels: Rgb32FImage = image.to_rgb32f();
        pixels.get_pixel_mut(70, 70).0[1] = value;
        let error = detector.predict(&pixels.into()).unwrap_err();
        assert!(error.to_string().contains("image: "), "{error}");
    }
    let maps = detector.maps(image).unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for branch in 0..2 {
            let mut maps = maps.clone();
            let mut values = maps[branch].to_vec();
            values[100] = value;
            maps[branch] = ScoreMap::new(values, maps[branch].size()).unwrap();
            let found = detector.detect_from_maps(&maps, ImageSize::new(128, 140));
            let error = found.unwrap_err();
            assert!(matches!(error, Error::NotFinite { .. }), "{error}");
        }
    }
}

/// Writes the file again with other tensors and another description.
fn rewrite(
    path: &Path,
    tensors: impl Fn(&str, &mut Vec<u8>),
    description: impl Fn(&str) -> String,
) {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = description(&header.metadata().as_ref().unwrap()["hypad"]);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let changed: Vec<_> = file
        .iter()
        .map(|(name, view)| {
            let mut data = view.data().to_vec();
            tensors(name, &mut data);
            (name, view.dtype(), view.shape().to_vec(), data)
        })
        .collect();
    let views = changed.iter().map(|(name, dtype, shape, data)| {
        (*name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let metadata = HashMap::from([("hypad".to_string(), text)]);
    let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The description as versions 2 and 3 had it, which knew HypAD alone.
fn as_before_version_4(fields: &mut serde_json::Map<String, serde_json::Value>) {
    for name in ["crate_version", "method", "threshold_policy"] {
        fields.remove(name).unwrap();
    }
    let mut config = fields.remove("settings").unwrap();
    let size = config["image_size"].take();
    config["image_size"] = serde_json::json!([size["height"], size["width"]]);
    config.as_object_mut().unwrap().remove("border").unwrap();
    config["margin"] = "no_distance".into();
    fields.insert("config".into(), config);
    let maps = fields.remove("normalisations").unwrap();
    fields.insert("student_map".into(), maps[0].clone());
    fields.insert("autoencoder_map".into(), maps[1].clone());
}

fn damaged_files_are_refused(detector: &Detector<Flex>, folder: &Path) {
    let device = Default::default();
    let path = folder.join("damaged.safetensors");
    let load = || Detector::<Flex>::load(&path, &device).map_err(|e| e.to_string());
    detector.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(load().is_ok());

    // Any byte: of the length, the header, its checksum, the weights.
    let header = String::from_utf8_lossy(&whole[..4000]).into_owned();
    let places = [
        "crc32",
        ":\\\"",
        "version",
        "low",
        "__metadata__",
        "BOOL",
        "F32",
        "shape",
    ];
    let mut at: Vec<usize> = places.iter().filter_map(|part| header.find(part)).collect();
    at.extend([0, 3, 7, 8, 9]);
    at.extend((0..60).map(|i| (i * 7919 * 577 + 4001) % whole.len()));
    at.extend((0..40).map(|i| whole.len() - 1 - i * 1013));
    at.extend((10..400).step_by(13));
    let mut bytes = whole.clone();
    for (case, at) in at.iter().copied().enumerate() {
        bytes[at] ^= 1 << (case % 8);
        std::fs::write(&path, &bytes).unwrap();
        let error = load().expect_err(&format!("byte {at}"));
        assert!(error.contains("damaged.safetensors"), "{error}");
        bytes[at] = whole[at];
    }

    // Without the checksum: the version that had none, and the one that must have it.
    let restore = || std::fs::write(&path, &whole).unwrap();
    let without = |version: u32| {
        move |text: &str| {
            let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
            let fields = json.as_object_mut().unwrap();
            fields.remove("crc32");
            fields.insert("version".into(), version.into());
            if version < 6 {
                fields.remove("preparation").unwrap();
            }
            if version < 5 {
                fields.remove("pixel_threshold").unwrap();
                fields.remove("weights").unwrap();
                let settings = fields["settings"].as_object_mut().unwrap();
                for name in ["smoothing", "image_padding", "join"] {
                    settings.remove(name).unwrap();
                }
            }
            if version < 4 {
                as_before_version_4(fields);
            }
            if version == 2 {
                fields.remove("pixel_range");
            }
            json.to_string()
        }
    };
    restore();
    for version in [3, 4, 5, 6] {
        rewrite(&path, |_, _| (), without(version));
        assert!(load().unwrap_err().contains("checksum is missing"));
        restore();
    }
    rewrite(&path, |_, _| (), without(7));
    assert!(
        load()
            .unwrap_err()
            .contains("version 7; this version of hypad reads 2 to 6")
    );
    restore();
    WARNINGS.lock().unwrap().clear();
    rewrite(&path, |_, _| (), without(2));
    let old = load().unwrap();
    let warnings = WARNINGS.lock().unwrap().join("\n");
    assert!(
        warnings.contains("damaged.safetensors") && warnings.contains("no checksum"),
        "{warnings}"
    );
    let image = &images(3)[2];
    // It had one threshold, and no smoothing.
    assert_eq!(old.thresholds(), detector.threshold().into());
    assert_eq!(old.map_layout().smoothing, 0.0);
    assert_eq!(old.maps(image).unwrap(), detector.maps(image).unwrap());
    let [smoothed, found] = [detector, &old].map(|of| of.predict(image).unwrap());
    assert!(
        smoothed.score < found.score,
        "{} {}",
        smoothed.score,
        found.score
    );
    assert_eq!(
        found,
        Detection::new(found.map.clone(), detector.threshold())
    );

    // In a file without a checksum, numbers that cannot be.
    let infinite = f32::INFINITY.to_le_bytes();
    for (tensor, value, message) in [
        (
            "student.pdn.convs.2.weight",
            f32::NAN.to_le_bytes(),
            "student.pdn.convs.2.weight",
        ),
        ("student.imitator.bias", infinite, "student.imitator.bias"),
        (
            "teacher.pdn.convs.3.weight",
            infinite,
            "teacher.pdn.convs.3.weight",
        ),
        ("teacher.mean", f32::NAN.to_le_bytes(), "teacher.mean"),
        ("teacher.std", 0.0_f32.to_le_bytes(), "standard deviation"),
        (
            "teacher.std",
            (-1.0_f32).to_le_bytes(),
            "standard deviation",
        ),
    ] {
        restore();
        let spoil = |name: &str, data: &mut Vec<u8>| {
            if name == tensor {
                data[4..8].copy_from_slice(&value);
            }
        };
        rewrite(&path, spoil, without(2));
        let error = load().unwrap_err();
        assert!(
            error.contains(message) && error.contains("damaged.safetensors"),
            "{tensor}: {error}"
        );
    }
    for (field, value) in [
        ("low", serde_json::json!(1e9)),
        ("high", serde_json::json!(null)),
        ("hihg", serde_json::json!(1.0)),
    ] {
        restore();
        let change = |text: &str| {
            let mut json: serde_json::Value = serde_json::from_str(&without(2)(text)).unwrap();
            json["student_map"][field] = value.clone();
            json.to_string()
        };
        rewrite(&path, |_, _| (), change);
        assert!(load().is_err(), "{field}");
    }

    // A weight that is finite, but so large that the maps are not.
    restore();
    let enlarge = |name: &str, data: &mut Vec<u8>| {
        if name == "student.pdn.convs.2.bias" {
            data.chunks_mut(4)
                .for_each(|v| v.copy_from_slice(&3e38_f32.to_le_bytes()));
        }
    };
    rewrite(&path, enlarge, without(2));
    let broken = load().unwrap();
    for error in [
        broken.predict(image).unwrap_err(),
        broken.maps(image).unwrap_err(),
    ] {
        assert!(error.to_string().contains("model is broken"), "{error}");
    }
}

#[test]
fn training_repeats_and_its_file_predicts_the_same() {
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let device = Default::default();
    let (first, second) = (train(), train());
    assert_eq!(first.losses, second.losses);
    assert!(first.losses.iter().all(|loss| loss.is_finite()));

    let image = &images(9)[8];
    let found = first.detector.predict(image).unwrap();
    assert_eq!(found, second.detector.predict(image).unwrap());
    assert_eq!(found.map.size(), ImageSize::new(128, 140));
    assert_eq!(found.map.len(), 128 * 140);
    assert_eq!(found.mask.len(), 128 * 140);
    assert!(found.map.iter().all(|v| v.is_finite() && *v <= found.score));

    let maps = first.detector.maps(image).unwrap();
    assert_eq!(
        first
            .detector
            .detect_from_maps(&maps, ImageSize::new(128, 140))
            .unwrap(),
        found
    );
    let model: &HypAd<Flex> = first.detector.model_as().unwrap();
    let size = model.config().output_size().unwrap();
    assert_eq!([maps[0].size(), maps[1].size()], [size; 2]);
    let small = ScoreMap::new(vec![0.0], ImageSize::square(1)).unwrap();
    let smaller = [maps[0].clone(), small];
    for maps in [&smaller[..], &maps[..1], &[]] {
        let found = first
            .detector
            .detect_from_maps(maps, ImageSize::new(128, 140));
        let error = found.unwrap_err();
        assert!(matches!(error, Error::Size { what: "maps", .. }), "{error}");
    }
    let found_nowhere = first
        .detector
        .detect_from_maps(&maps, ImageSize::new(0, 140));
    assert!(matches!(found_nowhere, Err(Error::Setting { .. })));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/model.safetensors");
    first.save(&path).unwrap();
    let loaded = Detector::<Flex>::load(&path, &device).unwrap();
    assert_eq!(
        loaded.model_as::<HypAd<Flex>>().unwrap().config(),
        model.config()
    );
    assert_eq!(loaded.threshold_policy(), first.detector.threshold_policy());
    assert_eq!(loaded.thresholds(), first.detector.thresholds());
    let Thresholds {
        image: of_images,
        pixel,
    } = loaded.thresholds();
    assert!(pixel < of_images, "{pixel} {of_images}");
    assert_eq!(found.anomalous, found.score >= of_images);
    assert!(
        found
            .mask
            .iter()
            .zip(found.map.iter())
            .all(|(mask, score)| *mask == (*score >= pixel))
    );
    assert!(
        loaded
            .threshold_policy()
            .unwrap()
            .contains("3 standard deviations")
    );
    assert_eq!(loaded.predict(image).unwrap(), found);
    // Nothing but the file itself was left in its folder.
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1
    );

    // Any cut makes a file that is refused.
    let bytes = std::fs::read(&path).unwrap();
    for part in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..part]).unwrap();
        let error = Detector::<Flex>::load(&path, &device).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{part}: {error}");
        assert!(error.to_string().contains("model.safetensors"), "{error}");
    }

    let mut plain = first.detector.clone();
    for (threshold, written) in [
        (-2.0, true),
        (f32::INFINITY, true),
        (f32::NEG_INFINITY, false),
        (f32::NAN, false),
    ] {
        match plain.set_threshold(threshold) {
            Ok(()) => {
                plain.save(&path).unwrap();
                let loaded = Detector::<Flex>::load(&path, &device).unwrap();
                assert_eq!((loaded.threshold(), true), (threshold, written));
                assert_eq!(loaded.thresholds(), plain.thresholds());
                assert!(loaded.thresholds().pixel <= threshold);
                let policy =
                    plain.choose_threshold(&MaximumThreshold, CalibrationScores::good(&[0.5]));
                assert_eq!(policy.unwrap(), 0.5_f32.next_up());
                plain.set_pixel_threshold(0.25).unwrap();
                assert_eq!(
                    plain.threshold_policy(),
                    Some("just above the highest of the good images")
                );
                assert_eq!(plain.thresholds().pixel, 0.25);
                assert!(plain.set_pixel_threshold(f32::NAN).is_err());
                assert_eq!(loaded.threshold_policy(), None);
            }
            Err(error) => assert!(
                !written && error.to_string().contains("threshold"),
                "{error}"
            ),
        }
    }
    what_is_not_finite_is_an_error(&first.detector, image);
    damaged_files_are_refused(&first.detector, folder.path());

    // A model and a configuration that do not belong together.
    let small = || HypAdConfig {
        image_size: ImageSize::square(128),
        image_padding: ImagePadding::None,
        ..HypAdConfig::small()
    };
    let networks = || small().init::<Flex>(&device).unwrap();
    assert!(HypAd::new(small(), networks()).is_ok());
    let others = [
        HypAdConfig::small(),
        HypAdConfig {
            image_size: ImageSize::new(131, 128),
            ..small()
        },
        HypAdConfig {
            padding: true,
            ..small()
        },
        HypAdConfig {
            image_padding: ImagePadding::Reflect,
            ..small()
        },
        HypAdConfig {
            image_size: ImageSize::square(128),
            ..HypAdConfig::medium()
        },
        HypAdConfig {
            channels: 768,
            ..small()
        },
    ];
    for other in others {
        let error = HypAd::new(other, networks()).unwrap_err();
        assert!(
            matches!(error, Error::Size { what: "model", .. }),
            "{error}"
        );
    }
    let missing = folder.path().join("none.safetensors");
    let error = Detector::<Flex>::load(&missing, &device).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
}
