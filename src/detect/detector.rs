//! A trained model of any method at work.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use image::DynamicImage;

use super::branch_weights::{candidates, equal, plant, planted_per_image, rng};
use super::calibration::Calibration;
use super::model_file;
use super::normalisation::MapNormalisation;
use super::smoothing::smooth;
use super::threshold::{CalibrationScores, ThresholdPolicy, Thresholds};
use crate::data::image::{PixelRange, decode_ahead, to_tensor, unit};
use crate::data::{Placement, Preparation, Rect, Tiles};
use crate::error::{Error, Result, check, check_finite};
use crate::features::ModelBackend;
use crate::features::weights::Precision;
use crate::methods::{AnomalyModel, Border, Join, LoadModel, MapLayout, ModelParts};
use crate::metrics;
use crate::progress::ProgressBar;
use crate::training::Input;
use crate::warning::warn;
use crate::{ImageSize, ScoreMap};

/// Result of a detector for one image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// How anomalous the image is: the maximum of the map.
    pub score: f32,
    /// Whether the score reaches the threshold of images.
    pub anomalous: bool,
    /// How anomalous each pixel is: a map of the size of the image.
    pub map: ScoreMap,
    /// Where the map reaches the threshold of pixels, row by row.
    pub mask: Vec<bool>,
}

impl Detection {
    /// The maximum of a map, and where it reaches a threshold: one number, or [`Thresholds`].
    pub fn new(map: ScoreMap, thresholds: impl Into<Thresholds>) -> Self {
        let thresholds = thresholds.into();
        let score = map.maximum();
        Self {
            score,
            anomalous: score >= thresholds.image,
            mask: map.iter().map(|value| *value >= thresholds.pixel).collect(),
            map,
        }
    }
}

/// A trained model of any method with all it takes to judge an image: how its raw maps are calibrated,
/// the thresholds, the range of the pixels.
///
/// # Example
///
/// ```no_run
/// use burn::backend::Flex;
/// use hypad::Detector;
///
/// # fn main() -> hypad::Result<()> {
/// let detector = Detector::<Flex>::load("bottle.safetensors", &Default::default())?;
/// let image = hypad::data::image::open("bottle.png")?;
/// println!("{}", detector.predict(&image)?.score);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Detector<B: Backend> {
    model: Arc<dyn AnomalyModel<B>>,
    layout: MapLayout,
    /// Of each branch.
    pub(super) normalisations: Vec<MapNormalisation>,
    /// Of each branch; their sum is 1.
    pub(super) weights: Vec<f32>,
    pub(super) thresholds: Thresholds,
    pub(super) threshold_policy: Option<String>,
    pub(super) pixel_range: PixelRange,
    pub(super) preparation: Preparation,
    device: B::Device,
}

/// The cause of maps that are not finite: images are checked before.
const BROKEN: &str = "the model is broken: load its file again, or train it again";

impl<B: Backend> Detector<B> {
    /// A detector that does not calibrate its maps yet, and to which nothing is anomalous.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a model without maps, or whose maps or images have no pixel, for a smoothing
    /// out of its range, and for more branches than can be weighed.
    pub fn new(model: impl AnomalyModel<B>, device: &B::Device) -> Result<Self> {
        let layout = model.map_layout();
        let (count, area) = (layout.branches.len(), layout.size.area());
        check(
            count > 0 && area > 0 && model.input_size().area() > 0,
            "maps of the model",
            format!("{count} of {}", layout.size),
            "at least one of at least 1 x 1",
        )?;
        check(
            (0.0..=MapLayout::MOST_SMOOTHING).contains(&layout.smoothing),
            "smoothing",
            layout.smoothing,
            "between 0 and 32 locations",
        )?;
        check(
            layout.join == Join::Mean || count <= MapLayout::MOST_WEIGHED,
            "branches that are weighed by planted defects",
            count,
            "at most 4",
        )?;
        Ok(Self {
            normalisations: vec![MapNormalisation::default(); count],
            weights: equal(count),
            model: Arc::new(model),
            layout,
            thresholds: f32::INFINITY.into(),
            threshold_policy: None,
            pixel_range: PixelRange::default(),
            preparation: Preparation::default(),
            device: device.clone(),
        })
    }

