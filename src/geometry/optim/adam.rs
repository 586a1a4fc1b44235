//! Riemannian Adam.

use burn::config::Config;
use burn::module::AutodiffModule;
use burn::optim::LearningRate;
use burn::optim::SimpleOptimizer;
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::{Riemannian, RiemannianStep, check_decay};
use crate::error::{Result, check};
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// Configuration of [`RiemannianAdam`], with the usual values as defaults.
#[derive(Config, Debug)]
pub struct RiemannianAdamConfig {
    /// Decay rate of the first moment.
    #[config(default = 0.9)]
    pub beta_1: f64,
    /// Decay rate of the second moment.
    #[config(default = 0.999)]
    pub beta_2: f64,
    /// Added to the square root of the second moment.
    #[config(default = 1e-8)]
    pub epsilon: f64,
}

/// Adam with moments of the Riemannian gradient: x ← expₓ(−lr m̂/(√v̂ + ε)).
///
/// Bécigneul, Ganea, *Riemannian Adaptive Optimization Methods*, ICLR 2019. A point is one factor
/// of the product of manifolds, so v is one number per point, the mean square of the gradient's
/// Riemannian length; m is parallel transported to the new point. Euclidean parameters get Adam.
#[derive(Clone, Debug)]
pub struct RiemannianAdam {
    config: RiemannianAdamConfig,
}

/// Moments of the gradients.
#[derive(Record, Clone, Debug)]
pub struct RiemannianAdamState<B: Backend, const D: usize> {
    steps: usize,
    first: Tensor<B, D>,
    second: Tensor<B, D>,
}

impl RiemannianAdamConfig {
    /// The optimiser of a module.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for a β that is not in [0, 1), and an ε that is not
    /// finite and above 0.
    pub fn init<B, M>(&self) -> Result<Riemannian<RiemannianAdam, M, B>>
    where
        B: AutodiffBackend,
        B::InnerBackend: HyperbolicBackend,
        M: AutodiffModule<B>,
    {
        check_decay("beta_1", self.beta_1)?;
        check_decay("beta_2", self.beta_2)?;
        let valid = self.epsilon.is_finite() && self.epsilon > 0.0;
        check(valid, "epsilon", self.epsilon, "finite and above 0")?;
        let config = self.clone();
        Ok(RiemannianAdam { config }.into())
    }
}

impl RiemannianAdam {
    /// The moments, updated with a gradient and its square.
    fn moments<B: Backend, const D: usize>(
        &self,
        grad: Tensor<B, D>,
        grad_squared: Tensor<B, D>,
        state: Option<RiemannianAdamState<B, D>>,
    ) -> RiemannianAdamState<B, D> {
        let RiemannianAdamConfig { beta_1, beta_2, .. } = self.config;
        let first = grad.mul_scalar(1.0 - beta_1);
        let second = grad_squared.mul_scalar(1.0 - beta_2);
        match state {
            Some(state) => RiemannianAdamState {
                steps: state.steps + 1,
                first: state.first.mul_scalar(beta_1) + first,
                second: state.second.mul_scalar(beta_2) + second,
            },
            None => RiemannianAdamState {
                steps: 1,
                first,
                second,
            },
        }
    }

    /// m̂/(√v̂ + ε).
    fn direction<B: Backend, const D: usize>(
        &self,
        state: &RiemannianAdamState<B, D>,
    ) -> Tensor<B, D> {
        let steps = state.steps as f64;
        let [correction_1, correction_2] =
            [self.config.beta_1, self.config.beta_2].map(|beta| 1.0 - beta.powf(steps));
        let sqrt_v = state.second.clone().div_scalar(correction_2).sqrt();
        state.first.clone().div_scalar(correction_1) / sqrt_v.add_scalar(self.config.epsilon)
    }
}

impl<B: Backend> SimpleOptimizer<B> for RiemannianAdam {
    type State<const D: usize> = RiemannianAdamState<B, D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<B, D>,
        grad: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let state = self.moments(grad.clone(), grad.square(), state);
        let step = self.direction(&state).mul_scalar(lr);
        (tensor - step, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        RiemannianAdamState {
            steps: state.steps,
            first: state.first.to_device(device),
            second: state.second.to_device(device),
        }
    }
}

impl<B: HyperbolicBackend> RiemannianStep<B> for RiemannianAdam {
    fn step_points<const D: usize>(
        &self,
        ball: &PoincareBall,
        lr: LearningRate,
        points: Tensor<B, D>,
        grad: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let grad = ball.egrad2rgrad(points.clone(), grad);
        let grad_squared = ball.inner(points.clone(), grad.clone(), grad.clone());
        let mut state = self.moments(grad, grad_squared, state);
        let step = self.direction(&state).mul_scalar(-lr);
        let new_points = ball.project(ball.expmap(points.clone(), step));
        state.first = ball.ptransp(points, new_points.clone(), state.first);
        (new_points, Some(state))
    }
}
