//! The metrics of a category, gathered image by image.

use serde::Serialize;

use crate::detect::Detection;
use crate::error::{Error, Result};
use crate::metrics::{PixelImage, PixelMetrics, Ranking};

/// Ranking metrics of images or of pixels. `None` where the data leaves them undefined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RankMetrics {
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Average precision.
    pub aupr: Option<f64>,
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

/// Gathers detections and their ground truth.
#[derive(Debug, Default)]
pub struct Evaluator {
    scores: Vec<f32>,
    labels: Vec<bool>,
    pixels: PixelMetrics,
}

impl Evaluator {
    /// Starts with no image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image with its ground truth, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for a truth of another size than the map, [`Error::NanScore`].
    pub fn add(&mut self, found: &Detection, truth: &[bool]) -> Result<()> {
        let image = PixelImage::new(&found.map, truth, found.width, found.height)?;
        self.pixels.add(&image);
        self.scores.push(found.score);
        self.labels.push(truth.contains(&true));
        Ok(())
    }

    /// The metrics of all images added so far.
    ///
    /// # Errors
    ///
    /// None but for scores that cannot be ranked; what is undefined becomes `None`.
    pub fn evaluate(&self) -> Result<Evaluation> {
        let rank = |ranking: &Ranking| -> Result<RankMetrics> {
            Ok(RankMetrics {
                auroc: defined(ranking.auroc())?,
                aupr: defined(ranking.average_precision())?,
            })
        };
        let pixels = self.pixels.ranking()?;
        Ok(Evaluation {
            image: rank(&Ranking::new(&self.scores, &self.labels)?)?,
            pixel: rank(pixels.pixels())?,
            aupro: AreaMetrics {
                at_0_05: defined(pixels.aupro(0.05))?,
                at_0_3: defined(pixels.aupro(0.3))?,
                at_1: defined(pixels.aupro(1.0))?,
            },
        })
    }
}

fn defined(value: Result<f64>) -> Result<Option<f64>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
