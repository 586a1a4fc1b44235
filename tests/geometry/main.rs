//! The geometry on Flex, and on NdArray with feature `ndarray`: cases computed at 60 digits, the identities of the
//! field, gradients where formulas are singular and against differences, shapes, curvature.

mod broken;
#[cfg(any(feature = "candle", feature = "router", feature = "tch"))]
mod burns_operations;
mod cases;
mod common;
mod curvature;
mod distribution;
#[cfg(any(feature = "cuda", feature = "vulkan"))]
mod gpu;
mod gradients;
mod identities;
mod layers;
mod means;
mod models;
mod optimisers;
mod pairwise;
mod shapes;
mod table;
