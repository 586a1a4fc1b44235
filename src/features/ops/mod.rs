//! Operations that networks and their training need from a backend.
//!
//! `flex` brings tensors to `winograd`, `patches`, `pool`, `pooled`, `resize` and `adam`, the
//! arithmetic on slices; `autodiff` is the layers in a graph.

#[cfg(feature = "flex")]
mod adam;
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod matmul;
#[cfg(feature = "flex")]
mod patches;
#[cfg(feature = "flex")]
mod pool;
#[cfg(feature = "flex")]
mod pooled;
#[cfg(feature = "flex")]
mod resize;
#[cfg(feature = "flex")]
mod scratch;
#[cfg(feature = "flex")]
mod sizes;
#[cfg(feature = "flex")]
mod winograd;

use burn::module::{Param, ParamId};
use burn::nn::conv::Conv2d;
use burn::nn::{Dropout, PaddingConfig2d};
use burn::tensor::ops::{ConvOptions, FloatTensor, InterpolateMode, InterpolateOptions};
use burn::tensor::{
    Distribution, Shape, Tensor, TensorMetadata, TensorPrimitive, backend::Backend,
};

use crate::geometry::HyperbolicBackend;

#[cfg(feature = "flex")]
pub(super) use scratch::release as release_scratch;

/// A backend that runs and trains the model: the ball, the layers of its networks, the optimiser's
/// step.
///
/// The default bodies are Burn's operations. Flex has its own for `f32`, which keep the channels
/// last in memory and take Winograd's algorithm where it serves. `Autodiff` of a backend takes
/// forward and backward passes from it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a backend that hypad's networks are known to run on",
    label = "no `ModelBackend` for this type",
    note = "in generic code, add the bound `B: ModelBackend`",
    note = "a feature of hypad implements it for each of Burn's backends: flex, ndarray, cuda, vulkan, candle, tch, router, remote; `cube` for those of `burn/metal`, `burn/webgpu`, `burn/rocm` and `burn/cpu`",
    note = "`Fusion` is left out, for it computes wrong results in Burn 0.21 (tracel-ai/burn#5122); where a crate turns Burn's fusion on, take `hypad::backend::Cuda`, `Vulkan` or another `CubeBackend`",
    note = "for a backend of your own, `impl ModelBackend for MyBackend {{}}` is enough"
)]
pub trait ModelBackend: HyperbolicBackend {
    /// A convolution, without what is negative if `relu`.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - weight: `[outputs, inputs, k, k]`
    /// - bias: `[outputs]`
    /// - output: `[batch, outputs, h, w]`
    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
        relu: bool,
    ) -> FloatTensor<Self> {
        burns_conv::<Self>(x, weight, bias, options, relu)
    }

    /// The gradients of [`conv`](Self::conv) by x, if `of_x`, and by weight and bias, from the one
    /// by the output; `output` is given if there was a ReLU.
    fn conv_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        output: Option<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
        options: ConvOptions<2>,
        of_x: bool,
    ) -> ConvGrads<Self> {
        burns_conv_backward::<Self>(x, weight, bias, output, grad, options, of_x)
    }

    /// The mean over 2 × 2 pixels with stride 2; padding counts as zero pixels.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`
    /// - output: `[batch, channels, (height + 2 padding) / 2, (width + 2 padding) / 2]`
    fn pool(x: FloatTensor<Self>, padding: usize) -> FloatTensor<Self> {
        burns_pool::<Self>(x, padding)
    }

    /// The gradient of [`pool`](Self::pool) by x from the one by the output.
    fn pool_backward(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        padding: usize,
    ) -> FloatTensor<Self> {
        burns_pool_backward::<Self>(x, grad, padding)
    }

    /// [`pool`](Self::pool) of [`conv`](Self::conv) with a ReLU, keeping nothing in between.
    ///
    /// # Shapes
    ///
    /// Those of [`conv`](Self::conv) and [`pool`](Self::pool).
    fn conv_pool(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
        padding: usize,
    ) -> FloatTensor<Self> {
        conv_then_pool::<Self>(x, weight, bias, options, padding)
    }

    /// The gradients of [`conv_pool`](Self::conv_pool) by x, if `of_x`, and by weight and bias, from
    /// the one by the output.
    fn conv_pool_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        options: ConvOptions<2>,
        padding: usize,
        of_x: bool,
    ) -> ConvGrads<Self> {
        conv_then_pool_backward::<Self>(x, weight, bias, grad, options, padding, of_x)
    }

    /// Bilinear resizing, with half-pixel centres.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`
    /// - output: `[batch, channels, size[0], size[1]]`
    fn resize(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        burns_resize::<Self>(x, size)
    }

    /// The gradient of [`resize`](Self::resize) by x from the one by the output.
    fn resize_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        burns_resize_backward::<Self>(x, grad)
    }

    /// The means of groups of neighbouring channels.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`
    /// - output: `[batch, channels / group, height, width]`
    fn pool_channels(x: FloatTensor<Self>, group: usize) -> FloatTensor<Self> {
        burns_pool_channels::<Self>(x, group)
    }

    /// The gradient of [`pool_channels`](Self::pool_channels) by x from the one by the output.
    fn pool_channels_backward(grad: FloatTensor<Self>, group: usize) -> FloatTensor<Self> {
        burns_pool_channels_backward::<Self>(grad, group)
    }

    /// Random factors: 0 with this probability p, else 1/(1 − p).
    ///
    /// # Shapes
    ///
    /// - output: `shape`
    fn dropout_mask(shape: Shape, probability: f64, device: &Self::Device) -> FloatTensor<Self> {
        burns_dropout_mask::<Self>(shape, probability, device)
    }

    /// One step of Adam: parameter and both moments after it, from parameter, gradient and moments.
    fn adam(step: AdamStep, tensors: [FloatTensor<Self>; 4]) -> [FloatTensor<Self>; 3] {
        burns_adam::<Self>(step, tensors)
    }
}

