//! How the threshold of a detector is chosen.

use std::fmt::Debug;
use std::sync::Arc;

use crate::error::{Error, Result, check};
use crate::metrics::{Ranking, conformal_threshold, fpr_threshold, quantile, sigma_threshold};

/// From which score on an image is anomalous, and from which on a pixel is in the mask. The score of an
/// image is the maximum of its map. One threshold for both would call many good images anomalous, or leave
/// much of a defect out of its mask.
///
/// ```
/// use hypad::detect::Thresholds;
///
/// assert_eq!(Thresholds::from(0.3), Thresholds { image: 0.3, pixel: 0.3 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Of images.
    pub image: f32,
    /// Of pixels.
    pub pixel: f32,
}

impl From<f32> for Thresholds {
    /// One for both.
    fn from(threshold: f32) -> Self {
        Self {
            image: threshold,
            pixel: threshold,
        }
    }
}

/// The scores from which a threshold is chosen: scores of images, or of their
/// pixels, that were not trained on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CalibrationScores<'a> {
    /// Of good images, at least one.
    pub good: &'a [f32],
    /// Of images with defects; empty where there are none, as in training.
    pub defective: &'a [f32],
}

impl<'a> CalibrationScores<'a> {
    /// Scores of good images alone.
    pub fn good(good: &'a [f32]) -> Self {
        Self {
            good,
            defective: &[],
        }
    }

    /// With scores of images with defects.
    pub fn with_defective(self, defective: &'a [f32]) -> Self {
        Self { defective, ..self }
    }
}

/// A rule that chooses the threshold of a detector.
///
/// A rule of one's own, twice the median of the good images:
///
/// ```
/// use hypad::detect::{CalibrationScores, ThresholdPolicy};
/// use hypad::metrics::quantile;
///
/// #[derive(Debug)]
/// struct TwiceTheMedian;
///
/// impl ThresholdPolicy for TwiceTheMedian {
///     fn threshold(&self, scores: CalibrationScores) -> hypad::Result<f32> {
///         Ok(2.0 * quantile(scores.good, 0.5)? as f32)
///     }
/// }
///
/// let scores = CalibrationScores::good(&[0.1, 0.3, 0.2]);
/// assert_eq!(TwiceTheMedian.threshold(scores)?, 0.4);
/// # Ok::<(), hypad::Error>(())
/// ```
pub trait ThresholdPolicy: Debug + Send + Sync {
    /// The threshold: an image, or a pixel, whose score is at least this is anomalous.
    ///
    /// # Errors
    ///
    /// For scores from which none can be chosen.
    fn threshold(&self, scores: CalibrationScores) -> Result<f32>;

    /// What the user should know about the threshold that these scores give; training warns of it. None
    /// by default.
    fn caution(&self, scores: CalibrationScores) -> Option<String> {
        let _ = scores;
        None
    }

    /// The rule in words, for the model file and the report. By default what `Debug` prints.
    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

impl ThresholdPolicy for Arc<dyn ThresholdPolicy> {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        (**self).threshold(scores)
    }

    fn caution(&self, scores: CalibrationScores) -> Option<String> {
        (**self).caution(scores)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// k standard deviations above the mean score of good images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmaThreshold {
    /// k: 3.
    pub sigmas: f64,
    /// The least standard deviation that is assumed: 0.01, a tenth of the distance between the two
    /// quantiles of the maps. Without it the threshold of images that are all alike, or of one image,
    /// would be the score of any such image.
    pub least_deviation: f64,
}

impl Default for SigmaThreshold {
    fn default() -> Self {
        Self {
            sigmas: 3.0,
            least_deviation: 0.01,
        }
    }
}

impl ThresholdPolicy for SigmaThreshold {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        for (name, value) in [
            ("threshold sigmas", self.sigmas),
            ("least deviation", self.least_deviation),
        ] {
            let rule = "finite and at least 0";
            check(value.is_finite() && value >= 0.0, name, value, rule)?;
        }
        let mean = sigma_threshold(scores.good, 0.0)?;
        if deviation(scores.good)? < self.least_deviation {
            return Ok((f64::from(mean) + self.sigmas * self.least_deviation) as f32);
        }
        sigma_threshold(scores.good, self.sigmas)
    }

    fn caution(&self, scores: CalibrationScores) -> Option<String> {
        let deviation = deviation(scores.good).ok()?;
        let too_little = deviation < self.least_deviation && self.sigmas > 0.0;
        too_little.then(|| {
            format!(
                "the scores of the good images held out ({}) have a standard deviation of {deviation:.1e}, \
                 too little to choose a threshold by; {} is assumed. More, or more varied, good images give \
                 a better threshold",
                scores.good.len(),
                self.least_deviation
            )
        })
    }

