//! The training loop.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::backend::Backend;
use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::path::Path;

use super::config::TrainConfig;
use super::loss::{Batch, student_loss};
use super::moments::Moments;
use crate::data::{ImageSet, augment, image::to_tensor, image::unit};
use crate::detect::{Detector, MapNormalisation, RawMaps};
use crate::error::{Error, Result};
use crate::model::{Embedding, HypAdConfig, ModelBackend, Pdn, PdnSize, Student, Teacher, weights};

/// Trains a HypAD model on normal images.
///
/// `B` is a plain backend; the gradients are taken on `Autodiff<B>` inside.
pub struct Trainer<B: ModelBackend> {
    config: HypAdConfig,
    train: TrainConfig,
    teacher: Option<Pdn<B>>,
    penalty: Option<ImageSet>,
}

/// What training leaves: a detector and the course of the loss.
#[derive(Debug)]
pub struct Trained<B: ModelBackend> {
    /// The detector, ready to use.
    pub detector: Detector<B>,
    /// The loss of every step.
    pub losses: Vec<f32>,
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

impl<B: ModelBackend> Trainer<B> {
    /// A trainer with the crate's own teacher (PDN-S only) and no penalty images.
    pub fn new(config: HypAdConfig, train: TrainConfig) -> Self {
        Self {
            config,
            train,
            teacher: None,
            penalty: None,
        }
    }

    /// Uses this teacher instead.
    pub fn with_teacher(self, teacher: Pdn<B>) -> Self {
        Self {
            teacher: Some(teacher),
            ..self
        }
    }

    /// In every step the student also sees one of these images, of anything but the category, and
    /// is punished for imitating the teacher there. EfficientAD uses ImageNet.
    pub fn with_penalty(self, images: ImageSet) -> Self {
        Self {
            penalty: Some(images),
            ..self
        }
    }

    /// Trains on the normal images of a category.
    ///
    /// The same seed gives the same model, on the same machine and backend, as long as nothing
    /// else in the process draws from the backend's random numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a configuration out of range or a training set of fewer than two
    /// images, the errors of reading images, and [`Error::NanScore`] if training diverges.
    pub fn fit(self, images: &ImageSet, device: &B::Device) -> Result<Trained<B>> {
        self.config.validate()?;
        self.train.validate()?;
        if images.len() < 2 {
            return Err(Error::Setting {
                name: "training images",
                value: images.len().to_string(),
                rule: "at least 2, since a part of them is held out",
            });
        }
        let size = self.config.image_size;
        let mut rng = StdRng::seed_from_u64(self.train.seed);
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.shuffle(&mut rng);
        let held_out = (self.train.validation * images.len() as f64).ceil() as usize;
        let (train, validation) = order.split_at(images.len() - held_out.min(images.len() - 1));
        let load = |part: &[usize]| -> Result<Vec<RgbImage>> {
            let bar = self.bar(part.len(), "reading {pos}/{len} images");
            bar.wrap_iter(part.iter())
                .map(|index| images.load(*index, size))
                .collect()
        };
        let (train, validation) = (load(train)?, load(validation)?);

        // From here on the order in which the backend's random numbers are drawn counts.
        Autodiff::<B>::seed(device, self.train.seed);
        let embedding = Embedding::new(&self.config)?;
        let model = self.config.init::<Autodiff<B>>(device)?;
        let teacher = match &self.teacher {
            Some(teacher) => teacher.clone(),
            None if self.config.network == PdnSize::Small => weights::pretrained_small(device)?,
            None => {
                return Err(Error::Setting {
                    name: "teacher",
                    value: "none".into(),
                    rule: "given, since the crate brings one for PDN-S only",
                });
            }
        };
        if teacher.channels() != self.config.channels {
            return Err(Error::Setting {
                name: "teacher channels",
                value: teacher.channels().to_string(),
                rule: "the number of channels of the configuration",
            });
        }
        if teacher.is_padded() != self.config.padding {
            return Err(Error::Setting {
                name: "teacher padding",
                value: teacher.is_padded().to_string(),
                rule: "that of the configuration (the crate's own teacher is unpadded)",
            });
        }
        let teacher = self.normalise(Teacher::new(teacher, device), &train, device);
        let (student, losses) = self.run(
            model.student,
            &teacher,
            &embedding,
            &train,
            device,
            &mut rng,
        )?;

        let model = crate::model::HypAd {
            teacher,
            student: student.valid(),
        };
        let detector = self.calibrate(model, &validation, device)?;
        Ok(Trained { detector, losses })
    }

