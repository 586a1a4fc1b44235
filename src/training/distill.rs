//! Distillation of a teacher: a patch description network learns to predict the features of a
//! backbone. Batzner et al., *EfficientAD*, WACV 2024, Algorithm 3.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::{ElementConversion, Tensor, backend::Backend};
use image::DynamicImage;
use rand::seq::SliceRandom;
use rand::{Rng, rngs::StdRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

use super::checkpoint::{RunState, Start, changed_fields, changed_images, same_statistics};
use super::moments::Moments;
use super::pool::in_own_pool;
use super::random::{Purpose, Shuffler, rng};
use super::run::RunOptions;
use super::schedule::Schedule;
use super::steps::{Task, adam, resume, run_steps};
use crate::ImageSize;
use crate::data::augment;
use crate::data::image::{PixelRange, resize, to_rgb, to_tensor, unit};
use crate::data::{Fingerprint, ImageSource, check_images};
use crate::error::{Error, Result, check};
use crate::features::{
    ModelBackend, Pdn, PdnConfig, PdnSize, TARGET_CHANNELS, Targets, release_scratch, weights,
    without_normalisation,
};
use crate::progress::ProgressBar;

/// The recipe of a distillation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistillConfig {
    /// Which network learns.
    pub size: PdnSize,
    /// Steps.
    pub steps: usize,
    /// Images a step.
    pub batch: usize,
    /// Side of the images that the network sees, a multiple of 8.
    pub side: usize,
    /// Whether the network learns in its padded form, as published, or in the unpadded form in which
    /// a teacher is used: from places alone whose patch lies within the image, a fifth to a half of
    /// the work less.
    pub padding: bool,
    /// Smallest part of an image's side that a random crop shows; 1 shows the whole image, squeezed
    /// to a square.
    pub smallest_crop: f64,
    /// Probability that an image is mirrored.
    pub flip: f64,
    /// Probability that an image is made grey.
    pub grey: f64,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// First steps, in which the learning rate rises to that value. A high one from the start leaves
    /// a larger loss.
    pub warm_up: usize,
    /// How the learning rate falls after that.
    pub schedule: Schedule,
    /// L2 penalty added to the gradient.
    pub weight_decay: f32,
    /// Images from which mean and standard deviation of the targets are taken, at most.
    pub statistics: usize,
    /// Part of the images that is held out to measure the loss on.
    pub validation: f64,
    /// Steps between two such measurements.
    pub validate_every: usize,
    /// Seed of the split, the order, the initial weights and the augmentation.
    pub seed: u64,
}

impl DistillConfig {
    /// The published recipe: 60,000 steps of 16 whole images of 256 × 256.
    pub fn published() -> Self {
        Self {
            size: PdnSize::Small,
            steps: 60_000,
            batch: 16,
            side: 256,
            padding: true,
            smallest_crop: 1.0,
            flip: 0.0,
            grey: 0.1,
            learning_rate: 1e-4,
            warm_up: 0,
            schedule: Schedule::Constant,
            weight_decay: 1e-5,
            statistics: 10_000,
            validation: 0.02,
            validate_every: 1000,
            seed: 42,
        }
    }

    /// A recipe for a small machine: 8 crops of 128 × 128 a step, at a higher learning rate that
    /// falls.
    pub fn light() -> Self {
        Self {
            steps: 10_000,
            batch: 8,
            side: 128,
            padding: false,
            smallest_crop: 0.5,
            flip: 0.5,
            learning_rate: 1e-3,
            warm_up: 200,
            schedule: Schedule::Cosine,
            // Adam makes the penalty as strong as a gradient that small: it would prune the network.
            weight_decay: 0.0,
            statistics: 500,
            validate_every: 500,
            ..Self::published()
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let risen = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        self.learning_rate * risen * self.schedule.factor(step, self.steps)
    }

    /// Checks every value.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        let part = |value: f64| (0.0..=1.0).contains(&value);
        check(self.steps > 0, "steps", self.steps, "at least 1")?;
        self.schedule.validate()?;
        check(self.batch > 0, "batch", self.batch, "at least 1")?;
        check(
            self.side >= 40 && self.side.is_multiple_of(8),
            "side",
            self.side,
            "a multiple of 8, at least 40",
        )?;
        check(
            part(self.smallest_crop) && self.smallest_crop > 0.0,
            "smallest crop",
            self.smallest_crop,
            "above 0 and at most 1",
        )?;
        check(part(self.flip), "flip", self.flip, "between 0 and 1")?;
        check(part(self.grey), "grey", self.grey, "between 0 and 1")?;
        check(
            self.learning_rate > 0.0 && self.learning_rate.is_finite(),
            "learning rate",
            self.learning_rate,
            "finite and above 0",
        )?;
        check(
            self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
            "weight decay",
            self.weight_decay,
            "finite and at least 0",
        )?;
        check(
            self.statistics > 0,
            "statistics",
            self.statistics,
            "at least 1",
        )?;
        check(
            part(self.validation) && self.validation < 1.0,
            "validation",
            self.validation,
            "at least 0 and below 1",
        )?;
        check(
            self.validate_every > 0,
            "validate every",
            self.validate_every,
            "at least 1",
        )
    }
}

