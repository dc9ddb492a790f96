//! The output of `--version`.

use std::sync::LazyLock;

use slm_model::DeviceChoice;

/// Returns the version with the commit and the devices of the build: `0.2.0 (commit abc1234, devices: cpu)`.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let devices: Vec<&str> = DeviceChoice::built_in().collect();
        text(option_env!("SLM_COMMIT"), &devices)
    });
    &VERSION
}

fn text(commit: Option<&str>, devices: &[&str]) -> String {
    format!(
        "{} (commit {}, devices: {})",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or("unknown"),
        devices.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_commit_and_devices() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text(Some("abc1234"), &["cpu", "cuda"]),
            format!("{version} (commit abc1234, devices: cpu, cuda)")
        );
        assert_eq!(
            text(None, &["cpu"]),
            format!("{version} (commit unknown, devices: cpu)")
        );
    }
}
