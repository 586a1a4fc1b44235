//! Where a run writes: never over the results of another one.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::data::{Category, Preparation};
use crate::error::{Error, Result};
use crate::files::{check_writable, io_error};
use crate::warning::warn;

/// The folder of a run, and whether it may take the place of another run's results.
#[derive(Clone, Debug)]
pub struct RunFolder {
    /// The folder.
    pub out: PathBuf,
    /// Whether results of another run in it are written over.
    pub overwrite: bool,
}

/// The file from which training on a category goes on.
pub(super) fn checkpoint(out: &Path, category: &str) -> PathBuf {
    out.join(format!("checkpoint_{category}.safetensors"))
}

/// The folder of a category's results: `out`, or one of its own in it where `out` holds those of
/// another category, with a warning.
///
/// # Errors
///
/// [`Error::Io`], and [`Error::Format`] for a `report.json` that is not one of a run.
pub fn category_folder(out: &Path, category: &str) -> Result<PathBuf> {
    let mut others = Vec::new();
    if let Some(report) = report(out)? {
        others.push(report["category"].as_str().unwrap_or_default().to_string());
    }
    if let Ok(entries) = std::fs::read_dir(out) {
        let names = entries.flatten().map(|entry| entry.file_name());
        others.extend(names.filter_map(|name| {
            let name = name.to_str()?.strip_prefix("checkpoint_")?;
            Some(name.strip_suffix(".safetensors")?.to_string())
        }));
    }
    others.retain(|other| other != category);
    match others.first() {
        None => Ok(out.to_path_buf()),
        Some(other) => {
            let folder = out.join(category);
            warn(format_args!(
                "{} holds the results of {other}; those of {category} go to {}",
                out.display(),
                folder.display()
            ));
            Ok(folder)
        }
    }
}

impl RunFolder {
    /// Whether the run can write here, and holds no results of another run.
    pub(super) fn check(
        &self,
        category: &Category,
        mut ours: Value,
        maps: Option<&Path>,
        pictures: usize,
    ) -> Result<()> {
        for file in [
            "report.json",
            "report.html",
            "model.safetensors",
            "tables/images.csv",
            "tables/regions.csv",
        ] {
            check_writable(self.out.join(file))?;
        }
        let maps = maps.map(|maps| maps.join(&category.name));
        for (index, test) in category.test.iter().enumerate() {
            let name = format!("{}/{}", test.defect, test.name);
            if index < pictures {
                check_writable(self.out.join(format!("pictures/{name}.png")))?;
            }
            if let Some(maps) = &maps {
                check_writable(maps.join(format!("test/{name}.tiff")))?;
            }
        }
        if self.overwrite {
            return Ok(());
        }
        ours["category"] = json!(category.name);
        ours["fingerprint"] = json!(category.fingerprint()?);
        let path = self.out.join("report.json");
        match report(&self.out)? {
            Some(report) => {
                let mut theirs = report.clone();
                theirs["fingerprint"] = report["images"]["fingerprint"].clone();
                if theirs["preparation"].is_null() {
                    // Reports were without when images were resized alone.
                    theirs["preparation"] = json!(Preparation::default());
                }
                if theirs["threshold_policy"].is_null() {
                    // Not known, then.
                    theirs["threshold_policy"] = ours["threshold_policy"].clone();
                }
                let differs = differences(&ours, &theirs, "");
                if !differs.is_empty() {
                    let reason = format!(
                        "results of another run ({}); give another --out, or --overwrite",
                        differs.join(", ")
                    );
                    return Err(Error::Format { path, reason });
                }
            }
            None => {
                if let Some(map) = maps.as_deref().and_then(first_file) {
                    let reason = "a map of another run; give another --maps, or --overwrite".into();
                    return Err(Error::Format { path: map, reason });
                }
            }
        }
        Ok(())
    }

    /// Removes the pictures of the run whose place this one takes: they may be of other images.
    pub(super) fn remove_old_pictures(&self) -> Result<()> {
        let pictures = self.out.join("pictures");
        match pictures.is_dir() && report(&self.out)?.is_some() {
            true => std::fs::remove_dir_all(&pictures).map_err(io_error(&pictures)),
            false => Ok(()),
        }
    }
}

/// The report in a folder, if there is one.
fn report(out: &Path) -> Result<Option<Value>> {
    let path = out.join("report.json");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(&path)(error)),
    };
    let report: Option<Value> = serde_json::from_slice(&bytes).ok();
    let report = report.filter(|report| report["category"].is_string());
    report.map(Some).ok_or_else(|| Error::Format {
        path,
        reason: "not a report of hypad; give another --out".into(),
    })
}

/// A value as a file has it, with the digits of its own type.
pub(super) fn as_written(value: impl serde::Serialize) -> Value {
    let text = serde_json::to_string(&value).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What differs, by name.
fn differences(ours: &Value, theirs: &Value, name: &str) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(fields), Value::Object(_)) => fields
            .iter()
            .flat_map(|(key, value)| differences(value, &theirs[key], key))
            .collect(),
        _ if ours == theirs => Vec::new(),
        _ => vec![format!("{name}: {theirs} there, {ours} now")],
    }
}

/// A file in a folder or in one below it.
fn first_file(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten();
    entries.find_map(|entry| match entry.path() {
        path if path.is_dir() => first_file(&path),
        path => Some(path),
    })
}
