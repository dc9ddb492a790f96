//! The device of tensors, chosen at start and not at build time.

mod kernel_cache;
mod nvidia;

use std::fmt;
use std::str::FromStr;

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device};

pub use kernel_cache::keep_kernels;
pub use nvidia::{
    DeviceMemory, NvidiaGpu, device_memory, nvidia_gpu, nvidia_smi_hangs, set_visible_gpus,
};

/// The oldest NVIDIA driver, by its major version, that the program is written for.
pub const OLDEST_DRIVER: u32 = 550;

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
    /// `CubeCL`'s CPU runtime, on which the code of GPUs runs: for tests, and listed nowhere.
    CubeCpu,
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
    #[error("no {device} device found: {reason}\nhint: {hint}, or use --device cpu")]
    NotFound {
        /// The device.
        device: DeviceChoice,
        /// What was found instead.
        reason: String,
        /// What to do.
        hint: String,
    },
}

impl DeviceError {
    /// Builds the error for a device that is not among the `found` devices of its backend.
    #[cfg(any(feature = "cuda", feature = "vulkan", feature = "wgpu"))]
    fn not_found(device: DeviceChoice, found: usize, driver: Option<&str>) -> Self {
        let (reason, hint) = match (device, found, driver) {
            (DeviceChoice::Cuda(_), 0, None) => (
                "there is no NVIDIA driver, or it lists no GPU".to_owned(),
                format!(
                    "install an NVIDIA driver, {OLDEST_DRIVER} or newer; nvidia-smi lists its GPUs"
                ),
            ),
            (DeviceChoice::Cuda(_), 0, Some(driver)) => (
                format!("the NVIDIA driver {driver} has a GPU, but CUDA cannot open it"),
                format!(
                    "update the driver to {OLDEST_DRIVER} or newer, and check CUDA_VISIBLE_DEVICES"
                ),
            ),
            (DeviceChoice::Cuda(_), 1, _) => (
                "there is only cuda:0".to_owned(),
                "nvidia-smi lists the GPUs".to_owned(),
            ),
            (DeviceChoice::Cuda(_), n, _) => (
                format!("there are {n}, cuda:0 to cuda:{}", n - 1),
                "nvidia-smi lists the GPUs".to_owned(),
            ),
            _ => (
                "its driver lists none".to_owned(),
                "check the driver".to_owned(),
            ),
        };
        Self::NotFound {
            device,
            reason,
            hint,
        }
    }
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
            #[cfg(feature = "cube-cpu")]
            "cube-cpu" => Ok(Self::CubeCpu),
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
            Self::CubeCpu => f.write_str("cube-cpu"),
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
            Self::Auto => Self::Cuda(0).open().or_else(|_| Self::open_without_cuda()),
            Self::Cpu => Ok((self, Device::flex())),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => self.first_of(burn::tensor::DeviceType::Cuda, index),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => self.first_of(burn::tensor::DeviceType::Vulkan, 0),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => self.first_of(burn::tensor::DeviceType::Wgpu, 0),
            #[cfg(feature = "cube-cpu")]
            Self::CubeCpu => Ok((self, Device::cpu())),
            #[cfg(not(feature = "cube-cpu"))]
            Self::CubeCpu => Err(DeviceError::NotBuilt("cube-cpu")),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => Err(DeviceError::NotBuilt("cuda")),
            #[cfg(not(feature = "vulkan"))]
            Self::Vulkan => Err(DeviceError::NotBuilt("vulkan")),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err(DeviceError::NotBuilt("wgpu")),
        }
    }

    /// Opens the device that `auto` takes where CUDA cannot be used.
    ///
    /// # Errors
    /// None: the CPU is part of every build.
    pub fn open_without_cuda() -> Result<(Self, Device), DeviceError> {
        let mut gpus = [Self::Vulkan, Self::Wgpu].into_iter();
        gpus.find_map(|choice| choice.open().ok())
            .map_or_else(|| Self::Cpu.open(), Ok)
    }

    /// Returns the device with this index, if the driver can list it. Some backends panic when the driver is
    /// missing.
    #[cfg(any(feature = "cuda", feature = "vulkan", feature = "wgpu"))]
    fn first_of(
        self,
        kind: burn::tensor::DeviceType,
        index: usize,
    ) -> Result<(Self, Device), DeviceError> {
        let devices = std::panic::catch_unwind(|| Device::enumerate(kind).into_vec());
        let devices = devices.unwrap_or_default();
        let found = devices.len();
        let device = devices.into_iter().nth(index);
        device.map(|device| (self, device)).ok_or_else(|| {
            let gpu = matches!(self, Self::Cuda(_))
                .then(|| nvidia_gpu(0))
                .flatten();
            DeviceError::not_found(self, found, gpu.as_ref().map(|gpu| gpu.driver.as_str()))
        })
    }
}

