//! Anomaly detection methods, a folder each, behind one trait.
//!
//! A method compares an image with what it has learnt and gives raw score maps
//! ([`AnomalyModel`]). What happens to the maps (calibration, enlargement to the image, threshold,
//! file) is the work of [`detect`](crate::detect), and the same for every method.
//!
//! # A method of one's own
//!
//! The mean of each pixel's brightness over the good images and its standard deviation: a pixel is
//! as anomalous as it is deviations away from its mean. Trained, stored, loaded, applied and evaluated
//! by the machinery of this crate:
//!
//! ```
//! use burn::backend::Flex;
//! use burn::tensor::{Tensor, backend::Backend};
//! use hypad::features::weights::Tensors;
//! use hypad::image::{DynamicImage, GrayImage, Luma};
//! use hypad::methods::{AnomalyModel, LoadModel, MapLayout, Method, ModelParts};
//! use hypad::report::Evaluator;
//! use hypad::training::{Run, RunOptions, TrainingImages};
//! use hypad::{Detector, ImageSize, Result, ScoreMap, Trainer};
//!
//! const SIZE: ImageSize = ImageSize::square(32);
//!
//! /// The settings: none.
//! #[derive(Debug)]
//! struct PixelDeviation;
//!
//! /// Mean and deviation of each pixel, `[1, 1, height, width]`.
//! #[derive(Debug)]
//! struct PixelModel<B: Backend> {
//!     mean: Tensor<B, 4>,
//!     deviation: Tensor<B, 4>,
//! }
//!
//! impl<B: Backend> Method<B> for PixelDeviation {
//!     type Model = PixelModel<B>;
//!
//!     fn input_size(&self) -> ImageSize {
//!         SIZE
//!     }
//!
//!     fn fit(
//!         &self,
//!         images: &TrainingImages,
//!         _: &mut Run<'_, PixelModel<B>>,
//!         device: &B::Device,
//!     ) -> Result<PixelModel<B>> {
//!         let grey = images.tensors(device).map(|image| image.mean_dim(1));
//!         let all = Tensor::cat(grey.collect(), 0);
//!         let deviation = all.clone().var(0).sqrt().add_scalar(1e-3);
//!         Ok(PixelModel { mean: all.mean_dim(0), deviation })
//!     }
//! }
//!
//! impl<B: Backend> AnomalyModel<B> for PixelModel<B> {
//!     fn method(&self) -> &str {
//!         Self::METHOD
//!     }
//!
//!     fn input_size(&self) -> ImageSize {
//!         SIZE
//!     }
//!
//!     fn map_layout(&self) -> MapLayout {
//!         MapLayout::new(["pixel and mean"], SIZE)
//!     }
//!
//!     fn raw_maps(&self, image: Tensor<B, 4>) -> Result<Vec<ScoreMap>> {
//!         let difference = (image.mean_dim(1) - self.mean.clone()).abs();
//!         let map = (difference / self.deviation.clone()).into_data();
//!         Ok(vec![ScoreMap::new(map.iter::<f32>().collect(), SIZE)?])
//!     }
//!
//!     fn to_parts(&self) -> Result<ModelParts> {
//!         let mut tensors = Tensors::new();
//!         tensors.insert("mean", self.mean.to_data());
//!         tensors.insert("deviation", self.deviation.to_data());
//!         Ok(ModelParts { settings: Default::default(), tensors })
//!     }
//! }
//!
//! impl<B: Backend> LoadModel<B> for PixelModel<B> {
//!     const METHOD: &'static str = "pixel deviation";
//!
//!     fn from_parts(mut parts: ModelParts, device: &B::Device) -> Result<Self> {
//!         let mut take = |name| Ok(Tensor::from_data(parts.tensors.take(name)?, device));
//!         Ok(Self { mean: take("mean")?, deviation: take("deviation")? })
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! // Grey pictures whose brightness varies a little; a defect is a white square.
//! let picture = |index: u32, defect: bool| {
//!     let image = GrayImage::from_fn(40, 40, |x, y| {
//!         let white = defect && (10..20).contains(&x) && (10..20).contains(&y);
//!         Luma([if white { 255 } else { (100 + (7 * index + x * y) % 9) as u8 }])
//!     });
//!     DynamicImage::ImageLuma8(image)
//! };
//! let good: Vec<DynamicImage> = (0..20).map(|index| picture(index, false)).collect();
//! let device = Default::default();
//! let trainer = Trainer::<Flex, _>::of(PixelDeviation).with_options(RunOptions::quiet());
//! let trained = trainer.fit(&good, &device)?;
//!
//! let folder = std::env::temp_dir().join(format!("hypad_pixel_{}", std::process::id()));
//! let path = folder.join("model.safetensors");
//! trained.save(&path)?;
//! let detector = Detector::<Flex>::load_as::<PixelModel<Flex>>(&path, &device)?;
//! # std::fs::remove_dir_all(&folder).unwrap();
//!
//! let mut evaluator = Evaluator::new();
//! for (index, kind) in [(30, "good"), (31, "good"), (32, "square"), (33, "square")] {
//!     let found = detector.predict(&picture(index, kind == "square"))?;
//!     let inside = |at: usize| (10..20).contains(&(at % 40)) && (10..20).contains(&(at / 40));
//!     let truth: Vec<bool> = (0..1600).map(|at| kind == "square" && inside(at)).collect();
//!     evaluator.add(&index.to_string(), kind, &found.map, &truth)?;
//!     assert_eq!(found.score >= detector.threshold(), kind == "square");
//! }
//! assert_eq!(evaluator.evaluate()?.image.auroc, Some(1.0));
//! # Ok(())
//! # }
//! ```

pub mod hypad;

