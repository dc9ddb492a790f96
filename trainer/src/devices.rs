//! `trainer devices`: the devices that this build can use on this machine.

use slm_model::DeviceChoice;

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
                let names: Vec<String> = indices.map(|index| format!("cuda:{index}")).collect();
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
