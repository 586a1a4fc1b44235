//! Convolutions of any kernel and stride on `[batch, height, width, channels]`: the patches under
//! the kernel are laid out as the rows of a matrix and multiplied with the weights.
//!
//! Nothing depends on the number of threads, not even the rounding.

use std::ops::Range;

use rayon::prelude::*;

use super::matmul::matmul;
use super::scratch::Scratch;
use super::sizes::Sizes;

/// Patches that share one product of matrices.
const STRIP: usize = 128;
/// Parts whose gradients by the weights are summed apart.
pub(super) const PARTS: usize = 8;

/// The elements of one patch.
pub(super) fn patch_len(sizes: Sizes) -> usize {
    sizes.kernel[0] * sizes.kernel[1] * sizes.inputs
}

/// The convolution, with its bias, and without what is negative if `relu`.
///
/// - x: `[batch, height, width, inputs]`
/// - weight: `[outputs, inputs, kernel, kernel]`
/// - output: `[batch, output height, output width, outputs]`
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], sizes: Sizes, relu: bool) -> Vec<f32> {
    let (length, outputs) = (patch_len(sizes), sizes.outputs);
    let weight = to_im2col_layout(weight, sizes);
    let mut out = vec![0.0; sizes.output_len()];
    let strips = out.par_chunks_mut(STRIP * outputs).enumerate();
    strips.for_each_init(
        || Scratch::new(STRIP * length),
        |patches, (strip, out)| {
            let count = out.len() / outputs;
            let patches = &mut patches[..count * length];
            im2col(x, patches, strip * STRIP..strip * STRIP + count, sizes);
            for pixel in out.chunks_exact_mut(outputs) {
                pixel.copy_from_slice(bias);
            }
            let (left, right) = ((&*patches, [length, 1]), (&*weight, [outputs, 1]));
            matmul([count, outputs, length], left, right, out, true);
            if relu {
                // A NaN stays one.
                out.iter_mut().filter(|v| **v < 0.0).for_each(|v| *v = 0.0);
            }
        },
    );
    out
}

/// The gradient by the input from the one by the output before the ReLU.
pub fn by_input(grad: &[f32], weight: &[f32], sizes: Sizes) -> Vec<f32> {
    let (length, outputs) = (patch_len(sizes), sizes.outputs);
    let weight = to_im2col_layout(weight, sizes);
    let image = sizes.height * sizes.width * sizes.inputs;
    let pixels = sizes.output_height() * sizes.output_width();
    let mut out = vec![0.0; sizes.batch * image];
    let mut patches = Scratch::new(pixels * length);
    for (out, grad) in out.chunks_mut(image).zip(grad.chunks(pixels * outputs)) {
        let strips = patches
            .par_chunks_mut(STRIP * length)
            .zip(grad.par_chunks(STRIP * outputs));
        strips.for_each(|(patches, grad)| {
            let (left, right) = ((grad, [outputs, 1]), (&*weight, [1, outputs]));
            matmul(
                [grad.len() / outputs, length, outputs],
                left,
                right,
                patches,
                false,
            );
        });
        let rows = out.par_chunks_mut(sizes.width * sizes.inputs).enumerate();
        rows.for_each(|(y, row)| add_patches(&patches, row, y, sizes));
    }
    out
}

/// The gradient by the weight, `[outputs, inputs, kernel, kernel]`.
pub fn by_weight(x: &[f32], grad: &[f32], sizes: Sizes) -> Vec<f32> {
    let (length, outputs) = (patch_len(sizes), sizes.outputs);
    let strips = (grad.len() / outputs).div_ceil(STRIP);
    let part = strips.div_ceil(PARTS) * STRIP;
    let parts = grad.par_chunks(part * outputs).enumerate();
    let sums = parts.map(|(index, grad)| {
        let mut sum = vec![0.0; length * outputs];
        let mut patches = Scratch::new(STRIP * length);
        for (strip, grad) in grad.chunks(STRIP * outputs).enumerate() {
            let (first, count) = (index * part + strip * STRIP, grad.len() / outputs);
            let patches = &mut patches[..count * length];
            im2col(x, patches, first..first + count, sizes);
            let (left, right) = ((&*patches, [1, length]), (grad, [outputs, 1]));
            matmul([length, outputs, count], left, right, &mut sum, true);
        }
        sum
    });
    let sums: Vec<_> = sums.collect();
    let mut sum = vec![0.0; length * outputs];
    for part in &sums {
        sum.iter_mut()
            .zip(part)
            .for_each(|(sum, part)| *sum += part);
    }
    from_im2col_layout(&sum, sizes)
}

