//! The transforms of all tiles of a band, and of the weights.

// Loops over indices of small arrays are unrolled and vectorised; iterators with closures are not.
#![allow(clippy::needless_range_loop)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::sizes::Sizes;
use super::POINTS;
use super::axis::{LANES, Lanes, N, a, a_t, b_t, column, g, g_t, lanes};
use super::tiles::Band;
use crate::geometry::vectorised;

/// Bᵀ D B of every tile of a band: `[point, tile, inputs]`.
pub fn transform_input(x: &[f32], out: &mut [f32], band: &Band, sizes: Sizes) {
    let Sizes {
        height,
        width,
        inputs,
        padding,
        ..
    } = sizes;
    let count = band.len() * sizes.tiles_per_row();
    vectorised(
        #[inline(always)]
        || {
            for (tile, [image, top, left]) in sizes.tiles(band).enumerate() {
                for channel in (0..inputs).step_by(LANES) {
                    let mut rows = [[[0.0; LANES]; N]; N];
                    for i in 0..N {
                        let y = (top + i).wrapping_sub(padding);
                        let line = (image * height + y.min(height)) * width;
                        let mut row = [[0.0; LANES]; N];
                        for j in 0..N {
                            let at = (left + j).wrapping_sub(padding);
                            row[j] = if y < height && at < width {
                                lanes(x, (line + at) * inputs + channel)
                            } else {
                                [0.0; LANES]
                            };
                        }
                        rows[i] = b_t(row);
                    }
                    for j in 0..N {
                        let values = b_t(column(&rows, j));
                        for i in 0..N {
                            let at = ((i * N + j) * count + tile) * inputs + channel;
                            out[at..at + LANES].copy_from_slice(&values[i]);
                        }
                    }
                }
            }
        },
    );
}

/// A dY Aᵀ of every tile of a band: `[point, tile, outputs]`.
pub fn transform_grad(grad: &[f32], out: &mut [f32], band: &Band, sizes: Sizes) {
    match sizes.kernel[0] {
        3 => transform_grad_of::<4>(grad, out, band, sizes),
        _ => transform_grad_of::<3>(grad, out, band, sizes),
    }
}

fn transform_grad_of<const M: usize>(grad: &[f32], out: &mut [f32], band: &Band, sizes: Sizes) {
    let (height, width, outputs) = (sizes.output_height(), sizes.output_width(), sizes.outputs);
    let count = band.len() * sizes.tiles_per_row();
    vectorised(
        #[inline(always)]
        || {
            for (tile, [image, top, left]) in sizes.tiles(band).enumerate() {
                for channel in (0..outputs).step_by(LANES) {
                    let mut rows = [[[0.0; LANES]; N]; M];
                    for i in 0..M {
                        let line = (image * height + top + i) * width;
                        let mut row = [[0.0; LANES]; M];
                        for j in 0..M {
                            row[j] = if top + i < height && left + j < width {
                                lanes(grad, (line + left + j) * outputs + channel)
                            } else {
                                [0.0; LANES]
                            };
                        }
                        rows[i] = a(row);
                    }
                    for j in 0..N {
                        let values = a(column(&rows, j));
                        for i in 0..N {
                            let at = ((i * N + j) * count + tile) * outputs + channel;
                            out[at..at + LANES].copy_from_slice(&values[i]);
                        }
                    }
                }
            }
        },
    );
}

