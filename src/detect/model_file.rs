//! The file of a trained detector: safetensors, with the weights as tensors and all the rest as
//! JSON under the key `hypad` of its header.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{detector::Detector, normalisation::MapNormalisation};
use crate::error::{Error, Result, check};
use crate::files;
use crate::model::weights::{Precision, TensorFile, to_bytes};
use crate::model::{HypAdConfig, ModelBackend};

/// Key in the header of the file.
const KEY: &str = "hypad";
/// Raised when the meaning of the file changes.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Description {
    version: u32,
    config: HypAdConfig,
    student_map: MapNormalisation,
    autoencoder_map: MapNormalisation,
    /// None if no pixel shall ever be in the mask.
    threshold: Option<f32>,
}

pub fn save<B: ModelBackend>(detector: &Detector<B>, path: &Path) -> Result<()> {
    let threshold = detector.threshold;
    check(
        threshold.is_finite() || threshold == f32::INFINITY,
        "threshold",
        threshold,
        "a number, or infinity for masks without a pixel",
    )?;
    let description = Description {
        version: VERSION,
        config: detector.config.clone(),
        student_map: detector.student_map,
        autoencoder_map: detector.autoencoder_map,
        threshold: threshold.is_finite().then_some(threshold),
    };
    let json = serde_json::to_string(&description).map_err(|e| Error::Format {
        path: path.to_path_buf(),
        reason: format!("the detector cannot be described: {e}"),
    })?;
    let metadata = HashMap::from([(KEY.to_string(), json)]);
    let bytes = to_bytes(&detector.model, str::to_string, Precision::Full, metadata)?;
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
    let version = serde_json::from_str::<serde_json::Value>(json)
        .ok()
        .and_then(|value| value.get("version").and_then(|v| v.as_u64()));
    if version != Some(VERSION.into()) {
        let found = version.map_or("none".into(), |v| v.to_string());
        return Err(format(format!(
            "model file version {found}; this version of hypad reads {VERSION}"
        )));
    }
    let description: Description = serde_json::from_str(json)
        .map_err(|e| format(format!("its description cannot be read: {e}")))?;
    let model = file.fill(description.config.init(device)?, str::to_string)?;
    let mut detector = Detector::new(model, description.config, device)?;
    detector.student_map = description.student_map;
    detector.autoencoder_map = description.autoencoder_map;
    detector.threshold = description.threshold.unwrap_or(f32::INFINITY);
    Ok(detector)
}
