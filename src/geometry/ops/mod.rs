//! The operations that a backend computes itself, and those that are made of them.
//!
//! `backend` is the trait, `autodiff` its implementation in a graph, `primitive` the default made
//! of Burn's primitives, `cpu` the kernels of Flex and NdArray, `cube` those of CUDA and Vulkan.
//! `curvature` is what a handle calls, `precision` the type in which the rest computes.

mod autodiff;
pub(super) mod backend;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu;
#[cfg(all(feature = "flex", feature = "anomaly"))]
pub(crate) use cpu::vectorised;
#[cfg(feature = "cube")]
mod cube;
pub(super) mod curvature;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
mod layout;
pub(super) mod precision;
pub(super) mod primitive;
