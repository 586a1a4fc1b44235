//! A user's own folders: good images in one, images with defects in others, or good images alone.
//!
//! ```text
//! good/000.png                       also ok, normal; folders below it are read too
//! bad/000.png, scratch/000.png       any other name is a kind of defect
//! bad/000_mask.png                   a mask beside its image; also _GT, _label
//! ground_truth/bad/000.png           or a folder of masks; also masks, mask, gt, labels
//! ```

use std::path::{Path, PathBuf};

use super::{Builder, GOOD, is_good, is_mask_of};
use crate::data::category::{Category, GroundTruth, TestImage};
use crate::data::data_set::Layout;
use crate::data::files::{Listing, name_of, not_utf8};
use crate::data::image_set::images_below;
use crate::error::Result;

/// Folders of masks.
const TRUTH: [&str; 5] = ["ground_truth", "masks", "mask", "gt", "labels"];

/// Reads a folder with good images in one folder and images with defects in others.
///
/// # Errors
///
/// See [`DataSet::category`](crate::data::DataSet::category).
pub fn category(folder: PathBuf, name: &str) -> Result<Category> {
    let mut builder = Builder::new(&folder);
    let listing = Listing::read(&folder)?;
    listing.warn_besides(&folder, &[("image", listing.images.len())]);
    let is_truth = |folder: &&PathBuf| {
        let name = name_of(folder).to_lowercase();
        TRUTH.contains(&name.as_str())
    };
    let truth = listing.folders.iter().find(is_truth);
    for path in &listing.folders {
        let own = path.file_name().unwrap_or_default();
        if is_good(own) {
            builder.train.extend(images_below(path)?);
        } else if !is_truth(&path) {
            match own.to_str() {
                Some(kind) => read_defects(&mut builder, path, kind, truth)?,
                None => builder.problems.push(not_utf8(path)),
            }
        }
    }
    let kinds = kinds(&builder);
    if !kinds.is_empty() {
        builder
            .notes
            .push(format!("kinds of defects, by folder: {}", kinds.join(", ")));
    }
    builder.hold_out();
    builder.finish(name, Layout::GoodAndBad)
}

/// Reads a folder of good images alone.
///
/// # Errors
///
/// See [`DataSet::category`](crate::data::DataSet::category).
pub fn images_alone(folder: PathBuf, name: &str) -> Result<Category> {
    let mut builder = Builder::new(&folder);
    builder.train = Listing::read(&folder)?.into_images(&folder)?;
    builder.notes.push("all images are taken for good".into());
    builder.hold_out();
    builder.finish(name, Layout::Images)
}

fn kinds(builder: &Builder) -> Vec<String> {
    let mut kinds: Vec<String> = builder
        .test
        .iter()
        .map(|test| test.defect.clone())
        .collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Reads the images with one kind of defect, and their masks: all have one, or none has.
fn read_defects(
    builder: &mut Builder,
    folder: &Path,
    kind: &str,
    truth: Option<&PathBuf>,
) -> Result<()> {
    let mut images = images_below(folder)?;
    let all = images.clone();
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_os_string();
    let mut masks: Vec<PathBuf> = images
        .extract_if(.., |path| {
            let mask = stem(path);
            let beside = |image: &PathBuf| {
                image != path
                    && image.parent() == path.parent()
                    && mask != stem(image)
                    && is_mask_of(&mask, &stem(image))
            };
            all.iter().any(beside)
        })
        .collect();
    if let Some(truth) = truth {
        let of_kind = truth.join(kind);
        let folder = match of_kind.is_dir() {
            true => of_kind,
            false => truth.clone(),
        };
        masks.extend(Listing::read(&folder)?.images);
    }
    let mut without = Vec::new();
    let mut with = Vec::new();
    for path in images {
        let own = stem(&path);
        let found: Vec<PathBuf> = masks
            .iter()
            .filter(|mask| is_mask_of(&stem(mask), &own))
            .cloned()
            .collect();
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .with_extension("");
        let ground_truth = match found.len() {
            0 => GroundTruth::Unknown,
            _ => GroundTruth::Masks(found.clone()),
        };
        let test = TestImage {
            name: name.to_string_lossy().replace('\\', "/"),
            ..TestImage::new(path, kind, ground_truth)
        };
        if found.len() > 1 {
            let (shown, names) = (
                builder.shown(&test.path),
                [0, 1].map(|at| name_of(&found[at])),
            );
            builder.problems.push(format!(
                "{shown} has two masks, {} and {}",
                names[0], names[1]
            ));
        }
        match found.is_empty() {
            true => without.push(test),
            false => with.push(test),
        }
    }
    if !with.is_empty() {
        for test in &without {
            let (shown, others) = (builder.shown(&test.path), with.len());
            builder.problems.push(format!(
                "{shown} has no mask, where {others} other images have one"
            ));
        }
    }
    for test in with.into_iter().chain(without) {
        debug_assert_ne!(test.defect, GOOD);
        builder.add_test(test);
    }
    Ok(())
}
