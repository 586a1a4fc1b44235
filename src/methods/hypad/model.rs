//! The trained model: its networks, and how their features become maps.

use burn::tensor::{Tensor, backend::Backend};
use serde_json::Value;

use super::config::HypAdConfig;
use super::embedding::Embedding;
use super::networks::{ForeignTeacher, HypAdNetworks};
use super::padding::ImagePadding;
use crate::error::{Error, Result};
use crate::features::{FeatureExtractor, ModelBackend};
use crate::methods::{AnomalyModel, LoadModel, MapLayout, ModelParts};
use crate::{ImageSize, ScoreMap};

/// By how many locations an unpadded network's map is smaller than a quarter of the image, on each
/// side.
const BORDER: usize = 4;

/// A trained HypAD model.
///
/// It has two maps: student and teacher for local anomalies, such as a scratch, and student and autoencoder
/// for global ones, such as a part that is missing.
#[derive(Clone, Debug)]
pub struct HypAd<B: Backend> {
    config: HypAdConfig,
    networks: HypAdNetworks<B>,
    /// The same with their outputs projected.
    projected: HypAdNetworks<B>,
    embedding: Embedding,
    output: ImageSize,
}

impl<B: ModelBackend> HypAd<B> {
    /// A model of these networks.
    ///
    /// # Errors
    ///
    /// Those of [`HypAdConfig::validate`], [`Error::Size`] for networks of another configuration,
    /// [`Error::NotFinite`] for a weight that is not finite, and [`Error::Setting`] for a teacher that
    /// divides by a standard deviation that is not above 0, and for shared layers that are not the teacher's.
    pub fn new(config: HypAdConfig, networks: HypAdNetworks<B>) -> Result<Self> {
        let embedding = Embedding::new(&config)?;
        config.check_networks(&networks)?;
        networks.check_weights()?;
        Ok(Self {
            projected: networks.pooled(embedding.group()),
            output: config.output_size()?,
            networks,
            embedding,
            config,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &HypAdConfig {
        &self.config
    }

    /// Teacher, student and autoencoder.
    pub fn networks(&self) -> &HypAdNetworks<B> {
        &self.networks
    }
}

impl<B: ModelBackend> AnomalyModel<B> for HypAd<B> {
    fn method(&self) -> &str {
        Self::METHOD
    }

    fn input_size(&self) -> ImageSize {
        self.config.image_size
    }

    fn map_layout(&self) -> MapLayout {
        let branches = ["student and teacher", "student and autoencoder"];
        let covers = self.config.padding || self.config.image_padding != ImagePadding::None;
        let border = if covers { 0 } else { BORDER };
        MapLayout::new(branches, self.output)
            .with_border(border, self.config.border)
            .with_smoothing(self.config.smoothing)
            .with_join(self.config.join)
    }

    fn raw_maps(&self, image: Tensor<B, 4>) -> Result<Vec<ScoreMap>> {
        let features = self.projected.forward(image)?;
        let map = |a, b| {
            let map = self.embedding.map(a, b).into_data();
            ScoreMap::new(map.iter::<f32>().collect(), self.output)
        };
        Ok(vec![
            map(features.teacher, features.student)?,
            map(features.autoencoder, features.student_autoencoder_head)?,
        ])
    }

    fn to_parts(&self) -> Result<ModelParts> {
        let mut settings = serde_json::to_value(&self.config).map_err(no_json)?;
        if let Some(teacher) = self.networks.teacher.foreign()? {
            settings[TEACHER] = serde_json::to_value(teacher).map_err(no_json)?;
        }
        Ok(ModelParts {
            settings,
            tensors: self.networks.tensors()?,
        })
    }
}

/// The entry of the settings for a teacher that is not a patch description network.
const TEACHER: &str = "foreign_teacher";

fn no_json(error: serde_json::Error) -> Error {
    Error::Setting {
        name: "configuration",
        value: error.to_string(),
        rule: "the fields of HypAdConfig",
    }
}

impl<B: ModelBackend> LoadModel<B> for HypAd<B> {
    const METHOD: &'static str = "hypad";

    fn from_parts(parts: ModelParts, device: &B::Device) -> Result<Self> {
        let (config, foreign) = settings(parts.settings)?;
        if let Some(ForeignTeacher { name, .. }) = foreign {
            return Err(Error::Setting {
                name: "teacher",
                value: name,
                rule: "given to HypAd::from_parts_with, since it is not a network of this crate",
            });
        }
        let networks = config.init(device)?.fill(parts.tensors)?;
        Self::new(config, networks)
    }
}

impl<B: ModelBackend> HypAd<B> {
    /// The model that was described, with the teacher it was trained with: for teachers that are not
    /// networks of this crate, whose weights are in no model file.
    ///
    /// # Errors
    ///
    /// Those of [`LoadModel::from_parts`], [`Error::Setting`] for another teacher or other weights of it.
    pub fn from_parts_with(
        parts: ModelParts,
        teacher: impl FeatureExtractor<B>,
        device: &B::Device,
    ) -> Result<Self> {
        let (config, foreign) = settings(parts.settings)?;
        let given = ForeignTeacher::of(&teacher)?;
        let describe = |t: &ForeignTeacher| format!("{} (CRC-32 {})", t.name, t.checksum);
        if foreign.as_ref() != Some(&given) {
            let wanted = foreign
                .as_ref()
                .map_or("a PDN in the file".into(), describe);
            return Err(Error::Setting {
                name: "teacher",
                value: format!("{}; the model was trained with {wanted}", describe(&given)),
                rule: "the network, with the weights, that the model was trained with",
            });
        }
        let networks = config.init_with(teacher, device)?.fill(parts.tensors)?;
        Self::new(config, networks)
    }
}

/// Configuration and teacher of a model file.
fn settings(mut settings: Value) -> Result<(HypAdConfig, Option<ForeignTeacher>)> {
    let teacher = settings.as_object_mut().and_then(|s| s.remove(TEACHER));
    let teacher = teacher.map(serde_json::from_value).transpose();
    let config = serde_json::from_value(settings).map_err(no_json)?;
    Ok((config, teacher.map_err(no_json)?))
}
