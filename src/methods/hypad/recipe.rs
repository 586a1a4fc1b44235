//! How a model is trained. Every number of the recipe is a field here.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};
use crate::training::Schedule;

/// The recipe. [`TrainConfig::default`] is [`fast`](TrainConfig::fast); the numbers below are those of
/// [`published`](TrainConfig::published).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Steps of one image each: 70,000.
    pub steps: usize,
    /// Learning rate of Adam: 1e-4.
    pub learning_rate: f64,
    /// L2 penalty added to the gradient, not decoupled: 1e-5.
    pub weight_decay: f32,
    /// How the learning rate falls: to a tenth after 0.95 of the steps.
    pub schedule: Schedule,
    /// Part of the training images held out to normalise the maps and for the threshold: 0.1, rounded
    /// up.
    pub validation: f64,
    /// Strength of the colour jitter on the autoencoder's branch: 0.2.
    pub jitter: f32,
    /// Probability that a penalty image is made grey: 0.3.
    pub penalty_grey: f64,
    /// The student sees a penalty image in every so many steps: 1.
    pub penalty_every: usize,
    /// Quantiles of the validation maps that become 0 and 0.1: 0.9 and 0.995.
    pub map_quantiles: [f64; 2],
    /// The threshold of images: this many standard deviations above the mean score of the validation
    /// images, 3. Needs no defect to be chosen.
    pub threshold_sigmas: f64,
    /// The threshold of pixels, from which on they are in the mask: the lowest that no more than this part
    /// of the locations of the validation images reaches, 0.0005, lowered to that of images where it is
    /// above. Needs no defect either.
    #[serde(default = "pixel_false_positives")]
    pub pixel_false_positives: f64,
    /// The least standard deviation of these scores that the threshold assumes: 0.01, a tenth of the
    /// distance between the two quantiles of the maps. Without it the threshold of images that are all
    /// alike, or of one image, would be the score of any such image.
    #[serde(default = "least_deviation")]
    pub least_deviation: f64,
    /// The student's first convolutions that start as the teacher's, where they have one shape (all
    /// but the last): 0. Those that are shared
    /// ([`HypAdConfig::shared_layers`](super::HypAdConfig::shared_layers)) are its own in any case. Of a teacher that is not a PDN none can be copied, which is a warning.
    #[serde(alias = "warm_layers")]
    pub copied_layers: usize,
    /// The autoencoder's terms of a step are taken in one of `tiles` × `tiles` parts of the image,
    /// drawn at random, which spares the teacher and the student the others: 1, the whole image. The
    /// parts overlap where it does not divide the rows or columns of the feature maps. Padded networks
    /// take 1 only.
    pub tiles: usize,
    /// Seed of all that is random: split, order, initial weights, dropout, augmentation, parts of
    /// images, penalty images.
    pub seed: u64,
}

fn pixel_false_positives() -> f64 {
    0.0005
}

fn least_deviation() -> f64 {
    0.01
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self::fast()
    }
}

impl TrainConfig {
    /// The published recipe: EfficientAD, section 4.3 and appendix A, on which HypAD builds. The model has
    /// no shared layers there ([`HypAdConfig::shared_layers`](super::HypAdConfig::shared_layers) = 0).
    pub fn published() -> Self {
        Self {
            steps: 70_000,
            learning_rate: 1e-4,
            weight_decay: 1e-5,
            schedule: Schedule::Step {
                after: 0.95,
                factor: 0.1,
            },
            validation: 0.1,
            jitter: 0.2,
            penalty_grey: 0.3,
            penalty_every: 1,
            map_quantiles: [0.9, 0.995],
            threshold_sigmas: 3.0,
            pixel_false_positives: pixel_false_positives(),
            least_deviation: least_deviation(),
            copied_layers: 0,
            tiles: 1,
            seed: 42,
        }
    }

    /// Five minutes on two cores, ten or more for EfficientAD: few steps at a high learning rate, from a
    /// student whose first convolutions are the teacher's, with the autoencoder's terms in a quarter of the
    /// image.
    /// For unpadded networks.
    pub fn fast() -> Self {
        Self {
            steps: 1600,
            learning_rate: 5e-4,
            schedule: Schedule::Linear,
            copied_layers: 3,
            tiles: 2,
            ..Self::published()
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) for the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        let part = |value: f64| (0.0..=1.0).contains(&value);
        let at_least_0 = |value: f64| value.is_finite() && value >= 0.0;
        let [low, high] = self.map_quantiles;
        check(self.steps > 0, "steps", self.steps, "at least 1")?;
        check(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "learning rate",
            self.learning_rate,
            "finite and above 0",
        )?;
        check(
            at_least_0(self.weight_decay.into()),
            "weight decay",
            self.weight_decay,
            "finite and at least 0",
        )?;
        self.schedule.validate()?;
        check(
            self.validation > 0.0 && self.validation < 1.0,
            "validation",
            self.validation,
            "between 0 and 1",
        )?;
        check(
            (0.0..1.0).contains(&self.jitter),
            "jitter",
            self.jitter,
            "at least 0 and below 1",
        )?;
        check(
            part(self.penalty_grey),
            "penalty grey",
            self.penalty_grey,
            "between 0 and 1",
        )?;
        check(
            self.penalty_every > 0,
            "penalty every",
            self.penalty_every,
            "at least 1",
        )?;
        check(self.tiles > 0, "tiles", self.tiles, "at least 1")?;
        check(
            part(low) && part(high) && low < high,
            "map quantiles",
            format!("{low}, {high}"),
            "between 0 and 1, the first below the second",
        )?;
        check(
            part(self.pixel_false_positives),
            "pixel false positives",
            self.pixel_false_positives,
            "between 0 and 1",
        )?;
        check(
            at_least_0(self.threshold_sigmas),
            "threshold sigmas",
            self.threshold_sigmas,
            "finite and at least 0",
        )?;
        check(
            at_least_0(self.least_deviation),
            "least deviation",
            self.least_deviation,
            "finite and at least 0",
        )
    }

    /// The learning rate of a step, counted from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        self.learning_rate * self.schedule.factor(step, self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn rejects_what_makes_no_sense() {
        assert!(TrainConfig::fast().validate().is_ok());
        assert!(TrainConfig::published().validate().is_ok());
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
                schedule: Schedule::Step {
                    after: 1.5,
                    factor: 0.1,
                },
                ..Default::default()
            },
            TrainConfig {
                tiles: 0,
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
