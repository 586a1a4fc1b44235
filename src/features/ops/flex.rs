//! Flex: its tensors as slices with the channels last, and back.

use burn::backend::Flex;
use burn::backend::flex::FlexDevice;
use burn::tensor::ops::{ConvOptions, FloatTensor, FloatTensorOps};
use burn::tensor::{DType, Distribution, FloatDType, Shape, TensorData, TensorMetadata};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use rayon::prelude::*;

use super::sizes::Sizes;
use super::{AdamStep, ConvGrads, ModelBackend, adam, burns_adam};
use super::{burns_conv, burns_conv_backward, burns_pool, burns_pool_backward};
use super::{burns_pool_channels, burns_pool_channels_backward};
use super::{burns_resize, burns_resize_backward};
use super::{conv_then_pool, conv_then_pool_backward};
use super::{patches, pool, pooled, resize, winograd};

type Primitive = FloatTensor<Flex>;

/// The sizes of a convolution that this folder can compute.
fn conv_sizes(x: &Primitive, weight: &Primitive, options: &ConvOptions<2>) -> Option<Sizes> {
    let (x_shape, w_shape) = (x.shape(), weight.shape());
    let sizes = Sizes {
        batch: x_shape[0],
        height: x_shape[2],
        width: x_shape[3],
        inputs: w_shape[1],
        outputs: w_shape[0],
        kernel: [w_shape[2], w_shape[3]],
        stride: options.stride[0],
        padding: options.padding[0],
    };
    let square = options.stride[0] == options.stride[1] && options.padding[0] == options.padding[1];
    let plain = options.dilation == [1, 1] && options.groups == 1 && x_shape[1] == w_shape[1];
    let single = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    (square && plain && single && sizes.valid()).then_some(sizes)
}

/// The sizes of a convolution that is pooled row by row: one for which Winograd's algorithm does not
/// serve.
fn conv_pool_sizes(
    x: &Primitive,
    weight: &Primitive,
    options: &ConvOptions<2>,
    padding: usize,
) -> Option<Sizes> {
    let sizes = conv_sizes(x, weight, options)?;
    (!winograd::supports(sizes) && sizes.pooled(padding).valid()).then_some(sizes)
}

/// The sizes of a pool that this folder can compute.
fn pool_sizes(x: &Primitive, padding: usize) -> Option<Sizes> {
    let shape = x.shape();
    let sizes = Sizes {
        batch: shape[0],
        height: shape[2],
        width: shape[3],
        inputs: shape[1],
        outputs: shape[1],
        kernel: [pool::KERNEL; 2],
        stride: pool::KERNEL,
        padding,
    };
    (x.dtype() == DType::F32 && sizes.valid()).then_some(sizes)
}

/// The elements in order; no copy if they lie so already.
fn contiguous(x: Primitive) -> Primitive {
    match x.as_slice::<f32>() {
        Some(_) => x,
        None => x.to_contiguous(),
    }
}

/// The elements with the channels last; no copy if they lie so already.
fn channels_last(x: Primitive) -> Primitive {
    contiguous(x.permute(&[0, 2, 3, 1]))
}

/// A tensor from elements with the channels last.
fn channels_second(elements: Vec<f32>, shape: [usize; 4]) -> Primitive {
    let tensor = Primitive::from_data(TensorData::new(elements, shape));
    tensor.permute(&[0, 3, 1, 2])
}

fn slice(tensor: &Primitive) -> &[f32] {
    tensor.as_slice().unwrap_or_default()
}

