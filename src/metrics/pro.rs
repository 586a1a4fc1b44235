//! Per-region overlap.

use super::{
    Curve, MaskPixel, PixelImage, PixelMetrics, Ranking, Region, levels::sortable_bits,
    sum::CompensatedSum,
};
use crate::error::Result;

/// The pixels and regions of all images, counted by score. Made by
/// [`of`](Self::of), [`NormalPixels`](super::NormalPixels) or [`PixelMetrics`](super::PixelMetrics).
#[derive(Clone, Debug)]
pub struct PixelRanking {
    pixels: Ranking,
    /// Score and region of each anomalous pixel, in ascending order.
    anomalous: Vec<u64>,
    regions: Vec<Region>,
}

impl PixelRanking {
    pub(super) fn new(pixels: Ranking, anomalous: Vec<u64>, regions: Vec<Region>) -> Self {
        Self {
            pixels,
            anomalous,
            regions,
        }
    }

    /// The ranking of the pixels: AUROC, average precision, F1-max and the like.
    pub fn pixels(&self) -> &Ranking {
        &self.pixels
    }

    /// The connected regions of all masks, image by image.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The part of each region with score ≥ `threshold`: 0 for a threshold that is NaN, which no score
    /// reaches.
    pub fn overlaps(&self, threshold: f32) -> Vec<f64> {
        if threshold.is_nan() {
            return vec![0.0; self.regions.len()];
        }
        let mut found = vec![0_u64; self.regions.len()];
        let least = u64::from(sortable_bits(threshold)) << 32;
        let from = self.anomalous.partition_point(|key| *key < least);
        for key in &self.anomalous[from..] {
            found[region(*key)] += 1;
        }
        let parts = found.iter().zip(&self.regions);
        parts
            .map(|(found, region)| *found as f64 / region.area as f64)
            .collect()
    }

    /// The per-region overlap curve: (false-positive rate, PRO) from (0, 0) to (1, 1).
    ///
    /// PRO(t) is the mean, over all regions of all images, of the part of the region with score ≥ t;
    /// FPR(t) is the part of all normal pixels with score ≥ t.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`](crate::Error::Undefined) when no image has an anomalous pixel, or none a normal one.
    pub fn pro_curve(&self) -> Result<Curve> {
        self.pixels.require_both("AUPRO")?;
        let area = |region: usize| self.regions[region].area as f64;
        Ok(overlap_curve(
            &self.pixels,
            &self.anomalous,
            self.regions.len(),
            |region, pixels| pixels as f64 / area(region),
        ))
    }

    /// Area under the per-region overlap curve up to false-positive rate `limit`, divided by
    /// `limit`.
    ///
    /// Bergmann et al., *The MVTec Anomaly Detection Dataset*, IJCV 2021, section 6.3; the numbers of
    /// its official evaluation code, whose limit is 0.3, without its rounding of the rate to f32.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for a limit outside (0, 1], [`Error::Undefined`](crate::Error::Undefined) when no image has an
    /// anomalous pixel, or none a normal one.
    pub fn aupro(&self, limit: f64) -> Result<f64> {
        self.pro_curve()?.area(limit)
    }
}

/// AUPRO alone, for images that are shown once. [`PixelMetrics`] gives all metrics in the same way.
///
/// # Example
///
/// ```
/// use hypad::metrics::Aupro;
///
/// let mut pro = Aupro::new();
/// pro.add(&[0.1, 0.9, 0.2, 0.1], &[false, true, false, false], 2, 2)?;
/// assert_eq!(pro.score(0.3)?, 1.0);
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Aupro {
    pixels: PixelMetrics,
}

impl Aupro {
    /// Starts with no image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image of `width` × `height` pixels, row by row.
    ///
    /// # Errors
    ///
    /// As [`PixelImage::new`], in [`Error::InImage`](crate::Error::InImage) with the number of the image, counted from 0;
    /// it is then not added.
    pub fn add<M: MaskPixel>(
        &mut self,
        map: &[f32],
        mask: &[M],
        width: usize,
        height: usize,
    ) -> Result<()> {
        let image = PixelImage::new(map, mask, width, height);
        let number = self.pixels.images();
        self.pixels
            .add(&image.map_err(|error| error.in_image(number))?);
        Ok(())
    }

    /// Area under the per-region overlap curve of all images so far, up to false-positive rate
    /// `limit`, divided by it.
    ///
    /// # Errors
    ///
    /// As [`PixelRanking::aupro`].
    pub fn score(&self, limit: f64) -> Result<f64> {
        self.pixels.ranking()?.aupro(limit)
    }
}

/// (false-positive rate, mean overlap of `regions`) from (0, 0) to (1, 1), with `gain` the increase
/// of a region's overlap when further pixels of it are found. `anomalous` has the score and the region of each
/// anomalous pixel, in ascending order.
pub(super) fn overlap_curve(
    pixels: &Ranking,
    anomalous: &[u64],
    regions: usize,
    mut gain: impl FnMut(usize, usize) -> f64,
) -> Curve {
    let negatives = pixels.negatives() as f64;
    let mut points = Vec::with_capacity(2 * pixels.steps().len() + 2);
    points.push([0.0, 0.0]);
    let (mut sum, mut overlap) = (CompensatedSum::default(), 0.0);
    let mut rest = anomalous;
    for (found, step) in pixels.found().zip(pixels.steps()) {
        points.push([found.false_positives_above as f64 / negatives, overlap]);
        let (below, entering) = rest.split_at(rest.len() - step.positives as usize);
        rest = below;
        // Equal scores are in the order of their regions.
        for run in entering.chunk_by(|a, b| region(*a) == region(*b)) {
            sum.add(gain(region(run[0]), run.len()));
        }
        overlap = sum.value() / regions as f64;
        points.push([found.false_positives as f64 / negatives, overlap]);
    }
    points.push([1.0, overlap]);
    Curve { points }
}

fn region(key: u64) -> usize {
    key as u32 as usize
}
