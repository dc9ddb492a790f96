//! Runs attacks that a box must stop, so that reports state measured properties.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::launch::Launcher;
use crate::testers::Testers;
use crate::value::Node;
use crate::{
    Call, Interpreter, Job, Level, Limits, Returned, Sandbox, SandboxError, Verdict, Work, conduct,
    judge,
};

/// The isolation level, and whether each property is enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Letter and summary of the level.
    pub level: String,
    /// Why a stronger level was not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weaker_because: Option<String>,
    /// Enforced properties first, otherwise in a fixed order.
    pub properties: Vec<Property>,
}

/// A property of the sandbox, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Such as "no network".
    pub name: String,
    /// Whether the attack failed on this machine, for this user.
    pub enforced: bool,
}

/// Returns a launcher of the level in whose box the interpreter is the same as outside.
pub(crate) fn working_launcher(
    level: Level,
    interpreter: &Interpreter,
) -> Result<(Arc<Launcher>, Testers), SandboxError> {
    // Root does not need a user namespace, except where a container lacks that capability.
    let variants: &[bool] = if level == Level::A {
        &[false, true]
    } else {
        &[false]
    };
    let mut result = Err(SandboxError::NoBubblewrap);
    for &user_namespace in variants {
        result = Launcher::new(level, interpreter.clone(), user_namespace)
            .map(Arc::new)
            .map(|launcher| (Arc::clone(&launcher), Testers::new(launcher)))
            .and_then(|(launcher, testers)| {
                check_python(&launcher, &testers).map(|()| (launcher, testers))
            });
        if result.is_ok() {
            break;
        }
    }
    result
}

const WHO: &str = "import sys\ndef who():\n    \
    return '.'.join(map(str, sys.version_info[:3])) + ' in ' + sys.base_prefix\n";

fn check_python(launcher: &Launcher, testers: &Testers) -> Result<(), SandboxError> {
    let job = calls(WHO, "who", vec!["()".into()]);
    let limits = Limits::default();
    let report = conduct::run(launcher, testers, &job, &limits)?;
    let box_error = |detail| SandboxError::Box {
        level: launcher.level,
        detail,
    };
    if let Some(detail) = judge::box_trouble(&report) {
        return Err(box_error(detail));
    }
    let outcome = judge::judge(report, &job, &limits);
    let python = &launcher.interpreter;
    let expected = format!("{} in {}", python.version, python.prefix.display());
    match outcome.calls.first().map(|call| &call.returned) {
        Some(Returned::Value(value)) => match value.root() {
            Node::Str(found) if **found == *expected => Ok(()),
            other => Err(SandboxError::OtherPython {
                python: python.executable.clone(),
                expected,
                found: match other {
                    Node::Str(found) => found.to_string(),
                    _ => "something else".into(),
                },
            }),
        },
        _ => Err(box_error(outcome.detail)),
    }
}

fn calls(program: &str, entry_point: &str, arguments: Vec<String>) -> Job {
    Job {
        program: program.into(),
        preamble: String::new(),
        work: Work::Calls {
            entry_point: entry_point.into(),
            calls: arguments
                .into_iter()
                .map(|arguments| Call {
                    arguments,
                    cpu_s: 5.0,
                })
                .collect(),
        },
        tree: None,
    }
}

/// An unrelated file, server and process on the same machine.
struct Outside {
    folder: Folder,
    server: TcpListener,
    process: Child,
}

