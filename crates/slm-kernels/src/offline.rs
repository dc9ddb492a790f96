//! Kernels with the settings of their launch on a GPU, for compiling them to PTX on a machine without one.

use std::sync::Arc;

use cubecl::ir::features::Features;
use cubecl::ir::{
    DeviceIdentity, DeviceProperties, ElemType, FloatKind, HardwareProperties,
    MemoryDeviceProperties, TargetProperties,
};
use cubecl::prelude::*;
use cubecl::profile::TimingMethod;

/// Units of a plane on NVIDIA's GPUs.
const PLANE: u32 = 32;

pub(crate) const BF16: ElemType = ElemType::Float(FloatKind::BF16);
pub(crate) const F32: ElemType = ElemType::Float(FloatKind::F32);
pub(crate) const I32: ElemType = ElemType::Int(cubecl::ir::IntKind::I32);

/// A kernel with the settings of its launch on a GPU.
pub struct OfflineKernel {
    /// Name of the function that launches it.
    pub name: &'static str,
    /// What a compiler takes.
    pub kernel: Box<dyn CubeKernel>,
    /// Whether it loads vectors of 16 bytes.
    pub wide_loads: bool,
    /// Whether it multiplies on tensor cores.
    pub tensor_cores: bool,
}

impl OfflineKernel {
    pub(crate) fn new(name: &'static str, kernel: impl CubeKernel) -> Self {
        Self {
            name,
            kernel: Box::new(kernel),
            wide_loads: true,
            tensor_cores: false,
        }
    }

    /// The same, of a kernel that loads single values or none.
    pub(crate) fn with_narrow_loads(self) -> Self {
        Self {
            wide_loads: false,
            ..self
        }
    }
}

/// Properties of a GPU of NVIDIA from Ampere on, as far as kernels read them.
pub fn device() -> Arc<DeviceProperties> {
    let hardware = HardwareProperties {
        load_width: 128,
        vector_register_count: None,
        plane_size_min: PLANE,
        plane_size_max: PLANE,
        max_bindings: 32,
        max_shared_memory_size: 99 * 1024,
        max_cube_count: (i32::MAX as u32, u16::MAX as u32, u16::MAX as u32),
        max_units_per_cube: 1024,
        max_cube_dim: (1024, 1024, 64),
        num_streaming_multiprocessors: None,
        num_tensor_cores: None,
        min_tensor_cores_dim: None,
        num_cpu_cores: None,
        last_level_cache_size: None,
        max_vector_size: VectorSize::MAX,
        cube_mma_reserved_shared_memory: 0,
    };
    Arc::new(DeviceProperties::new(
        Features::default(),
        MemoryDeviceProperties::new(u64::MAX, 256),
        hardware,
        TimingMethod::Device,
        DeviceIdentity {
            name: "offline".to_string(),
            fingerprint: "offline".to_string(),
            physical: None,
        },
    ))
}

/// Settings of a launch with `units` units a cube, with checks of bounds and indices of 32 bits.
pub fn settings(units: u32) -> KernelSettings {
    KernelSettings::new(
        *CubeDim::new_1d(units),
        ExecutionMode::Checked,
        AddressType::U32,
    )
}

/// Properties of the compiler's target.
pub fn target() -> Arc<TargetProperties> {
    Arc::new(TargetProperties::default())
}

/// A separate buffer.
pub fn buffer() -> BufferCompilationArg {
    BufferCompilationArg { inplace: None }
}

/// A buffer that is the argument at `position`.
pub fn in_place(position: usize) -> BufferCompilationArg {
    BufferCompilationArg {
        inplace: Some(position),
    }
}
