//! Masks beside images, as of KolektorSDD2: `train/ID.png` and `train/ID_GT.png`, `test/` the same. An image
//! is good if its mask is black all over; the images to train on have defects among them, which are left
//! out.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Builder, GOOD, comparable, is_mask_of};
use crate::data::category::{Category, GroundTruth, TestImage};
use crate::data::data_set::Layout;
use crate::data::files::Listing;
use crate::data::mask::Mask;
use crate::error::Result;
use crate::files::io_error;

/// The kind of images with a defect.
const DEFECT: &str = "defect";
/// What the stem of a mask ends with.
const SUFFIX: &str = "_gt";

/// Whether a folder holds a mask beside an image.
///
/// # Errors
///
/// [`Error::Io`](crate::Error) naming the folder.
pub fn is_here(folder: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(folder).map_err(io_error(folder))?;
    Ok(entries.flatten().any(|entry| is_mask(&entry.path())))
}

fn is_mask(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.to_lowercase().ends_with(SUFFIX) && stem.len() > SUFFIX.len()
}

/// Reads a category.
///
/// # Errors
///
/// See [`DataSet::category`](crate::data::DataSet::category).
pub fn category(folder: PathBuf, name: &str) -> Result<Category> {
    let mut builder = Builder::new(&folder);
    let train = read(&mut builder, &folder.join("train"))?;
    let count = train.len();
    let good = train.into_iter().filter(|(_, mask)| mask.is_none());
    builder.train = good.map(|(image, _)| image).collect();
    let with_defects = count - builder.train.len();
    if with_defects > 0 {
        builder.notes.push(format!(
            "{with_defects} of {count} images to train on have a defect and are left out"
        ));
    }
    match folder.join("test").is_dir() {
        true => {
            for (image, mask) in read(&mut builder, &folder.join("test"))? {
                builder.add_test(match mask {
                    Some(mask) => TestImage::new(image, DEFECT, GroundTruth::Masks(vec![mask])),
                    None => TestImage::new(image, GOOD, GroundTruth::Good),
                });
            }
        }
        false => builder.hold_out(),
    }
    builder.finish(name, Layout::MasksBeside)
}

/// The images of a folder with their masks, `None` for those that are black all over.
fn read(builder: &mut Builder, folder: &Path) -> Result<Vec<(PathBuf, Option<PathBuf>)>> {
    let listing = Listing::read(folder)?;
    listing.warn_besides_images(folder);
    let (mut masks, images): (Vec<PathBuf>, Vec<PathBuf>) =
        listing.images.into_iter().partition(|path| is_mask(path));
    let mut pairs = Vec::new();
    for image in images {
        let stem = image.file_stem().unwrap_or_default();
        let of_image = |mask: &PathBuf| {
            let mask = mask.file_stem().unwrap_or_default();
            comparable(mask) != comparable(stem) && is_mask_of(mask, stem)
        };
        match masks.iter().position(of_image) {
            Some(at) => pairs.push((image, masks.remove(at))),
            None => {
                let problem = format!("{} has no mask beside it", builder.shown(&image));
                builder.problems.push(problem);
            }
        }
    }
    for mask in masks {
        let problem = format!("{} has no image", builder.shown(&mask));
        builder.problems.push(problem);
    }
    let is_black = |(image, mask): (PathBuf, PathBuf)| {
        let black = Mask::open(&mask).map(|mask| !mask.truth.contains(&true));
        black.map(|black| (image, (!black).then_some(mask)))
    };
    let read: Vec<Result<_>> = pairs.into_par_iter().map(is_black).collect();
    let mut found = Vec::new();
    for pair in read {
        match pair {
            Ok(pair) => found.push(pair),
            Err(error) => builder.problems.push(error.to_string()),
        }
    }
    Ok(found)
}
