//! Classification by the distance to learned points.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::{BallPoints, BallPointsConfig};
use crate::error::{Result, check};
use crate::geometry::HyperbolicBackend;

/// Configuration of [`Prototypes`].
#[derive(Config, Debug)]
pub struct PrototypesConfig {
    /// Number of coordinates of a point.
    pub d_input: usize,
    /// Number of classes, with one prototype each.
    pub classes: usize,
    /// The c of the ball.
    pub c: f64,
    /// Standard deviation of the initial prototypes, in the tangent space at the origin.
    #[config(default = 0.1)]
    pub spread: f64,
}

/// A classifier with one point of the ball per class; the logits are the negative distances to the points.
#[derive(Module, Debug)]
pub struct Prototypes<B: Backend> {
    /// The prototypes, `[classes, d_input]`.
    pub prototypes: BallPoints<B>,
}

impl PrototypesConfig {
    /// Prototypes near the origin.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite;
    /// [`Error::Setting`](crate::Error::Setting) for a size of 0, and for a spread that is negative, NaN or
    /// infinite.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<Prototypes<B>> {
        check(self.classes > 0, "classes", self.classes, "at least 1")?;
        check(self.d_input > 0, "d_input", self.d_input, "at least 1")?;
        let points = BallPointsConfig::new(self.classes, self.d_input, self.c);
        Ok(Prototypes {
            prototypes: points.with_spread(self.spread).init(device)?,
        })
    }
}

impl<B: HyperbolicBackend> Prototypes<B> {
    /// Logits −d(x, pₖ).
    ///
    /// # Shapes
    ///
    /// - x: `[batch, d_input]`, points of the ball
    /// - output: `[batch, classes]`
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let ball = self.prototypes.ball();
        ball.pairwise_dist(x, self.prototypes.val()).neg()
    }
}
