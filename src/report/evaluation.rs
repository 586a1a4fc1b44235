//! The metrics of a category, gathered image by image.

use std::collections::BTreeMap;

use serde::Serialize;

use super::official::OfficialCategory;
use super::table::{ImageRow, MetricsRow, RegionRow};
use crate::error::{Error, Result};
use crate::metrics::{PixelImage, PixelMetrics, PixelRanking, Ranking};

/// Ranking metrics of images or of pixels. `None` where the data leaves them undefined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RankMetrics {
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Average precision.
    pub aupr: Option<f64>,
    /// The largest F1 over all thresholds.
    pub f1_max: Option<f64>,
    /// The threshold that reaches it.
    pub f1_threshold: Option<f32>,
}

/// AUPRO by limit of the false-positive rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AreaMetrics {
    /// Up to 0.05.
    #[serde(rename = "0.05")]
    pub at_0_05: Option<f64>,
    /// Up to 0.3, the usual one.
    #[serde(rename = "0.3")]
    pub at_0_3: Option<f64>,
    /// Over the whole curve.
    #[serde(rename = "1.0")]
    pub at_1: Option<f64>,
}

/// All metrics of a category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Over images, by their scores.
    pub image: RankMetrics,
    /// Over the pixels of all images together.
    pub pixel: RankMetrics,
    /// Over regions.
    pub aupro: AreaMetrics,
}

/// Gathers anomaly maps and their ground truth, from any model.
///
/// An image's score is the highest of its map.
///
/// # Example
///
/// ```
/// use hypad::report::{Evaluator, Table};
///
/// let mut evaluator = Evaluator::new();
/// let truth = [false, true, false, false];
/// evaluator.add("000", "good", &[0.1, 0.2, 0.1, 0.0], &[false; 4], [2, 2])?;
/// evaluator.add("000", "crack", &[0.1, 0.9, 0.3, 0.0], &truth, [2, 2])?;
/// assert_eq!(evaluator.evaluate()?.aupro.at_0_3, Some(1.0));
/// print!("{}", Table::new(evaluator.regions(0.5)?));
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Evaluator {
    /// By kind of defect.
    groups: BTreeMap<String, Group>,
}

#[derive(Debug, Default)]
struct Group {
    names: Vec<String>,
    scores: Vec<f32>,
    labels: Vec<bool>,
    pixels: PixelMetrics,
}

impl Group {
    fn is_good(&self) -> bool {
        !self.labels.contains(&true)
    }
}

impl Evaluator {
    /// Starts with no image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the map of an image of width × height = `size` pixels and its truth, row by row; `defect`
    /// is what kind of image it is, such as `good` or `crack`.
    ///
    /// # Errors
    ///
    /// [`Error::InImage`] with the image's name, for a NaN or a truth of another size than the map.
    pub fn add(
        &mut self,
        name: &str,
        defect: &str,
        map: &[f32],
        truth: &[bool],
        [width, height]: [usize; 2],
    ) -> Result<()> {
        let image = PixelImage::new(map, truth, width, height)
            .map_err(|error| error.in_image(format!("{defect}/{name}")))?;
        let group = self.groups.entry(defect.to_string()).or_default();
        group.pixels.add(&image);
        group.names.push(name.to_string());
        let highest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        group.scores.push(highest);
        group.labels.push(truth.contains(&true));
        Ok(())
    }

    /// The metrics of all images so far; what is undefined is `None`.
    ///
    /// # Errors
    ///
    /// None, with what [`add`](Self::add) lets in.
    pub fn evaluate(&self) -> Result<Evaluation> {
        evaluate(&self.all())
    }

