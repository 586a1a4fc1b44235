//! Ranking and region metrics on plain slices: numbers in, numbers out. No tensors, no images.
//!
//! # Conventions
//!
//! - A higher score is more anomalous; `true` is anomalous. The prediction at threshold t is
//!   score ≥ t, and equal scores always enter together (−0.0 equals 0.0).
//! - Counts are integers; floating point comes in at the last division.
//! - What the data leaves undefined is [`Error::Undefined`](crate::Error), never a number. NaN is
//!   an error; infinite scores are ordered like any other.
//! - Regions are 8-connected, as in the official MVTec AD evaluation.

mod pr;
mod pro;
mod ranking;
mod regions;
mod roc;
mod threshold;

pub use pr::average_precision;
pub use pro::Aupro;
pub use roc::auroc;
pub use threshold::quantile;
