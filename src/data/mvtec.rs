//! The folder layout of MVTec AD:
//!
//! ```text
//! <root>/<category>/train/good/000.png
//! <root>/<category>/test/good/000.png
//! <root>/<category>/test/<defect>/000.png
//! <root>/<category>/ground_truth/<defect>/000_mask.png
//! ```

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::header;
use super::files::{Listing, name_of};
use super::image;
use super::image_set::{ImageSet, in_turn};
use super::mask::Mask;
use crate::error::{Error, Result};
use crate::files::io_error;
use crate::warning::warn;

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
    /// Whether it is in a folder of defects. The mask of such an image may be empty all the same; the
    /// official evaluation would then take it for good.
    pub fn is_anomalous(&self) -> bool {
        self.defect != GOOD
    }

    /// The ground truth of an image of `width` × `height` pixels, upright, row by row: `true` where
    /// it is anomalous.
    ///
    /// Pixels are anomalous where the mask is not 0. Of a soft mask (JPEG, lossy WebP, or edges
    /// smoothed by a resize) it is those of at least half of its largest value; [`MvtecCategory::check`]
    /// warns of such masks. If the colours are constant and alpha is not, alpha is the mask.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Format`] naming the mask, the latter also when its size is not
    /// the image's or its meaning is not certain.
    pub fn truth(&self, width: usize, height: usize) -> Result<Vec<bool>> {
        match self.open_mask((width as u32, height as u32))? {
            Some(mask) => Ok(mask.truth),
            None => Ok(vec![false; width * height]),
        }
    }

    /// The mask, if its size is the image's.
    fn open_mask(&self, size: (u32, u32)) -> Result<Option<Mask>> {
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
        let size = in_turn(&self.path, || {
            let image = image::open(&self.path)?;
            Ok((image.width(), image.height()))
        })?;
        match &self.mask {
            Some(mask) => in_turn(mask, || self.open_mask(size)),
            None => Ok(None),
        }
    }
}

