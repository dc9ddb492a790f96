//! Runs another program to its end and watches it meanwhile.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Time between two looks at the program.
const POLL: Duration = Duration::from_millis(100);

/// A process that ended, and what it wrote.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stderr: String,
}

/// Runs a command to its end, with `tick` called all the while on what it wrote to stdout so far.
pub(super) fn run(command: &mut Command, mut tick: impl FnMut(&str)) -> io::Result<Ended> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut child = KilledOnDrop(child);
    let stdout = Collected::from(child.0.stdout.take());
    let stderr = Collected::from(child.0.stderr.take());
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        tick(&stdout.text());
        thread::sleep(POLL);
    };
    tick(&stdout.text());
    Ok(Ended {
        status,
        stderr: stderr.whole(),
    })
}

/// Does not outlive a panic in a progress display.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Both fail for a process that has ended, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a pipe has said, read by a thread so that the process never waits for a reader.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Collected {
    /// Only the last part is kept: errors stand at the end.
    const MOST_BYTES: usize = 1 << 16;

    fn from<R: Read + Send + 'static>(pipe: Option<R>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                    let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    bytes.extend_from_slice(&buffer[..length]);
                    let surplus = bytes.len().saturating_sub(Self::MOST_BYTES);
                    bytes.drain(..surplus);
                }
            })
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Everything up to the pipe's end.
    fn whole(mut self) -> String {
        if let Some(reader) = self.reader.take() {
            // The reader cannot panic; if it did, what it had read counts.
            let _ = reader.join();
        }
        self.text()
    }
}