impl Outside {
    fn new() -> Result<Self, SandboxError> {
        let folder = Folder::new(None)?;
        let make = || -> std::io::Result<(TcpListener, Child)> {
            let file = folder.path().join("secret");
            fs::write(&file, "secret")?;
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
            fs::set_permissions(
                folder.path(),
                std::os::unix::fs::PermissionsExt::from_mode(0o777),
            )?;
            let process = Command::new("sleep")
                .arg("60")
                .env("SANDBOX_SELF_TEST", "secret")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()?;
            Ok((TcpListener::bind(("127.0.0.1", 0))?, process))
        };
        let (server, process) = make().map_err(SandboxError::io("prepare the self-test"))?;
        Ok(Self {
            folder,
            server,
            process,
        })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Name of the property, name of the attack in python/probes.py, and its target as a Python expression.
type Probe = (&'static str, &'static str, String);

fn probes(outside: &Outside, limits: &Limits) -> Vec<Probe> {
    let quoted = |path: &Path| format!("{:?}", path.to_string_lossy());
    let file = quoted(&outside.folder.path().join("secret"));
    let folder = quoted(outside.folder.path());
    let home = quoted(&std::env::home_dir().unwrap_or_else(|| "/root".into()));
    let server = outside.server.local_addr();
    let port = server.map_or(0, |address| address.port());
    let pid = outside.process.id();
    let user = rustix::process::getuid();
    let memory = limits.memory_bytes + (1 << 30);
    let processes = limits.processes + 8;
    let nothing = || "None".to_owned();
    let mut probes: Vec<Probe> = vec![
        ("files outside cannot be read", "read", file.clone()),
        ("folders outside cannot be listed", "list", folder),
        ("the home folder cannot be listed", "list", home),
        ("/etc/passwd cannot be read", "read", "'/etc/passwd'".into()),
        ("files outside cannot be written", "write", file.clone()),
        (
            "modes of files outside cannot be changed",
            "chmod",
            file.clone(),
        ),
        ("existence of files outside cannot be seen", "stat", file),
        ("no network", "connect", port.to_string()),
        ("no sockets of any family", "socket", nothing()),
        (
            "no socket pairs that send to other addresses",
            "pair",
            nothing(),
        ),
        ("shared files cannot be locked", "lock", nothing()),
        ("mounts of the host cannot be listed", "mounts", nothing()),
        ("the host name cannot be read", "host_name", host_name()),
        (
            "processes outside cannot be inspected",
            "look_at",
            pid.to_string(),
        ),
        (
            "environment variables are not inherited",
            "secret",
            "'USER'".into(),
        ),
        ("limits cannot be raised", "raise_limit", nothing()),
        ("root privileges cannot be gained", "gain_root", nothing()),
        ("memory is limited", "allocate", memory.to_string()),
        ("processes are limited", "processes", processes.to_string()),
        (
            "threads are limited",
            "threads",
            (processes * 4).to_string(),
        ),
        (
            "files are limited",
            "large_file",
            limits.file_bytes.to_string(),
        ),
        (
            "the space for files is limited",
            "fill_folder",
            (256 << 20).to_string(),
        ),
    ];
    if user.is_root() {
        probes.push((
            "programs do not run as root",
            "same_user",
            user.as_raw().to_string(),
        ));
    }
    // Last, since a successful attack has side effects.
    probes.push((
        "processes outside cannot be signalled",
        "signal",
        pid.to_string(),
    ));
    probes
}

/// Returns the host name as a Python literal.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{:?}", name.trim())
}

impl Sandbox {
    /// Runs real attacks in ordinary boxes and reports which of them failed. Takes about a second.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn self_test(&self) -> Result<Description, SandboxError> {
        let outside = Outside::new()?;
        let mut properties = self.probe_machine(&outside)?;
        properties.extend(self.probe_limits()?);
        properties.extend(self.probe_verdicts()?);
        properties.sort_by_key(|property| !property.enforced);
        let level = self.level();
        Ok(Description {
            level: format!("{level} ({})", level.summary()),
            weaker_because: self.weaker_because().map(str::to_owned),
            properties,
        })
    }

    /// Tests access to the machine.
    fn probe_machine(&self, outside: &Outside) -> Result<Vec<Property>, SandboxError> {
        let limits = Limits::default();
        let probes = probes(outside, &limits);
        let arguments = probes
            .iter()
            .map(|(_, probe, target)| format!("({probe:?}, {target})"))
            .collect();
        let job = calls(include_str!("python/probes.py"), "probe", arguments);
        let outcome = self.run(&job, &limits)?;
        let failed = |returned: &Returned| matches!(returned, Returned::Value(value) if *value.root() == Node::Bool(false));
        let properties = probes.iter().zip(&outcome.calls);
        Ok(properties
            .map(|((name, ..), call)| Property {
                name: (*name).into(),
                enforced: failed(&call.returned),
            })
            .collect())
    }

    /// Tests resource limits.
    fn probe_limits(&self) -> Result<Vec<Property>, SandboxError> {
        let short = Limits {
            wall_s: 0.5,
            ..Limits::default().with_cpu_s(1.0)
        };
        let endless: [(&str, &str, &Limits, &[Verdict]); 3] = [
            (
                "output is limited",
                "while True: print('x' * 4096)",
                &short,
                &[Verdict::OutputLimit],
            ),
            (
                "wall time is limited",
                "import time\ntime.sleep(30)",
                &short,
                &[Verdict::Timeout],
            ),
            (
                "the number of files is limited",
                "import os\nfor i in range(1 << 18): os.close(os.open(str(i), os.O_CREAT))\ndef f(): pass",
                &Limits::default(),
                // Stopped by the harness, or by the kernel.
                &[Verdict::Violation, Verdict::Error],
            ),
        ];
        endless
            .into_iter()
            .map(|(name, program, limits, verdicts)| {
                let outcome = self.run_once(&calls(program, "f", vec![]), limits)?;
                Ok(Property {
                    name: name.into(),
                    enforced: verdicts.contains(&outcome.verdict),
                })
            })
            .collect()
    }

    /// Tests that wrong programs cannot pass.
    fn probe_verdicts(&self) -> Result<Vec<Property>, SandboxError> {
        let forgeries = [
            (
                "objects that equal everything do not pass",
                "class Any:\n    def __eq__(self, other): return True\ndef f(): return Any()",
            ),
            (
                "an early exit does not pass",
                "import os\ndef f(): os._exit(0)",
            ),
            (
                "changed builtins do not reach the tests",
                "import builtins\nbuiltins.AssertionError = ValueError\n\
                 builtins.all = lambda *_: True\ndef f(): return 2",
            ),
        ];
        forgeries
            .into_iter()
            .map(|(name, program)| {
                let outcome = self.run_tests(program, &["assert f() == 1".into()])?;
                Ok(Property {
                    name: name.into(),
                    enforced: outcome.verdict != Verdict::Passed,
                })
            })
            .collect()
    }
}
