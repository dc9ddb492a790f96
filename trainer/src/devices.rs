//! `trainer devices`: the devices that this build can use on this machine.

use slm_cli::bytes_text;
use slm_model::{DeviceChoice, NvidiaGpu, nvidia_gpu};

/// Prints a line for each backend.
pub(crate) fn run() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    slm_cli::result(&format!("cpu      {threads} threads"));
    for (name, first) in [
        ("cuda", DeviceChoice::Cuda(0)),
        ("vulkan", DeviceChoice::Vulkan),
        ("wgpu", DeviceChoice::Wgpu),
    ] {
        let state = match first.open() {
            Err(error) => error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            Ok(_) if name == "cuda" => {
                let indices = (0..).take_while(|&index| DeviceChoice::Cuda(index).open().is_ok());
                let names: Vec<String> = indices.map(cuda_text).collect();
                names.join(", ")
            }
            Ok(_) => "found".to_owned(),
        };
        slm_cli::result(&format!("{name:8} {state}"));
    }
    if let Ok((choice, _)) = DeviceChoice::Auto.open() {
        slm_cli::result(&format!("auto     {choice}"));
    }
}

fn cuda_text(index: usize) -> String {
    nvidia_gpu(index).map_or_else(
        || format!("cuda:{index}"),
        |gpu| format!("cuda:{index} ({})", gpu_text(&gpu)),
    )
}

/// Describes a GPU: its name, memory and driver.
pub(crate) fn gpu_text(gpu: &NvidiaGpu) -> String {
    let memory = gpu.memory.map_or_else(
        || "memory unknown".to_owned(),
        |memory| {
            let (free, total) = (bytes_text(memory.free), bytes_text(memory.total));
            format!("{free} of {total} free")
        },
    );
    format!("{}, {memory}, driver {}", gpu.name, gpu.driver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_model::DeviceMemory;

    #[test]
    fn a_gpu_is_described_by_name_memory_and_driver() {
        let mut gpu = NvidiaGpu {
            index: 0,
            uuid: "GPU-1".to_owned(),
            name: "NVIDIA GeForce RTX 4090".to_owned(),
            driver: "550.54.14".to_owned(),
            memory: Some(DeviceMemory {
                total: 24 << 30,
                free: 20 << 30,
            }),
            compute_capability: Some((8, 9)),
        };
        let memory = format!("{} of {} free", bytes_text(20 << 30), bytes_text(24 << 30));
        let expected = format!("NVIDIA GeForce RTX 4090, {memory}, driver 550.54.14");
        assert_eq!(gpu_text(&gpu), expected);
        gpu.memory = None;
        assert!(gpu_text(&gpu).contains("memory unknown"));
    }
}
