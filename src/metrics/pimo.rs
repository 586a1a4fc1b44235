//! Per-image overlap at very low false-positive rates.

use super::levels::sortable_bits;
use super::{MaskPixel, PixelImage, sum::CompensatedSum};
use crate::error::{Error, Result};

/// AUPIMO of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImageOverlap {
    /// Its number, in the order in which images were added.
    pub image: usize,
    /// AUPIMO, from 0 to 1.
    pub value: f64,
}

/// Area under the per-image overlap curve (AUPIMO): how much of each anomalous image's defects is
/// found where the normal images raise next to no false alarm.
///
/// For each anomalous image, recall(t) is the part of its anomalous pixels with score ≥ t; FPR(t),
/// shared by all of them, is the mean over the normal images of the part of their pixels with score
/// ≥ t. AUPIMO is the area of recall over ln FPR between two bounds, divided by the logarithm of
/// their ratio: Bertoldo et al., *AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High
/// Speed and Low Tolerance*, BMVC 2024, equation 5. Exact: every distinct score is a threshold, and
/// the curve is straight in ln FPR between them.
///
/// Keeps four bytes for each pixel of the normal images and each anomalous pixel.
///
/// # Example
///
/// ```
/// use hypad::metrics::{Aupimo, PixelImage};
///
/// let (mut map, mut mask) = (vec![0.0; 64], vec![false; 64]);
/// let normal: Vec<f32> = (0..64).map(|pixel| pixel as f32).collect();
/// let mut pimo = Aupimo::new();
/// pimo.add(&PixelImage::new(&normal, &mask, 8, 8)?);
/// (map[0], mask[0], mask[1]) = (100.0, true, true);
/// pimo.add(&PixelImage::new(&map, &mask, 8, 8)?);
/// let found = pimo.scores([0.1, 0.5])?;
/// assert_eq!((found[0].image, found[0].value), (1, 0.5));
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Aupimo {
    normal: Vec<Vec<f32>>,
    /// Number and anomalous scores of each anomalous image.
    anomalous: Vec<(usize, Vec<f32>)>,
}

/// A threshold, and the shared false-positive rate there.
struct Level {
    key: u32,
    rate: f64,
}

impl Aupimo {
    /// The published bounds of the false-positive rate.
    pub const BOUNDS: [f64; 2] = [1e-5, 1e-4];

    /// Starts with no image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image, normal or anomalous.
    pub fn add<M: MaskPixel>(&mut self, image: &PixelImage<'_, M>) {
        let number = self.normal.len() + self.anomalous.len();
        let scores: Vec<f32> = image.anomalous().collect();
        if scores.is_empty() {
            self.normal.push(image.normal().collect());
        } else {
            self.anomalous.push((number, scores));
        }
    }

    /// AUPIMO of each anomalous image between two false-positive rates, usually
    /// [`BOUNDS`](Self::BOUNDS).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless 0 < lower < upper ≤ 1; [`Error::Undefined`] without a normal image
    /// or an anomalous one, and when the normal images have too few pixels, or too many with the
    /// highest score, to reach the lower rate.
    pub fn scores(&self, bounds: [f64; 2]) -> Result<Vec<ImageOverlap>> {
        let [lower, upper] = bounds;
        if !(lower > 0.0 && lower < upper && upper <= 1.0) {
            return Err(Error::Setting {
                name: "bounds of the false-positive rate",
                value: format!("{lower}, {upper}"),
                rule: "0 < lower < upper <= 1",
            });
        }
        let undefined = |reason| Error::Undefined {
            metric: "AUPIMO",
            reason,
        };
        if self.anomalous.is_empty() {
            return Err(undefined("no anomalous image"));
        }
        let levels = self.levels(upper);
        match levels.first() {
            None => return Err(undefined("no normal image")),
            Some(first) if first.rate > lower => {
                return Err(undefined("no threshold has so low a false-positive rate"));
            }
            _ => {}
        }
        let images = self.anomalous.iter();
        Ok(images
            .map(|(image, scores)| ImageOverlap {
                image: *image,
                value: area(&levels, scores, bounds),
            })
            .collect())
    }

    /// The distinct scores of normal images, from the highest down to the first at which the shared
    /// false-positive rate reaches `upper`.
    fn levels(&self, upper: f64) -> Vec<Level> {
        let images: Vec<_> = self
            .normal
            .iter()
            .filter(|image| !image.is_empty())
            .collect();
        let share = |image: &[f32]| 1.0 / (images.len() as f64 * image.len() as f64);

        // Only the few highest scores are sorted: those from a power-of-two step on.
        const STEP: u32 = 16;
        let mut steps = vec![0.0; 1 << (32 - STEP)];
        for image in &images {
            let share = share(image);
            for score in *image {
                steps[(sortable_bits(*score) >> STEP) as usize] += share;
            }
        }
        let (mut lowest, mut rate) = (steps.len() - 1, steps[steps.len() - 1]);
        // A little further than needed, as these sums are rounded.
        while lowest > 0 && rate < upper * (1.0 + 1e-6) {
            lowest -= 1;
            rate += steps[lowest];
        }
        let lowest = (lowest as u32) << STEP;

        let mut keys: Vec<(u32, f64)> = Vec::new();
        for image in &images {
            let share = share(image);
            let highest = image.iter().map(|score| sortable_bits(*score));
            keys.extend(highest.filter(|key| *key >= lowest).map(|key| (key, share)));
        }
        keys.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)));
        let mut rate = CompensatedSum::default();
        let mut levels = Vec::new();
        for equal in keys.chunk_by(|a, b| a.0 == b.0) {
            equal.iter().for_each(|(_, share)| rate.add(*share));
            let (key, rate) = (equal[0].0, rate.value());
            levels.push(Level { key, rate });
            if rate >= upper {
                break;
            }
        }
        levels
    }
}

/// The area of recall over ln FPR between the bounds, divided by the width.
fn area(levels: &[Level], anomalous: &[f32], [lower, upper]: [f64; 2]) -> f64 {
    let mut keys: Vec<u32> = anomalous
        .iter()
        .map(|score| sortable_bits(*score))
        .collect();
    keys.sort_unstable();
    let recall = |found: usize| found as f64 / keys.len() as f64;
    let from = |key: u32| recall(keys.len() - keys.partition_point(|k| *k < key));
    let above = |key: u32| recall(keys.len() - keys.partition_point(|k| *k <= key));
    let [start, end] = [lower.ln(), upper.ln()];
    let mut area = CompensatedSum::default();
    for pair in levels.windows(2) {
        // The rate rises only at the scores of normal pixels, and recall with it only where an
        // anomalous pixel has the same score.
        let [x, next_x] = [pair[0].rate.ln(), pair[1].rate.ln()];
        let [y, next_y] = [above(pair[1].key), from(pair[1].key)];
        let at = |place: f64| y + (next_y - y) * ((place - x) / (next_x - x));
        let [left, right] = [x.max(start), next_x.min(end)];
        if left < right {
            area.add(0.5 * (at(left) + at(right)) * (right - left));
        }
    }
    area.value() / (end - start)
}
