//! The networks of HypAD and how their features are compared.
//!
//! Images come in as `[batch, 3, height, width]`, ImageNet-normalised, and leave as feature maps
//! or maps of deviations. Nothing here reads a file but [`weights`].

mod autoencoder;
pub mod backbone;
mod config;
mod conv;
mod embedding;
mod hypad;
mod pdn;
pub mod weights;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use config::{Distance, FeatureScale, HypAdConfig, Margin, Projection};
pub use conv::{ConvGrads, ModelBackend};
pub use embedding::Embedding;
pub use hypad::{Features, HypAd, Student, Teacher};
pub use pdn::{Pdn, PdnConfig, PdnSize};
