//! HypAD: Hyperbolic Anomaly Detection (Li, Chen, Xu, Hu, CVPR 2024), with EfficientAD (Batzner,
//! Heckler, König, WACV 2024) as its limit without curvature.
//!
//! [`HypAdConfig`] describes the model, [`TrainConfig`] the training; [`HypAdMethod`] is both with a
//! teacher and penalty images, and [`HypAd`] the trained model.

mod autoencoder;
mod cache;
mod config;
mod embedding;
mod fit;
#[cfg(test)]
mod gradients;
mod loss;
mod mining;
mod model;
mod networks;
mod padding;
mod recipe;
mod samples;
mod window;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use config::{Distance, FeatureScale, HypAdConfig, Projection};
pub use embedding::Embedding;
pub use fit::{CLIPPED, HypAdMethod};
// For benches.
#[doc(hidden)]
pub use loss::{Batch, student_loss};
#[doc(hidden)]
pub use mining::hard_mean;
pub use model::HypAd;
pub use networks::{Features, HypAdNetworks, Student, Teacher};
pub use padding::ImagePadding;
pub use recipe::TrainConfig;
#[doc(hidden)]
pub use window::Window;
