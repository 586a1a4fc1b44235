//! Using a trained model: anomaly maps, scores and masks of images.

mod detector;
mod model_file;
mod normalisation;

pub(crate) use detector::RawMaps;
pub use detector::{Detection, Detector};
pub use normalisation::MapNormalisation;
