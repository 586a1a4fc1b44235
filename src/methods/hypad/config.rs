//! Configuration of a HypAD model. Every number of the method is a field here.

use serde::{Deserialize, Serialize};

use super::autoencoder::AutoencoderConfig;
use super::padding::ImagePadding;
use crate::ImageSize;
use crate::error::{Error, Result, check};
use crate::features::{PdnConfig, PdnSize};
use crate::geometry::PoincareBall;
use crate::methods::{Border, Join, MapLayout};

/// How the channel vector of a location is reduced before it enters the ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Projection {
    /// Not at all.
    None,
    /// Averages over `channels / n` neighbouring channels, down to n. HypAD, section 3.2 names
    /// "a pooling layer"; axis and width are not published.
    ChannelPooling(usize),
}

/// The factor on the features before the clip, after the projection.
///
/// The teacher's features are normalised to variance 1 per channel, so a vector of n channels has
/// a root-mean-square norm of √n, 19.6 for 384. Of it the means of three channels leave 6.5 if the
/// channels are independent and 11.3 at most: far outside a clip radius of 2.3.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeatureScale {
    /// The literal reading of the paper: the clip then binds everywhere, and only directions count.
    None,
    /// Scales so that normalised features of n channels, before the projection, have this
    /// root-mean-square norm: r/√n. `RmsNorm(1.0)` is 1/√n. With means of three channels, r = 2.3
    /// leaves a norm between 0.77 and 1.33, so that the clip at 2.3 shortens few vectors.
    RmsNorm(f64),
    /// A plain number.
    Factor(f64),
}

impl FeatureScale {
    /// The factor for features of `channels` channels.
    pub fn factor(self, channels: usize) -> f64 {
        match self {
            FeatureScale::None => 1.0,
            FeatureScale::RmsNorm(norm) => norm / (channels as f64).sqrt(),
            FeatureScale::Factor(factor) => factor,
        }
    }
}

/// How two feature maps are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Distance {
    /// The geodesic distance of each location, not squared. HypAD, Eq. 6.
    Geodesic,
    /// d²/(4n) of each location, which at c = 0 is the mean squared difference of n channels.
    SquaredGeodesic,
    /// The squared difference of each channel of each location. EfficientAD; needs c = 0.
    SquaredDifference,
}

/// Configuration of a [`HypAd`](super::HypAd) model.
///
/// [`HypAdConfig::small`] is the default. Files of earlier versions lack `image_padding`, `shared_layers`,
/// `smoothing` and `join`: they have none, 0, 0 and the mean, as models were then. The variants of an
/// ablation are plain values:
///
/// ```
/// use hypad::HypAdConfig;
///
/// let h = HypAdConfig::small();                                   // HypAD, c = 0.01
/// let e1 = HypAdConfig { curvature: 0.0, ..HypAdConfig::small() }; // the same without curvature
/// let e0 = HypAdConfig::efficient_ad();                           // EfficientAD
/// # assert!(h.validate().is_ok() && e1.validate().is_ok() && e0.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HypAdConfig {
    /// Which patch description network teacher and student are.
    pub network: PdnSize,
    /// Zero padding in them, which goes with no [`image_padding`](Self::image_padding). The published results
    /// are without.
    pub padding: bool,
    /// How the image is padded before unpadded networks, so that their maps cover it: mirrored, and not at
    /// all in EfficientAD. A teacher that is not a [`Pdn`](crate::features::Pdn) sees the image as it is.
    #[serde(default)]
    pub image_padding: ImagePadding,
    /// The student's first so many convolutions are the teacher's, and are not trained; they are computed
    /// once for both. 2, and 0 in EfficientAD; fewer than the network has. A teacher that is not a
    /// [`Pdn`](crate::features::Pdn) shares none.
    #[serde(default)]
    pub shared_layers: usize,
    /// The score of the outermost 16 pixels of 256, which unpadded networks do not see without
    /// [`image_padding`](Self::image_padding).
    #[serde(default, alias = "margin")]
    pub border: Border,
    /// The size to which images are resized: 256 × 256; each side between 128 and 8192.
    pub image_size: ImageSize,
    /// Channels of the teacher: 384; at most 8192.
    pub channels: usize,
    /// Dropout of the autoencoder: 0.2.
    pub dropout: f64,
    /// Reduction of the channels: 384 → 128.
    pub projection: Projection,
    /// Factor before the clip: root-mean-square norm 2.3 of the features as they were before the
    /// projection.
    pub scale: FeatureScale,
    /// Largest norm of a vector that enters the ball, 2.3; longer ones are shortened to it.
    pub clip: Option<f64>,
    /// The curvature is −c; c = 0.01. 0 is the Euclidean limit.
    pub curvature: f64,
    /// How embeddings are compared, in training and in the map.
    pub distance: Distance,
    /// Standard deviation, in locations, of the Gaussian that smoothes the map. The default is 1; with 0,
    /// as in EfficientAD, the map is not smoothed.
    #[serde(default)]
    pub smoothing: f64,
    /// How the maps of student and teacher, and of student and autoencoder, become one: weighed by planted
    /// defects; in EfficientAD their mean.
    #[serde(default)]
    pub join: Join,
    /// The student learns from the deviations at or above this quantile of an image: 0.99 of
    /// locations for geodesic distances, 0.999 of elements for EfficientAD; 0 takes all.
    pub hard_quantile: f64,
}

