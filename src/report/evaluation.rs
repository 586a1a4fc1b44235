//! The metrics of a category, gathered image by image.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::official::MvtecMetrics;
use super::score_file::ScoreFile;
use super::table::{ImageRow, MetricsRow, RegionRow};
use crate::ScoreMap;
use crate::data::{GOOD, TestImage};
use crate::detect::Thresholds;
use crate::error::{Error, Result, check};
use crate::metrics::{AnomalousPixels, Curve, PixelImage, PixelRanking, Ranking};

/// Ranking metrics of images or of pixels. `None` where the data leaves them undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RankMetrics {
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Average precision: Σₖ (Rₖ − Rₖ₋₁) Pₖ.
    pub average_precision: Option<f64>,
    /// Area under the precision–recall curve by the trapezoid rule, which is larger where scores tie.
    pub aupr: Option<f64>,
    /// The largest F1 over all thresholds.
    pub f1_max: Option<f64>,
    /// The threshold that reaches it.
    pub f1_threshold: Option<f32>,
}

/// AUPRO by limit of the false-positive rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
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

/// Curves of a category. `None` where the data leaves them undefined.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Curves {
    /// True-positive rate by false-positive rate, of images.
    pub image_roc: Option<Curve>,
    /// Mean overlap of regions by false-positive rate of pixels.
    pub pro: Option<Curve>,
}

/// All metrics of a category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Over images, by their scores.
    pub image: RankMetrics,
    /// Over the pixels of all images together.
    pub pixel: RankMetrics,
    /// Over regions.
    pub aupro: AreaMetrics,
}

/// An image with its map and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct ScoredImage<'a> {
    /// Its name.
    pub name: &'a str,
    /// [`GOOD`], or the kind of defect.
    pub defect: &'a str,
    /// Its map.
    pub map: &'a ScoreMap,
    /// Where it is anomalous, row by row; `None` if that is not known.
    pub truth: Option<&'a [bool]>,
    /// Pixels that count nowhere, row by row; `None` if all count.
    pub ignore: Option<&'a [bool]>,
}

/// Gathers anomaly maps and their ground truth, from any model.
///
/// An image's score is the highest of its map, without the pixels that are ignored. It is anomalous by its kind, which is any but
/// [`GOOD`], also where no pixel of its truth is; the official evaluation goes by the pixels, and so
/// does [`official`](Self::official).
///
/// The scores of normal pixels are kept in a temporary file if they are many; in memory are eight
/// bytes for each anomalous pixel.
///
/// # Example
///
/// ```
/// use hypad::report::{Evaluator, Table};
/// use hypad::{ImageSize, ScoreMap};
///
/// let mut evaluator = Evaluator::new();
/// let truth = [false, true, false, false];
/// let map = |values: [f32; 4]| ScoreMap::new(values.into(), ImageSize::new(2, 2));
/// evaluator.add("000", "good", &map([0.1, 0.2, 0.1, 0.0])?, &[false; 4])?;
/// evaluator.add("000", "crack", &map([0.1, 0.9, 0.3, 0.0])?, &truth)?;
/// assert_eq!(evaluator.evaluate()?.aupro.at_0_3, Some(1.0));
/// print!("{}", Table::new(evaluator.regions(0.5)?));
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Evaluator {
    /// By kind of defect.
    pub(super) groups: BTreeMap<String, Group>,
    /// The scores of the normal pixels of all images.
    pub(super) normal: ScoreFile,
}

/// The pixels of an image that count.
struct Pixels {
    /// The highest score of all.
    score: f32,
    /// Of each pixel, whether it is anomalous and counts.
    anomalous: Vec<bool>,
    /// The scores of the normal ones.
    normal: Vec<f32>,
}

/// The images of one kind.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub names: Vec<String>,
    pub scores: Vec<f32>,
    /// Whether the truth of each image has an anomalous pixel; `None` where there is no truth.
    pub has_anomalous_pixel: Vec<Option<bool>>,
    pub anomalous: AnomalousPixels,
    /// Where the scores of the normal pixels of each image are.
    pub normal: Vec<Range<u64>>,
}

