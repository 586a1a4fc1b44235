//! The networks of HypAD and how their features are compared.
//!
//! Images come in as `[batch, 3, height, width]`, ImageNet-normalised, and leave as feature maps
//! or maps of deviations. Nothing here reads a file but [`weights`].

mod autoencoder;
pub mod backbone;
mod config;
mod embedding;
mod hypad;
mod ops;
mod pdn;
pub mod weights;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use config::{Distance, FeatureScale, HypAdConfig, Margin, Projection};
pub use embedding::Embedding;
pub use hypad::{Features, HypAd, Student, Teacher};
pub use ops::{AdamStep, ConvGrads, ModelBackend};
pub use pdn::{Pdn, PdnConfig, PdnSize};
