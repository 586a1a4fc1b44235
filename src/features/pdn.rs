//! The patch description network: a shallow network whose every output describes a 33 × 33 patch.
//! Batzner, Heckler, König, *EfficientAD*, WACV 2024, Tables 6 and 7.

use std::ops::Range;

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use super::extractor::{FeatureExtractor, FeatureMap};
use super::ops::{ModelBackend, conv, conv_pool, conv_relu, pool, pool_outputs, with_weights};
use super::weights::Tensors;
use crate::error::Result;

/// Which of the two published networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PdnSize {
    /// PDN-S: four convolutions; 2,694,144 parameters with 384 outputs.
    Small,
    /// PDN-M: six convolutions; 8,026,624 parameters with 384 outputs.
    Medium,
}

/// One convolution of a network: kernel, channels, padding of the padded form, pooling after it.
struct Layer {
    kernel: usize,
    channels: usize,
    padding: usize,
    pool: bool,
}

impl PdnSize {
    /// Number of convolutions: 4 or 6.
    pub fn convolutions(self) -> usize {
        self.layers(1).len()
    }

    /// All layers, the last with these outputs.
    fn layers(self, channels: usize) -> Vec<Layer> {
        let layer = |kernel, channels, padding, pool| Layer {
            kernel,
            channels,
            padding,
            pool,
        };
        match self {
            PdnSize::Small => vec![
                layer(4, 128, 3, true),
                layer(4, 256, 3, true),
                layer(3, 256, 1, false),
                layer(4, channels, 0, false),
            ],
            PdnSize::Medium => vec![
                layer(4, 256, 3, true),
                layer(4, 512, 3, true),
                layer(1, 512, 0, false),
                layer(3, 512, 1, false),
                layer(4, channels, 0, false),
                layer(1, channels, 0, false),
            ],
        }
    }
}

/// Configuration of a [`Pdn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PdnConfig {
    /// Which network.
    pub size: PdnSize,
    /// Channels of the output: 384 for a teacher, 768 for both halves of a student.
    pub channels: usize,
    /// Zero padding in convolutions and pools: 64 × 64 instead of 56 × 56 outputs for 256 × 256
    /// inputs. The weights are the same in both forms.
    pub padding: bool,
}

/// Kernel, stride and padding of the pools.
const POOL: (usize, usize, usize) = (2, 2, 1);

impl PdnConfig {
    /// Height and width in pixels of what an output sees.
    pub const PATCH: usize = 33;

    /// Distance in pixels of the patches of neighbouring outputs.
    pub const STRIDE: usize = 4;

    /// An unpadded network.
    pub fn new(size: PdnSize, channels: usize) -> Self {
        Self {
            size,
            channels,
            padding: false,
        }
    }

    /// The network with Burn's (and PyTorch's) default initialisation: uniform, ±1/√fan-in.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Pdn<B> {
        let mut inputs = 3;
        let mut convs = Vec::new();
        let mut pools = Vec::new();
        for layer in self.size.layers(self.channels) {
            let padding = if self.padding { layer.padding } else { 0 };
            let conv = Conv2dConfig::new([inputs, layer.channels], [layer.kernel; 2])
                .with_padding(PaddingConfig2d::Explicit(
                    padding, padding, padding, padding,
                ))
                .init(device);
            convs.push(conv);
            pools.push(layer.pool);
            inputs = layer.channels;
        }
        Pdn {
            convs,
            pools,
            padding: self.padding,
        }
    }

    /// Size of the output for an input of `size` pixels along one axis; `None` if it is too small.
    pub fn output_size(&self, size: usize) -> Option<usize> {
        let (pool_kernel, pool_stride, pool_padding) = POOL;
        let mut size = size;
        for layer in self.size.layers(self.channels) {
            let padding = if self.padding { layer.padding } else { 0 };
            size = (size + 2 * padding + 1).checked_sub(layer.kernel)?;
            if layer.pool {
                let padding = if self.padding { pool_padding } else { 0 };
                size = (size + 2 * padding).checked_sub(pool_kernel)? / pool_stride + 1;
            }
        }
        (size > 0).then_some(size)
    }

    /// In words, for errors.
    pub(crate) fn describe(&self) -> String {
        let convs = self.size.layers(self.channels).len();
        describe(convs, self.channels, self.padding)
    }
}

fn describe(convs: usize, channels: usize, padding: bool) -> String {
    let form = if padding { "padded" } else { "unpadded" };
    format!("{convs} convolutions, {channels} outputs, {form}")
}