impl Evaluator {
    /// Starts with no image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the map of an image and its truth, row by row; `defect` is what kind of image it is, such
    /// as `good` or `crack`.
    ///
    /// # Errors
    ///
    /// Those of [`add_image`](Self::add_image).
    pub fn add(&mut self, name: &str, defect: &str, map: &ScoreMap, truth: &[bool]) -> Result<()> {
        self.add_image(ScoredImage {
            name,
            defect,
            map,
            truth: Some(truth),
            ignore: None,
        })
    }

    /// Adds a test image of a data set with its map, and reads its masks.
    ///
    /// # Errors
    ///
    /// Those of [`TestImage::truth`] and of [`add_image`](Self::add_image).
    pub fn add_test_image(
        &mut self,
        test: &TestImage,
        map: &ScoreMap,
        ignore: Option<&[bool]>,
    ) -> Result<()> {
        let truth = test.truth(map.size())?;
        self.add_image(ScoredImage {
            name: &test.name,
            defect: &test.defect,
            map,
            truth: truth.as_deref(),
            ignore,
        })
    }

    /// Adds an image. Without a truth it counts among images; metrics of pixels and regions are then
    /// undefined for its kind and for all images together.
    ///
    /// # Errors
    ///
    /// In [`Error::InImage`] with the image's name: for a NaN, for a truth or ignored pixels of another size
    /// than the map, for a good image with anomalous pixels, and if all pixels are ignored. [`Error::Io`] if
    /// a temporary file cannot be written.
    pub fn add_image(&mut self, image: ScoredImage) -> Result<()> {
        let ScoredImage { name, defect, .. } = image;
        let pixels = self
            .gather(&image)
            .map_err(|error| error.in_image(format!("{defect}/{name}")))?;
        let normal = self.normal.append(pixels.normal.into_iter())?;
        let size = image.map.size();
        let group = self.groups.entry(defect.to_string()).or_default();
        let [width, height] = [size.width, size.height];
        let truth = &pixels.anomalous;
        group
            .anomalous
            .add(&PixelImage::new(image.map, truth, width, height)?);
        group.normal.push(normal);
        group.names.push(name.to_string());
        group.scores.push(pixels.score);
        // A good image needs no truth.
        let known = image.truth.is_some() || defect == GOOD;
        let has_anomalous = known.then(|| truth.contains(&true));
        group.has_anomalous_pixel.push(has_anomalous);
        Ok(())
    }