/// The numbers of a step of Adam. Kingma, Ba, ICLR 2015, Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Which step, counted from 1.
    pub steps: usize,
    /// The size of the step.
    pub learning_rate: f64,
    /// Memory of the moments: 0.9 and 0.999.
    pub betas: [f64; 2],
    /// Added to the square root of the second moment: 1e-8.
    pub epsilon: f64,
    /// Factor of the parameter that is added to its gradient: 0.
    pub weight_decay: f64,
}

impl Default for AdamStep {
    fn default() -> Self {
        Self {
            steps: 1,
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl AdamStep {
    /// Bias corrections of the moments, which start at 0.
    fn corrections(&self) -> [f64; 2] {
        self.betas.map(|beta| 1.0 - beta.powf(self.steps as f64))
    }
}

/// The gradients of a convolution.
#[derive(Debug)]
pub struct ConvGrads<B: Backend> {
    /// By the input, if asked for.
    pub x: Option<FloatTensor<B>>,
    /// By the weight.
    pub weight: FloatTensor<B>,
    /// By the bias.
    pub bias: FloatTensor<B>,
}

/// Every runtime of CubeCL, without fusion.
#[cfg(feature = "cube")]
impl<R, F, I, BT> ModelBackend for burn_cubecl::CubeBackend<R, F, I, BT>
where
    R: burn_cubecl::CubeRuntime,
    F: burn_cubecl::FloatElement,
    I: burn_cubecl::IntElement,
    BT: burn_cubecl::BoolElement,
{
}
// burn-candle is deprecated in Burn 0.21.
#[cfg(feature = "candle")]
#[allow(deprecated)]
impl<F, I> ModelBackend for burn::backend::Candle<F, I>
where
    F: burn::backend::candle::FloatCandleElement,
    I: burn::backend::candle::IntCandleElement,
{
}
#[cfg(feature = "tch")]
impl<E: burn::backend::libtorch::TchElement> ModelBackend for burn::backend::LibTorch<E> {}
#[cfg(feature = "router")]
impl<R: burn::backend::router::RunnerChannel> ModelBackend
    for burn::backend::router::BackendRouter<R>
{
}
#[cfg(feature = "ndarray")]
impl ModelBackend for burn::backend::NdArray<f32> {}
#[cfg(feature = "ndarray")]
impl ModelBackend for burn::backend::NdArray<f64> {}

fn burns_conv<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    options: ConvOptions<2>,
    relu: bool,
) -> FloatTensor<B> {
    let out = B::conv2d(x, weight, Some(bias), options);
    if relu { B::relu(out) } else { out }
}

fn burns_conv_backward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    output: Option<FloatTensor<B>>,
    grad: FloatTensor<B>,
    options: ConvOptions<2>,
    of_x: bool,
) -> ConvGrads<B> {
    let grad = match output {
        Some(output) => B::relu_backward(output, grad),
        None => grad,
    };
    ConvGrads {
        x: of_x.then(|| {
            B::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options.clone())
        }),
        weight: B::conv2d_weight_backward(x.clone(), weight, grad.clone(), options),
        bias: B::conv2d_bias_backward(x, bias, grad),
    }
}

