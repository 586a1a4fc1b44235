//! From Euclidean features to the ball.

use burn::tensor::Tensor;

use crate::error::{Result, check};
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// Clips feature vectors and maps them to the ball by the exponential map at the origin.
///
/// Without clipping, features that grow in training are mapped close to the boundary, where gradients
/// vanish: Guo et al., *Clipped Hyperbolic Classifiers Are Super-Hyperbolic Classifiers*, CVPR 2022.
///
/// For distances between such points, [`tangent`](Self::tangent) with [`PoincareBall::dist_expmap0`] is more
/// accurate than [`forward`](Self::forward) with [`PoincareBall::dist`].
#[derive(Clone, Debug)]
pub struct ExpMap {
    ball: PoincareBall,
    clip: Option<f64>,
}

impl ExpMap {
    /// The map to this ball; `clip` is the largest length of a feature vector, 2.3 in Hyp-ViT and
    /// HypAD, or `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for a clip that is not finite and above 0.
    pub fn new(ball: PoincareBall, clip: Option<f64>) -> Result<Self> {
        if let Some(radius) = clip {
            let valid = radius > 0.0 && radius.is_finite();
            check(valid, "clip", radius, "a positive number, or none")?;
        }
        Ok(Self { ball, clip })
    }

    /// The ball to which the features are mapped.
    pub fn ball(&self) -> PoincareBall {
        self.ball
    }

    /// The clipped features: tangent vectors at the origin.
    ///
    /// # Shapes
    ///
    /// - features: `[..., n]`, on the axis of the ball
    /// - output: the shape of the features
    pub fn tangent<B: HyperbolicBackend, const D: usize>(
        &self,
        features: Tensor<B, D>,
    ) -> Tensor<B, D> {
        match self.clip {
            Some(radius) => self.ball.clip(radius, features),
            None => features,
        }
    }

    /// The points of the ball.
    ///
    /// # Shapes
    ///
    /// - features: `[..., n]`, on the axis of the ball
    /// - output: the shape of the features
    pub fn forward<B: HyperbolicBackend, const D: usize>(
        &self,
        features: Tensor<B, D>,
    ) -> Tensor<B, D> {
        self.ball.expmap0(self.tangent(features))
    }
}
