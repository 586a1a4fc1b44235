//! Convolutions of stride 1 with 3 × 3 and 4 × 4 kernels by Winograd's minimal filtering, on
//! `[batch, height, width, channels]`. Lavin & Gray, *Fast Algorithms for Convolutional Neural
//! Networks*, CVPR 2016, with F(4 × 4, 3 × 3) and F(3 × 3, 4 × 4).
//!
//! Both use the points 0, ±1, ±2, ∞, hence tiles of 6 × 6 inputs and 36 products of matrices with a
//! fourth of the multiplications. With Aᵀ, G, Bᵀ the matrices of the paper, W the kernel and D a
//! tile, the output is Aᵀ \[(G W Gᵀ) ⊙ (Bᵀ D B)\] A; the gradient by W is the transposed map, and the
//! one by D is the convolution of the gradient with the transposed kernel.
//!
//! Nothing depends on the number of threads, not even the rounding.

mod axis;
mod tiles;
mod transforms;

use rayon::prelude::*;

use super::matmul::matmul;
use super::scratch::Scratch;
use super::sizes::Sizes;
use axis::{LANES, N};
use transforms::{
    transform_grad, transform_input, transform_output, transform_weight, transform_weight_back,
};

/// Points of a tile.
const POINTS: usize = N * N;
/// Bands of tiles that are transformed, at most, before they are multiplied.
const TOGETHER: usize = 16;

/// Whether this folder can compute it.
pub fn supports(sizes: Sizes) -> bool {
    matches!(sizes.kernel, [3, 3] | [4, 4])
        && sizes.stride == 1
        && sizes.inputs.is_multiple_of(LANES)
        && sizes.outputs.is_multiple_of(LANES)
}

/// The convolution, with its bias, and without what is negative if `relu`.
///
/// - x: `[batch, height, width, inputs]`
/// - weight: `[outputs, inputs, kernel, kernel]`
/// - output: `[batch, output height, output width, outputs]`
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], sizes: Sizes, relu: bool) -> Vec<f32> {
    let area = sizes.kernel[0] * sizes.kernel[1];
    let of = |input: usize, output: usize, at: usize| {
        weight[(output * sizes.inputs + input) * area + at]
    };
    convolve(x, &transform_weight(of, sizes), bias, sizes, relu)
}

/// The gradient by the input from the one by the output before the ReLU.
pub fn by_input(grad: &[f32], weight: &[f32], sizes: Sizes) -> Vec<f32> {
    let area = sizes.kernel[0] * sizes.kernel[1];
    let of = |input: usize, output: usize, at: usize| {
        weight[(input * sizes.inputs + output) * area + area - 1 - at]
    };
    let sizes = sizes.transposed();
    let none = vec![0.0; sizes.outputs];
    convolve(grad, &transform_weight(of, sizes), &none, sizes, false)
}

/// The gradient by the weight, `[outputs, inputs, kernel, kernel]`.
pub fn by_weight(x: &[f32], grad: &[f32], sizes: Sizes) -> Vec<f32> {
    let Sizes {
        inputs, outputs, ..
    } = sizes;
    let most = sizes.most_tiles();
    let together = (2 * rayon::current_num_threads()).min(TOGETHER);
    let (of_input, of_grad) = (POINTS * most * inputs, POINTS * most * outputs);
    let mut tiles = Scratch::new(together * of_input);
    let mut grads = Scratch::new(together * of_grad);
    let mut sum = Scratch::new(POINTS * inputs * outputs);
    let mut started = false;
    for group in sizes.bands().chunks(together) {
        let parts = tiles
            .par_chunks_mut(of_input)
            .zip(grads.par_chunks_mut(of_grad));
        parts.zip(group).for_each(|((tiles, grads), band)| {
            transform_input(x, tiles, band, sizes);
            transform_grad(grad, grads, band, sizes);
        });
        let sums = sum.par_chunks_mut(inputs * outputs).enumerate();
        sums.for_each(|(point, sum)| {
            let parts = tiles.chunks(of_input).zip(grads.chunks(of_grad));
            for (index, ((tiles, grads), band)) in parts.zip(group).enumerate() {
                let count = band.len() * sizes.tiles_per_row();
                let tiles = &tiles[point * count * inputs..][..count * inputs];
                let grads = &grads[point * count * outputs..][..count * outputs];
                let (left, right) = ((tiles, [1, inputs]), (grads, [outputs, 1]));
                matmul(
                    [inputs, outputs, count],
                    left,
                    right,
                    sum,
                    started || index > 0,
                );
            }
        });
        started = true;
    }
    transform_weight_back(&sum, sizes)
}

/// The convolution with transformed weights `[inputs, point, outputs]`.
fn convolve(x: &[f32], weight: &[f32], bias: &[f32], sizes: Sizes, relu: bool) -> Vec<f32> {
    let Sizes {
        inputs, outputs, ..
    } = sizes;
    let row = sizes.output_width() * outputs;
    let length = sizes.output_len();
    let mut out = Vec::with_capacity(length);
    let (mut parts, mut rest) = (Vec::new(), &mut out.spare_capacity_mut()[..length]);
    for band in sizes.bands() {
        let (part, after) = rest.split_at_mut(sizes.output_rows(&band).len() * row);
        parts.push((band, part));
        rest = after;
    }
    let most = POINTS * sizes.most_tiles();
    let room = || (Scratch::new(most * inputs), Scratch::new(most * outputs));
    parts
        .into_par_iter()
        .for_each_init(room, |(tiles, products), (band, part)| {
            let count = band.len() * sizes.tiles_per_row();
            transform_input(x, tiles, &band, sizes);
            for point in 0..POINTS {
                let tiles = &tiles[point * count * inputs..][..count * inputs];
                let products = &mut products[point * count * outputs..][..count * outputs];
                let weight = &weight[point * outputs..];
                let (left, right) = ((tiles, [inputs, 1]), (weight, [POINTS * outputs, 1]));
                matmul([count, outputs, inputs], left, right, products, false);
            }
            match sizes.kernel[0] {
                3 => transform_output::<4>(products, bias, part, &band, sizes, relu),
                _ => transform_output::<3>(products, bias, part, &band, sizes, relu),
            }
        });
    // SAFETY: the bands are all rows of tiles, and the tiles of a band cover its output rows.
    unsafe { out.set_len(length) };
    out
}
