//! A trained detector of any method: anomaly maps, scores and masks of images, and its file.

mod branch_weights;
mod calibration;
mod detector;
mod model_file;
mod normalisation;
mod regions;
mod smoothing;
mod threshold;

pub use calibration::Calibration;
pub use detector::{Detection, Detector};
pub use model_file::ModelInfo;
pub use normalisation::MapNormalisation;
pub use regions::AnomalousRegion;
pub use threshold::{
    CalibrationScores, ConformalThreshold, F1Threshold, FprThreshold, MaximumThreshold,
    QuantileThreshold, SigmaThreshold, ThresholdPolicy, Thresholds,
};
