//! The course of a training: checkpoints. One test, so that nothing else in the process draws from
//! the backend's random numbers.

use burn::backend::Flex;
use hypad::data::ImageSet;
use hypad::model::{Pdn, PdnConfig, PdnSize, Projection};
use hypad::training::{Progress, Schedule, TrainConfig, Trained};
use hypad::{Error, HypAdConfig, Trainer};
use image::{DynamicImage, Rgb, RgbImage};
use std::path::Path;

fn stripes(i: u32) -> DynamicImage {
    let pixel = move |x: u32, y: u32| {
        let v = ((x * (i + 2) + y * 5) % 64 * 4) as u8;
        Rgb([v, 255 - v, v / 2])
    };
    RgbImage::from_fn(64, 64, pixel).into()
}

struct Run<'a> {
    train: TrainConfig,
    teacher: &'a Pdn<Flex>,
    checkpoint: Option<&'a Path>,
    /// Ends after so many steps, as if the process had been stopped.
    stop: Option<usize>,
}

impl Run<'_> {
    fn fit(&self) -> hypad::Result<Trained<Flex>> {
        let model = HypAdConfig {
            channels: 12,
            projection: Projection::ChannelPooling(4),
            image_size: [128, 128],
            curvature: 0.3,
            ..HypAdConfig::small()
        };
        let mut trainer = Trainer::<Flex>::new(model, self.train.clone())
            .with_teacher(self.teacher.clone())
            .with_penalty(ImageSet::images((20..23).map(stripes)));
        if let Some(path) = self.checkpoint {
            trainer = trainer.with_checkpoint(path, 2);
        }
        let at: Vec<usize> = self.stop.into_iter().collect();
        let stop = |_: Progress<Flex>| Err(Error::NanScore { index: 0 });
        let images = ImageSet::images((0..5).map(stripes));
        trainer.fit_watched(&images, &Default::default(), &at, stop)
    }
}

#[test]
fn a_training_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let device = Default::default();
    let teacher: Pdn<Flex> = PdnConfig::new(PdnSize::Small, 12).init(&device);
    let other: Pdn<Flex> = PdnConfig::new(PdnSize::Small, 12).init(&device);
    // Weights are drawn when they are first used: now.
    let image = burn::tensor::Tensor::zeros([1, 3, 128, 128], &device);
    teacher.forward(image.clone());
    other.forward(image);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let run = |checkpoint, stop| Run {
        train: TrainConfig {
            steps: 7,
            schedule: Schedule::Linear,
            tiles: 2,
            validation: 0.3,
            penalty_every: 2,
            progress: false,
            ..TrainConfig::published()
        },
        teacher: &teacher,
        checkpoint,
        stop,
    };
    let whole = run(None, None).fit().unwrap();
    assert_eq!(whole.losses.len(), 7);
    assert_eq!(whole.losses, run(None, None).fit().unwrap().losses);

    // Stopped in step 5: the state after step 4 is there, and the loss of the rest the same.
    assert!(run(Some(&path), Some(5)).fit().is_err());
    let resumed = run(Some(&path), None).fit().unwrap();
    assert_eq!(resumed.losses, whole.losses);
    assert_eq!(resumed.detector.threshold, whole.detector.threshold);

    let elsewhere = [
        Run {
            teacher: &other,
            ..run(Some(&path), None)
        },
        Run {
            train: TrainConfig {
                seed: 1,
                ..run(None, None).train
            },
            ..run(Some(&path), None)
        },
    ];
    for run in elsewhere {
        let error = run.fit().unwrap_err().to_string();
        assert!(
            error.contains("checkpoint.safetensors") && error.contains("another recipe"),
            "{error}"
        );
    }
    let too_many = Run {
        train: TrainConfig {
            tiles: 25,
            ..run(None, None).train
        },
        ..run(None, None)
    };
    assert!(matches!(
        too_many.fit(),
        Err(Error::Setting { name: "tiles", .. })
    ));
}