/// Whether tensors of this device are in the CPU's memory, accessible to this crate's kernels.
pub(crate) fn is_cpu(device: &Device) -> bool {
    matches!(
        device.clone().inner().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

/// The compute capability from which NVIDIA GPUs compute in bf16, times 10.
const BF16_FROM: u32 = 80;

/// Whether a device computes in bf16.
///
/// CubeCL lists bf16 for every NVIDIA GPU; below compute capability 8.0 it has no instructions for it.
pub fn computes_in_bf16(device: &Device) -> bool {
    let listed = device.supports_dtype(DType::BF16);
    listed && compute_capability(device).is_none_or(|found| found >= BF16_FROM)
}

/// Returns the compute capability of an NVIDIA GPU under CUDA, times 10: 75 for 7.5. `None` for other devices.
#[cfg(feature = "cube")]
pub fn compute_capability(device: &Device) -> Option<u32> {
    capability_of(&device.clone().inner().identity()?.fingerprint)
}

/// Without a GPU backend in the build, no device has one.
#[cfg(not(feature = "cube"))]
pub fn compute_capability(_device: &Device) -> Option<u32> {
    None
}

/// Parses CubeCL's fingerprint of a CUDA device, such as `ptx_sm89`.
#[cfg(any(test, feature = "cube"))]
fn capability_of(fingerprint: &str) -> Option<u32> {
    fingerprint.strip_prefix("ptx_sm")?.parse().ok()
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

    #[cfg(any(feature = "cuda", feature = "vulkan", feature = "wgpu"))]
    #[test]
    fn a_missing_device_names_what_was_found() {
        let check = |device, found, driver, part: &str| {
            let text = DeviceError::not_found(device, found, driver).to_string();
            assert!(
                text.starts_with(&format!("no {device} device found: ")),
                "{text}"
            );
            assert!(text.contains(part), "{text}");
        };
        check(
            DeviceChoice::Cuda(0),
            0,
            None,
            "hint: install an NVIDIA driver, 550 or newer",
        );
        check(
            DeviceChoice::Cuda(0),
            0,
            Some("470.82.01"),
            "the NVIDIA driver 470.82.01 has a GPU",
        );
        check(DeviceChoice::Cuda(1), 1, None, "there is only cuda:0");
        check(
            DeviceChoice::Cuda(5),
            2,
            None,
            "there are 2, cuda:0 to cuda:1",
        );
        check(DeviceChoice::Vulkan, 0, None, "its driver lists none");
    }

    #[test]
    fn the_compute_capability_is_read_from_the_fingerprint() {
        assert_eq!(capability_of("ptx_sm75"), Some(75));
        assert_eq!(capability_of("ptx_sm120"), Some(120));
        assert_eq!(capability_of("vulkan"), None);
    }

    #[test]
    fn the_cpu_is_always_there() {
        let (choice, device) = DeviceChoice::Cpu.open().expect("the CPU");
        assert_eq!(choice, DeviceChoice::Cpu);
        assert!(is_cpu(&device) && is_cpu(&device.autodiff()));
    }

    #[cfg(feature = "cube-cpu")]
    #[test]
    fn the_cpu_runtime_of_cubecl_is_open_to_tests_and_listed_nowhere() {
        let choice: DeviceChoice = "cube-cpu".parse().expect("a hidden name");
        let (_, device) = choice.open().expect("a CPU");
        assert!(!is_cpu(&device) && !is_cpu(&device.autodiff()));
        assert!(DeviceChoice::built_in().all(|name| name != "cube-cpu"));
    }
}
