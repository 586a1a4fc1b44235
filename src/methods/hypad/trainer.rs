//! The training loop.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{ElementConversion, backend::Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use super::cache::FeatureCache;
use super::loss::{Batch, student_loss};
use super::recipe::TrainConfig;
use super::samples::Feed;
use crate::data::image::{to_tensor, unit};
use crate::data::{Fingerprint, ImageSet};
use crate::detect::{Detector, MapNormalisation, Maps};
use crate::error::{Error, Result, check};
use crate::features::{ModelBackend, Pdn, weights};
use crate::methods::hypad::{Embedding, HypAd, HypAdConfig, Student, Teacher};
use crate::metrics::sigma_threshold;
use crate::progress::ProgressBar;
use crate::training::Adam;
use crate::training::checkpoint::{
    Checkpoint, Course, changed_fields, changed_images, same_statistics,
};
use crate::training::images::TrainingImages;
use crate::training::moments::Moments;
use crate::training::pool::in_own_pool;
use crate::training::random::{Purpose, rng};
use crate::warning::warn;

/// Trains a HypAD model on normal images.
///
/// `B` is a plain backend; the gradients are taken on `Autodiff<B>` inside.
pub struct Trainer<B: ModelBackend> {
    config: HypAdConfig,
    train: TrainConfig,
    teacher: Option<Pdn<B>>,
    penalty: Option<ImageSet>,
    checkpoint: Option<Checkpoint>,
}

/// What training leaves: a detector and the course of the loss.
#[derive(Debug)]
pub struct Trained<B: ModelBackend> {
    /// The detector, ready to use.
    pub detector: Detector<B>,
    /// The loss of every step.
    pub losses: Vec<f32>,
    /// The time the steps took, those before a break included.
    pub time: Duration,
    /// The part of the teacher's vectors on the images held out that the clip made shorter. Where it is
    /// near 1 only their directions are left to learn from; see [`HypAdConfig::scale`].
    pub clipped: f64,
}

/// The state of a training that goes on; see [`Trainer::fit_watched`].
pub struct Progress<'a, B: ModelBackend> {
    /// Steps done.
    pub step: usize,
    /// The time they took, those before a break included, that of watching not.
    pub time: Duration,
    /// What training would leave if it ended now.
    pub detector: &'a Detector<B>,
}

/// What a training has done so far.
#[derive(Clone, Serialize, Deserialize)]
struct TrainCourse {
    model: HypAdConfig,
    train: TrainConfig,
    /// The mean of each channel of the teacher, which depends on it and on the images.
    teacher: Vec<f32>,
    /// What tells the training images apart from others.
    images: Fingerprint,
    /// The same of the penalty images, if there are any.
    penalty: Option<Fingerprint>,
    time: Duration,
    losses: Vec<f32>,
}

impl Course for TrainCourse {
    fn steps(&self) -> (usize, usize) {
        (self.losses.len(), self.train.steps)
    }

    fn changes(&self, start: &Self) -> Vec<String> {
        let mut changes = changed_fields("model", &self.model, &start.model);
        changes.extend(changed_fields("recipe", &self.train, &start.train));
        let images = [self, start].map(|course| Some(course.images));
        changes.extend(changed_images("training images", images[0], images[1]));
        changes.extend(changed_images(
            "penalty images",
            self.penalty,
            start.penalty,
        ));
        if images[0] == images[1] && !same_statistics(&self.teacher, &start.teacher) {
            changes.push("another teacher".into());
        }
        changes
    }

    fn adopt(self, start: Self) -> Self {
        Self {
            time: self.time,
            losses: self.losses,
            ..start
        }
    }
}

struct Watch<'a, B: ModelBackend> {
    steps: &'a [usize],
    call: &'a mut (dyn FnMut(Progress<B>) -> Result<()> + Send),
}

/// Samples that are prepared ahead.
const AHEAD: usize = 4;

impl<B: ModelBackend> Trained<B> {
    /// Writes the detector to one file; see [`Detector::save`].
    ///
    /// # Errors
    ///
    /// Those of [`Detector::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.detector.save(path)
    }
}

impl<B: ModelBackend> Trainer<B> {
    /// A trainer with the crate's own teacher (PDN-S only) and no penalty images.
    pub fn new(config: HypAdConfig, train: TrainConfig) -> Self {
        Self {
            config,
            train,
            teacher: None,
            penalty: None,
            checkpoint: None,
        }
    }

    /// Uses this teacher instead.
    pub fn with_teacher(self, teacher: Pdn<B>) -> Self {
        Self {
            teacher: Some(teacher),
            ..self
        }
    }

