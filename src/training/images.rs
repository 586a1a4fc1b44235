//! The images of a training: split, read and checked before the first step.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Tensor, backend::Backend};
use image::DynamicImage;
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::random::{Purpose, rng};
use super::run::RunOptions;
use crate::ImageSize;
use crate::data::image::{PixelRange, PixelRangeFinder, check_image, to_tensor, unit};
use crate::data::{Fingerprint, ImageSource, Placement, Preparation, Rect, Tiles};
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

/// An image, or a tile of one, at the input size of a method.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub image: DynamicImage,
    /// Where it is from.
    pub placement: Placement,
}

/// The normal images of a training in memory, at the input size of the method; with
/// [tiles](crate::data::Tiles), tiles drawn from them.
#[derive(Clone, Debug)]
pub struct TrainingImages {
    pub(crate) train: Vec<DynamicImage>,
    /// Those held out.
    pub(crate) validation: Vec<Input>,
    /// Which images of the source are held out.
    pub(crate) held_out: Vec<usize>,
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
        let tensor = |input: &Input| to_tensor(&unit(&input.image, &self.range), self.size, device);
        self.validation.iter().map(tensor)
    }

    /// All images, one after the other, as [`tensor`](Self::tensor).
    pub fn tensors<'a, B: Backend>(
        &'a self,
        device: &'a B::Device,
    ) -> impl Iterator<Item = Tensor<B, 4>> + 'a {
        (0..self.len()).filter_map(|index| self.tensor(index, device))
    }

    /// Reads all images, at least two, and holds some out. Those to learn from that do not fit into
    /// `options.image_memory` are left out, with a warning.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with every image that cannot be read.
    pub(crate) fn read(
        images: &dyn ImageSource,
        split: &Split,
        preparation: &Preparation,
        size: ImageSize,
        options: &RunOptions,
    ) -> Result<Self> {
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.shuffle(&mut rng(split.seed, Purpose::Split, 0));
        let held_out = held_out(split.validation, images.len());
        let held_out = order.split_off(images.len() - held_out);
        let reader = Reader {
            images,
            preparation,
            size,
            seed: split.seed,
            tiles: Tiles::MOST_IN_TRAINING.div_ceil(order.len().max(1)),
            finder: Mutex::new(PixelRangeFinder::default()),
        };
        let of_held_out = Tiles::MOST_IN_CALIBRATION.div_ceil(held_out.len().max(1));
        let in_all = order.len();
        order.truncate(reader.most_in_memory(options.image_memory));
        if order.len() < in_all {
            warn(format_args!(
                "{} of {in_all} training images are left out, since no more than {} MiB are to be held in \
                 memory",
                in_all - order.len(),
                options.image_memory
            ));
        }
        let bar = ProgressBar::new(
            options.progress,
            order.len() + held_out.len(),
            "reading images",
        );
        let all: Vec<usize> = order.iter().chain(&held_out).copied().collect();
        let read: Vec<Result<Vec<Input>>> = all
            .par_iter()
            .enumerate()
            .map(|(at, index)| {
                let tiles = if at < order.len() {
                    reader.tiles
                } else {
                    of_held_out
                };
                let read = reader.read(*index, tiles);
                bar.inc();
                read
            })
            .collect();
        drop(bar);
        let (mut train, mut validation, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (at, inputs) in read.into_iter().enumerate() {
            match inputs {
                Ok(inputs) if at < order.len() => {
                    train.extend(inputs.into_iter().map(|input| input.image));
                }
                Ok(inputs) => validation.extend(inputs),
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
        if train.is_empty() || validation.is_empty() {
            return Err(Error::Dataset {
                path: PathBuf::from("training images"),
                problems: vec!["all pixels of all images, or of all tiles, are ignored".into()],
            });
        }
        let finder = reader
            .finder
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let range = finder.finish();
        let all = train
            .iter()
            .chain(validation.iter().map(|input| &input.image));
        warn_of_other_depths(&all.collect::<Vec<_>>(), range);
        let mut fingerprint = images.fingerprint()?;
        if *preparation != Preparation::default() {
            let json = serde_json::to_vec(preparation).unwrap_or_default();
            fingerprint.hash ^= crc32fast::hash(&json);
        }
        Ok(Self {
            train,
            validation,
            held_out,
            range,
            fingerprint,
            size,
        })
    }
}

/// Reads images of a source as inputs.
struct Reader<'a> {
    images: &'a dyn ImageSource,
    preparation: &'a Preparation,
    size: ImageSize,
    seed: u64,
    /// Tiles of each image to learn from, if it is cut into any.
    tiles: usize,
    finder: Mutex<PixelRangeFinder>,
}

impl Reader<'_> {
    /// How many images may be read if their inputs are to take no more than so many mebibytes, at 8 bits a
    /// value; at least one.
    fn most_in_memory(&self, mebibytes: usize) -> usize {
        let inputs = self.preparation.tiles.map_or(1, |_| self.tiles);
        let bytes = (3 * self.size.area()).saturating_mul(inputs).max(1);
        (mebibytes.saturating_mul(1 << 20) / bytes).max(1)
    }

    /// The input of an image, or those of no more than so many tiles drawn from it.
    fn read(&self, index: usize, tiles_of_image: usize) -> Result<Vec<Input>> {
        let sample = self.images.load(index)?;
        let in_image = |error: Error| error.in_image(&sample.name);
        let image = sample.image;
        check_image(&image).map_err(in_image)?;
        let image = self.preparation.black_out(&image).map_err(in_image)?;
        let mut finder = self.finder.lock().unwrap_or_else(PoisonError::into_inner);
        finder.add(&image);
        drop(finder);
        let whole = ImageSize::of(&image);
        let parts = match self.preparation.tiles {
            None => vec![Rect::whole(whole)],
            Some(tiles) => {
                let drawn = self.draw(&tiles, whole, index, tiles_of_image);
                drawn.map_err(in_image)?
            }
        };
        let input = |part: &Rect| {
            let placement = self.preparation.placement(whole, *part, self.size);
            let image = match *part == Rect::whole(whole) {
                true => placement.apply(&image)?,
                false => placement.apply(&part.cut(&image))?,
            };
            Ok(Input { image, placement })
        };
        let inputs: Vec<Input> = parts.iter().map(input).collect::<Result<_>>()?;
        // Of a tile that is ignored all over there is nothing to learn, and no score.
        let counts = |input: &Input| {
            let ignored = self.preparation.ignored_cells(&input.placement, self.size);
            ignored.is_none_or(|ignored| ignored.contains(&false))
        };
        Ok(inputs.into_iter().filter(counts).collect())
    }

    /// So many tiles at random places of an image, or all where they are fewer.
    fn draw(
        &self,
        tiles: &Tiles,
        image: ImageSize,
        index: usize,
        count: usize,
    ) -> Result<Vec<Rect>> {
        let grid = tiles.of(image)?;
        if grid.len() <= count {
            return Ok(grid);
        }
        let mut rng = rng(self.seed, Purpose::Tiles, index);
        let ImageSize { width, height } = tiles.size;
        let draw = |_| Rect {
            x: rng.random_range(0..=image.width - width),
            y: rng.random_range(0..=image.height - height),
            width,
            height,
        };
        Ok((0..count).map(draw).collect())
    }
}

/// One line for the images that are much darker than the others' white, as of another camera or program.
fn warn_of_other_depths(images: &[&DynamicImage], range: PixelRange) {
    let doubts = images.iter().filter_map(|image| range.warning(image));
    let doubts: Vec<String> = doubts.collect();
    if let Some(first) = doubts.first() {
        warn(format_args!(
            "{} of {} training images have another range than the others: one has {first}; are they \
             of another camera or program?",
            doubts.len(),
            images.len()
        ));
    }
    let depth =
        |image: &&DynamicImage| image.color().bytes_per_pixel() / image.color().channel_count();
    let depths: BTreeSet<u8> = images.iter().map(depth).collect();
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