    /// Reads a detector whose model is an `M` from a file that [`save`](Self::save) wrote: for methods
    /// that [`load`](Self::load) does not know.
    ///
    /// # Errors
    ///
    /// Those of `load`, [`Error::Format`] for a file of another method.
    pub fn load_as<M: LoadModel<B>>(path: impl AsRef<Path>, device: &B::Device) -> Result<Self> {
        Self::load_with(path, device, |method, parts| match method == M::METHOD {
            true => M::from_parts(parts, device),
            false => Err(Error::Setting {
                name: "method of the model file",
                value: method.to_string(),
                rule: M::METHOD,
            }),
        })
    }

    /// Reads a detector from a file that [`save`](Self::save) wrote; `build` makes its model of the name
    /// of the method and of what the file has: for models that need more than their file, such as
    /// [`HypAd::from_parts_with`](crate::methods::hypad::HypAd::from_parts_with).
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load), and those of `build`, as [`Error::Format`] naming the file.
    pub fn load_with<M: AnomalyModel<B>>(
        path: impl AsRef<Path>,
        device: &B::Device,
        build: impl FnOnce(&str, ModelParts) -> Result<M>,
    ) -> Result<Self> {
        model_file::load(path.as_ref(), |method, parts| {
            Self::new(build(method, parts)?, device)
        })
    }

    /// Writes everything to one safetensors file, whole or not at all. The file gives the same
    /// scores bit for bit on the same machine and backend.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error), naming the file.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        model_file::save(self, path.as_ref(), Precision::Full)
    }

    /// As [`save`](Self::save), with the weights in 16 bits: half the size, and scores that differ by the
    /// rounding of the weights.
    ///
    /// # Errors
    ///
    /// Those of `save`, and [`Error::NotFinite`] for a weight beyond the range of 16 bits.
    pub fn save_half(&self, path: impl AsRef<Path>) -> Result<()> {
        model_file::save(self, path.as_ref(), Precision::Half)
    }

    /// The model.
    pub fn model(&self) -> &dyn AnomalyModel<B> {
        &*self.model
    }

    /// The model, if it is an `M`.
    pub fn model_as<M: AnomalyModel<B>>(&self) -> Option<&M> {
        let model: &dyn Any = &*self.model;
        model.downcast_ref()
    }

    /// The maps of the model: what each compares, their size, their place in the image.
    pub fn map_layout(&self) -> &MapLayout {
        &self.layout
    }

    /// From this score on an image is anomalous.
    pub fn threshold(&self) -> f32 {
        self.thresholds.image
    }

    /// The thresholds of images and of pixels.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// How the threshold of images was chosen, in words; `None` if that is not known.
    pub fn threshold_policy(&self) -> Option<&str> {
        self.threshold_policy.as_deref()
    }

    /// Sets the threshold of images. That of pixels is lowered to it if it is above, so that the mask of
    /// an anomalous image is not empty; it is never raised.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for NaN and −∞; with +∞ no image is anomalous.
    pub fn set_threshold(&mut self, threshold: f32) -> Result<()> {
        let pixel = self.thresholds.pixel.min(threshold);
        let image = threshold;
        self.set_thresholds(Thresholds { image, pixel })
    }

    /// Sets the threshold of pixels alone.
    ///
    /// # Errors
    ///
    /// Those of [`set_thresholds`](Self::set_thresholds).
    pub fn set_pixel_threshold(&mut self, pixel: f32) -> Result<()> {
        let policy = self.threshold_policy.take();
        let image = self.thresholds.image;
        let set = self.set_thresholds(Thresholds { image, pixel });
        self.threshold_policy = policy;
        set
    }

    /// Sets both thresholds: a number, or [`Thresholds`].
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for NaN and −∞; +∞ is never reached.
    pub fn set_thresholds(&mut self, thresholds: impl Into<Thresholds>) -> Result<()> {
        let thresholds = thresholds.into();
        for (name, value) in [
            ("threshold", thresholds.image),
            ("pixel threshold", thresholds.pixel),
        ] {
            let holds = value.is_finite() || value == f32::INFINITY;
            check(
                holds,
                name,
                value,
                "a number, or infinity for one that nothing reaches",
            )?;
        }
        (self.thresholds, self.threshold_policy) = (thresholds, None);
        Ok(())
    }

    /// How the raw map of each branch is calibrated.
    pub fn normalisations(&self) -> &[MapNormalisation] {
        &self.normalisations
    }

    /// Sets how the raw map of each branch is calibrated.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless there is one for each branch.
    pub fn set_normalisations(&mut self, normalisations: Vec<MapNormalisation>) -> Result<()> {
        self.check_branches("normalisations", normalisations.len())?;
        self.normalisations = normalisations;
        Ok(())
    }

    /// The weight of each branch in the map: equal, or chosen by calibration
    /// ([`Join::PlantedDefects`](crate::methods::Join)).
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Sets the weight of each branch. The thresholds stay: choose them anew after it.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless there is one for each branch, [`Error::Setting`] unless all are at least 0
    /// and their sum is 1, to 10⁻⁶.
    pub fn set_weights(&mut self, weights: Vec<f32>) -> Result<()> {
        self.check_branches("weights", weights.len())?;
        let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let holds = weights.iter().all(|weight| *weight >= 0.0) && (sum - 1.0).abs() <= 1e-6;
        let rule = "at least 0 each, with a sum of 1";
        check(
            holds,
            "weights of the branches",
            format!("{weights:?}"),
            rule,
        )?;
        self.weights = weights;
        Ok(())
    }

    /// Divisors of 16-bit and float images, found over the training images.
    pub fn pixel_range(&self) -> PixelRange {
        self.pixel_range
    }

    /// Sets the divisors of 16-bit and float images.
    ///
    /// # Errors
    ///
    /// Those of [`PixelRange::validate`].
    pub fn set_pixel_range(&mut self, range: PixelRange) -> Result<()> {
        range.validate()?;
        self.pixel_range = range;
        Ok(())
    }

    /// How images become inputs of the model.
    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// Sets how images become inputs of the model. What it was trained with is best; the thresholds stay.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for tiles without pixels, or that overlap by their whole side.
    pub fn set_preparation(&mut self, preparation: Preparation) -> Result<()> {
        preparation.validate()?;
        self.preparation = preparation;
        Ok(())
    }

    /// The pixels of an image of this size that count nowhere, row by row; `None` if all count.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for an image whose aspect ratio is not that of the mask of ignored pixels.
    pub fn ignored(&self, size: ImageSize) -> Result<Option<Vec<bool>>> {
        let mask = self.preparation.ignore.as_ref();
        mask.map(|mask| mask.at(size)).transpose()
    }

    /// Calibrates the maps and chooses the thresholds on good images, or tiles of them, that the model was
    /// not trained on, of its input size. Returns their scores.
    ///
    /// # Errors
    ///
    /// Those of [`predict`](Self::predict) and of the policy, [`Error::Undefined`] for no images.
    pub(crate) fn calibrate(
        &mut self,
        good: &[Input],
        calibration: &Calibration,
        progress: bool,
    ) -> Result<Vec<f32>> {
        let bar = ProgressBar::new(progress, good.len(), "calibrating");
        let maps = bar.wrap(good).map(|input| self.raw_maps(&input.image));
        let maps = maps.collect::<Result<Vec<_>>>()?;
        let ignored = good
            .iter()
            .map(|input| self.ignored_locations(&input.placement));
        let ignored: Vec<Option<Vec<bool>>> = ignored.collect();
        let fit = |branch: usize| {
            let values = maps.iter().zip(&ignored);
            let values =
                values.flat_map(|(maps, ignored)| counted(&maps[branch], ignored.as_deref()));
            let values: Vec<f32> = values.collect();
            MapNormalisation::fit(&values, calibration.map_quantiles)
        };
        let branches = 0..self.layout.branches.len();
        self.normalisations = branches.map(fit).collect::<Result<_>>()?;
        let maps = maps.into_iter().map(|maps| self.normalise(maps));
        let maps = maps.collect::<Result<Vec<_>>>()?;
        self.weights = equal(self.layout.branches.len());
        if self.layout.join == Join::PlantedDefects && self.layout.branches.len() > 1 {
            self.weights = self.weigh(good, &maps, progress)?;
        }
        let (mut scores, mut locations) = (Vec::new(), Vec::new());
        for ((maps, input), ignored) in maps.iter().zip(good).zip(&ignored) {
            let joined = self.joined(maps, &self.weights);
            locations.extend(counted(&joined, ignored.as_deref()));
            scores.push(self.input_score(joined, &self.weights, &input.placement)?);
        }
        let pixel = calibration
            .pixel_threshold
            .threshold(CalibrationScores::good(&locations))?;
        self.set_thresholds(pixel)?;
        self.choose_threshold(&*calibration.threshold, CalibrationScores::good(&scores))?;
        Ok(scores)
    }

    /// The weights that tell good images best from the same with planted defects, given their calibrated
    /// maps. Of equally good ones the most equal.
    fn weigh(&self, good: &[Input], maps: &[Vec<ScoreMap>], progress: bool) -> Result<Vec<f32>> {
        let size = self.model.input_size();
        let count = planted_per_image(good.len());
        let bar = ProgressBar::new(progress, count * good.len(), "weighing the maps");
        let mut all = maps.to_vec();
        let mut placements: Vec<&Placement> = good.iter().map(|input| &input.placement).collect();
        for (index, input) in good.iter().enumerate() {
            let (pixels, mut rng) = (unit(&input.image, &self.pixel_range), rng(index));
            let ignored = self.preparation.ignored_cells(&input.placement, size);
            for _ in 0..count {
                if let Some(mut planted) = plant(&pixels, size, &mut rng) {
                    for (at, _) in ignored.iter().flatten().enumerate().filter(|(_, i)| **i) {
                        planted[3 * at..3 * at + 3].copy_from_slice(&pixels[3 * at..3 * at + 3]);
                    }
                    all.push(self.normalise(self.raw_maps_of(&planted)?)?);
                    placements.push(&input.placement);
                }
                bar.inc();
            }
        }
        let labels: Vec<bool> = (0..all.len()).map(|index| index >= good.len()).collect();
        let mut best = (equal(self.layout.branches.len()), f64::NEG_INFINITY);
        if !labels.contains(&true) {
            // Plain images, in which nothing can be planted.
            return Ok(best.0);
        }
        for weights in candidates(self.layout.branches.len()) {
            let score = |(maps, placement): (&Vec<ScoreMap>, &&Placement)| {
                self.input_score(self.joined(maps, &weights), &weights, placement)
            };
            let scores = all.iter().zip(&placements).map(score);
            let scores = scores.collect::<Result<Vec<f32>>>()?;
            let auroc = metrics::auroc(&scores, &labels)?;
            if auroc > best.1 {
                best = (weights, auroc);
            }
        }
        Ok(best.0)
    }

    /// Chooses the threshold of images by a rule, from scores of images that the model was not trained on:
    /// of good ones, and of ones with defects where there are any. Returns the threshold.
    ///
    /// # Errors
    ///
    /// Those of the rule, and of [`set_threshold`](Self::set_threshold).
    pub fn choose_threshold(
        &mut self,
        policy: &dyn ThresholdPolicy,
        scores: CalibrationScores,
    ) -> Result<f32> {
        let threshold = policy.threshold(scores)?;
        self.set_threshold(threshold)?;
        self.threshold_policy = Some(policy.describe());
        Ok(threshold)
    }

    /// Scores an image of any size and pixel type, and localises what is anomalous in it.
    ///
    /// With [tiles](crate::data::Tiles) it takes, beyond the image, 12 bytes for each of its pixels and the
    /// memory of one tile's prediction.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) for an image without pixels, [`Error::Size`](crate::Error) for one
    /// that is smaller than a tile or has not the aspect ratio of the mask of ignored pixels, and
    /// [`Error::NotFinite`](crate::Error) for an image with a pixel, or a model with a result, that is
    /// NaN or infinite.
    pub fn predict(&self, image: &DynamicImage) -> Result<Detection> {
        let Some(tiles) = self.preparation.tiles else {
            return self.detect_from_maps(&self.maps(image)?, ImageSize::of(image));
        };
        self.warn_of_range(image);
        let image = self.preparation.black_out(image)?;
        let map = self.tiled_map(&image, &tiles)?;
        self.detect(map)
    }

    /// Several images, each as by [`predict`](Self::predict), with the same results.
    ///
    /// # Errors
    ///
    /// Those of the first image that has one, with its number.
    pub fn predict_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>> {
        let predict = |(index, image)| self.predict(image).map_err(|e: Error| e.in_image(index));
        images.iter().enumerate().map(predict).collect()
    }

    /// The image files, each with its detection or what is wrong with it, in their order. The next two are
    /// decoded while one is looked at.
    pub fn predict_files<'a>(
        &'a self,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> impl Iterator<Item = (PathBuf, Result<Detection>)> + 'a {
        decode_ahead(paths.into_iter().collect()).map(|(path, image)| {
            let found = image.and_then(|image| self.predict(&image));
            let found = found.map_err(|error| match error {
                error @ (Error::Io { .. } | Error::Format { .. }) => error,
                other => other.in_image(path.display()),
            });
            (path, found)
        })
    }

    /// The calibrated maps of an image of any size and pixel type, one for each branch: what each has
    /// seen.
    ///
    /// # Errors
    ///
    /// Those of [`predict`](Self::predict), and [`Error::Setting`] with tiles, which have maps of their own.
    pub fn maps(&self, image: &DynamicImage) -> Result<Vec<ScoreMap>> {
        let tiles = self.preparation.tiles.is_some();
        check(
            !tiles,
            "tiles",
            "on",
            "off: the maps of tiles are joined by predict alone",
        )?;
        self.warn_of_range(image);
        let size = ImageSize::of(image);
        check(size.area() > 0, "image size", size, "at least 1 x 1")?;
        let image = self.preparation.black_out(image)?;
        self.normalise(self.raw_maps(&self.whole(size).apply(&image)?)?)
    }

    fn warn_of_range(&self, image: &DynamicImage) {
        if let Some(doubt) = self.pixel_range.warning(image) {
            let size = ImageSize::of(image);
            warn(format_args!("an image of {size} pixels has {doubt}"));
        }
    }

    /// Where all of an image lies in the input.
    fn whole(&self, image: ImageSize) -> Placement {
        let input = self.model.input_size();
        self.preparation.placement(image, Rect::whole(image), input)
    }

    /// The map of an image from those of its tiles, blended where they overlap: the nearer a pixel is to
    /// the edge of a tile, the less that tile counts.
    fn tiled_map(&self, image: &DynamicImage, tiles: &Tiles) -> Result<ScoreMap> {
        let size = ImageSize::of(image);
        let (mut sum, mut weights) = (vec![0.0; size.area()], vec![0.0; size.area()]);
        let ramp =
            |at: usize, side: usize| (at.min(side - 1 - at) + 1).min(tiles.overlap.max(1)) as f32;
        for tile in tiles.of(size)? {
            let placement = self
                .preparation
                .placement(size, tile, self.model.input_size());
            let maps = self.raw_maps(&placement.apply(&tile.cut(image))?)?;
            let joined = self.joined(&self.normalise(maps)?, &self.weights);
            let map = self.to_image_size(joined, &self.weights, &placement)?;
            for y in 0..tile.height {
                for x in 0..tile.width {
                    let weight = ramp(x, tile.width) * ramp(y, tile.height);
                    let at = (tile.y + y) * size.width + tile.x + x;
                    sum[at] += weight * map[y * tile.width + x];
                    weights[at] += weight;
                }
            }
        }
        sum.iter_mut()
            .zip(&weights)
            .for_each(|(sum, weight)| *sum /= weight);
        ScoreMap::new(sum, size)
    }

    /// A map of the size of an image as a detection.
    fn detect(&self, map: ScoreMap) -> Result<Detection> {
        check_finite(&map, "anomaly map", BROKEN)?;
        let map = match self.ignored(map.size())? {
            None => map,
            Some(ignored) => {
                let (size, unseen) = (map.size(), self.zero_deviation(&self.weights));
                let values = map.iter().zip(ignored);
                let values = values.map(|(value, ignored)| if ignored { unseen } else { *value });
                ScoreMap::new(values.collect(), size)?
            }
        };
        Ok(Detection::new(map, self.thresholds))
    }

    /// Turns the calibrated maps of an image of this size into a detection: their weighted mean, enlarged.
    /// [`predict`](Self::predict) is this of [`maps`](Self::maps), without tiles.
    ///
    /// # Errors
    ///
    /// [`Error::Size`](crate::Error) for maps that are not those of this detector,
    /// [`Error::Setting`](crate::Error) for an image without pixels, and
    /// [`Error::NotFinite`](crate::Error) for maps that are not finite.
    pub fn detect_from_maps(&self, maps: &[ScoreMap], size: ImageSize) -> Result<Detection> {
        self.check_maps(maps)?;
        check(size.area() > 0, "image size", size, "at least 1 x 1")?;
        let joined = self.joined(maps, &self.weights);
        self.detect(self.to_image_size(joined, &self.weights, &self.whole(size))?)
    }

    /// The maps of an image of the model's input size, before they are calibrated.
    fn raw_maps(&self, image: &DynamicImage) -> Result<Vec<ScoreMap>> {
        self.raw_maps_of(&unit(image, &self.pixel_range))
    }

    /// The same from `height × width × 3` values.
    fn raw_maps_of(&self, pixels: &[f32]) -> Result<Vec<ScoreMap>> {
        // The networks' maxima would pass over a NaN.
        check_finite(pixels, "image", "a pixel must be a number")?;
        let input = to_tensor(pixels, self.model.input_size(), &self.device);
        let maps = self.model.raw_maps(input)?;
        self.check_maps(&maps)?;
        Ok(maps)
    }

    /// Whether there is a finite map of the right size for each branch.
    fn check_maps(&self, maps: &[ScoreMap]) -> Result<()> {
        self.check_branches("maps", maps.len())?;
        for (branch, map) in self.layout.branches.iter().zip(maps) {
            if map.size() != self.layout.size {
                return Err(Error::Size {
                    what: "maps",
                    expected: self.layout.size.to_string(),
                    found: map.size().to_string(),
                });
            }
            check_finite(map, format_args!("map of {branch}"), BROKEN)?;
        }
        Ok(())
    }

    fn check_branches(&self, what: &'static str, found: usize) -> Result<()> {
        let expected = self.layout.branches.len();
        match found == expected {
            true => Ok(()),
            false => Err(Error::Size {
                what,
                expected: expected.to_string(),
                found: found.to_string(),
            }),
        }
    }

    /// Brings the maps to one scale.
    fn normalise(&self, raw: Vec<ScoreMap>) -> Result<Vec<ScoreMap>> {
        let maps = raw.into_iter().zip(&self.normalisations);
        let maps: Vec<_> = maps
            .map(|(map, scale)| map.map(|value| scale.apply(value)))
            .collect();
        self.check_maps(&maps)?;
        Ok(maps)
    }

    /// The weighted mean of the maps, smoothed.
    fn joined(&self, maps: &[ScoreMap], weights: &[f32]) -> Vec<f32> {
        let sum = weighted_sum(maps, weights);
        smooth(sum, self.layout.size, self.layout.smoothing)
    }

    /// Sets the map into its place in the image, or the part of it that the model has seen: the border,
    /// then bilinear, half-pixel centres.
    fn to_image_size(
        &self,
        map: Vec<f32>,
        weights: &[f32],
        placement: &Placement,
    ) -> Result<ScoreMap> {
        let [h, w] = self.layout.size.height_width();
        let map = Tensor::<B, 4>::from_data(TensorData::new(map, [1, 1, h, w]), &self.device);
        let border = self.layout.border;
        let unseen = match self.layout.border_score {
            Border::ZeroDeviation => self.zero_deviation(weights),
            Border::Zero => 0.0,
        };
        let map = map.pad((border, border, border, border), unseen);
        let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
        let (canvas, part) = placement.canvas();
        let map = interpolate(map, canvas.height_width(), options);
        let [rows, columns] = [part.y..part.y + part.height, part.x..part.x + part.width];
        let map = map.slice([0..1, 0..1, rows, columns]);
        ScoreMap::new(map.into_data().iter::<f32>().collect(), part.size())
    }

    /// The score of a location in which nothing deviates.
    fn zero_deviation(&self, weights: &[f32]) -> f32 {
        let scales = self.normalisations.iter().zip(weights);
        scales
            .map(|(scale, weight)| weight * scale.apply(0.0))
            .sum()
    }

    /// The locations of a map that do not count; `None` if all count.
    fn ignored_locations(&self, placement: &Placement) -> Option<Vec<bool>> {
        let (size, border) = (self.layout.size, self.layout.border);
        let grid = ImageSize::new(size.width + 2 * border, size.height + 2 * border);
        let cells = self.preparation.ignored_cells(placement, grid)?;
        let rows = (border..border + size.height).map(|y| y * grid.width + border);
        Some(
            rows.flat_map(|start| &cells[start..start + size.width])
                .copied()
                .collect(),
        )
    }

    /// The highest score that counts of an input's map.
    fn input_score(&self, map: Vec<f32>, weights: &[f32], placement: &Placement) -> Result<f32> {
        let ignored = self.preparation.ignored_cells(placement, placement.input);
        let whole = placement.of_input();
        let map = self.to_image_size(map, weights, &whole)?;
        Ok(counted(&map, ignored.as_deref()).fold(f32::NAN, f32::max))
    }
}

