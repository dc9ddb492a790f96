//! Where CubeCL keeps compiled kernels and tuning results between processes.

use std::path::Path;

/// Has CubeCL keep compiled kernels and tuning results in a database in `folder`, for every device except the CPU.
///
/// CubeCL reads its settings once, so the call must precede the first use of a device; returns whether it did. A
/// `cubecl.toml` above the current folder keeps its other settings, its folder included, and the variables of CubeCL
/// still apply: `CUBECL_ENVIRONMENT` names the database. If the folder cannot be written, CubeCL keeps the results in
/// memory.
///
/// Without a GPU backend in the build, nothing happens.
#[cfg(feature = "cube")]
pub fn keep_kernels(folder: &Path) -> bool {
    use cubecl::config::cache::CacheConfig;
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    // The default is `target/environment` of the Rust project around the current folder.
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Directory(folder.to_owned());
    }
    // Tuning results are kept by default, compiled kernels are not.
    config.compilation.cache = true;
    CubeClRuntimeConfig::try_set(config)
}

/// Without a GPU backend in the build, nothing happens.
#[cfg(not(feature = "cube"))]
pub fn keep_kernels(_folder: &Path) -> bool {
    true
}
