//! The operations in a graph: closed-form gradients from the backend underneath.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;

use super::backend::{HyperbolicBackend, PairOp, PointOp};

#[derive(Debug)]
struct PointBackward;

impl<B: HyperbolicBackend> Backward<B, 1> for PointBackward {
    type State = (PointOp, NodeId, usize, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (op, x, axis, c) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let grad = B::point_op_backward(op, x, grad, axis, c);
            grads.register::<B>(node.id, grad);
        }
    }
}

#[derive(Debug)]
struct PairBackward;

impl<B: HyperbolicBackend> Backward<B, 2> for PairBackward {
    type State = (PairOp, [NodeId; 2], usize, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (op, [x, y], axis, c) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let y: FloatTensor<B> = checkpointer.retrieve_node_output(y);
        let of_inputs = B::pair_op_backward(op, x, y, grad, axis, c);
        for (parent, grad) in ops.parents.into_iter().zip(of_inputs) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: HyperbolicBackend, C: CheckpointStrategy> HyperbolicBackend for Autodiff<B, C> {
    fn point_op(op: PointOp, x: FloatTensor<Self>, axis: usize, c: f64) -> FloatTensor<Self> {
        let prepared = PointBackward.prepare::<C>([x.node.clone()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = (op, prepared.checkpoint(&x), axis, c);
                prepared.finish(state, B::point_op(op, x.primitive, axis, c))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::point_op(op, x.primitive, axis, c)),
        }
    }

    fn pair_op(
        op: PairOp,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        axis: usize,
        c: f64,
    ) -> FloatTensor<Self> {
        let prepared = PairBackward.prepare::<C>([x.node.clone(), y.node.clone()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let inputs = [prepared.checkpoint(&x), prepared.checkpoint(&y)];
                let output = B::pair_op(op, x.primitive, y.primitive, axis, c);
                prepared.finish((op, inputs, axis, c), output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::pair_op(op, x.primitive, y.primitive, axis, c))
            }
        }
    }
}
