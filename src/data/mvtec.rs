//! The folder layout of MVTec AD:
//!
//! ```text
//! <root>/<category>/train/good/000.png
//! <root>/<category>/test/good/000.png
//! <root>/<category>/test/<defect>/000.png
//! <root>/<category>/ground_truth/<defect>/000_mask.png
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::header;
use super::files::{Listing, not_utf8};
use super::image;
use super::image_set::{ImageSet, in_turn};
use super::layout::Layout;
use super::mask::Mask;
use super::source::ImageSource;
use crate::ImageSize;
use crate::error::{Error, Result};
use crate::files::io_error;
use crate::warning::warn;

/// The kind of images without a defect, and their folder.
pub const GOOD: &str = "good";
/// Suffix of a mask's file stem.
pub(super) const MASK_SUFFIX: &str = "_mask";

/// One image to test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestImage {
    /// The image.
    pub path: PathBuf,
    /// The folder it is in: `good`, or the kind of defect.
    pub defect: String,
    /// The ground truth; `None` for good images.
    pub mask: Option<PathBuf>,
}

impl TestImage {
    /// Whether it is in a folder of defects. The mask of such an image may be empty all the same; the
    /// official evaluation would then take it for good.
    pub fn is_anomalous(&self) -> bool {
        self.defect != GOOD
    }

    /// The ground truth of an image of this size, upright, row by row: `true` where it is anomalous.
    ///
    /// Pixels are anomalous where the mask is not 0. Of a soft mask (JPEG, lossy WebP, or edges
    /// smoothed by a resize) it is those of at least half of its largest value; [`MvtecCategory::check`]
    /// warns of such masks. If the colours are constant and alpha is not, alpha is the mask.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Format`] naming the mask, the latter also when its size is not
    /// the image's or its meaning is not certain.
    pub fn truth(&self, size: ImageSize) -> Result<Vec<bool>> {
        match self.open_mask(size)? {
            Some(mask) => Ok(mask.truth),
            None => Ok(vec![false; size.area()]),
        }
    }

    /// The mask, if its size is the image's.
    fn open_mask(&self, size: ImageSize) -> Result<Option<Mask>> {
        let Some(path) = &self.mask else {
            return Ok(None);
        };
        let mask = Mask::open(path)?;
        if mask.size == size {
            return Ok(Some(mask));
        }
        let turned = header(&self.path).ok().and_then(|header| header.turned());
        Err(Error::Format {
            path: path.clone(),
            reason: format!(
                "the mask is {}, its image {} is {}",
                describe(mask.size, mask.turned),
                self.path.display(),
                describe(size, turned)
            ),
        })
    }

    /// Decodes the image and its mask.
    fn check(&self) -> Result<Option<Mask>> {
        let size = in_turn(&self.path, || Ok(ImageSize::of(&image::open(&self.path)?)))?;
        match &self.mask {
            Some(mask) => in_turn(mask, || self.open_mask(size)),
            None => Ok(None),
        }
    }
}

/// Width, height, and by what the image is turned.
pub(super) fn describe(size: ImageSize, turned: Option<u8>) -> String {
    match turned {
        Some(orientation) => {
            format!("{size} (turned by EXIF orientation {orientation})")
        }
        None => size.to_string(),
    }
}

/// A category: normal images to train on, and images to test with their masks.
#[derive(Clone, Debug)]
pub struct MvtecCategory {
    /// Name of its folder.
    pub name: String,
    /// `train/good`.
    pub train: ImageSet,
    /// Everything under `test`, sorted by defect and name.
    pub test: Vec<TestImage>,
}

