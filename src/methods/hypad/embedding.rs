//! The exponential-map module: from feature maps to distances in the ball.

use burn::tensor::{ElementConversion, Tensor};

use super::config::{Distance, HypAdConfig, Projection};
use crate::error::Result;
use crate::features::ops::{ModelBackend, pool_channels};
use crate::geometry::PoincareBall;

/// Projects, scales and clips feature vectors and compares them in the Poincaré ball.
///
/// It has no parameters. The exponential map at the origin and the distance are taken together
/// ([`PoincareBall::dist_expmap0`]), so no digits are lost on the way through the ball.
#[derive(Clone, Debug)]
pub struct Embedding {
    ball: PoincareBall,
    projection: Projection,
    factor: f64,
    clip: Option<f64>,
    distance: Distance,
    group: usize,
    width: usize,
}

/// The channel axis of `[batch, channels, height, width]`.
const CHANNELS: usize = 1;

impl Embedding {
    /// The module of a configuration.
    ///
    /// # Errors
    ///
    /// Those of [`HypAdConfig::validate`].
    pub fn new(config: &HypAdConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            ball: PoincareBall::new(config.curvature)?.along(CHANNELS),
            projection: config.projection,
            factor: config.scale.factor(config.channels),
            clip: config.clip,
            distance: config.distance,
            group: match config.projection {
                Projection::ChannelPooling(n) => config.channels / n,
                Projection::None => 1,
            },
            width: match (config.distance, config.projection) {
                (Distance::SquaredDifference, Projection::ChannelPooling(n)) => n,
                (Distance::SquaredDifference, Projection::None) => config.channels,
                _ => 1,
            },
        })
    }

    /// How many deviations a location has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How many neighbouring channels the projection takes together.
    pub(crate) fn group(&self) -> usize {
        self.group
    }

    /// The tangent vectors at the origin: projection, scale, clip.
    ///
    /// # Shapes
    ///
    /// - features: `[batch, channels, h, w]`, or `[batch, n, h, w]` if they are projected already
    /// - output: `[batch, n, h, w]`, n the width of the projection
    pub fn tangent<B: ModelBackend>(&self, features: Tensor<B, 4>) -> Tensor<B, 4> {
        let p = self.scaled(features);
        match self.clip {
            Some(radius) => self.ball.clip(radius, p),
            None => p,
        }
    }

    /// The part of the vectors that a clip at this radius makes shorter.
    pub(crate) fn clipped<B: ModelBackend>(&self, radius: f64, features: Tensor<B, 4>) -> f64 {
        let squares = self.scaled(features).square().sum_dim(CHANNELS);
        let longer = squares.greater_elem(radius * radius).float().mean();
        longer.into_scalar().elem()
    }

    /// Projection and scale.
    fn scaled<B: ModelBackend>(&self, features: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut p = features;
        if let Projection::ChannelPooling(n) = self.projection {
            let group = p.dims()[CHANNELS] / n;
            if group > 1 {
                p = pool_channels(p, group);
            }
        }
        match self.factor {
            1.0 => p,
            factor => p * factor,
        }
    }

    /// The exponential map at the origin of [`tangent`](Self::tangent): points of the ball.
    ///
    /// # Shapes
    ///
    /// As `tangent`.
    pub fn embed<B: ModelBackend>(&self, features: Tensor<B, 4>) -> Tensor<B, 4> {
        self.ball.expmap0(self.tangent(features))
    }

    /// How far two feature maps are apart.
    ///
    /// # Shapes
    ///
    /// - a, b: `[batch, channels, h, w]`
    /// - output: `[batch, 1, h, w]`, or `[batch, n, h, w]` for [`Distance::SquaredDifference`]
    pub fn deviation<B: ModelBackend>(&self, a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4> {
        let (a, b) = (self.tangent(a), self.tangent(b));
        let channels = a.dims()[CHANNELS] as f64;
        match self.distance {
            Distance::SquaredDifference => (a - b).square(),
            Distance::Geodesic => self.ball.dist_expmap0(a, b),
            Distance::SquaredGeodesic => self.ball.dist_expmap0(a, b).square() * (0.25 / channels),
        }
    }

    /// [`deviation`](Self::deviation) as one number a location.
    ///
    /// # Shapes
    ///
    /// - a, b: `[batch, channels, h, w]`
    /// - output: `[batch, 1, h, w]`
    pub fn map<B: ModelBackend>(&self, a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4> {
        self.deviation(a, b).mean_dim(CHANNELS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hypad::FeatureScale;
    use burn::backend::Flex;
    use burn::tensor::{Distribution, Tolerance};

    type T = Tensor<Flex, 4>;

    fn features() -> (T, T) {
        let device = Default::default();
        let random = || T::random([2, 384, 3, 2], Distribution::Normal(0.0, 1.0), &device);
        (random(), random())
    }

    #[test]
    fn clips_long_vectors_to_the_radius_and_leaves_short_ones() {
        let config = HypAdConfig {
            projection: Projection::None,
            scale: FeatureScale::None,
            ..HypAdConfig::small()
        };
        let embedding = Embedding::new(&config).unwrap();
        let (long, _) = features();
        let short = long.clone() * 0.01;
        let norms = embedding.tangent(long.clone()).square().sum_dim(1).sqrt();
        let expected = norms.ones_like() * 2.3;
        let tolerance = Tolerance::<f32>::relative(2e-6);
        norms
            .into_data()
            .assert_approx_eq(&expected.into_data(), tolerance);
        let kept = embedding.tangent(short.clone());
        kept.into_data()
            .assert_approx_eq(&short.clone().into_data(), Tolerance::<f32>::absolute(1e-7));
        let clipped = embedding.clipped(2.3, Tensor::cat(vec![short.clone(), long, short], 0));
        assert!((clipped - 1.0 / 3.0).abs() < 1e-7, "{clipped}");
    }

    #[test]
    fn deviation_is_the_distance_in_the_ball() {
        let config = HypAdConfig {
            curvature: 0.3,
            ..HypAdConfig::small()
        };
        let embedding = Embedding::new(&config).unwrap();
        let (a, b) = features();
        let ball = PoincareBall::new(0.3).unwrap().along(1);
        let expected = ball.dist(embedding.embed(a.clone()), embedding.embed(b.clone()));
        let deviation = embedding.deviation(a, b);
        assert_eq!(deviation.dims(), [2, 1, 3, 2]);
        let tolerance = Tolerance::<f32>::relative(1e-5);
        deviation
            .into_data()
            .assert_approx_eq(&expected.into_data(), tolerance);
    }

    /// d²/(4n) at c = 0 without projection, scale and clip is EfficientAD's channel mean.
    #[test]
    fn squared_distance_without_curvature_is_the_mean_squared_difference() {
        let e0 = HypAdConfig::efficient_ad();
        let squared = HypAdConfig {
            distance: Distance::SquaredGeodesic,
            ..e0.clone()
        };
        let (a, b) = features();
        let expected = Embedding::new(&e0).unwrap().map(a.clone(), b.clone());
        let map = Embedding::new(&squared).unwrap().map(a, b);
        let tolerance = Tolerance::<f32>::relative(1e-5);
        map.into_data()
            .assert_approx_eq(&expected.into_data(), tolerance);
    }
}
