//! Colour changes in training. Pixels are height × width × 3 values in [0, 1].

use rand::Rng;

/// The weights of red, green and blue in the luma of ITU-R BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

fn luma(pixel: &[f32]) -> f32 {
    pixel.iter().zip(LUMA).map(|(v, weight)| v * weight).sum()
}

/// Changes one of brightness, contrast and saturation, each with probability 1/3, by a factor from
/// [1 − strength, 1 + strength]. HypAD, section 4.1.
///
/// Each is a blend with black, with the mean luma, or with the pixel's own luma, clamped to [0, 1],
/// as in torchvision's `ColorJitter`. It is applied after the resize: the blends are linear, so but
/// for the clamp and 8-bit rounding the order does not matter.
pub fn jitter(pixels: &mut [f32], strength: f32, rng: &mut impl Rng) {
    let kind = rng.random_range(0..3);
    let factor = 1.0 + strength * rng.random_range(-1.0..=1.0_f32);
    let count = (pixels.len() / 3).max(1) as f64;
    let mean = pixels.chunks_exact(3).map(|p| luma(p) as f64).sum::<f64>() / count;
    for pixel in pixels.chunks_exact_mut(3) {
        let other = match kind {
            0 => 0.0,
            1 => mean as f32,
            _ => luma(pixel),
        };
        for value in pixel {
            *value = (other + factor * (*value - other)).clamp(0.0, 1.0);
        }
    }
}

/// Replaces every pixel by its luma.
pub fn greyscale(pixels: &mut [f32]) {
    for pixel in pixels.chunks_exact_mut(3) {
        let grey = luma(pixel);
        pixel.fill(grey);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn jitter_stays_in_range_keeps_grey_and_changes_something() {
        let grey = [0.5; 12];
        let colours = [0.1, 0.9, 0.4, 1.0, 0.0, 0.3, 0.2, 0.2, 0.7, 0.6, 0.8, 0.5];
        let mut changed = 0;
        for seed in 0..30 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut pixels = colours;
            jitter(&mut pixels, 0.2, &mut rng);
            assert!(pixels.iter().all(|v| (0.0..=1.0).contains(v)));
            changed += usize::from(pixels != colours);
            let mut pixels = grey;
            jitter(&mut pixels, 0.2, &mut StdRng::seed_from_u64(seed));
            assert!(pixels.iter().all(|v| (v - pixels[0]).abs() < 1e-6));
            assert!((pixels[0] - 0.5).abs() <= 0.1 + 1e-6);
        }
        assert_eq!(changed, 30);
    }
}
