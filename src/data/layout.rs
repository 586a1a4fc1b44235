//! Reading the folders of a category, and what is wrong with them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::decode::header;
use super::files::{Listing, name_of, not_utf8};
use super::mvtec::{GOOD, MASK_SUFFIX, TestImage, describe};
use crate::error::{Error, Result};

/// A category while it is read.
pub struct Layout {
    pub folder: PathBuf,
    pub test: Vec<TestImage>,
    pub problems: Vec<String>,
}

impl Layout {
    /// Reads `test` and `ground_truth`; what is wrong becomes a problem.
    ///
    /// # Errors
    ///
    /// Those that make further checks impossible, such as a missing folder; all others become problems.
    pub fn read(&mut self) -> Result<()> {
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
            let stem = image.file_stem().unwrap_or_default().to_string_lossy();
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
