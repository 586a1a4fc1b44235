//! Ranking and region metrics on plain slices: numbers in, numbers out. No tensors, no images.
//!
//! [`Ranking`] is for samples with a score each, such as images. [`PixelRanking`] is for the pixels
//! of many images and their regions; it is made without keeping the pixels ([`AnomalousPixels`] says
//! how). Both hold counts, from which every metric, curve and threshold is taken.
//!
//! # Conventions
//!
//! - A higher score is more anomalous; `true`, or a mask value other than 0, is anomalous. The
//!   prediction at threshold t is score ≥ t, and equal scores always enter together (−0.0 equals
//!   0.0).
//! - Counts are integers; floating point comes in at the last division.
//! - What the data leaves undefined is [`Error::Undefined`](crate::Error), never a number: all
//!   ranking metrics with samples of one class only. NaN is an error; infinite scores are ordered
//!   like any other.
//! - Regions are 8-connected, as in the official MVTec AD evaluation, unless told otherwise.

mod curve;
mod levels;
mod pimo;
mod pixels;
mod pr;
mod pro;
mod ranking;
mod regions;
mod roc;
mod spro;
mod sum;
mod threshold;

pub use curve::Curve;
pub use pimo::{Aupimo, ImageOverlap};
pub use pixels::{AnomalousPixels, MaskPixel, NormalPixels, PixelImage, PixelMetrics, Region};
pub use pr::{BestThreshold, average_precision};
pub use pro::{Aupro, PixelRanking};
pub use ranking::{CountsAt, Ranking, ThresholdStep};
pub use regions::Connectivity;
#[cfg(feature = "anomaly")]
pub(crate) use regions::regions;
pub use roc::auroc;
pub use spro::{DefectChannel, SaturatedPro, Saturation};
pub use threshold::{conformal_threshold, fpr_threshold, quantile, sigma_threshold};
