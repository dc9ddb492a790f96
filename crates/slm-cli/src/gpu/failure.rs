//! Words for the failures of a GPU backend.

use slm_model::{DeviceChoice, DeviceMemory};

use crate::progress::bytes_text;

/// Texts by which CubeCL and the drivers report that memory is exhausted: cubecl-runtime 0.11.3, `server/base.rs`, and
/// CUDA's own name.
const OUT_OF_MEMORY: [&str; 4] = [
    "out of device memory",
    "out-of-memory",
    "can't allocate buffer of size",
    "CUDA_ERROR_OUT_OF_MEMORY",
];
/// Texts that precede the number of bytes of the failed allocation.
const BYTES_AFTER: [&str; 2] = [
    "out of device memory allocating ",
    "can't allocate buffer of size: ",
];
/// Longest text of a backend that is shown.
const CHARS: usize = 500;

/// Whether a text reports that the memory of a device is exhausted.
pub(super) fn is_out_of_memory(text: &str) -> bool {
    OUT_OF_MEMORY.iter().any(|sign| text.contains(sign))
}

/// Starts of the messages with which burn-tensor 0.22.1, `tensor/api/base.rs`, panics where a tensor is read.
const READ: [&str; 2] = ["Error while reading data", "Failed to read tensor data"];

/// Whether the message of a panic reports that a tensor could not be read.
pub(super) fn is_of_read(message: &str) -> bool {
    READ.iter().any(|start| message.starts_with(start)) || is_out_of_memory(message)
}

/// Returns the reason inside the message of a panic: an error in the notation of `Debug`, as in `WithContext { reason:
/// "TEXT" }`. A message without one is its own reason.
pub(super) fn reason(message: &str) -> String {
    let quoted = message.split_once("reason: \"").map(|(_, rest)| rest);
    let Some(quoted) = quoted.filter(|_| is_of_read(message)) else {
        return message.to_owned();
    };
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

/// Describes a failure of the backend of `choice`, from its own text; `advice` names the settings that need less memory.
pub(super) fn describe(
    choice: DeviceChoice,
    text: &str,
    memory: Option<DeviceMemory>,
    advice: &str,
) -> String {
    if !is_out_of_memory(text) {
        return format!(
            "the backend of {choice} failed: {}\n\
             hint: `trainer doctor --device {choice}` examines the device; --device cpu does without it",
            short(text)
        );
    }
    let request = failed_bytes(text).map_or_else(String::new, |bytes| {
        format!(": an allocation of {} failed", bytes_text(bytes))
    });
    let size = memory.map_or_else(String::new, |memory| {
        let total = bytes_text(memory.total);
        format!("; the device has {total}, and other processes may hold a part")
    });
    format!("{choice} is out of memory{request}{size}\nhint: {advice}")
}

/// Returns the bytes of the allocation that failed.
fn failed_bytes(text: &str) -> Option<u64> {
    BYTES_AFTER.iter().find_map(|before| {
        let (_, rest) = text.split_once(before)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

/// Joins the lines of a backend's text, up to its backtrace.
pub(super) fn short(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let is_title = |line: &str| line.trim_end_matches(':').eq_ignore_ascii_case("backtrace");
    let lines = lines.take_while(|line| !is_title(line) && !is_frame(line));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let whole = lines.join(" ");
    let mut shown: String = whole.chars().take(CHARS).collect();
    if shown.len() < whole.len() {
        shown += "...";
    }
    shown
}

/// Whether a line is a frame of a backtrace, such as `0: core::panicking::panic`.
fn is_frame(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVICE: &str = "lower `train.micro_batch_size`";

    #[test]
    fn an_exhausted_memory_names_the_request_and_the_settings() {
        let memory = Some(DeviceMemory {
            total: 24 << 30,
            free: 0,
        });
        let text =
            "Error while reading data: out of device memory allocating 1200000000 bytes\n   0: a\n";
        let shown = describe(DeviceChoice::Cuda(0), text, memory, ADVICE);
        assert_eq!(
            shown,
            format!(
                "cuda:0 is out of memory: an allocation of {} failed; the device has {}, and other processes may hold a \
                 part\nhint: {ADVICE}",
                bytes_text(1_200_000_000),
                bytes_text(24 << 30)
            )
        );
        let launch = "An out-of-memory error happened during launch\nCaused by:\n  no page";
        let shown = describe(DeviceChoice::Wgpu, launch, None, ADVICE);
        assert_eq!(shown, format!("wgpu is out of memory\nhint: {ADVICE}"));
    }

    #[test]
    fn another_failure_is_described_in_one_line_without_its_backtrace() {
        let text = "A compilation error happened during launch\nCaused by:\n  no such intrinsic\nBacktrace\n0: a::b";
        let shown = describe(DeviceChoice::Cuda(1), text, None, ADVICE);
        let first = shown.lines().next();
        assert_eq!(
            first,
            Some(
                "the backend of cuda:1 failed: A compilation error happened during launch Caused by: no such intrinsic"
            )
        );
        assert!(
            shown.contains("hint: `trainer doctor --device cuda:1`"),
            "{shown}"
        );
        let long = "x".repeat(2 * CHARS);
        assert_eq!(short(&long).len(), CHARS + 3);
    }
}
