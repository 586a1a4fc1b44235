//! Adam with the step of the backend: one pass over the parameters on Flex.

use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{LearningRate, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorPrimitive};

use crate::features::{AdamStep, ModelBackend};

/// Adam with an L2 penalty that is added to the gradient. Kingma, Ba, ICLR 2015, Algorithm 1.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Factor of the parameter that is added to its gradient.
    pub weight_decay: f64,
}

/// The moments of the gradients.
#[derive(Record, Clone, Debug)]
pub struct AdamState<B: Backend, const D: usize> {
    pub(super) steps: usize,
    pub(super) first: Tensor<B, D>,
    pub(super) second: Tensor<B, D>,
}

impl Adam {
    /// The optimiser of a module.
    pub fn init<B, M>(self) -> OptimizerAdaptor<Self, M, B>
    where
        B: AutodiffBackend,
        B::InnerBackend: ModelBackend,
        M: AutodiffModule<B>,
    {
        self.into()
    }
}

impl<B: ModelBackend> SimpleOptimizer<B> for Adam {
    type State<const D: usize> = AdamState<B, D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        tensor: Tensor<B, D>,
        grad: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let AdamState {
            steps,
            first,
            second,
        } = state.unwrap_or_else(|| AdamState {
            steps: 0,
            first: tensor.zeros_like(),
            second: tensor.zeros_like(),
        });
        let steps = steps + 1;
        let step = AdamStep {
            steps,
            learning_rate,
            weight_decay: self.weight_decay,
            ..AdamStep::default()
        };
        let parts = [tensor, grad, first, second].map(|t| t.into_primitive().tensor());
        let parts = B::adam(step, parts).map(TensorPrimitive::Float);
        let [tensor, first, second] = parts.map(Tensor::from_primitive);
        let state = AdamState {
            steps,
            first,
            second,
        };
        (tensor, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        AdamState {
            steps: state.steps,
            first: state.first.to_device(device),
            second: state.second.to_device(device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use burn::module::Param;
    use burn::nn::LinearConfig;
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::{AdamConfig, GradientsParams, Optimizer};
    use burn::tensor::{TensorData, Tolerance};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn takes_the_steps_of_burns_adam() {
        follows_burns::<Flex>();
        #[cfg(feature = "ndarray")]
        follows_burns::<burn::backend::NdArray>();
    }

    fn follows_burns<B: ModelBackend>() {
        let device = Default::default();
        let mut rng = StdRng::seed_from_u64(1);
        let mut random = |shape: [usize; 2]| {
            let values = (0..shape[0] * shape[1]).map(|_| rng.random_range(-1.0_f32..1.0));
            let data = TensorData::new(values.collect::<Vec<_>>(), shape);
            Tensor::<Autodiff<B>, 2>::from_data(data, &device)
        };
        let mut ours = LinearConfig::new(30, 20).with_bias(false).init(&device);
        ours.weight = Param::from_tensor(random([30, 20]));
        let mut burns = ours.clone();
        let mut adam = Adam { weight_decay: 0.1 }.init();
        let mut burns_adam = AdamConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(Some(WeightDecayConfig::new(0.1)))
            .init();
        for _ in 0..5 {
            let x = random([4, 30]);
            let loss = ours.forward(x.clone()).square().sum();
            let grads = GradientsParams::from_grads(loss.backward(), &ours);
            ours = adam.step(0.01, ours, grads);
            let loss = burns.forward(x).square().sum();
            let grads = GradientsParams::from_grads(loss.backward(), &burns);
            burns = burns_adam.step(0.01, burns, grads);
        }
        let weight = |layer: burn::nn::Linear<Autodiff<B>>| layer.weight.val().into_data();
        weight(ours).assert_approx_eq::<f32>(&weight(burns), Tolerance::absolute(2e-6));
    }
}
