//! From images to a detector: a method learns, its maps are calibrated.

use std::path::Path;
use std::time::Duration;

use std::collections::BTreeMap;

use crate::data::{ImageSource, Preparation};
use crate::detect::{
    Calibration, CalibrationScores, Detector, FprThreshold, SigmaThreshold, ThresholdPolicy,
};
use crate::error::{Error, Result, check};
use crate::features::{FeatureExtractor, ModelBackend, release_scratch};
use crate::methods::Method;
use crate::methods::hypad::{HypAdConfig, HypAdMethod, TrainConfig};
use crate::progress::ProgressBar;
use crate::training::pool::in_own_pool;
use crate::training::{Run, RunOptions, Split, TrainingImages};
use crate::warning::warn;

/// Trains a method on normal images and makes a detector of what it has learnt.
///
/// [`Trainer::new`] is for HypAD, [`Trainer::of`] for any [`Method`]. `B` is a plain backend; where a
/// method needs gradients, it takes them on `Autodiff<B>` inside.
#[derive(Debug)]
pub struct Trainer<B: ModelBackend, M: Method<B> = HypAdMethod<B>> {
    method: M,
    split: Split,
    calibration: Calibration,
    preparation: Preparation,
    options: RunOptions,
    backend: std::marker::PhantomData<fn() -> B>,
}

impl TrainConfig {
    /// The rule for the threshold of images.
    pub(crate) fn threshold(&self) -> SigmaThreshold {
        SigmaThreshold {
            sigmas: self.threshold_sigmas,
            least_deviation: self.least_deviation,
        }
    }
}

/// Result of a training: the detector, losses, time.
#[derive(Debug)]
#[non_exhaustive]
pub struct Trained<B: ModelBackend> {
    /// The detector, ready to use.
    pub detector: Detector<B>,
    /// The loss of every step; empty for methods without steps.
    pub losses: Vec<f32>,
    /// The time the steps took, those before a break included.
    pub time: Duration,
    /// The scores of the good images that were held out, from which the threshold of images was chosen.
    pub held_out: Vec<f32>,
    /// Other figures of the method, by name; of HypAD [`CLIPPED`](crate::methods::hypad::CLIPPED).
    pub figures: BTreeMap<String, f64>,
}

/// The state of a training that goes on; see [`Trainer::fit_with`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Progress<'a, B: ModelBackend> {
    /// Steps done.
    pub step: usize,
    /// The time they took, those before a break included, that of watching not.
    pub time: Duration,
    /// The detector of the training so far.
    pub detector: &'a Detector<B>,
}

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

/// HypAD.
impl<B: ModelBackend> Trainer<B> {
    /// A trainer of HypAD with the crate's own teacher (PDN-S only) and no penalty images.
    pub fn new(config: HypAdConfig, recipe: TrainConfig) -> Self {
        let mut calibration = Calibration::default()
            .with_threshold(recipe.threshold())
            .with_pixel_threshold(FprThreshold(recipe.pixel_false_positives));
        calibration.map_quantiles = recipe.map_quantiles;
        let split = Split {
            validation: recipe.validation,
            seed: recipe.seed,
        };
        Self {
            split,
            calibration,
            ..Self::of(HypAdMethod::new(config, recipe))
        }
    }

    /// Uses this teacher instead of the crate's own; see [`HypAdMethod::with_teacher`].
    pub fn with_teacher(self, teacher: impl FeatureExtractor<B>) -> Self {
        Self {
            method: self.method.with_teacher(teacher),
            ..self
        }
    }

    /// With penalty images; see [`HypAdMethod::with_penalty`].
    pub fn with_penalty(self, images: impl ImageSource + 'static) -> Self {
        Self {
            method: self.method.with_penalty(images),
            ..self
        }
    }
}

impl<B: ModelBackend, M: Method<B>> Trainer<B, M> {
    /// A trainer of any method. A tenth of the images, drawn with seed 42, is held out to calibrate the
    /// detector.
    pub fn of(method: M) -> Self {
        Self {
            method,
            split: Split::default(),
            calibration: Calibration::default(),
            preparation: Preparation::default(),
            options: RunOptions::default(),
            backend: std::marker::PhantomData,
        }
    }

    /// With another part of the images held out, or drawn with another seed.
    pub fn with_split(self, split: Split) -> Self {
        Self { split, ..self }
    }

    /// With another calibration, in place of the recipe's quantiles and thresholds.
    pub fn with_calibration(self, calibration: Calibration) -> Self {
        Self {
            calibration,
            ..self
        }
    }

    /// With another rule for the threshold of images, in place of the recipe's
    /// ([`TrainConfig::threshold_sigmas`]). In training it is given scores of good images alone; with images
    /// with defects, use [`Detector::choose_threshold`].
    pub fn with_threshold(self, policy: impl ThresholdPolicy + 'static) -> Self {
        Self {
            calibration: self.calibration.with_threshold(policy),
            ..self
        }
    }