/// Result of a distillation.
#[derive(Debug)]
#[non_exhaustive]
pub struct Distilled<B: Backend> {
    /// The teacher, in its unpadded form.
    pub teacher: Pdn<B>,
    /// The loss of every step: the part of the targets' variance that is not predicted.
    pub losses: Vec<f32>,
    /// Step and loss on the images held out, as they are; empty if there are none.
    pub validation: Vec<(usize, f32)>,
    /// The time from the first step to the last, without what a break cost.
    pub time: Duration,
}

/// Settings, images and targets of a distillation, which its checkpoint is compared with.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct DistillStart {
    config: DistillConfig,
    images: Fingerprint,
    /// The mean of each channel of the targets, which depends on the backbone and the images.
    targets: Vec<f32>,
}

impl Start for DistillStart {
    fn steps(&self) -> usize {
        self.config.steps
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = changed_fields("recipe", &self.config, &now.config);
        changes.extend(changed_images(
            "images",
            Some(self.images),
            Some(now.images),
        ));
        if self.images == now.images && !same_statistics(&self.targets, &now.targets) {
            changes.push("another backbone".into());
        }
        changes
    }
}

/// Distils a teacher from a backbone.
///
/// `B` is a plain backend; the gradients are taken on `Autodiff<B>` inside.
#[derive(Debug)]
pub struct Distiller<B: ModelBackend> {
    targets: Targets<B>,
    config: DistillConfig,
    options: RunOptions,
}

impl<B: ModelBackend> Distiller<B> {
    /// A distiller.
    pub fn new(targets: Targets<B>, config: DistillConfig) -> Self {
        Self {
            targets,
            config,
            options: RunOptions::default(),
        }
    }

    /// With these options: progress, checkpoint.
    pub fn with_options(self, options: RunOptions) -> Self {
        Self { options, ..self }
    }

    /// Trains on images of anything. Every image that will be drawn is decoded once before the first
    /// step.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a recipe out of range or fewer than two images, [`Error::Dataset`] with all
    /// images that cannot be read, [`Error::NotFinite`] for a backbone whose features are not finite,
    /// [`Error::Diverged`] for a loss that is not finite, and [`Error::Format`] for a checkpoint
    /// that does not belong to this run.
    pub fn fit(&self, images: &impl ImageSource, device: &B::Device) -> Result<Distilled<B>> {
        let distilled = in_own_pool(|| self.fit_here(images, device));
        release_scratch();
        distilled
    }

    /// Trains on the thread that calls it.
    fn fit_here(&self, images: &dyn ImageSource, device: &B::Device) -> Result<Distilled<B>> {
        let (config, options) = (&self.config, &self.options);
        config.validate()?;
        if let Some(checkpoint) = &options.checkpoint {
            checkpoint.validate()?;
        }
        let count = images.len();
        check(count >= 2, "images to distil with", count, "at least 2")?;
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut rng(config.seed, Purpose::Split, 0));
        let held_out = (config.validation * count as f64).round() as usize;
        let (train, validation) = order.split_at(count - held_out.min(count - 1));