    /// The metrics of each kind of defect, its images among all good ones.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn defects(&self) -> Result<Vec<MetricsRow>> {
        let good = self.groups.values().filter(|group| group.is_good());
        let good: Vec<&Group> = good.collect();
        let defects = self.groups.iter().filter(|(_, group)| !group.is_good());
        defects
            .map(|(name, group)| {
                let mut together = good.clone();
                together.push(group);
                Ok(MetricsRow::new(
                    name,
                    group.names.len(),
                    &evaluate(&together)?,
                ))
            })
            .collect()
    }

    /// Every image: what was found in it at a threshold.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn images(&self, threshold: f32) -> Result<Vec<ImageRow>> {
        let mut rows = Vec::new();
        for (defect, group) in &self.groups {
            let ranking = group.pixels.ranking()?;
            let mut sums = vec![(0, 0, 0.0); group.names.len()];
            let overlaps = ranking.overlaps(threshold);
            for (region, overlap) in ranking.regions().iter().zip(overlaps) {
                let (regions, pixels, found) = &mut sums[region.image];
                *regions += 1;
                *pixels += region.area;
                *found += overlap * region.area as f64;
            }
            let false_positives = group.pixels.false_positives(threshold);
            for (at, (regions, anomalous_pixels, found)) in sums.into_iter().enumerate() {
                rows.push(ImageRow {
                    image: group.names[at].clone(),
                    defect: defect.clone(),
                    anomalous: group.labels[at],
                    score: group.scores[at],
                    detected: group.scores[at] >= threshold,
                    regions,
                    anomalous_pixels,
                    found_pixels: found.round() as u64,
                    false_pixels: false_positives[at],
                });
            }
        }
        Ok(rows)
    }

    /// Every connected region of the truth: how much of it was found at a threshold.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn regions(&self, threshold: f32) -> Result<Vec<RegionRow>> {
        let mut rows: Vec<RegionRow> = Vec::new();
        for (defect, group) in &self.groups {
            let ranking = group.pixels.ranking()?;
            let overlaps = ranking.overlaps(threshold);
            let mut last = None;
            let mut number = 0;
            for (region, overlap) in ranking.regions().iter().zip(overlaps) {
                number = if last == Some(region.image) {
                    number + 1
                } else {
                    0
                };
                last = Some(region.image);
                let [x, y, width, height] = region.bounds;
                rows.push(RegionRow {
                    image: group.names[region.image].clone(),
                    defect: defect.clone(),
                    region: number,
                    area: region.area,
                    x,
                    y,
                    width,
                    height,
                    score: region.score,
                    overlap,
                });
            }
        }
        Ok(rows)
    }

    /// What the official evaluation of MVTec AD reports of a category, with AUPRO up to
    /// false-positive rate `limit` (there 0.3).
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`] without both classes of images and of pixels, [`Error::Setting`] for a
    /// limit outside (0, 1].
    pub fn official(&self, limit: f64) -> Result<OfficialCategory> {
        let (images, pixels) = rankings(&self.all())?;
        OfficialCategory::new(&images, pixels.aupro(limit)?)
    }

    fn all(&self) -> Vec<&Group> {
        self.groups.values().collect()
    }
}

impl Evaluation {
    /// The means over categories; what is undefined in one of them is undefined in the mean, and
    /// thresholds have none.
    pub fn mean(of: &[Self]) -> Self {
        let mean = |value: &dyn Fn(&Self) -> Option<f64>| {
            let sum: Option<f64> = of.iter().map(value).sum();
            sum.filter(|_| !of.is_empty())
                .map(|sum| sum / of.len() as f64)
        };
        let rank = |part: fn(&Self) -> &RankMetrics| RankMetrics {
            auroc: mean(&|e| part(e).auroc),
            aupr: mean(&|e| part(e).aupr),
            f1_max: mean(&|e| part(e).f1_max),
            f1_threshold: None,
        };
        Self {
            image: rank(|e| &e.image),
            pixel: rank(|e| &e.pixel),
            aupro: AreaMetrics {
                at_0_05: mean(&|e| e.aupro.at_0_05),
                at_0_3: mean(&|e| e.aupro.at_0_3),
                at_1: mean(&|e| e.aupro.at_1),
            },
        }
    }
}

fn rankings(groups: &[&Group]) -> Result<(Ranking, PixelRanking)> {
    let scores: Vec<f32> = groups.iter().flat_map(|g| g.scores.clone()).collect();
    let labels: Vec<bool> = groups.iter().flat_map(|g| g.labels.clone()).collect();
    let pixels: Vec<&PixelMetrics> = groups.iter().map(|group| &group.pixels).collect();
    let pixels = PixelMetrics::ranking_of(&pixels)?;
    Ok((Ranking::new(&scores, &labels)?, pixels))
}

fn evaluate(groups: &[&Group]) -> Result<Evaluation> {
    let rank = |ranking: &Ranking| -> Result<RankMetrics> {
        let best = defined(ranking.f1_max())?;
        Ok(RankMetrics {
            auroc: defined(ranking.auroc())?,
            aupr: defined(ranking.average_precision())?,
            f1_max: best.map(|best| best.value),
            f1_threshold: best.map(|best| best.threshold),
        })
    };
    let (images, pixels) = rankings(groups)?;
    let curve = defined(pixels.pro_curve())?;
    let aupro = |limit: f64| curve.as_ref().map(|curve| curve.area(limit)).transpose();
    Ok(Evaluation {
        image: rank(&images)?,
        pixel: rank(pixels.pixels())?,
        aupro: AreaMetrics {
            at_0_05: aupro(0.05)?,
            at_0_3: aupro(0.3)?,
            at_1: aupro(1.0)?,
        },
    })
}

fn defined<T>(value: Result<T>) -> Result<Option<T>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