    /// Sets the mean and standard deviation of each channel over all images and locations.
    fn normalise(
        &self,
        teacher: Teacher<B>,
        images: &[RgbImage],
        device: &B::Device,
    ) -> Teacher<B> {
        let bar = self.bar(images.len(), "normalising the teacher {pos}/{len}");
        let mut total = Moments::new(self.config.channels);
        for image in bar.wrap_iter(images.iter()) {
            let image = to_tensor(&unit(image), self.config.image_size, device);
            total.add_features(teacher.forward(image));
        }
        teacher.normalised(total.mean(device), total.std(device))
    }

    /// The steps.
    fn run(
        &self,
        mut student: Student<Autodiff<B>>,
        teacher: &Teacher<B>,
        embedding: &Embedding,
        images: &[RgbImage],
        device: &B::Device,
        rng: &mut StdRng,
    ) -> Result<(Student<Autodiff<B>>, Vec<f32>)> {
        let mut optimiser = AdamConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(Some(WeightDecayConfig::new(self.train.weight_decay)))
            .init();
        let size = self.config.image_size;
        let bar = self.bar(
            self.train.steps,
            "{bar:30} step {pos}/{len}, {msg}, {eta} left",
        );
        let mut losses = Vec::with_capacity(self.train.steps);
        let mut order = Vec::new();
        for step in 0..self.train.steps {
            if order.is_empty() {
                order = (0..images.len()).collect();
                order.shuffle(rng);
            }
            let pixels = unit(&images[order.pop().unwrap_or_default()]);
            let mut changed = pixels.clone();
            augment::jitter(&mut changed, self.train.jitter, rng);
            let image = to_tensor::<B>(&pixels, size, device);
            let jittered = to_tensor::<B>(&changed, size, device);
            let penalty = self
                .penalty_image(rng)?
                .map(|p| to_tensor::<B>(&p, size, device));

            let batch = Batch {
                teacher: teacher.forward(image.clone()),
                teacher_jittered: teacher.forward(jittered.clone()),
                image,
                jittered,
                penalty,
            };
            let loss = student_loss(&student, embedding, self.config.hard_quantile, batch)?;
            let grads = GradientsParams::from_grads(loss.backward(), &student);
            student = optimiser.step(self.train.learning_rate_at(step), student, grads);

            let loss: f32 = loss.into_data().iter::<f32>().next().unwrap_or(f32::NAN);
            losses.push(loss);
            bar.set_message(format!("loss {loss:.4}"));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok((student, losses))
    }

    /// A random penalty image: twice the input size, perhaps grey, its centre cut out.
    fn penalty_image(&self, rng: &mut StdRng) -> Result<Option<Vec<f32>>> {
        let Some(images) = &self.penalty else {
            return Ok(None);
        };
        if images.is_empty() {
            return Ok(None);
        }
        let [height, width] = self.config.image_size;
        let large = images.load(rng.random_range(0..images.len()), [2 * height, 2 * width])?;
        let (left, top) = (width as u32 / 2, height as u32 / 2);
        let crop = image::imageops::crop_imm(&large, left, top, width as u32, height as u32);
        let mut pixels = unit(&crop.to_image());
        if rng.random_bool(self.train.penalty_grey) {
            augment::greyscale(&mut pixels);
        }
        Ok(Some(pixels))
    }

    /// Takes the map quantiles and the threshold from the held-out images.
    fn calibrate(
        &self,
        model: crate::model::HypAd<B>,
        images: &[RgbImage],
        device: &B::Device,
    ) -> Result<Detector<B>> {
        let mut detector = Detector::new(model, self.config.clone(), device)?;
        let bar = self.bar(images.len(), "calibrating {pos}/{len}");
        let maps = bar
            .wrap_iter(images.iter())
            .map(|image| detector.raw_maps(image));
        let maps = maps.collect::<Result<Vec<_>>>()?;
        let pool = |of: fn(&RawMaps) -> &Vec<f32>| maps.iter().flat_map(of).copied().collect();
        let (student, autoencoder): (Vec<f32>, Vec<f32>) =
            (pool(|m| &m.student), pool(|m| &m.autoencoder));
        let quantiles = self.train.map_quantiles;
        detector.student_map = MapNormalisation::fit(&student, quantiles)?;
        detector.autoencoder_map = MapNormalisation::fit(&autoencoder, quantiles)?;

        let score = |maps: &RawMaps| {
            let map = detector.combine(&maps.student, &maps.autoencoder);
            f64::from(map.into_iter().fold(f32::NEG_INFINITY, f32::max))
        };
        let scores: Vec<f64> = maps.iter().map(score).collect();
        let count = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / count;
        let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count;
        detector.threshold = (mean + self.train.threshold_sigmas * variance.sqrt()) as f32;
        Ok(detector)
    }

    fn bar(&self, length: usize, template: &str) -> ProgressBar {
        if !self.train.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
        ProgressBar::new(length as u64).with_style(style)
    }
}
