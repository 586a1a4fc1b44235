//! Receiver operating characteristic.

use super::{curve::Curve, ranking::Ranking};
use crate::error::Result;

impl Ranking {
    /// Area under the ROC curve: the probability that an anomalous sample scores above a normal
    /// one, ties counting half.
    ///
    /// AUROC = (#(s⁺ > s⁻) + ½ #(s⁺ = s⁻)) / (P N), counted in integers (Hanley and McNeil, 1982).
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) unless both classes are present.
    pub fn auroc(&self) -> Result<f64> {
        self.require_both("AUROC")?;
        // Each anomalous sample wins over the normal ones that are not found at its score, and
        // ties with those that are found there but not above.
        let (mut twice_won, mut above) = (0_u128, 0);
        for found in self.found() {
            let beaten = 2 * self.negatives() - found.false_positives - found.false_positives_above;
            twice_won += u128::from(found.true_positives - above) * u128::from(beaten);
            above = found.true_positives;
        }
        let pairs = u128::from(self.positives()) * u128::from(self.negatives());
        Ok(twice_won as f64 / (2 * pairs) as f64)
    }

    /// The ROC curve: (false-positive rate, true-positive rate) from (0, 0) to (1, 1).
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) unless both classes are present.
    pub fn roc_curve(&self) -> Result<Curve> {
        self.require_both("ROC curve")?;
        let mut points = vec![[0.0, 0.0]];
        let (positives, negatives) = (self.positives() as f64, self.negatives() as f64);
        let mut tpr = 0.0;
        for found in self.found() {
            points.push([found.false_positives_above as f64 / negatives, tpr]);
            tpr = found.true_positives as f64 / positives;
            points.push([found.false_positives as f64 / negatives, tpr]);
        }
        points.push([1.0, 1.0]);
        Ok(Curve { points })
    }
}

/// [`Ranking::auroc`] of samples; `true` is anomalous.
///
/// # Errors
///
/// [`Error::Size`](crate::Error) for slices of different length, `NanScore`, and `Undefined` unless
/// both classes are present.
///
/// # Example
///
/// ```
/// let auroc = hypad::metrics::auroc(&[0.1, 0.4, 0.4, 0.8], &[false, false, true, true])?;
/// assert_eq!(auroc, 0.875);
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn auroc(scores: &[f32], labels: &[bool]) -> Result<f64> {
    Ranking::new(scores, labels)?.auroc()
}
