//! A trained detector of any method: anomaly maps, scores and masks of images, and its file.

mod branch_weights;
mod calibration;
mod detector;
mod model_file;
mod normalisation;
mod smoothing;
mod threshold;

pub use calibration::Calibration;
pub use detector::{Detection, Detector};
pub use normalisation::MapNormalisation;
pub use threshold::{
    CalibrationScores, F1Threshold, FprThreshold, MaximumThreshold, QuantileThreshold,
    SigmaThreshold, ThresholdPolicy, Thresholds,
};
