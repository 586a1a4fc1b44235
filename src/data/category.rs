//! A category of a data set: images to train on, and images to test with what is known of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::data_set::{DataSet, Layout};
use super::decode::header;
use super::image;
use super::image_set::{ImageSet, in_turn};
use super::mask::Mask;
use super::source::ImageSource;
use crate::ImageSize;
use crate::error::{Error, Result};
use crate::files::{io_error, read};
use crate::warning::warn;

/// The kind of images without a defect, whatever their folder is called.
pub const GOOD: &str = "good";

/// What is known of where an image is anomalous.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroundTruth {
    /// Nowhere: it is good.
    Good,
    /// Where any of these masks is.
    Masks(Vec<PathBuf>),
    /// Somewhere: it has a defect and no mask.
    Unknown,
}

/// One image to test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestImage {
    /// The image.
    pub path: PathBuf,
    /// Its name within its kind, without ending; outputs are named by it.
    pub name: String,
    /// [`GOOD`], or the kind of defect.
    pub defect: String,
    /// Where it is anomalous.
    pub ground_truth: GroundTruth,
}

impl TestImage {
    /// An image of this kind, named by its file.
    pub fn new(path: PathBuf, defect: impl Into<String>, ground_truth: GroundTruth) -> Self {
        let name = path.file_stem().unwrap_or_default();
        Self {
            name: name.to_string_lossy().into_owned(),
            path,
            defect: defect.into(),
            ground_truth,
        }
    }

    /// Whether it is of a kind of defects. The mask of such an image may be empty all the same; the
    /// official evaluation would then take it for good.
    pub fn is_anomalous(&self) -> bool {
        self.defect != GOOD
    }

    /// The masks; none where it is good or they are not known.
    pub fn masks(&self) -> &[PathBuf] {
        match &self.ground_truth {
            GroundTruth::Masks(masks) => masks,
            GroundTruth::Good | GroundTruth::Unknown => &[],
        }
    }

    /// The ground truth of an image of this size, upright, row by row: `true` where it is anomalous;
    /// `None` where that is not known.
    ///
    /// Pixels are anomalous where a mask is not 0. Of a soft mask (JPEG, lossy WebP, or edges
    /// smoothed by a resize) it is those of at least half of its largest value; [`Category::check`]
    /// warns of such masks. If the colours are constant and alpha is not, alpha is the mask.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Format`] naming the mask, the latter also when its size is not
    /// the image's or its meaning is not certain.
    pub fn truth(&self, size: ImageSize) -> Result<Option<Vec<bool>>> {
        Ok(self.open_masks(size)?.map(|masks| masks.truth))
    }

    /// The union of the masks, if their size is the image's.
    fn open_masks(&self, size: ImageSize) -> Result<Option<Union>> {
        let mut union = Union {
            truth: vec![false; size.area()],
            soft: 0,
        };
        let masks = match &self.ground_truth {
            GroundTruth::Good => return Ok(Some(union)),
            GroundTruth::Unknown => return Ok(None),
            GroundTruth::Masks(masks) => masks,
        };
        for path in masks {
            let mask = Mask::open(path)?;
            if mask.size != size {
                let turned = header(&self.path).ok().and_then(|header| header.turned());
                return Err(Error::Format {
                    path: path.clone(),
                    reason: format!(
                        "the mask is {}, its image {} is {}",
                        describe(mask.size, mask.turned),
                        self.path.display(),
                        describe(size, turned)
                    ),
                });
            }
            union.soft += usize::from(mask.soft);
            let pixels = union.truth.iter_mut().zip(mask.truth);
            pixels.for_each(|(anomalous, here)| *anomalous |= here);
        }
        Ok(Some(union))
    }

    /// Decodes the image and its masks.
    fn check(&self) -> Result<Option<Union>> {
        let size = in_turn(&self.path, || Ok(ImageSize::of(&image::open(&self.path)?)))?;
        match self.masks().first() {
            Some(mask) => in_turn(mask, || self.open_masks(size)),
            None => Ok(None),
        }
    }
}

