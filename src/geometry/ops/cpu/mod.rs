//! Kernels for the backends whose tensors lie in the memory of the CPU.

mod host;
mod kernels;
mod lane;
mod pairwise;
mod vectors;
