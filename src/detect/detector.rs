//! A trained model at work.

use std::path::Path;

use burn::module::Module;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, TensorData};
use image::DynamicImage;

use super::model_file;
use super::normalisation::MapNormalisation;
use crate::data::image::{PixelRange, resize, to_tensor, unit};
use crate::error::{Error, Result, check, check_finite};
use crate::features::ModelBackend;
use crate::methods::hypad::{Embedding, HypAd, HypAdConfig, Margin};
use crate::warning::warn;
use crate::{ImageSize, ScoreMap};

/// What was found in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// How anomalous the image is: the maximum of the map.
    pub score: f32,
    /// How anomalous each pixel is: a map of the size of the image.
    pub map: ScoreMap,
    /// Where the map reaches the detector's threshold, row by row.
    pub mask: Vec<bool>,
}

impl Detection {
    /// The maximum of a map, and where it reaches a threshold.
    pub fn new(map: ScoreMap, threshold: f32) -> Self {
        Self {
            score: map.maximum(),
            mask: map.iter().map(|value| *value >= threshold).collect(),
            map,
        }
    }
}

/// A trained model with all it takes to judge an image: weights, the teacher's normalisation, the
/// quantiles of normal maps, the threshold and the configuration.
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
pub struct Detector<B: ModelBackend> {
    pub(super) model: HypAd<B>,
    /// The same with its features projected.
    projected: HypAd<B>,
    pub(super) config: HypAdConfig,
    embedding: Embedding,
    /// Normalisation of the map of student against teacher.
    pub student_map: MapNormalisation,
    /// Normalisation of the map of student against autoencoder.
    pub autoencoder_map: MapNormalisation,
    /// From this value on a pixel of the map is in the mask.
    pub threshold: f32,
    pub(crate) pixel_range: PixelRange,
    device: B::Device,
}

/// The two maps of an image at the resolution of the features
/// ([`HypAdConfig::output_size`]), row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Maps {
    /// Student against teacher: sees what looks wrong by itself.
    pub student: Vec<f32>,
    /// Student against autoencoder: sees what is wrong where it is, such as a part that is missing.
    pub autoencoder: Vec<f32>,
}

impl Maps {
    /// The mean of the two, which is the anomaly map of [`Detection`] before it is enlarged.
    pub fn mean(&self) -> Vec<f32> {
        let pairs = self.student.iter().zip(&self.autoencoder);
        pairs.map(|(s, a)| 0.5 * s + 0.5 * a).collect()
    }

    fn check_finite(&self) -> Result<()> {
        check_finite(&self.student, "map of student and teacher", BROKEN)?;
        check_finite(&self.autoencoder, "map of student and autoencoder", BROKEN)
    }
}

/// The cause of maps that are not finite: images are checked before.
const BROKEN: &str = "the model is broken: load its file again, or train it again";

/// By how much an unpadded network's map is smaller than a quarter of the image, on each side.
const MAP_MARGIN: usize = 4;

impl<B: ModelBackend> Detector<B> {
    /// A detector that does not normalise its maps yet.
    ///
    /// # Errors
    ///
    /// Those of [`HypAdConfig::validate`], [`Error::Size`] for a model of another configuration,
    /// [`Error::NotFinite`] for one with a weight that is not finite, and [`Error::Setting`] for one whose
    /// teacher divides by a standard deviation that is not above 0.
    pub fn new(model: HypAd<B>, config: HypAdConfig, device: &B::Device) -> Result<Self> {
        let embedding = Embedding::new(&config)?;
        config.check_model(&model)?;
        // By its record: weights that were not drawn yet are, once for both.
        let record = model.clone().into_record();
        let model = model.load_record(record);
        model.check_weights()?;
        Ok(Self {
            projected: model.pooled(embedding.group()),
            model,
            embedding,
            config,
            student_map: MapNormalisation::default(),
            autoencoder_map: MapNormalisation::default(),
            threshold: f32::INFINITY,
            pixel_range: PixelRange::default(),
            device: device.clone(),
        })
    }

    /// Reads a detector from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error) or [`Error::Format`](crate::Error), naming the file: also for one whose
    /// checksum is not that of its content, or with a number that is not finite. A file of version 2
    /// has no checksum and is read with a warning.
    pub fn load(path: impl AsRef<Path>, device: &B::Device) -> Result<Self> {
        model_file::load(path.as_ref(), device)
    }