/// So that a file with a wrong number does not ask for all memory there is.
const MOST_CHANNELS: usize = 8192;

impl HypAdConfig {
    /// HypAD with PDN-S and c = 0.01.
    pub fn small() -> Self {
        Self {
            network: PdnSize::Small,
            padding: false,
            image_padding: ImagePadding::Reflect,
            shared_layers: 2,
            border: Border::default(),
            image_size: ImageSize::square(256),
            channels: 384,
            dropout: 0.2,
            projection: Projection::ChannelPooling(128),
            scale: FeatureScale::RmsNorm(2.3),
            clip: Some(2.3),
            curvature: 0.01,
            distance: Distance::Geodesic,
            smoothing: 1.0,
            join: Join::PlantedDefects,
            hard_quantile: 0.99,
        }
    }

    /// HypAD read literally: the features are clipped without being scaled, which leaves of every
    /// vector only its direction, and the distance is a plain mean over all places: the paper gives
    /// neither a scale nor mining, and no smoothing. How it does beside [`small`](Self::small) is in
    /// `docs/training.md`; mining without a scale fails.
    pub fn literal() -> Self {
        Self {
            scale: FeatureScale::None,
            smoothing: 0.0,
            join: Join::Mean,
            hard_quantile: 0.0,
            shared_layers: 0,
            image_padding: ImagePadding::None,
            ..Self::small()
        }
    }

    /// HypAD with PDN-M.
    pub fn medium() -> Self {
        Self {
            network: PdnSize::Medium,
            ..Self::small()
        }
    }

    /// EfficientAD-S: Euclidean, squared, mined element by element.
    pub fn efficient_ad() -> Self {
        Self {
            projection: Projection::None,
            scale: FeatureScale::None,
            clip: None,
            curvature: 0.0,
            distance: Distance::SquaredDifference,
            smoothing: 0.0,
            join: Join::Mean,
            hard_quantile: 0.999,
            shared_layers: 0,
            image_padding: ImagePadding::None,
            ..Self::small()
        }
    }

