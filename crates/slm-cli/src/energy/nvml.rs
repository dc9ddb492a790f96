//! Energy of an NVIDIA GPU by NVML, the library of its driver, which is loaded at run time.
//!
//! Only GPUs from Volta on count their energy. Of the others it stays unknown: their power, read every few seconds while it
//! changes within milliseconds, gives no sum with a known error.
//!
//! # Source
//! `nvmlDeviceGetTotalEnergyConsumption` of NVML: millijoules since the driver was loaded.

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::counter::{Counter, Scale, Source};

const SCALE: Scale = Scale {
    joules_per_unit: 1e-3,
    largest: None,
    // The largest are specified for 1200 W.
    most_watts: 3000.0,
};

/// A GPU by its permanent name.
struct Gpu {
    nvml: Nvml,
    uuid: String,
}

impl Source for Gpu {
    fn read(&mut self) -> Result<u64, String> {
        let gpu = self.nvml.device_by_uuid(self.uuid.as_str());
        gpu.and_then(|gpu| gpu.total_energy_consumption())
            .map_err(|error| reason(&error))
    }
}

/// Returns the counter of the GPU behind `cuda:index`.
///
/// # Errors
/// It is unclear which GPU that is, or the library is missing.
pub(super) fn gpu(index: usize) -> Result<Counter, String> {
    let gpu = slm_model::nvidia_gpu(index)
        .ok_or("it is unclear which of the GPUs that nvidia-smi lists computes")?;
    let nvml = Nvml::init().map_err(|error| reason(&error))?;
    Ok(counter(Box::new(Gpu {
        nvml,
        uuid: gpu.uuid,
    })))
}

fn counter(source: Box<dyn Source>) -> Counter {
    Counter::new(source, SCALE)
}

fn reason(error: &NvmlError) -> String {
    match error {
        NvmlError::NotSupported => {
            "the GPU has no counter of energy, as those before Volta".to_owned()
        }
        error => format!("NVML cannot read the GPU's energy: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(Vec<Result<u64, NvmlError>>);

    impl Source for Fake {
        fn read(&mut self) -> Result<u64, String> {
            self.0.remove(0).map_err(|error| reason(&error))
        }
    }

    #[test]
    fn millijoules_are_counted_and_a_gpu_that_is_lost_is_named() {
        let values = vec![Ok(1_000_000), Ok(4_500_000), Err(NvmlError::GpuLost)];
        let mut counter = counter(Box::new(Fake(values)));
        assert_eq!(counter.advance(10.0), Ok(3500.0));
        let lost = counter.advance(10.0).expect_err("lost");
        assert!(
            lost.starts_with("NVML cannot read the GPU's energy: "),
            "{lost}"
        );
    }

    #[test]
    fn a_gpu_without_a_counter_stays_unknown() {
        let values = vec![Err(NvmlError::NotSupported), Err(NvmlError::NotSupported)];
        let mut counter = counter(Box::new(Fake(values)));
        let reason = counter.advance(10.0).expect_err("none");
        assert_eq!(
            reason,
            "the GPU has no counter of energy, as those before Volta"
        );
    }
}
