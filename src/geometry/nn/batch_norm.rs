//! Batch normalisation in the ball.

use burn::config::Config;
use burn::module::{Module, Param, RunningState};
use burn::tensor::{Tensor, backend::Backend};

use super::curvature::{stored_ball, stored_curvature};
use super::on_rows;
use crate::error::{Result, check};
use crate::geometry::ops::primitive::scalars::nan_unless_finite;
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// Configuration of a [`BallBatchNorm`].
#[derive(Config, Debug)]
pub struct BallBatchNormConfig {
    /// Number of coordinates of a point.
    pub dim: usize,
    /// The c of the ball.
    pub c: f64,
    /// Weight of a batch in the update of the running statistics.
    #[config(default = 0.1)]
    pub momentum: f64,
    /// Added to the variance before the square root.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

/// Batch normalisation of points to a learned mean and a learned variance.
///
/// y = exp_β(√(γ/(σ² + ε)) P_{μ→β}(log_μ(x))), with μ the midpoint of the batch and σ² the mean
/// squared distance to it. Lou et al., *Differentiating through the Fréchet Mean*, ICML 2020,
/// with the closed-form midpoint in place of the Fréchet mean as in van Spengler et al.,
/// *Poincaré ResNet*, ICCV 2023. Outside of training, the running statistics are used.
#[derive(Module, Debug)]
pub struct BallBatchNorm<B: Backend> {
    /// Tangent vector at the origin, `[1, dim]`, whose exp₀ is the learned mean β.
    pub beta: Param<Tensor<B, 2>>,
    /// The learned variance γ, `[1]`; its absolute value is used.
    pub gamma: Param<Tensor<B, 1>>,
    /// Running midpoint, `[1, dim]`.
    pub running_mean: RunningState<Tensor<B, 2>>,
    /// Running variance, `[1]`.
    pub running_var: RunningState<Tensor<B, 1>>,
    c: Param<Tensor<B, 1>>,
    momentum: f64,
    epsilon: f64,
}

impl BallBatchNormConfig {
    /// The layer, initially with the mean at the origin and the variance 1.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite;
    /// [`Error::Setting`](crate::Error::Setting) for a `dim` of 0, a momentum that is not between 0 and 1,
    /// and an ε that is negative, NaN or infinite.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<BallBatchNorm<B>> {
        let ball = PoincareBall::new(self.c)?;
        check(self.dim > 0, "dim", self.dim, "at least 1")?;
        let (momentum, epsilon) = (self.momentum, self.epsilon);
        let valid = (0.0..=1.0).contains(&momentum);
        check(valid, "momentum", momentum, "between 0 and 1")?;
        let valid = epsilon.is_finite() && epsilon >= 0.0;
        check(valid, "epsilon", epsilon, "finite and at least 0")?;
        Ok(BallBatchNorm {
            beta: Param::from_tensor(Tensor::zeros([1, self.dim], device)),
            gamma: Param::from_tensor(Tensor::ones([1], device)),
            running_mean: RunningState::new(Tensor::zeros([1, self.dim], device)),
            running_var: RunningState::new(Tensor::ones([1], device)),
            c: stored_curvature(&ball, device),
            momentum,
            epsilon,
        })
    }
}

impl<B: HyperbolicBackend> BallBatchNorm<B> {
    /// The ball of the points, from the configuration or from the record that was loaded.
    pub fn ball(&self) -> PoincareBall {
        stored_ball(&self.c)
    }

    /// The normalised points. As in Burn's own `BatchNorm`, an autodiff backend uses the statistics of the
    /// batch and updates the running ones.
    ///
    /// # Shapes
    ///
    /// - x: `[..., dim]`, points of the ball; the statistics are computed over all of them
    /// - output: `[..., dim]`, points of the ball
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        on_rows(x, |x| self.forward_rows(x))
    }

    /// The normalised points, for x of the shape `[batch, dim]`.
    fn forward_rows(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let ball = self.ball();
        let (mean, variance) = if B::ad_enabled(&x.device()) {
            self.batch_statistics(&ball, x.clone())
        } else {
            (self.running_mean.value(), self.running_var.value())
        };
        let beta = ball.expmap0(self.beta.val());
        let scale = (self.gamma.val().abs() / variance.clone().add_scalar(self.epsilon)).sqrt();
        let scale = nan_unless_finite(scale, variance);
        let transported = ball.ptransp(mean.clone(), beta.clone(), ball.logmap(mean, x));
        ball.expmap(beta, transported * scale.reshape([1, 1]))
    }

    /// The midpoint and the variance of a batch; updates the running ones.
    fn batch_statistics(
        &self,
        ball: &PoincareBall,
        x: Tensor<B, 2>,
    ) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let [batch, _] = x.dims();
        let ones = Tensor::ones([batch, 1], (&x.device(), x.dtype()));
        let mean = ball.midpoint(x.clone(), ones, 0);
        let variance = ball.dist(x, mean.clone()).square().mean();
        let running_mean = self.running_mean.value_sync();
        let running_mean = ball.geodesic(self.momentum, running_mean, mean.clone().detach());
        self.running_mean.update(running_mean);
        let running_term = self
            .running_var
            .value_sync()
            .mul_scalar(1.0 - self.momentum);
        let batch_term = variance.clone().detach().mul_scalar(self.momentum);
        self.running_var.update(running_term + batch_term);
        (mean, variance)
    }
}
