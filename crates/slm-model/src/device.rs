//! Where tensors live: chosen when a program starts, not when it is built.

use std::fmt;
use std::str::FromStr;

use burn::backend::DispatchDevice;
use burn::tensor::Device;

/// What `--device` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best that this build and this machine have: CUDA, then Vulkan, then wgpu, then the CPU.
    #[default]
    Auto,
    /// The CPU, by burn's flex backend.
    Cpu,
    /// Any GPU, by wgpu.
    Wgpu,
    /// Any GPU with a Vulkan driver.
    Vulkan,
    /// The NVIDIA GPU of this index.
    Cuda(usize),
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Not one of the names.
    #[error("unknown device `{0}`\nhint: one of auto, cpu, wgpu, vulkan, cuda, cuda:N")]
    Unknown(String),
    /// The program was built without this backend.
    #[error(
        "this build has no `{0}` backend\nhint: build with `--features {0}`, or use --device cpu"
    )]
    NotBuilt(&'static str),
    /// The backend finds no such device.
    #[error("no {0} device found\nhint: check the driver, or use --device cpu")]
    NotFound(DeviceChoice),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "wgpu" => Ok(Self::Wgpu),
            "vulkan" => Ok(Self::Vulkan),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu => f.write_str("wgpu"),
            Self::Vulkan => f.write_str("vulkan"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// The names of the devices that this build can open, the CPU first.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        let devices = [
            ("cpu", true),
            ("cuda", cfg!(feature = "cuda")),
            ("wgpu", cfg!(feature = "wgpu")),
            ("vulkan", cfg!(feature = "vulkan")),
        ];
        devices
            .into_iter()
            .filter_map(|(name, is_built)| is_built.then_some(name))
    }

    /// Opens the device, with the choice that was made where `auto` was asked for.
    ///
    /// # Errors
    /// The backend is not part of this build, or finds no such device.
    pub fn open(self) -> Result<(Self, Device), DeviceError> {
        match self {
            Self::Auto => [Self::Cuda(0), Self::Vulkan, Self::Wgpu]
                .into_iter()
                .find_map(|choice| choice.open().ok())
                .map_or_else(|| Self::Cpu.open(), Ok),
            Self::Cpu => Ok((self, Device::flex())),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => self.first_of(burn::tensor::DeviceType::Cuda, index),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => self.first_of(burn::tensor::DeviceType::Vulkan, 0),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => self.first_of(burn::tensor::DeviceType::Wgpu, 0),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => Err(DeviceError::NotBuilt("cuda")),
            #[cfg(not(feature = "vulkan"))]
            Self::Vulkan => Err(DeviceError::NotBuilt("vulkan")),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err(DeviceError::NotBuilt("wgpu")),
        }
    }

    /// The device of this index, if the driver can list it. A missing driver makes some backends
    /// panic while they look.
    #[cfg(any(feature = "cuda", feature = "vulkan", feature = "wgpu"))]
    fn first_of(
        self,
        kind: burn::tensor::DeviceType,
        index: usize,
    ) -> Result<(Self, Device), DeviceError> {
        std::panic::catch_unwind(|| Device::enumerate(kind).into_vec())
            .ok()
            .and_then(|devices| devices.into_iter().nth(index))
            .map(|device| (self, device))
            .ok_or(DeviceError::NotFound(self))
    }
}

/// Whether tensors of this device lie in the CPU's memory, where our kernels can reach them.
pub(crate) fn is_cpu(device: &Device) -> bool {
    matches!(
        device.clone().inner().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

/// Bytes that a device's allocator has taken from it and not given back, where the device says: from step to step that
/// is the most that was needed at once.
///
/// A CPU does not say; there the process's own memory is what counts.
pub fn memory_bytes(device: &Device) -> Option<u64> {
    let usage = device.clone().inner().memory_pool_usage()?;
    Some(usage.bytes_reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["auto", "cpu", "wgpu", "vulkan", "cuda:0", "cuda:3"] {
            assert_eq!(
                name.parse::<DeviceChoice>()
                    .map(|choice| choice.to_string())
                    .as_deref(),
                Ok(name)
            );
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "gpu".parse::<DeviceChoice>().expect_err("no such device");
        assert!(error.to_string().contains("one of auto, cpu"));
        assert!("cuda:x".parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn the_cpu_is_always_there() {
        let (choice, device) = DeviceChoice::Cpu.open().expect("the CPU");
        assert_eq!(choice, DeviceChoice::Cpu);
        assert!(is_cpu(&device) && is_cpu(&device.autodiff()));
    }
}
