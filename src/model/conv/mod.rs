//! The model's layers as operations of the backend: convolution with bias and ReLU, pooling,
//! resizing.
//!
//! `flex` brings tensors to `winograd`, `patches`, `pool` and `resize`, the arithmetic on slices;
//! `autodiff` is the operations in a graph.

mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod patches;
#[cfg(feature = "flex")]
mod pool;
#[cfg(feature = "flex")]
mod product;
#[cfg(feature = "flex")]
mod resize;
#[cfg(feature = "flex")]
mod scratch;
#[cfg(feature = "flex")]
mod sizes;
#[cfg(feature = "flex")]
mod winograd;

use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::ops::{ConvOptions, FloatTensor, InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive, backend::Backend};

use crate::geometry::HyperbolicBackend;

/// A backend that runs the model: the ball, and the layers of its networks.
///
/// The default bodies are Burn's operations. Flex has its own for `f32`, which keep the channels
/// last in memory and take Winograd's algorithm where it serves. `Autodiff` of a backend takes
/// forward and backward passes from it.
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
}

/// The gradients of a convolution.
pub struct ConvGrads<B: Backend> {
    /// By the input, if asked for.
    pub x: Option<FloatTensor<B>>,
    /// By the weight.
    pub weight: FloatTensor<B>,
    /// By the bias.
    pub bias: FloatTensor<B>,
}

#[cfg(feature = "cuda")]
impl ModelBackend for burn::backend::Cuda {}
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

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

/// The output channels `from..to` of a layer, without what is negative if `relu`.
///
/// # Shapes
///
/// - x: `[batch, inputs, height, width]`
/// - output: `[batch, to − from, h, w]`
pub(super) fn conv_channels<B: ModelBackend>(
    layer: &Conv2d<B>,
    x: Tensor<B, 4>,
    [from, to]: [usize; 2],
    relu: bool,
) -> Tensor<B, 4> {
    let (mut weight, device) = (layer.weight.val(), x.device());
    let outputs = weight.dims()[0];
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    let mut bias = bias.unwrap_or_else(|| Tensor::zeros([outputs], &device));
    if (from, to) != (0, outputs) {
        weight = weight.narrow(0, from, to - from);
        bias = bias.narrow(0, from, to - from);
    }
    // The model's layers are padded alike on all sides.
    let padding = match layer.padding {
        PaddingConfig2d::Explicit(top, left, ..) => [top, left],
        _ => [0, 0],
    };
    let options = ConvOptions::new(layer.stride, padding, layer.dilation, layer.groups);
    let (x, weight, bias) = (primitive(x), primitive(weight), primitive(bias));
    let out = B::conv(x, weight, bias, options, relu);
    Tensor::from_primitive(TensorPrimitive::Float(out))
}

/// All output channels of a layer; see [`conv_channels`].
pub(super) fn conv<B: ModelBackend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    conv_channels(layer, x, [0, layer.weight.dims()[0]], false)
}

/// [`conv`] with a ReLU after it.
pub(super) fn conv_relu<B: ModelBackend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    conv_channels(layer, x, [0, layer.weight.dims()[0]], true)
}

/// [`ModelBackend::pool`].
pub(super) fn pool<B: ModelBackend>(x: Tensor<B, 4>, padding: usize) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(B::pool(primitive(x), padding)))
}

/// [`ModelBackend::resize`].
pub(super) fn resize<B: ModelBackend>(x: Tensor<B, 4>, size: [usize; 2]) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(B::resize(primitive(x), size)))
}

/// [`ModelBackend::pool_channels`].
pub(super) fn pool_channels<B: ModelBackend>(x: Tensor<B, 4>, group: usize) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(B::pool_channels(
        primitive(x),
        group,
    )))
}