        Autodiff::<B>::seed(device, config.seed);
        let network = PdnConfig {
            size: config.size,
            channels: TARGET_CHANNELS,
            padding: config.padding,
        };
        let seen = network.output_size(config.side).unwrap_or_default();
        let network: Pdn<Autodiff<B>> = network.init(device);
        let statistics = &train[..train.len().min(config.statistics)];
        let mut rounds = Shuffler::new(config.seed, train.len());
        let draws = config.steps.saturating_mul(config.batch).min(train.len());
        let drawn = (0..draws).map(|draw| train[rounds.at(draw)]);
        let drawn = drawn.chain(statistics.iter().chain(validation).copied());
        let drawn: BTreeSet<usize> = drawn.collect();
        let bar = ProgressBar::new(options.progress, drawn.len(), "checking images");
        check_images(images, drawn, "images to distil with", &|| bar.inc())?;
        drop(bar);
        let what = "normalising the targets";
        let bar = ProgressBar::new(options.progress, statistics.len(), what);
        let mut moments = Moments::new(TARGET_CHANNELS);
        for index in bar.wrap(statistics) {
            let pixels = self.crop(load_rgb(images, *index)?, None)?;
            moments.add_features(self.raw_targets(vec![pixels], device)?);
        }
        let cause = "the backbone's weights are damaged";
        let [mean, std] = moments.statistics::<B>("the backbone's features", cause, device)?;
        let start = DistillStart {
            config: config.clone(),
            images: images.fingerprint()?,
            targets: mean.to_data().iter::<f32>().collect(),
        };
        let state = resume(network, adam(config.weight_decay), start, options)?;
        let channels = [1, TARGET_CHANNELS, 1, 1];
        let pairs = Pairs {
            distiller: self,
            images,
            statistics: [mean.reshape(channels), std.reshape(channels)],
            seen,
            device,
        };
        let mut rounds = Shuffler::new(config.seed, train.len());
        let mut task = Distillation {
            pairs: &pairs,
            validation,
        };
        let prepare = |step: usize| {
            let drawn = step * config.batch..(step + 1) * config.batch;
            let chosen: Vec<_> = drawn.map(|draw| (draw, train[rounds.at(draw)])).collect();
            pairs.of(pairs.crops(chosen)?)
        };
        let (network, run_state) = run_steps("distilling", &mut task, state, prepare, options)?;
        weights::check_finite(&network.valid())
            .map_err(|_| Error::Diverged { step: config.steps })?;
        Ok(Distilled {
            teacher: network.valid().unpadded(),
            losses: run_state.losses,
            validation: run_state.validation,
            time: run_state.time,
        })
    }

    /// The part of an image that a step shows, as large as the targets need it: random with `rng`,
    /// the largest square in the middle without; the whole image where crops are whole images.
    fn crop(&self, image: DynamicImage, rng: Option<&mut StdRng>) -> Result<DynamicImage> {
        let config = &self.config;
        let side = ImageSize::square(config.side * self.targets.magnification());
        let (width, height) = (image.width(), image.height());
        let largest = width.min(height);
        let whole = config.smallest_crop == 1.0;
        let cut = |x: u32, y: u32, cut: u32| resize(&image.crop_imm(x, y, cut, cut), side);
        let Some(rng) = rng else {
            return match whole {
                true => resize(&image, side),
                false => cut((width - largest) / 2, (height - largest) / 2, largest),
            };
        };
        let mut shown = if whole {
            resize(&image, side)?
        } else {
            let part = rng.random_range(config.smallest_crop..=1.0);
            let size = ((part * f64::from(largest)).round() as u32).clamp(1, largest);
            let x = rng.random_range(0..=width - size);
            cut(x, rng.random_range(0..=height - size), size)?
        };
        if rng.random_bool(config.flip) {
            shown = shown.fliph();
        }
        if rng.random_bool(config.grey) {
            let mut pixels = unit(&shown, &PixelRange::default());
            augment::greyscale(&mut pixels);
            set_unit(&mut shown, &pixels);
        }
        Ok(shown)
    }

    /// The network's input.
    fn small(&self, image: &DynamicImage, device: &B::Device) -> Result<Tensor<B, 4>> {
        let size = ImageSize::square(self.config.side);
        Ok(to_tensor(
            &unit(&resize(image, size)?, &PixelRange::default()),
            size,
            device,
        ))
    }

    /// The features of the backbone.
    fn raw_targets(&self, images: Vec<DynamicImage>, device: &B::Device) -> Result<Tensor<B, 4>> {
        let size = ImageSize::square(self.config.side * self.targets.magnification());
        let images = images
            .iter()
            .map(|i| to_tensor(&unit(i, &PixelRange::default()), size, device));
        let images: Tensor<B, 4> = Tensor::cat(images.collect(), 0);
        self.targets.forward(without_normalisation(images))
    }
}

/// Image `index`, as RGB.
fn load_rgb(images: &dyn ImageSource, index: usize) -> Result<DynamicImage> {
    Ok(to_rgb(&images.load(index)?.image))
}

/// Makes images and their targets.
struct Pairs<'a, B: ModelBackend> {
    distiller: &'a Distiller<B>,
    images: &'a dyn ImageSource,
    /// Mean and standard deviation of the targets' channels, `[1, channels, 1, 1]`.
    statistics: [Tensor<B, 4>; 2],
    /// Side of the middle of the targets that the network sees.
    seen: usize,
    device: &'a B::Device,
}

