//! Convolution, ReLU and the mean over 2 × 2 pixels in one pass: row by row, so that what lies
//! between, the largest result of a network by far, never leaves the cache. The backward pass
//! computes it again.

use rayon::prelude::*;

use super::matmul::matmul;
use super::patches::{PARTS, from_im2col_layout, im2col, patch_len, to_im2col_layout};
use super::pool;
use super::scratch::Scratch;
use super::sizes::Sizes;
use crate::geometry::vectorised;

/// Patches and results of one row of the convolution.
struct Row {
    patches: Scratch,
    values: Scratch,
}

impl Row {
    fn new(sizes: Sizes) -> Self {
        let width = sizes.output_width();
        Self {
            patches: Scratch::new(width * patch_len(sizes)),
            values: Scratch::new(width * sizes.outputs),
        }
    }

    /// Computes a row, counted over all images, before the ReLU.
    fn compute(&mut self, x: &[f32], weight: &[f32], bias: &[f32], row: usize, sizes: Sizes) {
        let (width, length) = (sizes.output_width(), patch_len(sizes));
        im2col(x, &mut self.patches, row * width..(row + 1) * width, sizes);
        for pixel in self.values.chunks_exact_mut(sizes.outputs) {
            pixel.copy_from_slice(bias);
        }
        let (left, right) = ((&*self.patches, [length, 1]), (weight, [sizes.outputs, 1]));
        let size = [width, sizes.outputs, length];
        matmul(size, left, right, &mut self.values, true);
    }
}

/// The pooled output, `[batch, height, width, outputs]`; see [`Sizes::pooled`].
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], sizes: Sizes, padding: usize) -> Vec<f32> {
    let pool = sizes.pooled(padding);
    let (columns, outputs) = (pool.output_width(), sizes.outputs);
    let weight = to_im2col_layout(weight, sizes);
    let mut out = vec![0.0; pool.output_len()];
    let lines = out.par_chunks_mut(columns * outputs).enumerate();
    lines.for_each_init(
        || Row::new(sizes),
        |row, (line, out)| {
            for y in rows_of(line, pool) {
                row.compute(x, &weight, bias, y, sizes);
                let pixels = row.values.chunks_exact(outputs).enumerate();
                vectorised(
                    #[inline(always)]
                    || {
                        for (x, pixel) in pixels {
                            let column = (x + padding) / pool::KERNEL;
                            if column < columns {
                                let out = &mut out[column * outputs..][..outputs];
                                for (out, value) in out.iter_mut().zip(pixel) {
                                    // A NaN stays one.
                                    *out += if *value < 0.0 { 0.0 } else { 0.25 * value };
                                }
                            }
                        }
                    },
                );
            }
        },
    );
    out
}

/// The gradients by weight and bias from the one by the pooled output.
pub fn backward(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    grad: &[f32],
    sizes: Sizes,
    padding: usize,
) -> [Vec<f32>; 2] {
    let pool = sizes.pooled(padding);
    let (columns, outputs, length) = (pool.output_width(), sizes.outputs, patch_len(sizes));
    let weight = to_im2col_layout(weight, sizes);
    let line_len = columns * outputs;
    let part = (grad.len() / line_len).div_ceil(PARTS);
    let parts = grad.par_chunks(part * line_len).enumerate();
    let sums = parts.map(|(index, grads)| {
        let (mut sum, mut of_bias) = (vec![0.0; length * outputs], vec![0.0; outputs]);
        let mut row = Row::new(sizes);
        for (line, grad) in grads.chunks(line_len).enumerate() {
            for y in rows_of(index * part + line, pool) {
                row.compute(x, &weight, bias, y, sizes);
                let pixels = row.values.chunks_exact_mut(outputs).enumerate();
                vectorised(
                    #[inline(always)]
                    || {
                        for (x, pixel) in pixels {
                            let column = (x + padding) / pool::KERNEL;
                            if column >= columns {
                                pixel.fill(0.0);
                                continue;
                            }
                            let grad = &grad[column * outputs..][..outputs];
                            let sums = of_bias.iter_mut().zip(grad);
                            for (value, (sum, grad)) in pixel.iter_mut().zip(sums) {
                                *value = if *value > 0.0 { 0.25 * grad } else { 0.0 };
                                *sum += *value;
                            }
                        }
                    },
                );
                let size = [length, outputs, sizes.output_width()];
                let (left, right) = ((&*row.patches, [1, length]), (&*row.values, [outputs, 1]));
                matmul(size, left, right, &mut sum, true);
            }
        }
        [sum, of_bias]
    });
    let total = [vec![0.0; length * outputs], vec![0.0; outputs]];
    let sums: Vec<_> = sums.collect();
    let add = |mut total: [Vec<f32>; 2], part: &[Vec<f32>; 2]| {
        for (total, part) in total.iter_mut().zip(part) {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        }
        total
    };
    let [by_weight, by_bias] = sums.iter().fold(total, add);
    [from_im2col_layout(&by_weight, sizes), by_bias]
}

/// The rows under a pooled row; both are counted over all images.
fn rows_of(line: usize, pool: Sizes) -> impl Iterator<Item = usize> {
    let (image, row) = (line / pool.output_height(), line % pool.output_height());
    let rows = (0..pool::KERNEL).map(move |i| (row * pool::KERNEL + i).wrapping_sub(pool.padding));
    rows.filter(move |y| *y < pool.height)
        .map(move |y| image * pool.height + y)
}
