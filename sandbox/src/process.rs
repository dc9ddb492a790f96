//! Starts the sandboxed process, watches it, and leaves none of it behind.

use std::fs::{self, File};
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::{Interpreter, Limits, SandboxError, confinement, protocol};

/// How a process ended and what it left in its pipes.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// The limit for which it was killed from outside, if it was.
    pub(crate) killed: Option<Kill>,
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    /// The largest value seen while it ran; a short run may end unseen (0).
    pub(crate) peak_memory_bytes: u64,
    /// stdout and stderr as they came, up to the limit.
    pub(crate) output: Vec<u8>,
    /// The result lines.
    pub(crate) results: Vec<u8>,
}

/// A limit that is watched from outside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    Wall,
    Output,
    Results,
}

/// How often memory is sampled, and how late at most an end is seen while a grandchild that left
/// the session holds the pipes open.
const TICK: Duration = Duration::from_millis(10);

/// Once both pipes are closed the process is about to be gone.
const LAST_TICK: Duration = Duration::from_micros(200);

/// Runs `job` (see [`protocol`]) on `interpreter`, with `n_tests` tests in it.
pub(crate) fn run(
    interpreter: &Interpreter,
    limits: &Limits,
    job: &[u8],
    n_tests: usize,
) -> Result<Finished, SandboxError> {
    let folder = WorkFolder::new()?;
    // A file without a name, as the job may be larger than what a pipe holds.
    let mut job_file = tempfile::tempfile().map_err(SandboxError::io("make a temporary file"))?;
    job_file
        .write_all(job)
        .and_then(|()| job_file.rewind())
        .map_err(SandboxError::io("write a temporary file"))?;
    let mut output = Channel::new(limits.output_bytes)?;
    let mut results = Channel::new(protocol::results_limit(n_tests))?;

    let start = Instant::now();
    let leader = spawn(
        interpreter,
        limits,
        folder.path(),
        &job_file,
        &mut output,
        &mut results,
    )?;
    // Thirty years are as good as no limit, and can be added to an instant; NaN becomes 0.
    let wall = Duration::try_from_secs_f64(limits.wall_s.clamp(0.0, 1e9)).unwrap_or_default();
    let deadline = start + wall;
    let mut peak_memory_bytes = 0;
    let killed = loop {
        peak_memory_bytes = leader.peak_memory_bytes().max(peak_memory_bytes);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Some(Kill::Wall);
        }
        wait_for_data(&output, &results, left)?;
        if !output.read()? {
            break Some(Kill::Output);
        }
        if !results.read()? {
            break Some(Kill::Results);
        }
        if leader.has_ended()? {
            break None;
        }
    };
    let (status, cpu_s) = leader.end()?;
    let wall_s = start.elapsed().as_secs_f64();
    // What was written between the last look and the end.
    let killed = match killed {
        None if !output.read()? => Some(Kill::Output),
        None if !results.read()? => Some(Kill::Results),
        killed => killed,
    };
    Ok(Finished {
        status,
        killed,
        cpu_s,
        wall_s,
        peak_memory_bytes,
        output: output.data,
        results: results.data,
    })
}

/// Starts the runner as the leader of a session of its own, under all limits from its first
/// instruction on.
fn spawn(
    interpreter: &Interpreter,
    limits: &Limits,
    folder: &Path,
    job_file: &File,
    output: &mut Channel,
    results: &mut Channel,
) -> Result<Leader, SandboxError> {
    let python = &interpreter.executable;
    let pipe_error = || SandboxError::io("make a pipe");
    let result_writer = results.take_writer();
    let stdout = output.take_writer();
    let stderr = stdout.try_clone().map_err(pipe_error())?;
    let inherited = [job_file.as_raw_fd(), result_writer.as_raw_fd()];
    let rlimits = confinement::rlimits(limits);

    let mut command = Command::new(python);
    command
        // Not -I: it would make Python deaf to PYTHONHASHSEED, and with it the order of sets
        // random. The rest of -I is done here: no user site (-s), an environment without other
        // variables, and the runner takes the working folder out of the module path.
        .args(["-s", "-B", "-X", "utf8", "-c", protocol::RUNNER])
        .args(inherited.map(|fd| fd.to_string()))
        .env_clear()
        .env("PYTHONHASHSEED", "0")
        .env("OMP_NUM_THREADS", "1")
        .env("TZ", "UTC")
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr);
    let confine = move || confinement::confine(&inherited, &rlimits);
    #[allow(unsafe_code)] // std has no safe way to run anything between fork and exec.
    // SAFETY: the closure runs in the child of a fork, where only async-signal-safe calls are
    // allowed. `confine` makes system calls alone; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(confine)
    };
    let child = command.spawn().map_err(|source| SandboxError::Spawn {
        python: python.clone(),
        source,
    })?;
    let pid = Pid::from_raw(child.id() as i32).expect("a child has a pid");
    Ok(Leader { pid, reaped: false })
}

