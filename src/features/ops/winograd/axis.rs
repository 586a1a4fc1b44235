//! The transforms of one axis of a tile, for several channels at once.

// Loops over indices of small arrays are unrolled and vectorised; iterators with closures are not.
#![allow(clippy::needless_range_loop)]

/// Points of an axis.
pub const N: usize = 6;
/// Channels that are transformed together.
pub const LANES: usize = 8;

pub type Lanes = [f32; LANES];

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
pub fn b_t(d: [Lanes; N]) -> [Lanes; N] {
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
pub fn a_t<const M: usize>(z: [Lanes; N]) -> [Lanes; M] {
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
pub fn a<const M: usize>(y: [Lanes; M]) -> [Lanes; N] {
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
pub fn g(w: [Lanes; 4], kernel: usize) -> [Lanes; N] {
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
pub fn g_t(u: [Lanes; N], kernel: usize) -> [Lanes; 4] {
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
pub fn column<const R: usize, const C: usize>(rows: &[[Lanes; C]; R], at: usize) -> [Lanes; R] {
    let mut out = [[0.0; LANES]; R];
    for row in 0..R {
        out[row] = rows[row][at];
    }
    out
}

#[inline(always)]
pub fn lanes(values: &[f32], at: usize) -> Lanes {
    let mut out = [0.0; LANES];
    out.copy_from_slice(&values[at..at + LANES]);
    out
}