/// Lays the patches of some outputs side by side: `[pixel, kernel row, kernel column, inputs]`.
pub(super) fn im2col(x: &[f32], out: &mut [f32], pixels: Range<usize>, sizes: Sizes) {
    let [_, columns] = sizes.kernel;
    let (rows, line) = (sizes.output_height(), columns * sizes.inputs);
    let patches = out.chunks_exact_mut(patch_len(sizes));
    for (patch, pixel) in patches.zip(pixels) {
        let (row, left) = (
            pixel / sizes.output_width(),
            pixel % sizes.output_width() * sizes.stride,
        );
        let (image, top) = (row / rows, row % rows * sizes.stride);
        for (i, out) in patch.chunks_exact_mut(line).enumerate() {
            let y = (top + i).wrapping_sub(sizes.padding);
            if y >= sizes.height {
                out.fill(0.0);
                continue;
            }
            let start = (image * sizes.height + y) * sizes.width;
            let inner = left >= sizes.padding && left - sizes.padding + columns <= sizes.width;
            if inner {
                let at = (start + left - sizes.padding) * sizes.inputs;
                out.copy_from_slice(&x[at..at + line]);
                continue;
            }
            for (j, out) in out.chunks_exact_mut(sizes.inputs).enumerate() {
                let at = (left + j).wrapping_sub(sizes.padding);
                if at < sizes.width {
                    let at = (start + at) * sizes.inputs;
                    out.copy_from_slice(&x[at..at + sizes.inputs]);
                } else {
                    out.fill(0.0);
                }
            }
        }
    }
}

/// Adds to an input row what the patches of one image hold of it.
fn add_patches(patches: &[f32], row: &mut [f32], y: usize, sizes: Sizes) {
    let ([kernel_rows, columns], inputs) = (sizes.kernel, sizes.inputs);
    let output_width = sizes.output_width();
    for i in 0..kernel_rows {
        let Some(below) = (y + sizes.padding).checked_sub(i) else {
            continue;
        };
        let top = below / sizes.stride;
        if !below.is_multiple_of(sizes.stride) || top >= sizes.output_height() {
            continue;
        }
        for left in 0..output_width {
            let patch = (top * output_width + left) * kernel_rows * columns;
            for j in 0..columns {
                let x = (left * sizes.stride + j).wrapping_sub(sizes.padding);
                if x < sizes.width {
                    let from = &patches[(patch + i * columns + j) * inputs..][..inputs];
                    let to = &mut row[x * inputs..][..inputs];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                }
            }
        }
    }
}

/// Weights `[outputs, inputs, area]` as `[area, inputs, outputs]`.
pub(super) fn to_im2col_layout(weight: &[f32], sizes: Sizes) -> Vec<f32> {
    let (inputs, outputs) = (sizes.inputs, sizes.outputs);
    let area = sizes.kernel[0] * sizes.kernel[1];
    let mut out = vec![0.0; weight.len()];
    let lines = out.par_chunks_mut(outputs).enumerate();
    lines.for_each(|(line, out)| {
        let (at, input) = (line / inputs, line % inputs);
        for (output, out) in out.iter_mut().enumerate() {
            *out = weight[(output * inputs + input) * area + at];
        }
    });
    out
}

/// The inverse of [`to_im2col_layout`].
pub(super) fn from_im2col_layout(sum: &[f32], sizes: Sizes) -> Vec<f32> {
    let (inputs, outputs) = (sizes.inputs, sizes.outputs);
    let area = sizes.kernel[0] * sizes.kernel[1];
    let mut out = vec![0.0; sum.len()];
    let kernels = out.par_chunks_mut(area).enumerate();
    kernels.for_each(|(kernel, out)| {
        let (output, input) = (kernel / inputs, kernel % inputs);
        for (at, out) in out.iter_mut().enumerate() {
            *out = sum[(at * inputs + input) * outputs + output];
        }
    });
    out
}
