//! Precision and recall.

use super::{curve::Curve, ranking::CountsAt, ranking::Ranking, sum::CompensatedSum};
use crate::error::Result;

/// The best value of a metric over all thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BestThreshold {
    /// The value.
    pub value: f64,
    /// The threshold that reaches it, the lowest if there are several; the prediction is
    /// score ≥ threshold.
    pub threshold: f32,
}

impl Ranking {
    /// Average precision: Σₖ (Rₖ − Rₖ₋₁) Pₖ over the distinct thresholds, with no interpolation.
    ///
    /// This is scikit-learn's `average_precision_score`. The trapezoid under the precision–recall
    /// curve, [`aupr`](Self::aupr), is another number.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) unless both classes are present.
    pub fn average_precision(&self) -> Result<f64> {
        self.require_both("average precision")?;
        let (mut sum, mut above) = (CompensatedSum::default(), 0);
        for found in self.found() {
            sum.add((found.true_positives - above) as f64 * precision(&found));
            above = found.true_positives;
        }
        Ok(sum.value() / self.positives() as f64)
    }

    /// Area under the precision–recall curve by the trapezoid rule, from recall 0 and precision 1.
    ///
    /// Many papers on anomaly detection report it as AUPR. It is too large where scores tie:
    /// [`average_precision`](Self::average_precision) is the sound figure.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) unless both classes are present.
    pub fn aupr(&self) -> Result<f64> {
        self.pr_curve()?.area(1.0)
    }

    /// The precision–recall curve: (recall, precision) from (0, 1) on.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) unless both classes are present.
    pub fn pr_curve(&self) -> Result<Curve> {
        self.require_both("precision-recall curve")?;
        let positives = self.positives() as f64;
        let mut points = vec![[0.0, 1.0]];
        let mut above = 0;
        for found in self.found() {
            // Normal samples between two anomalous scores lower the precision at the same recall.
            let before = above + found.false_positives_above;
            if before > 0 {
                points.push([above as f64 / positives, above as f64 / before as f64]);
            }
            above = found.true_positives;
            points.push([above as f64 / positives, precision(&found)]);
        }
        Ok(Curve { points })
    }

    /// The largest F1 = 2 TP/(2 TP + FP + FN) over all thresholds.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) unless both classes are present.
    pub fn f1_max(&self) -> Result<BestThreshold> {
        self.require_both("F1-max")?;
        // 2 TP + FP + FN = TP + FP + P.
        Ok(self.best(|found| [2 * found.true_positives, found.true_positives]))
    }

    /// The largest intersection over union TP/(TP + FP + FN) over all thresholds.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) unless both classes are present.
    pub fn iou_max(&self) -> Result<BestThreshold> {
        self.require_both("IoU-max")?;
        // TP + FP + FN = FP + P.
        Ok(self.best(|found| [found.true_positives, 0]))
    }

    /// The best of `numerator`/(`more` + FP + P), compared in integers.
    fn best(&self, parts: impl Fn(&CountsAt) -> [u64; 2]) -> BestThreshold {
        let (mut best, mut threshold) = ([0_u128, 1], f32::INFINITY);
        for found in self.found() {
            let [numerator, more] = parts(&found);
            let denominator = more + found.false_positives + self.positives();
            let ratio = [u128::from(numerator), u128::from(denominator)];
            // Thresholds fall, so that equals are replaced by lower ones.
            if ratio[0] * best[1] >= best[0] * ratio[1] {
                (best, threshold) = (ratio, found.threshold);
            }
        }
        let value = best[0] as f64 / best[1] as f64;
        BestThreshold { value, threshold }
    }
}

fn precision(found: &CountsAt) -> f64 {
    let predicted = found.true_positives + found.false_positives;
    found.true_positives as f64 / predicted as f64
}

/// [`Ranking::average_precision`] of samples; `true` is anomalous.
///
/// # Errors
///
/// [`Error::Size`](crate::Error) for slices of different length, `NanScore`, and `Undefined` unless
/// both classes are present.
///
/// # Example
///
/// ```
/// let ap = hypad::metrics::average_precision(&[0.1, 0.4, 0.4, 0.8], &[false, false, true, true])?;
/// assert!((ap - 5.0 / 6.0).abs() < 1e-15);
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn average_precision(scores: &[f32], labels: &[bool]) -> Result<f64> {
    Ranking::new(scores, labels)?.average_precision()
}
