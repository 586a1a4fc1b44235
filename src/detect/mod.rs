//! Using a trained model: anomaly maps, scores and masks of images.

mod detector;
mod model_file;
mod normalisation;

pub use detector::{Detection, Detector, Maps};
pub use normalisation::MapNormalisation;