impl ModelBackend for Flex {
    fn conv(
        x: Primitive,
        weight: Primitive,
        bias: Primitive,
        options: ConvOptions<2>,
        relu: bool,
    ) -> Primitive {
        let Some(sizes) = conv_sizes(&x, &weight, &options) else {
            return burns_conv::<Self>(x, weight, bias, options, relu);
        };
        let (x, weight, bias) = (channels_last(x), contiguous(weight), contiguous(bias));
        let forward = match winograd::supports(sizes) {
            true => winograd::forward,
            false => patches::forward,
        };
        let out = forward(slice(&x), slice(&weight), slice(&bias), sizes, relu);
        let (height, width) = (sizes.output_height(), sizes.output_width());
        let out = channels_second(out, [sizes.batch, height, width, sizes.outputs]);
        // Without a ReLU it is the last layer, and Burn's operations follow.
        if relu { out } else { out.to_contiguous() }
    }

    fn conv_backward(
        x: Primitive,
        weight: Primitive,
        bias: Primitive,
        output: Option<Primitive>,
        grad: Primitive,
        options: ConvOptions<2>,
        of_x: bool,
    ) -> ConvGrads<Self> {
        let Some(sizes) = conv_sizes(&x, &weight, &options) else {
            return burns_conv_backward::<Self>(x, weight, bias, output, grad, options, of_x);
        };
        let (x, weight) = (channels_last(x), contiguous(weight));
        let (grad, output) = (channels_last(grad), output.map(channels_last));
        let masked = output.map(|output| masked(slice(&grad), slice(&output)));
        let grad = masked.as_deref().unwrap_or(slice(&grad));
        let (by_input, by_weight) = match winograd::supports(sizes) {
            true => (
                winograd::by_input as fn(_, _, _) -> _,
                winograd::by_weight as fn(_, _, _) -> _,
            ),
            false => (patches::by_input as _, patches::by_weight as _),
        };
        let by_weight: Vec<f32> = by_weight(slice(&x), grad, sizes);
        ConvGrads {
            x: of_x.then(|| {
                let by_x = by_input(grad, slice(&weight), sizes);
                channels_second(by_x, [sizes.batch, sizes.height, sizes.width, sizes.inputs])
            }),
            weight: Primitive::from_data(TensorData::new(by_weight, weight.shape())),
            bias: Primitive::from_data(TensorData::new(
                pixel_sum(grad, sizes.outputs),
                bias.shape(),
            )),
        }
    }

    fn conv_pool(
        x: Primitive,
        weight: Primitive,
        bias: Primitive,
        options: ConvOptions<2>,
        padding: usize,
    ) -> Primitive {
        let Some(sizes) = conv_pool_sizes(&x, &weight, &options, padding) else {
            return conv_then_pool::<Self>(x, weight, bias, options, padding);
        };
        let (x, weight, bias) = (channels_last(x), contiguous(weight), contiguous(bias));
        let out = pooled::forward(slice(&x), slice(&weight), slice(&bias), sizes, padding);
        let pool = sizes.pooled(padding);
        let (height, width) = (pool.output_height(), pool.output_width());
        channels_second(out, [sizes.batch, height, width, sizes.outputs])
    }

    fn conv_pool_backward(
        x: Primitive,
        weight: Primitive,
        bias: Primitive,
        grad: Primitive,
        options: ConvOptions<2>,
        padding: usize,
        of_x: bool,
    ) -> ConvGrads<Self> {
        let sizes = conv_pool_sizes(&x, &weight, &options, padding);
        let Some(sizes) = sizes.filter(|_| !of_x) else {
            return conv_then_pool_backward::<Self>(x, weight, bias, grad, options, padding, of_x);
        };
        let (x, grad) = (channels_last(x), channels_last(grad));
        let (weight, bias) = (contiguous(weight), contiguous(bias));
        let [by_weight, by_bias] = pooled::backward(
            slice(&x),
            slice(&weight),
            slice(&bias),
            slice(&grad),
            sizes,
            padding,
        );
        ConvGrads {
            x: None,
            weight: Primitive::from_data(TensorData::new(by_weight, weight.shape())),
            bias: Primitive::from_data(TensorData::new(by_bias, bias.shape())),
        }
    }

