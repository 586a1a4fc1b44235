//! Samples of the steps: training images in random order, plain and jittered, and penalty images.

use std::collections::BTreeSet;
use std::ops::Range;

use rand::Rng;
use rand::rngs::StdRng;

use super::recipe::TrainConfig;
use super::window::Window;
use crate::ImageSize;
use crate::data::image::{resize, unit};
use crate::data::{ImageSource, augment};
use crate::error::Result;
use crate::training::TrainingImages;
use crate::training::random::{Purpose, Shuffler, rng};

/// The images of one step, as `height × width × 3` values in \[0, 1\].
pub struct StepImages {
    /// Which training image.
    pub index: usize,
    pub image: Vec<f32>,
    pub jittered: Vec<f32>,
    pub penalty: Option<Vec<f32>>,
    /// Where the autoencoder's terms are taken; everywhere if `None`.
    pub window: Option<Window>,
}

/// Draws the images of the steps.
pub struct SampleStream<'a> {
    images: &'a TrainingImages,
    penalty: Option<&'a dyn ImageSource>,
    /// Size of the feature maps.
    maps: ImageSize,
    config: &'a TrainConfig,
    rounds: Shuffler,
}

impl<'a> SampleStream<'a> {
    /// A stream of samples with feature maps of this size.
    pub fn new(
        images: &'a TrainingImages,
        penalty: Option<&'a dyn ImageSource>,
        maps: ImageSize,
        config: &'a TrainConfig,
    ) -> Self {
        Self {
            images,
            penalty: penalty.filter(|images| !images.is_empty()),
            maps,
            config,
            rounds: Shuffler::new(config.seed, images.train.len()),
        }
    }

    /// The images of a step, counted from 0.
    ///
    /// # Errors
    ///
    /// Those of reading a penalty image.
    pub fn step(&mut self, step: usize) -> Result<StepImages> {
        let index = self.rounds.at(step);
        let image = unit(&self.images.train[index], &self.images.range);
        let mut jittered = image.clone();
        let (window, penalty) = self.draw(step, &mut jittered);
        let penalty = penalty.map(|(index, rng)| self.penalty_image(index, rng));
        Ok(StepImages {
            index,
            image,
            jittered,
            penalty: penalty.transpose()?,
            window,
        })
    }

    /// The penalty images that these steps draw.
    pub fn penalty_indices(&self, steps: Range<usize>) -> BTreeSet<usize> {
        let drawn = steps.filter_map(|step| self.draw(step, &mut []).1);
        drawn.map(|(index, _)| index).collect()
    }

    /// The random part of a step: jitters the pixels, draws a window and the penalty image, the random
    /// numbers of which go on.
    fn draw(&self, step: usize, jittered: &mut [f32]) -> (Option<Window>, Option<(usize, StdRng)>) {
        let mut rng = rng(self.config.seed, Purpose::Step, step);
        augment::jitter(jittered, self.config.jitter, &mut rng);
        let window = match self.config.tiles {
            1 => None,
            tiles => {
                let index = rng.random_range(0..tiles * tiles);
                Some(Window::tile(index, tiles, self.maps))
            }
        };
        let penalty = match self.penalty {
            Some(images) if step.is_multiple_of(self.config.penalty_every) => {
                Some((rng.random_range(0..images.len()), rng))
            }
            _ => None,
        };
        (window, penalty)
    }

    /// A penalty image: twice the input size, perhaps grey, its centre cut out.
    fn penalty_image(&self, index: usize, mut rng: StdRng) -> Result<Vec<f32>> {
        let Some(images) = self.penalty else {
            return Ok(Vec::new());
        };
        let ImageSize { width, height } = self.images.size;
        let large = images.load(index)?.image;
        let large = resize(&large, self.images.size.map(|side| 2 * side))?;
        let (left, top) = (width as u32 / 2, height as u32 / 2);
        let crop = large.crop_imm(left, top, width as u32, height as u32);
        let mut pixels = unit(&crop, &self.images.range);
        if rng.random_bool(self.config.penalty_grey) {
            augment::greyscale(&mut pixels);
        }
        Ok(pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Fingerprint;
    use crate::data::image::PixelRange;
    use image::{DynamicImage, Rgb, RgbImage};

    fn plain(value: u8) -> DynamicImage {
        RgbImage::from_pixel(16, 16, Rgb([60 + value, 120, 30])).into()
    }

    #[test]
    fn every_step_has_an_image_and_every_so_many_a_penalty() {
        let images = TrainingImages {
            train: (0..4).map(plain).collect(),
            validation: Vec::new(),
            held_out: Vec::new(),
            range: PixelRange::default(),
            fingerprint: Fingerprint { images: 4, hash: 0 },
            size: ImageSize::square(16),
        };
        let config = TrainConfig {
            penalty_every: 3,
            penalty_grey: 0.0,
            tiles: 2,
            ..TrainConfig::fast()
        };
        // Blue in the middle, which is all of it that is shown.
        let middle = |x: u32, y: u32| (8..24).contains(&x) && (8..24).contains(&y);
        let penalty = RgbImage::from_fn(32, 32, |x, y| match middle(x, y) {
            true => Rgb([0, 0, 255]),
            false => Rgb([255, 0, 0]),
        });
        let penalty = vec![DynamicImage::ImageRgb8(penalty)];
        let stream = || SampleStream::new(&images, Some(&penalty), ImageSize::square(6), &config);
        let mut steps = stream();
        let mut seen = Vec::new();
        for step in 0..8 {
            let sample = steps.step(step).unwrap();
            assert!(sample.image == unit(&images.train[sample.index], &images.range));
            assert!(sample.image != sample.jittered);
            assert_eq!(sample.window.unwrap().height, 3);
            seen.push(sample.index);
            assert_eq!(sample.penalty.is_some(), step % 3 == 0);
            if let Some(pixels) = sample.penalty {
                assert!(pixels.chunks(3).all(|pixel| pixel == [0.0, 0.0, 1.0]));
            }
        }
        for round in seen.chunks_mut(4) {
            round.sort();
            assert_eq!(round, [0, 1, 2, 3]);
        }
        assert_eq!(stream().penalty_indices(0..8), BTreeSet::from([0]));
        assert!(stream().penalty_indices(1..3).is_empty());
        // A stream that begins later shows the same.
        let (late, whole) = (stream().step(7).unwrap(), steps.step(7).unwrap());
        assert_eq!((late.index, late.jittered), (whole.index, whole.jittered));
    }
}
