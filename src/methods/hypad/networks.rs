//! The networks: a frozen teacher, a student and an autoencoder.

use std::any::Any;
use std::sync::Arc;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use super::autoencoder::{Autoencoder, AutoencoderConfig};
use super::config::HypAdConfig;
use super::padding::ImagePadding;
use super::window::Window;
use crate::ImageSize;
use crate::error::{Error, Result, check};
use crate::features::ops::{ModelBackend, conv, pool_channels, pool_outputs};
use crate::features::weights::Tensors;
use crate::features::{FeatureExtractor, Pdn, PdnConfig, Reach};

/// The network of a teacher.
#[derive(Clone, Debug)]
enum Network<B: Backend> {
    /// A patch description network, whose last convolution can take up what follows it.
    Pdn(Pdn<B>),
    /// Any other, whose maps are resized to this size.
    Other(Arc<dyn FeatureExtractor<B>>, ImageSize),
}

/// A frozen teacher network whose features are normalised channel by channel.
#[derive(Clone, Debug)]
pub struct Teacher<B: Backend> {
    network: Network<B>,
    /// Of the images that a [`Pdn`] sees.
    padding: ImagePadding,
    mean: Tensor<B, 1>,
    std: Tensor<B, 1>,
    /// So many neighbouring channels are averaged; 1 where the network has done it.
    group: usize,
}

impl<B: ModelBackend> Teacher<B> {
    /// A teacher that does not normalise yet: mean 0, standard deviation 1. The maps of a network that
    /// is not a [`Pdn`] are resized to the size of the maps of the configuration, bilinear, and joined.
    ///
    /// # Errors
    ///
    /// Those of [`HypAdConfig::output_size`].
    pub fn new(
        network: impl FeatureExtractor<B>,
        config: &HypAdConfig,
        device: &B::Device,
    ) -> Result<Self> {
        Self::of(Arc::new(network), config, device)
    }

    pub(super) fn of(
        network: Arc<dyn FeatureExtractor<B>>,
        config: &HypAdConfig,
        device: &B::Device,
    ) -> Result<Self> {
        let any: &dyn Any = &*network;
        let network = match any.downcast_ref::<Pdn<B>>() {
            Some(pdn) => Network::Pdn(pdn.clone().no_grad()),
            None => Network::Other(network, config.output_size()?),
        };
        let channels = match &network {
            Network::Pdn(pdn) => pdn.channels(),
            Network::Other(network, _) => network.maps().iter().map(|map| map.channels).sum(),
        };
        Ok(Self {
            network,
            padding: config.image_padding,
            mean: Tensor::zeros([channels], device),
            std: Tensor::ones([channels], device),
            group: 1,
        })
    }

    /// The same network with this normalisation.
    ///
    /// # Shapes
    ///
    /// - mean, std: `[channels]`
    pub fn normalised(self, mean: Tensor<B, 1>, std: Tensor<B, 1>) -> Self {
        Self { mean, std, ..self }
    }

    /// The mean of each channel that is subtracted: `[channels]`.
    pub(crate) fn mean(&self) -> Tensor<B, 1> {
        self.mean.clone()
    }

    /// (T(image) − mean) / std.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, channels, h, w]`
    ///
    /// # Errors
    ///
    /// Those of a network that is not a [`Pdn`], and [`Error::Size`] for maps of it that are not as it
    /// says.
    pub fn forward(&self, image: Tensor<B, 4>) -> Result<Tensor<B, 4>> {
        let features = match &self.network {
            Network::Pdn(pdn) => pdn.forward(self.padding.apply(image)),
            Network::Other(network, size) => {
                joined(network.forward(image)?, *size, self.mean.dims()[0])?
            }
        };
        Ok(self.finish(features))
    }

    /// What the first layers make of a padded image or a part of it: itself with 0 layers, and where the
    /// network is not a [`Pdn`].
    pub(crate) fn stem(&self, layers: usize, padded: Tensor<B, 4>) -> Tensor<B, 4> {
        match &self.network {
            Network::Pdn(pdn) => pdn.stem(layers, padded),
            Network::Other(..) => padded,
        }
    }

