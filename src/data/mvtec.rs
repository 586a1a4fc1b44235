//! The folder layout of MVTec AD:
//!
//! ```text
//! <root>/<category>/train/good/000.png
//! <root>/<category>/test/good/000.png
//! <root>/<category>/test/<defect>/000.png
//! <root>/<category>/ground_truth/<defect>/000_mask.png
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::image_set::{ImageSet, image_files};
use crate::data::image;
use crate::error::{Error, Result};
use crate::files::io_error;

/// The kind of images without a defect, and their folder.
pub const GOOD: &str = "good";
/// What a mask's name has more than its image's.
const MASK_SUFFIX: &str = "_mask";

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
    /// Whether it shows a defect.
    pub fn is_anomalous(&self) -> bool {
        self.mask.is_some()
    }

    /// The ground truth of an image of `width` × `height` pixels, row by row: `true` where the
    /// mask is not 0.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Format`] naming the mask, the latter also when its size is not
    /// the image's.
    pub fn truth(&self, width: usize, height: usize) -> Result<Vec<bool>> {
        let Some(path) = &self.mask else {
            return Ok(vec![false; width * height]);
        };
        let mask = image::open(path)?;
        let size = (mask.width() as usize, mask.height() as usize);
        if size != (width, height) {
            return Err(Error::Format {
                path: path.clone(),
                reason: format!(
                    "the mask is {} x {}, its image {} is {width} x {height}",
                    size.0,
                    size.1,
                    self.path.display()
                ),
            });
        }
        Ok(mask.to_luma16().pixels().map(|p| p.0[0] != 0).collect())
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
    /// Reads the layout of `<root>/<name>`; of the images only the sizes.
    ///
    /// Images and masks are paired by name: `test/<defect>/000.png` with
    /// `ground_truth/<defect>/000_mask.png`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a folder that is not there, and [`Error::Dataset`] with every image that
    /// has no mask, every mask that has no image or not its size, and every folder without images.
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
        let train = ImageSet::folder(folder.join("train").join(GOOD))?;

        let mut test = Vec::new();
        let mut problems = Vec::new();
        let defects = folders(&folder.join("test"))?;
        for defect in &defects {
            let images = image_files(&folder.join("test").join(defect))?;
            if images.is_empty() {
                problems.push(format!("test/{defect} holds no image"));
            }
            let truth = folder.join("ground_truth").join(defect);
            let mut masks: BTreeSet<PathBuf> = match defect.as_str() {
                GOOD => BTreeSet::new(),
                _ if truth.is_dir() => image_files(&truth)?.into_iter().collect(),
                _ => {
                    problems.push(format!("test/{defect} has no folder ground_truth/{defect}"));
                    continue;
                }
            };
            for path in images {
                let expected = image::size(&path)?;
                let mask = (defect != GOOD).then(|| find_mask(&path, &masks)).flatten();
                match &mask {
                    Some(mask) => {
                        masks.remove(mask);
                        let found = image::size(mask)?;
                        if found != expected {
                            problems.push(format!(
                                "ground_truth/{defect}/{} is {} x {}, its image {} x {}",
                                name_of(mask),
                                found.0,
                                found.1,
                                expected.0,
                                expected.1
                            ));
                        }
                    }
                    None if defect == GOOD => {}
                    None => problems.push(format!(
                        "test/{defect}/{} has no mask ground_truth/{defect}/{}{MASK_SUFFIX}.png",
                        name_of(&path),
                        stem_of(&path)
                    )),
                }
                test.push(TestImage {
                    path,
                    defect: defect.clone(),
                    mask,
                });
            }
            for mask in masks {
                problems.push(format!(
                    "ground_truth/{defect}/{} has no image",
                    name_of(&mask)
                ));
            }
        }
        if test.is_empty() {
            problems.push("no image under test".into());
        }
        if !problems.is_empty() {
            return Err(Error::Dataset {
                path: folder,
                problems,
            });
        }
        Ok(Self {
            name: name.to_string(),
            train,
            test,
        })
    }

    /// stub
    pub fn check(&self, progress: &(dyn Fn() + Sync)) -> Result<()> {
        for test in &self.test {
            image::open(&test.path)?;
            progress();
        }
        Ok(())
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
    /// [`Error::Io`] if the root cannot be read.
    pub fn names(root: impl AsRef<Path>) -> Result<Vec<String>> {
        let root = root.as_ref();
        let mut names = folders(root)?;
        names.retain(|name| root.join(name).join("train").join(GOOD).is_dir());
        Ok(names)
    }
}

fn find_mask(image: &Path, masks: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let wanted = format!("{}{MASK_SUFFIX}", stem_of(image));
    masks.iter().find(|mask| stem_of(mask) == wanted).cloned()
}

fn stem_of(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The folders directly in a folder, sorted.
fn folders(path: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io_error(path))? {
        let entry = entry.map_err(io_error(path))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
