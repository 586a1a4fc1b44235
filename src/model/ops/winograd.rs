//! Convolutions of stride 1 with 3 × 3 and 4 × 4 kernels by Winograd's minimal filtering, on
//! `[batch, height, width, channels]`. Lavin & Gray, *Fast Algorithms for Convolutional Neural
//! Networks*, CVPR 2016, with F(4 × 4, 3 × 3) and F(3 × 3, 4 × 4).
//!
//! Both use the points 0, ±1, ±2, ∞, hence tiles of 6 × 6 inputs and 36 products of matrices with a
//! fourth of the multiplications. With Aᵀ, G, Bᵀ the matrices of the paper, W the kernel and D a
//! tile, the output is Aᵀ \[(G W Gᵀ) ⊙ (Bᵀ D B)\] A; the gradient by W is the transposed map, and the
//! one by D is the convolution of the gradient with the turned kernel.
//!
//! Nothing depends on the number of threads, not even the rounding.

// Loops over indices of small arrays are unrolled and vectorised; iterators with closures are not.
#![allow(clippy::needless_range_loop)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::product::product;
use super::scratch::Scratch;
use super::sizes::Sizes;
use crate::geometry::vectorised;

/// Points of one axis of a tile.
const N: usize = 6;
const POINTS: usize = N * N;
/// Channels that are transformed together.
const LANES: usize = 8;
/// Tiles that share one product of matrices, about.
const BAND: usize = 64;

type Lanes = [f32; LANES];

/// Whether this file can compute it.
pub fn supports(sizes: Sizes) -> bool {
    matches!(sizes.kernel, [3, 3] | [4, 4])
        && sizes.stride == 1
        && sizes.inputs.is_multiple_of(LANES)
        && sizes.outputs.is_multiple_of(LANES)
}

/// The tiles of a convolution.
impl Sizes {
    /// Outputs of one axis of a tile.
    fn tile(&self) -> usize {
        N + 1 - self.kernel[0]
    }

    fn tiles_per_row(&self) -> usize {
        self.output_width().div_ceil(self.tile())
    }

    fn rows_per_image(&self) -> usize {
        self.output_height().div_ceil(self.tile())
    }

    /// The rows of tiles of all images, so many at a time that each part has about `BAND` tiles.
    fn bands(&self) -> Vec<std::ops::Range<usize>> {
        let rows = self.batch * self.rows_per_image();
        let step = (BAND / self.tiles_per_row()).max(1);
        let starts = (0..rows).step_by(step);
        starts.map(|row| row..(row + step).min(rows)).collect()
    }

    fn most_tiles(&self) -> usize {
        let bands = self.bands().into_iter();
        bands.map(|b| b.len()).max().unwrap_or(0) * self.tiles_per_row()
    }

    /// Image, first output row and first output column of each tile of a band.
    fn tiles(&self, band: &std::ops::Range<usize>) -> impl Iterator<Item = [usize; 3]> {
        let (rows, columns, tile) = (self.rows_per_image(), self.tiles_per_row(), self.tile());
        band.clone().flat_map(move |row| {
            (0..columns).map(move |x| [row / rows, row % rows * tile, x * tile])
        })
    }

    /// Output rows of a band, counted over all images.
    fn output_rows(&self, band: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let (rows, height) = (self.rows_per_image(), self.output_height());
        let first = |row: usize| row / rows * height + (row % rows * self.tile()).min(height);
        first(band.start)..first(band.end)
    }

    /// The convolution that gives the gradient by the input from the one by the output.
    fn turned(&self) -> Self {
        Self {
            height: self.output_height(),
            width: self.output_width(),
            inputs: self.outputs,
            outputs: self.inputs,
            padding: self.kernel[0] - 1 - self.padding,
            ..*self
        }
    }
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
    let sizes = sizes.turned();
    let none = vec![0.0; sizes.outputs];
    convolve(grad, &transform_weight(of, sizes), &none, sizes, false)
}

