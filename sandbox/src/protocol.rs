//! What goes into the sandboxed process and what comes out: the job and the result lines.
//!
//! The other side is `runner.py`, whose header states the format.

use std::fs::File;
use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// The runner's text, given to `python -c`.
pub(crate) const RUNNER: &str = include_str!("runner.py");

/// Most bytes that honest results take: a message is at most 500 characters of up to 4 bytes, each
/// perhaps escaped to 6.
pub(crate) fn results_limit(n_tests: usize) -> u64 {
    4096 * (n_tests as u64 + 4)
}

/// 128 random bits in hexadecimal, which begin each result of one run.
pub(crate) fn nonce() -> Result<String, SandboxError> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(SandboxError::io("read random bytes"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// The job as the runner reads it.
pub(crate) fn job(nonce: &str, program: &str, tests: &[String]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Job<'a> {
        nonce: &'a str,
        program: &'a str,
        tests: &'a [String],
    }
    serde_json::to_vec(&Job {
        nonce,
        program,
        tests,
    })
    .expect("strings always serialise")
}

/// Why a program or a test did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Fault(pub(crate) FaultKind, pub(crate) String);

/// How a program or a test came to its end.
pub(crate) type Ended = Result<(), Fault>;

/// The verdicts that the runner itself can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// An assertion of a test does not hold.
    Failed,
    /// Any other exception.
    Error,
    /// `MemoryError`.
    Memory,
    /// A file beyond the size limit.
    Violation,
    /// The program is not Python.
    Unparsable,
}

/// All that a run reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// `None` until the program has run.
    pub(crate) program: Option<Ended>,
    /// One for each test: `None` if it was not reported.
    pub(crate) tests: Vec<Option<Ended>>,
    /// Memory ran out while the runner was at work.
    pub(crate) out_of_memory: bool,
    /// Peak of resident memory in bytes, told at the end of a complete run.
    pub(crate) done: Option<u64>,
}

/// Something stood in the result channel that the runner does not write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forged;

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Program {
        program: Option<Fault>,
    },
    Test {
        test: usize,
        fault: Option<Fault>,
    },
    Memory {
        #[serde(rename = "memory")]
        _memory: bool,
    },
    Done {
        done: u64,
    },
}

/// Reads the result lines of a run with `n_tests` tests.
///
/// A last line without its end belongs to a process that was killed while writing, and is left out.
pub(crate) fn parse(results: &[u8], nonce: &str, n_tests: usize) -> Result<Report, Forged> {
    let mut report = Report {
        tests: vec![None; n_tests],
        ..Report::default()
    };
    for line in results.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let json = line
            .strip_prefix(nonce.as_bytes())
            .and_then(|rest| rest.strip_prefix(b" "))
            .ok_or(Forged)?;
        if report.done.is_some() {
            return Err(Forged);
        }
        match serde_json::from_slice(json).map_err(|_| Forged)? {
            Line::Program { program } if report.program.is_none() => {
                report.program = Some(program.map_or(Ok(()), Err));
            }
            Line::Test { test, fault } => match report.tests.get_mut(test) {
                Some(slot @ None) => *slot = Some(fault.map_or(Ok(()), Err)),
                _ => return Err(Forged),
            },
            Line::Memory { .. } => report.out_of_memory = true,
            Line::Done { done } if report.tests.iter().all(Option::is_some) => {
                report.done = Some(done);
            }
            Line::Program { .. } | Line::Done { .. } => return Err(Forged),
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(results: &str, expected: Result<Report, Forged>) {
        assert_eq!(parse(results.as_bytes(), "ab", 1), expected, "{results}");
    }

    #[test]
    fn a_complete_run_is_read() {
        check(
            "ab {\"program\": null}\nab {\"test\": 0, \"fault\": [\"failed\", \"no\"]}\nab {\"done\": 7}\n",
            Ok(Report {
                program: Some(Ok(())),
                tests: vec![Some(Err(Fault(FaultKind::Failed, "no".into())))],
                out_of_memory: false,
                done: Some(7),
            }),
        );
    }

    #[test]
    fn a_line_cut_by_a_kill_is_left_out() {
        check(
            "ab {\"program\": null}\nab {\"te",
            Ok(Report {
                program: Some(Ok(())),
                tests: vec![None],
                ..Report::default()
            }),
        );
    }

    #[test]
    fn lines_that_the_runner_does_not_write_are_forged() {
        for results in [
            "{\"done\": 7}\n",
            "cd {\"program\": null}\n",
            "ab {\"passed\": true}\n",
            "ab {\"done\": 7}\n",
            "ab {\"test\": 1, \"fault\": null}\n",
            "ab {\"test\": 0, \"fault\": null}\nab {\"test\": 0, \"fault\": null}\n",
            "ab {\"program\": null}\nab {\"program\": null}\n",
            "\n",
        ] {
            check(results, Err(Forged));
        }
    }

    #[test]
    fn nonces_differ_and_are_hexadecimal() {
        let (a, b) = (nonce().expect("random"), nonce().expect("random"));
        assert_ne!(a, b);
        assert_eq!(a.len(), 32);
        assert!(a.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
