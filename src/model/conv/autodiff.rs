//! The operations in a graph.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::{ConvOptions, FloatTensor};

use super::{ConvGrads, ModelBackend};

#[derive(Debug)]
struct ConvBackward;

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct ConvState<B: ModelBackend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    /// The output, if negative values were cut off.
    output: Option<FloatTensor<B>>,
    options: ConvOptions<2>,
}

impl<B: ModelBackend> Backward<B, 3> for ConvBackward {
    type State = ConvState<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ConvState {
            x,
            weight,
            bias,
            output,
            options,
        } = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let [of_x, of_weight, of_bias] = ops.parents;
        let by = B::conv_backward(x, weight, bias, output, grad, options, of_x.is_some());
        let ConvGrads { x, weight, bias } = by;
        let of_parameters = [(of_weight, weight), (of_bias, bias)];
        for (parent, grad) in x.map(|g| (of_x, g)).into_iter().chain(of_parameters) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct PoolBackward;

impl<B: ModelBackend> Backward<B, 1> for PoolBackward {
    type State = (FloatTensor<B>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, padding) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::pool_backward(x, grad, padding));
        }
    }
}

#[derive(Debug)]
struct ResizeBackward;

impl<B: ModelBackend> Backward<B, 1> for ResizeBackward {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::resize_backward(ops.state, grad));
        }
    }
}

#[derive(Debug)]
struct PoolChannelsBackward;

impl<B: ModelBackend> Backward<B, 1> for PoolChannelsBackward {
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::pool_channels_backward(grad, ops.state));
        }
    }
}

impl<B: ModelBackend, C: CheckpointStrategy> ModelBackend for Autodiff<B, C> {
    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
        relu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
        let (x, weight, bias) = (x.primitive, weight.primitive, bias.primitive);
        let of_inputs = (x.clone(), weight.clone(), bias.clone());
        let out = B::conv(x, weight, bias, options.clone(), relu);
        match ConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (x, weight, bias) = of_inputs;
                let state = ConvState {
                    x,
                    weight,
                    bias,
                    output: relu.then(|| out.clone()),
                    options,
                };
                prepared.finish(state, out)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }

    fn pool(x: FloatTensor<Self>, padding: usize) -> FloatTensor<Self> {
        let out = B::pool(x.primitive.clone(), padding);
        match PoolBackward
            .prepare::<C>([x.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish((x.primitive, padding), out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }

    fn resize(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        let out = B::resize(x.primitive.clone(), size);
        match ResizeBackward
            .prepare::<C>([x.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(x.primitive, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }

    fn pool_channels(x: FloatTensor<Self>, group: usize) -> FloatTensor<Self> {
        let out = B::pool_channels(x.primitive, group);
        match PoolChannelsBackward
            .prepare::<C>([x.node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(group, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}
