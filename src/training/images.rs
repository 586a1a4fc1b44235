//! The images of a training: split, read and checked before the first step.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use image::DynamicImage;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::random::{Purpose, rng};
use crate::ImageSize;
use crate::data::ImageSet;
use crate::data::image::{PixelRange, PixelRangeFinder, resize};
use crate::error::{Error, Result};
use crate::methods::hypad::TrainConfig;
use crate::progress::ProgressBar;

/// The images of a training in memory, at the input size of the networks.
pub struct TrainingImages {
    pub train: Vec<DynamicImage>,
    /// Those held out to normalise the maps and for the threshold.
    pub validation: Vec<DynamicImage>,
    pub range: PixelRange,
}

impl TrainingImages {
    /// Reads all images, at least two, and holds some out.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with every image that cannot be read.
    pub fn read(images: &ImageSet, config: &TrainConfig, size: ImageSize) -> Result<Self> {
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.shuffle(&mut rng(config.seed, Purpose::Split, 0));
        let held_out = held_out(config.validation, images.len());
        let finder = Mutex::new(PixelRangeFinder::default());
        let bar = ProgressBar::new(config.progress, images.len(), "reading images");
        let read = |index: &usize| {
            let image = images.decode(*index)?;
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
            return Err(Error::Dataset {
                path: PathBuf::from("training images"),
                problems,
            });
        }
        let validation = train.split_off(images.len() - held_out);
        let finder = finder.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Self {
            train,
            validation,
            range: finder.finish(),
        })
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
