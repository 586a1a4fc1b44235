//! The course of a training: checkpoints. One test, so that nothing else in the process draws from
//! the backend's random numbers.

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use hypad::data::ImageSet;
use hypad::features::{Pdn, PdnConfig, PdnSize};
use hypad::methods::Join;
use hypad::methods::hypad::{CLIPPED, Distance, ImagePadding, Projection};
use hypad::training::RunOptions;
use hypad::{Error, HypAdConfig, ImageSize, Progress, TrainConfig, Trained, Trainer};
use image::{DynamicImage, Rgb, RgbImage};
use std::ops::{Range, RangeInclusive};
use std::path::Path;

fn stripes(i: u32) -> DynamicImage {
    let pixel = move |x: u32, y: u32| {
        let v = ((x * (i + 2) + y * 5) % 64 * 4) as u8;
        Rgb([v, 255 - v, v / 2])
    };
    RgbImage::from_fn(64, 64, pixel).into()
}

#[derive(Clone)]
struct Run<'a> {
    model: HypAdConfig,
    train: TrainConfig,
    teacher: &'a Pdn<Flex>,
    /// The numbers of the penalty images.
    penalty: Range<u32>,
    checkpoint: Option<(&'a Path, usize)>,
    accept_changes: bool,
    at: &'a [usize],
    /// Ends after so many steps, as if the process had been stopped.
    stop: usize,
}

impl<'a> Run<'a> {
    fn new(teacher: &'a Pdn<Flex>) -> Self {
        Self {
            model: HypAdConfig {
                channels: 12,
                projection: Projection::ChannelPooling(4),
                image_size: ImageSize::square(128),
                curvature: 0.3,
                // Many predictions less, where a detector is made after every other step.
                join: Join::Mean,
                ..HypAdConfig::small()
            },
            train: TrainConfig {
                steps: 7,
                validation: 0.3,
                penalty_every: 2,
                ..TrainConfig::fast()
            },
            teacher,
            penalty: 20..23,
            checkpoint: None,
            accept_changes: false,
            at: &[],
            stop: usize::MAX,
        }
    }

    fn resumable(teacher: &'a Pdn<Flex>, path: &'a Path) -> Self {
        Self {
            checkpoint: Some((path, 2)),
            ..Self::new(teacher)
        }
    }

    /// What is left, and the steps that were watched.
    fn fit(&self) -> (hypad::Result<Trained<Flex>>, Vec<usize>) {
        let penalty = ImageSet::from_images(self.penalty.clone().map(stripes));
        let trainer = Trainer::<Flex>::new(self.model.clone(), self.train.clone())
            .with_teacher(self.teacher.clone())
            .with_penalty(penalty);
        let mut options = RunOptions::quiet();
        if let Some((path, every)) = self.checkpoint {
            options = options.with_checkpoint(path, every);
        }
        if self.accept_changes {
            options = options.accept_changes();
        }
        let images = ImageSet::from_images((0..5).map(stripes));
        let mut watched = Vec::new();
        let watch = |progress: Progress<Flex>| {
            watched.push(progress.step);
            match progress.step < self.stop {
                true => Ok(()),
                false => Err(Error::Diverged { step: self.stop }),
            }
        };
        let trainer = trainer.with_options(options);
        let trained = trainer.fit_with(&images, &Default::default(), self.at, watch);
        (trained, watched)
    }
}

fn teacher(padding: bool) -> Pdn<Flex> {
    let device = Default::default();
    let config = PdnConfig {
        padding,
        ..PdnConfig::new(PdnSize::Small, 12)
    };
    let teacher: Pdn<Flex> = config.init(&device);
    // Weights are drawn when they are first used: now.
    teacher.forward(Tensor::zeros([1, 3, 128, 128], &device));
    teacher
}

