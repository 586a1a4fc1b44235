//! Anomaly detection methods, a folder each.

pub mod hypad;
