//! Kernels for the backends whose tensors lie on a GPU: CUDA and Vulkan, from one source.
//!
//! Sums over coordinates and the functions of a point are in f64, as on the CPU; a device without
//! f64 has no kernels. A vector is shared by the units of a cube, so that a tensor is read
//! once for its sums and once for what is made of them. Of f64 tensors, 1 − c‖x‖² loses digits near
//! the boundary: unlike on the CPU it is a plain sum.

mod all_pairs;
mod formulas;
mod functions;
mod host;
mod pairs;
mod pairwise;
mod points;
mod sum;
mod vectors;
