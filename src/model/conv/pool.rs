//! The mean over 2 × 2 pixels with stride 2 on `[batch, height, width, channels]`; padding counts
//! as zero pixels.

use rayon::prelude::*;

use super::sizes::Sizes;

/// The kernel, in both directions, and the stride.
pub const KERNEL: usize = 2;

/// The pooled image.
pub fn forward(x: &[f32], sizes: Sizes) -> Vec<f32> {
    let (height, channels) = (sizes.output_height(), sizes.outputs);
    let mut out = vec![0.0; sizes.output_len()];
    let rows = out
        .par_chunks_mut(sizes.output_width() * channels)
        .enumerate();
    rows.for_each(|(row, out)| {
        let (image, top) = (row / height, row % height * KERNEL);
        for i in 0..KERNEL {
            let y = (top + i).wrapping_sub(sizes.padding);
            if y >= sizes.height {
                continue;
            }
            let from = &x[(image * sizes.height + y) * sizes.width * channels..];
            for (left, out) in out.chunks_exact_mut(channels).enumerate() {
                for j in 0..KERNEL {
                    let at = (left * KERNEL + j).wrapping_sub(sizes.padding);
                    if at < sizes.width {
                        let from = &from[at * channels..][..channels];
                        for (out, from) in out.iter_mut().zip(from) {
                            *out += 0.25 * from;
                        }
                    }
                }
            }
        }
    });
    out
}

/// The gradient by the input from the one by the output.
pub fn backward(grad: &[f32], sizes: Sizes) -> Vec<f32> {
    let (rows, columns, channels) = (sizes.output_height(), sizes.output_width(), sizes.outputs);
    let mut out = vec![0.0; sizes.batch * sizes.height * sizes.width * channels];
    let lines = out.par_chunks_mut(sizes.width * channels).enumerate();
    lines.for_each(|(line, out)| {
        let (image, y) = (line / sizes.height, line % sizes.height);
        let row = (y + sizes.padding) / KERNEL;
        if row >= rows {
            return;
        }
        let from = &grad[(image * rows + row) * columns * channels..][..columns * channels];
        for (x, out) in out.chunks_exact_mut(channels).enumerate() {
            let column = (x + sizes.padding) / KERNEL;
            if column < columns {
                let from = &from[column * channels..][..channels];
                for (out, from) in out.iter_mut().zip(from) {
                    *out = 0.25 * from;
                }
            }
        }
    });
    out
}
