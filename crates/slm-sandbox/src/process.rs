//! One sandboxed process: its start, its pipes, and its complete removal.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::statvfs;
use rustix::process::{Pid, Signal};

use crate::folder::{Folder, count_files};
use crate::launch::{BOX_FOLDER, Launch, Launcher};
use crate::runner::Role;
use crate::{Level, Limits, SandboxError};

/// Maximum bytes of all values returned by one run.
pub(crate) const RESULTS_BYTES: usize = 64 << 20;

/// Maximum announced frame length: no runner can build a longer one within its memory limit. Text misread as a
/// length exceeds it, since its first character is at least a space.
const LONGEST_FRAME: usize = (b' ' as usize) << 24;

/// Length of the prefix that identifies a frame's kind.
const FRAME_BEGINNING: usize = 16;

/// Frames longer than this are moved rather than copied.
const MOVED_BYTES: usize = 1 << 16;

/// Unit of CPU times in /proc, the same on every Linux architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long the kernel may take to remove a killed process.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// A running process with three pipes: commands in, results out, and printed output.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    is_boxed: bool,
    /// Set once the process was waited for.
    ended: Option<Ended>,
    commands: Sender,
    results: Receiver,
    output: Receiver,
    /// Removed after the process has ended.
    folder: Option<Folder>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ended {
    /// The signal that ended the program, if any; from inside a box it arrives as an exit code.
    pub(crate) signal: Option<i32>,
    pub(crate) exit_code: Option<i32>,
    /// CPU seconds as seen from outside; a box hides most of them.
    pub(crate) cpu_s: f64,
}

/// A limit that a process's output exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    Output,
    Results,
    /// A length that no runner announces.
    Length,
}

impl Process {
    pub(crate) fn start(
        launcher: &Launcher,
        role: Role,
        limits: &Limits,
        tree: Option<&Path>,
    ) -> Result<Self, SandboxError> {
        let pipe = || io::pipe().map_err(SandboxError::io("make a pipe"));
        let (for_commands, commands) = pipe()?;
        let (results, for_results) = pipe()?;
        let (output, for_output) = pipe()?;
        let Launch {
            mut command,
            folder,
        } = launcher.launch(role, limits, tree)?;
        // Only standard streams, so that the standard library can spawn without copying this process's page
        // tables, which takes longer than starting Python if the process holds a model.
        let child = command
            .stdin(Stdio::from(for_commands))
            .stdout(Stdio::from(for_results))
            .stderr(Stdio::from(for_output))
            .spawn()
            .map_err(|source| SandboxError::Spawn {
                python: command.get_program().into(),
                source,
            })?;
        Ok(Self {
            pid: Pid::from_raw(child.id() as i32).expect("a child has a pid"),
            is_boxed: launcher.level == Level::A,
            ended: None,
            commands: Sender::new(commands)?,
            results: Receiver::new(results, RESULTS_BYTES as u64)?,
            output: Receiver::new(output, limits.output_bytes)?,
            folder,
        })
    }

    /// Queues a frame, which is written during [`Process::exchange`].
    pub(crate) fn send(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("a frame below 4 GB");
        self.commands.queue.extend(length.to_be_bytes());
        self.commands.queue.extend(frame);
    }

    /// Returns the next complete frame; [`Flood::Results`] if it announces more bytes than allowed.
    /// `most_bytes` returns the maximum length of a frame from its prefix.
    pub(crate) fn receive(
        &mut self,
        most_bytes: fn(&[u8]) -> usize,
    ) -> Result<Option<Vec<u8>>, Flood> {
        self.results.take_frame(most_bytes)
    }

    /// Returns whether nothing more can arrive.
    pub(crate) fn is_silent(&self) -> bool {
        self.results.is_closed
    }

    /// Returns whether all its frames were taken and all frames for it were written; discards its received data
    /// and printed output.
    pub(crate) fn is_idle(&mut self) -> bool {
        let is_idle = self.results.data.len() == self.results.taken
            && self.commands.queue.is_empty()
            && !self.results.is_closed;
        self.results.renew();
        self.output.renew();
        is_idle
    }

