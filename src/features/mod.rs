//! Networks that turn an image into feature maps, and the files of their weights.
//!
//! The patch description networks of EfficientAD, and the backbones that a teacher is distilled from.
//! Images are `[batch, 3, height, width]`. Only [`weights`] reads and writes files.

mod backbones;
#[cfg(test)]
mod cases;
mod extractor;
mod mobilenet;
pub(crate) mod ops;
mod pdn;
mod resnet;
mod targets;
pub mod weights;

pub use backbones::MobileNetBlocks;
pub(crate) use backbones::without_normalisation;
pub use extractor::{FeatureExtractor, FeatureMap};
pub use mobilenet::MobileNetV1;
pub use ops::ModelBackend;
/// Frees the memory for intermediate results that the Flex backend keeps from call to call: a few buffers,
/// each as large as the largest result so far. Training and distillation free it when they end; a program that
/// predicts now and then may call this in between. Without feature `flex` it does nothing.
pub fn release_scratch() {
    #[cfg(feature = "flex")]
    ops::release_scratch();
}

// In signatures of the backend's operations.
#[doc(hidden)]
pub use ops::{AdamStep, ConvGrads};
pub(crate) use pdn::Reach;
pub use pdn::{Pdn, PdnConfig, PdnSize};
pub use resnet::{ResNet, ResNetConfig};
pub use targets::{TARGET_CHANNELS, Targets};