    /// Adds the images that another evaluator has gathered.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a temporary file cannot be read or written.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        for (kind, theirs) in other.groups {
            let group = self.groups.entry(kind).or_default();
            for place in &theirs.normal {
                let scores = other.normal.read(place)?;
                group.normal.push(self.normal.append(scores.into_iter())?);
            }
            group.names.extend(theirs.names);
            group.scores.extend(theirs.scores);
            group.has_anomalous_pixel.extend(theirs.has_anomalous_pixel);
            group.anomalous.merge(theirs.anomalous);
        }
        Ok(())
    }

    /// The pixels of an image that count.
    fn gather(&self, image: &ScoredImage) -> Result<Pixels> {
        let (map, size) = (image.map, image.map.size());
        let none = vec![false; size.area()];
        let ignore = image.ignore.unwrap_or(&none);
        let truth = image.truth.unwrap_or(&none);
        for (what, found) in [
            ("pixels of the truth", truth.len()),
            ("pixels of the mask of ignored pixels", ignore.len()),
        ] {
            if found != size.area() {
                return Err(Error::Size {
                    what,
                    expected: size.to_string(),
                    found: found.to_string(),
                });
            }
        }
        PixelImage::new(map, truth, size.width, size.height)?;
        let counted = || (0..size.area()).filter(|at| !ignore[*at]);
        let score = counted()
            .map(|at| map[at])
            .fold(f32::NEG_INFINITY, f32::max);
        check(
            counted().next().is_some(),
            "pixels that count",
            0,
            "at least 1: all pixels of the image are ignored",
        )?;
        let anomalous: Vec<bool> = truth.iter().zip(ignore).map(|(t, i)| *t && !*i).collect();
        let count = anomalous.iter().filter(|truth| **truth).count();
        let holds = image.defect != GOOD || count == 0;
        check(holds, "anomalous pixels", count, "0 in a good image")?;
        let normal = match image.truth.is_some() || image.defect == GOOD {
            true => counted()
                .filter(|at| !truth[*at])
                .map(|at| map[at])
                .collect(),
            false => Vec::new(),
        };
        Ok(Pixels {
            score,
            anomalous,
            normal,
        })
    }

    /// The metrics of all images so far; what is undefined is `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a temporary file cannot be read.
    pub fn evaluate(&self) -> Result<Evaluation> {
        self.evaluate_kinds(|_| true)
    }

    /// The metrics of each kind of defect, its images among all good ones.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn defects(&self) -> Result<Vec<MetricsRow>> {
        let defects = self.groups.iter().filter(|(kind, _)| *kind != GOOD);
        defects
            .map(|(name, group)| {
                let evaluation = self.evaluate_kinds(|kind| kind == GOOD || kind == name)?;
                Ok(MetricsRow::new(name, group.names.len(), &evaluation))
            })
            .collect()
    }

    /// The F1 score of the pixels of all images together at a threshold: 2 TP / (2 TP + FP + FN). `None`
    /// without an anomalous pixel, and if an image with a defect has no truth.
    ///
    /// # Errors
    ///
    /// Those of [`images`](Self::images).
    pub fn pixel_f1(&self, threshold: f32) -> Result<Option<f64>> {
        let rows = self.images(threshold)?;
        let total = |of: fn(&ImageRow) -> Option<u64>| -> Option<f64> {
            let counts: Option<Vec<u64>> = rows.iter().map(of).collect();
            counts.map(|counts| counts.iter().sum::<u64>() as f64)
        };
        let counts = (
            total(|row| row.anomalous_pixels),
            total(|row| row.found_pixels),
            total(|row| row.false_pixels),
        );
        let (Some(anomalous), Some(found), Some(wrong)) = counts else {
            return Ok(None);
        };
        Ok((anomalous > 0.0).then(|| 2.0 * found / (anomalous + found + wrong)))
    }

    /// Every image: what was found in it at a threshold, one number or
    /// [`Thresholds`](crate::detect::Thresholds).
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and [`Error::Setting`] for a threshold that is NaN.
    pub fn images(&self, thresholds: impl Into<Thresholds>) -> Result<Vec<ImageRow>> {
        let Thresholds { image, pixel } = thresholds.into();
        check_threshold(image)?;
        check_threshold(pixel)?;
        let mut rows = Vec::new();
        for (defect, group) in &self.groups {
            let ranking = group.regions()?;
            let mut sums = vec![(0, 0, 0.0); group.names.len()];
            let overlaps = ranking.overlaps(pixel);
            for (region, overlap) in ranking.regions().iter().zip(overlaps) {
                let (regions, pixels, found) = &mut sums[region.image];
                *regions += 1;
                *pixels += region.area;
                *found += overlap * region.area as f64;
            }
            for (at, (regions, anomalous_pixels, found)) in sums.into_iter().enumerate() {
                let normal = self.normal.read(&group.normal[at])?;
                let wrong = normal.iter().filter(|score| **score >= pixel).count();
                // Without a truth there are no counts.
                let known = |count: u64| group.has_anomalous_pixel[at].map(|_| count);
                rows.push(ImageRow {
                    image: group.names[at].clone(),
                    defect: defect.clone(),
                    anomalous: defect != GOOD,
                    score: group.scores[at],
                    detected: group.scores[at] >= image,
                    regions: known(regions),
                    anomalous_pixels: known(anomalous_pixels),
                    found_pixels: known(found.round() as u64),
                    false_pixels: known(wrong as u64),
                });
            }
        }
        Ok(rows)
    }

    /// Every connected region of the truth: how much of it was found at a threshold of pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a threshold that is NaN.
    pub fn regions(&self, threshold: f32) -> Result<Vec<RegionRow>> {
        check_threshold(threshold)?;
        let mut rows: Vec<RegionRow> = Vec::new();
        for (defect, group) in &self.groups {
            let ranking = group.regions()?;
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
    /// false-positive rate `limit` (there 0.3). An image is anomalous there if a pixel of its truth
    /// is, whatever its kind.
    ///
    /// # Errors
    ///
    /// [`Error::Undefined`] without both classes of images and of pixels, [`Error::Setting`] for a
    /// limit outside (0, 1], and those of [`evaluate`](Self::evaluate).
    pub fn official(&self, limit: f64) -> Result<MvtecMetrics> {
        let groups = self.groups.values();
        let au_pro = self.pixels(|_| true)?.aupro(limit)?;
        let of_image = |group: &Group, at: usize| {
            let anomalous = group.has_anomalous_pixel[at] == Some(true);
            (group.scores[at], anomalous)
        };
        let (scores, labels): (Vec<f32>, Vec<bool>) = groups
            .flat_map(|group| (0..group.scores.len()).map(move |at| of_image(group, at)))
            .unzip();
        MvtecMetrics::new(&Ranking::new(&scores, &labels)?, au_pro)
    }

    /// The curves of all images together.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn curves(&self) -> Result<Curves> {
        let pixels = defined(self.pixels(|_| true))?;
        let pro = pixels.as_ref().map(PixelRanking::pro_curve);
        Ok(Curves {
            image_roc: defined(self.image_ranking(|_| true)?.roc_curve())?,
            pro: pro.map_or(Ok(None), defined)?,
        })
    }

    /// The images of some kinds by their scores.
    fn image_ranking(&self, holds: impl Fn(&str) -> bool) -> Result<Ranking> {
        let groups = self.groups.iter().filter(|(kind, _)| holds(kind));
        let (scores, labels): (Vec<f32>, Vec<bool>) = groups
            .flat_map(|(kind, group)| group.scores.iter().map(move |score| (*score, kind != GOOD)))
            .unzip();
        Ranking::new(&scores, &labels)
    }

    /// Of the images of some kinds.
    fn evaluate_kinds(&self, holds: impl Fn(&str) -> bool) -> Result<Evaluation> {
        let rank = |ranking: &Ranking| -> Result<RankMetrics> {
            let best = defined(ranking.f1_max())?;
            Ok(RankMetrics {
                auroc: defined(ranking.auroc())?,
                average_precision: defined(ranking.average_precision())?,
                aupr: defined(ranking.aupr())?,
                f1_max: best.map(|best| best.value),
                f1_threshold: best.map(|best| best.threshold),
            })
        };
        let images = self.image_ranking(&holds)?;
        let pixels = defined(self.pixels(&holds))?;
        let curve = pixels.as_ref().map(PixelRanking::pro_curve);
        let curve = curve.map_or(Ok(None), defined)?;
        let of_pixels = pixels.as_ref().map(|pixels| rank(pixels.pixels()));
        let aupro = |limit: f64| curve.as_ref().map(|curve| curve.area(limit)).transpose();
        Ok(Evaluation {
            image: rank(&images)?,
            pixel: of_pixels.transpose()?.unwrap_or_default(),
            aupro: AreaMetrics {
                at_0_05: aupro(0.05)?,
                at_0_3: aupro(0.3)?,
                at_1: aupro(1.0)?,
            },
        })
    }

    /// The counts of the pixels of the images of some kinds.
    fn pixels(&self, holds: impl Fn(&str) -> bool) -> Result<PixelRanking> {
        let groups = || self.groups.iter().filter(|(kind, _)| holds(kind));
        if groups().any(|(_, group)| group.has_anomalous_pixel.contains(&None)) {
            return Err(Error::Undefined {
                metric: "every metric of pixels",
                reason: "an image with a defect has no mask",
            });
        }
        let mut anomalous = AnomalousPixels::new();
        for (_, group) in groups() {
            anomalous.merge(group.anomalous.clone());
        }
        let mut normal = anomalous.normal_pixels();
        for place in groups().flat_map(|(_, group)| &group.normal) {
            normal.add_normal(&self.normal.read(place)?)?;
        }
        normal.finish()
    }
}

impl Group {
    /// The regions of the truth and their anomalous pixels, without normal ones.
    fn regions(&self) -> Result<PixelRanking> {
        let mut normal = self.anomalous.clone().normal_pixels();
        for _ in &self.normal {
            normal.add_normal(&[])?;
        }
        normal.finish()
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
            average_precision: mean(&|e| part(e).average_precision),
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

fn defined<T>(value: Result<T>) -> Result<Option<T>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn check_threshold(threshold: f32) -> Result<()> {
    check(!threshold.is_nan(), "threshold", threshold, "a number")
}
