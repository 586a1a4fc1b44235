//! From folders to pixels: data set layouts, decoding, resizing, augmentation.

pub mod augment;
pub(crate) mod decode;
mod files;
pub mod image;
mod image_set;
mod layout;
mod mask;
pub mod mvtec;
mod range;

pub(crate) use image_set::Fingerprint;
pub use image_set::ImageSet;
pub use mvtec::{GOOD, MvtecCategory, TestImage};