    /// The same as [`forward`](Self::forward), or a part of it, from what [`stem`](Self::stem) made of the
    /// same image, or of what the window sees of it. A [`Pdn`] looks at nothing else.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, the whole, not padded
    /// - output: `[batch, channels, h, w]`, of the window if there is one
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    ///
    /// If the window is not within the map.
    pub(crate) fn forward_after(
        &self,
        layers: usize,
        stem: Tensor<B, 4>,
        image: &Tensor<B, 4>,
        window: Option<Window>,
    ) -> Result<Tensor<B, 4>> {
        match (&self.network, window) {
            (Network::Pdn(pdn), _) => Ok(self.finish(pdn.forward_after(layers, stem))),
            (Network::Other(..), None) => self.forward(image.clone()),
            (Network::Other(..), Some(window)) => {
                Ok(window.of_features(self.forward(image.clone())?))
            }
        }
    }

    /// Normalises and groups features.
    fn finish(&self, features: Tensor<B, 4>) -> Tensor<B, 4> {
        let shape = [1, self.mean.dims()[0], 1, 1];
        let features = features - self.mean.clone().reshape(shape);
        let features = features / self.std.clone().reshape(shape);
        match self.group {
            1 => features,
            group => pool_channels(features, group),
        }
    }

    /// The means of groups of neighbouring channels of the normalised features. Where the network is a
    /// [`Pdn`], all of it is linear, and the last convolution does it.
    ///
    /// # Shapes
    ///
    /// [`forward`](Self::forward) of the result: `[batch, channels / group, h, w]`
    pub(crate) fn pooled(&self, group: usize) -> Self {
        let Network::Pdn(pdn) = &self.network else {
            return Self {
                group,
                ..self.clone()
            };
        };
        let (mean, std) = (self.mean.clone(), self.std.clone());
        let device = mean.device();
        let pdn = pdn.clone().normalised(mean, std).pooled(group);
        let channels = pdn.channels();
        Self {
            network: Network::Pdn(pdn),
            padding: self.padding,
            mean: Tensor::zeros([channels], &device),
            std: Tensor::ones([channels], &device),
            group: 1,
        }
    }

    /// Name and checksum of a network that is not a [`Pdn`], whose weights are in no model file.
    pub(super) fn foreign(&self) -> Result<Option<ForeignTeacher>> {
        match &self.network {
            Network::Pdn(_) => Ok(None),
            Network::Other(network, _) => ForeignTeacher::of(&**network).map(Some),
        }
    }

    /// The tensors of the model file.
    fn tensors(&self) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        if let Network::Pdn(pdn) = &self.network {
            tensors.extend("pdn.", Tensors::of::<B, _>(pdn)?);
        }
        tensors.insert("mean", self.mean.to_data());
        tensors.insert("std", self.std.to_data());
        Ok(tensors)
    }

    /// The same with the tensors of a model file.
    fn fill(self, mut tensors: Tensors) -> Result<Self> {
        let device = self.mean.device();
        let channels = self.mean.dims()[0];
        let mut take = |name: &str| {
            let data = tensors.take(name)?;
            match data.shape.to_vec() == [channels] {
                true => Ok(Tensor::from_data(data, &device)),
                false => Err(Error::Size {
                    what: "normalisation of the teacher",
                    expected: channels.to_string(),
                    found: format!("{:?}", data.shape),
                }),
            }
        };
        let (mean, std) = (take("mean")?, take("std")?);
        let network = match self.network {
            Network::Pdn(pdn) => Network::Pdn(tensors.take_all("pdn.").fill(pdn)?),
            other => other,
        };
        tensors.expect_empty()?;
        Ok(Self {
            network,
            mean,
            std,
            ..self
        })
    }
}

/// Name and checksum of a teacher that is not a [`Pdn`], for the model file, which lacks its weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForeignTeacher {
    pub name: String,
    /// CRC-32 of the weights, in hexadecimal.
    pub checksum: String,
}

