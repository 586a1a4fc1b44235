//! Precision and recall.

use super::ranking::descending_ties;
use crate::error::Result;

/// Average precision: Σₖ (Rₖ − Rₖ₋₁) Pₖ over the distinct thresholds, with no interpolation.
///
/// This is scikit-learn's `average_precision_score`. The trapezoid under the precision–recall
/// curve, which some papers call AUPR, is another number where scores tie.
///
/// # Errors
///
/// [`Error::Size`](crate::Error) for slices of different length, `NanScore`, and `Undefined` when
/// there is no anomalous sample.
///
/// # Example
///
/// ```
/// let ap = hypad::metrics::average_precision(&[0.1, 0.4, 0.4, 0.8], &[false, false, true, true])?;
/// assert!((ap - 5.0 / 6.0).abs() < 1e-15);
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn average_precision(scores: &[f32], labels: &[bool]) -> Result<f64> {
    let (mut positives, mut predicted, mut sum) = (0_u64, 0_u64, 0.0);
    for tie in descending_ties("average precision", scores, labels)? {
        positives += tie.positives;
        predicted += tie.positives + tie.negatives;
        sum += tie.positives as f64 * (positives as f64 / predicted as f64);
    }
    Ok(sum / positives as f64)
}