    /// Returns what it printed, up to the limit.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output.data
    }

    /// Waits at most `timeout` until one of the processes can be read or written, and does so.
    pub(crate) fn exchange(
        processes: &mut [Self],
        timeout: Duration,
    ) -> Result<Option<Flood>, SandboxError> {
        let mut fds = Vec::new();
        for process in processes.iter() {
            let readers = [&process.results, &process.output];
            for receiver in readers.into_iter().filter(|receiver| !receiver.is_closed) {
                fds.push(PollFd::from_borrowed_fd(receiver.fd(), PollFlags::IN));
            }
            if let Some(writer) = process.commands.waiting() {
                fds.push(PollFd::from_borrowed_fd(writer, PollFlags::OUT));
            }
        }
        let timeout = Timespec::try_from(timeout).expect("less than centuries");
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(SandboxError::io("watch a process")(error)),
        }
        let mut flood = None;
        for process in processes {
            process.commands.write();
            if !process.results.read()? {
                flood = Some(Flood::Results);
            }
            if !process.output.read()? {
                flood = Some(Flood::Output);
            }
        }
        Ok(flood)
    }

    /// Returns the CPU seconds of the process and its living descendants.
    pub(crate) fn cpu_s(&self) -> f64 {
        descendants(self.pid)
            .into_iter()
            .chain([self.pid])
            .filter_map(cpu_s_of)
            .sum()
    }

    /// Returns the largest peak resident memory, in bytes, of the process and its living descendants.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        // In a box the first two processes are bubblewrap's, which are small.
        descendants(self.pid)
            .into_iter()
            .chain([self.pid])
            .map(|pid| resident_bytes(pid, Resident::Peak))
            .max()
            .unwrap_or(0)
    }

    /// Returns whether the process and its descendants together hold more memory than `memory_bytes`. The
    /// kernel only limits each of them separately.
    pub(crate) fn takes_more_than(&self, memory_bytes: u64) -> bool {
        let all = descendants(self.pid);
        let several = if self.is_boxed { 2 } else { 0 };
        if all.len() <= several {
            return false;
        }
        let sum = |field| -> u64 { all.iter().map(|&pid| resident_bytes(pid, field)).sum() };
        // RSS is quick to read but counts shared pages in each process; PSS is slow and exact.
        sum(Resident::Whole) > memory_bytes && sum(Resident::Share) > memory_bytes
    }

    /// Returns whether it created more than `most` files and folders. Empty ones take no space that has a
    /// limit, but kernel memory.
    pub(crate) fn has_more_files_than(&self, most: usize) -> bool {
        if let Some(folder) = &self.folder {
            return count_files(folder.path(), most) > most;
        }
        // The first process of a box sees its tmpfs, whose files the kernel counts.
        let inside = children(self.pid).into_iter().next();
        inside.is_some_and(|pid| {
            let folder = format!("/proc/{}/root{BOX_FOLDER}", pid.as_raw_nonzero());
            statvfs(folder).is_ok_and(|status| status.f_files - status.f_ffree > most as u64)
        })
    }

    /// Closes the command pipe, on which a waiting runner exits by itself.
    pub(crate) fn dismiss(&mut self) {
        self.commands.pipe = None;
    }

    /// Returns whether the process has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool, SandboxError> {
        if self.ended.is_none() {
            self.ended = self.reap()?;
        }
        Ok(self.ended.is_some())
    }

    /// Kills remaining processes and returns how the process ended.
    pub(crate) fn end(mut self) -> Result<Ended, SandboxError> {
        self.kill()
    }

    /// Kills the process and all processes that belong to it.
    fn kill(&mut self) -> Result<Ended, SandboxError> {
        if let Some(ended) = self.ended {
            self.kill_rest();
            return Ok(ended);
        }
        let started = Instant::now();
        let mut inside = self.is_boxed;
        loop {
            if inside {
                // The first process of the box: its death ends the box, and bubblewrap notices.
                for child in children(self.pid) {
                    let _ = rustix::process::kill_process(child, Signal::KILL);
                }
            } else {
                let _ = rustix::process::kill_process(self.pid, Signal::KILL);
            }
            self.kill_rest();
            for _ in 0..100 {
                if let Some(ended) = self.reap()? {
                    self.ended = Some(ended);
                    return Ok(ended);
                }
                thread::sleep(Duration::from_micros(500));
            }
            // Then bubblewrap itself, whose box dies with it.
            inside = false;
            if started.elapsed() > END_TIMEOUT {
                let stuck = io::Error::from(io::ErrorKind::TimedOut);
                return Err(SandboxError::io("end a process")(stuck));
            }
        }
    }

    /// Kills the rest of a process group without a box.
    fn kill_rest(&self) {
        if !self.is_boxed {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// Reaps the process if it has ended.
    #[allow(unsafe_code)] // Neither std nor rustix wraps wait4, the only call that reports one child's usage.
    fn reap(&self) -> Result<Option<Ended>, SandboxError> {
        let mut status = 0;
        // SAFETY: all-zero bytes are a valid `rusage`, a plain struct of integers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        let pid = self.pid.as_raw_nonzero().get();
        // SAFETY: both pointers are to live locals, and the pid is our unreaped child.
        let waited = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
        match waited {
            0 => Ok(None),
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
                error => Err(SandboxError::io("wait for a process")(error)),
            },
            _ => {
                let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
                let status = ExitStatus::from_raw(status);
                let (mut signal, mut exit_code) = (status.signal(), status.code());
                // bubblewrap reports a signal as 128 plus its number, as shells do.
                if let (true, Some(code @ 129..=192)) = (self.is_boxed, exit_code) {
                    (signal, exit_code) = (Some(code - 128), None);
                }
                Ok(Some(Ended {
                    signal,
                    exit_code,
                    cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
                }))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Returns the direct children of `pid`.
fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| Pid::from_raw(child.parse().ok()?))
        .collect()
}

fn descendants(pid: Pid) -> Vec<Pid> {
    let mut all = children(pid);
    let mut next = 0;
    // A program may fork during this loop; its process limit bounds the loop.
    while let Some(&pid) = all.get(next) {
        all.extend(children(pid));
        next += 1;
    }
    all
}

/// Kind of resident memory: all of it, the share where several processes have the same pages, or the peak.
#[derive(Clone, Copy)]
enum Resident {
    Whole,
    Share,
    Peak,
}

fn resident_bytes(pid: Pid, part: Resident) -> u64 {
    let (file, field) = match part {
        Resident::Whole => ("status", "VmRSS:"),
        Resident::Share => ("smaps_rollup", "Pss:"),
        Resident::Peak => ("status", "VmHWM:"),
    };
    let text = fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_nonzero()));
    text.unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok())
        .map_or(0, |kibibytes: u64| kibibytes * 1024)
}