impl ForeignTeacher {
    pub fn of<B: Backend>(network: &dyn FeatureExtractor<B>) -> Result<Self> {
        Ok(Self {
            name: network.name(),
            checksum: format!("{:08x}", network.tensors()?.checksum()),
        })
    }
}

/// How the names of the tensors of a network's convolution begin.
fn convolution(network: &str, layer: usize) -> String {
    format!("{network}convs.{layer}.")
}

/// Maps of a network resized to one size, one after the other along the channels.
fn joined<B: Backend>(
    maps: Vec<Tensor<B, 4>>,
    size: ImageSize,
    channels: usize,
) -> Result<Tensor<B, 4>> {
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    let maps = maps.into_iter().map(|map| {
        let [_, _, height, width] = map.dims();
        match [height, width] == size.height_width() {
            true => map,
            false => interpolate(map, size.height_width(), options.clone()),
        }
    });
    let maps: Vec<_> = maps.collect();
    let found: usize = maps.iter().map(|map| map.dims()[1]).sum();
    if maps.is_empty() || found != channels {
        return Err(Error::Size {
            what: "channels of the teacher",
            expected: channels.to_string(),
            found: found.to_string(),
        });
    }
    Ok(Tensor::cat(maps, 1))
}

/// The trained networks: the student and the autoencoder. The two halves of the student's output are two
/// last convolutions, so that a gradient by one does not fill the other with zeros.
#[derive(Module, Debug)]
pub struct Student<B: Backend> {
    pdn: Pdn<B>,
    /// The last convolution whose output learns the autoencoder's. The field's name is a key of model files.
    imitator: Conv2d<B>,
    autoencoder: Autoencoder<B>,
    /// So many first convolutions are the teacher's, and are not trained
    /// ([`HypAdConfig::shared_layers`]).
    shared: usize,
}

impl<B: ModelBackend> Student<B> {
    /// What the layers that the student shares with the teacher make of an image; the image itself if
    /// there are none.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, padded ([`ImagePadding`])
    /// - output: `[batch, outputs of the last shared convolution, _, _]`
    pub fn stem(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.pdn.stem(self.shared, image)
    }

    /// What an output of the heads sees of the output of [`stem`](Self::stem).
    pub(super) fn reach(&self) -> Reach {
        self.pdn.reach_after(self.shared)
    }

    /// The half of the student that predicts the teacher.
    ///
    /// # Shapes
    ///
    /// - stem: that of the padded image
    /// - output: `[batch, channels, h, w]`
    pub fn teacher_head(&self, stem: Tensor<B, 4>) -> Tensor<B, 4> {
        self.pdn.forward_after(self.shared, stem)
    }

    /// The half of the student that predicts the autoencoder.
    ///
    /// # Shapes
    ///
    /// As [`teacher_head`](Self::teacher_head).
    pub fn autoencoder_head(&self, stem: Tensor<B, 4>) -> Tensor<B, 4> {
        conv(&self.imitator, self.pdn.trunk_after(self.shared, stem))
    }

    /// Both halves.
    fn halves(&self, stem: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        let x = self.pdn.trunk_after(self.shared, stem);
        [self.pdn.head(x.clone()), conv(&self.imitator, x)]
    }

    /// The means of groups of neighbouring channels of all three outputs, a `group`-th of the work of
    /// the last convolutions. In a graph, gradients go to the weights of this one.
    pub(crate) fn pooled(&self, group: usize) -> Self {
        let all = self.clone();
        if group == 1 {
            return all;
        }
        Self {
            pdn: all.pdn.pooled(group),
            imitator: pool_outputs(&self.imitator, group),
            autoencoder: all.autoencoder.pooled(group),
            shared: self.shared,
        }
    }

    /// The autoencoder's prediction of the teacher.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, not padded
    /// - output: `[batch, channels, h, w]`
    pub fn autoencoder(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.autoencoder.forward(image)
    }
}

impl<B: Backend> Student<B> {
    /// With the first convolutions of a teacher's network.
    pub(crate) fn with_copied_layers(mut self, teacher: &Pdn<B>, layers: usize) -> Self {
        self.pdn = self.pdn.with_first(teacher, layers);
        self
    }

