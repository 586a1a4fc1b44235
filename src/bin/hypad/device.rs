//! What computes.

use clap::ValueEnum;
use hypad::{Error, Result};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Device {
    /// The fastest that this program was built with
    Auto,
    /// The CPU
    Flex,
    /// The CPU, by the older backend
    Ndarray,
    /// An NVIDIA GPU
    Cuda,
    /// A GPU, through Vulkan
    Vulkan,
}

/// The error of a device that the program was not built with.
pub fn missing<T>(device: Device) -> Result<T> {
    Err(Error::Setting {
        name: "device",
        value: format!("{device:?}").to_lowercase(),
        rule: "one that this program was built with (cargo's --features flex, ndarray, cuda, vulkan)",
    })
}

/// Calls a function that is generic over the backend with that of a device.
macro_rules! on_device {
    ($device:expr, $function:ident($($argument:expr),*)) => {{
        use $crate::device::Device;
        match $device {
            #[cfg(feature = "cuda")]
            Device::Auto | Device::Cuda => $function::<hypad::backend::Cuda>($($argument),*),
            #[cfg(all(feature = "flex", not(feature = "cuda")))]
            Device::Auto | Device::Flex => $function::<burn::backend::Flex>($($argument),*),
            #[cfg(all(feature = "flex", feature = "cuda"))]
            Device::Flex => $function::<burn::backend::Flex>($($argument),*),
            #[cfg(feature = "vulkan")]
            Device::Vulkan => $function::<hypad::backend::Vulkan>($($argument),*),
            #[cfg(feature = "ndarray")]
            Device::Ndarray => $function::<burn::backend::NdArray>($($argument),*),
            #[allow(unreachable_patterns)]
            other => $crate::device::missing(other),
        }
    }};
}
pub(crate) use on_device;
