//! `meta.json` as ADer and the tools around it write it: `{"train": {category: [image]}, "test": …}`, whose
//! paths begin at the folder of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Builder, GOOD, below, kind_of};
use crate::data::category::{Category, GroundTruth, TestImage};
use crate::data::data_set::Layout;
use crate::error::{Error, Result};
use crate::files::read;

/// The kind of a defect that has no name.
const DEFECT: &str = "defect";

#[derive(Deserialize)]
struct Meta {
    train: BTreeMap<String, Vec<Image>>,
    test: BTreeMap<String, Vec<Image>>,
}

#[derive(Deserialize)]
struct Image {
    img_path: String,
    #[serde(default)]
    mask_path: Option<String>,
    #[serde(default)]
    specie_name: Option<String>,
    anomaly: u8,
}

/// Where the file is.
pub fn meta(root: &Path) -> PathBuf {
    root.join("meta.json")
}

fn load(root: &Path) -> Result<Meta> {
    let path = meta(root);
    serde_json::from_slice(&read(&path)?).map_err(|error| Error::Format {
        path,
        reason: format!("not a meta.json of ADer: {error}"),
    })
}

/// The categories to train on, sorted.
///
/// # Errors
///
/// [`Error::Io`] and [`Error::Format`] naming the file, the latter also if it has no category.
pub fn names(root: &Path) -> Result<Vec<String>> {
    let names: Vec<String> = load(root)?.train.into_keys().collect();
    match names.is_empty() {
        true => Err(Error::Format {
            path: meta(root),
            reason: "no category to train on".into(),
        }),
        false => Ok(names),
    }
}

/// Reads a category.
///
/// # Errors
///
/// See [`DataSet::category`](crate::data::DataSet::category).
pub fn category(root: &Path, name: &str) -> Result<Category> {
    let mut builder = Builder::new(root);
    let Meta { train, test } = load(root)?;
    for (part, mut images, to_train) in [("train", train, true), ("test", test, false)] {
        for (index, image) in images.remove(name).unwrap_or_default().iter().enumerate() {
            if let Err(problem) = add(&mut builder, root, image, to_train) {
                let problem = format!("meta.json, {part}, {name}, image {index}: {problem}");
                builder.problems.push(problem);
            }
        }
    }
    builder.finish(name, Layout::Ader)
}

fn add(builder: &mut Builder, root: &Path, image: &Image, to_train: bool) -> Result<(), String> {
    let path = below(root, &image.img_path)?;
    match (to_train, image.anomaly) {
        (true, 0) => builder.train.push(path),
        (true, _) => {
            return Err(format!(
                "{} has a defect and is to train on",
                image.img_path
            ));
        }
        (false, 0) => builder.add_test(TestImage::new(path, GOOD, GroundTruth::Good)),
        (false, _) => {
            let kind = image.specie_name.as_deref().unwrap_or_default();
            let kind = match kind_of(kind) {
                "" => DEFECT,
                GOOD => return Err(format!("{} is good and has a defect", image.img_path)),
                kind => kind,
            };
            let ground_truth = match image.mask_path.as_deref().unwrap_or_default() {
                "" => GroundTruth::Unknown,
                mask => GroundTruth::Masks(vec![below(root, mask)?]),
            };
            builder.add_test(TestImage::new(path, kind, ground_truth));
        }
    }
    Ok(())
}