    /// With the shared layers of this teacher.
    pub(crate) fn sharing(mut self, teacher: &Pdn<B>) -> Self {
        let pdn = self.pdn.with_first(teacher, self.shared);
        self.pdn = pdn.with_frozen(self.shared);
        self
    }

    /// Whether the network is padded; see [`Pdn::is_padded`].
    pub(crate) fn is_padded(&self) -> bool {
        self.pdn.is_padded()
    }
}

/// The four feature maps of an image, each `[batch, channels, h, w]`.
#[derive(Clone, Debug)]
pub struct Features<B: Backend> {
    /// The normalised teacher.
    pub teacher: Tensor<B, 4>,
    /// The student's half that predicts the teacher.
    pub student: Tensor<B, 4>,
    /// The student's half that predicts the autoencoder.
    pub student_autoencoder_head: Tensor<B, 4>,
    /// The autoencoder.
    pub autoencoder: Tensor<B, 4>,
}

/// Teacher, student and autoencoder. Made by [`HypAdConfig::init`].
#[derive(Clone, Debug)]
pub struct HypAdNetworks<B: Backend> {
    /// The frozen teacher.
    pub teacher: Teacher<B>,
    /// The trained part.
    pub student: Student<B>,
    /// How images are padded before the student.
    pub padding: ImagePadding,
}

impl HypAdConfig {
    /// The networks with a teacher of random weights; see [`weights`](crate::features::weights) for
    /// real ones.
    ///
    /// # Errors
    ///
    /// Those of [`validate`](Self::validate) and of [`AutoencoderConfig::init`].
    pub fn init<B: ModelBackend>(&self, device: &B::Device) -> Result<HypAdNetworks<B>> {
        self.validate()?;
        let pdn = self.teacher().init::<B>(device);
        // By their records: forces Burn's lazy initialisation, so that clones share weights.
        let record = pdn.clone().into_record();
        let pdn = pdn.load_record(record);
        self.init_with(pdn, device)
    }

    /// The networks with this teacher. One that is not a [`Pdn`] shares no layers: set
    /// [`shared_layers`](Self::shared_layers) to 0.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_with<B: ModelBackend>(
        &self,
        teacher: impl FeatureExtractor<B>,
        device: &B::Device,
    ) -> Result<HypAdNetworks<B>> {
        let student = self.init_student::<B>(device)?;
        let record = student.clone().into_record();
        let mut student = student.load_record(record);
        let teacher = Teacher::new(teacher, self, device)?;
        if let Network::Pdn(pdn) = &teacher.network {
            student = student.sharing(pdn);
        }
        Ok(HypAdNetworks {
            teacher,
            student,
            padding: self.image_padding,
        })
    }

    /// The student, whose weights are drawn when they are first used.
    pub(super) fn init_student<B: Backend>(&self, device: &B::Device) -> Result<Student<B>> {
        self.validate()?;
        let config = PdnConfig {
            channels: 2 * self.channels,
            ..self.teacher()
        };
        let (pdn, autoencoder_head) = config.init(device).split_heads(device);
        // Draws the weights of a teacher that is not used: what a seed gives depends on every number that is
        // drawn before, and seeds shall give what they gave in earlier versions.
        let unused = self.teacher().init::<B>(device);
        let _ = unused.channels();
        let _ = unused.no_grad();
        Ok(Student {
            pdn,
            imitator: autoencoder_head,
            autoencoder: self.autoencoder()?.init(device)?,
            shared: self.shared_layers,
        })
    }

    fn autoencoder(&self) -> Result<AutoencoderConfig> {
        Ok(AutoencoderConfig {
            dropout: self.dropout,
            ..AutoencoderConfig::new(self.image_size, self.output_size()?, self.channels)
        })
    }

    /// Whether networks have the sizes of this configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] if they have others, [`Error::Setting`] if layers that are shared differ.
    pub(crate) fn check_networks<B: ModelBackend>(
        &self,
        networks: &HypAdNetworks<B>,
    ) -> Result<()> {
        let (teacher, student) = (&networks.teacher, &networks.student);
        let wanted = self.teacher();
        let autoencoder = &student.autoencoder;
        let autoencoder_head = student.imitator.weight.val().dims();
        let normalisation = [&teacher.mean, &teacher.std];
        let same = match &teacher.network {
            Network::Pdn(pdn) => pdn.matches(&wanted) && teacher.padding == self.image_padding,
            Network::Other(_, size) => *size == self.output_size()?,
        };
        let same = same
            && networks.padding == self.image_padding
            && student.pdn.matches(&wanted)
            && autoencoder_head == student.pdn.last().weight.val().dims()
            && normalisation.iter().all(|of| of.dims() == [self.channels])
            && self.autoencoder()?.matches(autoencoder);
        if same {
            let shared = self.shared_layers;
            let shares = match &teacher.network {
                Network::Pdn(pdn) => student.pdn.starts_as(pdn, shared),
                Network::Other(..) => shared == 0,
            };
            let rule = "so many first convolutions of the student have the weights of the teacher's, which is \
                        then a patch description network";
            return check(
                shares && student.shared == shared,
                "shared layers",
                shared,
                rule,
            );
        }
        let found = match &teacher.network {
            Network::Pdn(pdn) => pdn.describe(),
            Network::Other(network, _) => {
                format!(
                    "{} with {} channels",
                    network.name(),
                    teacher.mean.dims()[0]
                )
            }
        };
        Err(Error::Size {
            what: "model",
            expected: format!("{}, maps of {}", wanted.describe(), self.output_size()?),
            found: format!("{found}, maps of {}", autoencoder.output()),
        })
    }
}