    /// Writes everything to one safetensors file, whole or not at all. The file gives the same
    /// scores bit for bit on the same machine and backend.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error), naming the file, and [`Error::Setting`](crate::Error) for a threshold
    /// that is NaN or −∞.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        model_file::save(self, path.as_ref())
    }

    /// What 16-bit and float images are divided by, from the images of the training.
    pub fn pixel_range(&self) -> PixelRange {
        self.pixel_range
    }

    /// The configuration of the model.
    pub fn config(&self) -> &HypAdConfig {
        &self.config
    }

    /// Scores an image of any size and pixel type, and localises what is anomalous in it.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) for an image without pixels or a threshold that is NaN, and
    /// [`Error::NotFinite`](crate::Error) for an image with a pixel, or a model with a result, that is
    /// NaN or infinite.
    pub fn predict(&self, image: &DynamicImage) -> Result<Detection> {
        let size = ImageSize::new(image.width() as usize, image.height() as usize);
        self.judge(&self.maps(image)?, size)
    }

    /// The maps of an image of any size and pixel type, normalised: what each of the two has seen.
    ///
    /// # Errors
    ///
    /// Those of [`predict`](Self::predict).
    pub fn maps(&self, image: &DynamicImage) -> Result<Maps> {
        if let Some(doubt) = self.pixel_range.doubt(image) {
            let (width, height) = (image.width(), image.height());
            warn(format_args!(
                "an image of {width} x {height} pixels has {doubt}"
            ));
        }
        let small = resize(image, self.config.image_size)?;
        self.normalise(self.raw_maps(&small)?)
    }

    /// What the maps of an image of this size say about it:
    /// [`predict`](Self::predict) is this of [`maps`](Self::maps).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) for maps that are not of this detector's size or a threshold
    /// that is NaN, and [`Error::NotFinite`](crate::Error) for maps that are not finite.
    pub fn judge(&self, maps: &Maps, size: ImageSize) -> Result<Detection> {
        let lengths = [maps.student.len(), maps.autoencoder.len()];
        if lengths != [self.config.output_size()?.area(); 2] || size.area() == 0 {
            return Err(Error::Setting {
                name: "maps",
                value: format!("{lengths:?} values for {size} pixels"),
                rule: "as many values as the networks have outputs, and at least one pixel",
            });
        }
        self.check_threshold()?;
        let map = self.to_image_size(maps.mean(), size)?;
        check_finite(&map, "anomaly map", BROKEN)?;
        Ok(Detection::new(ScoreMap::new(map, size)?, self.threshold))
    }

    /// Whether the threshold is one that can be stored and compared with.
    pub(super) fn check_threshold(&self) -> Result<()> {
        check(
            self.threshold.is_finite() || self.threshold == f32::INFINITY,
            "threshold",
            self.threshold,
            "a number, or infinity for masks without a pixel",
        )
    }

    /// The maps of an image of the model's input size.
    pub(crate) fn raw_maps(&self, image: &DynamicImage) -> Result<Maps> {
        let pixels = unit(image, &self.pixel_range);
        // The networks' maxima would pass over a NaN.
        check_finite(&pixels, "image", "a pixel must be a number")?;
        let input = to_tensor(&pixels, self.config.image_size, &self.device);
        let features = self.projected.forward(input);
        let values = |map: Tensor<B, 4>| map.into_data().iter::<f32>().collect();
        let autoencoder = features.autoencoder;
        let student = self.embedding.map(features.teacher, features.student);
        let autoencoder = self
            .embedding
            .map(autoencoder, features.student_of_autoencoder);
        let maps = Maps {
            student: values(student),
            autoencoder: values(autoencoder),
        };
        maps.check_finite()?;
        Ok(maps)
    }

    /// Brings both maps to one scale.
    pub(crate) fn normalise(&self, mut raw: Maps) -> Result<Maps> {
        let apply = |map: &mut Vec<f32>, to: MapNormalisation| {
            map.iter_mut().for_each(|value| *value = to.apply(*value));
        };
        apply(&mut raw.student, self.student_map);
        apply(&mut raw.autoencoder, self.autoencoder_map);
        raw.check_finite()?;
        Ok(raw)
    }

    /// Sets the map into its place in the image: the margin, then bilinear, half-pixel centres.
    fn to_image_size(&self, map: Vec<f32>, size: ImageSize) -> Result<Vec<f32>> {
        let [h, w] = self.config.output_size()?.height_width();
        let map = Tensor::<B, 4>::from_data(TensorData::new(map, [1, 1, h, w]), &self.device);
        let margin = if self.config.padding { 0 } else { MAP_MARGIN };
        let unseen = match self.config.margin {
            Margin::NoDistance => {
                let (student, autoencoder) = (vec![0.0], vec![0.0]);
                let agreeing = Maps {
                    student,
                    autoencoder,
                };
                self.normalise(agreeing)?.mean()[0]
            }
            Margin::Zero => 0.0,
        };
        let map = map.pad((margin, margin, margin, margin), unseen);
        let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
        let map = interpolate(map, size.height_width(), options);
        Ok(map.into_data().iter::<f32>().collect())
    }
}
