//! From folders to pixels: data set layouts, decoding, resizing, augmentation.

pub mod augment;
pub mod image;
mod image_set;
pub mod mvtec;
mod range;

pub(crate) use image_set::Fingerprint;
pub use image_set::ImageSet;
pub use mvtec::{GOOD, MvtecCategory, TestImage};
