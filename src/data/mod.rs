//! From folders to pixels: data set layouts, decoding, resizing, augmentation.

pub mod augment;
#[cfg(feature = "dataset")]
mod dataset;
pub(crate) mod decode;
mod files;
pub mod image;
mod image_set;
mod layout;
mod mask;
pub mod mvtec;
mod range;
mod source;

#[cfg(feature = "dataset")]
pub use dataset::FromDataset;
pub use image_set::ImageSet;
pub use mvtec::{GOOD, MvtecCategory, TestImage};
pub(crate) use source::check_images;
pub use source::{Fingerprint, ImageSource, Sample};
