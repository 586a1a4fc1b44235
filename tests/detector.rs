//! From images to a detector and back from its file. One test, so that nothing else in the process
//! draws from the backend's random numbers.

use burn::backend::Flex;
use hypad::data::ImageSet;
use hypad::{Detector, Error, HypAdConfig, TrainConfig, Trained, Trainer};
use image::{DynamicImage, Rgb, RgbImage};

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
        image_size: [128, 136],
        ..HypAdConfig::small()
    };
    let recipe = TrainConfig {
        steps: 3,
        seed: 5,
        progress: false,
        ..TrainConfig::default()
    };
    Trainer::new(model, recipe)
        .with_penalty(ImageSet::images(images(2)))
        .fit(&ImageSet::images(images(5)), &Default::default())
        .unwrap()
}

#[test]
fn training_repeats_and_its_file_predicts_the_same() {
    let device = Default::default();
    let (first, second) = (train(), train());
    assert_eq!(first.losses, second.losses);
    assert!(first.losses.iter().all(|loss| loss.is_finite()));

    let image = &images(9)[8];
    let found = first.detector.predict(image).unwrap();
    assert_eq!(found, second.detector.predict(image).unwrap());
    assert_eq!((found.width, found.height), (128, 140));
    assert_eq!(found.map.len(), 128 * 140);
    assert_eq!(found.mask.len(), 128 * 140);
    assert!(found.map.iter().all(|v| v.is_finite() && *v <= found.score));

    let maps = first.detector.maps(image).unwrap();
    assert_eq!(first.detector.judge(&maps, [128, 140]).unwrap(), found);
    let [h, w] = first.detector.config().output_size().unwrap();
    assert_eq!([maps.student.len(), maps.autoencoder.len()], [h * w; 2]);
    let mut longer = maps.clone();
    longer.autoencoder.push(0.0);
    for (maps, size) in [(&longer, [128, 140]), (&maps, [0, 140])] {
        let error = first.detector.judge(maps, size).unwrap_err();
        assert!(
            matches!(error, Error::Setting { name: "maps", .. }),
            "{error}"
        );
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/model.safetensors");
    first.save(&path).unwrap();
    let loaded = Detector::<Flex>::load(&path, &device).unwrap();
    assert_eq!(loaded.config(), first.detector.config());
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
        plain.threshold = threshold;
        match plain.save(&path) {
            Ok(()) => {
                let loaded = Detector::<Flex>::load(&path, &device).unwrap();
                assert_eq!((loaded.threshold, true), (threshold, written));
            }
            Err(error) => assert!(
                !written && error.to_string().contains("threshold"),
                "{error}"
            ),
        }
    }

    // A model and a configuration that do not belong together.
    let small = || HypAdConfig {
        image_size: [128, 128],
        ..HypAdConfig::small()
    };
    let model = || small().init::<Flex>(&device).unwrap();
    assert!(Detector::new(model(), small(), &device).is_ok());
    let others = [
        HypAdConfig::small(),
        HypAdConfig {
            image_size: [128, 131],
            ..small()
        },
        HypAdConfig {
            padding: true,
            ..small()
        },
        HypAdConfig {
            image_size: [128, 128],
            ..HypAdConfig::medium()
        },
        HypAdConfig {
            channels: 768,
            ..small()
        },
    ];
    for other in others {
        let error = Detector::new(model(), other, &device).unwrap_err();
        assert!(
            matches!(error, Error::Size { what: "model", .. }),
            "{error}"
        );
    }
    let missing = folder.path().join("none.safetensors");
    let error = Detector::<Flex>::load(&missing, &device).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
}