    /// In every step, or every [`TrainConfig::penalty_every`], the student also sees one of these
    /// images, of anything but the category, and is punished for imitating the teacher there.
    /// EfficientAD uses ImageNet.
    pub fn with_penalty(self, images: ImageSet) -> Self {
        Self {
            penalty: Some(images),
            ..self
        }
    }

    /// Writes the state to a file after every so many steps, and goes on from that file if it is
    /// there; the result is that of a run without a break on the same machine and backend. The file
    /// is written after the last step as well and stays: another `fit` returns what it holds. It takes
    /// three times the room of the trained weights, 65 MB with PDN-S. A file of a training with other
    /// images, teacher or settings is an error that names what changed.
    pub fn with_checkpoint(self, path: impl Into<PathBuf>, every: usize) -> Self {
        Self {
            checkpoint: Some(Checkpoint::new(path, every)),
            ..self
        }
    }

    /// Goes on from the checkpoint also where images, teacher or settings have changed since, with a
    /// warning that names what changed: after penalty images were added or repaired, or to train for more
    /// steps. The result is that of no training without a break. Without a checkpoint it does nothing.
    pub fn accept_changes(self) -> Self {
        let accepts_changes = true;
        Self {
            checkpoint: self.checkpoint.map(|checkpoint| Checkpoint {
                accepts_changes,
                ..checkpoint
            }),
            ..self
        }
    }

    /// Trains on the normal images of a category.
    ///
    /// Everything that can be checked is checked before the first step: settings, every training image,
    /// every penalty image that will be drawn, and that the checkpoint can be written.
    ///
    /// The same seed gives the same model, on the same machine and backend, as long as nothing
    /// else in the process draws from the backend's random numbers, which are seeded in every step.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a configuration out of range or a training set of fewer than two images,
    /// [`Error::Size`] for a teacher that does not fit the configuration, [`Error::NotFinite`] for one whose
    /// weights or features are not finite, [`Error::Dataset`] with all images that cannot be read,
    /// [`Error::Diverged`] for a loss that is not finite, and those of reading and writing a checkpoint,
    /// [`Error::Format`] for one of another training.
    pub fn fit(self, images: &ImageSet, device: &B::Device) -> Result<Trained<B>> {
        self.fit_watched(images, device, &[], |_| Ok(()))
    }

    /// As [`fit`](Self::fit), and calls `watch` after each of these numbers of steps, on the thread of
    /// the steps. A training that goes on from a checkpoint calls it only for the steps after that.
    ///
    /// # Errors
    ///
    /// Those of `fit`, [`Error::Setting`] for a number of steps that the training does not reach, and
    /// those that `watch` returns, which end the training.
    pub fn fit_watched(
        self,
        images: &ImageSet,
        device: &B::Device,
        steps: &[usize],
        mut watch: impl FnMut(Progress<B>) -> Result<()> + Send,
    ) -> Result<Trained<B>> {
        let mut watch = Watch {
            steps,
            call: &mut watch,
        };
        in_own_pool(|| self.fit_here(images, device, &mut watch))
    }

    /// Trains on the thread that calls it.
    fn fit_here(
        self,
        images: &ImageSet,
        device: &B::Device,
        watch: &mut Watch<B>,
    ) -> Result<Trained<B>> {
        self.config.validate()?;
        self.train.validate()?;
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.validate()?;
        }
        let maps = self.config.output_size()?;
        let tiles = self.train.tiles;
        check(
            tiles == 1 || !self.config.padding && tiles <= maps.width.min(maps.height),
            "tiles",
            tiles,
            "1 with padded networks, and no more than the rows or columns of a map",
        )?;
        let steps = self.train.steps;
        let late = watch.steps.iter().find(|step| !(1..=steps).contains(*step));
        check(
            late.is_none(),
            "watched step",
            late.copied().unwrap_or_default(),
            "at least 1 and no more than the steps of the training",
        )?;
        check(
            images.len() >= 2,
            "training images",
            images.len(),
            "at least 2, since a part of them is held out",
        )?;
        if let Some(penalty) = &self.penalty {
            let rule = "at least 1; without penalty images, give no set of them";
            check(!penalty.is_empty(), "penalty images", penalty.len(), rule)?;
        }
        let teacher = self.teacher(device)?;
        weights::check_finite(&teacher)?;
        let size = self.config.image_size;
        let read = TrainingImages::read(images, &self.train, size)?;

