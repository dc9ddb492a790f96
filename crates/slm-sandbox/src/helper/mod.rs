//! The last step before Python: a small program that drops its privileges and then execs Python.
//!
//! It runs inside the namespaces that bubblewrap created (level A), or directly below the harness (levels B and
//! C). It does what must not happen between fork and exec of a large process, so that the harness only spawns.
//! In order:
//! 1. the pipes move from the standard streams to the descriptors that the runner expects, the program gets an
//!    empty stdin, and every other inherited file is closed;
//! 2. directly below the harness: a new session, and death with the harness;
//! 3. as root, what bubblewrap does not do: limit the number of files in its folder, or without bubblewrap set
//!    a neutral host name; then switch to an unprivileged user, which drops all capabilities;
//! 4. resource limits, no new privileges, Landlock, seccomp, all irreversible.
//!
//! Its argument is a policy in JSON, followed by the program and its arguments.

#[cfg(target_os = "linux")]
mod ruleset;
#[cfg(target_os = "linux")]
mod seccomp;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};

use crate::limits::{FOLDER_BYTES, Limits, MOST_FILES};

/// First argument that makes a program which includes the helper act as the helper.
const ASKED: &str = "--become-sandbox-helper";

/// File name of the stand-alone helper.
const NAME: &str = "sandbox-helper";

/// Host name inside a box.
pub(crate) const HOST_NAME: &str = "box";

/// Descriptors from which the runner reads commands and to which it writes results.
const COMMANDS: RawFd = 3;
const RESULTS: RawFd = 4;

/// Exit status if the helper itself fails; the reason is on stderr.
pub(crate) const FAILED: u8 = 125;

/// Whether the current program can act as the helper.
static CARRIED: AtomicBool = AtomicBool::new(false);

/// The restrictions that the helper applies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// User and group id to switch to; `None` keeps the current one.
    pub(crate) user: Option<u32>,
    /// Limits enforced by the kernel.
    pub(crate) limits: KernelLimits,
    /// Readable folders and files; `None` leaves the file system unrestricted.
    pub(crate) read: Option<Vec<PathBuf>>,
    /// Writable folders.
    pub(crate) write: Vec<PathBuf>,
    /// Which system calls are filtered.
    pub(crate) filter: Filter,
    /// Whether the process is a direct child of the harness, without namespaces around it.
    pub(crate) is_direct: bool,
    /// Working folder.
    pub(crate) folder: PathBuf,
    /// The complete environment.
    pub(crate) environment: Vec<(String, String)>,
}

/// Resource limits in the kernel's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KernelLimits {
    cpu_s: u64,
    memory_bytes: u64,
    file_bytes: u64,
    open_files: u64,
    processes: u64,
}

impl KernelLimits {
    /// `other_processes`: the number that the same user already runs, which the kernel counts too.
    pub(crate) fn new(limits: &Limits, other_processes: u64) -> Self {
        Self {
            cpu_s: limits.cpu_s.clamp(0.0, 1e9).ceil() as u64,
            memory_bytes: limits.memory_bytes,
            file_bytes: limits.file_bytes,
            open_files: limits.open_files,
            processes: other_processes.saturating_add(limits.processes),
        }
    }
}

/// System call filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Filter {
    /// None.
    None,
    /// Refuses calls that have no use in a box.
    Namespaced,
    /// Refuses also new processes, signals and changes of file attributes, which namespaces would contain.
    Alone,
}

/// Acts as the helper if this program was started as such, and returns its exit code. Call it in the first line
/// of `main` of a program that runs sandboxes.
///
/// Before this call the program must run no code that depends on arguments or starts threads.
pub fn run_if_started_as_helper() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(ASKED)) {
        return Some(main(arguments));
    }
    CARRIED.store(true, Ordering::Relaxed);
    None
}

/// Returns the helper's program and its leading arguments: the stand-alone one next to this program, or this
/// program itself if it includes the helper.
pub(crate) fn locate() -> io::Result<(PathBuf, Vec<&'static str>)> {
    let this = std::env::current_exe()?;
    // Test programs are one folder deeper than the programs they are built with.
    for folder in this.ancestors().skip(1).take(2) {
        let beside = folder.join(NAME);
        if beside.is_file() {
            return Ok((beside, Vec::new()));
        }
    }
    if CARRIED.load(Ordering::Relaxed) {
        return Ok((this, vec![ASKED]));
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!("no `{NAME}` beside {}", this.display()),
    ))
}

/// Applies the policy in the first argument and execs the program that follows; returns only on failure.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let outcome = match (arguments.next(), arguments.next()) {
        (Some(policy), Some(program)) => {
            Policy::parse(&policy).and_then(|policy| enter(&policy, &program, arguments))
        }
        _ => Err(
            "expected a policy and a program: this program is started by the sandbox only"
                .to_owned(),
        ),
    };
    if let Err(reason) = outcome {
        // The reader may have exited.
        let _ = writeln!(io::stderr(), "sandbox helper: {reason}");
    }
    ExitCode::from(FAILED)
}

impl Policy {
    fn parse(text: &OsStr) -> Result<Self, String> {
        let text = text.to_str().ok_or("policy is not UTF-8")?;
        serde_json::from_str(text).map_err(|error| format!("policy: {error}"))
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a policy always serialises")
    }
}

