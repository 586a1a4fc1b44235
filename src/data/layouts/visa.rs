//! VisA as it is distributed: `split_csv/1cls.csv` with the columns object, split, label, image and mask,
//! whose paths begin at the root of the data set.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Builder, GOOD, below, is_good};
use crate::data::category::{Category, GroundTruth, TestImage};
use crate::data::data_set::Layout;
use crate::error::{Error, Result};
use crate::files::read;

/// The kind of images with a defect, as in the prepared forms of the data set.
const BAD: &str = "bad";

#[derive(Deserialize)]
struct Row {
    object: String,
    split: String,
    label: String,
    image: String,
    #[serde(default)]
    mask: String,
}

/// Where the split is.
pub fn csv(root: &Path) -> PathBuf {
    root.join("split_csv").join("1cls.csv")
}

fn rows(root: &Path) -> Result<Vec<Row>> {
    let path = csv(root);
    let bytes = read(&path)?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes.as_slice());
    let rows: std::result::Result<Vec<Row>, _> = reader.deserialize().collect();
    rows.map_err(|error| Error::Format {
        path,
        reason: error.to_string(),
    })
}

/// The objects of the split, sorted.
///
/// # Errors
///
/// [`Error::Io`] and [`Error::Format`] naming the file, the latter also if it has no row.
pub fn names(root: &Path) -> Result<Vec<String>> {
    let names: BTreeSet<String> = rows(root)?.into_iter().map(|row| row.object).collect();
    match names.is_empty() {
        true => Err(Error::Format {
            path: csv(root),
            reason: "no row".into(),
        }),
        false => Ok(names.into_iter().collect()),
    }
}

/// Reads a category.
///
/// # Errors
///
/// See [`DataSet::category`](crate::data::DataSet::category).
pub fn category(root: &Path, name: &str) -> Result<Category> {
    let mut builder = Builder::new(root);
    for (index, row) in rows(root)?.into_iter().enumerate() {
        if row.object == name
            && let Err(problem) = add(&mut builder, root, &row)
        {
            // The first line has the names of the columns.
            builder
                .problems
                .push(format!("1cls.csv, row {}: {problem}", index + 2));
        }
    }
    builder.finish(name, Layout::Visa)
}

fn add(builder: &mut Builder, root: &Path, row: &Row) -> Result<(), String> {
    let image = below(root, &row.image)?;
    let good = match row.label.as_str() {
        label if is_good(label.as_ref()) => true,
        "anomaly" => false,
        label => return Err(format!("label \"{label}\"; it is normal or anomaly")),
    };
    match (row.split.as_str(), good) {
        ("train", true) => builder.train.push(image),
        ("train", false) => return Err(format!("{} has a defect and is to train on", row.image)),
        ("test", true) => builder.add_test(TestImage::new(image, GOOD, GroundTruth::Good)),
        ("test", false) => {
            let mask = below(root, &row.mask)?;
            builder.add_test(TestImage::new(image, BAD, GroundTruth::Masks(vec![mask])));
        }
        (split, _) => return Err(format!("split \"{split}\"; it is train or test")),
    }
    Ok(())
}