        // From here on the order in which the backend's random numbers are drawn counts.
        Autodiff::<B>::seed(device, self.train.seed);
        let model = self.config.init::<Autodiff<B>>(device)?;
        let first = Pdn::<Autodiff<B>>::from_inner(teacher.clone());
        let student = model.student.warmed(&first, self.train.warm_layers);
        // Burn draws weights when they are first used: now, before the first step's seed.
        let _ = student.valid();
        let teacher = self.normalise(Teacher::new(teacher, device), &read, device)?;
        let penalty = self.penalty.as_ref().map(ImageSet::fingerprint);
        let course = TrainCourse {
            model: self.config.clone(),
            train: self.train.comparable(),
            teacher: teacher.mean().into_data().iter::<f32>().collect(),
            images: images.fingerprint()?,
            penalty: penalty.transpose()?,
            time: Duration::ZERO,
            losses: Vec::new(),
        };
        let (student, course) = self.run(student, &teacher, &read, course, device, watch)?;
        let clipped = self.clipped(&teacher, &read, device)?;

        let model = HypAd {
            teacher,
            student: student.valid(),
        };
        let step = course.losses.len();
        let (detector, deviation) = self.calibrate(model, step, &read, device)?;
        let least = self.train.least_deviation;
        if deviation < least {
            warn(format_args!(
                "the scores of the {} training images held out have a standard deviation of \
                 {deviation:.1e}; the threshold assumes {least}. Images that are more, or differ more, \
                 give a better one",
                read.validation.len()
            ));
        }
        Ok(Trained {
            detector,
            losses: course.losses,
            time: course.time,
            clipped,
        })
    }

    /// The teacher, if it fits the configuration.
    fn teacher(&self, device: &B::Device) -> Result<Pdn<B>> {
        let wanted = self.config.teacher();
        let Some(teacher) = &self.teacher else {
            let own = weights::pretrained_small(device)?;
            let rule = "given, since the crate's own is an unpadded PDN-S with 384 outputs";
            check(own.is_of(&wanted), "teacher", "none", rule)?;
            return Ok(own);
        };
        match teacher.is_of(&wanted) {
            true => Ok(teacher.clone()),
            false => Err(Error::Size {
                what: "teacher",
                expected: wanted.describe(),
                found: teacher.describe(),
            }),
        }
    }

    /// Sets the mean and standard deviation of each channel over all images and locations.
    fn normalise(
        &self,
        teacher: Teacher<B>,
        images: &TrainingImages,
        device: &B::Device,
    ) -> Result<Teacher<B>> {
        let count = images.train.len();
        let bar = ProgressBar::new(self.train.progress, count, "normalising the teacher");
        let mut total = Moments::new(self.config.channels);
        for image in bar.wrap(&images.train) {
            let image = to_tensor(&unit(image, &images.range), self.config.image_size, device);
            total.add_features(teacher.forward(image));
        }
        let cause = "the teacher's weights are damaged";
        let [mean, std] = total.statistics("the teacher's features", cause, device)?;
        Ok(teacher.normalised(mean, std))
    }

    /// The part of the teacher's vectors that the clip makes shorter.
    fn clipped(
        &self,
        teacher: &Teacher<B>,
        images: &TrainingImages,
        device: &B::Device,
    ) -> Result<f64> {
        let Some(radius) = self.config.clip else {
            return Ok(0.0);
        };
        let embedding = Embedding::new(&self.config)?;
        let projected = teacher.pooled(embedding.group());
        let part = |image| {
            let image = to_tensor(&unit(image, &images.range), self.config.image_size, device);
            embedding.clipped(radius, projected.forward(image))
        };
        let count = images.validation.len() as f64;
        Ok(images.validation.iter().map(part).sum::<f64>() / count)
    }

    /// The steps, from where the course is. The images are prepared on a thread of their own.
    fn run(
        &self,
        mut student: Student<Autodiff<B>>,
        teacher: &Teacher<B>,
        images: &TrainingImages,
        mut course: TrainCourse,
        device: &B::Device,
        watch: &mut Watch<B>,
    ) -> Result<(Student<Autodiff<B>>, TrainCourse)> {
        let embedding = Embedding::new(&self.config)?;
        let projected = teacher.pooled(embedding.group());
        let mut optimiser = Adam {
            weight_decay: self.train.weight_decay.into(),
        }
        .init();
        let (size, places) = (self.config.image_size, self.config.output_size()?);
        if let Some(checkpoint) = &self.checkpoint
            && let Some(resumed) = checkpoint.read(student.clone(), optimiser.clone(), &course)?
        {
            (student, optimiser, course) = (resumed.module, resumed.optimiser, resumed.course);
        }
        let mut feed = Feed::new(images, self.penalty.as_ref(), [size, places], &self.train);
        if let Some(penalty) = &self.penalty {
            let drawn = feed.penalty_indices(course.losses.len()..self.train.steps);
            let bar = ProgressBar::new(self.train.progress, drawn.len(), "checking penalty images");
            penalty.subset(drawn)?.check(&|| bar.inc())?;
        }
        let mut features = FeatureCache::new(images.train.len(), self.train.feature_cache);
        let bar = ProgressBar::new(self.train.progress, self.train.steps, "training");
        bar.start_at(course.losses.len());
        std::thread::scope(|scope| {
            let (sender, samples) = sync_channel(AHEAD);
            let steps = course.losses.len()..self.train.steps;
            let ahead = steps.clone();
            scope.spawn(move || {
                // Sending fails when the steps have ended with an error.
                ahead
                    .into_iter()
                    .try_for_each(|step| sender.send(feed.step(step)))
            });
            let mut start = Instant::now();
            for (step, sample) in steps.zip(samples) {
                let sample = sample?;
                // What dropout leaves out is the step's alone.
                B::seed(
                    device,
                    rng(self.train.seed, Purpose::Dropout, step).random(),
                );
                let tensor = |pixels: &[f32]| to_tensor::<B>(pixels, size, device);
                let (image, jittered) = (tensor(&sample.image), tensor(&sample.jittered));
                let seen = match sample.window {
                    Some(window) => window.of_image(jittered.clone()),
                    None => jittered.clone(),
                };
                let batch = Batch {
                    teacher: features
                        .get(sample.index, device, || projected.forward(image.clone())),
                    teacher_jittered: projected.forward(seen),
                    image,
                    jittered,
                    penalty: sample.penalty.as_deref().map(tensor),
                    window: sample.window,
                };
                let diverged = Error::Diverged { step: step + 1 };
                let loss = student_loss(&student, &embedding, self.config.hard_quantile, batch);
                let loss = match loss {
                    Err(Error::NanScore { .. }) => return Err(diverged),
                    loss => loss?,
                };
                let grads = GradientsParams::from_grads(loss.backward(), &student);
                student = optimiser.step(self.train.learning_rate_at(step), student, grads);

                let loss: f32 = loss.into_scalar().elem();
                if !loss.is_finite() {
                    return Err(diverged);
                }
                course.losses.push(loss);
                bar.set_message(format!("loss {loss:.4}"));
                bar.inc();
                course.time += start.elapsed();
                if watch.steps.contains(&(step + 1)) {
                    let model = HypAd {
                        teacher: teacher.clone(),
                        student: student.valid(),
                    };
                    let (detector, _) = self.calibrate(model, step + 1, images, device)?;
                    let progress = Progress {
                        step: step + 1,
                        time: course.time,
                        detector: &detector,
                    };
                    (watch.call)(progress)?;
                }
                // Last: what was watched is not watched again.
                if let Some(checkpoint) = &self.checkpoint {
                    checkpoint.write(&student, &optimiser, &course)?;
                }
                start = Instant::now();
            }
            Ok((student, course))
        })
    }

    /// Takes the map quantiles and the threshold from the held-out images, after so many steps. Also
    /// returns the standard deviation of their scores.
    fn calibrate(
        &self,
        model: HypAd<B>,
        step: usize,
        images: &TrainingImages,
        device: &B::Device,
    ) -> Result<(Detector<B>, f64)> {
        // The teacher was checked before: what is not finite now was trained.
        let diverged = |error| match error {
            Error::NotFinite { .. } => Error::Diverged { step },
            error => error,
        };
        let mut detector = Detector::new(model, self.config.clone(), device).map_err(diverged)?;
        detector.pixel_range = images.range;
        let count = images.validation.len();
        let bar = ProgressBar::new(self.train.progress, count, "calibrating");
        let maps = bar
            .wrap(&images.validation)
            .map(|image| detector.raw_maps(image));
        let maps = maps.collect::<Result<Vec<_>>>().map_err(diverged)?;
        let pool = |of: fn(&Maps) -> &Vec<f32>| maps.iter().flat_map(of).copied().collect();
        let (student, autoencoder): (Vec<f32>, Vec<f32>) =
            (pool(|m| &m.student), pool(|m| &m.autoencoder));
        let quantiles = self.train.map_quantiles;
        detector.student_map = MapNormalisation::fit(&student, quantiles)?;
        detector.autoencoder_map = MapNormalisation::fit(&autoencoder, quantiles)?;

        let score = |maps| {
            let maps = detector.normalise(maps)?;
            Ok(detector.judge(&maps, self.config.image_size)?.score)
        };
        let scores: Vec<f32> = maps.into_iter().map(score).collect::<Result<_>>()?;
        let mean = sigma_threshold(&scores, 0.0)?;
        let deviation = f64::from(sigma_threshold(&scores, 1.0)? - mean);
        let (sigmas, least) = (self.train.threshold_sigmas, self.train.least_deviation);
        detector.threshold = match deviation < least {
            true => (f64::from(mean) + sigmas * least) as f32,
            false => sigma_threshold(&scores, sigmas)?,
        };
        Ok((detector, deviation))
    }
}