/// The part of an input that an output sees along one axis, and how far the parts of neighbouring outputs
/// are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Places of the input that an output sees.
    pub patch: usize,
    /// Places of the input from output to output.
    pub stride: usize,
}

impl Reach {
    /// Of an output, in pixels of the image.
    pub const IMAGE: Self = Self {
        patch: PdnConfig::PATCH,
        stride: PdnConfig::STRIDE,
    };
}

/// A patch description network. Made by [`PdnConfig::init`].
#[derive(Module, Debug)]
pub struct Pdn<B: Backend> {
    pub(crate) convs: Vec<Conv2d<B>>,
    pools: Vec<bool>,
    padding: bool,
}

impl<B: ModelBackend> Pdn<B> {
    /// Describes every patch.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, channels, h, w]`, see [`PdnConfig::output_size`]
    pub fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.head(self.trunk(image))
    }

    /// All convolutions but the last.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, inputs of the last convolution, _, _]`
    pub(crate) fn trunk(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.trunk_after(0, image)
    }

    /// The first convolutions; with 0 of them, the image itself. Never the last.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, outputs of the last of these convolutions, _, _]`
    pub(crate) fn stem(&self, layers: usize, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.hidden(0..layers.min(self.convs.len() - 1), image)
    }

    /// The trunk of what [`stem`](Self::stem) gave with this many layers.
    pub(crate) fn trunk_after(&self, layers: usize, stem: Tensor<B, 4>) -> Tensor<B, 4> {
        self.hidden(layers..self.convs.len() - 1, stem)
    }

    /// [`forward`](Self::forward) of what [`stem`](Self::stem) gave with this many layers.
    pub(crate) fn forward_after(&self, layers: usize, stem: Tensor<B, 4>) -> Tensor<B, 4> {
        self.head(self.trunk_after(layers, stem))
    }

    /// Convolutions with their ReLU and pool.
    fn hidden(&self, layers: Range<usize>, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = input;
        let padding = if self.padding { POOL.2 } else { 0 };
        for index in layers {
            let conv = &self.convs[index];
            x = match (self.pools[index], index) {
                // Little work and a large result: worth computing twice.
                (true, 0) => conv_pool(conv, x, padding),
                (true, _) => pool(conv_relu(conv, x), padding),
                (false, _) => conv_relu(conv, x),
            };
        }
        x
    }

    /// With the means of groups of neighbouring outputs as outputs.
    pub(crate) fn pooled(self, group: usize) -> Self {
        let pooled = pool_outputs(self.last(), group);
        self.with_last(pooled)
    }

    /// With (output − mean) / std as outputs; mean and std are `[channels]`.
    pub(crate) fn normalised(self, mean: Tensor<B, 1>, std: Tensor<B, 1>) -> Self {
        let last = self.last();
        let weight = last.weight.val() / std.clone().reshape([-1, 1, 1, 1]);
        let bias = match &last.bias {
            Some(bias) => bias.val() - mean,
            None => -mean,
        };
        let last = with_weights(last, weight, Some(bias / std));
        self.with_last(last)
    }

    /// The last convolution.
    pub(crate) fn head(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        conv(self.last(), x)
    }
}

impl<B: Backend> Pdn<B> {
    /// Whether this is the padded form.
    pub fn is_padded(&self) -> bool {
        self.padding
    }

    /// The same weights in the unpadded form.
    pub fn unpadded(mut self) -> Self {
        for conv in &mut self.convs {
            conv.padding = PaddingConfig2d::Explicit(0, 0, 0, 0);
        }
        self.padding = false;
        self
    }

    /// Whether it is a network of this configuration. Weights that were not drawn yet are, so that all
    /// later copies have the same.
    pub(crate) fn matches(&self, config: &PdnConfig) -> bool {
        let mut inputs = 3;
        let shapes = config
            .size
            .layers(config.channels)
            .into_iter()
            .map(|layer| {
                let shape = [layer.channels, inputs, layer.kernel, layer.kernel];
                inputs = layer.channels;
                shape
            });
        let own = self.convs.iter().map(|conv| {
            let _ = conv.bias.as_ref().map(|bias| bias.val());
            conv.weight.val().dims()
        });
        self.padding == config.padding && own.eq(shapes)
    }

    /// Two networks that have all but the last convolution in common: the first, and the last
    /// convolution of the second. Each has half the outputs. Both last convolutions are new.
    pub(crate) fn split_heads(mut self, device: &B::Device) -> (Self, Conv2d<B>) {
        let [outputs, inputs, kernel, _] = self.last().weight.dims();
        let half = || Conv2dConfig::new([inputs, outputs / 2], [kernel; 2]).init(device);
        let last = self.convs.len() - 1;
        self.convs[last] = half();
        (self, half())
    }

