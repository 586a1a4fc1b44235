//! Burn's data sets as sources of images.

use std::fmt::Debug;

use burn::data::dataset::Dataset;
use image::DynamicImage;

use super::source::{ImageSource, Sample, beyond_the_end};
use crate::error::Result;

/// The images of a Burn [`Dataset`], which are named by their numbers.
///
/// ```
/// use burn::data::dataset::InMemDataset;
/// use hypad::data::{FromDataset, ImageSource};
/// use hypad::image::DynamicImage;
///
/// let images = vec![DynamicImage::new_rgb8(64, 48), DynamicImage::new_luma8(64, 48)];
/// let source = FromDataset::new(InMemDataset::new(images));
/// assert_eq!((source.len(), source.load(1)?.image.width()), (2, 64));
/// // hypad::Trainer::fit(&source, &device) trains on it.
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FromDataset<D>(D);

impl<D: Dataset<DynamicImage>> FromDataset<D> {
    /// The images of this data set.
    pub fn new(dataset: D) -> Self {
        Self(dataset)
    }
}

impl<D: Dataset<DynamicImage>> ImageSource for FromDataset<D> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let image = self.0.get(index).ok_or_else(|| beyond_the_end(index))?;
        Ok(Sample::new(image, format!("image {index}")))
    }
}
