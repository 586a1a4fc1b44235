//! Networks as sources of feature maps.

use std::any::Any;
use std::fmt::Debug;

use burn::tensor::{Tensor, backend::Backend};

use super::weights::Tensors;
use crate::error::Result;

/// One feature map of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeatureMap {
    /// Number of channels.
    pub channels: usize,
    /// Pixels of the image between two locations of the map.
    pub stride: usize,
}

impl FeatureMap {
    /// A map of so many channels, with a location every `stride` pixels.
    pub fn new(channels: usize, stride: usize) -> Self {
        Self { channels, stride }
    }
}

/// A network that turns an image into feature maps: a teacher, or the backbone of a memory bank.
///
/// Three convolutions of one's own:
///
/// ```
/// use burn::module::Module;
/// use burn::nn::conv::{Conv2d, Conv2dConfig};
/// use burn::tensor::{Tensor, activation::relu, backend::Backend};
/// use hypad::features::weights::Tensors;
/// use hypad::features::{FeatureExtractor, FeatureMap};
///
/// #[derive(Module, Debug)]
/// struct Tiny<B: Backend> {
///     layers: Vec<Conv2d<B>>,
/// }
///
/// impl<B: Backend> Tiny<B> {
///     fn new(device: &B::Device) -> Self {
///         let conv = |channels| Conv2dConfig::new(channels, [3, 3]).with_stride([2, 2]);
///         let layers = [[3, 8], [8, 16], [16, 24]].map(|channels| conv(channels).init(device));
///         Self { layers: layers.into() }
///     }
/// }
///
/// impl<B: Backend> FeatureExtractor<B> for Tiny<B> {
///     fn name(&self) -> String {
///         "tiny".into()
///     }
///
///     fn maps(&self) -> Vec<FeatureMap> {
///         vec![FeatureMap::new(24, 8)]
///     }
///
///     fn forward(&self, images: Tensor<B, 4>) -> hypad::Result<Vec<Tensor<B, 4>>> {
///         let layer = |x, conv: &Conv2d<B>| relu(conv.forward(x));
///         Ok(vec![self.layers.iter().fold(images, layer)])
///     }
///
///     fn tensors(&self) -> hypad::Result<Tensors> {
///         Tensors::of(self)
///     }
/// }
///
/// # fn main() -> hypad::Result<()> {
/// type B = burn::backend::Flex;
/// let device = Default::default();
/// let tiny = Tiny::<B>::new(&device);
/// let maps = tiny.forward(Tensor::zeros([1, 3, 64, 64], &device))?;
/// assert_eq!(maps[0].dims(), [1, 24, 7, 7]);
/// // hypad::Trainer::with_teacher(tiny) makes it the teacher of HypAD.
/// # Ok(())
/// # }
/// ```
pub trait FeatureExtractor<B: Backend>: Any + Debug + Send + Sync {
    /// The name of the network in model files and messages.
    fn name(&self) -> String;

    /// The maps that [`forward`](Self::forward) makes.
    fn maps(&self) -> Vec<FeatureMap>;

    /// The feature maps of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]`, RGB, ImageNet-normalised
    /// - output: `[batch, channels, h, w]` for each of [`maps`](Self::maps)
    ///
    /// # Errors
    ///
    /// For images that the network cannot take.
    fn forward(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>>;

    /// The weights: [`Tensors::of`] the module. Their checksum tells a model file which network it was
    /// trained with.
    ///
    /// # Errors
    ///
    /// For weights that cannot be read from their device.
    fn tensors(&self) -> Result<Tensors>;
}
