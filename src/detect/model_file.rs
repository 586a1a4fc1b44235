//! The file of a detector: safetensors, with the weights of its model as tensors and all the rest as
//! JSON under the key `hypad` of its header.
//!
//! Version 4 names the method, so that the file of any can be read. Versions 3 and 2 are of HypAD;
//! version 2 has no checksum and is read with a warning.

use std::path::Path;

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{detector::Detector, normalisation::MapNormalisation};
use crate::data::image::PixelRange;
use crate::error::{Error, Result};
use crate::features::weights::{HeaderEntry, Precision, TensorFile, to_bytes};
use crate::files;
use crate::methods::ModelParts;
use crate::warning::warn;

/// Key in the header of the file.
const KEY: &str = "hypad";
/// Raised when the meaning of the file changes.
const VERSION: u32 = 4;
/// The last version of HypAD alone.
const HYPAD_ALONE: u32 = 3;
/// The last version without a checksum.
const WITHOUT_CHECKSUM: u32 = 2;
/// The method of files that do not name one.
const HYPAD: &str = "hypad";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// The checksum of the file, which [`TensorFile`] writes and compares.
    #[serde(default, skip_serializing)]
    #[allow(dead_code)]
    crc32: String,
    version: u32,
    /// The version of this crate that wrote the file.
    crate_version: String,
    method: String,
    settings: Value,
    pixel_range: PixelRange,
    /// Of each branch.
    normalisations: Vec<MapNormalisation>,
    /// None if no pixel shall ever be in the mask.
    threshold: Option<f32>,
    threshold_policy: Option<String>,
}

/// The description in files of versions 2 and 3.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldDescription {
    #[serde(default)]
    #[allow(dead_code)]
    crc32: String,
    version: u32,
    config: Value,
    #[serde(default)]
    pixel_range: PixelRange,
    student_map: MapNormalisation,
    autoencoder_map: MapNormalisation,
    threshold: Option<f32>,
}

impl From<OldDescription> for Description {
    fn from(old: OldDescription) -> Self {
        Self {
            crc32: old.crc32,
            version: old.version,
            crate_version: String::new(),
            method: HYPAD.into(),
            settings: old.config,
            pixel_range: old.pixel_range,
            normalisations: vec![old.student_map, old.autoencoder_map],
            threshold: old.threshold,
            threshold_policy: None,
        }
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

pub fn save<B: Backend>(detector: &Detector<B>, path: &Path) -> Result<()> {
    let ModelParts { settings, tensors } = detector.model().to_parts()?;
    let threshold = detector.threshold;
    let description = Description {
        crc32: String::new(),
        version: VERSION,
        crate_version: env!("CARGO_PKG_VERSION").into(),
        method: detector.model().method().into(),
        settings,
        pixel_range: detector.pixel_range,
        normalisations: detector.normalisations.clone(),
        threshold: threshold.is_finite().then_some(threshold),
        threshold_policy: detector.threshold_policy.clone(),
    };
    let json = serde_json::to_string(&description).map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: format!("the detector cannot be described: {e}"),
    })?;
    let header = HeaderEntry { key: KEY, json };
    let bytes = to_bytes(tensors, Precision::Full, Some(header))?;
    files::write_atomic(path, &bytes)
}

/// Reads a detector; `build` makes one of the method's name and the model's parts.
pub fn load<B: Backend>(
    path: &Path,
    build: impl FnOnce(&str, ModelParts) -> Result<Detector<B>>,
) -> Result<Detector<B>> {
    let format = |reason: String| Error::Format {
        path: path.to_path_buf(),
        reason,
    };
    let file = TensorFile::read(path)?;
    let Some(json) = file.metadata.get(KEY) else {
        let reason = "weights, but no trained detector: the header has no \"hypad\" entry";
        return Err(format(reason.into()));
    };
    let unreadable = |e| format(format!("its description cannot be read: {e}"));
    let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
    match (version, file.has_checksum) {
        (VERSION | HYPAD_ALONE, true) => {}
        (VERSION | HYPAD_ALONE, false) => {
            return Err(format("damaged: its checksum is missing".into()));
        }
        (WITHOUT_CHECKSUM, false) if file.metadata.len() == 1 => warn(format_args!(
            "{}: a model file of version {version}, which has no checksum: damage to its numbers \
             would not be seen; load and save it once to give it one",
            path.display()
        )),
        _ => {
            return Err(format(format!(
                "model file version {version}; this version of hypad reads {WITHOUT_CHECKSUM} to \
                 {VERSION}"
            )));
        }
    }
    let description: Description = match version {
        VERSION => serde_json::from_str(json).map_err(unreadable)?,
        _ => serde_json::from_str::<OldDescription>(json)
            .map_err(unreadable)?
            .into(),
    };
    let parts = ModelParts {
        settings: description.settings,
        tensors: file.tensors,
    };
    let in_file = |error: Error| format(error.to_string());
    let mut detector = build(&description.method, parts).map_err(in_file)?;
    detector
        .set_pixel_range(description.pixel_range)
        .map_err(in_file)?;
    detector
        .set_normalisations(description.normalisations)
        .map_err(in_file)?;
    detector
        .set_threshold(description.threshold.unwrap_or(f32::INFINITY))
        .map_err(in_file)?;
    detector.threshold_policy = description.threshold_policy;
    Ok(detector)
}
