//! The whole model: a frozen teacher, a student and an autoencoder.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use super::autoencoder::{Autoencoder, AutoencoderConfig};
use super::config::HypAdConfig;
use crate::error::{Error, Result, check};
use crate::features::ops::{ModelBackend, conv, pool_outputs};
use crate::features::weights;
use crate::features::{Pdn, PdnConfig};

/// A teacher network whose features are normalised channel by channel.
#[derive(Module, Debug)]
pub struct Teacher<B: Backend> {
    pdn: Pdn<B>,
    mean: Param<Tensor<B, 1>>,
    std: Param<Tensor<B, 1>>,
}

impl<B: Backend> Teacher<B> {
    /// A teacher that does not normalise yet: mean 0, standard deviation 1.
    pub fn new(pdn: Pdn<B>, device: &B::Device) -> Self {
        let channels = pdn.channels();
        Self {
            pdn: pdn.no_grad(),
            mean: constant(Tensor::zeros([channels], device)),
            std: constant(Tensor::ones([channels], device)),
        }
    }

    /// The PDN-S teacher that comes with the crate, as
    /// [`weights::pretrained_small`](crate::features::weights::pretrained_small) loads it. It does not
    /// normalise yet.
    ///
    /// # Errors
    ///
    /// None expected: the file is compiled in and tested.
    pub fn pretrained_small(device: &B::Device) -> Result<Self> {
        Ok(Self::new(weights::pretrained_small(device)?, device))
    }

    /// The same network with this normalisation.
    ///
    /// # Shapes
    ///
    /// - mean, std: `[channels]`
    pub fn normalised(self, mean: Tensor<B, 1>, std: Tensor<B, 1>) -> Self {
        Self {
            mean: constant(mean),
            std: constant(std),
            ..self
        }
    }

    /// The mean of each channel that is subtracted: `[channels]`.
    pub(crate) fn mean(&self) -> Tensor<B, 1> {
        self.mean.val()
    }
}

impl<B: ModelBackend> Teacher<B> {
    /// (T(image) − mean) / std.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, channels, h, w]`
    pub fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        let channels = self.mean.dims()[0];
        let shape = [1, channels, 1, 1];
        let features = self.pdn.forward(image) - self.mean.val().reshape(shape);
        features / self.std.val().reshape(shape)
    }

    /// The means of groups of neighbouring channels of the normalised features. All of it is linear,
    /// and the last convolution does it.
    ///
    /// # Shapes
    ///
    /// [`forward`](Self::forward) of the result: `[batch, channels / group, h, w]`
    pub(crate) fn pooled(&self, group: usize) -> Self {
        let (mean, std) = (self.mean.val(), self.std.val());
        let device = mean.device();
        let pdn = self.pdn.clone().normalised(mean, std).pooled(group);
        Self::new(pdn, &device)
    }
}

fn constant<B: Backend>(tensor: Tensor<B, 1>) -> Param<Tensor<B, 1>> {
    Param::from_tensor(tensor).set_require_grad(false)
}

/// What is trained: the student and the autoencoder. The two halves of the student's output are two
/// last convolutions, so that a gradient by one does not fill the other with zeros.
#[derive(Module, Debug)]
pub struct Student<B: Backend> {
    pdn: Pdn<B>,
    imitator: Conv2d<B>,
    autoencoder: Autoencoder<B>,
}

impl<B: ModelBackend> Student<B> {
    /// The half of the student that imitates the teacher.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, channels, h, w]`
    pub fn of_teacher(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.pdn.forward(image)
    }

    /// The half of the student that imitates the autoencoder.
    ///
    /// # Shapes
    ///
    /// As [`of_teacher`](Self::of_teacher).
    pub fn of_autoencoder(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        conv(&self.imitator, self.pdn.trunk(image))
    }

    /// Both halves.
    fn halves(&self, image: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        let x = self.pdn.trunk(image);
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
        }
    }

    /// The autoencoder's prediction of the teacher.
    ///
    /// # Shapes
    ///
    /// As [`of_teacher`](Self::of_teacher).
    pub fn autoencoder(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.autoencoder.forward(image)
    }
}

impl<B: Backend> Student<B> {
    /// Starts the first convolutions as those of a teacher's network.
    pub(crate) fn warmed(mut self, teacher: &Pdn<B>, layers: usize) -> Self {
        self.pdn = self.pdn.with_first(teacher, layers);
        self
    }

    /// Whether the network is padded; see [`Pdn::is_padded`].
    pub(crate) fn is_padded(&self) -> bool {
        self.pdn.is_padded()
    }
}

/// The four feature maps of an image, each `[batch, channels, h, w]`.
pub struct Features<B: Backend> {
    /// The normalised teacher.
    pub teacher: Tensor<B, 4>,
    /// The student's half that imitates the teacher.
    pub student: Tensor<B, 4>,
    /// The student's half that imitates the autoencoder.
    pub student_of_autoencoder: Tensor<B, 4>,
    /// The autoencoder.
    pub autoencoder: Tensor<B, 4>,
}

/// Teacher, student and autoencoder. Made by [`HypAdConfig::init`].
#[derive(Module, Debug)]
pub struct HypAd<B: Backend> {
    /// The frozen teacher.
    pub teacher: Teacher<B>,
    /// The trained part.
    pub student: Student<B>,
}

