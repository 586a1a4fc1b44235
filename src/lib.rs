//! Hyperbolic geometry and image anomaly detection on Burn.
//!
//! Layers, each usable without those above; dependencies point one way:
//!
//! - [`geometry`]: the Poincaré ball on Burn tensors, differentiable and generic over the backend.
//! - [`metrics`]: ranking and region metrics on plain slices.
//! - Anomaly detection (feature `anomaly`, on by default): `data`, `features`, `training`, `methods`,
//!   `detect` and `report`; the method is HypAD, Hyperbolic Anomaly Detection (Li, Chen, Xu, Hu, CVPR
//!   2024).
//!
//! With `default-features = false` only the first two are built, with no image, data set or
//! command-line dependency.
//!
//! Warnings go to the `log` crate, or to stderr in a program without a logger.

#![warn(missing_debug_implementations, missing_docs)]

#[cfg(feature = "cube")]
pub mod backend;
pub mod error;
pub mod geometry;
pub mod metrics;

#[cfg(feature = "anomaly")]
pub mod data;
#[cfg(feature = "anomaly")]
pub mod detect;
#[cfg(feature = "anomaly")]
pub mod features;
#[cfg(feature = "anomaly")]
pub mod files;
#[cfg(feature = "anomaly")]
pub mod methods;
#[cfg(feature = "anomaly")]
pub mod progress;
#[cfg(feature = "anomaly")]
pub mod report;
#[cfg(feature = "anomaly")]
pub mod run;
#[cfg(feature = "anomaly")]
mod score_map;
#[cfg(feature = "anomaly")]
mod size;
#[cfg(feature = "anomaly")]
mod trainer;
#[cfg(feature = "anomaly")]
pub mod training;
#[cfg(feature = "anomaly")]
mod warning;

pub use ::burn;
#[cfg(feature = "anomaly")]
pub use ::image;
#[cfg(feature = "anomaly")]
pub use detect::{Detection, Detector};
pub use error::{Error, Result};
#[cfg(feature = "anomaly")]
pub use methods::hypad::{HypAdConfig, TrainConfig};
#[cfg(feature = "anomaly")]
pub use trainer::{Progress, Trained, Trainer};
#[cfg(feature = "anomaly")]
pub use {score_map::ScoreMap, size::ImageSize};

/// The programs in the README compile and run as they stand.
#[cfg(all(doctest, feature = "anomaly"))]
#[doc = include_str!("../README.md")]
struct Readme;