    /// For tests: few channels, small images, a curvature that counts.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self {
            channels: 24,
            projection: Projection::ChannelPooling(8),
            curvature: 0.3,
            image_size: ImageSize::square(128),
            ..Self::small()
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`] or [`Error::Setting`] for the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        PoincareBall::new(self.curvature)?;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        check(
            (1..=MOST_CHANNELS).contains(&self.channels),
            "channels",
            self.channels,
            "between 1 and 8192",
        )?;
        if let Projection::ChannelPooling(n) = self.projection {
            check(
                n > 0 && self.channels.is_multiple_of(n),
                "projection",
                n,
                "a divisor of the number of channels",
            )?;
        }
        check(
            positive(self.scale.factor(self.channels)),
            "scale",
            format!("{:?}", self.scale),
            "finite and above 0",
        )?;
        let clip = self.clip.unwrap_or(1.0);
        check(positive(clip), "clip", clip, "finite and above 0")?;
        check(
            self.distance != Distance::SquaredDifference || self.curvature == 0.0,
            "curvature",
            self.curvature,
            "0 with the Euclidean squared difference",
        )?;
        check(
            (0.0..=MapLayout::MOST_SMOOTHING).contains(&self.smoothing),
            "smoothing",
            self.smoothing,
            "between 0 and 32 locations",
        )?;
        check(
            (0.0..1.0).contains(&self.hard_quantile),
            "hard quantile",
            self.hard_quantile,
            "at least 0 and below 1",
        )?;
        check(
            (0.0..1.0).contains(&self.dropout),
            "dropout",
            self.dropout,
            "at least 0 and below 1",
        )?;
        check(
            self.shared_layers < self.network.convolutions(),
            "shared layers",
            self.shared_layers,
            "fewer than the convolutions of the network",
        )?;
        check(
            !self.padding || self.image_padding == ImagePadding::None,
            "image padding",
            format!("{:?}", self.image_padding),
            "none with padded networks",
        )?;
        AutoencoderConfig::check_input(self.image_size)?;
        self.output_size().map(|_| ())
    }

    /// The size of the feature maps: 64 × 64 with padding of the image or in the networks, else 56 × 56.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for images that are too small for the networks.
    pub fn output_size(&self) -> Result<ImageSize> {
        let pdn = self.teacher();
        let size = self.image_padding.padded(self.image_size);
        match (pdn.output_size(size.width), pdn.output_size(size.height)) {
            (Some(width), Some(height)) => Ok(ImageSize { width, height }),
            _ => Err(Error::Setting {
                name: "image size",
                value: self.image_size.to_string(),
                rule: "at least 33 x 33 for the networks",
            }),
        }
    }

    pub(crate) fn teacher(&self) -> PdnConfig {
        PdnConfig {
            size: self.network,
            channels: self.channels,
            padding: self.padding,
        }
    }
}

impl Default for HypAdConfig {
    fn default() -> Self {
        Self::small()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_makes_no_sense() {
        let wrong = [
            HypAdConfig {
                curvature: -1.0,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                clip: Some(0.0),
                ..HypAdConfig::small()
            },
            HypAdConfig {
                projection: Projection::ChannelPooling(100),
                ..HypAdConfig::small()
            },
            HypAdConfig {
                scale: FeatureScale::Factor(f64::NAN),
                ..HypAdConfig::small()
            },
            HypAdConfig {
                hard_quantile: 1.0,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                smoothing: f64::NAN,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                smoothing: -1.0,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                smoothing: 33.0,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                shared_layers: 4,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                padding: true,
                image_padding: ImagePadding::Reflect,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                image_size: ImageSize::new(256, 16),
                ..HypAdConfig::small()
            },
            HypAdConfig {
                image_size: ImageSize::new(usize::MAX, 256),
                ..HypAdConfig::small()
            },
            HypAdConfig {
                channels: usize::MAX,
                projection: Projection::None,
                ..HypAdConfig::small()
            },
            HypAdConfig {
                curvature: 0.01,
                ..HypAdConfig::efficient_ad()
            },
        ];
        for config in wrong {
            assert!(config.validate().is_err(), "{config:?}");
        }
    }

    #[test]
    fn survives_json() {
        for config in [
            HypAdConfig::small(),
            HypAdConfig::literal(),
            HypAdConfig::medium(),
            HypAdConfig::efficient_ad(),
        ] {
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<HypAdConfig>(&json).unwrap(), config);
        }
    }
}
