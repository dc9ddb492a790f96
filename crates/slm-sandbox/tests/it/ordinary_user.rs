//! Repeats the hostile programs as an ordinary user if the tests themselves run as root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// `nobody`.
const USER: u32 = 65_534;

/// A Python that every user can read.
const PYTHON: &str = "/usr/bin/python3";

/// Writes past the capture of a test's output, so that it is visible.
fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn hostile_programs_are_held_for_an_ordinary_user_too() {
    if !rustix::process::geteuid().is_root() {
        return tell("skipped: only root can become an ordinary user; the other tests ran as one");
    }
    if !Path::new(PYTHON).exists() {
        assert!(
            std::env::var_os("REQUIRE_SANDBOX").is_none(),
            "REQUIRE_SANDBOX is set, but there is no {PYTHON}"
        );
        return tell(&format!(
            "skipped: hostile programs as an ordinary user: no {PYTHON}"
        ));
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
    let tests = std::env::current_exe().expect("this program");
    // Test programs are one folder deeper than the programs they are built with.
    let helper = tests
        .ancestors()
        .nth(2)
        .expect("a folder")
        .join("sandbox-helper");
    let own_tests = folder.path().join("tests");
    for (from, to) in [
        (&tests, &own_tests),
        (&helper, &folder.path().join("sandbox-helper")),
    ] {
        fs::copy(from, to).expect("room for a copy");
        fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let mut command = Command::new(&own_tests);
    command
        .args(["hostile", "--skip", "ordinary_user"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PYTHON", PYTHON)
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path())
        .env("USER", "nobody")
        .current_dir(folder.path())
        .uid(USER)
        .gid(USER)
        .stdin(Stdio::null());
    if let Some(required) = std::env::var_os("REQUIRE_SANDBOX") {
        command.env("REQUIRE_SANDBOX", required);
    }
    let output = command.output().expect("a copy of this program");
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text
        .lines()
        .rfind(|line| line.starts_with("test result"))
        .unwrap_or("no result");
    tell(&format!("as user {USER}: {result}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    errors
        .lines()
        .filter(|line| line.starts_with("skipped"))
        .for_each(tell);
    assert!(output.status.success(), "{text}\n{errors}");
}
