//! Area under the receiver operating characteristic.

use super::ranking::descending_ties;
use crate::error::{Error, Result};

/// Area under the ROC curve: the probability that an anomalous sample scores above a normal one,
/// ties counting half.
///
/// AUROC = (#(s⁺ > s⁻) + ½ #(s⁺ = s⁻)) / (P N), counted in integers (Hanley and McNeil, 1982).
///
/// # Errors
///
/// [`Error::Size`] for slices of different length, [`Error::NanScore`], and [`Error::Undefined`]
/// unless both classes are present.
///
/// # Example
///
/// ```
/// let auroc = hypad::metrics::auroc(&[0.1, 0.4, 0.4, 0.8], &[false, false, true, true])?;
/// assert_eq!(auroc, 0.875);
/// # Ok::<(), hypad::Error>(())
/// ```
pub fn auroc(scores: &[f32], labels: &[bool]) -> Result<f64> {
    let (mut positives, mut negatives, mut twice_won) = (0_u64, 0_u64, 0_u128);
    for tie in descending_ties("AUROC", scores, labels)? {
        // The negatives of this run lose to all positives above it and tie with its own.
        let beaten_by = 2 * positives + tie.positives;
        twice_won += beaten_by as u128 * tie.negatives as u128;
        positives += tie.positives;
        negatives += tie.negatives;
    }
    if negatives == 0 {
        return Err(Error::Undefined {
            metric: "AUROC",
            reason: "no normal sample",
        });
    }
    Ok(twice_won as f64 / (2 * positives as u128 * negatives as u128) as f64)
}