impl MvtecCategory {
    /// Reads the layout of `<root>/<name>`; of the images only the headers. [`check`](Self::check)
    /// reads the rest.
    ///
    /// Images and masks are paired by name: `test/<defect>/000.png` with
    /// `ground_truth/<defect>/000_mask.png`. Hidden entries are passed over; a warning for each folder
    /// counts them and other entries that are not read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a folder that is not there, and [`Error::Dataset`] with every image that
    /// has no mask or more than one, every mask that has no image or not its size, every two images
    /// of one name, every file that is not an image, every folder without images and every link to
    /// nothing.
    pub fn load(root: impl AsRef<Path>, name: &str) -> Result<Self> {
        let root = root.as_ref();
        let folder = root.join(name);
        if name.is_empty() || !folder.is_dir() {
            let known = Self::names(root)?;
            let known = if known.is_empty() {
                "this folder has none".to_string()
            } else {
                format!("there is {}", known.join(", "))
            };
            return Err(Error::Dataset {
                path: root.to_path_buf(),
                problems: vec![format!("no category \"{name}\": {known}")],
            });
        }
        let beside = Listing::read(&folder.join("train"))?;
        let train = ImageSet::from_dir(folder.join("train").join(GOOD))?;
        let others = beside.folders.len().saturating_sub(1);
        let passed_over = [("folder", others), ("image", beside.images.len())];
        beside.warn_besides(&folder.join("train"), &passed_over);
        let mut layout = Layout {
            folder,
            test: Vec::new(),
            problems: Vec::new(),
        };
        layout.read()?;
        if !layout.problems.is_empty() {
            return Err(Error::Dataset {
                path: layout.folder,
                problems: layout.problems,
            });
        }
        Ok(Self {
            name: name.to_string(),
            train,
            test: layout.test,
        })
    }

    /// A number that tells the category from others, by the kinds, names and lengths of its images.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], naming the file.
    pub fn fingerprint(&self) -> Result<u32> {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.train.fingerprint()?.hash.to_le_bytes());
        for test in &self.test {
            let path = &test.path;
            let length = path.metadata().map_err(io_error(path))?.len();
            hasher.update(test.defect.as_bytes());
            hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
            hasher.update(&length.to_le_bytes());
        }
        Ok(hasher.finalize())
    }

    /// The categories under a root: the folders that hold `train/good`, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the root cannot be read, [`Error::Dataset`] for a link to nothing or a name
    /// that is not UTF-8.
    pub fn names(root: impl AsRef<Path>) -> Result<Vec<String>> {
        let root = root.as_ref();
        let mut names = Vec::new();
        for folder in Listing::read(root)?.folders {
            if folder.join("train").join(GOOD).is_dir() {
                let name = folder.file_name().unwrap_or_default().to_str();
                names.push(name.map(str::to_string).ok_or_else(|| Error::Dataset {
                    path: root.to_path_buf(),
                    problems: vec![not_utf8(&folder)],
                })?);
            }
        }
        Ok(names)
    }

    /// Decodes every test image and mask, on all cores, and reports every file that would make
    /// testing fail. A warning counts soft masks, another one the empty masks of defects.
    ///
    /// `progress` is called after each test image, from any thread.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with all problems, by file.
    pub fn check(&self, progress: &(dyn Fn() + Sync)) -> Result<()> {
        let check = |test: &TestImage| {
            let result = test.check();
            progress();
            let [soft, empty] = match &result {
                Ok(Some(mask)) => [mask.soft, !mask.truth.contains(&true)],
                _ => [false, false],
            };
            (soft, empty, result.err().map(|error| error.to_string()))
        };
        let checked: Vec<_> = self.test.par_iter().map(check).collect();
        let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for (test, (soft, empty, _)) in self.test.iter().zip(&checked) {
            let counts = counts.entry(&test.defect).or_default();
            counts[0] += usize::from(test.mask.is_some());
            counts[1] += usize::from(*soft);
            counts[2] += usize::from(*empty);
        }
        let by_folder = |kind: usize| {
            let of_kind = counts.iter().filter(|(_, counts)| counts[kind] > 0);
            let text = of_kind.map(|(defect, counts)| {
                format!(
                    "{} of {} masks in ground_truth/{defect}",
                    counts[kind], counts[0]
                )
            });
            Some(text.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
        };
        if let Some(soft) = by_folder(1) {
            warn(format!(
                "{}: soft masks (JPEG, or smoothed edges), anomalous from half of their largest value \
                 on: {soft}",
                self.name
            ));
        }
        if let Some(empty) = by_folder(2) {
            warn(format!(
                "{}: empty masks: {empty}; images count as anomalous by their folder, where the \
                 official evaluation goes by pixels",
                self.name
            ));
        }
        let problems: Vec<String> = checked
            .into_iter()
            .filter_map(|(_, _, problem)| problem)
            .collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::Dataset {
                path: self.folder(),
                problems,
            }),
        }
    }

    /// The folder of the category, by its first test image.
    fn folder(&self) -> PathBuf {
        let first = self
            .test
            .first()
            .and_then(|test| test.path.ancestors().nth(3));
        first.unwrap_or(Path::new(&self.name)).to_path_buf()
    }
}
