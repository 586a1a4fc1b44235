//! How the maps of a model are calibrated and its thresholds are chosen.

use std::sync::Arc;

use super::threshold::{FprThreshold, SigmaThreshold, ThresholdPolicy};

/// How a detector is calibrated on good images that its model was not trained on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Calibration {
    /// Quantiles of the raw maps that become 0 and 0.1: 0.9 and 0.995. EfficientAD, section 3.4.
    pub map_quantiles: [f64; 2],
    pub(crate) threshold: Arc<dyn ThresholdPolicy>,
    pub(crate) pixel_threshold: Arc<dyn ThresholdPolicy>,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            map_quantiles: [0.9, 0.995],
            threshold: Arc::new(SigmaThreshold::default()),
            pixel_threshold: Arc::new(FprThreshold(0.0005)),
        }
    }
}

impl Calibration {
    /// With another rule for the threshold of images; by default [`SigmaThreshold`].
    pub fn with_threshold(self, policy: impl ThresholdPolicy + 'static) -> Self {
        Self {
            threshold: Arc::new(policy),
            ..self
        }
    }

    /// With another rule for the threshold of pixels, which is given the scores of all locations of the maps
    /// of the good images; by default 0.0005 of them reach it. It is lowered to the threshold of images
    /// where it is above.
    pub fn with_pixel_threshold(self, policy: impl ThresholdPolicy + 'static) -> Self {
        Self {
            pixel_threshold: Arc::new(policy),
            ..self
        }
    }
}