    fn pool(x: Primitive, padding: usize) -> Primitive {
        let Some(sizes) = pool_sizes(&x, padding) else {
            return burns_pool::<Self>(x, padding);
        };
        let out = pool::forward(slice(&channels_last(x)), sizes);
        let (height, width) = (sizes.output_height(), sizes.output_width());
        channels_second(out, [sizes.batch, height, width, sizes.outputs])
    }

    fn pool_backward(x: Primitive, grad: Primitive, padding: usize) -> Primitive {
        let Some(sizes) = pool_sizes(&x, padding) else {
            return burns_pool_backward::<Self>(x, grad, padding);
        };
        let by_x = pool::backward(slice(&channels_last(grad)), sizes);
        channels_second(by_x, [sizes.batch, sizes.height, sizes.width, sizes.inputs])
    }

    fn resize(x: Primitive, size: [usize; 2]) -> Primitive {
        let shape = x.shape();
        if x.dtype() != DType::F32 || shape.num_elements() * size[0] * size[1] == 0 {
            return burns_resize::<Self>(x, size);
        }
        let x = channels_last(x);
        let out = resize::forward(slice(&x), [shape[2], shape[3]], size, shape[1]);
        channels_second(out, [shape[0], size[0], size[1], shape[1]])
    }

    fn resize_backward(x: Primitive, grad: Primitive) -> Primitive {
        let (shape, of_grad) = (x.shape(), grad.shape());
        if x.dtype() != DType::F32 || shape.num_elements() * of_grad.num_elements() == 0 {
            return burns_resize_backward::<Self>(x, grad);
        }
        let (from, to) = ([shape[2], shape[3]], [of_grad[2], of_grad[3]]);
        let grad = channels_last(grad);
        let by_x = resize::backward(slice(&grad), from, to, shape[1]);
        channels_second(by_x, [shape[0], from[0], from[1], shape[1]])
    }

    fn pool_channels(x: Primitive, group: usize) -> Primitive {
        let shape = x.shape();
        let pixels = shape[2] * shape[3];
        if x.dtype() != DType::F32 || shape.num_elements() == 0 {
            return burns_pool_channels::<Self>(x, group);
        }
        let out = pool::channels(slice(&contiguous(x)), group, pixels);
        let shape = [shape[0], shape[1] / group, shape[2], shape[3]];
        Primitive::from_data(TensorData::new(out, shape))
    }

    fn pool_channels_backward(grad: Primitive, group: usize) -> Primitive {
        let shape = grad.shape();
        let pixels = shape[2] * shape[3];
        if grad.dtype() != DType::F32 || shape.num_elements() == 0 {
            return burns_pool_channels_backward::<Self>(grad, group);
        }
        let by_x = pool::channels_backward(slice(&contiguous(grad)), group, pixels);
        let shape = [shape[0], shape[1] * group, shape[2], shape[3]];
        Primitive::from_data(TensorData::new(by_x, shape))
    }

    fn dropout_mask(shape: Shape, probability: f64, device: &FlexDevice) -> Primitive {
        // The backend's random numbers, which can be seeded, seed faster ones.
        let seed = Self::float_random(
            Shape::from([8]),
            Distribution::Default,
            device,
            FloatDType::F32,
        );
        let mut bytes = [0; 32];
        for (four, value) in bytes.chunks_mut(4).zip(slice(&seed)) {
            four.copy_from_slice(&value.to_ne_bytes());
        }
        let mask = mask(bytes, probability, shape.num_elements());
        Primitive::from_data(TensorData::new(mask, shape.clone()))
    }

