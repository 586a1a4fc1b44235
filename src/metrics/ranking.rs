//! The one sorted pass that the curve metrics share.

use crate::error::{Error, Result};

/// One run of equal scores, from the highest down: how many are anomalous and how many normal.
pub struct Tie {
    pub positives: u64,
    pub negatives: u64,
}

/// The runs of equal scores in descending order.
///
/// # Errors
///
/// [`Error::Size`] for slices of different length, [`Error::NanScore`] for a NaN, and
/// [`Error::Undefined`] naming `metric` where a class that it needs is absent.
pub fn descending_ties(metric: &'static str, scores: &[f32], labels: &[bool]) -> Result<Vec<Tie>> {
    if scores.len() != labels.len() {
        return Err(Error::Size {
            what: "number of labels",
            expected: scores.len().to_string(),
            found: labels.len().to_string(),
        });
    }
    reject_nan(scores)?;
    if !labels.contains(&true) {
        let reason = "no anomalous sample";
        return Err(Error::Undefined { metric, reason });
    }
    let mut order: Vec<(f32, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    order.sort_unstable_by(|a, b| b.0.partial_cmp(&a.0).expect("no NaN"));
    Ok(order
        .chunk_by(|a, b| a.0 == b.0)
        .map(|run| {
            let positives = run.iter().filter(|(_, anomalous)| *anomalous).count() as u64;
            let negatives = run.len() as u64 - positives;
            Tie {
                positives,
                negatives,
            }
        })
        .collect())
}

/// [`Error::NanScore`] with the position of the first NaN.
pub fn reject_nan(scores: &[f32]) -> Result<()> {
    match scores.iter().position(|score| score.is_nan()) {
        Some(index) => Err(Error::NanScore { index }),
        None => Ok(()),
    }
}