impl<B: ModelBackend> Pairs<'_, B> {
    /// Random crops of images, each given by the number of its draw and its index; decoded on all cores.
    fn crops(&self, chosen: Vec<(usize, usize)>) -> Result<Vec<DynamicImage>> {
        let crop = |(draw, index)| {
            let mut rng = rng(self.distiller.config.seed, Purpose::Crop, draw);
            let image = load_rgb(self.images, index)?;
            self.distiller.crop(image, Some(&mut rng))
        };
        chosen.into_par_iter().map(crop).collect()
    }

    /// The input of the network, and what it shall predict.
    fn of(&self, crops: Vec<DynamicImage>) -> Result<[Tensor<B, 4>; 2]> {
        let [mean, std] = self.statistics.clone();
        let small = crops.iter();
        let small = small.map(|image| self.distiller.small(image, self.device));
        let small = Tensor::cat(small.collect::<Result<Vec<_>>>()?, 0);
        let targets = (self.distiller.raw_targets(crops, self.device)? - mean) / std;
        Ok([small, within(targets, self.seen)])
    }
}

struct Distillation<'a, B: ModelBackend> {
    pairs: &'a Pairs<'a, B>,
    /// The images held out.
    validation: &'a [usize],
}

impl<B: ModelBackend> Task<B> for Distillation<'_, B> {
    type Module = Pdn<Autodiff<B>>;
    type Sample = [Tensor<B, 4>; 2];
    type Start = DistillStart;

    fn learning_rate(&self, step: usize) -> f64 {
        self.pairs.distiller.config.learning_rate_at(step)
    }

    fn loss(
        &mut self,
        _: usize,
        network: &Self::Module,
        pair: Self::Sample,
    ) -> Result<Tensor<Autodiff<B>, 1>> {
        let [image, targets] = pair.map(Tensor::<Autodiff<B>, 4>::from_inner);
        Ok((network.forward(image) - targets).square().mean())
    }

    fn after_step(
        &mut self,
        network: &Self::Module,
        run_state: &mut RunState<DistillStart>,
    ) -> Result<Option<String>> {
        let config = &self.pairs.distiller.config;
        let step = run_state.losses.len();
        let due = step.is_multiple_of(config.validate_every) || step == config.steps;
        if due && !self.validation.is_empty() {
            let (network, mut sum) = (network.valid(), 0.0);
            for index in self.validation {
                let image = load_rgb(self.pairs.images, *index)?;
                let crop = self.pairs.distiller.crop(image, None)?;
                let [image, targets] = self.pairs.of(vec![crop])?;
                let loss = (network.forward(image) - targets).square().mean();
                sum += loss.into_scalar().elem::<f32>();
            }
            let mean = sum / self.validation.len() as f32;
            run_state.validation.push((step, mean));
        }
        let last = run_state.validation.last();
        Ok(last.map(|(_, loss)| format!(", held out {loss:.4}")))
    }
}

/// Sets the values of an RGB image of any depth: the inverse of [`unit`] with the default range.
fn set_unit(image: &mut DynamicImage, pixels: &[f32]) {
    match image {
        DynamicImage::ImageRgb8(image) => {
            for (value, pixel) in image.iter_mut().zip(pixels) {
                *value = (255.0 * pixel).round() as u8;
            }
        }
        DynamicImage::ImageRgb16(image) => {
            for (value, pixel) in image.iter_mut().zip(pixels) {
                *value = (65535.0 * pixel).round() as u16;
            }
        }
        DynamicImage::ImageRgb32F(image) => image.copy_from_slice(pixels),
        _ => {}
    }
}

/// The middle of feature maps, a square of this side: what an unpadded network sees.
fn within<B: Backend>(maps: Tensor<B, 4>, side: usize) -> Tensor<B, 4> {
    let [_, _, height, width] = maps.dims();
    let [up, left] = [height, width].map(|n| (n - side) / 2);
    maps.narrow(2, up, side).narrow(3, left, side)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::module::Module;
    use burn::tensor::{Distribution, Tolerance};

    /// The places of the two forms are the same ones, for either network.
    #[test]
    fn the_middle_of_the_padded_form_is_the_unpadded_form() {
        let device = Default::default();
        for size in [PdnSize::Small, PdnSize::Medium] {
            let config = PdnConfig {
                padding: true,
                ..PdnConfig::new(size, 8)
            };
            let padded: Pdn<Flex> = config.init(&device);
            // Weights are drawn when they are first used, those of a copy again.
            let record = padded.clone().into_record();
            let padded = padded.load_record(record);
            let unpadded = padded.clone().unpadded();
            let image = Tensor::random([1, 3, 72, 72], Distribution::Default, &device);
            let unpadded = unpadded.forward(image.clone());
            let middle = within(padded.forward(image), unpadded.dims()[2]);
            let tolerance = Tolerance::<f32>::absolute(1e-5);
            unpadded
                .into_data()
                .assert_approx_eq(&middle.into_data(), tolerance);
        }
    }
}
