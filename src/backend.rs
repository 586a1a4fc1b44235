//! GPU backends without Burn's fusion.
//!
//! Burn's own names, such as `burn::backend::Cuda`, mean a backend with fusion as soon as any crate of the
//! program turns Burn's default features on. Fusion computes wrong results in 0.21
//! ([tracel-ai/burn#5122](https://github.com/tracel-ai/burn/issues/5122)), and hypad does not run on it.
//!
//! Other runtimes of CubeCL (feature `cube`, with `burn/metal`, `burn/webgpu`, `burn/rocm` or `burn/cpu`) are
//! [`CubeBackend`]s as well.

pub use burn_cubecl::CubeBackend;
#[cfg(any(feature = "cuda", feature = "vulkan"))]
use burn_cubecl::cubecl;

/// NVIDIA GPUs.
#[cfg(feature = "cuda")]
pub type Cuda<F = f32, I = i32> = CubeBackend<cubecl::cuda::CudaRuntime, F, I, u8>;

/// GPUs of any maker, through Vulkan.
#[cfg(feature = "vulkan")]
pub type Vulkan<F = f32, I = i32> = CubeBackend<cubecl::wgpu::WgpuRuntime, F, I, u8>;