/// The gradient by the weight, `[outputs, inputs, kernel, kernel]`.
pub fn by_weight(x: &[f32], grad: &[f32], sizes: Sizes) -> Vec<f32> {
    let Sizes {
        inputs, outputs, ..
    } = sizes;
    let most = sizes.most_tiles();
    let together = 2 * rayon::current_num_threads();
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
                product(
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
                product([count, outputs, inputs], left, right, products, false);
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

#[inline(always)]
fn sum<const T: usize>(terms: [(f32, Lanes); T]) -> Lanes {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = terms[0].0 * terms[0].1[lane];
        for (factor, value) in &terms[1..] {
            out[lane] += factor * value[lane];
        }
    }
    out
}

/// Bᵀ.
#[inline(always)]
fn b_t(d: [Lanes; N]) -> [Lanes; N] {
    let [d0, d1, d2, d3, d4, d5] = d;
    [
        sum([(4.0, d0), (-5.0, d2), (1.0, d4)]),
        sum([(1.0, d3), (1.0, d4), (-4.0, d1), (-4.0, d2)]),
        sum([(1.0, d4), (-1.0, d3), (4.0, d1), (-4.0, d2)]),
        sum([(1.0, d4), (-1.0, d2), (2.0, d3), (-2.0, d1)]),
        sum([(1.0, d4), (-1.0, d2), (-2.0, d3), (2.0, d1)]),
        sum([(4.0, d1), (-5.0, d3), (1.0, d5)]),
    ]
}

/// Aᵀ.
#[inline(always)]
fn a_t<const M: usize>(z: [Lanes; N]) -> [Lanes; M] {
    let [z0, z1, z2, z3, z4, z5] = z;
    let (even, odd) = (sum([(1.0, z1), (1.0, z2)]), sum([(1.0, z1), (-1.0, z2)]));
    let (even_2, odd_2) = (sum([(1.0, z3), (1.0, z4)]), sum([(1.0, z3), (-1.0, z4)]));
    let mut out = [[0.0; LANES]; M];
    out[0] = sum([(1.0, z0), (1.0, even), (1.0, even_2)]);
    out[1] = sum([(1.0, odd), (2.0, odd_2)]);
    out[2] = sum([(1.0, even), (4.0, even_2)]);
    if M > 3 {
        out[3] = sum([(1.0, odd), (8.0, odd_2)]);
    }
    out[M - 1] = sum([(1.0, out[M - 1]), (1.0, z5)]);
    out
}

/// A.
#[inline(always)]
fn a<const M: usize>(y: [Lanes; M]) -> [Lanes; N] {
    let fourth = if M > 3 { y[3] } else { [0.0; LANES] };
    let (even, odd) = (
        sum([(1.0, y[0]), (1.0, y[2])]),
        sum([(1.0, y[1]), (1.0, fourth)]),
    );
    let even_2 = sum([(1.0, y[0]), (4.0, y[2])]);
    let odd_2 = sum([(2.0, y[1]), (8.0, fourth)]);
    [
        y[0],
        sum([(1.0, even), (1.0, odd)]),
        sum([(1.0, even), (-1.0, odd)]),
        sum([(1.0, even_2), (1.0, odd_2)]),
        sum([(1.0, even_2), (-1.0, odd_2)]),
        y[M - 1],
    ]
}

/// G for the first `kernel` of four values.
#[inline(always)]
fn g(w: [Lanes; 4], kernel: usize) -> [Lanes; N] {
    let [w0, w1, w2, w3] = w;
    let (sixth, part) = (-1.0 / 6.0, 1.0 / 24.0);
    let even = sum([(sixth, w0), (sixth, w2)]);
    let odd = sum([(sixth, w1), (sixth, w3)]);
    let even_2 = sum([(part, w0), (4.0 * part, w2)]);
    let odd_2 = sum([(2.0 * part, w1), (8.0 * part, w3)]);
    [
        sum([(0.25, w0)]),
        sum([(1.0, even), (1.0, odd)]),
        sum([(1.0, even), (-1.0, odd)]),
        sum([(1.0, even_2), (1.0, odd_2)]),
        sum([(1.0, even_2), (-1.0, odd_2)]),
        w[kernel - 1],
    ]
}

/// The first `kernel` values of Gᵀ.
#[inline(always)]
fn g_t(u: [Lanes; N], kernel: usize) -> [Lanes; 4] {
    let [u0, u1, u2, u3, u4, u5] = u;
    let (sixth, part) = (-1.0 / 6.0, 1.0 / 24.0);
    let (even, odd) = (
        sum([(sixth, u1), (sixth, u2)]),
        sum([(sixth, u1), (-sixth, u2)]),
    );
    let (even_2, odd_2) = (
        sum([(part, u3), (part, u4)]),
        sum([(part, u3), (-part, u4)]),
    );
    let mut out = [
        sum([(0.25, u0), (1.0, even), (1.0, even_2)]),
        sum([(1.0, odd), (2.0, odd_2)]),
        sum([(1.0, even), (4.0, even_2)]),
        sum([(1.0, odd), (8.0, odd_2)]),
    ];
    out[kernel - 1] = sum([(1.0, out[kernel - 1]), (1.0, u5)]);
    out
}

/// A column of a matrix.
#[inline(always)]
fn column<const R: usize, const C: usize>(rows: &[[Lanes; C]; R], at: usize) -> [Lanes; R] {
    let mut out = [[0.0; LANES]; R];
    for row in 0..R {
        out[row] = rows[row][at];
    }
    out
}

#[inline(always)]
fn lanes(values: &[f32], at: usize) -> Lanes {
    let mut out = [0.0; LANES];
    out.copy_from_slice(&values[at..at + LANES]);
    out
}

/// Bᵀ D B of every tile of a band: `[point, tile, inputs]`.
fn transform_input(x: &[f32], out: &mut [f32], band: &std::ops::Range<usize>, sizes: Sizes) {
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
fn transform_grad(grad: &[f32], out: &mut [f32], band: &std::ops::Range<usize>, sizes: Sizes) {
    match sizes.kernel[0] {
        3 => transform_grad_of::<4>(grad, out, band, sizes),
        _ => transform_grad_of::<3>(grad, out, band, sizes),
    }
}

fn transform_grad_of<const M: usize>(
    grad: &[f32],
    out: &mut [f32],
    band: &std::ops::Range<usize>,
    sizes: Sizes,
) {
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
fn transform_output<const M: usize>(
    products: &[f32],
    bias: &[f32],
    out: &mut [MaybeUninit<f32>],
    band: &std::ops::Range<usize>,
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
fn transform_weight(of: impl Fn(usize, usize, usize) -> f32 + Sync, sizes: Sizes) -> Scratch {
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
                    for i in 0..kernel {
                        for j in 0..kernel {
                            for lane in 0..LANES {
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
fn transform_weight_back(sum: &[f32], sizes: Sizes) -> Vec<f32> {
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
