//! How scores rank anomalous above normal samples: the counts that all ranking metrics are made of.

use std::sync::Arc;

use super::levels::{Counts, ScoreBins, score, sortable_bits};
use crate::error::{Error, Result};

/// Counts of samples that the prediction gains when the threshold falls to one anomalous score.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ThresholdStep {
    /// The score.
    pub threshold: f32,
    /// Anomalous samples with this score.
    pub positives: u64,
    /// Normal samples above this score and below the one of the step before.
    pub between: u64,
    /// Normal samples with this score.
    pub ties: u64,
}

/// Counts of anomalous and normal samples by score, exact however many there are.
///
/// Thresholds that no anomalous sample has change nothing but the number of false positives, so
/// there is a step only for each distinct anomalous score.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    steps: Vec<ThresholdStep>,
    positives: u64,
    negatives: u64,
}

/// Counts of samples with score ≥ threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CountsAt {
    /// The threshold.
    pub threshold: f32,
    /// Anomalous samples that are found.
    pub true_positives: u64,
    /// Normal samples that are found.
    pub false_positives: u64,
    /// Normal samples that were found already just above the threshold.
    pub false_positives_above: u64,
}

impl Ranking {
    /// Ranks samples; `true` is anomalous.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for slices of different length, [`Error::NanScore`] for a NaN.
    pub fn new(scores: &[f32], labels: &[bool]) -> Result<Self> {
        if scores.len() != labels.len() {
            return Err(Error::Size {
                what: "number of labels",
                expected: scores.len().to_string(),
                found: labels.len().to_string(),
            });
        }
        reject_nan(scores)?;
        let samples = || scores.iter().copied().zip(labels.iter().copied());
        let anomalous = samples().filter(|sample| sample.1);
        let mut anomalous: Vec<u32> = anomalous.map(|(score, _)| sortable_bits(score)).collect();
        anomalous.sort_unstable();
        let (levels, positives) = distinct(anomalous.into_iter());
        let mut normal = Counts::new(Arc::new(levels));
        normal.add(scores, |at| !labels[at]);
        Ok(Self::from_counts(&positives, &normal))
    }

    /// From the number of anomalous samples at each level and the counts of normal ones.
    pub(super) fn from_counts(positives: &[u64], normal: &Counts) -> Self {
        let levels = normal.levels().ascending();
        let steps = (0..levels.len()).rev().map(|level| {
            let [ties, between] = normal.at(level);
            ThresholdStep {
                threshold: levels[level],
                positives: positives[level],
                between,
                ties,
            }
        });
        let steps: Vec<ThresholdStep> = steps.collect();
        let above: u64 = steps.iter().map(|step| step.between + step.ties).sum();
        Self {
            positives: positives.iter().sum(),
            negatives: above + normal.below(),
            steps,
        }
    }

    /// The steps, from the highest anomalous score down.
    pub fn steps(&self) -> &[ThresholdStep] {
        &self.steps
    }

    /// Number of anomalous samples.
    pub fn positives(&self) -> u64 {
        self.positives
    }

    /// Number of normal samples.
    pub fn negatives(&self) -> u64 {
        self.negatives
    }

    /// Counts at each step.
    pub fn found(&self) -> impl Iterator<Item = CountsAt> + '_ {
        let (mut true_positives, mut false_positives) = (0, 0);
        self.steps.iter().map(move |step| {
            true_positives += step.positives;
            let false_positives_above = false_positives + step.between;
            false_positives = false_positives_above + step.ties;
            CountsAt {
                threshold: step.threshold,
                true_positives,
                false_positives,
                false_positives_above,
            }
        })
    }

    /// [`Error::Undefined`] unless there are samples of both classes.
    pub(super) fn require_both(&self, metric: &'static str) -> Result<()> {
        let reason = match (self.positives, self.negatives) {
            (0, 0) => "no sample",
            (0, _) => "no anomalous sample",
            (_, 0) => "no normal sample",
            _ => return Ok(()),
        };
        Err(Error::Undefined { metric, reason })
    }
}

/// The distinct scores of sorted integers from [`ordered`], and how often each occurs.
pub(super) fn distinct(sorted: impl Iterator<Item = u32>) -> (ScoreBins, Vec<u64>) {
    let (mut scores, mut counts) = (Vec::new(), Vec::new());
    let mut last = None;
    for key in sorted {
        if last != Some(key) {
            scores.push(score(key));
            counts.push(0);
            last = Some(key);
        }
        if let Some(count) = counts.last_mut() {
            *count += 1;
        }
    }
    (ScoreBins::new(scores), counts)
}

/// [`Error::NanScore`] with the position of the first NaN.
pub(super) fn reject_nan(scores: &[f32]) -> Result<()> {
    // First without positions, in vector instructions.
    if !scores.iter().fold(false, |nan, score| nan | score.is_nan()) {
        return Ok(());
    }
    match scores.iter().position(|score| score.is_nan()) {
        Some(index) => Err(Error::NanScore { index }),
        None => Ok(()),
    }
}
