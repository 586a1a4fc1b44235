//! Saturated per-region overlap.

use std::sync::Arc;

use super::levels::{Counts, sortable_bits};
use super::pro::overlap_curve;
use super::ranking::{Ranking, distinct, reject_nan};
use super::{Curve, MaskPixel};
use crate::error::{Error, Result};

/// How much of a defect must be found for it to count as found in full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Saturation {
    /// This part of its area, above 0 and at most 1.
    Relative(f64),
    /// This many pixels, or its whole area if that is smaller.
    Pixels(f64),
}

/// One annotated defect of an image.
#[derive(Clone, Copy, Debug)]
pub struct DefectChannel<'a, M = bool> {
    /// Its pixels, row by row; they may overlap those of other defects.
    pub mask: &'a [M],
    /// When it counts as found.
    pub saturation: Saturation,
}

/// Saturated per-region overlap (sPRO), for defects of which finding a part is as good as finding
/// all: a missing object may be anywhere within its annotation.
///
/// sPRO(t) is the mean over all defects of min(1, |defect ∩ {s ≥ t}| / saturation area); FPR(t) is
/// the part with s ≥ t of the pixels that are in no defect. Bergmann et al., *Beyond Dents and
/// Scratches: Logical Constraints in Unsupervised Anomaly Detection and Localization*, IJCV 2022,
/// section 4.2; MVTec LOCO AD is usually reported at limit 0.05. Exact, where the official code
/// thins the curve.
///
/// # Example
///
/// ```
/// use hypad::metrics::{DefectChannel, Saturation, SaturatedPro};
///
/// let mut spro = SaturatedPro::new();
/// let missing = DefectChannel {
///     mask: &[true, true, true, true, false, false],
///     saturation: Saturation::Relative(0.5),
/// };
/// spro.add(&[0.9, 0.8, 0.1, 0.1, 0.2, 0.2], &[missing], 3, 2)?;
/// assert_eq!(spro.score(0.05)?, 1.0);
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SaturatedPro {
    /// Score and defect of each pixel of each defect.
    anomalous: Vec<u64>,
    /// Saturation areas.
    defects: Vec<f64>,
    normal: Vec<f32>,
    images: usize,
}

impl SaturatedPro {
    /// Starts with no image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image of `width` × `height` pixels with its defects, none if it is good.
    ///
    /// # Errors
    ///
    /// In [`Error::InImage`], with the number of the image counted from 0; it is then not added:
    /// [`Error::Size`] unless the map and all masks hold `width` × `height` values,
    /// [`Error::NanScore`], [`Error::Undefined`] for a defect without a pixel, and
    /// [`Error::Setting`] for a saturation out of range.
    pub fn add<M: MaskPixel>(
        &mut self,
        map: &[f32],
        defects: &[DefectChannel<'_, M>],
        width: usize,
        height: usize,
    ) -> Result<()> {
        let areas = saturation_areas(map, defects, [width, height]);
        let areas = areas.map_err(|error| error.in_image(self.images))?;
        self.images += 1;

        let mut is_normal = vec![true; map.len()];
        for (defect, area) in defects.iter().zip(areas) {
            let id = self.defects.len() as u64;
            self.defects.push(area);
            for (at, truth) in defect.mask.iter().enumerate() {
                if truth.is_anomalous() {
                    is_normal[at] = false;
                    self.anomalous
                        .push(u64::from(sortable_bits(map[at])) << 32 | id);
                }
            }
        }
        let scores = map.iter().zip(is_normal);
        self.normal
            .extend(scores.filter(|(_, normal)| *normal).map(|(score, _)| score));
        Ok(())
    }

    /// The curve: (false-positive rate, sPRO) from (0, 0) to (1, 1).
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`] when there is no defect, or no pixel outside all of them.
    pub fn curve(&self) -> Result<Curve> {
        let mut anomalous = self.anomalous.clone();
        anomalous.sort_unstable();
        let (levels, positives) = distinct(anomalous.iter().map(|key| (key >> 32) as u32));
        let mut counts = Counts::new(Arc::new(levels));
        counts.add(&self.normal, |_| true);
        let ranking = Ranking::from_counts(&positives, &counts);
        ranking.require_both("AU-sPRO")?;
        let mut found = vec![0_usize; self.defects.len()];
        let gain = |defect: usize, pixels: usize| {
            let area = self.defects[defect];
            let part = |found: usize| (found as f64 / area).min(1.0);
            let before = part(found[defect]);
            found[defect] += pixels;
            part(found[defect]) - before
        };
        Ok(overlap_curve(
            &ranking,
            &anomalous,
            self.defects.len(),
            gain,
        ))
    }

    /// AU-sPRO: the area under the curve up to false-positive rate `limit`, divided by it.
    ///
    /// # Errors
    ///
    /// Those of [`curve`](Self::curve), and [`Error::Setting`] for a limit outside (0, 1].
    pub fn score(&self, limit: f64) -> Result<f64> {
        self.curve()?.area(limit)
    }
}

/// The saturation areas of the defects of an image, if all of it is as it should be.
fn saturation_areas<M: MaskPixel>(
    map: &[f32],
    defects: &[DefectChannel<'_, M>],
    [width, height]: [usize; 2],
) -> Result<Vec<f64>> {
    let masks = defects.iter().map(|defect| defect.mask.len());
    for found in [map.len()].into_iter().chain(masks) {
        if width.checked_mul(height) != Some(found) {
            return Err(Error::Size {
                what: "pixels of the map and of each defect's mask",
                expected: format!("{width} x {height}"),
                found: found.to_string(),
            });
        }
    }
    reject_nan(map)?;
    defects.iter().map(saturation_area).collect()
}

fn saturation_area<M: MaskPixel>(defect: &DefectChannel<'_, M>) -> Result<f64> {
    let area = defect.mask.iter().filter(|truth| truth.is_anomalous());
    let area = area.count() as f64;
    if area == 0.0 {
        return Err(Error::Undefined {
            metric: "sPRO",
            reason: "a defect has no pixel",
        });
    }
    let (value, saturation, rule) = match defect.saturation {
        Saturation::Relative(part) if part > 0.0 && part <= 1.0 => return Ok(part * area),
        Saturation::Pixels(pixels) if pixels > 0.0 => return Ok(pixels.min(area)),
        Saturation::Relative(part) => (part, "relative saturation", "above 0 and at most 1"),
        Saturation::Pixels(pixels) => (pixels, "saturation in pixels", "above 0"),
    };
    Err(Error::Setting {
        name: saturation,
        value: value.to_string(),
        rule,
    })
}
