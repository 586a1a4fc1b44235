//! Hyperbolic geometry.
pub mod error;
pub mod geometry;
pub mod metrics;
pub use error::{Error, Result};