fn enter(
    policy: &Policy,
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> Result<(), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    arrange_files().map_err(failed("cannot set up the pipes"))?;
    if policy.is_direct {
        rustix::process::setsid().map_err(|e| failed("setsid")(e.into()))?;
    }
    std::env::set_current_dir(&policy.folder).map_err(failed("working folder"))?;
    if let Some(user) = policy.user {
        if policy.is_direct {
            hide_host_name();
        } else {
            limit_files(&policy.folder);
        }
        become_user(user).map_err(failed("cannot give up root"))?;
    }
    if policy.is_direct {
        // After the change of user, which resets it.
        die_with_parent().map_err(failed("cannot set the parent death signal"))?;
    }
    for (resource, rlimit) in rlimits(policy.limits) {
        rustix::process::setrlimit(resource, rlimit)
            .map_err(|e| failed("cannot limit resources")(e.into()))?;
    }
    restrict(policy)?;
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(policy.environment.iter().map(|(name, value)| (name, value)))
        .exec();
    Err(format!(
        "cannot start {}: {error}",
        Path::new(program).display()
    ))
}

#[cfg(target_os = "linux")]
fn restrict(policy: &Policy) -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|e| format!("no_new_privs: {e}"))?;
    if let Some(read) = &policy.read {
        ruleset::apply(read, &policy.write).map_err(|e| format!("Landlock: {e}"))?;
    }
    seccomp::apply(policy.filter).map_err(|e| format!("seccomp: {e}"))
}

#[cfg(not(target_os = "linux"))]
fn restrict(_: &Policy) -> Result<(), String> {
    Ok(())
}

/// Connects the standard streams to the program and the pipes to the runner, and closes everything else.
#[allow(unsafe_code)] // Descriptors by number, which no owner has: this process is about to exec.
fn arrange_files() -> io::Result<()> {
    let duplicate = |from: RawFd, to: RawFd| {
        // SAFETY: dup2 on numbers touches no memory; no other code in this process uses them.
        match unsafe { libc::dup2(from, to) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    duplicate(0, COMMANDS)?;
    duplicate(1, RESULTS)?;
    // Opened only now, so that it does not get one of those two descriptors.
    let null = std::fs::File::open("/dev/null")?.into_raw_fd();
    duplicate(null, 0)?;
    duplicate(2, 1)?;
    // SAFETY: as above. A kernel older than 5.9 refuses: then files that a library opened without
    // O_CLOEXEC stay open, as they do in any child.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::syscall(libc::SYS_close_range, RESULTS + 1, libc::c_uint::MAX, 0)
    };
    Ok(())
}

#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    let parent = rustix::process::getppid();
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have died before the line above.
    if rustix::process::getppid() != parent || parent.is_none() {
        return Err(io::Error::other("the harness has exited"));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}

/// Sets a neutral host name in a new UTS namespace, as bubblewrap does at level A. Requires root; where a
/// container lacks that capability, the self-test reports it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "neither call has a safe wrapper")]
fn hide_host_name() {
    let name = HOST_NAME;
    // SAFETY: the first call takes flags alone, the second reads as many bytes as the name has.
    unsafe {
        if libc::unshare(libc::CLONE_NEWUTS) == 0 {
            libc::sethostname(name.as_ptr().cast(), name.len());
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn hide_host_name() {}

/// Limits the number of files in bubblewrap's tmpfs, for which bubblewrap has no option. Where this is not
/// permitted, the harness still counts them at intervals.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "rustix has no mount among its features in use")]
fn limit_files(folder: &Path) {
    use std::os::unix::ffi::OsStrExt;

    let options = std::ffi::CString::new(format!("size={FOLDER_BYTES},nr_inodes={MOST_FILES}"));
    let (Ok(options), Ok(folder)) = (
        options,
        std::ffi::CString::new(folder.as_os_str().as_bytes()),
    ) else {
        return;
    };
    let flags = libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
    // SAFETY: all four are NUL-terminated strings that outlive the call.
    unsafe {
        libc::mount(
            c"tmpfs".as_ptr(),
            folder.as_ptr(),
            c"tmpfs".as_ptr(),
            flags,
            options.as_ptr().cast(),
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn limit_files(_: &Path) {}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // setgroups has no safe wrapper.
fn become_user(id: u32) -> io::Result<()> {
    use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
    // SAFETY: an empty list is not read.
    if unsafe { libc::setgroups(0, std::ptr::null()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let (user, group) = (
        rustix::process::Uid::from_raw(id),
        rustix::process::Gid::from_raw(id),
    );
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn become_user(_: u32) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Returns the limits in the kernel's form, none above this process's own hard limit.
fn rlimits(limits: KernelLimits) -> [(Resource, Rlimit); 6] {
    let KernelLimits {
        cpu_s,
        memory_bytes,
        file_bytes,
        open_files,
        processes,
    } = limits;
    [
        // SIGXCPU at the soft limit marks this reason for an end; a program that catches it is killed one
        // second later. The other limits need no such grace.
        (Resource::Cpu, cpu_s, cpu_s.saturating_add(1)),
        (Resource::As, memory_bytes, memory_bytes),
        (Resource::Fsize, file_bytes, file_bytes),
        (Resource::Nofile, open_files, open_files),
        (Resource::Nproc, processes, processes),
        (Resource::Core, 0, 0),
    ]
    .map(|(resource, soft, hard)| {
        let ours = rustix::process::getrlimit(resource).maximum;
        let at_most_ours = |value: u64| Some(ours.map_or(value, |ours| value.min(ours)));
        let rlimit = Rlimit {
            current: at_most_ours(soft),
            maximum: at_most_ours(hard),
        };
        (resource, rlimit)
    })
}
