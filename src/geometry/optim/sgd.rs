//! Riemannian stochastic gradient descent.

use burn::config::Config;
use burn::module::AutodiffModule;
use burn::optim::LearningRate;
use burn::optim::SimpleOptimizer;
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::{Riemannian, RiemannianStep, check_decay};
use crate::error::Result;
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// Configuration of [`RiemannianSgd`].
#[derive(Config, Debug)]
pub struct RiemannianSgdConfig {
    /// The momentum μ: the factor of the last step's direction.
    #[config(default = 0.0)]
    pub momentum: f64,
}

/// Steps along the geodesic of the Riemannian gradient: x ← expₓ(−lr m), m ← μ P(m) + grad.
///
/// Bonnabel, *Stochastic Gradient Descent on Riemannian Manifolds*, 2013. The direction m is
/// parallel transported to the new point. Euclidean parameters get SGD with momentum.
#[derive(Clone, Debug)]
pub struct RiemannianSgd {
    momentum: f64,
}

/// The direction of the last step.
#[derive(Record, Clone, Debug)]
pub struct RiemannianSgdState<B: Backend, const D: usize> {
    velocity: Tensor<B, D>,
}

impl RiemannianSgdConfig {
    /// The optimiser of a module.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for a momentum that is not in [0, 1).
    pub fn init<B, M>(&self) -> Result<Riemannian<RiemannianSgd, M, B>>
    where
        B: AutodiffBackend,
        B::InnerBackend: HyperbolicBackend,
        M: AutodiffModule<B>,
    {
        let momentum = self.momentum;
        check_decay("momentum", momentum)?;
        Ok(RiemannianSgd { momentum }.into())
    }
}

impl RiemannianSgd {
    fn velocity<B: Backend, const D: usize>(
        &self,
        grad: Tensor<B, D>,
        state: Option<RiemannianSgdState<B, D>>,
    ) -> Tensor<B, D> {
        match state {
            Some(state) => grad + state.velocity.mul_scalar(self.momentum),
            None => grad,
        }
    }

    /// The state for the next step; `None` without momentum.
    fn next_state<B: Backend, const D: usize>(
        &self,
        velocity: impl FnOnce() -> Tensor<B, D>,
    ) -> Option<RiemannianSgdState<B, D>> {
        (self.momentum != 0.0).then(|| RiemannianSgdState {
            velocity: velocity(),
        })
    }
}

impl<B: Backend> SimpleOptimizer<B> for RiemannianSgd {
    type State<const D: usize> = RiemannianSgdState<B, D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<B, D>,
        grad: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let velocity = self.velocity(grad, state);
        let state = self.next_state(|| velocity.clone());
        (tensor - velocity.mul_scalar(lr), state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        RiemannianSgdState {
            velocity: state.velocity.to_device(device),
        }
    }
}

impl<B: HyperbolicBackend> RiemannianStep<B> for RiemannianSgd {
    fn step_points<const D: usize>(
        &self,
        ball: &PoincareBall,
        lr: LearningRate,
        points: Tensor<B, D>,
        grad: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let velocity = self.velocity(ball.egrad2rgrad(points.clone(), grad), state);
        let new_points = ball.expmap(points.clone(), velocity.clone().mul_scalar(-lr));
        let new_points = ball.project(new_points);
        let state = self.next_state(|| ball.ptransp(points, new_points.clone(), velocity));
        (new_points, state)
    }
}
