//! A Gaussian over score maps.

use crate::ImageSize;

/// Weights beyond so many standard deviations are left out, as in SciPy's `gaussian_filter`.
const TRUNCATE: f64 = 4.0;

/// A map smoothed by a Gaussian of this standard deviation, the map continued by its outermost values:
/// SciPy's `gaussian_filter` in the mode `nearest`. 0 leaves it as it is.
pub(super) fn smooth(map: Vec<f32>, size: ImageSize, sigma: f64) -> Vec<f32> {
    if sigma <= 0.0 || map.is_empty() {
        return map;
    }
    let weights = weights(sigma);
    let ImageSize { width, height } = size;
    let rows = pass(&map, &weights, |at| {
        (at / width * width, 1, at % width, width)
    });
    pass(&rows, &weights, |at| {
        (at % width, width, at / width, height)
    })
}

/// The weights at the distances −r to r, of sum 1.
fn weights(sigma: f64) -> Vec<f64> {
    let radius = (TRUNCATE * sigma + 0.5) as i64;
    let weight = |distance: i64| (-0.5 * (distance as f64 / sigma).powi(2)).exp();
    let weights: Vec<f64> = (-radius..=radius).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// One pass along the lines that `line` gives of each place: where its line begins, the distance of
/// neighbours in it, the place in it, its length.
fn pass(
    map: &[f32],
    weights: &[f64],
    line: impl Fn(usize) -> (usize, usize, usize, usize),
) -> Vec<f32> {
    let radius = weights.len() / 2;
    let smoothed = |at: usize| {
        let (start, step, place, length) = line(at);
        let neighbour = |offset: usize| (place + offset).saturating_sub(radius).min(length - 1);
        let terms = weights.iter().enumerate();
        let terms = terms.map(|(offset, w)| w * f64::from(map[start + step * neighbour(offset)]));
        terms.sum::<f64>() as f32
    };
    (0..map.len()).map(smoothed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `scipy.ndimage.gaussian_filter(map, 0.8, mode="nearest")`, SciPy 1.17.
    #[test]
    fn equals_scipy() {
        let map = vec![
            0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0, 100.0, 121.0,
        ];
        let found = smooth(map, ImageSize::new(4, 3), 0.8);
        let expected = [
            6.00061, 8.92944, 13.8818, 18.71769, 26.52872, 33.81306, 44.32134, 53.51275, 55.70854,
            67.34839, 83.41259, 96.9595,
        ];
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn a_plain_map_stays_and_the_sum_of_a_peak_too() {
        let size = ImageSize::new(9, 7);
        let plain = smooth(vec![0.3; 63], size, 2.0);
        assert!(plain.iter().all(|value| (value - 0.3).abs() < 1e-6));
        let mut peak = vec![0.0; 63];
        peak[3 * 9 + 4] = 1.0;
        assert_eq!(smooth(peak.clone(), size, 0.0), peak);
        let smoothed = smooth(peak, size, 0.5);
        assert!((smoothed.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(smoothed[3 * 9 + 3] == smoothed[3 * 9 + 5] && smoothed[2 * 9 + 4] > 0.05);
    }
}
