//! The operations in a graph.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Shape;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::ops::{ConvOptions, FloatTensor};

use super::{ConvGrads, ModelBackend};

#[derive(Debug)]
struct ConvBackward;

/// State that the backward pass needs.
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
        let of_x = ops.parents[0].is_some();
        let by = B::conv_backward(x, weight, bias, output, grad, options, of_x);
        register(
            by,
            ops.parents.map(|parent| parent.map(|node| node.id)),
            grads,
        );
    }
}

#[derive(Debug)]
struct ConvPoolBackward;

/// State that the backward pass needs.
#[derive(Clone, Debug)]
struct ConvPoolState<B: ModelBackend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    options: ConvOptions<2>,
    padding: usize,
}

impl<B: ModelBackend> Backward<B, 3> for ConvPoolBackward {
    type State = ConvPoolState<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ConvPoolState {
            x,
            weight,
            bias,
            options,
            padding,
        } = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let of_x = ops.parents[0].is_some();
        let by = B::conv_pool_backward(x, weight, bias, grad, options, padding, of_x);
        register(
            by,
            ops.parents.map(|parent| parent.map(|node| node.id)),
            grads,
        );
    }
}

/// Hands the gradients of a convolution to the nodes of its input, weight and bias.
fn register<B: ModelBackend>(
    by: ConvGrads<B>,
    [of_x, of_weight, of_bias]: [Option<NodeId>; 3],
    grads: &mut Gradients,
) {
    let of_parameters = [(of_weight, by.weight), (of_bias, by.bias)];
    for (parent, grad) in by.x.map(|g| (of_x, g)).into_iter().chain(of_parameters) {
        if let Some(node) = parent {
            grads.register::<B>(node, grad);
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

    fn conv_pool(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
        padding: usize,
    ) -> FloatTensor<Self> {
        let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
        let (x, weight, bias) = (x.primitive, weight.primitive, bias.primitive);
        let state = ConvPoolState::<B> {
            x: x.clone(),
            weight: weight.clone(),
            bias: bias.clone(),
            options: options.clone(),
            padding,
        };
        let out = B::conv_pool(x, weight, bias, options, padding);
        match ConvPoolBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(state, out),
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

    fn dropout_mask(shape: Shape, probability: f64, device: &Self::Device) -> FloatTensor<Self> {
        Self::from_inner(B::dropout_mask(shape, probability, device))
    }
}