/// The values of a map that count.
fn counted<'a>(map: &'a [f32], ignored: Option<&'a [bool]>) -> impl Iterator<Item = f32> + 'a {
    let counts = move |at: &usize| ignored.is_none_or(|ignored| !ignored[*at]);
    (0..map.len()).filter(counts).map(|at| map[at])
}

impl<B: ModelBackend> Detector<B> {
    /// Reads a detector of any method of this crate from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error) or [`Error::Format`](crate::Error), naming the file: also for one whose
    /// checksum is not that of its content, with a number that is not finite, or of a method that is
    /// not this crate's, which [`load_as`](Self::load_as) reads. A file of version 2 has no checksum
    /// and is read with a warning.
    pub fn load(path: impl AsRef<Path>, device: &B::Device) -> Result<Self> {
        use crate::methods::hypad::HypAd;
        Self::load_with(path, device, |method, parts| match method {
            <HypAd<B> as LoadModel<B>>::METHOD => HypAd::from_parts(parts, device),
            other => Err(Error::Setting {
                name: "method of the model file",
                value: other.to_string(),
                rule: "one of this crate; Detector::load_as reads others",
            }),
        })
    }
}

/// The weighted sum of maps of one size, at least one.
fn weighted_sum(maps: &[ScoreMap], weights: &[f32]) -> Vec<f32> {
    let mut sum = vec![0.0; maps[0].size().area()];
    for (map, weight) in maps.iter().zip(weights) {
        sum.iter_mut()
            .zip(map)
            .for_each(|(sum, value)| *sum += weight * value);
    }
    sum
}
