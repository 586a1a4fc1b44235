//! How a model is trained. Every number of the recipe is a field here.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The recipe. [`TrainConfig::default`] is [the published one](TrainConfig::published).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Steps of one image each: 70,000.
    pub steps: usize,
    /// Learning rate of Adam: 1e-4.
    pub learning_rate: f64,
    /// L2 penalty added to the gradient, not decoupled: 1e-5.
    pub weight_decay: f32,
    /// The learning rate falls after this part of the steps: 0.95.
    pub decay_after: f64,
    /// By this factor: 0.1.
    pub decay_factor: f64,
    /// Part of the training images held out to normalise the maps: 0.1.
    pub validation: f64,
    /// Strength of the colour jitter on the autoencoder's branch: 0.2.
    pub jitter: f32,
    /// Probability that a penalty image is made grey: 0.3.
    pub penalty_grey: f64,
    /// The student sees a penalty image in every so many steps: 1.
    pub penalty_every: usize,
    /// Quantiles of the validation maps that become 0 and 0.1: 0.9 and 0.995.
    pub map_quantiles: [f64; 2],
    /// The threshold of the predicted mask: this many standard deviations above the mean score of
    /// the validation images, 3. Needs no defect to be chosen.
    pub threshold_sigmas: f64,
    /// The student's first convolutions that start as the teacher's, where they have one shape (all
    /// but the last): 0.
    pub warm_layers: usize,
    /// Seed of the split, the order, the initial weights, dropout and augmentation.
    pub seed: u64,
    /// Mebibytes of memory for teacher features of training images, which are then computed once;
    /// 2.3 each at 256 × 256. Changes the time, not the result.
    pub feature_cache: usize,
    /// Draws a progress bar on the standard error if that is a terminal.
    pub progress: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self::published()
    }
}

impl TrainConfig {
    /// The published recipe: EfficientAD, section 4.3 and appendix A, on which HypAD builds.
    pub fn published() -> Self {
        Self {
            steps: 70_000,
            learning_rate: 1e-4,
            weight_decay: 1e-5,
            decay_after: 0.95,
            decay_factor: 0.1,
            validation: 0.1,
            jitter: 0.2,
            penalty_grey: 0.3,
            penalty_every: 1,
            map_quantiles: [0.9, 0.995],
            threshold_sigmas: 3.0,
            warm_layers: 0,
            seed: 42,
            feature_cache: 1024,
            progress: true,
        }
    }

    /// A quarter of an hour on two cores: few steps at a high learning rate, from a student whose
    /// first convolutions are the teacher's.
    pub fn fast() -> Self {
        Self {
            steps: 1600,
            learning_rate: 5e-4,
            decay_after: 0.8,
            warm_layers: 3,
            ..Self::published()
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        let part = |value: f64| (0.0..=1.0).contains(&value);
        let at_least_0 = |value: f64| value.is_finite() && value >= 0.0;
        let [low, high] = self.map_quantiles;
        let checks = [
            (
                self.steps > 0,
                "steps",
                self.steps.to_string(),
                "at least 1",
            ),
            (
                self.learning_rate.is_finite() && self.learning_rate > 0.0,
                "learning rate",
                self.learning_rate.to_string(),
                "finite and above 0",
            ),
            (
                at_least_0(self.weight_decay.into()),
                "weight decay",
                self.weight_decay.to_string(),
                "finite and at least 0",
            ),
            (
                part(self.decay_after),
                "decay after",
                self.decay_after.to_string(),
                "between 0 and 1",
            ),
            (
                at_least_0(self.decay_factor),
                "decay factor",
                self.decay_factor.to_string(),
                "finite and at least 0",
            ),
            (
                self.validation > 0.0 && self.validation < 1.0,
                "validation",
                self.validation.to_string(),
                "between 0 and 1",
            ),
            (
                (0.0..1.0).contains(&self.jitter),
                "jitter",
                self.jitter.to_string(),
                "at least 0 and below 1",
            ),
            (
                part(self.penalty_grey),
                "penalty grey",
                self.penalty_grey.to_string(),
                "between 0 and 1",
            ),
            (
                self.penalty_every > 0,
                "penalty every",
                self.penalty_every.to_string(),
                "at least 1",
            ),
            (
                part(low) && part(high) && low < high,
                "map quantiles",
                format!("{low}, {high}"),
                "between 0 and 1, the first below the second",
            ),
            (
                at_least_0(self.threshold_sigmas),
                "threshold sigmas",
                self.threshold_sigmas.to_string(),
                "finite and at least 0",
            ),
        ];
        match checks.into_iter().find(|(fine, ..)| !fine) {
            Some((_, name, value, rule)) => Err(Error::Setting { name, value, rule }),
            None => Ok(()),
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        if step < (self.decay_after * self.steps as f64) as usize {
            self.learning_rate
        } else {
            self.learning_rate * self.decay_factor
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_once() {
        let config = TrainConfig::default();
        assert_eq!(config.learning_rate_at(0), 1e-4);
        assert_eq!(config.learning_rate_at(66_499), 1e-4);
        assert_eq!(config.learning_rate_at(66_500), 1e-4 * 0.1);
    }

    #[test]
    fn rejects_what_makes_no_sense() {
        assert!(TrainConfig::default().validate().is_ok());
        let wrong = [
            TrainConfig {
                steps: 0,
                ..Default::default()
            },
            TrainConfig {
                learning_rate: f64::NAN,
                ..Default::default()
            },
            TrainConfig {
                validation: 1.0,
                ..Default::default()
            },
            TrainConfig {
                map_quantiles: [0.9, 0.9],
                ..Default::default()
            },
            TrainConfig {
                jitter: 1.0,
                ..Default::default()
            },
        ];
        for config in wrong {
            assert!(matches!(config.validate(), Err(Error::Setting { .. })));
        }
    }
}
