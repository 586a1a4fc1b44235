//! From images to a teacher. One test, so that nothing else in the process draws from the backend's
//! random numbers.

use burn::backend::Flex;
use burn::tensor::backend::Backend;
use hypad::data::ImageSet;
use hypad::model::backbone::{MobileNetV1, Targets};
use hypad::training::{DistillConfig, Distilled, Distiller};
use image::{DynamicImage, Rgb, RgbImage};

fn stripes(i: u32) -> DynamicImage {
    let pixel = move |x: u32, y: u32| {
        let v = ((x * (i + 2) + y * 5) % 64 * 4) as u8;
        Rgb([v, 255 - v, v / 2])
    };
    RgbImage::from_fn(40 + i, 50, pixel).into()
}

fn fit(config: &DistillConfig) -> hypad::Result<Distilled<Flex>> {
    let device = Default::default();
    Flex::seed(&device, 1);
    let targets = Targets::Light(MobileNetV1::new(&device));
    let images = ImageSet::images((0..6).map(stripes));
    Distiller::new(targets, config.clone()).fit(&images, &device)
}

#[test]
fn a_teacher_learns_and_is_reproducible() {
    let config = DistillConfig {
        steps: 6,
        batch: 2,
        side: 32,
        validation: 0.2,
        validate_every: 3,
        progress: false,
        ..DistillConfig::light()
    };
    let found = fit(&config).unwrap();
    assert_eq!(found.losses.len(), 6);
    let [(3, before), (6, after)] = found.validation[..] else {
        panic!("{:?}", found.validation);
    };
    assert!(after < before, "{before} {after}");
    assert!(!found.teacher.is_padded());
    assert_eq!(found.losses, fit(&config).unwrap().losses);

    for bad in [
        DistillConfig {
            side: 60,
            ..config.clone()
        },
        DistillConfig {
            batch: 0,
            ..config.clone()
        },
        DistillConfig {
            smallest_crop: 0.0,
            ..config.clone()
        },
        DistillConfig {
            flip: f64::NAN,
            ..config
        },
    ] {
        assert!(
            matches!(fit(&bad), Err(hypad::Error::Setting { .. })),
            "{bad:?}"
        );
    }
}
