//! What the sandbox enforces on this machine, in words for a report.

use serde::{Deserialize, Serialize};

use crate::Limits;

/// The kind of isolation, with each property as enforced or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Short name of the level.
    pub level: String,
    /// In a reading order; those not enforced stand at the end.
    pub properties: Vec<Property>,
}

/// One thing a sandbox may or may not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Such as "CPU time of a process at most 10 s".
    pub name: String,
    /// Whether it holds on this machine for this user.
    pub enforced: bool,
}

impl Description {
    pub(crate) fn of_this_machine(limits: &Limits) -> Self {
        // Root is exempt from the process limit and may raise the others again.
        let is_root = rustix::process::geteuid().is_root();
        let property = |name: String, enforced: bool| Property { name, enforced };
        let mut properties = vec![
            property(
                format!("CPU time of a process at most {} s", limits.cpu_s),
                true,
            ),
            property(
                format!("run at most {} s on the clock", limits.wall_s),
                true,
            ),
            property(
                format!("address space at most {} MiB", limits.memory_bytes >> 20),
                true,
            ),
            property(
                format!("output at most {} KiB", limits.output_bytes >> 10),
                true,
            ),
            property(
                format!("written file at most {} MiB", limits.file_bytes >> 20),
                true,
            ),
            property(format!("open files at most {}", limits.open_files), true),
            property("environment and standard input empty".into(), true),
            property("processes of its session killed at its end".into(), true),
            property(
                "no gain of privileges by exec".into(),
                cfg!(target_os = "linux"),
            ),
            property(
                format!("processes at most {} more", limits.processes),
                !is_root,
            ),
            property("limits cannot be raised again".into(), !is_root),
        ];
        properties.extend(
            [
                "processes that leave the session are killed",
                "files outside the working folder cannot be read",
                "files outside the working folder cannot be written",
                "no network",
                "processes outside cannot be signalled",
                "tests run apart from the program, so that a verdict cannot be forged",
            ]
            .map(|name| property(name.into(), false)),
        );
        properties.sort_by_key(|property| !property.enforced);
        Self {
            level: "C (resource limits only, no security boundary)".into(),
            properties,
        }
    }
}
