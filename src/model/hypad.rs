//! The whole model: a frozen teacher, a student and an autoencoder.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::autoencoder::{Autoencoder, AutoencoderConfig};
use super::config::HypAdConfig;
use super::ops::ModelBackend;
use super::pdn::{Pdn, PdnConfig};
use super::weights;
use crate::error::Result;

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
    /// [`weights::pretrained_small`](super::weights::pretrained_small) loads it. It does not
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
}

fn constant<B: Backend>(tensor: Tensor<B, 1>) -> Param<Tensor<B, 1>> {
    Param::from_tensor(tensor).set_require_grad(false)
}

/// What is trained: the student and the autoencoder.
#[derive(Module, Debug)]
pub struct Student<B: Backend> {
    pdn: Pdn<B>,
    autoencoder: Autoencoder<B>,
    channels: usize,
}

impl<B: ModelBackend> Student<B> {
    /// The half of the student that imitates the teacher.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, channels, h, w]`
    pub fn of_teacher(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.pdn.forward_channels(image, 0, self.channels)
    }

    /// The half of the student that imitates the autoencoder.
    ///
    /// # Shapes
    ///
    /// As [`of_teacher`](Self::of_teacher).
    pub fn of_autoencoder(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.pdn
            .forward_channels(image, self.channels, 2 * self.channels)
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
    /// The model with a teacher of random weights; see [`weights`](super::weights) for real ones.
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
        let autoencoder = AutoencoderConfig {
            dropout: self.dropout,
            ..AutoencoderConfig::new(self.image_size, self.output_size()?, self.channels)
        };
        Ok(HypAd {
            teacher: Teacher::new(teacher.init(device), device),
            student: Student {
                pdn: student.init(device),
                autoencoder: autoencoder.init(device)?,
                channels: self.channels,
            },
        })
    }
}

impl<B: ModelBackend> HypAd<B> {
    /// All features of an image.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, of the configured size
    pub fn forward(&self, image: Tensor<B, 4>) -> Features<B> {
        let both = self.student.pdn.forward(image.clone());
        let channels = self.student.channels;
        Features {
            teacher: self.teacher.forward(image.clone()),
            student: both.clone().narrow(1, 0, channels),
            student_of_autoencoder: both.narrow(1, channels, channels),
            autoencoder: self.student.autoencoder(image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn has_the_published_number_of_parameters() {
        let model: HypAd<Flex> = HypAdConfig::small().init(&Default::default()).unwrap();
        // Mean and standard deviation of the teacher's 384 channels are not counted.
        assert_eq!(model.num_params() - 2 * 384, 8_057_856);
    }
}
