//! The report of a run as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::evaluation::Evaluation;
use super::table::MetricsRow;
use crate::data::Preparation;
use crate::data::image::PixelRange;
use crate::error::{Error, Result};
use crate::files::write_atomic;

/// Settings and results of a run on one category. Undefined metrics are `null`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The category.
    pub category: String,
    /// Seed of the training; `null` where a model was tested that was trained elsewhere.
    pub seed: Option<u64>,
    /// Its steps.
    pub steps: Option<usize>,
    /// The method, as model files name it.
    pub method: String,
    /// c of the curvature −c; `null` for a method without.
    pub curvature: Option<f64>,
    /// Clip radius; `null` for none.
    pub clip: Option<f64>,
    /// The part of the teacher's vectors that it made shorter; `null` as with the seed.
    pub clipped: Option<f64>,
    /// Name of the backend.
    pub device: String,
    /// Its images.
    pub images: ImageCounts,
    /// Divisors of 16-bit and float images.
    pub pixel_range: PixelRange,
    /// How images became inputs: ignored pixels, tiles, aspect ratio.
    pub preparation: Preparation,
    /// `image`, `pixel` and `aupro`; of `image` and `pixel`, `average_precision` is the sum over
    /// thresholds, `aupr` the area by the trapezoid rule.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// The same of each kind of defect, its images among all good ones.
    pub defects: Vec<MetricsRow>,
    /// Each branch of the model with its weight in the map.
    pub weights: BTreeMap<String, f32>,
    /// From this score on an image is anomalous; `null` if none ever is.
    pub threshold: f32,
    /// How it was chosen; `null` if that is not known.
    pub threshold_policy: Option<String>,
    /// The scores of the good images held out, from which it was chosen; `null` as with the seed.
    pub held_out_scores: Option<Vec<f32>>,
    /// From this score on a pixel is in the predicted mask; `null` as above.
    pub pixel_threshold: f32,
    /// F1 score of the pixels at that threshold; the largest of any is `pixel.f1_max`.
    pub pixel_f1: Option<f64>,
    /// Where the time went.
    pub seconds: Seconds,
    /// All settings of the model.
    pub model: Value,
    /// The whole recipe; `null` as with the seed.
    pub training: Option<Value>,
}

/// The images of a category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ImageCounts {
    /// To train on.
    pub train: usize,
    /// To test.
    pub test: usize,
    /// Fingerprint of the images; see [`Category::fingerprint`](crate::data::Category).
    pub fingerprint: u32,
}

/// Wall-clock seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seconds {
    /// The steps of training, those before a break included; `null` without.
    pub train: Option<f64>,
    /// Testing all images, metrics included.
    pub evaluate: f64,
    /// One prediction, on average.
    pub per_image: f64,
}

impl Report {
    /// Writes the report, indented; whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the file.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut json = serde_json::to_vec_pretty(self).map_err(|e| Error::Format {
            path: path.to_path_buf(),
            reason: e.to_string(),
        })?;
        json.push(b'\n');
        write_atomic(path, &json)
    }
}
