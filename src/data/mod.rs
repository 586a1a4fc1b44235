//! From folders to pixels: data set layouts, decoding, resizing, augmentation.

pub mod augment;
pub mod image;
mod image_set;
pub mod mvtec;

pub use image_set::ImageSet;
pub use mvtec::{MvtecCategory, TestImage};
