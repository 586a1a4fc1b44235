//! The operations in a graph: closed-form gradients from the kernels of the backend underneath, or,
//! where it has none, what Burn makes of the primitives.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{FloatDType, TensorMetadata};

use super::backend::{HyperbolicBackend, Kernels, PairOp, PointOp, value};
use super::primitive;

#[derive(Debug)]
struct PointBackward;

impl<B: HyperbolicBackend> Backward<B, 1> for PointBackward {
    type State = (Kernels<FloatTensor<B>>, PointOp, NodeId, usize, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (kernels, op, x, axis, c) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let grad = (kernels.point_backward)(op, x, grad, axis, c);
            grads.register::<B>(node.id, grad);
        }
    }
}

#[derive(Debug)]
struct PairBackward;

impl<B: HyperbolicBackend> Backward<B, 2> for PairBackward {
    type State = (Kernels<FloatTensor<B>>, PairOp, [NodeId; 2], usize, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (kernels, op, [x, y], axis, c) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let y: FloatTensor<B> = checkpointer.retrieve_node_output(y);
        let of_inputs = (kernels.pair_backward)(op, [x, y], grad, axis, c);
        for (parent, grad) in ops.parents.into_iter().zip(of_inputs) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

/// Operation and inputs, for the derivative by c.
#[derive(Clone, Debug)]
enum Applied<B: HyperbolicBackend> {
    Point(PointOp, FloatTensor<B>),
    Pair(PairOp, [FloatTensor<B>; 2]),
}

/// The identity on the output of an operation, which hands a gradient to the curvature on the way
/// back: an operation at a learned curvature is the one at a number, followed by this.
#[derive(Debug)]
struct CurvatureBackward;

impl<B: HyperbolicBackend> Backward<B, 2> for CurvatureBackward {
    type State = (Kernels<FloatTensor<B>>, Applied<B>, usize, f64, FloatDType);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (kernels, applied, axis, c, dtype) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let [output, curvature] = ops.parents;
        if let Some(node) = output {
            grads.register::<B>(node.id, grad.clone());
        }
        if let Some(node) = curvature {
            let by_c = match applied {
                Applied::Point(op, x) => (kernels.point_by_c)(op, x, grad, axis, c),
                Applied::Pair(op, inputs) => (kernels.pair_by_c)(op, inputs, grad, axis, c),
            };
            grads.register::<B>(node.id, B::float_cast(by_c, dtype));
        }
    }
}

type Tensor<B, C> = FloatTensor<Autodiff<B, C>>;

fn with_curvature<B: HyperbolicBackend, C: CheckpointStrategy>(
    kernels: Kernels<FloatTensor<B>>,
    output: Tensor<B, C>,
    curvature: Tensor<B, C>,
    applied: Applied<B>,
    axis: usize,
    c: f64,
) -> Tensor<B, C> {
    let nodes = [output.node.clone(), curvature.node.clone()];
    match CurvatureBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let dtype = curvature.primitive.dtype().into();
            prepared.finish((kernels, applied, axis, c, dtype), output.primitive)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output.primitive),
    }
}

impl<B: HyperbolicBackend, C: CheckpointStrategy> HyperbolicBackend for Autodiff<B, C> {
    fn computes_in_f64(device: &Self::Device) -> bool {
        B::computes_in_f64(device)
    }

    fn point_op(op: PointOp, x: FloatTensor<Self>, axis: usize, c: f64) -> FloatTensor<Self> {
        let Some(kernels) = B::kernels(&x.primitive) else {
            return primitive::point_op::<Self>(op, x, axis, &c);
        };
        let prepared = PointBackward.prepare::<C>([x.node.clone()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = (kernels, op, prepared.checkpoint(&x), axis, c);
                prepared.finish(state, (kernels.point)(op, x.primitive, axis, c))
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish((kernels.point)(op, x.primitive, axis, c))
            }
        }
    }

    fn pair_op(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        let Some(kernels) = B::kernels(&x.primitive) else {
            return primitive::pair_op::<Self>(op, [x, y], axis, &c);
        };
        let prepared = PairBackward.prepare::<C>([x.node.clone(), y.node.clone()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let inputs = [prepared.checkpoint(&x), prepared.checkpoint(&y)];
                let output = (kernels.pair)(op, [x.primitive, y.primitive], axis, c);
                prepared.finish((kernels, op, inputs, axis, c), output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish((kernels.pair)(op, [x.primitive, y.primitive], axis, c))
            }
        }
    }

    fn point_op_learned(
        op: PointOp,
        x: FloatTensor<Self>,
        axis: usize,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let Some(kernels) = B::kernels(&x.primitive) else {
            return primitive::point_op::<Self>(op, x, axis, &primitive::learned::<Self>(c));
        };
        let at = value::<B>(c.primitive.clone());
        let applied = Applied::Point(op, x.primitive.clone());
        let output = Self::point_op(op, x, axis, at);
        with_curvature::<B, C>(kernels, output, c, applied, axis, at)
    }

    fn pair_op_learned(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let Some(kernels) = B::kernels(&x.primitive) else {
            return primitive::pair_op::<Self>(op, [x, y], axis, &primitive::learned::<Self>(c));
        };
        let at = value::<B>(c.primitive.clone());
        let applied = Applied::Pair(op, [x.primitive.clone(), y.primitive.clone()]);
        let output = Self::pair_op(op, x, y, axis, at);
        with_curvature::<B, C>(kernels, output, c, applied, axis, at)
    }
}