    fn adam(step: AdamStep, tensors: [Primitive; 4]) -> [Primitive; 3] {
        let shape = tensors[0].shape();
        let alike = |t: &Primitive| t.dtype() == DType::F32 && t.shape() == shape;
        if !tensors.iter().all(alike) {
            return burns_adam::<Self>(step, tensors);
        }
        // Without a copy where nothing else holds them.
        let [mut parameter, grad, mut first, mut second] = tensors.map(|t| t.to_contiguous());
        adam::step(
            step,
            parameter.storage_mut(),
            slice(&grad),
            first.storage_mut(),
            second.storage_mut(),
        );
        [parameter, first, second]
    }
}

/// 0 with that probability, else what keeps the mean at 1.
fn mask(seed: [u8; 32], probability: f64, length: usize) -> Vec<f32> {
    let mut rng = SmallRng::from_seed(seed);
    let (bound, factor) = (
        (probability * 2.0_f64.powi(32)) as u32,
        (1.0 / (1.0 - probability)) as f32,
    );
    let draw = |_| match rng.next_u32() < bound {
        true => 0.0,
        false => factor,
    };
    (0..length).map(draw).collect()
}

/// The gradient before a ReLU from the one after it.
fn masked(grad: &[f32], output: &[f32]) -> Vec<f32> {
    let both = grad.par_iter().zip(output).with_min_len(1 << 14);
    let pass = |(grad, output): (&f32, &f32)| if *output > 0.0 { *grad } else { 0.0 };
    both.map(pass).collect()
}

