//! HypAD: Hyperbolic Anomaly Detection (Li, Chen, Xu, Hu, CVPR 2024), with EfficientAD (Batzner,
//! Heckler, König, WACV 2024) as its limit without curvature.
//!
//! [`HypAdConfig`] describes the model, [`TrainConfig`] the training, [`Trainer`] runs it.

mod autoencoder;
mod cache;
mod config;
mod embedding;
#[cfg(test)]
mod gradients;
mod loss;
mod mining;
mod model;
mod recipe;
mod samples;
mod trainer;
mod window;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use config::{Distance, FeatureScale, HypAdConfig, Margin, Projection};
pub use embedding::Embedding;
pub use loss::{Batch, student_loss};
pub use mining::hard_mean;
pub use model::{Features, HypAd, Student, Teacher};
pub use recipe::{Schedule, TrainConfig};
pub use trainer::{Progress, Trained, Trainer};
pub use window::Window;
