//! Means: over 2 × 2 pixels with stride 2 on `[batch, height, width, channels]`, where padding counts
//! as zero pixels; and over neighbouring channels on `[batch, channels, pixels]`.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::sizes::Sizes;
use crate::geometry::vectorised;

/// The kernel, in both directions, and the stride.
pub const KERNEL: usize = 2;

/// The pooled image.
pub fn forward(x: &[f32], sizes: Sizes) -> Vec<f32> {
    let (height, channels) = (sizes.output_height(), sizes.outputs);
    let row = sizes.output_width() * channels;
    let none = vec![0.0; channels];
    written(
        sizes.output_len(),
        row,
        #[inline(always)]
        |line, out| {
            let (image, top) = (line / height, line % height * KERNEL);
            for (left, out) in out.chunks_exact_mut(channels).enumerate() {
                let pixel = |i: usize, j: usize| {
                    let y = (top + i).wrapping_sub(sizes.padding);
                    let x_at = (left * KERNEL + j).wrapping_sub(sizes.padding);
                    if y < sizes.height && x_at < sizes.width {
                        let at = ((image * sizes.height + y) * sizes.width + x_at) * channels;
                        &x[at..at + channels]
                    } else {
                        &none[..]
                    }
                };
                let (a, b, c, d) = (pixel(0, 0), pixel(0, 1), pixel(1, 0), pixel(1, 1));
                for (k, out) in out.iter_mut().enumerate() {
                    out.write(0.25 * ((a[k] + b[k]) + (c[k] + d[k])));
                }
            }
        },
    )
}

/// The gradient by the input from the one by the output.
pub fn backward(grad: &[f32], sizes: Sizes) -> Vec<f32> {
    let (rows, columns, channels) = (sizes.output_height(), sizes.output_width(), sizes.outputs);
    let length = sizes.batch * sizes.height * sizes.width * channels;
    let none = vec![0.0; channels];
    written(
        length,
        sizes.width * channels,
        #[inline(always)]
        |line, out| {
            let (image, y) = (line / sizes.height, line % sizes.height);
            let row = (y + sizes.padding) / KERNEL;
            for (x, out) in out.chunks_exact_mut(channels).enumerate() {
                let column = (x + sizes.padding) / KERNEL;
                let at = ((image * rows + row) * columns + column) * channels;
                let inside = row < rows && column < columns;
                let from = if inside {
                    &grad[at..at + channels]
                } else {
                    &none
                };
                for (out, from) in out.iter_mut().zip(from) {
                    out.write(0.25 * from);
                }
            }
        },
    )
}

/// A vector of this length whose lines of `row` elements `write` fills, each whole, from a line's
/// index.
fn written(
    length: usize,
    row: usize,
    write: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(length);
    let lines = out.spare_capacity_mut()[..length].par_chunks_mut(row);
    lines.enumerate().for_each(|(line, out)| {
        vectorised(
            #[inline(always)]
            || write(line, out),
        )
    });
    // SAFETY: every element is in a line, and `write` fills it: both callers write each channel of
    // each pixel of their line.
    unsafe { out.set_len(length) };
    out
}

/// The means of groups of `group` channels.
pub fn channels(x: &[f32], group: usize, pixels: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len() / group];
    let lines = out.par_chunks_mut(pixels).zip(x.par_chunks(group * pixels));
    lines.for_each(|(out, x)| {
        for line in x.chunks_exact(pixels) {
            out.iter_mut().zip(line).for_each(|(out, x)| *out += x);
        }
        out.iter_mut().for_each(|out| *out /= group as f32);
    });
    out
}

/// The gradient by the input of [`channels`] from the one by the output.
pub fn channels_backward(grad: &[f32], group: usize, pixels: usize) -> Vec<f32> {
    let mut out = vec![0.0; grad.len() * group];
    let lines = out.par_chunks_mut(group * pixels);
    lines.zip(grad.par_chunks(pixels)).for_each(|(out, grad)| {
        for line in out.chunks_exact_mut(pixels) {
            let pairs = line.iter_mut().zip(grad);
            pairs.for_each(|(out, grad)| *out = grad / group as f32);
        }
    });
    out
}