/// The first process of the session. Dropping it kills the session.
struct Leader {
    pid: Pid,
    reaped: bool,
}

impl Leader {
    /// Peak of resident memory, 0 if it cannot be read.
    ///
    /// Not from wait4: `ru_maxrss` starts at the size of the process that forked.
    fn peak_memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid.as_raw_nonzero());
        let status = fs::read_to_string(path).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok())
            .map_or(0, |kibibytes: u64| kibibytes * 1024)
    }

    /// Whether it has ended. It stays a zombie, so that its pid is not given to anyone else.
    fn has_ended(&self) -> Result<bool, SandboxError> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(self.pid), options)
            .map(|status| status.is_some())
            .map_err(SandboxError::io("watch a process"))
    }

    /// Kills what is left of the session and gives the leader's status and CPU seconds.
    fn end(mut self) -> Result<(ExitStatus, f64), SandboxError> {
        self.kill_and_reap()
            .map_err(SandboxError::io("wait for a process"))
    }

    #[allow(unsafe_code)] // Neither std nor rustix wraps wait4, which alone tells one child's usage.
    fn kill_and_reap(&mut self) -> io::Result<(ExitStatus, f64)> {
        // Fails only if the whole group is gone.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        let mut status = 0;
        // SAFETY: all-zero bytes are a valid `rusage`, a plain struct of integers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        let pid = self.pid.as_raw_nonzero().get();
        loop {
            // SAFETY: both pointers are to live locals, and the pid is our unreaped child.
            if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
                break;
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.reaped = true;
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
        let cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
        Ok((ExitStatus::from_raw(status), cpu_s))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = self.kill_and_reap();
        }
    }
}

/// One pipe from the process, read without waiting and up to a limit.
struct Channel {
    reader: PipeReader,
    writer: Option<io::PipeWriter>,
    data: Vec<u8>,
    limit_bytes: u64,
    closed: bool,
}

impl Channel {
    fn new(limit_bytes: u64) -> Result<Self, SandboxError> {
        let (reader, writer) = io::pipe().map_err(SandboxError::io("make a pipe"))?;
        rustix::io::ioctl_fionbio(&reader, true).map_err(SandboxError::io("make a pipe"))?;
        Ok(Self {
            reader,
            writer: Some(writer),
            data: Vec::new(),
            limit_bytes,
            closed: false,
        })
    }

    /// The writing end, to be dropped after the spawn, or the pipe would never close.
    fn take_writer(&mut self) -> io::PipeWriter {
        self.writer.take().expect("a writer is taken once")
    }

    /// Reads what is there. False if the limit was passed.
    fn read(&mut self) -> Result<bool, SandboxError> {
        let mut buffer = [0; 16 << 10];
        while !self.closed {
            match self.reader.read(&mut buffer) {
                Ok(0) => self.closed = true,
                Ok(n) => {
                    self.data.extend_from_slice(&buffer[..n]);
                    if self.data.len() as u64 > self.limit_bytes {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SandboxError::io("read from a process")(error)),
            }
        }
        Ok(true)
    }
}

/// Waits until a pipe has data or closes, a tick at most.
fn wait_for_data(a: &Channel, b: &Channel, left: Duration) -> Result<(), SandboxError> {
    let open = [a, b].into_iter().filter(|channel| !channel.closed);
    let mut fds: Vec<PollFd<'_>> = open
        .map(|channel| PollFd::new(&channel.reader, PollFlags::IN))
        .collect();
    let tick = if fds.is_empty() { LAST_TICK } else { TICK };
    let timeout = Timespec::try_from(tick.min(left)).expect("a tick is short");
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(SandboxError::io("watch a process")(error)),
    }
}

/// An empty folder, removed with all that a program left in it.
struct WorkFolder(tempfile::TempDir);

impl WorkFolder {
    fn new() -> Result<Self, SandboxError> {
        tempfile::Builder::new()
            .prefix("sandbox-")
            .tempdir()
            .map(Self)
            .map_err(SandboxError::io("make a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // The program may have taken our right to look into its folders. `TempDir` removes the
        // tree after this; what still resists is left to the system's own cleaning of /tmp.
        unlock(self.path());
    }
}

fn unlock(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}