    /// What an output of the unpadded form sees of the output of its first layers.
    pub(crate) fn reach_after(&self, layers: usize) -> Reach {
        let (pool_kernel, pool_stride, _) = POOL;
        let after = self.convs.iter().zip(&self.pools).skip(layers);
        after.rev().fold(
            Reach {
                patch: 1,
                stride: 1,
            },
            |Reach {
                 mut patch,
                 mut stride,
             },
             (conv, pooled)| {
                if *pooled {
                    patch = pool_stride * (patch - 1) + pool_kernel;
                    stride *= pool_stride;
                }
                patch += conv.weight.dims()[2] - 1;
                Reach { patch, stride }
            },
        )
    }

    /// Whether the first convolutions have the weights of those of another network.
    pub(crate) fn starts_as(&self, other: &Self, layers: usize) -> bool {
        let weights = |pdn: &Self| {
            let convs = pdn.convs.iter().take(layers).map(|conv| {
                let bias = conv.bias.as_ref().map(|bias| bias.val().into_data());
                (conv.weight.val().into_data(), bias)
            });
            convs.collect::<Vec<_>>()
        };
        weights(self) == weights(other)
    }

    /// With first convolutions that are not trained.
    pub(crate) fn with_frozen(mut self, layers: usize) -> Self {
        for conv in self.convs.iter_mut().take(layers) {
            *conv = conv.clone().no_grad();
        }
        self
    }

    /// With the first convolutions of another network, as far as they have the same shape; never the
    /// last.
    pub(crate) fn with_first(mut self, other: &Self, layers: usize) -> Self {
        let layers = layers.min(self.convs.len() - 1);
        for (own, other) in self.convs.iter_mut().zip(&other.convs).take(layers) {
            if own.weight.dims() == other.weight.dims() {
                let record = other.clone().into_record();
                *own = own.clone().load_record(record);
            }
        }
        self
    }

    /// In words, for errors.
    pub(crate) fn describe(&self) -> String {
        describe(self.convs.len(), self.channels(), self.padding)
    }

    fn with_last(mut self, conv: Conv2d<B>) -> Self {
        self.convs.pop();
        self.convs.push(conv);
        self
    }

    /// Number of output channels.
    pub fn channels(&self) -> usize {
        self.last().weight.dims()[0]
    }

    pub(crate) fn last(&self) -> &Conv2d<B> {
        self.convs.last().expect("a network has layers")
    }
}

impl<B: ModelBackend> FeatureExtractor<B> for Pdn<B> {
    fn name(&self) -> String {
        format!("PDN, {}", self.describe())
    }

    fn maps(&self) -> Vec<FeatureMap> {
        vec![FeatureMap::new(self.channels(), PdnConfig::STRIDE)]
    }

