//! Bilinear resizing with half-pixel centres on `[batch, height, width, channels]`.

use rayon::prelude::*;

/// Two neighbours of an output position along one axis, and the weight of each.
type Taps = [(usize, f32); 2];

/// The taps of every output position.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let taps = |position: usize| {
        let centre = ((position as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (centre as usize).min(from - 1);
        let weight = (centre - first as f64) as f32;
        [(first, 1.0 - weight), ((first + 1).min(from - 1), weight)]
    };
    (0..to).map(taps).collect()
}

/// Resizes `[batch, from, channels]` to `[batch, to, channels]`, with height and width in `from` and
/// `to`.
pub fn forward(x: &[f32], from: [usize; 2], to: [usize; 2], channels: usize) -> Vec<f32> {
    let (rows, columns) = (taps(from[0], to[0]), taps(from[1], to[1]));
    let (image, row) = (from[0] * from[1] * channels, from[1] * channels);
    let mut out = vec![0.0; x.len() / image * to[0] * to[1] * channels];
    let lines = out.par_chunks_mut(to[1] * channels).enumerate();
    lines.for_each(|(line, out)| {
        let x = &x[line / to[0] * image..][..image];
        let [(top, of_top), (bottom, of_bottom)] = rows[line % to[0]];
        let (top, bottom) = (&x[top * row..][..row], &x[bottom * row..][..row]);
        for (out, [left, right]) in out.chunks_exact_mut(channels).zip(&columns) {
            let at = |column: usize| column * channels..(column + 1) * channels;
            let parts = top[at(left.0)]
                .iter()
                .zip(&top[at(right.0)])
                .zip(bottom[at(left.0)].iter().zip(&bottom[at(right.0)]));
            for (out, ((a, b), (c, d))) in out.iter_mut().zip(parts) {
                *out = of_top * (left.1 * a + right.1 * b) + of_bottom * (left.1 * c + right.1 * d);
            }
        }
    });
    out
}

/// The gradient by the input from the one by the output.
pub fn backward(grad: &[f32], from: [usize; 2], to: [usize; 2], channels: usize) -> Vec<f32> {
    let (rows, columns) = (taps(from[0], to[0]), taps(from[1], to[1]));
    let (image, row) = (to[0] * to[1] * channels, to[1] * channels);
    let mut out = vec![0.0; grad.len() / image * from[0] * from[1] * channels];
    let lines = out.par_chunks_mut(from[1] * channels).enumerate();
    lines.for_each(|(line, out)| {
        let grad = &grad[line / from[0] * image..][..image];
        for (grad, taps) in grad.chunks_exact(row).zip(&rows) {
            let here = taps.iter().filter(|(y, _)| *y == line % from[0]);
            let of_row: f32 = here.map(|(_, weight)| weight).sum();
            if of_row == 0.0 {
                continue;
            }
            for (grad, taps) in grad.chunks_exact(channels).zip(&columns) {
                for (x, weight) in taps {
                    let (out, weight) = (&mut out[x * channels..][..channels], of_row * weight);
                    out.iter_mut().zip(grad).for_each(|(o, g)| *o += weight * g);
                }
            }
        }
    });
    out
}
