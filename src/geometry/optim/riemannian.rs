//! An optimiser of modules that updates each parameter in its own space.

use burn::module::{AutodiffModule, ModuleMapper, Param};
use burn::optim::LearningRate;
use burn::optim::adaptor::{GradAdaptor, OptimizerAdaptor};
use burn::optim::record::AdaptorRecord;
use burn::optim::{GradientsParams, MultiGradientsParams, Optimizer, SimpleOptimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

use super::super::nn::ball_points::ball_of_mapped;
use super::super::{HyperbolicBackend, PoincareBall};

/// An optimiser that can also update points of a ball.
pub trait RiemannianStep<B: HyperbolicBackend>: SimpleOptimizer<B> {
    /// One step of points, whose coordinates are on the last axis, from their Euclidean gradient.
    fn step_points<const D: usize>(
        &self,
        ball: &PoincareBall,
        lr: LearningRate,
        points: Tensor<B, D>,
        grad: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>);
}

/// The states of an optimiser by parameter, in Burn's format.
type Records<O, M, B> = <OptimizerAdaptor<O, M, B> as Optimizer<M, B>>::Record;

/// A [`RiemannianStep`] as an optimiser of modules.
#[derive(Clone)]
pub struct Riemannian<O, M, B>
where
    O: RiemannianStep<B::InnerBackend>,
    M: AutodiffModule<B>,
    B: AutodiffBackend,
    B::InnerBackend: HyperbolicBackend,
{
    optimizer: O,
    records: Records<O, M, B>,
}

impl<O, M, B> std::fmt::Debug for Riemannian<O, M, B>
where
    O: RiemannianStep<B::InnerBackend> + std::fmt::Debug,
    M: AutodiffModule<B>,
    B: AutodiffBackend,
    B::InnerBackend: HyperbolicBackend,
{
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Riemannian")
            .field("optimizer", &self.optimizer)
            .field("parameters", &self.records.len())
            .finish()
    }
}

impl<O, M, B> From<O> for Riemannian<O, M, B>
where
    O: RiemannianStep<B::InnerBackend>,
    M: AutodiffModule<B>,
    B: AutodiffBackend,
    B::InnerBackend: HyperbolicBackend,
{
    fn from(optimizer: O) -> Self {
        Self {
            optimizer,
            records: Default::default(),
        }
    }
}

impl<O, M, B> Riemannian<O, M, B>
where
    O: RiemannianStep<B::InnerBackend>,
    M: AutodiffModule<B>,
    B: AutodiffBackend,
    B::InnerBackend: HyperbolicBackend,
{
    fn step_all(&mut self, lr: LearningRate, module: M, grads: GradAdaptor) -> M {
        let mut mapper = Stepper::<O, M, B> {
            optimizer: &self.optimizer,
            records: &mut self.records,
            grads,
            lr,
        };
        module.map(&mut mapper)
    }
}

impl<O, M, B> Optimizer<M, B> for Riemannian<O, M, B>
where
    O: RiemannianStep<B::InnerBackend>,
    M: AutodiffModule<B>,
    B: AutodiffBackend,
    B::InnerBackend: HyperbolicBackend,
{
    type Record = Records<O, M, B>;

    fn step(&mut self, lr: LearningRate, module: M, grads: GradientsParams) -> M {
        self.step_all(lr, module, grads.into())
    }

    fn step_multi(&mut self, lr: LearningRate, module: M, grads: MultiGradientsParams) -> M {
        self.step_all(lr, module, grads.into())
    }

    fn to_record(&self) -> Self::Record {
        self.records.clone()
    }

    fn load_record(mut self, record: Self::Record) -> Self {
        self.records = record;
        self
    }
}

struct Stepper<'a, O, M, B>
where
    O: RiemannianStep<B::InnerBackend>,
    M: AutodiffModule<B>,
    B: AutodiffBackend,
    B::InnerBackend: HyperbolicBackend,
{
    optimizer: &'a O,
    records: &'a mut Records<O, M, B>,
    grads: GradAdaptor,
    lr: LearningRate,
}

impl<O, M, B> ModuleMapper<B> for Stepper<'_, O, M, B>
where
    O: RiemannianStep<B::InnerBackend>,
    M: AutodiffModule<B>,
    B: AutodiffBackend,
    B::InnerBackend: HyperbolicBackend,
{
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = param.consume();
        let Some((grad, device)) = self.grads.remove::<B::InnerBackend, D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let tracked = tensor.is_require_grad();
        let value = tensor.to_device(&device).inner();
        let state = self.records.remove(&id).map(AdaptorRecord::into_state);
        let state = state.map(|state| O::to_device(state, &device));
        let (value, state) = match ball_of_mapped() {
            Some(ball) => self
                .optimizer
                .step_points(&ball, self.lr, value, grad, state),
            None => self.optimizer.step(self.lr, value, grad, state),
        };
        if let Some(state) = state {
            self.records.insert(id, AdaptorRecord::from_state(state));
        }
        let mut tensor = Tensor::from_inner(value);
        if tracked {
            tensor = tensor.require_grad();
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}