impl HypAdConfig {
    /// The model with a teacher of random weights; see [`weights`](crate::features::weights) for real ones.
    ///
    /// # Errors
    ///
    /// Those of [`validate`](Self::validate) and of [`AutoencoderConfig::init`].
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<HypAd<B>> {
        self.validate()?;
        let teacher = self.teacher();
        let student = PdnConfig {
            channels: 2 * self.channels,
            ..teacher
        };
        let autoencoder = self.autoencoder()?;
        let (pdn, imitator) = student.init(device).halved(device);
        Ok(HypAd {
            teacher: Teacher::new(teacher.init(device), device),
            student: Student {
                pdn,
                imitator,
                autoencoder: autoencoder.init(device)?,
            },
        })
    }

    fn autoencoder(&self) -> Result<AutoencoderConfig> {
        Ok(AutoencoderConfig {
            dropout: self.dropout,
            ..AutoencoderConfig::new(self.image_size, self.output_size()?, self.channels)
        })
    }

    /// Whether a model has the sizes of this configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] if it has others.
    pub(crate) fn check_model<B: ModelBackend>(&self, model: &HypAd<B>) -> Result<()> {
        let [teacher, student] = [&model.teacher.pdn, &model.student.pdn];
        let wanted = self.teacher();
        let autoencoder = &model.student.autoencoder;
        let imitator = model.student.imitator.weight.val().dims();
        let normalisation = [&model.teacher.mean, &model.teacher.std];
        let same = teacher.is_of(&wanted)
            && student.is_of(&wanted)
            && imitator == student.last().weight.val().dims()
            && normalisation.iter().all(|of| of.dims() == [self.channels])
            && self.autoencoder()?.is_of(autoencoder);
        if same {
            return Ok(());
        }
        Err(Error::Size {
            what: "model",
            expected: format!("{}, maps of {}", wanted.describe(), self.output_size()?),
            found: format!("{}, maps of {}", teacher.describe(), autoencoder.output()),
        })
    }
}

impl<B: ModelBackend> HypAd<B> {
    /// Whether all weights are finite and the teacher's standard deviations above 0.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] naming the first tensor that is not finite, [`Error::Setting`] for a
    /// standard deviation.
    pub(crate) fn check_weights(&self) -> Result<()> {
        weights::check_finite(self)?;
        let std = self.teacher.std.val().into_data();
        let least = std.iter::<f32>().fold(f32::INFINITY, f32::min);
        let name = "standard deviation of a channel of the teacher";
        check(least > 0.0, name, least, "above 0")
    }

    /// All features of an image.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, of the configured size
    pub fn forward(&self, image: Tensor<B, 4>) -> Features<B> {
        let [student, student_of_autoencoder] = self.student.halves(image.clone());
        Features {
            teacher: self.teacher.forward(image.clone()),
            student,
            student_of_autoencoder,
            autoencoder: self.student.autoencoder(image),
        }
    }

    /// The means of groups of neighbouring channels of all features, in less time.
    pub(crate) fn pooled(&self, group: usize) -> Self {
        Self {
            teacher: self.teacher.pooled(group),
            student: self.student.pooled(group),
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
        let mut model: HypAd<Flex> = HypAdConfig::narrow().init(&device).unwrap();
        let record = model.clone().into_record();
        model = model.load_record(record);
        let random = |low, high| Tensor::random([24], Distribution::Uniform(low, high), &device);
        model.teacher = model
            .teacher
            .normalised(random(-1.0, 1.0), random(0.5, 2.0));
        let image = Tensor::random([2, 3, 128, 128], Distribution::Default, &device);
        let parts = |features: Features<Flex>| {
            [
                features.teacher,
                features.student,
                features.student_of_autoencoder,
                features.autoencoder,
            ]
        };
        let all = parts(model.forward(image.clone()));
        for group in [1, 3] {
            let pooled = parts(model.pooled(group).forward(image.clone()));
            for (all, pooled) in all.iter().zip(pooled) {
                let expected = pool_channels(all.clone(), group).into_data();
                let pooled = pooled.into_data();
                pooled.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
            }
        }
    }

    #[test]
    fn has_the_published_number_of_parameters() {
        let model: HypAd<Flex> = HypAdConfig::small().init(&Default::default()).unwrap();
        // Mean and standard deviation of the teacher's 384 channels are not counted.
        assert_eq!(model.num_params() - 2 * 384, 8_057_856);
    }

    #[test]
    fn both_halves_of_the_student_see_the_image() {
        let device = Default::default();
        let config = HypAdConfig {
            image_size: crate::ImageSize::square(128),
            ..HypAdConfig::small()
        };
        let model: HypAd<Flex> = config.init(&device).unwrap();
        let image = Tensor::random([1, 3, 128, 128], Distribution::Default, &device);
        let features = model.forward(image.clone());
        let [of_teacher, of_autoencoder] = [
            model.student.of_teacher(image.clone()),
            model.student.of_autoencoder(image),
        ]
        .map(Tensor::into_data);
        assert_eq!(features.student.into_data(), of_teacher);
        assert_eq!(features.student_of_autoencoder.into_data(), of_autoencoder);
        assert_ne!(of_teacher, of_autoencoder);
    }
}
