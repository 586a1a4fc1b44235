//! The file of a trained detector: safetensors, with the weights as tensors and all the rest as
//! JSON under the key `hypad` of its header.
//!
//! Version 3 has a checksum of all its bytes. Version 2, which has none, is read with a warning.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{detector::Detector, normalisation::MapNormalisation};
use crate::data::image::PixelRange;
use crate::error::{Error, Result};
use crate::features::ModelBackend;
use crate::features::weights::{HeaderEntry, Precision, TensorFile, to_bytes};
use crate::files;
use crate::methods::hypad::HypAdConfig;
use crate::warning::warn;

/// Key in the header of the file.
const KEY: &str = "hypad";
/// Raised when the meaning of the file changes.
const VERSION: u32 = 3;
/// The last version without a checksum.
const WITHOUT_CHECKSUM: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// The checksum of the file, which [`TensorFile`] writes and compares.
    #[serde(default, skip_serializing)]
    #[allow(dead_code)]
    crc32: String,
    version: u32,
    config: HypAdConfig,
    #[serde(default)]
    pixel_range: PixelRange,
    student_map: MapNormalisation,
    autoencoder_map: MapNormalisation,
    /// None if no pixel shall ever be in the mask.
    threshold: Option<f32>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

pub fn save<B: ModelBackend>(detector: &Detector<B>, path: &Path) -> Result<()> {
    detector.check_threshold()?;
    let threshold = detector.threshold;
    let description = Description {
        crc32: String::new(),
        version: VERSION,
        config: detector.config.clone(),
        pixel_range: detector.pixel_range,
        student_map: detector.student_map,
        autoencoder_map: detector.autoencoder_map,
        threshold: threshold.is_finite().then_some(threshold),
    };
    let json = serde_json::to_string(&description).map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: format!("the detector cannot be described: {e}"),
    })?;
    let header = HeaderEntry { key: KEY, json };
    let bytes = to_bytes(
        &detector.model,
        str::to_string,
        Precision::Full,
        Some(header),
    )?;
    files::write_whole(path, &bytes)
}

pub fn load<B: ModelBackend>(path: &Path, device: &B::Device) -> Result<Detector<B>> {
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
        (VERSION, true) => {}
        (VERSION, false) => return Err(format("damaged: its checksum is missing".into())),
        (WITHOUT_CHECKSUM, false) if file.metadata.len() == 1 => warn(format_args!(
            "{}: a model file of version {version}, which has no checksum: damage to its numbers \
             would not be seen; load and save it once to give it one",
            path.display()
        )),
        _ => {
            return Err(format(format!(
                "model file version {version}; this version of hypad reads {WITHOUT_CHECKSUM} and \
                 {VERSION}"
            )));
        }
    }
    let description: Description = serde_json::from_str(json).map_err(unreadable)?;
    let model = file.fill(description.config.init(device)?, str::to_string)?;
    let in_file = |error: Error| format(error.to_string());
    description.pixel_range.validate().map_err(in_file)?;
    let mut detector = Detector::new(model, description.config, device).map_err(in_file)?;
    detector.pixel_range = description.pixel_range;
    detector.student_map = description.student_map;
    detector.autoencoder_map = description.autoencoder_map;
    detector.threshold = description.threshold.unwrap_or(f32::INFINITY);
    detector.check_threshold().map_err(in_file)?;
    Ok(detector)
}