fn conv_then_pool<B: ModelBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    options: ConvOptions<2>,
    padding: usize,
) -> FloatTensor<B> {
    B::pool(B::conv(x, weight, bias, options, true), padding)
}

fn conv_then_pool_backward<B: ModelBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    grad: FloatTensor<B>,
    options: ConvOptions<2>,
    padding: usize,
    of_x: bool,
) -> ConvGrads<B> {
    let again = (x.clone(), weight.clone(), bias.clone());
    let output = B::conv(again.0, again.1, again.2, options.clone(), true);
    let grad = B::pool_backward(output.clone(), grad, padding);
    B::conv_backward(x, weight, bias, Some(output), grad, options, of_x)
}

fn burns_pool<B: Backend>(x: FloatTensor<B>, padding: usize) -> FloatTensor<B> {
    B::avg_pool2d(x, [2; 2], [2; 2], [padding; 2], true, false)
}

fn burns_pool_backward<B: Backend>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
    padding: usize,
) -> FloatTensor<B> {
    B::avg_pool2d_backward(x, grad, [2; 2], [2; 2], [padding; 2], true, false)
}

fn bilinear() -> InterpolateOptions {
    InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false)
}

fn burns_resize<B: Backend>(x: FloatTensor<B>, size: [usize; 2]) -> FloatTensor<B> {
    B::interpolate(x, size, bilinear())
}

fn burns_resize_backward<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let shape = grad.shape();
    B::interpolate_backward(x, grad, [shape[2], shape[3]], bilinear())
}

fn burns_pool_channels<B: Backend>(x: FloatTensor<B>, group: usize) -> FloatTensor<B> {
    let [batch, channels, height, width] = x.shape().dims();
    let x = B::float_reshape(x, [batch, channels / group, group, height * width].into());
    let shape = [batch, channels / group, height, width];
    B::float_reshape(B::float_mean_dim(x, 2), shape.into())
}

fn burns_pool_channels_backward<B: Backend>(grad: FloatTensor<B>, group: usize) -> FloatTensor<B> {
    let [batch, channels, height, width] = grad.shape().dims();
    let part = B::float_div_scalar(grad, (group as f32).into());
    let part = B::float_reshape(part, [batch, channels, 1, height * width].into());
    let all = B::float_expand(part, [batch, channels, group, height * width].into());
    B::float_reshape(all, [batch, channels * group, height, width].into())
}

fn burns_dropout_mask<B: Backend>(
    shape: Shape,
    probability: f64,
    device: &B::Device,
) -> FloatTensor<B> {
    let kept = Tensor::<B, 1>::random(
        [shape.num_elements()],
        Distribution::Bernoulli(1.0 - probability),
        device,
    );
    B::float_reshape(primitive(kept / (1.0 - probability)), shape)
}

