//! Per-region overlap.

use super::{ranking::reject_nan, regions::regions};
use crate::error::{Error, Result};

/// Area under the per-region overlap curve (AU-PRO), one image at a time.
///
/// PRO(t) is the mean, over all regions of all images, of the part of the region with score ≥ t;
/// FPR(t) is the part of all normal pixels with score ≥ t. The area is taken under PRO over FPR
/// from 0 to a limit, by the trapezoid rule through the points of the distinct scores with a
/// straight line to the limit, and divided by the limit. Bergmann et al., *The MVTec Anomaly
/// Detection Dataset*, IJCV 2021, section 6.3; same numbers as its official evaluation code.
///
/// Keeps the scores it was given: four bytes a normal pixel, eight an anomalous one.
///
/// # Example
///
/// ```
/// use hypad::metrics::Aupro;
///
/// let mut pro = Aupro::new();
/// pro.add(&[0.1, 0.9, 0.2, 0.1], &[false, true, false, false], 2, 2)?;
/// pro.add(&[0.0, 0.3, 0.1, 0.2], &[false; 4], 2, 2)?;
/// assert_eq!(pro.score(0.3)?, 1.0);
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Aupro {
    normal: Vec<f32>,
    /// Score and region of each anomalous pixel.
    anomalous: Vec<(f32, u32)>,
    areas: Vec<u64>,
}

impl Aupro {
    /// Starts with no image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one image: a score and a truth for each pixel, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless `map` and `mask` hold `width` × `height` values, and
    /// [`Error::NanScore`]. The image is then not added.
    pub fn add(&mut self, map: &[f32], mask: &[bool], width: usize, height: usize) -> Result<()> {
        for (what, found) in [
            ("pixels of the map", map.len()),
            ("pixels of the mask", mask.len()),
        ] {
            if width.checked_mul(height) != Some(found) {
                return Err(Error::Size {
                    what,
                    expected: format!("{width} x {height}"),
                    found: found.to_string(),
                });
            }
        }
        reject_nan(map)?;
        for region in regions(mask, width) {
            let id = self.areas.len() as u32;
            self.areas.push(region.len() as u64);
            self.anomalous
                .extend(region.into_iter().map(|i| (map[i], id)));
        }
        let normal = map.iter().zip(mask).filter(|(_, anomalous)| !**anomalous);
        self.normal.extend(normal.map(|(score, _)| *score));
        Ok(())
    }

    /// Number of regions seen so far.
    pub fn regions(&self) -> usize {
        self.areas.len()
    }

    /// The area up to false-positive rate `limit`, divided by `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a limit outside (0, 1], [`Error::Undefined`] when no image had an
    /// anomalous pixel or none had a normal one.
    pub fn score(&self, limit: f64) -> Result<f64> {
        if !(limit > 0.0 && limit <= 1.0) {
            return Err(Error::Setting {
                name: "AUPRO limit",
                value: limit.to_string(),
                rule: "above 0 and at most 1",
            });
        }
        let undefined = |reason| Error::Undefined {
            metric: "AUPRO",
            reason,
        };
        if self.anomalous.is_empty() {
            return Err(undefined("no anomalous pixel"));
        }
        if self.normal.is_empty() {
            return Err(undefined("no normal pixel"));
        }

        let descending = |a: f32, b: f32| b.partial_cmp(&a).expect("no NaN");
        let mut normal = self.normal.clone();
        normal.sort_unstable_by(|a, b| descending(*a, *b));
        let mut anomalous = self.anomalous.clone();
        anomalous.sort_unstable_by(|a, b| descending(a.0, b.0).then(a.1.cmp(&b.1)));

        let (mut below_normal, mut below_anomalous) = (normal.as_slice(), anomalous.as_slice());
        let mut overlap = CompensatedSum::default();
        let (mut fpr, mut pro, mut area) = (0.0, 0.0, CompensatedSum::default());
        loop {
            let threshold = match (below_normal.first(), below_anomalous.first()) {
                (Some(n), Some((a, _))) => n.max(*a),
                (Some(n), None) => *n,
                (None, Some((a, _))) => *a,
                (None, None) => break,
            };
            let tied = below_normal.iter().take_while(|s| **s == threshold).count();
            below_normal = &below_normal[tied..];
            let tied = below_anomalous
                .iter()
                .take_while(|(s, _)| *s == threshold)
                .count();
            let (entering, rest) = below_anomalous.split_at(tied);
            below_anomalous = rest;
            for run in entering.chunk_by(|a, b| a.1 == b.1) {
                overlap.add(run.len() as f64 / self.areas[run[0].1 as usize] as f64);
            }

            let next_fpr = (normal.len() - below_normal.len()) as f64 / normal.len() as f64;
            let next_pro = overlap.value() / self.areas.len() as f64;
            if next_fpr >= limit {
                let at_limit = pro + (next_pro - pro) * (limit - fpr) / (next_fpr - fpr);
                area.add(0.5 * (pro + at_limit) * (limit - fpr));
                break;
            }
            area.add(0.5 * (pro + next_pro) * (next_fpr - fpr));
            (fpr, pro) = (next_fpr, next_pro);
        }
        Ok(area.value() / limit)
    }
}

/// Neumaier's sum: the rounding of each addition is carried along.
#[derive(Default)]
struct CompensatedSum {
    sum: f64,
    carry: f64,
}

impl CompensatedSum {
    fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        let (large, small) = if self.sum.abs() >= term.abs() {
            (self.sum, term)
        } else {
            (term, self.sum)
        };
        self.carry += (large - sum) + small;
        self.sum = sum;
    }

    fn value(&self) -> f64 {
        self.sum + self.carry
    }
}
