//! The autoencoder that sees the whole image through a bottleneck of one 64-vector and predicts
//! the teacher's features. EfficientAD, Table 8.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, PaddingConfig2d};
use burn::tensor::{Tensor, backend::Backend};

use crate::ImageSize;
use crate::error::{Result, check};
use crate::features::ops::{ModelBackend, conv, conv_relu, dropout, pool_outputs, resize};

/// Configuration of an [`Autoencoder`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoencoderConfig {
    /// Size of the input.
    pub input: ImageSize,
    /// Size of the output: that of the teacher's.
    pub output: ImageSize,
    /// Channels of the output.
    pub channels: usize,
    /// Probability of dropping an element after each decoder block, in training.
    pub dropout: f64,
}

/// The kernel of the bottleneck for inputs of 256 pixels and more.
const BOTTLENECK: usize = 8;

impl AutoencoderConfig {
    /// The published network for an input and an output size.
    pub fn new(input: ImageSize, output: ImageSize, channels: usize) -> Self {
        Self {
            input,
            output,
            channels,
            dropout: 0.2,
        }
    }

    /// The smallest input along an axis: the decoder starts at size/64 − 1 pixels.
    pub const MINIMUM: usize = 128;

    /// The largest input along an axis.
    pub const MAXIMUM: usize = 8192;

    /// Whether an input has a size that is allowed.
    pub(super) fn check_input(input: ImageSize) -> Result<()> {
        check(
            [input.width, input.height]
                .iter()
                .all(|side| (Self::MINIMUM..=Self::MAXIMUM).contains(side)),
            "image size",
            input,
            "between 128 x 128 and 8192 x 8192",
        )
    }

    /// The network, with Burn's default initialisation.
    ///
    /// The bottleneck's kernel is 8 × 8; for inputs below 256 pixels, whose encoding is smaller
    /// than that, it covers the encoding.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error) for an input that is not between [`MINIMUM`](Self::MINIMUM) and
    /// [`MAXIMUM`](Self::MAXIMUM).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<Autoencoder<B>> {
        Self::check_input(self.input)?;
        let conv = |channels, kernel, stride, padding| {
            Conv2dConfig::new(channels, kernel)
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(
                    padding, padding, padding, padding,
                ))
                .init(device)
        };
        let encoder = [[3, 32], [32, 32], [32, 64], [64, 64], [64, 64]]
            .map(|channels| conv(channels, [4, 4], 2, 1))
            .into();
        let decoder = (0..6).map(|_| conv([64, 64], [4, 4], 1, 2)).collect();
        Ok(Autoencoder {
            encoder,
            bottleneck: conv([64, 64], self.bottleneck(), 1, 0),
            decoder,
            last: conv([64, 64], [3, 3], 1, 1),
            head: conv([64, self.channels], [3, 3], 1, 1),
            dropout: DropoutConfig::new(self.dropout).init(),
            sizes: self.decoder_sizes(),
            output: self.output.height_width(),
        })
    }

    /// Whether an autoencoder is of this configuration.
    pub(super) fn matches<B: Backend>(&self, network: &Autoencoder<B>) -> bool {
        network.sizes == self.decoder_sizes()
            && network.output == self.output.height_width()
            && network.bottleneck.kernel_size == self.bottleneck()
            && network.head.weight.val().dims()[0] == self.channels
    }

    fn bottleneck(&self) -> [usize; 2] {
        let input = self.input.height_width();
        input.map(|size| (size / 32).min(BOTTLENECK))
    }

    /// The size to which each decoder block resizes its input: 3, 8, 15, 32, 63, 127 for 256.
    fn decoder_sizes(&self) -> Vec<[usize; 2]> {
        [(64, 1), (32, 0), (16, 1), (8, 0), (4, 1), (2, 1)]
            .map(|(divisor, less)| self.input.height_width().map(|size| size / divisor - less))
            .into()
    }
}

/// A convolutional autoencoder. Made by [`AutoencoderConfig::init`].
#[derive(Module, Debug)]
pub struct Autoencoder<B: Backend> {
    encoder: Vec<Conv2d<B>>,
    bottleneck: Conv2d<B>,
    decoder: Vec<Conv2d<B>>,
    last: Conv2d<B>,
    head: Conv2d<B>,
    dropout: Dropout,
    sizes: Vec<[usize; 2]>,
    output: [usize; 2],
}

impl<B: ModelBackend> Autoencoder<B> {
    /// Predicts the teacher's features. Dropout acts on autodiff backends only.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`, of the configured input size
    /// - output: `[batch, channels, h, w]`, of the configured output size
    pub fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = image;
        for layer in &self.encoder {
            x = conv_relu(layer, x);
        }
        x = conv(&self.bottleneck, x);
        for (layer, size) in self.decoder.iter().zip(&self.sizes) {
            x = dropout(&self.dropout, conv_relu(layer, resize(x, *size)));
        }
        let x = conv_relu(&self.last, resize(x, self.output));
        conv(&self.head, x)
    }

    /// Size of the output.
    pub(super) fn output(&self) -> ImageSize {
        let [height, width] = self.output;
        ImageSize::new(width, height)
    }

    /// With the means of groups of neighbouring outputs as outputs.
    pub(super) fn pooled(mut self, group: usize) -> Self {
        self.head = pool_outputs(&self.head, group);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use burn::backend::Flex;

    #[test]
    fn has_the_published_size() {
        let config = AutoencoderConfig::new(ImageSize::square(256), ImageSize::square(56), 384);
        assert_eq!(
            config.decoder_sizes(),
            [[3; 2], [8; 2], [15; 2], [32; 2], [63; 2], [127; 2]]
        );
        let autoencoder: Autoencoder<Flex> = config.init(&Default::default()).unwrap();
        assert_eq!(autoencoder.num_params(), 1_096_320);
    }

    #[test]
    fn follows_the_size_of_its_input() {
        let device = Default::default();
        let output = ImageSize::new(31, 24);
        for [height, width] in [[128, 128], [130, 190], [256, 320]] {
            let config = AutoencoderConfig::new(ImageSize { width, height }, output, 5);
            let autoencoder: Autoencoder<Flex> = config.init(&device).unwrap();
            let found = autoencoder.forward(Tensor::zeros([1, 3, height, width], &device));
            assert_eq!(found.dims(), [1, 5, 24, 31]);
        }
        let small = AutoencoderConfig::new(ImageSize::new(256, 127), output, 5);
        assert!(matches!(
            small.init::<Flex>(&device),
            Err(Error::Setting { .. })
        ));
    }
}
