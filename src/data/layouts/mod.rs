//! Readers of the layouts of data sets, a file each. Each gathers a category in a [`Builder`], which holds
//! what all have in common: which problems there are, and how images find their masks.

pub mod ader;
pub mod folders;
pub mod good_and_bad;
pub mod masks_beside;
pub mod real_iad;
pub mod visa;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use rand::rngs::StdRng;
use rand::{SeedableRng, seq::SliceRandom};
use unicode_normalization::UnicodeNormalization;

use super::category::{Category, GOOD, GroundTruth, TestImage, describe};
use super::data_set::Layout;
use super::decode::header;
use super::files::name_of;
use super::image_set::ImageSet;
use crate::error::{Error, Result};

/// What data sets call images without a defect.
const GOOD_NAMES: [&str; 3] = [GOOD, "ok", "normal"];
/// What the stem of a mask has beyond that of its image.
pub const MASK_SUFFIXES: [&str; 4] = ["", "_mask", "_gt", "_label"];
/// The part of the good images that is held out for testing where a data set has none.
const HELD_OUT: f64 = 0.2;

/// Whether a folder, or a label, is of good images.
pub fn is_good(name: &OsStr) -> bool {
    let same = |good: &str| {
        name.to_str()
            .is_some_and(|name| name.eq_ignore_ascii_case(good))
    };
    GOOD_NAMES.iter().any(|good| same(good))
}

/// The kind of images of a label or folder.
pub fn kind_of(name: &str) -> &str {
    match is_good(OsStr::new(name)) {
        true => GOOD,
        false => name,
    }
}

/// A category while it is read.
#[derive(Debug, Default)]
pub struct Builder {
    pub folder: PathBuf,
    pub train: Vec<PathBuf>,
    pub validation: Vec<PathBuf>,
    pub test: Vec<TestImage>,
    pub unlabelled: Vec<PathBuf>,
    pub notes: Vec<String>,
    pub problems: Vec<String>,
}

impl Builder {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            ..Self::default()
        }
    }

    /// A path as messages name it: from the folder of the category on.
    pub fn shown(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        path.display().to_string()
    }

    /// Adds a test image, if its masks have its size.
    pub fn add_test(&mut self, test: TestImage) {
        self.compare_sizes(&test);
        self.test.push(test);
    }

    fn compare_sizes(&mut self, test: &TestImage) {
        let mut read = |path: &Path| match header(path) {
            Ok(header) => Some((header.upright(), header.turned())),
            Err(error) => {
                self.problems.push(error.to_string());
                None
            }
        };
        let image = read(&test.path);
        let found: Vec<_> = test.masks().iter().map(|mask| (mask, read(mask))).collect();
        let Some(image) = image else {
            return;
        };
        for (mask, found) in found {
            if let Some(found) = found.filter(|found| found.0 != image.0) {
                let mask = self.shown(mask);
                let [found, image] = [found, image].map(|(size, turned)| describe(size, turned));
                self.problems
                    .push(format!("{mask} is {found}, its image {image}"));
            }
        }
    }

    /// Holds good images out of the training for testing, drawn by their number alone.
    pub fn hold_out(&mut self) {
        let count = (self.train.len() as f64 * HELD_OUT) as usize;
        if count == 0 {
            self.notes
                .push("too few good images to hold any out for testing".into());
            return;
        }
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(0));
        let mut chosen: Vec<usize> = order.into_iter().take(count).collect();
        chosen.sort_unstable();
        let train = std::mem::take(&mut self.train);
        for (index, path) in train.into_iter().enumerate() {
            match chosen.binary_search(&index) {
                Ok(_) => self.add_test(TestImage::new(path, GOOD, GroundTruth::Good)),
                Err(_) => self.train.push(path),
            }
        }
        self.notes.push(format!(
            "no good images to test: {count} of {} are held out of the training for it",
            self.train.len() + count
        ));
    }

    /// The category.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] with all problems.
    pub fn finish(mut self, name: &str, layout: Layout) -> Result<Category> {
        if self.train.is_empty() {
            self.problems.push("no image to train on".into());
        }
        self.refuse_shared_names();
        if !self.problems.is_empty() {
            return Err(Error::Dataset {
                path: self.folder,
                problems: self.problems,
            });
        }
        self.test
            .sort_by(|a, b| (&a.defect, &a.path).cmp(&(&b.defect, &b.path)));
        let anomalous = self.test.iter().filter(|test| test.is_anomalous());
        let without = anomalous.filter(|test| test.masks().is_empty()).count();
        if without > 0 {
            self.notes.push(format!(
                "{without} images with defects have no mask: they are detected, but pixels and regions \
                 are not evaluated"
            ));
        }
        Ok(Category {
            name: name.to_string(),
            folder: self.folder,
            layout,
            train: ImageSet::from_files(self.train),
            validation: ImageSet::from_files(self.validation),
            test: self.test,
            unlabelled: self.unlabelled,
            notes: self.notes,
        })
    }

    /// Outputs are named by kind and name, so that two images must not share both.
    fn refuse_shared_names(&mut self) {
        let mut by_name: BTreeMap<(&str, &str), Vec<&TestImage>> = BTreeMap::new();
        for test in &self.test {
            let key = (test.defect.as_str(), test.name.as_str());
            by_name.entry(key).or_default().push(test);
        }
        let shared = by_name.into_iter().filter(|(_, images)| images.len() > 1);
        let problems = shared.map(|((_, name), images)| {
            let folder = images[0].path.parent().unwrap_or(Path::new(""));
            let mut names: Vec<String> = images.iter().map(|image| name_of(&image.path)).collect();
            names.sort();
            format!(
                "{}: {} would share the outputs of {name}; rename them",
                self.shown(folder),
                names.join(" and ")
            )
        });
        let problems: Vec<String> = problems.collect();
        self.problems.extend(problems);
    }
}

/// A stem by which images and masks are compared: in one of Unicode's two normal forms, since file systems
/// differ in theirs.
pub fn comparable(stem: &OsStr) -> OsString {
    match stem.to_str() {
        Some(text) => text.nfc().collect::<String>().into(),
        None => stem.to_os_string(),
    }
}

/// Whether the stem of a mask is that of an image with one of the suffixes, in any case.
pub fn is_mask_of(mask: &OsStr, image: &OsStr) -> bool {
    let (mask, image) = (comparable(mask), comparable(image));
    let Some(suffix) = mask
        .as_encoded_bytes()
        .strip_prefix(image.as_encoded_bytes())
    else {
        return false;
    };
    let same = |known: &str| suffix.eq_ignore_ascii_case(known.as_bytes());
    MASK_SUFFIXES.iter().any(|known| same(known))
}

/// A path that a CSV or JSON file gives, below the root of the data set.
///
/// # Errors
///
/// The problem in words, for a path that is absolute or leads out of the root, or to no file.
pub fn below(root: &Path, path: &str) -> Result<PathBuf, String> {
    // Written on any system.
    let path = path.replace('\\', "/");
    let plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || !Path::new(&path).components().all(plain) {
        return Err(format!(
            "\"{path}\" is not a path below the data set's folder"
        ));
    }
    let full = root.join(&path);
    match full.is_file() {
        true => Ok(full),
        false => Err(format!("{path} does not exist")),
    }
}
