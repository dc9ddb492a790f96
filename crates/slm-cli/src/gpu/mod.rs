//! Devices of the command lines: what a GPU needs before the first kernel, and what becomes of its failures.
//!
//! - `start` prepares the process, which starts again where CUDA needs it
//! - `libdevice` finds or fetches the library that CUDA kernels are linked with
//! - `watch` turns messages and panics of a GPU backend into notes and errors
//! - `failure` words them, out of memory among them

mod failure;
mod libdevice;
mod start;
mod watch;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use burn::tensor::Device;
use slm_model::{DeviceChoice, Kernels, OLDEST_DRIVER};

use crate::environment::cache_dir;
use crate::exit::UserMistake;
use crate::output::note;

pub use start::prepare_device;
pub use watch::{break_backend, check_backend, guarded};

/// What a command does with its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceUse {
    /// It asks for its properties.
    Describe,
    /// It computes on it.
    Compute,
}

/// Opens the device of a command, and watches its backend for failures.
///
/// Returns it with the choice that `auto` was resolved to.
///
/// # Errors
/// The build lacks the backend, there is no such device, or its kernels cannot be compiled.
pub fn open_device(choice: DeviceChoice) -> Result<(DeviceChoice, Device)> {
    let (choice, device) = open_device_unwatched(choice)?;
    if choice != DeviceChoice::Cpu {
        watch::start(choice);
    }
    Ok((choice, device))
}

/// As [`open_device`], for a command that catches the panics of the backend itself.
///
/// # Errors
/// As [`open_device`].
pub fn open_device_unwatched(choice: DeviceChoice) -> Result<(DeviceChoice, Device)> {
    let opened = choice.open();
    let gpu = match &opened {
        Ok((DeviceChoice::Cuda(index), _)) => slm_model::nvidia_gpu(*index),
        _ => None,
    };
    if slm_model::nvidia_smi_hangs() {
        note(
            "warning: nvidia-smi does not answer, so that GPUs and their memory are unknown\n\
             hint: a driver that hangs may need a restart of the machine; `trainer doctor` examines a device",
        );
    }
    let opened = opened.map_err(|error| UserMistake(error.to_string()))?;
    let (choice, device) = match start::why_without_libdevice() {
        Some(problem) => without_libdevice(choice, opened, problem)?,
        None => opened,
    };
    if let DeviceChoice::Cuda(_) = choice
        && let Some(warning) = gpu.and_then(|gpu| old_driver(&gpu.driver))
    {
        note(&warning);
    }
    if choice != DeviceChoice::Cpu {
        let folder = kernel_folder();
        if let Err(error) = check_writable(&folder) {
            note(&format!(
                "warning: cannot write {}: {error}; compiled kernels and tuning results are not kept, so that every \
                 run starts some minutes later\nhint: set SLM_CACHE to a folder that can be written",
                folder.display()
            ));
        }
    }
    Ok((choice, device))
}

/// Opens another device where CUDA lacks libdevice, if the user named none.
fn without_libdevice(
    asked: DeviceChoice,
    opened: (DeviceChoice, Device),
    problem: &str,
) -> Result<(DeviceChoice, Device)> {
    if !matches!(opened.0, DeviceChoice::Cuda(_)) {
        return Ok(opened);
    }
    if asked != DeviceChoice::Auto {
        return Err(anyhow!("{problem}\nhint: --device cpu does without it"));
    }
    let other = DeviceChoice::open_without_cuda()?;
    note(&format!(
        "warning: {} is used instead of {}: {problem}",
        other.0, opened.0
    ));
    Ok(other)
}

/// Prints a warning about each fused kernel that is off, since it failed its check on this device.
///
/// The check has caught what broke the kernel, so that the command continues without it.
pub(crate) fn note_kernels(kernels: &Kernels) {
    let warnings: Vec<String> = kernels
        .off()
        .map(|(kernel, reason)| kernel_warning(kernel.name(), reason))
        .collect();
    if !warnings.is_empty() {
        watch::forgive();
    }
    for warning in warnings {
        note(&warning);
    }
}

fn kernel_warning(name: &str, reason: &str) -> String {
    format!(
        "warning: the kernel `{name}` is off: {}; slower operations replace it",
        failure::short(reason)
    )
}

/// The folder of compiled kernels and tuning results.
fn kernel_folder() -> PathBuf {
    cache_dir().join("kernels")
}

fn check_writable(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, "")?;
    fs::remove_file(&probe)
}

/// Returns a warning about a driver that is older than the oldest tried one.
fn old_driver(driver: &str) -> Option<String> {
    let major: u32 = driver.split('.').next()?.parse().ok()?;
    (major < OLDEST_DRIVER).then(|| {
        format!(
            "warning: the NVIDIA driver {driver} is older than {OLDEST_DRIVER}, the oldest that this program is \
             written for\nhint: update the driver if kernels do not load"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_driver_is_named() {
        let warning = old_driver("470.82.01").expect("a warning");
        assert!(warning.contains("470.82.01 is older than 550"), "{warning}");
        assert_eq!(old_driver("550.54.14"), None);
        assert_eq!(old_driver("580.65"), None);
        assert_eq!(old_driver("unknown"), None);
    }

    #[test]
    fn a_kernel_that_is_off_is_named_with_its_reason() {
        assert_eq!(
            kernel_warning("rotary", "it differs by 0.5"),
            "warning: the kernel `rotary` is off: it differs by 0.5; slower operations replace it"
        );
    }

    #[test]
    fn without_libdevice_auto_goes_on_to_another_device_and_a_named_one_is_refused() {
        let cuda = || (DeviceChoice::Cuda(0), Device::flex());
        let (choice, _) =
            without_libdevice(DeviceChoice::Auto, cuda(), "pip failed").expect("the CPU, at least");
        assert!(!matches!(choice, DeviceChoice::Cuda(_)), "{choice}");
        let refused = without_libdevice(DeviceChoice::Cuda(0), cuda(), "pip failed");
        let text = refused.expect_err("named").to_string();
        assert_eq!(text, "pip failed\nhint: --device cpu does without it");
        let other = (DeviceChoice::Cpu, Device::flex());
        let (choice, _) = without_libdevice(DeviceChoice::Cpu, other, "pip failed")
            .expect("it needs no libdevice");
        assert_eq!(choice, DeviceChoice::Cpu);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let kernels = folder.path().join("a/kernels");
        check_writable(&kernels).expect("writable");
        let entries = fs::read_dir(&kernels).expect("a folder").count();
        assert_eq!(entries, 0, "the probe is removed");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        assert!(check_writable(&file.join("kernels")).is_err());
    }
}
