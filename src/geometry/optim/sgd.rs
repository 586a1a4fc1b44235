//! Riemannian stochastic gradient descent.

use burn::config::Config;
use burn::module::AutodiffModule;
use burn::optim::LearningRate;
use burn::optim::SimpleOptimizer;
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::{Riemannian, RiemannianStep, check_memory};
use crate::error::Result;
use crate::geometry::{HyperbolicBackend, PoincareBall};

/// Configuration of [`RiemannianSgd`].
#[derive(Config, Debug)]
pub struct RiemannianSgdConfig {
    /// Part of the last step's direction that is kept; 0 keeps none.
    #[config(default = 0.0)]
    pub momentum: f64,
}

/// Steps along the geodesic of the Riemannian gradient: x ← expₓ(−lr m), m ← μ P(m) + grad.
///
/// Bonnabel, *Stochastic Gradient Descent on Riemannian Manifolds*, 2013. The momentum is carried
/// along by parallel transport. Euclidean parameters get plain momentum SGD.
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
        check_memory("momentum", momentum)?;
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

    /// Momentum, kept for the next step.
    fn keep<B: Backend, const D: usize>(
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
        let state = self.keep(|| velocity.clone());
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
        let moved = ball.expmap(points.clone(), velocity.clone().mul_scalar(-lr));
        let moved = ball.project(moved);
        let state = self.keep(|| ball.ptransp(points, moved.clone(), velocity));
        (moved, state)
    }
}
