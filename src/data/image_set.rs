//! A list of images, on the disk or in memory.

use std::path::{Path, PathBuf};

use ::image::DynamicImage;
use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::image as images;
use crate::error::{Error, Result};
use crate::files::io_error;

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

/// What tells a set of images from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Number of images.
    pub images: usize,
    /// Hash of names and lengths of files, or of sizes and pixels in memory.
    pub hash: u32,
}

/// The file name endings that are taken for images, in any case.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

impl ImageSet {
    /// All images directly in a folder, sorted by name. Other files are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a folder that cannot be read, [`Error::Dataset`] for one without images.
    pub fn folder(path: impl AsRef<Path>) -> Result<Self> {
        let files = image_files(path.as_ref())?;
        if files.is_empty() {
            return Err(Error::Dataset {
                path: path.as_ref().to_path_buf(),
                problems: vec![format!("no image ({}) in this folder", ENDINGS.join(", "))],
            });
        }
        Ok(Self::files(files))
    }

    /// These files, in this order.
    pub fn files(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            items: paths.into_iter().map(Item::File).collect(),
        }
    }

    /// These images, in this order.
    pub fn images(images: impl IntoIterator<Item = DynamicImage>) -> Self {
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

    /// What tells this set from others: the number of images, and a hash of the names and lengths
    /// of files, or of sizes and pixels in memory.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], naming the file.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint> {
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
            images: self.len(),
            hash: hasher.finalize(),
        })
    }

    /// Decodes these images.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with every image that cannot be read.
    pub fn check(
        &self,
        indices: impl IntoIterator<Item = usize>,
        progress: &(dyn Fn() + Sync),
    ) -> Result<()> {
        for index in indices {
            self.decode(index)?;
            progress();
        }
        Ok(())
    }

    /// Decodes image `index` and resizes it to height × width.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Format`] naming the file, [`Error::Setting`] for an index beyond
    /// the end.
    pub fn load(&self, index: usize, size: [usize; 2]) -> Result<DynamicImage> {
        images::resize(&self.decode(index)?, size)
    }

    /// Decodes image `index` as RGB of its own depth, see [`to_rgb`](super::image::to_rgb).
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn decode(&self, index: usize) -> Result<DynamicImage> {
        match self.items.get(index) {
            Some(Item::File(path)) => Ok(images::to_rgb(&images::open(path)?)),
            Some(Item::Memory(image)) => Ok(images::to_rgb(image)),
            None => Err(Error::Setting {
                name: "image",
                value: index.to_string(),
                rule: "below the number of images",
            }),
        }
    }
}

/// The image files directly in a folder, sorted by name.
pub(super) fn image_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        let ending = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if path.is_file() && ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