/// Aᵀ Z A of every tile of a band, with the bias, into the output rows of the band.
pub fn transform_output<const M: usize>(
    products: &[f32],
    bias: &[f32],
    out: &mut [MaybeUninit<f32>],
    band: &Band,
    sizes: Sizes,
    relu: bool,
) {
    let (height, width, outputs) = (sizes.output_height(), sizes.output_width(), sizes.outputs);
    let count = band.len() * sizes.tiles_per_row();
    let first = sizes.output_rows(band).start;
    let least = if relu { 0.0 } else { f32::NEG_INFINITY };
    vectorised(
        #[inline(always)]
        || {
            for (tile, [image, top, left]) in sizes.tiles(band).enumerate() {
                for channel in (0..outputs).step_by(LANES) {
                    let mut rows = [[[0.0; LANES]; M]; N];
                    for i in 0..N {
                        let mut row = [[0.0; LANES]; N];
                        for j in 0..N {
                            let at = ((i * N + j) * count + tile) * outputs + channel;
                            row[j] = lanes(products, at);
                        }
                        rows[i] = a_t(row);
                    }
                    let bias = lanes(bias, channel);
                    for j in 0..M {
                        if left + j >= width {
                            continue;
                        }
                        let values: [Lanes; M] = a_t(column(&rows, j));
                        for i in 0..M {
                            if top + i >= height {
                                continue;
                            }
                            let row = image * height + top + i - first;
                            let at = (row * width + left + j) * outputs + channel;
                            let out = &mut out[at..at + LANES];
                            for lane in 0..LANES {
                                let value = values[i][lane] + bias[lane];
                                // A NaN stays one.
                                out[lane].write(if value < least { least } else { value });
                            }
                        }
                    }
                }
            }
        },
    );
}

/// G W Gᵀ: `[inputs, point, outputs]`, with `of(input, output, position)` the weights.
pub fn transform_weight(of: impl Fn(usize, usize, usize) -> f32 + Sync, sizes: Sizes) -> Scratch {
    let Sizes {
        inputs,
        outputs,
        kernel: [kernel, _],
        ..
    } = sizes;
    let mut out = Scratch::new(inputs * POINTS * outputs);
    let parts = out.par_chunks_mut(POINTS * outputs).enumerate();
    parts.for_each(|(input, out)| {
        vectorised(
            #[inline(always)]
            || {
                for output in (0..outputs).step_by(LANES) {
                    let mut w = [[[0.0; LANES]; 4]; 4];
                    // Kernel by kernel: those of neighbouring outputs are often a power of 2 apart, and a
                    // cache does not hold many such at once.
                    for lane in 0..LANES {
                        for i in 0..kernel {
                            for j in 0..kernel {
                                w[i][j][lane] = of(input, output + lane, i * kernel + j);
                            }
                        }
                    }
                    let mut rows = [[[0.0; LANES]; N]; 4];
                    for i in 0..kernel {
                        rows[i] = g(w[i], kernel);
                    }
                    for j in 0..N {
                        let values = g(column(&rows, j), kernel);
                        for i in 0..N {
                            let at = (i * N + j) * outputs + output;
                            out[at..at + LANES].copy_from_slice(&values[i]);
                        }
                    }
                }
            },
        )
    });
    out
}

/// Gᵀ U G of `[point, inputs, outputs]`: `[outputs, inputs, kernel, kernel]`.
pub fn transform_weight_back(sum: &[f32], sizes: Sizes) -> Vec<f32> {
    let Sizes {
        inputs,
        outputs,
        kernel: [kernel, _],
        ..
    } = sizes;
    let area = kernel * kernel;
    let mut out = vec![0.0; outputs * inputs * area];
    let parts = out.par_chunks_mut(LANES * inputs * area).enumerate();
    parts.for_each(|(part, out)| {
        vectorised(
            #[inline(always)]
            || {
                for input in 0..inputs {
                    let mut rows = [[[0.0; LANES]; 4]; N];
                    for i in 0..N {
                        let mut row = [[0.0; LANES]; N];
                        for j in 0..N {
                            let at = ((i * N + j) * inputs + input) * outputs + part * LANES;
                            row[j] = lanes(sum, at);
                        }
                        rows[i] = g_t(row, kernel);
                    }
                    for j in 0..kernel {
                        let w = g_t(column(&rows, j), kernel);
                        for i in 0..kernel {
                            for lane in 0..LANES {
                                out[(lane * inputs + input) * area + i * kernel + j] = w[i][lane];
                            }
                        }
                    }
                }
            },
        )
    });
    out
}