#[test]
fn a_training_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let own = teacher(false);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let at = [1, 3, 5, 7];
    let plain = Run {
        at: &at,
        ..Run::new(&own)
    };
    let (whole, watched) = plain.fit();
    let whole = whole.unwrap();
    assert!(whole.figures[CLIPPED] < 0.5, "{:?}", whole.figures);
    let mut tight = Run::new(&own);
    tight.model.clip = Some(1e-3);
    tight.train.steps = 1;
    assert_eq!(tight.fit().0.unwrap().figures[CLIPPED], 1.0);
    assert_eq!((whole.losses.len(), &watched[..]), (7, &at[..]));
    assert_eq!(whole.losses, plain.fit().0.unwrap().losses);
    let seen = |trained: &Trained<Flex>| trained.detector.maps(&stripes(9)).unwrap();
    let same = |trained: &Trained<Flex>| {
        assert_eq!(trained.losses, whole.losses);
        assert_eq!(trained.detector.threshold(), whole.detector.threshold());
        assert_eq!(seen(trained), seen(&whole));
    };

    // Stopped in step 5: the state after step 4 is there. The second time all steps are done.
    let stopped = Run {
        at: &at,
        stop: 5,
        ..Run::resumable(&own, &path)
    };
    let (error, watched) = stopped.fit();
    assert!(error.is_err());
    assert_eq!(watched, [1, 3, 5]);
    let resumable = Run {
        at: &at,
        ..Run::resumable(&own, &path)
    };
    let mut times = Vec::new();
    for expected in [&at[2..], &[]] {
        let (resumed, watched) = resumable.fit();
        let resumed = resumed.unwrap();
        same(&resumed);
        times.push(resumed.time);
        assert_eq!(watched, expected);
    }

    // What is done takes no time again.
    assert_eq!(times[0], times[1]);

    let other = teacher(false);
    let longer = Run {
        train: TrainConfig {
            steps: 8,
            ..Run::new(&own).train
        },
        ..Run::resumable(&own, &path)
    };
    let changed = [
        (Run::resumable(&other, &path), "another teacher"),
        (
            Run {
                penalty: 21..24,
                ..Run::resumable(&own, &path)
            },
            "penalty images: as many as then (3), but not the same",
        ),
        (
            Run {
                penalty: 20..22,
                ..Run::resumable(&own, &path)
            },
            "penalty images: 3 then, 2 now",
        ),
        (
            Run {
                train: TrainConfig {
                    seed: 1,
                    ..Run::new(&own).train
                },
                ..Run::resumable(&own, &path)
            },
            "recipe seed: 42 then, 1 now",
        ),
        (longer.clone(), "recipe steps: 7 then, 8 now"),
    ];
    let bytes = std::fs::read(&path).unwrap();
    for (run, change) in changed {
        let error = run.fit().0.unwrap_err().to_string();
        assert!(
            error.contains("checkpoint.safetensors") && error.contains(change),
            "{error}"
        );
    }
    // Told so, it goes on, and forgets nothing that was done.
    let accepting = Run {
        accept_changes: true,
        penalty: 20..24,
        ..longer
    };
    let losses = accepting.fit().0.unwrap().losses;
    assert_eq!((losses.len(), &losses[..7]), (8, &whole.losses[..]));
    let shorter = Run {
        accept_changes: true,
        ..Run::resumable(&own, &path)
    };
    let error = shorter.fit().0.unwrap_err().to_string();
    assert!(
        error.contains("after 8 steps") && error.contains("have 7"),
        "{error}"
    );
    std::fs::write(&path, &bytes).unwrap();
    for at in [9, bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        let error = Run::resumable(&own, &path).fit().0.unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let cut = Run::resumable(&own, &path).fit().0;
    assert!(matches!(cut, Err(Error::Format { .. })));

    layers_are_shared_from_a_checkpoint_on(&own, folder.path());
    what_would_fail_later_is_found_before_the_first_step(&own, folder.path());
    images_that_are_all_alike_have_a_threshold_above_their_score();
    settings_that_do_not_go_together_are_refused(&own);
    a_loss_that_is_not_finite_ends_it(&own);
}

fn what_would_fail_later_is_found_before_the_first_step(own: &Pdn<Flex>, folder: &Path) {
    let none = Run {
        penalty: 0..0,
        ..Run::new(own)
    };
    let error = none.fit().0.unwrap_err().to_string();
    assert!(error.contains("penalty images = 0"), "{error}");

    let file = folder.join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let inside = file.join("checkpoint.safetensors");
    let error = Run::resumable(own, &inside).fit().0.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");

    let weights = own.clone().into_record();
    let mut broken = own.clone().load_record(weights);
    broken = broken.map(&mut Spoil);
    match Run::new(&broken).fit().0 {
        Err(Error::NotFinite { what, .. }) => assert!(what.contains("tensor convs.0"), "{what}"),
        other => panic!("{other:?}"),
    }

    // Images on the disk: every damaged one in one report, of both sets.
    let path = |name: &str| folder.join(name);
    for i in 0..6 {
        stripes(i).save(path(&format!("{i}.png"))).unwrap();
    }
    for broken in [1, 4] {
        let file = path(&format!("{broken}.png"));
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    }
    let files = |names: &[u32]| {
        let files = names.iter().map(|i| path(&format!("{i}.png")));
        ImageSet::from_files(files.collect::<Vec<_>>())
    };
    let fit = |train: &[u32], penalty: &[u32]| {
        let Run {
            model,
            train: recipe,
            ..
        } = Run::new(own);
        let trainer = Trainer::<Flex>::new(model, recipe).with_teacher(own.clone());
        let trainer = trainer.with_options(RunOptions::quiet());
        let trainer = trainer.with_penalty(files(penalty));
        let at = [1];
        let watch = |_: Progress<Flex>| panic!("a step was done");
        let result = trainer.fit_with(&files(train), &Default::default(), &at, watch);
        result.unwrap_err().to_string()
    };
    let error = fit(&[0, 1, 2, 4], &[3]);
    assert!(
        error.contains("1.png") && error.contains("4.png"),
        "{error}"
    );
    let error = fit(&[0, 2], &[1]);
    assert!(error.contains("1.png"), "{error}");
}

