//! From images to a teacher. One test, so that nothing else in the process draws from the backend's
//! random numbers.

use burn::backend::Flex;
use burn::tensor::{Tensor, backend::Backend};
use hypad::data::ImageSet;
use hypad::features::{MobileNetV1, Targets};
use hypad::training::{DistillConfig, Distilled, Distiller, RunOptions};
use image::{DynamicImage, Rgb, RgbImage};
use std::path::Path;

fn stripes(i: u32) -> DynamicImage {
    let pixel = move |x: u32, y: u32| {
        let v = ((x * (i + 2) + y * 5) % 64 * 4) as u8;
        Rgb([v, 255 - v, v / 2])
    };
    RgbImage::from_fn(40 + i, 50, pixel).into()
}

fn fit(config: &DistillConfig) -> hypad::Result<Distilled<Flex>> {
    fit_from(config, None)
}

fn fit_from(config: &DistillConfig, checkpoint: Option<&Path>) -> hypad::Result<Distilled<Flex>> {
    let device = Default::default();
    Flex::seed(&device, 1);
    let targets = Targets::<Flex>::Light(MobileNetV1::new(&device));
    // Its random weights are drawn when they are first used: now.
    targets.forward(Tensor::zeros([1, 3, 32, 32], &device))?;
    let images = ImageSet::from_images((0..6).map(stripes));
    let mut options = RunOptions::quiet();
    if let Some(path) = checkpoint {
        options = options.with_checkpoint(path, 4);
    }
    let distiller = Distiller::new(targets, config.clone()).with_options(options);
    distiller.fit(&images, &device)
}

#[test]
fn a_teacher_learns_and_is_reproducible() {
    let config = DistillConfig {
        steps: 6,
        batch: 2,
        side: 40,
        validation: 0.2,
        validate_every: 3,
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

    // A run that was stopped goes on as if it had not been: the second begins with step 5.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    for _ in 0..2 {
        let resumed = fit_from(&config, Some(&path)).unwrap();
        assert_eq!(resumed.losses, found.losses);
        assert_eq!(resumed.validation, found.validation);
    }
    let other = DistillConfig {
        batch: 1,
        ..config.clone()
    };
    let error = fit_from(&other, Some(&path)).unwrap_err().to_string();
    assert!(
        error.contains("checkpoint.safetensors") && error.contains("recipe batch: 2 then, 1 now"),
        "{error}"
    );
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let cut = fit_from(&config, Some(&path));
    assert!(matches!(cut, Err(hypad::Error::Format { .. })));

    let steep = DistillConfig {
        learning_rate: 1e30,
        ..config.clone()
    };
    assert!(matches!(
        fit(&steep),
        Err(hypad::Error::Diverged { step: 2..=6 })
    ));

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