use std::any::Any;
use std::fmt::Debug;

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::features::weights::Tensors;
use crate::training::{Run, TrainingImages};
use crate::{ImageSize, ScoreMap};

/// The score of the locations at the border of the image for which a model computes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Border {
    /// The calibrated score of zero deviation: what was not seen is never anomalous.
    #[default]
    #[serde(alias = "no_distance")]
    ZeroDeviation,
    /// 0, as in EfficientAD. This is the upper decile of normal maps, so the border ranks above
    /// most of every normal image, and its pixels tie.
    Zero,
}

/// How the maps of several branches become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Join {
    /// Their mean, as in EfficientAD.
    #[default]
    Mean,
    /// A weighted mean, of at most [`MapLayout::MOST_WEIGHED`] branches. When the detector is calibrated,
    /// defects are planted into good images that were held out, and the weights are those, equal or multiples
    /// of a quarter, that tell these images best from themselves without (image AUROC). This takes 64
    /// predictions or one for each image held out, whichever are more.
    PlantedDefects,
}

/// The raw maps of a model: how many, how large, and how they lie in the input image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MapLayout {
    /// Names of the raw maps, by the features that each compares, such as `"student and teacher"`.
    pub branches: Vec<String>,
    /// The size of each map.
    pub size: ImageSize,
    /// Locations that the maps lack on each side of the image.
    pub border: usize,
    /// The score of these locations.
    pub border_score: Border,
    /// Standard deviation, in locations, of the Gaussian that smoothes the map: between 0, no smoothing, and
    /// [`MOST_SMOOTHING`](Self::MOST_SMOOTHING).
    pub smoothing: f64,
    /// How the maps become one.
    pub join: Join,
}

impl MapLayout {
    /// The largest [`smoothing`](Self::smoothing): 32 locations.
    pub const MOST_SMOOTHING: f64 = 32.0;

    /// The most branches that [`Join::PlantedDefects`] weighs.
    pub const MOST_WEIGHED: usize = 4;

    /// Maps that cover the image.
    pub fn new<S: Into<String>>(branches: impl IntoIterator<Item = S>, size: ImageSize) -> Self {
        Self {
            branches: branches.into_iter().map(S::into).collect(),
            size,
            border: 0,
            border_score: Border::default(),
            smoothing: 0.0,
            join: Join::default(),
        }
    }

    /// With another way to make one map of those of the branches.
    pub fn with_join(self, join: Join) -> Self {
        Self { join, ..self }
    }

    /// With the Gaussian of this standard deviation, in locations, over the map that the branches give
    /// together.
    pub fn with_smoothing(self, smoothing: f64) -> Self {
        Self { smoothing, ..self }
    }

    /// Maps that lack some locations on each side of the image.
    pub fn with_border(self, border: usize, border_score: Border) -> Self {
        Self {
            border,
            border_score,
            ..self
        }
    }
}

/// Settings and weights of a model, as a model file stores them.
#[derive(Clone, Debug)]
pub struct ModelParts {
    /// The settings, as JSON.
    pub settings: serde_json::Value,
    /// The weights.
    pub tensors: Tensors,
}

/// A trained model of any method: an image goes in, raw score maps come out.
///
/// A [`Detector`](crate::Detector) does the rest, and knows a model by this trait alone.
pub trait AnomalyModel<B: Backend>: Any + Debug + Send + Sync {
    /// The name of the method in model files, such as `"hypad"`.
    fn method(&self) -> &str;

    /// The size to which images are resized.
    fn input_size(&self) -> ImageSize;

    /// Number, size and place of the maps of [`raw_maps`](Self::raw_maps).
    fn map_layout(&self) -> MapLayout;

    /// The raw maps of an image: one for each branch, not calibrated; higher is more anomalous, and 0
    /// is no deviation.
    ///
    /// # Shapes
    ///
    /// - image: `[1, 3, height, width]` of [`input_size`](Self::input_size), RGB, ImageNet-normalised
    ///
    /// # Errors
    ///
    /// For images that the model cannot take. The detector checks that all values are finite.
    fn raw_maps(&self, image: Tensor<B, 4>) -> Result<Vec<ScoreMap>>;

    /// Settings and weights, for the model file.
    ///
    /// # Errors
    ///
    /// For weights that cannot be read from their device.
    fn to_parts(&self) -> Result<ModelParts>;
}

/// A model that can be read from a file.
pub trait LoadModel<B: Backend>: AnomalyModel<B> + Sized {
    /// The name that [`AnomalyModel::method`] returns.
    const METHOD: &'static str;

    /// The model that [`AnomalyModel::to_parts`] described.
    ///
    /// # Errors
    ///
    /// For settings out of range and weights that do not fit them.
    fn from_parts(parts: ModelParts, device: &B::Device) -> Result<Self>;
}

/// A method with all its settings, ready to learn what is normal.
///
/// A [`Trainer`](crate::Trainer) reads the images, runs it, and makes a detector of the model.
pub trait Method<B: Backend>: Send + Sync {
    /// The trained model.
    type Model: AnomalyModel<B>;

    /// The size to which training images are resized.
    fn input_size(&self) -> ImageSize;

    /// Checks settings and networks before any image is read.
    ///
    /// # Errors
    ///
    /// For the first that is out of its range or does not fit.
    fn validate(&self, _device: &B::Device) -> Result<()> {
        Ok(())
    }

    /// Learns from normal images.
    ///
    /// `run` has the options of the run (progress, checkpoint, budgets) and takes what a method reports
    /// on the way.
    ///
    /// # Errors
    ///
    /// For images that the method cannot learn from, and those of `run`.
    fn fit(
        &self,
        images: &TrainingImages,
        run: &mut Run<'_, Self::Model>,
        device: &B::Device,
    ) -> Result<Self::Model>;
}