    /// With another rule for the threshold of pixels, in place of the recipe's
    /// ([`TrainConfig::pixel_false_positives`]); see [`Calibration::with_pixel_threshold`].
    pub fn with_pixel_threshold(self, policy: impl ThresholdPolicy + 'static) -> Self {
        Self {
            calibration: self.calibration.with_pixel_threshold(policy),
            ..self
        }
    }

    /// With another way of images to the model's input: ignored pixels, tiles, their aspect ratio kept. The
    /// detector keeps it.
    pub fn with_preparation(self, preparation: Preparation) -> Self {
        Self {
            preparation,
            ..self
        }
    }

    /// With these options of the run: progress, budgets, checkpoint.
    pub fn with_options(self, options: RunOptions) -> Self {
        Self { options, ..self }
    }

    /// Trains on the normal images of a category.
    ///
    /// Everything that can be checked is checked before the method begins: settings, every training
    /// image, every penalty image that will be drawn, and that the checkpoint can be written.
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
    pub fn fit(
        self,
        images: &(impl ImageSource + ?Sized),
        device: &B::Device,
    ) -> Result<Trained<B>> {
        self.fit_with(images, device, &[], |_| Ok(()))
    }

    /// As [`fit`](Self::fit), and calls `watch` after each of these numbers of steps, on the thread of
    /// the steps. A training that goes on from a checkpoint calls it only for the steps after that.
    ///
    /// # Errors
    ///
    /// Those of `fit`, [`Error::Setting`] for a number of steps that the training does not reach, and
    /// those that `watch` returns, which end the training.
    pub fn fit_with(
        self,
        images: &(impl ImageSource + ?Sized),
        device: &B::Device,
        steps: &[usize],
        mut watch: impl FnMut(Progress<B>) -> Result<()> + Send,
    ) -> Result<Trained<B>> {
        let trained = in_own_pool(|| self.fit_here(&images, device, steps, &mut watch));
        release_scratch();
        trained
    }

    /// Trains on the thread that calls it.
    fn fit_here(
        self,
        images: &dyn ImageSource,
        device: &B::Device,
        steps: &[usize],
        watch: &mut (dyn FnMut(Progress<B>) -> Result<()> + Send),
    ) -> Result<Trained<B>> {
        self.method.validate(device)?;
        self.split.validate()?;
        self.preparation.validate()?;
        if let Some(checkpoint) = &self.options.checkpoint {
            checkpoint.validate()?;
        }
        check(
            images.len() >= 2,
            "training images",
            images.len(),
            "at least 2, since a part of them is held out",
        )?;
        let size = self.method.input_size();
        let read =
            TrainingImages::read(images, &self.split, &self.preparation, size, &self.options)?;
        let mut show = |step, time, model| {
            let (detector, _) = self.detector(model, images, &read, step, device)?;
            watch(Progress {
                step,
                time,
                detector: &detector,
            })
        };
        let mut run = Run::new(&self.options, steps, &mut show);
        let model = self.method.fit(&read, &mut run, device)?;
        let log = run.log;
        let (detector, scores) = self.detector(model, images, &read, log.losses.len(), device)?;
        let policy = &self.calibration.threshold;
        if let Some(caution) = policy.caution(CalibrationScores::good(&scores)) {
            warn(caution);
        }
        Ok(Trained {
            detector,
            losses: log.losses,
            held_out: scores,
            time: log.time,
            figures: log.figures,
        })
    }

    /// The calibrated detector of a model after so many steps, and the scores of the good images held out.
    fn detector(
        &self,
        model: M::Model,
        images: &dyn ImageSource,
        read: &TrainingImages,
        step: usize,
        device: &B::Device,
    ) -> Result<(Detector<B>, Vec<f32>)> {
        let mut detector = Detector::new(model, device)?;
        detector.set_pixel_range(read.range)?;
        detector.set_preparation(self.preparation.clone())?;
        let diverged = |error| match error {
            Error::NotFinite { .. } if step > 0 => Error::Diverged { step },
            error => error,
        };
        let good = &read.validation;
        let calibrated = detector.calibrate(good, &self.calibration, self.options.progress);
        let scores = calibrated.map_err(diverged)?;
        if self.preparation.tiles.is_none() {
            return Ok((detector, scores));
        }
        // The score of an image is the highest of all its tiles.
        let what = "scoring the images held out";
        let bar = ProgressBar::new(self.options.progress, read.held_out.len(), what);
        let score = |index: &usize| {
            let sample = images.load(*index)?;
            let found = detector.predict(&sample.image).map_err(diverged)?;
            Ok(found.score)
        };
        let scores = bar.wrap(&read.held_out).map(score);
        let scores = scores.collect::<Result<Vec<f32>>>()?;
        let policy = &*self.calibration.threshold;
        detector.choose_threshold(policy, CalibrationScores::good(&scores))?;
        Ok((detector, scores))
    }
}
