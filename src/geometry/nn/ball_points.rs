//! Parameters that are points of the ball.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Distribution, Tensor, backend::Backend};

use crate::error::Result;
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// Configuration of [`BallPoints`].
#[derive(Config, Debug)]
pub struct BallPointsConfig {
    /// How many points.
    pub count: usize,
    /// Coordinates of each.
    pub dim: usize,
    /// The c of the ball.
    pub c: f64,
    /// Standard deviation of the tangent vectors that the first points are the images of.
    #[config(default = 1e-3)]
    pub spread: f64,
}

/// Points of a ball, as the parameters of a module.
///
/// The optimisers of [`optim`](crate::geometry::optim) know them by their type and move them along
/// geodesics; any other optimiser treats them as Euclidean, and may move them out of the ball.
#[derive(Module, Debug)]
pub struct BallPoints<B: Backend> {
    // Before the points: an optimiser meets it first.
    c: Param<Tensor<B, 1>>,
    /// `[count, dim]`.
    pub points: Param<Tensor<B, 2>>,
}

impl BallPointsConfig {
    /// Points near the origin: exp₀ of normal tangent vectors.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<BallPoints<B>> {
        let ball = PoincareBall::new(self.c)?;
        let normal = Distribution::Normal(0.0, self.spread);
        let tangent = Tensor::random([self.count, self.dim], normal, device);
        Ok(BallPoints::new(ball, ball.expmap0(tangent)))
    }
}

impl<B: HyperbolicBackend> BallPoints<B> {
    /// These points of that ball.
    ///
    /// # Shapes
    ///
    /// - points: `[count, dim]`
    pub fn new(ball: PoincareBall, points: Tensor<B, 2>) -> Self {
        let c = Tensor::full([1], ball.c(), (&points.device(), points.dtype()));
        Self {
            c: Param::from_tensor(c).set_require_grad(false),
            points: Param::from_tensor(points.detach()),
        }
    }

    /// The ball that they lie in.
    pub fn ball(&self) -> PoincareBall {
        ball_of(self.c.val())
    }

    /// The points, `[count, dim]`.
    pub fn val(&self) -> Tensor<B, 2> {
        self.points.val()
    }
}

/// The ball of a stored c; a record that holds none counts as c = 0.
pub(in crate::geometry) fn ball_of<B: Backend, const D: usize>(c: Tensor<B, D>) -> PoincareBall {
    let c = c.into_data().iter::<f64>().next().unwrap_or(0.0);
    PoincareBall::new(c).unwrap_or_else(|_| PoincareBall::from_parts(0.0, None))
}
