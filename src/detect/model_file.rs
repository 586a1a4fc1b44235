//! The file of a detector: safetensors, with the weights of its model as tensors and all the rest as
//! JSON under the key `hypad` of its header.
//!
//! Version 6 has how images are prepared (ignored pixels, tiles, aspect ratio). Version 5 has a threshold of pixels beside that of images, which in earlier versions was both. Version
//! 4 names the method, so that the file of any can be read. Versions 3 and 2 are of HypAD; version 2 has no
//! checksum and is read with a warning.

use std::path::Path;

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::threshold::Thresholds;
use super::{detector::Detector, normalisation::MapNormalisation};
use crate::data::Preparation;
use crate::data::image::PixelRange;
use crate::error::{Error, Result};
use crate::features::weights::{HeaderEntry, Precision, TensorFile, to_bytes};
use crate::files;
use crate::methods::ModelParts;
use crate::warning::warn;

/// Key in the header of the file.
const KEY: &str = "hypad";
/// Raised when the meaning of the file changes.
const VERSION: u32 = 6;
/// The last version of images that are resized alone.
const RESIZED_ALONE: u32 = 5;
/// The last version with one threshold.
const ONE_THRESHOLD: u32 = 4;
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
    #[serde(default)]
    preparation: Preparation,
    /// Of each branch.
    normalisations: Vec<MapNormalisation>,
    /// Of each branch; equal in files that do not say.
    #[serde(default)]
    weights: Option<Vec<f32>>,
    /// None if no image shall ever be anomalous.
    threshold: Option<f32>,
    /// None if no pixel shall ever be in the mask.
    #[serde(default)]
    pixel_threshold: Option<f32>,
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
            preparation: Preparation::default(),
            normalisations: vec![old.student_map, old.autoencoder_map],
            weights: None,
            threshold: old.threshold,
            pixel_threshold: old.threshold,
            threshold_policy: None,
        }
    }
}

/// What a model file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Version of the format.
    pub version: u32,
    /// The version of this crate that wrote the file; empty where it is not known.
    pub crate_version: String,
    /// The method.
    pub method: String,
    /// Its settings.
    pub settings: Value,
    /// How images become inputs.
    pub preparation: Preparation,
    /// Divisors of 16-bit and float images.
    pub pixel_range: PixelRange,
    /// How the raw map of each branch is calibrated.
    pub normalisations: Vec<MapNormalisation>,
    /// The weight of each branch in the map.
    pub weights: Option<Vec<f32>>,
    /// From this score on an image is anomalous; `None` if none ever is.
    pub threshold: Option<f32>,
    /// From this score on a pixel is in the mask; `None` as above.
    pub pixel_threshold: Option<f32>,
    /// How the threshold of images was chosen.
    pub threshold_policy: Option<String>,
    /// Numbers in its tensors.
    pub parameters: usize,
    /// Whether the file has a checksum, which then is right.
    pub has_checksum: bool,
}

impl ModelInfo {
    /// Reads a file without making a detector of it.
    ///
    /// # Errors
    ///
    /// Those of [`Detector::load_with`], but for what only the method can know.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let (version, description, file) = read(path.as_ref())?;
        Ok(Self {
            version,
            crate_version: description.crate_version,
            method: description.method,
            settings: description.settings,
            preparation: description.preparation,
            pixel_range: description.pixel_range,
            normalisations: description.normalisations,
            weights: description.weights,
            threshold: description.threshold,
            pixel_threshold: description.pixel_threshold,
            threshold_policy: description.threshold_policy,
            parameters: file.tensors.count(),
            has_checksum: file.has_checksum,
        })
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

pub fn save<B: Backend>(detector: &Detector<B>, path: &Path, precision: Precision) -> Result<()> {
    let ModelParts { settings, tensors } = detector.model().to_parts()?;
    let Thresholds { image, pixel } = detector.thresholds;
    let description = Description {
        crc32: String::new(),
        version: VERSION,
        crate_version: env!("CARGO_PKG_VERSION").into(),
        method: detector.model().method().into(),
        settings,
        pixel_range: detector.pixel_range,
        preparation: detector.preparation.clone(),
        normalisations: detector.normalisations.clone(),
        weights: Some(detector.weights.clone()),
        threshold: image.is_finite().then_some(image),
        pixel_threshold: pixel.is_finite().then_some(pixel),
        threshold_policy: detector.threshold_policy.clone(),
    };
    let json = serde_json::to_string(&description).map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: format!("the detector cannot be described: {e}"),
    })?;
    let header = HeaderEntry { key: KEY, json };
    let bytes = to_bytes(tensors, precision, Some(header))?;
    files::write_atomic(path, &bytes)
}

