//! Where images come from.

use std::path::PathBuf;

use crc32fast::Hasher;
use image::DynamicImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An image and what is known of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The image, upright, of any size and pixel type.
    pub image: DynamicImage,
    /// Its name in messages and tables, such as `000.png`.
    pub name: String,
    /// The kind of image: [`GOOD`](super::GOOD) or a kind of defect; `None` if it is not known.
    pub label: Option<String>,
    /// Where it is anomalous, row by row; `None` if that is not known.
    pub truth: Option<Vec<bool>>,
    /// Pixels that no metric counts, row by row; `None` if all count.
    pub ignore: Option<Vec<bool>>,
}

impl Sample {
    /// An image of which nothing else is known.
    pub fn new(image: DynamicImage, name: impl Into<String>) -> Self {
        Self {
            image,
            name: name.into(),
            label: None,
            truth: None,
            ignore: None,
        }
    }

    /// With the kind of image.
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    /// With the pixels that are anomalous, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless there is one for each pixel.
    pub fn with_truth(self, truth: Vec<bool>) -> Result<Self> {
        self.check_mask("pixels of the truth", &truth)?;
        Ok(Self {
            truth: Some(truth),
            ..self
        })
    }

    /// With the pixels that no metric counts, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless there is one for each pixel.
    pub fn with_ignore(self, ignore: Vec<bool>) -> Result<Self> {
        self.check_mask("pixels of the mask of ignored pixels", &ignore)?;
        Ok(Self {
            ignore: Some(ignore),
            ..self
        })
    }

    fn check_mask(&self, what: &'static str, mask: &[bool]) -> Result<()> {
        let size = crate::ImageSize::of(&self.image);
        match mask.len() == size.area() {
            true => Ok(()),
            false => Err(Error::Size {
                what,
                expected: size.to_string(),
                found: mask.len().to_string(),
            }),
        }
    }
}

/// Fingerprint of a set of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Number of images.
    pub images: usize,
    /// A hash of what tells the images from others: of names and lengths of files, or of sizes and
    /// pixels.
    pub hash: u32,
}

/// A list of images, loaded when they are asked for, from any thread.
///
/// [`ImageSet`](super::ImageSet) is one of files or of images in memory. A data set of one's own needs
/// two functions:
///
/// ```
/// use hypad::data::{ImageSource, Sample};
/// use hypad::image::{DynamicImage, RgbImage};
///
/// /// Pictures of one colour each.
/// struct Colours(Vec<[u8; 3]>);
///
/// impl ImageSource for Colours {
///     fn len(&self) -> usize {
///         self.0.len()
///     }
///
///     fn load(&self, index: usize) -> hypad::Result<Sample> {
///         let image = RgbImage::from_pixel(64, 48, hypad::image::Rgb(self.0[index]));
///         Ok(Sample::new(DynamicImage::ImageRgb8(image), format!("colour {index}")))
///     }
/// }
///
/// let colours = Colours(vec![[200, 40, 40], [40, 200, 40]]);
/// assert_eq!(colours.load(1)?.image.width(), 64);
/// assert_eq!(colours.fingerprint()?.images, 2);
/// // hypad::Trainer::fit(&colours, &device) trains on it.
/// # Ok::<(), hypad::Error>(())
/// ```
pub trait ImageSource: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Loads image `index`, below [`len`](Self::len).
    ///
    /// # Errors
    ///
    /// For an image that cannot be read or used, with its name.
    fn load(&self, index: usize) -> Result<Sample>;

    /// Checks that image `index` can be loaded. Long work checks every image that it will need before
    /// it begins.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    fn check(&self, index: usize) -> Result<()> {
        self.load(index).map(drop)
    }

    /// Fingerprint of the set, so that a checkpoint is not taken for one of other images. By default a
    /// hash of all pixels, for which every image is loaded once.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut hasher = Hasher::new();
        for index in 0..self.len() {
            let image = self.load(index)?.image;
            hasher.update(&image.width().to_le_bytes());
            hasher.update(image.as_bytes());
        }
        Ok(Fingerprint {
            images: self.len(),
            hash: hasher.finalize(),
        })
    }
}

impl<S: ImageSource + ?Sized> ImageSource for &S {
    fn len(&self) -> usize {
        S::len(self)
    }

    fn load(&self, index: usize) -> Result<Sample> {
        S::load(self, index)
    }

    fn check(&self, index: usize) -> Result<()> {
        S::check(self, index)
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        S::fingerprint(self)
    }
}

/// Images in memory, which are named by their numbers.
impl ImageSource for [DynamicImage] {
    fn len(&self) -> usize {
        <[DynamicImage]>::len(self)
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let image = self.get(index).ok_or_else(|| beyond_the_end(index))?;
        Ok(Sample::new(image.clone(), format!("image {index}")))
    }
}

/// Images in memory, which are named by their numbers.
impl ImageSource for Vec<DynamicImage> {
    fn len(&self) -> usize {
        <[DynamicImage]>::len(self)
    }

    fn load(&self, index: usize) -> Result<Sample> {
        self.as_slice().load(index)
    }
}

/// The error of an index that is not below the number of images.
pub(super) fn beyond_the_end(index: usize) -> Error {
    Error::Setting {
        name: "image",
        value: index.to_string(),
        rule: "below the number of images",
    }
}

/// Checks these images of a source on all cores, and reports every one that cannot be used. `progress`
/// is called after each, from any thread; `what` names the images in the error.
///
/// # Errors
///
/// [`Error::Dataset`] with all problems.
pub(crate) fn check_images(
    images: &dyn ImageSource,
    indices: impl IntoIterator<Item = usize>,
    what: &str,
    progress: &(dyn Fn() + Sync),
) -> Result<()> {
    let indices: Vec<usize> = indices.into_iter().collect();
    let check = |index: &usize| {
        let result = images.check(*index);
        progress();
        result.err().map(|error| error.to_string())
    };
    let problems: Vec<String> = indices.par_iter().filter_map(check).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Dataset {
            path: PathBuf::from(what),
            problems,
        }),
    }
}
