//! The images of a training: split, read and checked before the first step.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Tensor, backend::Backend};
use image::DynamicImage;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::random::{Purpose, rng};
use crate::ImageSize;
use crate::data::image::{PixelRange, PixelRangeFinder, check_image, resize, to_tensor, unit};
use crate::data::{Fingerprint, ImageSource};
use crate::error::{Error, Result, check};
use crate::progress::ProgressBar;
use crate::warning::warn;

/// How training images are split into those to learn from and those held out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// The part held out, to calibrate the maps and to choose the threshold: above 0 and below 1.
    pub validation: f64,
    /// Seed of the split.
    pub seed: u64,
}

impl Default for Split {
    /// A tenth, drawn with seed 42.
    fn default() -> Self {
        Self {
            validation: 0.1,
            seed: 42,
        }
    }
}

impl Split {
    pub(crate) fn validate(&self) -> Result<()> {
        let holds = self.validation > 0.0 && self.validation < 1.0;
        check(holds, "validation", self.validation, "between 0 and 1")
    }
}

/// The normal images of a training in memory, at the input size of the method.
#[derive(Clone, Debug)]
pub struct TrainingImages {
    pub(crate) train: Vec<DynamicImage>,
    /// Those held out.
    pub(crate) validation: Vec<DynamicImage>,
    pub(crate) range: PixelRange,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) size: ImageSize,
}

impl TrainingImages {
    /// Number of images to learn from; those held out are not among them.
    pub fn len(&self) -> usize {
        self.train.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.train.is_empty()
    }

    /// The size of the images.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Image `index` as the input of a network; `None` beyond the end.
    ///
    /// # Shapes
    ///
    /// - output: `[1, 3, height, width]`, RGB, ImageNet-normalised
    pub fn tensor<B: Backend>(&self, index: usize, device: &B::Device) -> Option<Tensor<B, 4>> {
        let image = self.train.get(index)?;
        Some(to_tensor(&unit(image, &self.range), self.size, device))
    }

    /// The images held out, as [`tensor`](Self::tensor).
    pub(crate) fn held_out_tensors<'a, B: Backend>(
        &'a self,
        device: &'a B::Device,
    ) -> impl Iterator<Item = Tensor<B, 4>> + 'a {
        let tensor = |image| to_tensor(&unit(image, &self.range), self.size, device);
        self.validation.iter().map(tensor)
    }

    /// All images, one after the other, as [`tensor`](Self::tensor).
    pub fn tensors<'a, B: Backend>(
        &'a self,
        device: &'a B::Device,
    ) -> impl Iterator<Item = Tensor<B, 4>> + 'a {
        (0..self.len()).filter_map(|index| self.tensor(index, device))
    }

    /// Reads all images, at least two, and holds some out.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with every image that cannot be read.
    pub(crate) fn read(
        images: &dyn ImageSource,
        split: &Split,
        size: ImageSize,
        progress: bool,
    ) -> Result<Self> {
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.shuffle(&mut rng(split.seed, Purpose::Split, 0));
        let held_out = held_out(split.validation, images.len());
        let finder = Mutex::new(PixelRangeFinder::default());
        let bar = ProgressBar::new(progress, images.len(), "reading images");
        let read = |index: &usize| {
            let sample = images.load(*index)?;
            let image = sample.image;
            check_image(&image).map_err(|error| error.in_image(sample.name))?;
            let mut finder = finder.lock().unwrap_or_else(PoisonError::into_inner);
            finder.add(&image);
            drop(finder);
            let small = resize(&image, size);
            bar.inc();
            small
        };
        let read: Vec<Result<DynamicImage>> = order.par_iter().map(read).collect();
        let mut train = Vec::with_capacity(read.len());
        let mut problems = Vec::new();
        for image in read {
            match image {
                Ok(image) => train.push(image),
                Err(problem) => problems.push(problem.to_string()),
            }
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(Error::Dataset {
                path: PathBuf::from("training images"),
                problems,
            });
        }
        let validation = train.split_off(images.len() - held_out);
        let finder = finder.into_inner().unwrap_or_else(PoisonError::into_inner);
        warn_of_other_depths(&train, &validation, finder.finish());
        Ok(Self {
            train,
            validation,
            range: finder.finish(),
            fingerprint: images.fingerprint()?,
            size,
        })
    }
}

/// One line for the images that are much darker than the others' white, as of another camera or program.
fn warn_of_other_depths(train: &[DynamicImage], validation: &[DynamicImage], range: PixelRange) {
    let all = train.iter().chain(validation);
    let doubts: Vec<String> = all.filter_map(|image| range.warning(image)).collect();
    if let Some(first) = doubts.first() {
        warn(format_args!(
            "{} of {} training images have another range than the others: one has {first}; are they \
             of another camera or program?",
            doubts.len(),
            train.len() + validation.len()
        ));
    }
    let depth =
        |image: &DynamicImage| image.color().bytes_per_pixel() / image.color().channel_count();
    let depths: BTreeSet<u8> = train.iter().chain(validation).map(depth).collect();
    if depths.len() > 1 {
        let bits = depths.iter().map(|bytes| (8 * bytes).to_string());
        let bits: Vec<String> = bits.collect();
        warn(format_args!(
            "training images have values of {} bits; white is found for each depth by itself",
            bits.join(" and ")
        ));
    }
}

/// The least number of `count` images, two or more, that is the part `part` of them, and at least one
/// fewer than all. Compared as rounded quotients: 0.07 · 100 is above 7 in doubles.
fn held_out(part: f64, count: usize) -> usize {
    let least = (1..count).find(|held_out| *held_out as f64 / count as f64 >= part);
    least.unwrap_or(count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_held_out_exactly() {
        for (part, count, expected) in [
            (0.1, 30, 3),
            (0.1, 31, 4),
            (0.07, 100, 7),
            (0.001, 2, 1),
            (0.999, 5, 4),
        ] {
            assert_eq!(held_out(part, count), expected, "{part} of {count}");
        }
    }
}
