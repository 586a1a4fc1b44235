//! Kernels for the backends whose tensors lie in the memory of the CPU.

mod host;
mod kernels;
mod pairwise;
mod simd_float;
mod vectors;
mod weighted_differences;

#[cfg(all(feature = "flex", feature = "anomaly"))]
pub(crate) use vectors::vectorised;
