//! What a process loses before its first instruction: rights, resources, open files.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Resource, Rlimit};

use crate::Limits;

/// Runs in the child between fork and exec: system calls only.
pub(crate) fn confine(inherited: &[RawFd], rlimits: &[(Resource, Rlimit)]) -> io::Result<()> {
    rustix::process::setsid()?;
    #[cfg(target_os = "linux")]
    {
        rustix::thread::set_no_new_privs(true)?;
        // If the harness is killed, so is the process.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    }
    for &(resource, rlimit) in rlimits {
        rustix::process::setrlimit(resource, rlimit)?;
    }
    pass_on_only(inherited)
}

/// Closes everything at exec but the standard streams and `inherited`.
#[allow(unsafe_code)] // close_range has no wrapper, and a descriptor's number outlives its borrow.
fn pass_on_only(inherited: &[RawFd]) -> io::Result<()> {
    // Rust opens files so that they close at exec, but a C library (a GPU driver) may not.
    // SAFETY: close_range with this flag only marks descriptors; the process is about to exec.
    // A kernel older than 5.11 refuses, and then the C library's files stay open: no harm to us.
    #[cfg(target_os = "linux")]
    let _ = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3 as libc::c_uint,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    for &fd in inherited {
        // SAFETY: fcntl on a number; the parent keeps both files open until after the spawn.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The limits as the kernel takes them, none above what this process itself may have.
pub(crate) fn rlimits(limits: &Limits) -> [(Resource, Rlimit); 6] {
    let cpu_s = limits.cpu_s.ceil() as u64;
    let processes = tasks_of_user().saturating_add(limits.processes);
    [
        // At the soft limit comes SIGXCPU, by which an end for this reason is known from others;
        // a program that catches it is killed one second later. The rest needs no such grace.
        (Resource::Cpu, cpu_s, cpu_s.saturating_add(1)),
        (Resource::As, limits.memory_bytes, limits.memory_bytes),
        (Resource::Fsize, limits.file_bytes, limits.file_bytes),
        (Resource::Nofile, limits.open_files, limits.open_files),
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

/// Processes and threads that the user runs already: the kernel's limit counts them too.
fn tasks_of_user() -> u64 {
    let user = rustix::process::getuid();
    if user.is_root() {
        // The limit does not hold for root.
        return 0;
    }
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0;
    };
    processes
        .flatten()
        .filter_map(|entry| fs::metadata(entry.path().join("task")).ok())
        .filter(|tasks| tasks.uid() == user.as_raw())
        // A folder for each thread, beside `.` and `..`.
        .map(|tasks| tasks.nlink().saturating_sub(2))
        .sum()
}