/// The error of a file.
fn format(path: &Path, reason: String) -> Error {
    Error::Format {
        path: path.to_path_buf(),
        reason,
    }
}

/// Reads the version, the description and the weights of a file.
fn read(path: &Path) -> Result<(u32, Description, TensorFile)> {
    let format = |reason| format(path, reason);
    let file = TensorFile::read(path)?;
    let Some(json) = file.metadata.get(KEY) else {
        let reason = "weights, but no trained detector: the header has no \"hypad\" entry";
        return Err(format(reason.into()));
    };
    let unreadable = |e| format(format!("its description cannot be read: {e}"));
    let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
    match (version, file.has_checksum) {
        (VERSION | RESIZED_ALONE | ONE_THRESHOLD | HYPAD_ALONE, true) => {}
        (VERSION | RESIZED_ALONE | ONE_THRESHOLD | HYPAD_ALONE, false) => {
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
        VERSION | RESIZED_ALONE => serde_json::from_str(json).map_err(unreadable)?,
        ONE_THRESHOLD => {
            let old: Description = serde_json::from_str(json).map_err(unreadable)?;
            Description {
                pixel_threshold: old.threshold,
                ..old
            }
        }
        _ => serde_json::from_str::<OldDescription>(json)
            .map_err(unreadable)?
            .into(),
    };
    Ok((version, description, file))
}

/// Reads a detector; `build` makes one of the method's name and the model's parts.
pub fn load<B: Backend>(
    path: &Path,
    build: impl FnOnce(&str, ModelParts) -> Result<Detector<B>>,
) -> Result<Detector<B>> {
    let (_, description, file) = read(path)?;
    let parts = ModelParts {
        settings: description.settings,
        tensors: file.tensors,
    };
    let in_file = |error: Error| format(path, error.to_string());
    let mut detector = build(&description.method, parts).map_err(in_file)?;
    detector
        .set_pixel_range(description.pixel_range)
        .map_err(in_file)?;
    detector
        .set_normalisations(description.normalisations)
        .map_err(in_file)?;
    detector
        .set_preparation(description.preparation)
        .map_err(in_file)?;
    if let Some(weights) = description.weights {
        detector.set_weights(weights).map_err(in_file)?;
    }
    detector
        .set_thresholds(Thresholds {
            image: description.threshold.unwrap_or(f32::INFINITY),
            pixel: description.pixel_threshold.unwrap_or(f32::INFINITY),
        })
        .map_err(in_file)?;
    detector.threshold_policy = description.threshold_policy;
    Ok(detector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hypad::{HypAd, HypAdConfig};
    use burn::backend::Flex;

    /// Files of version 4 had one threshold for images and pixels.
    #[test]
    fn one_threshold_is_both() {
        let device = Default::default();
        // As all were then.
        let config = HypAdConfig {
            shared_layers: 0,
            ..HypAdConfig::for_tests()
        };
        let networks = config.init::<Flex>(&device).unwrap();
        let model = HypAd::new(config, networks).unwrap();
        let mut detector = Detector::new(model, &device).unwrap();
        let thresholds = Thresholds {
            image: 0.7,
            pixel: 0.2,
        };
        detector.set_thresholds(thresholds).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        detector.save(&path).unwrap();
        let loaded = Detector::<Flex>::load(&path, &device).unwrap();
        assert_eq!(loaded.thresholds(), thresholds);

        let file = TensorFile::read(&path).unwrap();
        let mut old: Value = serde_json::from_str(&file.metadata[KEY]).unwrap();
        let fields = old.as_object_mut().unwrap();
        fields.insert("version".into(), ONE_THRESHOLD.into());
        for name in ["pixel_threshold", "weights", "crc32", "preparation"] {
            fields.remove(name).unwrap();
        }
        let settings = fields["settings"].as_object_mut().unwrap();
        for name in ["smoothing", "image_padding", "shared_layers", "join"] {
            settings.remove(name).unwrap();
        }
        let header = HeaderEntry {
            key: KEY,
            json: old.to_string(),
        };
        let bytes = to_bytes(file.tensors, Precision::Full, Some(header)).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let loaded = Detector::<Flex>::load(&path, &device).unwrap();
        assert_eq!(loaded.thresholds(), 0.7.into());
        assert_eq!(loaded.map_layout().smoothing, 0.0);
        assert_eq!(loaded.weights(), [0.5, 0.5]);
    }
}
