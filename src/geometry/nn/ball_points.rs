//! Parameters that are points of the ball.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Distribution, Tensor, TensorData, backend::Backend};

use crate::error::{Error, Result};
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
    // Its eight bytes as numbers, which no float type and no record rounds. Before the points: an
    // optimiser meets it first.
    c: Param<Tensor<B, 1>>,
    /// `[count, dim]`.
    pub points: Param<Tensor<B, 2>>,
}

impl BallPointsConfig {
    /// Points near the origin: exp₀ of normal tangent vectors.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`] for a c that is negative, NaN or infinite;
    /// [`Error::Setting`] for a spread that is not a number of at least 0.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<BallPoints<B>> {
        let ball = PoincareBall::new(self.c)?;
        if !(self.spread.is_finite() && self.spread >= 0.0) {
            return Err(Error::Setting {
                name: "spread",
                value: self.spread.to_string(),
                rule: "finite and at least 0",
            });
        }
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
        let bytes = TensorData::from(ball.c().to_le_bytes().map(f32::from));
        let c = Tensor::from_data(bytes, (&points.device(), points.dtype()));
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

/// The ball of a stored c. A record with a c that makes no sense gives NaN wherever it is used.
pub(in crate::geometry) fn ball_of<B: Backend, const D: usize>(
    bytes: Tensor<B, D>,
) -> PoincareBall {
    let bytes: Vec<u8> = bytes
        .into_data()
        .iter::<f32>()
        .map(|byte| byte as u8)
        .collect();
    let c = bytes.try_into().map_or(f64::NAN, f64::from_le_bytes);
    PoincareBall::new(c).unwrap_or_else(|_| PoincareBall::from_parts(f64::NAN, None))
}