    fn describe(&self) -> String {
        format!(
            "{} standard deviations above the mean of good images",
            self.sigmas
        )
    }
}

/// The standard deviation of scores.
fn deviation(scores: &[f32]) -> Result<f64> {
    let mean = sigma_threshold(scores, 0.0)?;
    Ok(f64::from(sigma_threshold(scores, 1.0)? - mean))
}

/// A quantile of the scores of good images, by linear interpolation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileThreshold(
    /// Between 0 and 1.
    pub f64,
);

impl ThresholdPolicy for QuantileThreshold {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        Ok(quantile(scores.good, self.0)? as f32)
    }

    fn describe(&self) -> String {
        format!("the {} quantile of good images", self.0)
    }
}

/// Just above the highest score of the good images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaximumThreshold;

impl ThresholdPolicy for MaximumThreshold {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        fpr_threshold(scores.good, 0.0)
    }

    fn describe(&self) -> String {
        "just above the highest of the good images".into()
    }
}

/// The lowest threshold that at most this part of the good images reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FprThreshold(
    /// Between 0 and 1.
    pub f64,
);

impl ThresholdPolicy for FprThreshold {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        fpr_threshold(scores.good, self.0)
    }

    fn describe(&self) -> String {
        format!("at most {} of the good images reach it", self.0)
    }
}

/// The threshold that a new good image reaches with a probability of at most this, if it was taken as those
/// held out were; see [`conformal_threshold`]. It is refused where they are too few for the promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConformalThreshold(
    /// Above 0 and below 1.
    pub f64,
);

impl ThresholdPolicy for ConformalThreshold {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        conformal_threshold(scores.good, self.0)
    }

    fn describe(&self) -> String {
        format!("promised false-alarm rate {} (conformal)", self.0)
    }
}

/// The threshold with the largest F1 score. Needs images with defects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F1Threshold;

impl ThresholdPolicy for F1Threshold {
    fn threshold(&self, scores: CalibrationScores) -> Result<f32> {
        if scores.defective.is_empty() {
            return Err(Error::Undefined {
                metric: "F1 threshold",
                reason: "no image with a defect",
            });
        }
        let all = [scores.good, scores.defective].concat();
        let labels: Vec<bool> = (0..all.len()).map(|at| at >= scores.good.len()).collect();
        Ok(Ranking::new(&all, &labels)?.f1_max()?.threshold)
    }

    fn describe(&self) -> String {
        "the largest F1 score".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_by_hand() {
        let good: Vec<f32> = (1..=10).map(|score| score as f32).collect();
        let scores = CalibrationScores::good(&good).with_defective(&[9.5, 20.0]);
        let chosen = |policy: &dyn ThresholdPolicy| policy.threshold(scores).unwrap();
        assert_eq!(chosen(&QuantileThreshold(0.5)), 5.5);
        assert_eq!(chosen(&MaximumThreshold), 10.0_f32.next_up());
        assert_eq!(chosen(&FprThreshold(0.2)), 8.0_f32.next_up());
        assert_eq!(chosen(&ConformalThreshold(0.2)), 9.0_f32.next_up());
        assert_eq!(chosen(&F1Threshold), 9.5);
        let sigmas = SigmaThreshold::default();
        assert!((chosen(&sigmas) - (5.5 + 3.0 * 8.25_f32.sqrt())).abs() < 1e-5);
        let alone = F1Threshold.threshold(CalibrationScores::good(&good));
        assert!(matches!(alone, Err(Error::Undefined { .. })));
    }

    #[test]
    fn scores_that_are_alike_leave_room() {
        let scores = CalibrationScores::good(&[0.5; 4]);
        let threshold = SigmaThreshold::default().threshold(scores).unwrap();
        assert!((threshold - 0.53).abs() < 1e-6);
        let caution = SigmaThreshold::default().caution(scores).unwrap();
        assert!(caution.contains("0.01 is assumed"), "{caution}");
        let varied = CalibrationScores::good(&[0.1, 0.5, 0.9]);
        assert_eq!(SigmaThreshold::default().caution(varied), None);
        let wrong = SigmaThreshold {
            sigmas: f64::NAN,
            ..SigmaThreshold::default()
        };
        assert!(wrong.threshold(scores).is_err());
    }
}
