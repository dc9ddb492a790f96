//! The device of tensors, chosen at start and not at build time.

use std::fmt;
use std::str::FromStr;

use burn::backend::DispatchDevice;
use burn::tensor::Device;

/// A value of `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best device of this build and machine: CUDA, then Vulkan, then wgpu, then the CPU.
    #[default]
    Auto,
    /// The CPU, with burn's flex backend.
    Cpu,
    /// Any GPU, with wgpu.
    Wgpu,
    /// Any GPU with a Vulkan driver.
    Vulkan,
    /// The NVIDIA GPU with this index.
    Cuda(usize),
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Not a known name.
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
    /// The names of the devices in this build, the CPU first.
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

    /// Opens the device and returns it with the choice that `auto` was resolved to.
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

    /// Returns the device with this index, if the driver can list it. Some backends panic when the driver is
    /// missing.
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

/// Whether tensors of this device are in the CPU's memory, accessible to this crate's kernels.
pub(crate) fn is_cpu(device: &Device) -> bool {
    matches!(
        device.clone().inner().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

/// Bytes that the device's allocator has reserved and not returned, if the device reports them. Over training steps
/// this is the peak.
///
/// `None` on the CPU, where the process's memory counts.
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
