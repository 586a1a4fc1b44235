//! Parameters that are points of the ball.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{DType, Distribution, Tensor, TensorData, backend::Backend};

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
    // In parts, see `parts_of`. Before the points: an optimiser meets it first.
    c: Param<Tensor<B, 1>>,
    /// `[count, dim]`.
    pub points: Param<Tensor<B, 2>>,
}

impl BallPointsConfig {
    /// Points near the origin: exp₀ of normal tangent vectors.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite as an
    /// f32.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<BallPoints<B>> {
        let ball = PoincareBall::new(self.c)?;
        let normal = Distribution::Normal(0.0, self.spread);
        let tangent = Tensor::random([self.count, self.dim], normal, device);
        BallPoints::new(ball, ball.expmap0(tangent))
    }
}

impl<B: HyperbolicBackend> BallPoints<B> {
    /// These points of that ball.
    ///
    /// # Shapes
    ///
    /// - points: `[count, dim]`
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is infinite as an f32.
    pub fn new(ball: PoincareBall, points: Tensor<B, 2>) -> Result<Self> {
        if (ball.c() as f32).is_infinite() {
            return Err(Error::Curvature(ball.c()));
        }
        let parts = TensorData::from(parts_of(ball.c()));
        let c = Tensor::from_data(parts, (&points.device(), DType::F32));
        Ok(Self {
            c: Param::from_tensor(c).set_require_grad(false),
            points: Param::from_tensor(points.detach()),
        })
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

/// Three f32 numbers whose sum is c to all digits of an f64, which not every device has.
fn parts_of(c: f64) -> [f32; 3] {
    let mut rest = c;
    [(); 3].map(|()| {
        let part = rest as f32;
        rest -= f64::from(part);
        part
    })
}

/// The ball of a stored c. A record with a c that makes no sense gives NaN wherever it is used.
pub(in crate::geometry) fn ball_of<B: Backend, const D: usize>(c: Tensor<B, D>) -> PoincareBall {
    let parts: Vec<f64> = c.into_data().iter().collect();
    // The smallest first, for the sum of the others is rounded.
    let c = parts.iter().rev().sum();
    PoincareBall::new(c).unwrap_or_else(|_| PoincareBall::from_parts(f64::NAN, None))
}
