//! Folders as of MVTec AD, and of the data sets that follow it with other names:
//!
//! ```text
//! <category>/train/good/000.png                     also ok, normal; 3D-AD: train/good/rgb/000.png
//! <category>/validation/good/000.png                AD 2, LOCO, 3D-AD
//! <category>/test/good/000.png                      AD 2: test_public/good
//! <category>/test/<defect>/000.png                  3D-AD: test/<defect>/rgb/000.png
//! <category>/ground_truth/<defect>/000_mask.png     or 000.png, 000/*.png; AD 2: test_public/ground_truth;
//!                                                   3D-AD: test/<defect>/gt/000.png
//! <category>/test_private/000_regular.png           AD 2, without labels; also test_private_mixed
//! ```

use std::path::{Path, PathBuf};

use super::{Builder, GOOD, comparable, is_good, is_mask_of, kind_of};
use crate::data::category::{Category, GroundTruth, TestImage};
use crate::data::data_set::Layout;
use crate::data::files::{Listing, name_of, not_utf8};
use crate::error::{Error, Result};
use crate::files::io_error;

const TRUTH: &str = "ground_truth";
/// The folder of colour images, and that of masks, in MVTec 3D-AD.
const COLOUR: &str = "rgb";
const TRUTH_BESIDE: &str = "gt";
const PRIVATE: [&str; 2] = ["test_private", "test_private_mixed"];

/// The folder of good images in a folder, if there is exactly one.
///
/// # Errors
///
/// [`Error::Dataset`] if there are several.
pub fn good_folder(folder: &Path) -> Result<Option<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        if is_good(&entry.file_name()) && entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    match &found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        several => {
            let names: Vec<String> = several.iter().map(|path| name_of(path)).collect();
            Err(Error::Dataset {
                path: folder.to_path_buf(),
                problems: vec![format!(
                    "{} are all folders of good images; keep one",
                    names.join(", ")
                )],
            })
        }
    }
}

/// Reads a category.
///
/// # Errors
///
/// See [`DataSet::category`](crate::data::DataSet::category).
pub fn category(folder: PathBuf, name: &str) -> Result<Category> {
    let mut builder = Builder::new(&folder);
    let train = folder.join("train");
    let good = good_folder(&train)?.unwrap_or(train.join(GOOD));
    builder.train = images_of_training(&good)?;
    let beside = Listing::read(&train)?;
    let others = beside.folders.len().saturating_sub(1);
    let passed_over = [("folder", others), ("image", beside.images.len())];
    beside.warn_besides(&train, &passed_over);
    let validation = folder.join("validation");
    if validation.is_dir()
        && let Some(good) = good_folder(&validation)?
    {
        builder.validation = images_of_training(&good)?;
    }
    let test = ["test", "test_public"].map(|name| folder.join(name));
    match test.iter().find(|folder| folder.is_dir()) {
        Some(test) => read_test(&mut builder, test)?,
        None => builder.hold_out(),
    }
    for private in PRIVATE.map(|name| folder.join(name)) {
        if private.is_dir() {
            builder
                .unlabelled
                .extend(images(&mut builder.problems, &folder, &private)?);
        }
    }
    builder.finish(name, Layout::Folders)
}

/// All images of a folder of good ones, which must have some.
fn images_of_training(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = Listing::read(folder)?;
    let colour = folder.join(COLOUR);
    match listing.images.is_empty() && colour.is_dir() {
        true => Listing::read(&colour)?.into_images(&colour),
        false => listing.into_images(folder),
    }
}

/// The images of a folder; links to nothing become problems.
fn images(problems: &mut Vec<String>, root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(
        listing(problems, root, folder)?.map_or(Vec::new(), |listing| {
            listing.warn_besides_images(folder);
            listing.images
        }),
    )
}

