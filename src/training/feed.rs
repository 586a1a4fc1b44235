//! What the steps see: training images in random order, plain and jittered, and penalty images.

use image::RgbImage;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::config::TrainConfig;
use crate::data::{ImageSet, augment, image::unit};
use crate::error::Result;

/// The images of one step, as `height × width × 3` values in \[0, 1\].
pub struct Sample {
    /// Which training image.
    pub index: usize,
    pub image: Vec<f32>,
    pub jittered: Vec<f32>,
    pub penalty: Option<Vec<f32>>,
}

/// Draws the images of the steps one by one.
pub struct Feed<'a> {
    images: &'a [RgbImage],
    penalty: Option<&'a ImageSet>,
    size: [usize; 2],
    config: &'a TrainConfig,
    rng: StdRng,
    /// What is left of the present round through the images.
    order: Vec<usize>,
    step: usize,
}

impl<'a> Feed<'a> {
    /// A feed of images of one size.
    pub fn new(
        images: &'a [RgbImage],
        penalty: Option<&'a ImageSet>,
        size: [usize; 2],
        config: &'a TrainConfig,
        rng: StdRng,
    ) -> Self {
        Self {
            images,
            penalty: penalty.filter(|images| !images.is_empty()),
            size,
            config,
            rng,
            order: Vec::new(),
            step: 0,
        }
    }

    /// The images of the next step.
    ///
    /// # Errors
    ///
    /// Those of reading a penalty image.
    pub fn next(&mut self) -> Result<Sample> {
        if self.order.is_empty() {
            self.order = (0..self.images.len()).collect();
            self.order.shuffle(&mut self.rng);
        }
        let index = self.order.pop().unwrap_or_default();
        let image = unit(&self.images[index]);
        let mut jittered = image.clone();
        augment::jitter(&mut jittered, self.config.jitter, &mut self.rng);
        let due = self.step.is_multiple_of(self.config.penalty_every);
        self.step += 1;
        let penalty = match self.penalty {
            Some(images) if due => Some(self.penalty_image(images)?),
            _ => None,
        };
        Ok(Sample {
            index,
            image,
            jittered,
            penalty,
        })
    }

    /// A random penalty image: twice the input size, perhaps grey, its centre cut out.
    fn penalty_image(&mut self, images: &ImageSet) -> Result<Vec<f32>> {
        let [height, width] = self.size;
        let index = self.rng.random_range(0..images.len());
        let large = images.load(index, [2 * height, 2 * width])?;
        let (left, top) = (width as u32 / 2, height as u32 / 2);
        let crop = image::imageops::crop_imm(&large, left, top, width as u32, height as u32);
        let mut pixels = unit(&crop.to_image());
        if self.rng.random_bool(self.config.penalty_grey) {
            augment::greyscale(&mut pixels);
        }
        Ok(pixels)
    }
}