/// The sum over all pixels, in an order that does not depend on the number of threads.
fn pixel_sum(grad: &[f32], channels: usize) -> Vec<f32> {
    let add = |mut sum: Vec<f32>, pixel: &[f32]| {
        sum.iter_mut().zip(pixel).for_each(|(s, p)| *s += p);
        sum
    };
    let parts = grad.par_chunks(1024 * channels);
    let sums = parts.map(|part| part.chunks(channels).fold(vec![0.0; channels], add));
    let sums: Vec<_> = sums.collect();
    sums.iter()
        .fold(vec![0.0; channels], |sum, part| add(sum, part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Tensor, TensorPrimitive, Tolerance};
    use rand::{Rng, SeedableRng, rngs::StdRng};
    use std::cell::RefCell;

    /// Values of variance 1, the same in every run: a rounding across 0 would change what passes a ReLU.
    fn random<const D: usize>(shape: [usize; D]) -> Tensor<Flex, D> {
        thread_local! {
            static RNG: RefCell<StdRng> = StdRng::seed_from_u64(1).into();
        }
        let value = || RNG.with_borrow_mut(|rng| rng.random_range(-1.732_f32..1.732));
        let values: Vec<_> = (0..shape.iter().product()).map(|_| value()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    }

    fn assert_near(ours: Primitive, burns: Primitive, scale: f32) {
        let data = |t| Tensor::<Flex, 4>::from_primitive(TensorPrimitive::Float(t)).into_data();
        // Errors of the transforms go with the largest product, not with each output.
        let tolerance = Tolerance::absolute(1.5e-5 * scale);
        data(ours).assert_approx_eq::<f32>(&data(burns), tolerance);
    }

    /// Forward and all gradients against Burn's: kernels of both algorithms, strides, every
    /// padding, sizes that fill their tiles and sizes that do not, several images.
    #[test]
    fn convolutions_equal_burns() {
        for ([inputs, outputs], kernel, stride, padding, [batch, height, width]) in [
            ([16, 24], [3, 3], 1, 0, [1, 3, 3]),
            ([16, 24], [3, 3], 1, 1, [2, 9, 14]),
            ([16, 24], [3, 3], 1, 2, [1, 5, 40]),
            ([16, 24], [4, 4], 1, 0, [3, 4, 4]),
            ([16, 24], [4, 4], 1, 0, [2, 21, 16]),
            ([16, 24], [4, 4], 1, 1, [1, 8, 33]),
            ([16, 24], [4, 4], 1, 2, [1, 7, 12]),
            ([16, 24], [4, 4], 1, 3, [2, 10, 11]),
            // So many tiles that the gradient by the weight is summed in several rounds.
            ([8, 8], [4, 4], 1, 0, [1, 120, 120]),
            ([3, 8], [4, 4], 1, 3, [2, 40, 31]),
            ([3, 5], [4, 4], 2, 1, [2, 9, 12]),
            ([4, 6], [2, 3], 1, 0, [1, 2, 3]),
            ([8, 7], [3, 2], 3, 1, [2, 7, 11]),
            ([8, 16], [1, 1], 1, 0, [2, 5, 6]),
        ] {
            let options = || ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
            let x = random([batch, inputs, height, width]);
            let weight = random([outputs, inputs, kernel[0], kernel[1]]);
            let bias = random([outputs]);
            let parts = || {
                (
                    x.clone().into_primitive().tensor(),
                    weight.clone().into_primitive().tensor(),
                    bias.clone().into_primitive().tensor(),
                )
            };
            let ((x1, w1, b1), (x2, w2, b2)) = (parts(), parts());
            assert!(conv_sizes(&x1, &w1, &options()).is_some());
            let ours = Flex::conv(x1, w1, b1, options(), true);
            let burns = burns_conv::<Flex>(x2, w2, b2, options(), true);
            let (shape, area) = (burns.shape(), kernel[0] * kernel[1]);
            let terms = |n: usize| 4.0 * (n as f32).sqrt();
            assert_near(ours, burns.clone(), terms(inputs * area));

            let grad = random([shape[0], shape[1], shape[2], shape[3]]);
            let grad = || grad.clone().into_primitive().tensor();
            let output = || Some(burns.clone());
            let ((x1, w1, b1), (x2, w2, b2)) = (parts(), parts());
            let ours = Flex::conv_backward(x1, w1, b1, output(), grad(), options(), true);
            let burns = burns_conv_backward::<Flex>(x2, w2, b2, output(), grad(), options(), true);
            assert_near(ours.x.unwrap(), burns.x.unwrap(), terms(outputs * area));
            let pixels = batch * shape[2] * shape[3];
            assert_near(ours.weight, burns.weight, terms(pixels));
            let flat = |t: Primitive| t.reshape([1, 1, 1, outputs].into());
            assert_near(flat(ours.bias), flat(burns.bias), terms(pixels));
        }
    }

    #[test]
    fn pools_equal_burns() {
        for (padding, [batch, height, width]) in [
            (0, [2, 8, 6]),
            (0, [1, 7, 9]),
            (1, [2, 8, 6]),
            (1, [1, 7, 9]),
            (1, [1, 1, 1]),
        ] {
            let x = random([batch, 5, height, width]).into_primitive().tensor();
            assert!(pool_sizes(&x, padding).is_some());
            let ours = Flex::pool(x.clone(), padding);
            let burns = burns_pool::<Flex>(x.clone(), padding);
            let shape = burns.shape();
            assert_near(ours, burns, 0.1);
            let grad = random([shape[0], shape[1], shape[2], shape[3]]);
            let grad = || grad.clone().into_primitive().tensor();
            let ours = Flex::pool_backward(x.clone(), grad(), padding);
            let burns = burns_pool_backward::<Flex>(x, grad(), padding);
            assert_near(ours, burns, 0.1);
        }
    }

    /// Forward and backward against convolution and pool one after the other.
    #[test]
    fn pooled_convolutions_equal_their_parts() {
        for (kernel, stride, padding, pool, [batch, height, width]) in [
            (4, 1, 0, 0, [1, 12, 17]),
            (4, 1, 3, 1, [2, 11, 14]),
            (2, 2, 1, 0, [2, 13, 9]),
        ] {
            let options = || ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
            let x = random([batch, 3, height, width]).into_primitive().tensor();
            let weight = random([8, 3, kernel, kernel]).into_primitive().tensor();
            let bias = random([8]).into_primitive().tensor();
            let parts = || (x.clone(), weight.clone(), bias.clone());
            let ((x1, w1, b1), (x2, w2, b2)) = (parts(), parts());
            assert!(conv_pool_sizes(&x1, &w1, &options(), pool).is_some());
            let ours = Flex::conv_pool(x1, w1, b1, options(), pool);
            let output = burns_conv::<Flex>(x2, w2, b2, options(), true);
            let shape = ours.shape();
            assert_near(ours, burns_pool::<Flex>(output.clone(), pool), 10.0);

            let grad = random([shape[0], shape[1], shape[2], shape[3]]);
            let grad = grad.into_primitive().tensor();
            let ((x1, w1, b1), (x2, w2, b2)) = (parts(), parts());
            let ours = Flex::conv_pool_backward(x1, w1, b1, grad.clone(), options(), pool, false);
            let grad = burns_pool_backward::<Flex>(output.clone(), grad, pool);
            let burns =
                burns_conv_backward::<Flex>(x2, w2, b2, Some(output), grad, options(), false);
            assert_near(ours.weight, burns.weight, 20.0);
            let flat = |t: Primitive| t.reshape([1, 1, 1, 8].into());
            assert_near(flat(ours.bias), flat(burns.bias), 20.0);
        }
    }

    #[test]
    fn channels_pool_as_burns() {
        let x = random([2, 12, 3, 5]).into_primitive().tensor();
        let ours = Flex::pool_channels(x.clone(), 4);
        assert_eq!(ours.shape().as_slice(), [2, 3, 3, 5]);
        assert_near(ours.clone(), burns_pool_channels::<Flex>(x, 4), 0.1);
        let back = Flex::pool_channels_backward(ours.clone(), 4);
        assert_near(back, burns_pool_channels_backward::<Flex>(ours, 4), 0.1);
    }

    #[test]
    fn resizes_as_burn() {
        for (from, to) in [
            ([1, 1], [3, 3]),
            ([3, 4], [8, 5]),
            ([15, 9], [7, 9]),
            ([63, 31], [64, 90]),
        ] {
            let x = random([2, 3, from[0], from[1]]).into_primitive().tensor();
            let grad = random([2, 3, to[0], to[1]]).into_primitive().tensor();
            // Burn rounds the positions to f32.
            let ours = Flex::resize(x.clone(), to);
            assert_near(ours, burns_resize::<Flex>(x.clone(), to), 6.0);
            let ours = Flex::resize_backward(x.clone(), grad.clone());
            assert_near(ours, burns_resize_backward::<Flex>(x, grad), 20.0);
        }
    }

    #[test]
    fn dropout_keeps_its_part_and_repeats() {
        for probability in [0.2, 0.75] {
            let draw = |seed| mask([seed; 32], probability, 200_000);
            let drawn = draw(4);
            let factor = (1.0 / (1.0 - probability)) as f32;
            assert!(drawn.iter().all(|v| *v == 0.0 || *v == factor));
            let dropped = drawn.iter().filter(|v| **v == 0.0).count() as f64 / 2e5;
            // Five standard deviations.
            let deviation = (probability * (1.0 - probability) / 2e5).sqrt();
            assert!((dropped - probability).abs() < 5.0 * deviation, "{dropped}");
            assert_eq!(drawn, draw(4));
            assert_ne!(drawn, draw(5));
        }
    }

    #[test]
    fn nan_stays() {
        for inputs in [8, 3] {
            let x = random([1, inputs, 6, 6]) * f32::NAN;
            let (weight, bias) = (random([8, inputs, 3, 3]), random([8]));
            let [x, weight] = [x, weight].map(|t| t.into_primitive().tensor());
            let options = ConvOptions::new([1; 2], [0; 2], [1; 2], 1);
            let out = Flex::conv(x, weight, bias.into_primitive().tensor(), options, true);
            assert!(slice(&channels_last(out)).iter().all(|v| v.is_nan()));
        }
    }
}