/// What a folder holds; `None` if it has links to nothing, which become problems.
fn listing(problems: &mut Vec<String>, root: &Path, folder: &Path) -> Result<Option<Listing>> {
    match Listing::read(folder) {
        Ok(listing) => Ok(Some(listing)),
        Err(Error::Dataset { problems: dead, .. }) => {
            let place = folder.strip_prefix(root).unwrap_or(folder).display();
            problems.extend(dead.into_iter().map(|problem| format!("{place}/{problem}")));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads the folders of test images and their masks; what is wrong becomes a problem.
fn read_test(builder: &mut Builder, path: &Path) -> Result<()> {
    let mut test = Listing::read(path)?;
    test.warn_besides(path, &[("image", test.images.len())]);
    test.folders.retain(|folder| name_of(folder) != TRUTH);
    let truth = [builder.folder.join(TRUTH), path.join(TRUTH)];
    let truth = truth.into_iter().find(|folder| folder.is_dir());
    let mut of_truth = match &truth {
        Some(truth) => Listing::read(truth)?,
        None => Listing::default(),
    };
    if let Some(truth) = &truth {
        of_truth.warn_besides(truth, &[("image", of_truth.images.len())]);
    }
    for folder in test.folders {
        let Some(name) = folder.file_name().unwrap_or_default().to_str() else {
            builder.problems.push(not_utf8(&folder));
            continue;
        };
        of_truth
            .folders
            .retain(|truth| truth.file_name() != folder.file_name());
        read_kind(builder, &folder, name, truth.as_deref())?;
    }
    for folder in of_truth.folders {
        let (shown, name) = (builder.shown(&folder), name_of(&folder));
        let message = format!("{shown} has no folder {}/{name}", builder.shown(path));
        builder.problems.push(message);
    }
    if builder.test.is_empty() && builder.problems.is_empty() {
        let message = format!("no image under {}", builder.shown(path));
        builder.problems.push(message);
    }
    Ok(())
}

/// Reads the images of one kind, with the masks of `truth`.
fn read_kind(builder: &mut Builder, folder: &Path, name: &str, truth: Option<&Path>) -> Result<()> {
    let root = builder.folder.clone();
    let Some(here) = listing(&mut builder.problems, &root, folder)? else {
        return Ok(());
    };
    let colour = folder.join(COLOUR);
    let (images, masks_beside) = match here.images.is_empty() && colour.is_dir() {
        true => {
            let images = images(&mut builder.problems, &root, &colour)?;
            (images, Some(folder.join(TRUTH_BESIDE)))
        }
        false => {
            here.warn_besides_images(folder);
            (here.images, None)
        }
    };
    let shown = builder.shown(folder);
    if images.is_empty() {
        builder.problems.push(format!("{shown} holds no image"));
    }
    let defect = kind_of(name);
    let masks = masks_beside.or(truth.map(|truth| truth.join(name)));
    let exists = masks.as_deref().is_some_and(Path::is_dir);
    if defect == GOOD {
        if let Some(masks) = masks.filter(|_| exists) {
            let count = Listing::read(&masks).map_or(0, |masks| masks.images.len());
            // In 3D-AD good images have masks, which are empty.
            if count > 0 && masks.file_name() != Some(TRUTH_BESIDE.as_ref()) {
                Listing::default().warn_besides(&masks, &[("mask", count)]);
            }
        }
        for path in images {
            builder.add_test(TestImage::new(path, GOOD, GroundTruth::Good));
        }
        return Ok(());
    }
    let Some(masks) = masks else {
        for path in images {
            builder.add_test(TestImage::new(path, defect, GroundTruth::Unknown));
        }
        return Ok(());
    };
    if !exists {
        let masks = builder.shown(&masks);
        builder
            .problems
            .push(format!("{shown} has no folder {masks}"));
        return Ok(());
    }
    let Some(found) = listing(&mut builder.problems, &root, &masks)? else {
        return Ok(());
    };
    found.warn_besides(&masks, &[]);
    pair(builder, &masks, images, found, defect)
}

/// Gives each image its masks.
fn pair(
    builder: &mut Builder,
    folder: &Path,
    images: Vec<PathBuf>,
    mut masks: Listing,
    defect: &str,
) -> Result<()> {
    for path in images {
        let stem = path.file_stem().unwrap_or_default();
        let of_image = |mask: &PathBuf| is_mask_of(mask.file_stem().unwrap_or_default(), stem);
        let found: Vec<PathBuf> = masks.images.extract_if(.., |mask| of_image(mask)).collect();
        // MVTec LOCO and AutoVI: a folder with a mask for each defect.
        let same = |folder: &PathBuf| {
            comparable(folder.file_name().unwrap_or_default()) == comparable(stem)
        };
        let folders: Vec<PathBuf> = masks
            .folders
            .extract_if(.., |folder| same(folder))
            .collect();
        let root = builder.folder.clone();
        let mut of_folder = Vec::new();
        for folder in &folders {
            of_folder.extend(self::images(&mut builder.problems, &root, folder)?);
        }
        let shown = builder.shown(&path);
        if let [first, second, ..] = &found[..] {
            builder.problems.push(format!(
                "{shown} has two masks, {} and {}",
                name_of(first),
                name_of(second)
            ));
            continue;
        }
        if !found.is_empty() && !of_folder.is_empty() {
            builder.problems.push(format!(
                "{shown} has a mask {} and a folder of masks",
                name_of(&found[0])
            ));
            continue;
        }
        let masks = [found, of_folder].concat();
        if masks.is_empty() {
            let stem = stem.to_string_lossy();
            let folder = builder.shown(folder);
            builder
                .problems
                .push(format!("{shown} has no mask {folder}/{stem}_mask.png"));
            continue;
        }
        builder.add_test(TestImage::new(path, defect, GroundTruth::Masks(masks)));
    }
    for mask in masks.images.into_iter().chain(masks.folders) {
        let mask = builder.shown(&mask);
        builder.problems.push(format!("{mask} has no image"));
    }
    Ok(())
}