/// The masks of an image as one.
struct Union {
    truth: Vec<bool>,
    /// Number of soft ones.
    soft: usize,
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

/// A category: normal images to train on, and images to test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Category {
    /// Its name.
    pub name: String,
    /// The folder it is in.
    pub folder: PathBuf,
    /// How that folder was read.
    pub layout: Layout,
    /// Good images to train on.
    pub train: ImageSet,
    /// Good images that the data set keeps for validation; most keep none.
    pub validation: ImageSet,
    /// Images to test, sorted by kind and name.
    pub test: Vec<TestImage>,
    /// Images of which the data set does not say whether they have a defect.
    pub unlabelled: Vec<PathBuf>,
    /// How the folder was understood, where that is not plain from the layout: one sentence each.
    pub notes: Vec<String>,
}

impl Category {
    /// Reads category `name` of the data set in a folder; of the images only the headers.
    /// [`check`](Self::check) reads the rest. [`DataSet::open`] says which layouts are read.
    ///
    /// Hidden entries are passed over; a warning for each folder counts them and other entries that are not
    /// read.
    ///
    /// # Errors
    ///
    /// Those of [`DataSet::open`] and [`DataSet::category`].
    pub fn load(root: impl AsRef<Path>, name: &str) -> Result<Self> {
        DataSet::open(root)?.category(name)
    }

    /// Whether it is known where the defects of its images are.
    pub fn has_masks(&self) -> bool {
        self.test.iter().any(|test| !test.masks().is_empty())
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
                Ok(Some(masks)) => [masks.soft, usize::from(!masks.truth.contains(&true))],
                _ => [0, 0],
            };
            (soft, empty, result.err().map(|error| error.to_string()))
        };
        let checked: Vec<_> = self.test.par_iter().map(check).collect();
        let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        for (test, (soft, empty, _)) in self.test.iter().zip(&checked) {
            let counts = counts.entry(&test.defect).or_default();
            counts[0] += test.masks().len();
            counts[1] += soft;
            counts[2] += empty;
            counts[3] += 1;
        }
        let by_kind = |kind: usize, of: usize, what: &str| {
            let of_kind = counts.iter().filter(|(_, counts)| counts[kind] > 0);
            let text = of_kind.map(|(defect, counts)| {
                format!("{} of {} {what} {defect}", counts[kind], counts[of])
            });
            Some(text.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
        };
        if let Some(soft) = by_kind(1, 0, "masks of") {
            warn(format!(
                "{}: soft masks (JPEG, or smoothed edges), anomalous from half of their largest value \
                 on: {soft}",
                self.name
            ));
        }
        if let Some(empty) = by_kind(2, 3, "images of") {
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
                path: self.folder.clone(),
                problems,
            }),
        }
    }

    /// Images to train on that are also images to test, byte for byte: a model is then tested on what it
    /// has learnt.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the file.
    pub fn duplicates(&self) -> Result<Vec<(PathBuf, PathBuf)>> {
        let train: Vec<&Path> = self.train.paths().collect();
        let test = self.test.iter().map(|test| test.path.as_path());
        let test: Vec<&Path> = test
            .chain(self.unlabelled.iter().map(PathBuf::as_path))
            .collect();
        let length = |path: &&Path| -> Result<(u64, PathBuf)> {
            let length = path.metadata().map_err(io_error(path))?.len();
            Ok((length, path.to_path_buf()))
        };
        let mut by_length: HashMap<u64, Vec<PathBuf>> = HashMap::new();
        for path in &train {
            let (length, path) = length(path)?;
            by_length.entry(length).or_default().push(path);
        }
        let twins = |path: &&Path| -> Result<Vec<(PathBuf, PathBuf)>> {
            let (length, path) = length(path)?;
            let Some(candidates) = by_length.get(&length) else {
                return Ok(Vec::new());
            };
            let bytes = read(&path)?;
            let mut found = Vec::new();
            for candidate in candidates {
                if read(candidate)? == bytes {
                    found.push((candidate.clone(), path.clone()));
                }
            }
            Ok(found)
        };
        let found: Vec<Vec<_>> = test.par_iter().map(twins).collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}
