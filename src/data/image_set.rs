//! A list of images, on the disk or in memory.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ::image::DynamicImage;
use crc32fast::Hasher;

use super::files::{Listing, no_image};
use super::image as images;
use super::source::{Fingerprint, ImageSource, Sample, beyond_the_end, check_images};
use crate::error::Result;
use crate::files::io_error;
use crate::warning::warn;

/// A list of images, decoded when they are asked for.
#[derive(Clone, Debug, Default)]
pub struct ImageSet {
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
enum Item {
    File(PathBuf),
    Memory(DynamicImage),
}

impl ImageSet {
    /// All images directly in a folder, sorted by name. A warning counts what is passed over: other
    /// files, folders, hidden entries.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error) for a folder that cannot be read, [`Error::Dataset`](crate::Error) for one without images or
    /// with a link to nothing.
    pub fn from_dir(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::from_files(Listing::read(path)?.into_images(path)?))
    }

    /// All images in a folder and the folders below it, as of a data set with a folder for each
    /// class; sorted by path. A warning counts what is passed over: other files, hidden entries.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error) for a folder that cannot be read, [`Error::Dataset`](crate::Error) if there is no image, or a
    /// link to nothing.
    pub fn from_tree(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::from_files(images_below(path.as_ref())?))
    }

    /// These files, in this order.
    pub fn from_files(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            items: paths.into_iter().map(Item::File).collect(),
        }
    }

    /// These images, in this order.
    pub fn from_images(images: impl IntoIterator<Item = DynamicImage>) -> Self {
        Self {
            items: images.into_iter().map(Item::Memory).collect(),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The files; images in memory have none.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.items.iter().filter_map(|item| match item {
            Item::File(path) => Some(path.as_path()),
            Item::Memory(_) => None,
        })
    }

    fn item(&self, index: usize) -> Result<&Item> {
        self.items.get(index).ok_or_else(|| beyond_the_end(index))
    }

    /// Decodes image `index` as RGB of its own depth (see [`to_rgb`](super::image::to_rgb)).
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error) or [`Error::Format`](crate::Error) naming the file (see [`open`](super::image::open)),
    /// [`Error::Setting`](crate::Error) for an index beyond the end and for an image in memory with values that are
    /// negative or not finite.
    pub fn decode(&self, index: usize) -> Result<DynamicImage> {
        match self.item(index)? {
            Item::File(path) => Ok(rgb(images::open(path)?)),
            Item::Memory(image) => {
                images::check_image(image)?;
                Ok(images::to_rgb(image))
            }
        }
    }

    /// Decodes every image, on all cores, and reports every one that cannot be used.
    ///
    /// `progress` is called after each image, from any thread.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`](crate::Error) with all problems, by file.
    pub fn check(&self, progress: &(dyn Fn() + Sync)) -> Result<()> {
        let folder = self.items.iter().find_map(|item| match item {
            Item::File(path) => path.parent(),
            Item::Memory(_) => None,
        });
        let what = folder.map_or("images in memory".into(), |path| path.to_string_lossy());
        check_images(self, 0..self.len(), &what, progress)
    }
}

impl ImageSource for ImageSet {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let name = match self.item(index)? {
            Item::File(path) => path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into(),
            Item::Memory(_) => format!("image {index}"),
        };
        Ok(Sample::new(self.decode(index)?, name))
    }

    fn check(&self, index: usize) -> Result<()> {
        match self.item(index)? {
            Item::File(path) => in_turn(path, || images::open(path).map(drop)),
            Item::Memory(image) => images::check_image(image).map_err(|e| e.in_image(index)),
        }
    }

    /// The names and lengths of files, sizes and pixels of images in memory.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut hasher = Hasher::new();
        for item in &self.items {
            match item {
                Item::File(path) => {
                    let length = path.metadata().map_err(io_error(path))?.len();
                    hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
                    hasher.update(&length.to_le_bytes());
                }
                Item::Memory(image) => {
                    hasher.update(&image.width().to_le_bytes());
                    hasher.update(image.as_bytes());
                }
            }
        }
        Ok(Fingerprint {
            images: self.items.len(),
            hash: hasher.finalize(),
        })
    }
}

/// As [`images::to_rgb`], without a copy where there is nothing to change.
fn rgb(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgb32F(_) => {
            image
        }
        other => images::to_rgb(&other),
    }
}

/// All images in a folder and the folders below it, sorted by path; see [`ImageSet::from_tree`].
pub(super) fn images_below(path: &Path) -> Result<Vec<PathBuf>> {
    let (mut images, mut passed_over) = (Vec::new(), Listing::default());
    collect_tree(path, &mut Vec::new(), &mut images, &mut passed_over)?;
    passed_over.warn_besides(path, &[]);
    match images.is_empty() {
        true => Err(no_image(path, ", nor below it")),
        false => Ok(images),
    }
}

/// Adds the images of a folder and of those below it. `above`: the folders that lead here, without
/// links.
fn collect_tree(
    folder: &Path,
    above: &mut Vec<PathBuf>,
    images: &mut Vec<PathBuf>,
    passed_over: &mut Listing,
) -> Result<()> {
    let place = folder.canonicalize().map_err(io_error(folder))?;
    if above.contains(&place) {
        warn(format!(
            "{}: passed over, a link to a folder above it",
            folder.display()
        ));
        return Ok(());
    }
    let listing = Listing::read(folder)?;
    passed_over.add_passed_over(&listing);
    images.extend(listing.images);
    above.push(place);
    for folder in listing.folders {
        collect_tree(&folder, above, images, passed_over)?;
    }
    above.pop();
    Ok(())
}

/// Images of more pixels are decoded one at a time.
const LARGE: usize = 50_000_000;

/// Does something with an image file, alone if it is large, so that the images that are decoded at the
/// same time on all cores do not fill the memory.
pub(super) fn in_turn<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    static TURN: Mutex<()> = Mutex::new(());
    let large = images::size(path)?.area() > LARGE;
    let _turn = large.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
    work()
}
