//! Real-IAD: a JSON file for each category in `realiad_jsons`, images in `realiad_256`, `realiad_512` or
//! `realiad_1024`, whichever is there.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Builder, GOOD, below, kind_of};
use crate::data::category::{Category, GroundTruth, TestImage};
use crate::data::data_set::Layout;
use crate::data::files::{Listing, name_of};
use crate::error::{Error, Result};
use crate::files::read;

const JSONS: &str = "realiad_jsons";
const IMAGES: &str = "realiad_";

#[derive(Deserialize)]
struct Split {
    meta: Meta,
    train: Vec<Image>,
    test: Vec<Image>,
}

#[derive(Deserialize)]
struct Meta {
    /// Folder of the category among the images.
    prefix: String,
    normal_class: String,
}

#[derive(Deserialize)]
struct Image {
    anomaly_class: String,
    image_path: String,
    #[serde(default)]
    mask_path: Option<String>,
}

/// Where images and splits are.
pub struct Folders {
    images: PathBuf,
    splits: PathBuf,
}

/// The folders of the data set: in this folder, or this one of images and that of splits beside it.
///
/// # Errors
///
/// [`Error::Io`], and [`Error::Dataset`] if there are images of several sizes.
pub fn find(root: &Path) -> Result<Option<Folders>> {
    let is_images = |path: &Path| {
        let name = name_of(path);
        name.starts_with(IMAGES) && !name.starts_with(JSONS)
    };
    if let Some(splits) = splits_in(root) {
        let folders = Listing::read(root)?.folders;
        let images: Vec<_> = folders.into_iter().filter(|path| is_images(path)).collect();
        let problem = match &images[..] {
            [images] => {
                let images = images.clone();
                return Ok(Some(Folders { images, splits }));
            }
            [] => format!(
                "{} has splits, but no folder {IMAGES}* of images is here",
                name_of(&splits)
            ),
            several => {
                let names: Vec<String> = several.iter().map(|path| name_of(path)).collect();
                format!("images of several sizes; give one of {}", names.join(", "))
            }
        };
        return Err(Error::Dataset {
            path: root.to_path_buf(),
            problems: vec![problem],
        });
    }
    let beside = root
        .parent()
        .filter(|_| is_images(root))
        .and_then(splits_in);
    Ok(beside.map(|splits| Folders {
        images: root.to_path_buf(),
        splits,
    }))
}

/// The folder of splits in a folder; it may be in one of the same name.
fn splits_in(folder: &Path) -> Option<PathBuf> {
    let splits = folder.join(JSONS);
    let nested = splits.join(JSONS);
    [nested, splits].into_iter().find(|path| path.is_dir())
}

impl Folders {
    /// The categories, sorted: the JSON files.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Dataset`] if there is none.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let entries =
            std::fs::read_dir(&self.splits).map_err(crate::files::io_error(&self.splits))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                names.push(
                    path.file_stem()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
        names.sort();
        match names.is_empty() {
            true => Err(Error::Dataset {
                path: self.splits.clone(),
                problems: vec!["no JSON file".into()],
            }),
            false => Ok(names),
        }
    }
}

/// Reads a category.
///
/// # Errors
///
/// See [`DataSet::category`](crate::data::DataSet::category).
pub fn category(root: &Path, name: &str) -> Result<Category> {
    let Some(Folders { images, splits }) = find(root)? else {
        return Err(Error::Dataset {
            path: root.to_path_buf(),
            problems: vec![format!("no folder {JSONS}")],
        });
    };
    let path = splits.join(name).with_added_extension("json");
    let split: Split = serde_json::from_slice(&read(&path)?).map_err(|error| Error::Format {
        path: path.clone(),
        reason: format!("not a split of Real-IAD: {error}"),
    })?;
    let mut builder = Builder::new(&images);
    let Split { meta, train, test } = split;
    for (part, entries, to_train) in [("train", train, true), ("test", test, false)] {
        for (index, image) in entries.iter().enumerate() {
            if let Err(problem) = add(&mut builder, &images, &meta, image, to_train) {
                let problem = format!("{name}.json, {part}, image {index}: {problem}");
                builder.problems.push(problem);
            }
        }
    }
    builder.finish(name, Layout::RealIad)
}

fn add(
    builder: &mut Builder,
    root: &Path,
    meta: &Meta,
    image: &Image,
    to_train: bool,
) -> Result<(), String> {
    let with_prefix = |path: &str| {
        let prefix = meta.prefix.trim_end_matches(['/', '\\']);
        match prefix {
            "" => path.to_string(),
            prefix => format!("{prefix}/{path}"),
        }
    };
    let path = below(root, &with_prefix(&image.image_path))?;
    let good = image.anomaly_class == meta.normal_class;
    let kind = match kind_of(&image.anomaly_class) {
        _ if good => GOOD,
        GOOD => {
            return Err(format!(
                "class \"{}\" beside \"{}\"",
                image.anomaly_class, meta.normal_class
            ));
        }
        kind => kind,
    };
    if to_train {
        // The splits with noise have defects among the images to train on.
        match good {
            true => builder.train.push(path),
            false => {
                return Err(format!(
                    "{} has a defect and is to train on",
                    image.image_path
                ));
            }
        }
        return Ok(());
    }
    let ground_truth = match (good, image.mask_path.as_deref().unwrap_or_default()) {
        (true, _) => GroundTruth::Good,
        (false, "") => GroundTruth::Unknown,
        (false, mask) => GroundTruth::Masks(vec![below(root, &with_prefix(mask))?]),
    };
    builder.add_test(TestImage::new(path, kind, ground_truth));
    Ok(())
}
