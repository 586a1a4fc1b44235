//! An embedding table of points.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Int, Tensor, backend::Backend};

use super::{BallPoints, BallPointsConfig};
use crate::error::{Result, check};
use crate::geometry::HyperbolicBackend;

/// Configuration of a [`BallEmbedding`].
#[derive(Config, Debug)]
pub struct BallEmbeddingConfig {
    /// Number of points.
    pub n_embedding: usize,
    /// Number of coordinates of a point.
    pub d_model: usize,
    /// The c of the ball.
    pub c: f64,
    /// Standard deviation of the tangent vectors at the origin from which the initial points are computed.
    #[config(default = 1e-3)]
    pub spread: f64,
}

/// An embedding table: Burn's `Embedding` with points of the ball, which the optimisers of
/// [`optim`](crate::geometry::optim) move along geodesics.
///
/// Nickel, Kiela, *Poincaré Embeddings for Learning Hierarchical Representations*, NeurIPS 2017.
#[derive(Module, Debug)]
pub struct BallEmbedding<B: Backend> {
    /// The points, `[n_embedding, d_model]`.
    pub points: BallPoints<B>,
}

impl BallEmbeddingConfig {
    /// Points near the origin.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite;
    /// [`Error::Setting`](crate::Error::Setting) for a size of 0, and for a spread that is negative, NaN or
    /// infinite.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<BallEmbedding<B>> {
        check(
            self.n_embedding > 0,
            "n_embedding",
            self.n_embedding,
            "at least 1",
        )?;
        check(self.d_model > 0, "d_model", self.d_model, "at least 1")?;
        let points = BallPointsConfig::new(self.n_embedding, self.d_model, self.c);
        Ok(BallEmbedding {
            points: points.with_spread(self.spread).init(device)?,
        })
    }
}

impl<B: HyperbolicBackend> BallEmbedding<B> {
    /// The points with these indices.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, length]`, each below `n_embedding`
    /// - output: `[batch, length, d_model]`, points of the ball
    pub fn forward(&self, input: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        burn::tensor::module::embedding(self.points.val(), input)
    }
}
