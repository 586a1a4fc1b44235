//! How much each branch of a model counts in its map: what tells images with planted defects best from
//! the same images without.
//!
//! A planted defect is a rectangle that is copied to another place of the same image (CutPaste: Li, Sohn,
//! Yoon, Pfister, CVPR 2021). No image with a real defect is needed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::ImageSize;

/// Weights are multiples of one over this.
const STEPS: usize = 4;
/// The least number of images with a planted defect.
const LEAST_PLANTED: usize = 64;
/// The sides of a planted rectangle, in parts of the image's shorter side.
const SIDES: [f64; 2] = [1.0 / 32.0, 5.0 / 32.0];
/// The least mean difference that a planted rectangle makes to the values between 0 and 1 of its pixels:
/// a piece of plain background on plain background is no defect.
const LEAST_CHANGE: f32 = 0.02;
/// How often a rectangle is drawn until it changes the image; none is planted where none does.
const DRAWS: usize = 50;

/// How many times a defect is planted into each of so many images.
pub(super) fn planted_per_image(images: usize) -> usize {
    LEAST_PLANTED.div_ceil(images.max(1))
}

/// The random numbers of the defects of one image.
pub(super) fn rng(image: usize) -> StdRng {
    StdRng::seed_from_u64(image as u64)
}

/// An image with a planted defect, from and to `height × width × 3` values; `None` where no rectangle makes a
/// difference, as in a plain image.
pub(super) fn plant(pixels: &[f32], size: ImageSize, rng: &mut StdRng) -> Option<Vec<f32>> {
    let ImageSize { width, height } = size;
    let shorter = width.min(height);
    let [least, most] = SIDES.map(|part| ((shorter as f64 * part) as usize).clamp(1, shorter));
    for _ in 0..DRAWS {
        let [w, h] = [(); 2].map(|()| rng.random_range(least..=most));
        let mut place = || {
            let x = rng.random_range(0..=width - w);
            rng.random_range(0..=height - h) * width + x
        };
        let (from, to) = (place(), place());
        let row =
            |start: usize, row: usize| 3 * (start + row * width)..3 * (start + row * width + w);
        let rows = (0..h).map(|r| (&pixels[row(from, r)], &pixels[row(to, r)]));
        let differences = rows.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs()));
        if differences.sum::<f32>() < LEAST_CHANGE * (3 * w * h) as f32 {
            continue;
        }
        let mut planted = pixels.to_vec();
        for r in 0..h {
            planted[row(to, r)].copy_from_slice(&pixels[row(from, r)]);
        }
        return Some(planted);
    }
    None
}

/// Equal weights of so many branches.
pub(super) fn equal(branches: usize) -> Vec<f32> {
    vec![1.0 / branches as f32; branches]
}

/// The weights that are tried: those of sum 1 in steps of a quarter, the most equal first.
pub(super) fn candidates(branches: usize) -> Vec<Vec<f32>> {
    let mut all = vec![equal(branches)];
    let mut parts: Vec<Vec<usize>> = compositions(STEPS, branches);
    parts.sort_by_key(|parts| parts.iter().map(|part| part * part).sum::<usize>());
    for parts in parts {
        let weights = parts.iter().map(|part| *part as f32 / STEPS as f32);
        let weights: Vec<f32> = weights.collect();
        if weights != all[0] {
            all.push(weights);
        }
    }
    all
}

/// All ways to write a sum as so many parts in order.
fn compositions(sum: usize, parts: usize) -> Vec<Vec<usize>> {
    if parts <= 1 {
        return vec![vec![sum; parts]];
    }
    let with = |first: usize| {
        let rest = compositions(sum - first, parts - 1);
        rest.into_iter().map(move |mut rest| {
            rest.insert(0, first);
            rest
        })
    };
    (0..=sum).rev().flat_map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_equal_weights_come_first() {
        let half = candidates(2);
        assert_eq!(half[0], [0.5, 0.5]);
        assert_eq!(
            half[1..],
            [[0.75, 0.25], [0.25, 0.75], [1.0, 0.0], [0.0, 1.0]]
        );
        assert_eq!(candidates(1), [[1.0]]);
        let three = candidates(3);
        assert_eq!(three.len(), 16);
        for weights in three {
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_rectangle_moves_within_the_image() {
        let size = ImageSize::new(60, 40);
        let pixels: Vec<f32> = (0..60 * 40 * 3)
            .map(|at| (at % 180 / 3) as f32 / 60.0)
            .collect();
        for index in 0..20 {
            let planted = plant(&pixels, size, &mut rng(index)).unwrap();
            assert_eq!(
                Some(&planted),
                plant(&pixels, size, &mut rng(index)).as_ref()
            );
            let changed = planted.iter().zip(&pixels).filter(|(a, b)| a != b).count();
            assert!((1..=3 * 6 * 6).contains(&changed), "{changed}");
        }
        // Nothing in a plain image is a defect.
        let plain = vec![0.5; 60 * 40 * 3];
        assert_eq!(plant(&plain, size, &mut rng(0)), None);
        assert_eq!(plant(&[0.5; 3], ImageSize::square(1), &mut rng(0)), None);
    }
}