fn cpu_s_of(pid: Pid) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name in parentheses may contain anything; user and system ticks follow as 12th and 13th field.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    Some(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// The command pipe, written without blocking.
#[derive(Debug)]
struct Sender {
    /// `None` once either side closed it.
    pipe: Option<PipeWriter>,
    queue: VecDeque<u8>,
}

impl Sender {
    fn new(pipe: PipeWriter) -> Result<Self, SandboxError> {
        rustix::io::ioctl_fionbio(&pipe, true).map_err(SandboxError::io("make a pipe"))?;
        Ok(Self {
            pipe: Some(pipe),
            queue: VecDeque::new(),
        })
    }

    /// Returns the pipe if data waits to be written.
    fn waiting(&self) -> Option<BorrowedFd<'_>> {
        let pipe = self.pipe.as_ref()?;
        (!self.queue.is_empty()).then(|| pipe.as_fd())
    }

    fn write(&mut self) {
        while let (Some(pipe), (front, _)) = (&mut self.pipe, self.queue.as_slices()) {
            if front.is_empty() {
                return;
            }
            match pipe.write(front) {
                Ok(written) => drop(self.queue.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The other side closed it, which the result pipe reports.
                Err(_) => self.pipe = None,
            }
        }
    }
}

/// A pipe from a process, read without blocking and up to a limit.
#[derive(Debug)]
struct Receiver {
    pipe: PipeReader,
    data: Vec<u8>,
    /// Bytes of `data` already taken as frames.
    taken: usize,
    received_bytes: u64,
    limit_bytes: u64,
    is_closed: bool,
}

impl Receiver {
    fn new(pipe: PipeReader, limit_bytes: u64) -> Result<Self, SandboxError> {
        rustix::io::ioctl_fionbio(&pipe, true).map_err(SandboxError::io("make a pipe"))?;
        Ok(Self {
            pipe,
            data: Vec::new(),
            taken: 0,
            received_bytes: 0,
            limit_bytes,
            is_closed: false,
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Discards the data and restarts the byte count.
    fn renew(&mut self) {
        self.data.clear();
        self.taken = 0;
        self.received_bytes = 0;
    }

    /// Reads the available data. Returns false if the limit was exceeded.
    fn read(&mut self) -> Result<bool, SandboxError> {
        let mut buffer = [0; 16 << 10];
        while !self.is_closed {
            match self.pipe.read(&mut buffer) {
                Ok(0) => self.is_closed = true,
                Ok(n) => {
                    self.data.extend_from_slice(&buffer[..n]);
                    self.received_bytes += n as u64;
                    if self.received_bytes > self.limit_bytes {
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

    fn take_frame(&mut self, most_bytes: fn(&[u8]) -> usize) -> Result<Option<Vec<u8>>, Flood> {
        let Some((length, rest)) = self.data[self.taken..].split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > LONGEST_FRAME {
            return Err(Flood::Length);
        }
        if length > RESULTS_BYTES {
            return Err(Flood::Results);
        }
        if length > most_bytes(&rest[..rest.len().min(FRAME_BEGINNING)]) {
            return Err(Flood::Length);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let (start, end) = (self.taken + 4, self.taken + 4 + length);
        if length > MOVED_BYTES {
            // Moved rather than copied, since large frames should not take twice their memory.
            let rest = self.data.split_off(end);
            let mut frame = std::mem::replace(&mut self.data, rest);
            frame.drain(..start);
            self.taken = 0;
            return Ok(Some(frame));
        }
        let frame = self.data[start..end].to_vec();
        self.taken = end;
        // Frames may be many and small: data already read is removed in batches.
        if self.taken > MOVED_BYTES {
            self.data.drain(..self.taken);
            self.taken = 0;
        }
        Ok(Some(frame))
    }
}