/// Width, height, and by what the image is turned.
fn describe((width, height): (u32, u32), turned: Option<u8>) -> String {
    match turned {
        Some(orientation) => {
            format!("{width} x {height} (turned by EXIF orientation {orientation})")
        }
        None => format!("{width} x {height}"),
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
        let train = ImageSet::folder(folder.join("train").join(GOOD))?;
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

    /// Decodes every test image and mask, on all cores, and reports everything that testing would
    /// stumble on. A warning counts soft masks, another one the empty masks of defects.
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

/// A category while it is read.
struct Layout {
    folder: PathBuf,
    test: Vec<TestImage>,
    problems: Vec<String>,
}

impl Layout {
    fn read(&mut self) -> Result<()> {
        let path = self.folder.join("test");
        let test = Listing::read(&path)?;
        test.warn_besides(&path, &[("image", test.images.len())]);
        let path = self.folder.join("ground_truth");
        let mut truth = match path.is_dir() {
            true => Listing::read(&path)?,
            false => Listing::default(),
        };
        truth.warn_besides(&path, &[("image", truth.images.len())]);
        for folder in test.folders {
            match folder.file_name().unwrap_or_default().to_str() {
                Some(defect) => {
                    truth
                        .folders
                        .retain(|truth| truth.file_name() != folder.file_name());
                    self.read_defect(defect)?;
                }
                None => self.problems.push(not_utf8(&folder)),
            }
        }
        for folder in truth.folders {
            let name = name_of(&folder);
            let message = format!("ground_truth/{name} has no folder test/{name}");
            self.problems.push(message);
        }
        if self.test.is_empty() {
            self.problems.push("no image under test".into());
        }
        Ok(())
    }

    fn read_defect(&mut self, defect: &str) -> Result<()> {
        let Some(images) = self.images(&format!("test/{defect}"))? else {
            return Ok(());
        };
        if images.is_empty() {
            self.problems.push(format!("test/{defect} holds no image"));
        }
        self.refuse_shared_names(defect, &images);
        let truth = format!("ground_truth/{defect}");
        let exists = self.folder.join(&truth).is_dir();
        let masks = match exists {
            true => self.images(&truth)?,
            false => Some(Vec::new()),
        };
        let Some(mut masks) = masks else {
            return Ok(());
        };
        if defect == GOOD {
            if !masks.is_empty() {
                let folder = self.folder.join(&truth);
                Listing::default().warn_besides(&folder, &[("mask", masks.len())]);
            }
            masks.clear();
        } else if !exists {
            self.problems
                .push(format!("test/{defect} has no folder {truth}"));
            return Ok(());
        }
        for path in images {
            let mut wanted = OsString::from(path.file_stem().unwrap_or_default());
            wanted.push(MASK_SUFFIX);
            let of_image = |mask: &PathBuf| mask.file_stem() == Some(&wanted);
            let found: Vec<PathBuf> = masks.extract_if(.., |mask| of_image(mask)).collect();
            let mask = self.only_mask(defect, &path, found);
            self.compare_sizes(&path, mask.as_deref());
            self.test.push(TestImage {
                path,
                defect: defect.to_string(),
                mask,
            });
        }
        for mask in masks {
            let name = name_of(&mask);
            self.problems.push(format!("{truth}/{name} has no image"));
        }
        Ok(())
    }

    /// The images of a folder of the category; `None` if it has links to nothing.
    fn images(&mut self, folder: &str) -> Result<Option<Vec<PathBuf>>> {
        let path = self.folder.join(folder);
        match Listing::read(&path) {
            Ok(listing) => {
                listing.warn_besides_images(&path);
                Ok(Some(listing.images))
            }
            Err(Error::Dataset { problems, .. }) => {
                let problems = problems
                    .into_iter()
                    .map(|problem| format!("{folder}/{problem}"));
                self.problems.extend(problems);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Outputs are named by the image without its ending, so two such names must not be the same.
    fn refuse_shared_names(&mut self, defect: &str, images: &[PathBuf]) {
        let mut by_stem: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for image in images {
            let stem = image.file_stem().unwrap_or_default().to_string_lossy();
            by_stem
                .entry(stem.into_owned())
                .or_default()
                .push(name_of(image));
        }
        for (stem, names) in by_stem.iter().filter(|(_, names)| names.len() > 1) {
            let names = names.join(" and ");
            self.problems.push(format!(
                "test/{defect}: {names} would share the outputs of {stem}; rename them"
            ));
        }
    }

    fn only_mask(&mut self, defect: &str, image: &Path, found: Vec<PathBuf>) -> Option<PathBuf> {
        let mut found = found.into_iter();
        let mask = found.next();
        if mask.is_none() && defect != GOOD {
            let stem = image
                .file_stem()
                .unwrap_or(OsStr::new(""))
                .to_string_lossy();
            self.problems.push(format!(
                "test/{defect}/{} has no mask ground_truth/{defect}/{stem}{MASK_SUFFIX}.png",
                name_of(image)
            ));
        }
        for other in found {
            self.problems.push(format!(
                "test/{defect}/{} has two masks, {} and {}",
                name_of(image),
                mask.as_deref().map(name_of).unwrap_or_default(),
                name_of(&other)
            ));
        }
        mask
    }

    fn compare_sizes(&mut self, image: &Path, mask: Option<&Path>) {
        let mut read = |path: &Path| match header(path) {
            Ok(header) => Some((header.upright(), header.turned())),
            Err(error) => {
                self.problems.push(error.to_string());
                None
            }
        };
        let (image, Some((mask, found))) = (read(image), mask.map(|mask| (mask, read(mask))))
        else {
            return;
        };
        let (Some(image), Some(found)) = (image, found) else {
            return;
        };
        if image.0 != found.0 {
            let mask = mask.strip_prefix(&self.folder).unwrap_or(mask).display();
            let [found, image] = [found, image].map(|(size, turned)| describe(size, turned));
            self.problems
                .push(format!("{mask} is {found}, its image {image}"));
        }
    }
}

fn not_utf8(path: &Path) -> String {
    format!("the name of {} is not UTF-8", path.display())
}
