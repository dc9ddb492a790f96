//! The kernels as a GPU runs them.

use std::sync::Arc;

use cubecl::CubeKernel;
use cubecl::ir::features::MmaConfig;
use cubecl::ir::{DeviceProperties, ElemType};

use super::layout::{EDGE, Layout};
use super::{Shape, Tiles, backward, forward};
use crate::offline::{BF16, F32, OfflineKernel, buffer, device, settings, target};

/// Lists the kernels with tensor cores for heads of 64 and 128 values, and the plain ones in single precision.
pub(crate) fn offline() -> Vec<OfflineKernel> {
    let names = [
        [
            "flash, 64 values",
            "flash of queries, 64 values",
            "flash of keys and values, 64 values",
        ],
        [
            "flash, 128 values",
            "flash of queries, 128 values",
            "flash of keys and values, 128 values",
        ],
        [
            "flash, plain",
            "flash of queries, plain",
            "flash of keys and values, plain",
        ],
    ];
    let [narrow, wide, plain] = names;
    let mut kernels = of(narrow, (14, 2, 64), Tiles::TensorCores, BF16);
    kernels.extend(of(wide, (12, 2, 128), Tiles::TensorCores, BF16));
    kernels.extend(of(plain, (12, 2, 128), Tiles::Plain, F32));
    kernels
}

/// A GPU of NVIDIA with tensor cores.
fn properties() -> Arc<DeviceProperties> {
    let mut properties = DeviceProperties::clone(&device());
    properties.features.matmul.cmma.insert(MmaConfig {
        a_type: BF16,
        b_type: BF16,
        cd_type: F32,
        m: EDGE as u32,
        n: EDGE as u32,
        k: EDGE as u32,
    });
    Arc::new(properties)
}

/// A kernel that multiplies on tensor cores if its layout does.
fn entry(name: &'static str, kernel: impl CubeKernel, layout: Layout) -> OfflineKernel {
    OfflineKernel {
        tensor_cores: layout.tensor_cores,
        ..OfflineKernel::new(name, kernel)
    }
}

fn of(
    names: [&'static str; 3],
    (heads, key_value_heads, dim): (usize, usize, usize),
    tiles: Tiles,
    kind: ElemType,
) -> Vec<OfflineKernel> {
    let shape = Shape {
        batch: 1,
        length: 2048,
        heads,
        key_value_heads,
        dim,
    };
    let device = properties();
    let Some(layout) = Layout::choose(tiles, &shape, kind, &device) else {
        return Vec::new();
    };
    let wide_settings = settings(layout.for_keys_and_values().units as u32);
    let settings = settings(layout.units as u32);
    let [forward, of_queries, of_keys_and_values] = names;
    vec![
        entry(
            forward,
            forward::forward_kernel::ForwardKernel::new(
                settings.clone(),
                device.clone(),
                target(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                (),
                layout.vector,
                layout,
                kind,
            ),
            layout,
        ),
        entry(
            of_queries,
            backward::query_gradient_kernel::QueryGradientKernel::new(
                settings.clone(),
                device.clone(),
                target(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                (),
                layout.vector,
                layout,
                kind,
            ),
            layout,
        ),
        entry(
            of_keys_and_values,
            backward::key_value_gradient_kernel::KeyValueGradientKernel::new(
                wide_settings,
                device,
                target(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                buffer(),
                (),
                layout.vector,
                layout.for_keys_and_values(),
                kind,
            ),
            layout,
        ),
    ]
}