    fn forward(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>> {
        Ok(vec![Pdn::forward(self, images)])
    }

    fn tensors(&self) -> Result<Tensors> {
        Tensors::of::<B, _>(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::Distribution;

    #[test]
    fn parameter_counts_are_the_published_ones() {
        let device = Default::default();
        let count = |size, channels| {
            let pdn: Pdn<Flex> = PdnConfig::new(size, channels).init(&device);
            pdn.num_params()
        };
        assert_eq!(count(PdnSize::Small, 384), 2_694_144);
        assert_eq!(count(PdnSize::Small, 768), 4_267_392);
        assert_eq!(count(PdnSize::Medium, 384), 8_026_624);
        assert_eq!(count(PdnSize::Medium, 768), 11_615_488);
    }

    #[test]
    fn output_sizes_are_those_of_the_network() {
        let device = Default::default();
        for (size, padding) in [
            (PdnSize::Small, false),
            (PdnSize::Small, true),
            (PdnSize::Medium, false),
            (PdnSize::Medium, true),
        ] {
            let config = PdnConfig {
                size,
                channels: 2,
                padding,
            };
            let expected = if padding { 64 } else { 56 };
            assert_eq!(config.output_size(256), Some(expected));
            let pdn: Pdn<Flex> = config.init(&device);
            let [_, _, h, w] = pdn.forward(Tensor::zeros([1, 3, 40, 51], &device)).dims();
            assert_eq!(config.output_size(40), Some(h));
            assert_eq!(config.output_size(51), Some(w));
        }
        for size in [PdnSize::Small, PdnSize::Medium] {
            let config = PdnConfig::new(size, 384);
            assert_eq!(config.output_size(PdnConfig::PATCH), Some(1));
            let next = PdnConfig::PATCH + PdnConfig::STRIDE;
            assert_eq!(config.output_size(next - 1), Some(1));
            assert_eq!(config.output_size(next), Some(2));
        }
        assert_eq!(PdnConfig::new(PdnSize::Small, 384).output_size(3), None);
    }

    #[test]
    fn knows_its_configuration() {
        let device = Default::default();
        let configs = [
            PdnConfig::new(PdnSize::Small, 8),
            PdnConfig::new(PdnSize::Small, 9),
            PdnConfig::new(PdnSize::Medium, 8),
            PdnConfig {
                padding: true,
                ..PdnConfig::new(PdnSize::Small, 8)
            },
        ];
        for of in configs {
            let pdn: Pdn<Flex> = of.init(&device);
            for config in configs {
                assert_eq!(pdn.matches(&config), config == of);
                assert_eq!(pdn.describe() == config.describe(), config == of);
            }
        }
    }

    /// The first `layers` layers, and no others, have the weights of the other network.
    #[test]
    fn begins_as_another() {
        let device = Default::default();
        let config = PdnConfig::new(PdnSize::Small, 8);
        let drawn = || {
            let pdn: Pdn<Flex> = config.init(&device);
            assert!(pdn.matches(&config));
            pdn
        };
        let parts = |conv: &Conv2d<Flex>| {
            let bias = conv.bias.as_ref().unwrap().val().into_data();
            (conv.weight.val().into_data(), bias)
        };
        let (own, other) = (drawn(), drawn());
        for (layers, equal) in [(0, 0), (2, 2), (3, 3), (4, 3)] {
            let copied = own.clone().with_first(&other, layers);
            for (index, conv) in copied.convs.iter().enumerate() {
                let of = if index < equal { &other } else { &own };
                assert_eq!(parts(conv), parts(&of.convs[index]));
            }
            assert_ne!(parts(&own.convs[0]), parts(&other.convs[0]));
        }
    }

    /// A network is its stem and what comes after it, wherever it is cut, and an output sees as much of
    /// the stem's output as is said.
    #[test]
    fn is_its_stem_and_the_rest() {
        let device = Default::default();
        for size in [PdnSize::Small, PdnSize::Medium] {
            let pdn: Pdn<Flex> = PdnConfig::new(size, 5).init(&device);
            let image = Tensor::random([1, 3, 45, 41], Distribution::Default, &device);
            let whole = pdn.forward(image.clone()).into_data();
            assert_eq!(whole.shape.to_vec(), [1, 5, 4, 3]);
            assert_eq!(pdn.reach_after(0), Reach::IMAGE);
            for layers in 0..size.convolutions() {
                let stem = pdn.stem(layers, image.clone());
                let [_, _, rows, columns] = stem.dims();
                let Reach { patch, stride } = pdn.reach_after(layers);
                let outputs = |places: usize| (places - patch) / stride + 1;
                assert_eq!([outputs(rows), outputs(columns)], [4, 3], "{layers}");
                let rest = pdn.forward_after(layers, stem.clone()).into_data();
                assert_eq!(rest, whole);
                let seen = stem.narrow(2, 2 * stride, patch).narrow(3, stride, patch);
                let one: Vec<f32> = pdn
                    .forward_after(layers, seen)
                    .into_data()
                    .to_vec()
                    .unwrap();
                let all: Vec<f32> = whole.to_vec().unwrap();
                for (channel, value) in one.iter().enumerate() {
                    let expected = all[(channel * 4 + 2) * 3 + 1];
                    assert!((value - expected).abs() < 1e-5, "{value} {expected}");
                }
            }
        }
    }

    #[test]
    fn both_forms_see_the_same_where_no_padding_is_near() {
        let device = Default::default();
        let config = PdnConfig {
            size: PdnSize::Small,
            channels: 5,
            padding: true,
        };
        let padded: Pdn<Flex> = config.init(&device);
        let image = Tensor::random([1, 3, 96, 96], burn::tensor::Distribution::Default, &device);
        let whole = padded.forward(image.clone());
        let inner = padded.unpadded().forward(image);
        assert_eq!((whole.dims()[2], inner.dims()[2]), (24, 16));
        let whole = whole.slice([0..1, 0..5, 4..20, 4..20]).into_data();
        let tolerance = burn::tensor::Tolerance::absolute(1e-5);
        inner.into_data().assert_approx_eq::<f32>(&whole, tolerance);
    }
}
