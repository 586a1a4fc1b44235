//! Networks whose features a teacher is distilled from. They are trained elsewhere; here they are
//! loaded and run.

#[cfg(test)]
mod cases;
mod mobilenet;
mod resnet;
mod targets;

pub use mobilenet::MobileNetV1;
pub use resnet::{ResNet, ResNetConfig};
pub use targets::{TARGET_CHANNELS, Targets};
