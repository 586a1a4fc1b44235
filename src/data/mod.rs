//! From folders to pixels: data set layouts, decoding, resizing, augmentation.

pub mod augment;
mod category;
mod data_set;
#[cfg(feature = "dataset")]
mod dataset;
pub(crate) mod decode;
mod files;
pub mod image;
mod image_set;
mod layouts;
mod mask;
mod preparation;
mod range;
mod source;
mod survey;

pub use category::{Category, GOOD, GroundTruth, TestImage};
pub use data_set::{DataSet, Layout};
#[cfg(feature = "dataset")]
pub use dataset::FromDataset;
pub(crate) use files::name_of;
pub use image_set::ImageSet;
pub use preparation::{Fit, IgnoreMask, Preparation, Tiles};
pub(crate) use preparation::{Placement, Rect};
pub(crate) use source::check_images;
pub use source::{Fingerprint, ImageSource, Sample};
pub use survey::Survey;