impl<B: ModelBackend> HypAdNetworks<B> {
    /// Whether all weights are finite and the teacher's standard deviations above 0.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] naming the first tensor that is not finite, [`Error::Setting`] for a
    /// standard deviation.
    pub(crate) fn check_weights(&self) -> Result<()> {
        self.tensors()?.check_finite()?;
        let std = self.teacher.std.to_data();
        let least = std.iter::<f32>().fold(f32::INFINITY, f32::min);
        let name = "standard deviation of a channel of the teacher";
        check(least > 0.0, name, least, "above 0")
    }

    /// All features of an image.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, of the configured size
    ///
    /// # Errors
    ///
    /// Those of [`Teacher::forward`].
    pub fn forward(&self, image: Tensor<B, 4>) -> Result<Features<B>> {
        let stem = self.student.stem(self.padding.apply(image.clone()));
        let [student, student_autoencoder_head] = self.student.halves(stem.clone());
        let shared = self.student.shared;
        Ok(Features {
            teacher: self.teacher.forward_after(shared, stem, &image, None)?,
            student,
            student_autoencoder_head,
            autoencoder: self.student.autoencoder(image),
        })
    }

    /// The weights, for the model file; those of a teacher that is not a [`Pdn`] are not among them.
    pub(super) fn tensors(&self) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        tensors.extend("teacher.", self.teacher.tensors()?);
        tensors.extend("student.", Tensors::of::<B, _>(&self.student)?);
        // They are the teacher's.
        for layer in 0..self.student.shared {
            tensors.take_all(&convolution("student.pdn.", layer));
        }
        Ok(tensors)
    }

    /// The same networks with the weights of a model file.
    pub(super) fn fill(self, mut tensors: Tensors) -> Result<Self> {
        let teacher = self.teacher.fill(tensors.take_all("teacher."))?;
        let mut student = tensors.take_all("student.");
        tensors.expect_empty()?;
        if let Network::Pdn(pdn) = &teacher.network {
            let mut shared = Tensors::of::<B, _>(pdn)?;
            for layer in 0..self.student.shared {
                let weights = shared.take_all(&convolution("", layer));
                student.extend(&convolution("pdn.", layer), weights);
            }
        }
        Ok(Self {
            teacher,
            student: student.fill(self.student)?,
            padding: self.padding,
        })
    }

    /// The means of groups of neighbouring channels of all features, in less time.
    pub(crate) fn pooled(&self, group: usize) -> Self {
        Self {
            teacher: self.teacher.pooled(group),
            student: self.student.pooled(group),
            padding: self.padding,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::ops::pool_channels;
    use burn::backend::Flex;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn pooled_outputs_are_means_of_outputs() {
        let device = Default::default();
        let mut model: HypAdNetworks<Flex> = HypAdConfig::for_tests().init(&device).unwrap();
        let random = |low, high| Tensor::random([24], Distribution::Uniform(low, high), &device);
        model.teacher = model
            .teacher
            .normalised(random(-1.0, 1.0), random(0.5, 2.0));
        let image = Tensor::random([2, 3, 128, 128], Distribution::Default, &device);
        let parts = |features: Features<Flex>| {
            [
                features.teacher,
                features.student,
                features.student_autoencoder_head,
                features.autoencoder,
            ]
        };
        let all = parts(model.forward(image.clone()).unwrap());
        for group in [1, 3] {
            let pooled = parts(model.pooled(group).forward(image.clone()).unwrap());
            for (all, pooled) in all.iter().zip(pooled) {
                let expected = pool_channels(all.clone(), group).into_data();
                let pooled = pooled.into_data();
                pooled.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
            }
        }
    }

    #[test]
    fn shared_layers_are_stored_once_and_come_back() {
        let device = Default::default();
        let image = Tensor::random([1, 3, 128, 128], Distribution::Default, &device);
        for shared_layers in 0..=3 {
            let config = HypAdConfig {
                shared_layers,
                ..HypAdConfig::for_tests()
            };
            let model: HypAdNetworks<Flex> = config.init(&device).unwrap();
            let tensors = model.tensors().unwrap();
            // Weight and bias of four convolutions and of the second head, and of 14 of the autoencoder.
            let students = tensors.names().filter(|name| name.starts_with("student."));
            assert_eq!(students.count(), 2 * (4 + 1 + 14 - shared_layers));
            let other: HypAdNetworks<Flex> = config.init(&device).unwrap();
            let filled = other.fill(tensors).unwrap();
            config.check_networks(&filled).unwrap();
            let student = |model: &HypAdNetworks<Flex>| {
                let features = model.forward(image.clone()).unwrap();
                features.student.into_data()
            };
            assert_eq!(student(&filled), student(&model));
        }
    }

    #[test]
    fn shared_layers_of_other_weights_are_refused() {
        let device = Default::default();
        let config = HypAdConfig::for_tests();
        let mut model: HypAdNetworks<Flex> = config.init(&device).unwrap();
        config.check_networks(&model).unwrap();
        let other: HypAdNetworks<Flex> = config.init(&device).unwrap();
        model.student = other.student;
        let error = config.check_networks(&model).unwrap_err().to_string();
        assert!(error.contains("shared layers"), "{error}");
    }

    #[test]
    fn has_the_published_number_of_parameters() {
        let networks: HypAdNetworks<Flex> = HypAdConfig::small().init(&Default::default()).unwrap();
        let Network::Pdn(teacher) = networks.teacher.network else {
            panic!("not a PDN")
        };
        let count = teacher.num_params() + networks.student.num_params();
        assert_eq!(count, 8_057_856);
    }

    #[test]
    fn both_halves_of_the_student_see_the_image() {
        let device = Default::default();
        let config = HypAdConfig {
            image_size: crate::ImageSize::square(128),
            ..HypAdConfig::small()
        };
        let model: HypAdNetworks<Flex> = config.init(&device).unwrap();
        let image = Tensor::random([1, 3, 128, 128], Distribution::Default, &device);
        let features = model.forward(image.clone()).unwrap();
        let stem = model.student.stem(model.padding.apply(image));
        let [teacher_head, autoencoder_head] = [
            model.student.teacher_head(stem.clone()),
            model.student.autoencoder_head(stem),
        ]
        .map(Tensor::into_data);
        assert_eq!(features.student.into_data(), teacher_head);
        assert_eq!(
            features.student_autoencoder_head.into_data(),
            autoencoder_head
        );
        assert_ne!(teacher_head, autoencoder_head);
    }
}