fn burns_adam<B: Backend>(
    step: AdamStep,
    [parameter, grad, first, second]: [FloatTensor<B>; 4],
) -> [FloatTensor<B>; 3] {
    let scaled = |tensor, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let [beta_1, beta_2] = step.betas;
    let [correction_1, correction_2] = step.corrections();
    let penalty = scaled(parameter.clone(), step.weight_decay);
    let grad = B::float_add(grad, penalty);
    let square = B::float_mul(grad.clone(), grad.clone());
    let first = B::float_add(scaled(first, beta_1), scaled(grad, 1.0 - beta_1));
    let second = B::float_add(scaled(second, beta_2), scaled(square, 1.0 - beta_2));
    let length = B::float_sqrt(scaled(second.clone(), 1.0 / correction_2));
    let length = B::float_add_scalar(length, step.epsilon.into());
    let change = scaled(first.clone(), step.learning_rate / correction_1);
    let parameter = B::float_sub(parameter, B::float_div(change, length));
    [parameter, first, second]
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

/// Weight, bias and options of a layer.
fn parts<B: Backend>(layer: &Conv2d<B>) -> (FloatTensor<B>, FloatTensor<B>, ConvOptions<2>) {
    let weight = layer.weight.val();
    let (outputs, device) = (weight.dims()[0], weight.device());
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    let bias = bias.unwrap_or_else(|| Tensor::zeros([outputs], &device));
    // The model's layers are padded alike on all sides.
    let padding = match layer.padding {
        PaddingConfig2d::Explicit(top, left, ..) => [top, left],
        _ => [0, 0],
    };
    let options = ConvOptions::new(layer.stride, padding, layer.dilation, layer.groups);
    (primitive(weight), primitive(bias), options)
}

fn run<B: ModelBackend>(layer: &Conv2d<B>, x: Tensor<B, 4>, relu: bool) -> Tensor<B, 4> {
    let (weight, bias, options) = parts(layer);
    let out = B::conv(primitive(x), weight, bias, options, relu);
    Tensor::from_primitive(TensorPrimitive::Float(out))
}

/// A layer: [`ModelBackend::conv`] without a ReLU.
pub(crate) fn conv<B: ModelBackend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    run(layer, x, false)
}

/// [`conv`] with a ReLU after it.
pub(crate) fn conv_relu<B: ModelBackend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    run(layer, x, true)
}

/// The layer whose outputs are the means of groups of neighbouring outputs of this one: a mean of linear
/// maps is one, with a `group`-th of the work.
pub(crate) fn pool_outputs<B: ModelBackend>(layer: &Conv2d<B>, group: usize) -> Conv2d<B> {
    let weight = layer.weight.val();
    let [outputs, inputs, height, width] = weight.dims();
    let weight = weight.reshape([1, outputs, inputs, height * width]);
    let weight = pool_channels(weight, group).reshape([outputs / group, inputs, height, width]);
    let bias = layer.bias.as_ref().map(|bias| {
        let bias = bias.val().reshape([1, outputs, 1, 1]);
        pool_channels(bias, group).reshape([outputs / group])
    });
    with_weights(layer, weight, bias)
}

/// The layer with other weights, which may be results of a graph.
pub(crate) fn with_weights<B: Backend>(
    layer: &Conv2d<B>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
) -> Conv2d<B> {
    Conv2d {
        weight: Param::initialized(ParamId::new(), weight),
        bias: bias.map(|bias| Param::initialized(ParamId::new(), bias)),
        ..layer.clone()
    }
}

/// [`ModelBackend::conv_pool`].
pub(crate) fn conv_pool<B: ModelBackend>(
    layer: &Conv2d<B>,
    x: Tensor<B, 4>,
    padding: usize,
) -> Tensor<B, 4> {
    let (weight, bias, options) = parts(layer);
    let out = B::conv_pool(primitive(x), weight, bias, options, padding);
    Tensor::from_primitive(TensorPrimitive::Float(out))
}

/// [`ModelBackend::pool`].
pub(crate) fn pool<B: ModelBackend>(x: Tensor<B, 4>, padding: usize) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(B::pool(primitive(x), padding)))
}

/// [`ModelBackend::resize`].
pub(crate) fn resize<B: ModelBackend>(x: Tensor<B, 4>, size: [usize; 2]) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(B::resize(primitive(x), size)))
}

/// [`ModelBackend::pool_channels`].
pub(crate) fn pool_channels<B: ModelBackend>(x: Tensor<B, 4>, group: usize) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(B::pool_channels(
        primitive(x),
        group,
    )))
}

/// Dropout of single elements, on autodiff backends only. Factors are drawn in the order in which
/// [`conv_relu`] leaves the elements in memory on the CPU.
///
/// # Shapes
///
/// - x and output: `[batch, channels, height, width]`
pub(crate) fn dropout<B: ModelBackend>(layer: &Dropout, x: Tensor<B, 4>) -> Tensor<B, 4> {
    if !B::ad_enabled(&x.device()) || layer.prob == 0.0 {
        return x;
    }
    let x = x.permute([0, 2, 3, 1]);
    let mask = B::dropout_mask(x.shape(), layer.prob, &x.device());
    let mask = Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(mask)).cast(x.dtype());
    let x = x * mask;
    x.permute([0, 3, 1, 2])
}
