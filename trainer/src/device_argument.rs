//! The argument `--device`.

use clap::Args;
use slm_model::DeviceChoice;

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DeviceArgument {
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
}