/// Makes a weight of each parameter NaN.
struct Spoil;

impl ModuleMapper<Flex> for Spoil {
    fn map_float<const D: usize>(
        &mut self,
        parameter: Param<Tensor<Flex, D>>,
    ) -> Param<Tensor<Flex, D>> {
        parameter.map(|tensor| {
            let mut data = tensor.into_data();
            data.as_mut_slice::<f32>().unwrap()[0] = f32::NAN;
            Tensor::from_data(data, &Default::default())
        })
    }
}

fn images_that_are_all_alike_have_a_threshold_above_their_score() {
    let model = HypAdConfig {
        image_size: ImageSize::square(128),
        ..HypAdConfig::small()
    };
    let recipe = TrainConfig {
        steps: 2,
        ..TrainConfig::fast()
    };
    let grey = || DynamicImage::from(RgbImage::from_pixel(64, 64, Rgb([90, 90, 90])));
    let images = ImageSet::from_images((0..12).map(|_| grey()));
    let trainer = Trainer::<Flex>::new(model, recipe).with_options(RunOptions::quiet());
    let detector = trainer.fit(&images, &Default::default()).unwrap().detector;
    let found = detector.predict(&grey()).unwrap();
    assert!(found.score < detector.threshold());
    assert!(!found.anomalous && !found.mask.contains(&true));
}

fn layers_are_shared_from_a_checkpoint_on(own: &Pdn<Flex>, folder: &Path) {
    let path = folder.join("shared.safetensors");
    let mut before = Run::resumable(own, &path);
    before.model.shared_layers = 0;
    before.fit().0.unwrap();
    let mut after = Run {
        accept_changes: true,
        ..Run::resumable(own, &path)
    };
    after.train.steps = 8;
    assert_eq!(after.fit().0.unwrap().losses.len(), 8);
}

fn a_loss_that_is_not_finite_ends_it(own: &Pdn<Flex>) {
    let steep = || Run {
        train: TrainConfig {
            learning_rate: 1e30,
            ..Run::new(own).train
        },
        ..Run::new(own)
    };
    let diverges = |run: Run, steps: RangeInclusive<usize>| match run.fit().0 {
        Err(Error::Diverged { step }) => assert!(steps.contains(&step), "{step}"),
        other => panic!("{other:?}"),
    };
    diverges(steep(), 2..=7);
    // Before the loss shows it, the maps do: when watched, and at the end.
    let watched = Run {
        at: &[1],
        ..steep()
    };
    diverges(watched, 1..=1);
    let mut only = steep();
    only.train.steps = 1;
    diverges(only, 1..=1);
    // Distances of finite features whose squares are not finite.
    let mut squares = steep();
    squares.train.learning_rate = 5e4;
    squares.train.steps = 100;
    squares.model.distance = Distance::SquaredGeodesic;
    squares.model.shared_layers = 0;
    squares.model.clip = None;
    diverges(squares, 2..=100);
}

fn settings_that_do_not_go_together_are_refused(own: &Pdn<Flex>) {
    let padded = teacher(true);
    let path = Path::new("never written");
    let wrong = |run: Run, expected: &str| match run.fit().0 {
        Err(Error::Setting { name, .. }) => assert_eq!(name, expected),
        other => panic!("{other:?}"),
    };
    let never = Run {
        checkpoint: Some((path, 0)),
        ..Run::new(own)
    };
    wrong(never, "checkpoint interval");
    let too_many = Run {
        train: TrainConfig {
            tiles: 33,
            ..Run::new(own).train
        },
        ..Run::new(own)
    };
    wrong(too_many, "tiles");
    let padded = Run {
        model: HypAdConfig {
            padding: true,
            image_padding: ImagePadding::None,
            ..Run::new(own).model
        },
        ..Run::new(&padded)
    };
    wrong(padded, "tiles");
    for at in [[0], [8]] {
        let never_reached = Run {
            at: &at,
            ..Run::new(own)
        };
        wrong(never_reached, "watched step");
    }
    let config = PdnConfig::new(PdnSize::Medium, 12);
    let medium: Pdn<Flex> = config.init(&Default::default());
    match Run::new(&medium).fit().0 {
        Err(Error::Size { what, found, .. }) => {
            assert_eq!(what, "teacher");
            assert!(found.contains("6 convolutions"), "{found}");
        }
        other => panic!("{other:?}"),
    }
}
